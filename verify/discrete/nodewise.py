"""What a grid makes of the gradient, node by node, at any number of digits.

A second computation of `quadrature_gradient`: every node and every neuron is visited, Eqs. (5)–(8) are written out,
and no running sum, moment or derived term is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.blocks import BLOCKS
from ..statement.expressions import X, to_mpf
from ..statement.network import ShallowNetwork
from ..statement.problem import Piece, RitzProblem

Array = NDArray[Any]


@dataclass(frozen=True)
class Nodewise:
    """Energy (an mpmath number) and the two parts of the gradient, (3, N) mpmath numbers each."""

    energy: Any
    bulk: Array
    dirac: Array


@dataclass(frozen=True)
class _At:
    """Everything Eqs. (5)–(8) need at one place: the problem's data there and the network's."""

    x: Any
    kappa: Any
    reaction: Any
    source: Any
    distance: Any
    distance_slope: Any
    lift: Any
    z: Array
    on: Array
    gradient: Any
    field: Any


def nodewise_gradient(
    problem: RitzProblem, network: ShallowNetwork, nodes: list[Any], weights: list[Any], delta: str | None
) -> Nodewise:
    """Sum over the nodes at mpmath's working precision, O(nN).

    Args:
        problem: gives κ, ρ, f, D, lift and ends.
        network: without batch dimensions.
        nodes: ascending mpmath numbers.
        weights: of the same length.
        delta: see `quadrature_gradient`.
    """
    w, b, c = (np.array([to_mpf(v) for v in network.rational(n)], dtype=object) for n in BLOCKS)
    zero, one = mpmath.mpf(0), np.full(len(w), mpmath.mpf(1))
    energy, bulk, dirac = zero, np.full((3, len(w)), zero), np.full((3, len(w)), zero)
    for x, weight in zip(nodes, weights, strict=True):
        at = _look(problem, (w, b, c), x)
        energy += weight * (at.kappa * at.gradient**2 / 2 + at.reaction * at.field**2 / 2 - at.source * at.field)
        # Eqs. (7) and (8) without their Dirac terms, by block.
        value = at.distance * np.stack([x * one, one, at.z])
        slope = np.stack([(at.distance_slope * x + at.distance) * one, at.distance_slope * one, at.distance * w])
        slope[2] += at.distance_slope * at.z
        factors = np.stack([c, c, one]) * at.on
        bulk += weight * factors * (at.kappa * at.gradient * slope + (at.reaction * at.field - at.source) * value)
    for term in problem.point_terms:
        looks = [(sign, _look(problem, (w, b, c), to_mpf(place))) for sign, place in term.places]
        u = sum(sign * at.field for sign, at in looks)
        excess = u - to_mpf(term.wanted)
        energy += to_mpf(term.pull) * u + to_mpf(term.stiffness) * excess**2 / 2
        pull = to_mpf(term.pull) + to_mpf(term.stiffness) * excess
        for sign, at in looks:
            bulk += sign * pull * at.distance * at.on * np.stack([c * at.x, c, at.z])
    for i in range(len(w)) if delta else ():
        kink = -b[i] / w[i] if w[i] else None
        if kink is not None and to_mpf(problem.domain[0]) < kink < to_mpf(problem.domain[1]):
            dirac[:2, i] = _spike(problem, (w, b, c), i, kink, nodes, delta)
    return Nodewise(energy, bulk, dirac)


def _spike(
    problem: RitzProblem, parameters: tuple[Array, Array, Array], i: int, kink: Any, nodes: list[Any], delta: str | None
) -> tuple[Any, Any]:
    """κ D c sgn(w) û′ in ∂/∂b and x times it in ∂/∂w: at the nearest node (Eq. 10), or with the mean of û′ (MATH 1)."""
    w, _, c = parameters
    # Of two nodes equally near, the left one.
    place = kink if delta == "mean" else min(nodes, key=lambda x: (abs(x - kink), x))
    at = _look(problem, parameters, place)
    gradient = at.gradient
    if delta == "mean":
        # At its own kink the neuron counts as silent: half of its slope is what the mean adds.
        gradient += at.distance * c[i] * w[i] / 2
    spike = at.kappa * at.distance * c[i] * mpmath.sign(w[i]) * gradient
    return at.x * spike, spike


def _look(problem: RitzProblem, parameters: tuple[Array, Array, Array], x: Any) -> _At:
    w, b, c = parameters
    z = w * x + b
    # A node on a kink leaves rounding of the working precision, where max(0, 0) has derivative 0.
    tiny = mpmath.mpf(10) ** (8 - mpmath.mp.dps)
    on = np.array([1 if v > tiny else 0 for v in z], dtype=object)
    piece = problem.pieces[sum(bool(x >= to_mpf(p)) for p in problem.interfaces)]
    kappa, reaction, source, distance, distance_slope, lift, lift_slope = _data(piece)(x)
    network, slope = (c * on * z).sum(), (c * on * w).sum()
    gradient = lift_slope + distance_slope * network + distance * slope
    return _At(x, kappa, reaction, source, distance, distance_slope, lift, z, on, gradient, lift + distance * network)


@cache
def _data(piece: Piece) -> Callable[[Any], Any]:
    """x → (κ, ρ, f, D, D′, lift, lift′) on one smooth piece."""
    slopes = sympy.diff(piece.distance, X), sympy.diff(piece.lift, X)
    rows = [piece.coefficient, piece.reaction, piece.source, piece.distance, slopes[0], piece.lift, slopes[1]]
    return sympy.lambdify(X, rows, "mpmath")  # type: ignore[no-any-return]
