"""The arrangement of a network's kinks: computed once, and handed on to energy, gradient and Hessian."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Degeneracy
from ..statement.comparison import compare
from ..statement.expressions import to_mpf
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem
from .degeneracies import SUSPICIOUS, clearance, degeneracies

Array = NDArray[Any]


# Up to so many, two sorts in one call are quicker than one in several.
_FEW = 500


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
        active_loads: and at the place of each point load? (L, ..., N)
        sides: from which side of the kink piecewise data are read (±1); matters only on an interface.
        exactly_ordered: (...), did the order need exact arithmetic?
        distance: (...), to the nearest place without the derivative that was asked for, see `clearance`; inf if none
            was.
        degeneracies: the places of that kind at which a network of the batch stands.
    """

    positions: Array
    orientations: Array
    inside: Array
    order: Array
    active_left: Array
    active_right: Array
    active_loads: Array
    sides: Array
    exactly_ordered: Array
    distance: Array
    degeneracies: tuple[Degeneracy, ...]


def by_position(values: Array, order: Array) -> Array:
    """What belongs to the neurons, (..., N), in the order of their kinks; leading dimensions beside `order`'s too."""
    # Plain indexing costs a tenth of `take_along_axis`.
    if order.ndim == 1:
        return np.asarray(values[..., order])
    return np.take_along_axis(values, np.broadcast_to(order, values.shape), -1)


def by_neuron(values: Array, order: Array) -> Array:
    """The inverse of `by_position`."""
    out = np.empty_like(values)
    if order.ndim == 1:
        out[..., order] = values
    else:
        np.put_along_axis(out, np.broadcast_to(order, values.shape), values, -1)
    return out


def arrange(problem: RitzProblem, network: ShallowNetwork, derivative: int = 0) -> Arrangement:
    """Float64 arrangement of a batch of networks, O(N log N).

    Args:
        problem: gives the domain, and the places at which a kink must not lie.
        network: of any batch shape (...).
        derivative: 1 or 2: also look for places where the energy has no such derivative.
    """
    w, b, _ = network.floats
    left, right = problem.ends
    flat = w == 0
    with np.errstate(over="ignore"):
        kinks = -b / np.where(flat, 1.0, w)
    kinks = np.where(flat, np.where(b > 0, left, right), kinks)
    positions = np.minimum(np.maximum(kinks, left), right)
    orientations = np.where(w < 0, -1, 1)
    inside = (kinks > left) & (kinks < right) & ~flat
    # Equal positions: neurons that switch off come first, so that a quadrature node lying on both kinks is seen by
    # neither, as max(0, 0) is not.
    order = _ordered(positions, orientations)
    placed = by_position(positions, order)
    both = by_position(inside, order)
    close = placed[..., 1:] - placed[..., :-1] <= SUSPICIOUS * max(abs(left), abs(right))
    close &= both[..., 1:] & both[..., :-1]
    in_doubt = np.asarray(close.any(axis=-1))
    if in_doubt.any():
        for index in map(tuple, np.argwhere(in_doubt)):
            order[index] = _exact_order(network.member(index), positions[index], inside[index], orientations[index])
    at_loads = np.array([w * float(place) + b > 0 for place in problem.loads], dtype=bool).reshape(-1, *w.shape)
    return Arrangement(
        positions, orientations, inside, order, w * left + b > 0, w * right + b > 0, at_loads, np.ones_like(order),
        in_doubt, *_standing(problem, network, inside, order, derivative),
    )  # fmt: skip


def _ordered(positions: Array, orientations: Array) -> Array:
    """By position, of equal ones the falling first, (..., N)."""
    if positions.ndim > 1 or positions.size < _FEW:
        return np.lexsort((orientations, positions), axis=-1)
    # One stable sort instead of two, and only of what lies between the least and the largest: the ends, mostly.
    grouped = np.concatenate([np.flatnonzero(orientations < 0), np.flatnonzero(orientations > 0)])
    placed = positions[grouped]
    least, largest = placed == placed.min(), placed == placed.max()
    between = np.flatnonzero(~(least | largest))
    between = between[np.argsort(placed[between], kind="stable")]
    # All in one place: least and largest at once.
    last = np.flatnonzero(largest & ~least)
    return np.asarray(grouped[np.concatenate([np.flatnonzero(least), between, last])])


def _standing(
    problem: RitzProblem, network: ShallowNetwork, inside: Array, order: Array, derivative: int
) -> tuple[Array, tuple[Degeneracy, ...]]:
    """Distance and degeneracies, as `Arrangement` has them."""
    if not derivative:
        return np.full(network.batch, np.inf), ()
    distance = clearance(problem, network, inside, derivative, order)
    return distance, degeneracies(problem, network, distance, derivative)


def arrange_exact(
    problem: RitzProblem,
    network: ShallowNetwork,
    direction: tuple[int, str, int] | None = None,
    derivative: int = 0,
) -> Arrangement:
    """Arrangement of one network in exact arithmetic, with mpmath positions at the present precision.

    Args:
        problem: gives the domain.
        network: without batch dimensions.
        direction: (neuron, block, ±1): the arrangement after that parameter has moved by an infinitesimal amount.
            It decides the order of coincident kinks and on which side of an end or an interface a kink lies.
        derivative: see `arrange`.
    """
    rows, keys, at_loads = [], [], []
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
        at_loads.append([z.sign_at(place) > 0 for place in problem.loads])
        rows.append((to_mpf(end), orientation, region == 0, *active, 1 if velocity >= 0 else -1))
        keys.append((region, position, velocity, orientation) if region == 0 else (region,))
    kinds = (object, int, bool, bool, bool, int)
    columns: list[Array] = [np.array(c, dtype=k) for c, k in zip(zip(*rows, strict=True), kinds, strict=True)]
    positions, orientations, inside, active_left, active_right, sides = columns
    order = np.array(sorted(range(network.width), key=lambda i: keys[i]))
    return Arrangement(
        positions, orientations, inside, order, active_left, active_right,
        np.array(at_loads, dtype=bool).reshape(network.width, -1).T, sides, np.asarray(True),
        *_standing(problem, network, inside, order, derivative),
    )  # fmt: skip


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
