"""A beam's energy and gradient as sums over points: on a grid, as programs have them, or between the kinks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..line.gradient import Gradient
from ..plane.rule import rule
from ..statement.blocks import BLOCKS, Blocks
from ..statement.expressions import NUMPY_MODULES, X, to_mpf
from .gradient import beam_gradient, inner_kinks, nearest_degeneracy
from .statement import BeamProblem, PowerNetwork

Array = NDArray[Any]


def beam_sum(
    problem: BeamProblem, network: PowerNetwork, nodes: Array, weights: Array, delta: str | None = None
) -> Gradient:
    """`quadrature_gradient` of a beam, on given nodes (n,); see there. O(nN).

    For ReLU³ û″ does not jump: there is nothing for a delta to add.
    """
    parameters = network.neurons.floats
    energy, bulk = _summed(parameters, network.power, nodes, weights, beam_data(problem, nodes))
    dirac = 0.0 * bulk
    if delta == "mean":
        found = beam_gradient(problem, network).dirac
        dirac = np.stack([getattr(found, n) for n in BLOCKS])
    elif delta == "nearest" and network.power == 2:
        for i, kink in inner_kinks(problem, network).items():
            # Of two as near the left one; û″ is what it is there.
            node = nodes[[int(np.abs(nodes - float(kink)).argmin())]]
            dirac[:2, i] = _spike(parameters, i, node, beam_data(problem, node))
    parts = (Blocks(*bulk), Blocks(*dirac), Blocks(*(bulk + dirac)))
    return Gradient(*parts, float(energy), "grid", 0.0, nearest_degeneracy(problem, network)[0])


def values_between_kinks(problem: BeamProblem, network: PowerNetwork, points: int) -> Array:
    """Energy and gradient, (1 + 3N,), by Gauss points between kinks and the Dirac terms, at mpmath's present precision.

    Other than running sums of powers of x about 0 this loses no digits next to an end.
    """
    parameters = tuple(np.array([to_mpf(v) for v in network.neurons.rational(n)], dtype=object) for n in BLOCKS)
    kinks, by = inner_kinks(problem, network), rule("mpf", points)
    ends = (problem.domain[0], *problem.interfaces, problem.domain[1])
    energy, gradient = mpmath.mpf(0), 0 * np.stack(parameters)
    for k, (left, right) in enumerate(pairwise(map(to_mpf, ends))):
        inside = [x for x in map(to_mpf, kinks.values()) if left < x < right]
        for a, b in pairwise([left, *inside, right]):
            x = a + (b - a) * by.nodes
            found = _summed(parameters, network.power, x, (b - a) * by.weights, _exact_data(problem, k, x))
            energy, gradient = energy + found[0], gradient + found[1]
        for i, kink in kinks.items() if network.power == 2 else ():
            x = np.array([to_mpf(kink)], dtype=object)
            if left < x[0] < right:
                gradient[:2, i] += _spike(parameters, i, x, _exact_data(problem, k, x), to_mpf(sympy.Rational(1, 2)))
    return np.concatenate([[energy], gradient.ravel()])


def _summed(parameters: Any, power: int, nodes: Array, weights: Array, data: Array) -> tuple[Any, Array]:
    """Σ weights · (½EI û″² − f û), and its derivatives (3, N)."""
    w, _, c = parameters
    stiffness, source, d, d_1, d_2, _, _ = data
    at = _Field(parameters, power, nodes, data)
    z, p, x = at.z, power, nodes[:, None]
    # Derivatives of N, N′ and N″ by w, b and c, (3, n, N) each; the last power of z is a step for p = 2.
    step, past = p * (p - 1) * (z if p == 3 else at.on), (6 if p == 3 else 0) * at.on
    value = np.stack([c * p * z ** (p - 1) * x, c * p * z ** (p - 1), z**p])
    slope = np.stack([c * (p * z ** (p - 1) + w * x * step), c * w * step, p * w * z ** (p - 1)])
    bend = np.stack([c * w * (2 * step + w * x * past), c * w**2 * past, w**2 * step])
    moment = weights * stiffness * at.bend
    forces = (moment * d_2 - weights * source * d, 2 * moment * d_1, moment * d)
    gradient = sum((f[:, None] * part).sum(axis=1) for f, part in zip(forces, (value, slope, bend), strict=True))
    energy = (weights * (stiffness * at.bend**2 / 2 - source * at.value)).sum()
    return energy, np.asarray(gradient)


def _spike(parameters: Any, i: int, place: Array, data: Array, own: Any = None) -> tuple[Any, Any]:
    """EI û″ D·2cw² ÷ |w| of one neuron at a place (1,), by w and by b; `own`: of its own curvature so much is there."""
    w, _, c = parameters
    at = _Field(parameters, 2, place, data, None if own is None else (i, own))
    by_bias = (data[0] * at.bend * data[2])[0] * 2 * c[i] * abs(w[i])
    return place[0] * by_bias, by_bias


@dataclass
class _Field:
    """û and û″ at points (n,), z of the active neurons and which these are, (n, N)."""

    parameters: Any
    power: int
    x: Array
    data: Array
    own: tuple[int, Any] | None = None

    def __post_init__(self) -> None:
        w, b, c = self.parameters
        _, _, d, d_1, d_2, lift, lift_2 = self.data
        p, z = self.power, self.x[:, None] * w + b
        self.on = np.where(z > 0, 1 + 0 * z, 0 * z)
        if self.own is not None:
            # On its own kink, where z is 0 but for rounding.
            self.on[:, self.own[0]], z[:, self.own[0]] = self.own[1], 0 * z[:, self.own[0]]
        self.z = self.on * z
        n, n_1 = self.z**p @ c, p * self.z ** (p - 1) @ (c * w)
        n_2 = p * (p - 1) * (self.z if p == 3 else self.on) @ (c * w**2)
        self.value = lift + d * n
        self.bend = lift_2 + d_2 * n + 2 * d_1 * n_1 + d * n_2


def beam_data(problem: BeamProblem, x: Array) -> Array:
    """EI, f, D, D′, D″, lift and lift″ at points (n,): (7, n); on an interface those of the left."""
    stretch = np.searchsorted([float(e) for e in problem.interfaces], x)
    out = np.empty((7, len(x)))
    for k in np.unique(stretch):
        here = stretch == k
        for row, v in zip(out, _data(problem, int(k), "float")(x[here]), strict=True):
            row[here] = v
    return out


def _exact_data(problem: BeamProblem, stretch: int, x: Array) -> Array:
    function = _data(problem, stretch, "mpf")
    return np.array([[mpmath.mpf(v) for v in function(place)] for place in x], dtype=object).T


@lru_cache(maxsize=64)
def _data(problem: BeamProblem, stretch: int, numbers: str) -> Any:
    s = problem.stretches[stretch]
    d, lift = s.distance, s.lift
    rows = [s.stiffness, s.source, d, sympy.diff(d, X), sympy.diff(d, X, 2), lift, sympy.diff(lift, X, 2)]
    return sympy.lambdify(X, rows, NUMPY_MODULES if numbers == "float" else "mpmath")
