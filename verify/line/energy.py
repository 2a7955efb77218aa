"""The exact energy of a one-hidden-layer network, by running sums over its sorted kinks (MATH 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import InputError
from ..statement.blocks import BLOCKS
from ..statement.expressions import X, to_mpf
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem
from .kinks import Arrangement, arrange, arrange_exact, by_neuron, by_position
from .moments import Moments, moments

Array = NDArray[Any]

# Digits carried beyond those asked for: the running sums lose a few to cancellation between close kinks.
GUARD_DIGITS = 20
# Those of float64, which is there without asking for digits.
FEWEST_DIGITS = 15


@dataclass(frozen=True)
class Sweep:
    """Running sums over the kinks sorted by position; P = N + 1 pieces, the first and last may be empty.

    Attributes:
        arrangement: positions and order of the kinks.
        affine: slope a and intercept g of the network on each piece, (2, ..., P).
        increments: the six moments integrated over each piece, (6, ..., P).
    """

    arrangement: Arrangement
    affine: Array
    increments: Array

    @property
    def slope(self) -> Array:
        """a, (..., P)."""
        return np.asarray(self.affine[0])

    @property
    def intercept(self) -> Array:
        """g, (..., P)."""
        return np.asarray(self.affine[1])

    def energy(self) -> Array:
        """Σ over the pieces of the density polynomial in (a, g), (...)."""
        a, g, m = self.slope, self.intercept, self.increments
        return np.asarray(((m[0] * a + m[1] * g + m[3]) * a + (m[2] * g + m[4]) * g + m[5]).sum(axis=-1))

    def forces(self) -> Array:
        """∫ ∂L/∂a and ∫ ∂L/∂g over each neuron's active interval, (2, ..., N) in the order of the neurons."""
        a, g, m = self.slope, self.intercept, self.increments
        return self.active_sum(np.stack([2 * m[0] * a + m[1] * g + m[3], m[1] * a + 2 * m[2] * g + m[4]]))

    def active_sum(self, per_piece: Array) -> Array:
        """Sum of quantities (K, ..., P) over the pieces on which each neuron is active, (K, ..., N)."""
        # From the end at which the neuron is active: a difference from the whole would cancel for short intervals.
        from_left = per_piece.cumsum(axis=-1)[..., :-1]
        from_right = per_piece[..., ::-1].cumsum(axis=-1)[..., -2::-1]
        order = self.arrangement.order
        rising = by_position(self.arrangement.orientations, order) > 0
        return by_neuron(np.where(rising, from_right, from_left), order)

    def at_kinks(self, per_piece: Array) -> tuple[Array, Array]:
        """Piecewise quantities (K, ..., P) left and right of each neuron's kink, both (K, ..., N)."""
        order = self.arrangement.order
        return by_neuron(per_piece[..., :-1], order), by_neuron(per_piece[..., 1:], order)


def sweep(arrangement: Arrangement, w: Array, b: Array, c: Array, increments: Callable[[Array], Array]) -> Sweep:
    """Sort, sum, integrate.

    Args:
        arrangement: of the networks.
        w: hidden weights, (..., N), and likewise b and c.
        b: hidden biases.
        c: output weights.
        increments: order of the neurons (..., N) → the six moments over each piece, (6, ..., N + 1).
    """
    order, orientations = arrangement.order, arrangement.orientations
    amount = np.stack([c * w, c * b])
    # Σ over the active neurons on each piece: one of orientation −1 is active from the left.
    start = (amount * (orientations < 0)).sum(axis=-1, keepdims=True)
    steps = by_position(orientations * amount, order)
    affine = np.concatenate([start, start + steps.cumsum(axis=-1)], axis=-1)
    return Sweep(arrangement, affine, increments(order))


def lebesgue_sweep(
    problem: RitzProblem,
    network: ShallowNetwork,
    exact: bool = False,
    arrangement: Arrangement | None = None,
    derivative: int = 0,
) -> tuple[Sweep, Moments, tuple[Array, Array, Array]]:
    """The sweep whose integrals are exact, with the moments and the parameters in its number type.

    Args:
        problem: whose energy is integrated.
        network: of any batch shape (...); one network if `exact`.
        exact: in mpmath numbers at the present precision.
        arrangement: of the network, where it is another than its own.
        derivative: see `arrange`.
    """
    table = moments(problem)
    if not exact:
        w, b, c = network.floats
        arrangement = arrange(problem, network, derivative)
        positions = arrangement.positions

        def increments(order: Array) -> Array:
            return table.increments(by_position(positions, order))

        return sweep(arrangement, w, b, c, increments), table, (w, b, c)
    w, b, c = (np.array([to_mpf(f) for f in network.rational(n)], dtype=object) for n in BLOCKS)
    arrangement = arrangement or arrange_exact(problem, network, derivative=derivative)
    placed = arrangement.positions

    def increments_exact(order: Array) -> Array:
        left, right = map(to_mpf, problem.domain)
        return np.diff(table.cumulative_exact([left, *placed[order], right]), axis=-1)

    return sweep(arrangement, w, b, c, increments_exact), table, (w, b, c)


@dataclass(frozen=True)
class PointTerms:
    """Point loads, flux, Robin and penalty terms and their derivatives: what the energy has besides its integral.

    Attributes:
        energy: (...).
        forces: Σ over their places of ∂/∂u · D · ∂network/∂(w, b, c), (3, ..., N).
        curvature: Σ stiffness·D²·∂network/∂θ ⊗ ∂network/∂θ, (..., 3N, 3N).
        mixed: the second derivatives in (w, c) and in (b, c) of each neuron through ∂²network/∂θ∂θ′, (2, ..., N).
    """

    energy: Array
    forces: Array
    curvature: Array
    mixed: Array


def point_terms(
    problem: RitzProblem, w: Array, b: Array, c: Array, arrangement: Arrangement, second: bool = False
) -> PointTerms | None:
    """The terms at free ends and of point loads, or None if there are none; `second` fills the O(N²) curvature."""
    if not problem.point_terms:
        return None
    number = to_mpf if w.dtype == object else float
    energy, forces = 0 * c.sum(axis=-1), np.stack([0 * w] * 3)
    curvature: Any = 0
    mixed = np.stack([0 * w] * 2)
    sides = dict(zip(problem.domain, (arrangement.active_left, arrangement.active_right), strict=True))
    sides |= dict(zip(problem.loads, arrangement.active_loads, strict=True))
    for term in problem.point_terms:
        seen = [(sign, _at_place(problem, place, (w, b, c), sides[place])) for sign, place in term.places]
        # Between periodic ends: the difference of both, here and in all that follows.
        u = sum(sign * at.value for sign, at in seen)
        weight, wanted = number(term.stiffness), number(term.wanted)
        energy = energy + number(term.pull) * u + weight * (u - wanted) ** 2 / 2
        pull = number(term.pull) + weight * (u - wanted)
        directions = np.asarray(sum(sign * at.directions for sign, at in seen))
        forces = forces + np.asarray(pull)[..., None] * directions
        # The network is bilinear in (w, b) and c: mixed second derivatives, times the pull, on the neuron's own block.
        for sign, at in seen:
            on = np.where(at.active, 1 + 0 * c, 0 * c) * np.asarray(sign * pull * at.distance)[..., None]
            mixed = mixed + np.stack([at.x * on, on])
        if not second:
            continue
        vectors = np.moveaxis(directions, 0, -2).reshape(*w.shape[:-1], -1)
        curvature = curvature + weight * vectors[..., :, None] * vectors[..., None, :]
    return PointTerms(np.asarray(energy), forces, np.asarray(curvature), mixed)


@dataclass(frozen=True)
class _AtPlace:
    """u at an end or a load, (...), with D, which neurons are active, (..., N), and ∂u/∂(w, b, c), (3, ..., N)."""

    x: Any
    distance: Any
    value: Any
    active: Array
    directions: Array


def _at_place(problem: RitzProblem, end: sympy.Expr, parameters: tuple[Array, Array, Array], active: Array) -> _AtPlace:
    w, b, c = parameters
    number = to_mpf if w.dtype == object else float
    x, distance, lift = (number(e) for e in (end, problem.distance.subs(X, end), problem.lift.subs(X, end)))
    z = np.where(active, w * x + b, 0 * w)
    step = np.where(active, c, 0 * c)
    value = lift + distance * (c * z).sum(axis=-1)
    return _AtPlace(x, distance, value, active, distance * np.stack([x * step, step, z]))


def single(network: ShallowNetwork) -> ShallowNetwork:
    """Refuse a batch where numbers with many digits are asked for."""
    if network.batch:
        raise InputError(f"network: digits= takes one network, not a batch of shape {network.batch}; loop over it")
    return network


def line_energy(problem: RitzProblem, network: ShallowNetwork, digits: int | None = None) -> Any:
    """`exact_energy` for one hidden layer; see there."""
    if digits is None:
        return _energy(problem, network, False)[()]
    with mpmath.workdps(working_digits(digits)):
        value = energy_at_working_precision(problem, single(network))
    with mpmath.workdps(digits):
        return +value


def energy_at_working_precision(problem: RitzProblem, network: ShallowNetwork) -> Any:
    """The energy of one network at mpmath's present precision."""
    return _energy(problem, network, True)[()]


def _energy(problem: RitzProblem, network: ShallowNetwork, exact: bool) -> Array:
    swept, _, (w, b, c) = lebesgue_sweep(problem, network, exact)
    terms = point_terms(problem, w, b, c, swept.arrangement)
    return np.asarray(swept.energy() if terms is None else swept.energy() + terms.energy)


def working_digits(digits: int) -> int:
    """Digits to compute with.

    Raises:
        InputError: no whole number of digits, or fewer than float64 has.
    """
    if isinstance(digits, bool) or not isinstance(digits, int) or digits < FEWEST_DIGITS:
        raise InputError(f"digits: {digits!r} are too few; a whole number from {FEWEST_DIGITS} on would be right")
    return digits + GUARD_DIGITS
