"""Kinks of a network inside a domain, their order, and the places where the energy has no derivative (MATH 5)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.expressions import X, to_mpf
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem

Array = NDArray[Any]

# Two float64 quotients closer than this many roundings may be equal or swapped: exact arithmetic decides.
_SUSPICIOUS = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Degeneracy:
    """A place where the energy is only one-sidedly differentiable, or how far away it is.

    Attributes:
        kind: "coincident kinks", "kink on the end of the domain", "kink on an interface" or "dead neuron".
        neurons: whose kinks they are.
        position: x, `None` for a dead neuron (w = b = 0), which has no kink.
        distance: |Δx| to the place; for a dead neuron √(w² + b²). 0 means: right there.
        index: which network of a batch.
        layers: of a deep network, from 0: the layer of each of the neurons.
    """

    kind: str
    neurons: tuple[int, ...]
    position: float | None
    distance: float
    index: tuple[int, ...] = ()
    layers: tuple[int, ...] = ()

    def __str__(self) -> str:
        who = f"neuron{'s' if len(self.neurons) > 1 else ''} {' and '.join(map(str, self.neurons))}"
        if self.layers:
            pairs = zip(self.neurons, self.layers, strict=True)
            who = " and ".join(f"neuron {i} of hidden layer {k}" for i, k in pairs)
        where = "" if self.position is None else f" at x = {self.position:.12g}"
        batch = f" of network {self.index}" if self.index else ""
        return f"{self.kind}: {who}{batch}{where}"


@dataclass(frozen=True)
class Arrangement:
    """The active intervals of all neurons, ready for running sums; every array is (..., N).

    Neuron i is active on [positionᵢ, right] if its orientation is +1, on [left, positionᵢ] if −1. Kinks outside the
    domain, and neurons with w = 0, are moved to the end that says the same.

    Attributes:
        positions: kinks, clipped to the domain; float64 or mpmath numbers.
        orientations: ±1, the sign of w.
        inside: is the kink strictly inside the domain?
        order: neurons by ascending position; exact, also where float64 positions agree.
        active_left, active_right: is the neuron active at the left and at the right end?
        sides: from which side of the kink piecewise data are read (±1); matters only on an interface.
    """

    positions: Array
    orientations: Array
    inside: Array
    order: Array
    active_left: Array
    active_right: Array
    sides: Array


def arrange(problem: RitzProblem, network: ShallowNetwork) -> Arrangement:
    """Float64 arrangement of a batch of networks, O(N log N)."""
    w, b, _ = network.floats
    left, right = float(problem.domain[0]), float(problem.domain[1])
    flat = w == 0
    with np.errstate(over="ignore"):
        kinks = -b / np.where(flat, 1.0, w)
    kinks = np.where(flat, np.where(b > 0, left, right), kinks)
    positions = np.clip(kinks, left, right)
    orientations = np.where(w < 0, -1, 1)
    inside = (kinks > left) & (kinks < right) & ~flat
    # Equal positions: neurons that switch off come first, so that a quadrature node lying on both kinks is seen by
    # neither, as max(0, 0) is not.
    order = np.lexsort((orientations, positions), axis=-1)
    gaps = np.diff(np.take_along_axis(positions, order, -1), axis=-1)
    both = np.take_along_axis(inside, order, -1)
    close = (gaps <= _SUSPICIOUS * max(abs(left), abs(right))) & both[..., 1:] & both[..., :-1]
    for index in np.ndindex(*network.batch):
        if close[index].any():
            order[index] = _exact_order(network.member(index), positions[index], inside[index], orientations[index])
    return Arrangement(positions, orientations, inside, order, w * left + b > 0, w * right + b > 0, np.ones_like(order))


def arrange_exact(
    problem: RitzProblem, network: ShallowNetwork, direction: tuple[int, str, int] | None = None
) -> Arrangement:
    """Arrangement of one network in exact arithmetic, with mpmath positions at the present precision.

    Args:
        problem: gives the domain.
        network: without batch dimensions.
        direction: (neuron, block, ±1): the arrangement after that parameter has moved by an infinitesimal amount.
            It decides the order of coincident kinks and on which side of an end or an interface a kink lies.
    """
    rows, keys = [], []
    for i in range(network.width):
        z = _Preactivation.of(network, i, direction)
        kink, velocity = z.kink()
        if kink is None:
            region, position = (-1 if z.sign_at(0) > 0 else 1), None
            orientation = 1
        else:
            orientation, position = z.orientation(), kink
            region = _region(problem, kink, velocity)
        end = {-1: problem.domain[0], 0: position, 1: problem.domain[1]}[region]
        active = (z.sign_at(problem.domain[0]) > 0, z.sign_at(problem.domain[1]) > 0)
        rows.append((to_mpf(end), orientation, region == 0, *active, 1 if velocity >= 0 else -1))
        keys.append((region, position, velocity, orientation) if region == 0 else (region,))
    kinds = (object, int, bool, bool, bool, int)
    columns: list[Array] = [np.array(c, dtype=k) for c, k in zip(zip(*rows, strict=True), kinds, strict=True)]
    positions, orientations, inside, active_left, active_right, sides = columns
    order = np.array(sorted(range(network.width), key=lambda i: keys[i]))
    return Arrangement(positions, orientations, inside, order, active_left, active_right, sides)


@dataclass(frozen=True)
class _Preactivation:
    """z(x) = wx + b with an infinitesimal part in each coefficient: signs and kinks are lexicographic."""

    weight: tuple[Fraction, int]
    bias: tuple[Fraction, int]

    @classmethod
    def of(cls, network: ShallowNetwork, neuron: int, direction: tuple[int, str, int] | None) -> _Preactivation:
        def pair(block: str) -> tuple[Fraction, int]:
            value = Fraction(getattr(network, block)[neuron])
            moved = direction is not None and direction[:2] == (neuron, block)
            return value, direction[2] if direction is not None and moved else 0

        return cls(pair("hidden_weights"), pair("hidden_biases"))

    def kink(self) -> tuple[Fraction | None, Fraction]:
        """Position and velocity of the zero of z; position None if there is no zero at a finite place."""
        (w, dw), (b, db) = self.weight, self.bias
        if w:
            return -b / w, -db / w + b * dw / w**2
        return (Fraction(0), Fraction(0)) if dw and not b else (None, Fraction(0))

    def orientation(self) -> int:
        return 1 if self.weight >= (0, 0) else -1

    def sign_at(self, place: Any) -> int:
        """Sign of z at an exact place, its infinitesimal part breaking ties."""
        (w, dw), (b, db) = self.weight, self.bias
        value = _affine_sign(w, b, place)
        return value or _affine_sign(Fraction(dw), Fraction(db), place)


def _affine_sign(w: Fraction, b: Fraction, place: Any) -> int:
    """Sign of w·place + b."""
    if w == 0:
        return compare(b, 0)
    return compare(-b / w, place) * (-1 if w > 0 else 1)


def compare(value: Fraction, other: Any) -> int:
    """Sign of value − other for a Fraction and an exact number (Fraction, int or SymPy, also irrational)."""
    if isinstance(other, sympy.Basic):
        if not isinstance(other, sympy.Rational):
            return int(sympy.sign(sympy.N(sympy.Rational(value.numerator, value.denominator) - other, 60)))
        other = Fraction(int(other.p), int(other.q))
    return int(value > other) - int(value < other)


def _region(problem: RitzProblem, kink: Fraction, velocity: Fraction) -> int:
    """−1, 0, +1: is the kink left of, inside or right of the domain, after an infinitesimal step?"""
    at_left, at_right = (compare(kink, end) for end in problem.domain)
    if at_left < 0 or (at_left == 0 and velocity <= 0):
        return -1
    return 1 if at_right > 0 or (at_right == 0 and velocity >= 0) else 0


def _exact_order(network: ShallowNetwork, positions: Array, inside: Array, orientations: Array) -> Array:
    w, b = network.rational("hidden_weights"), network.rational("hidden_biases")

    def key(i: int) -> tuple[Any, ...]:
        # Kinks outside the domain were moved to an end and need no second look.
        exact = -Fraction(b[i]) / Fraction(w[i]) if inside[i] else Fraction(float(positions[i]))
        return exact, int(orientations[i])

    return np.array(sorted(range(network.width), key=key))


def clearance(problem: RitzProblem, network: ShallowNetwork, arrangement: Arrangement, order: int = 1) -> Array:
    """Distance to the nearest place where the energy lacks a derivative of the given order, (...); inf if none.

    In units of x, except for dead neurons, for which it is √(w² + b²). Zero to rounding is settled by `degeneracies`.
    """
    w, b, c = network.floats
    heard = c != 0 if order == 1 else np.ones_like(c, dtype=bool)
    kinked = heard & (w != 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        kinks = np.where(kinked, -b / w, np.nan)
        # One sort serves all gaps: silent neurons are nan, and nan sorts last.
        gaps = np.diff(np.sort(np.where(arrangement.inside, kinks, np.nan), axis=-1), axis=-1)
        out = np.fmin.reduce(gaps, axis=-1, initial=np.inf)
        for place in fixed_places(problem, order):
            out = np.fmin(out, np.fmin.reduce(np.abs(kinks - float(place[1])), axis=-1, initial=np.inf))
        dead = np.where(heard, np.hypot(w, b), np.inf).min(axis=-1)
    return np.asarray(np.fmin(out, dead))


def degeneracies(
    problem: RitzProblem, network: ShallowNetwork, distance: Array, order: int = 1
) -> tuple[Degeneracy, ...]:
    """All exact degeneracies of a batch; `distance` is its `clearance`, by which the harmless ones are passed over."""
    if not (distance <= _SUSPICIOUS * max(1.0, *(abs(float(e)) for e in problem.domain))).any():
        return ()
    scale = max(1.0, *(abs(float(e)) for e in problem.domain))
    out: list[Degeneracy] = []
    for index in np.ndindex(*network.batch):
        if distance[index] <= _SUSPICIOUS * scale:
            out += _degeneracies_of_one(problem, network.member(index), order, index)
    return tuple(dict.fromkeys(out))


def _degeneracies_of_one(
    problem: RitzProblem, network: ShallowNetwork, order: int, index: tuple[int, ...]
) -> list[Degeneracy]:
    w, b, c = (network.rational(n) for n in ("hidden_weights", "hidden_biases", "output_weights"))
    out = []
    at: dict[Fraction, list[int]] = {}
    for i in range(network.width):
        if w[i] == 0 and b[i] == 0 and (c[i] != 0 or order == 2):
            out.append(Degeneracy("dead neuron", (i,), None, 0.0, index))
        elif w[i] != 0:
            at.setdefault(Fraction(-b[i]) / Fraction(w[i]), []).append(i)
    for kink, neurons in at.items():
        if any(compare(kink, end) * sign > 0 for end, sign in zip(problem.domain, (-1, 1), strict=True)):
            continue
        heard = tuple(i for i in neurons if c[i] != 0)
        inner = all(compare(kink, end) for end in problem.domain)
        involved = heard if order == 1 else tuple(neurons)
        if len(involved) > 1 and heard and inner and not distance_vanishes(problem.distance, kink):
            out.append(Degeneracy("coincident kinks", involved, float(kink), 0.0, index))
        for kind, place in fixed_places(problem, order):
            if involved and compare(kink, place) == 0:
                out.append(Degeneracy(kind, involved, float(place), 0.0, index))
    return out


def distance_vanishes(distance: sympy.Expr, kink: Fraction) -> bool:
    """Is D zero at the kink, so that it cannot be seen there?"""
    return bool(distance.subs(X, sympy.Rational(kink.numerator, kink.denominator)).is_zero)


@lru_cache(maxsize=256)
def fixed_places(problem: RitzProblem, order: int) -> tuple[tuple[str, sympy.Expr], ...]:
    """Positions at which a kink has no derivative of that order: (kind, x)."""
    ends = [e for e in problem.domain if order == 2 or e in problem.fluxes or e in problem.essential]
    out = [("kink on the end of the domain", e) for e in ends]
    for before, after in zip(problem.pieces, problem.pieces[1:], strict=False):
        # The gradient reads κ, D′ and lift′ at the kink (MATH 1); a jump of the source is felt by the Hessian only.
        felt = [
            (before.coefficient, after.coefficient),
            (sympy.diff(before.distance, X), sympy.diff(after.distance, X)),
            (sympy.diff(before.lift, X), sympy.diff(after.lift, X)),
        ]
        if order == 2 or any(sympy.N((p - q).subs(X, after.left)) != 0 for p, q in felt):
            out.append(("kink on an interface", after.left))
    return tuple(out)
