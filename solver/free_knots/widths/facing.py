"""The energy of N neurons with N kinks, each neuron facing left or right (MATH 11).

relu(x − ξ) and relu(ξ − x) make the same kink and differ by a line. With a kink for every neuron no neuron is left to
carry a line: what the left-facing ones add up to must be the left-most affine part. With Eₖ the line of v on element
k the part that no neuron carries is Σ αₖ Eₖ, αₖ = φₖ − φₖ₊₁, φ = 1 at a kink whose neuron faces left, 0 at one that
faces right, and φ₀ = 1, φₙ = 0 at the ends: two linear conditions on the nodal values, with two multipliers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import NDArray

from ...data.strong_solution import StrongSolution
from ..hat_functions import Fit, assess, fit, on_knots, solve_tridiagonal
from ..reduced_energy import BANDS, ReducedEnergy, with_identity_rows

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# Conditions whose stiffness is this share of the other's are one condition, or none, up to rounding.
_DEPENDENT = 1e-12
# What is left of the rest, as a share of the lines that it is a sum of.
_CARRIED = 1e-9


@dataclass(frozen=True, eq=False)
class FacedEnergy(ReducedEnergy):
    """The energy gap at the best nodal values that the neurons can carry; derivatives are the Lagrangian's.

    Attributes:
        falling: kinks whose neuron faces left, (K,).
        multipliers: of the conditions, (C,).
        kept: what has to vanish, as combinations of Σ αₖ Eₖ at the left and at the right end of the domain, (C, 2).
    """

    falling: Booleans = field(default_factory=lambda: np.zeros(0, dtype=bool))
    multipliers: Array = field(default_factory=lambda: np.zeros(2))
    kept: Array = field(default_factory=lambda: np.eye(2))

    def at(self, kinks: Array) -> ReducedEnergy:
        """The same facings at other kinks, (K,)."""
        return faced_energy(self.solution, kinks, self.falling)

    def gradient(self, side: int = 1) -> Array:
        """∂/∂ξᵢ of the energy gap, (K,), nodal values following under the conditions."""
        return np.asarray(super().gradient(side) + self.multipliers @ self.conditions[:, 2:-2:2])

    @cached_property
    def conditions(self) -> Array:
        """Derivatives of the conditions in (t₀, v₀, t₁, v₁, …), (C, 2n + 2), in the Hessian's coordinates."""
        return np.asarray(self.kept @ condition_rows(self.fit, alternation(self.falling)))

    def hessian(self, fixed: Booleans) -> Array:
        """The Lagrangian's second derivatives, as `ReducedEnergy.hessian` has the energy's."""
        plain = super().hessian(fixed)
        frozen = np.ones(plain.shape[1], dtype=bool)
        frozen[2:-2:2] = fixed
        frozen[1::2] = self.fit.held
        return plain + _without(self._condition_curvature, frozen)

    @cached_property
    def _condition_curvature(self) -> Array:
        """Σ multiplier·second derivatives of the conditions, lower banded, (4, 2n + 2).

        With y the height of a moved knot above the element's line and τ its displacement, a line's value at p changes
        to second order by (y_left − y_right)(q_left τ_left + q_right τ_right)/h, q being p in barycentric coordinates.
        """
        knots, lengths = self.fit.knots, np.diff(self.fit.knots)
        a, b = _tilts(self.fit)
        by_left, by_right = _barycentric(knots)
        weight = (self.multipliers @ self.kept)[:, None] * alternation(self.falling) / lengths
        left, right = (weight * by_left).sum(0), (weight * by_right).sum(0)
        out = np.zeros((BANDS, 2 * len(knots)))
        first, second = slice(0, -2), slice(2, None)
        out[0, first][0::2] -= 2 * a * left
        out[0, second][0::2] += 2 * b * right
        out[1, first][0::2] += left
        out[1, second][0::2] -= right
        out[2, first][0::2] += b * left - a * right
        out[3, first][0::2] -= left
        # The left knot's value with the right knot's kink.
        out[1, first][1::2] += right
        return out


def faced_energy(solution: StrongSolution, kinks: Array, falling: Booleans) -> FacedEnergy:
    """The least energy of neurons with given kinks, ascending and inside the domain, and facings, (K,); O(K)."""
    left, right = solution.domain
    free = fit(solution, np.concatenate([[left], kinks, [right]]))
    rows = condition_rows(free, alternation(falling))[:, 1::2]
    rows[:, free.held] = 0.0
    answers = np.stack([solve_tridiagonal(free.stiffness, row, free.held) for row in rows])
    stiffness = _inverse(rows @ answers.T)
    values, multipliers = free.values, np.zeros(2)
    # The second pass takes off what rounding has left of the first.
    for _ in range(2):
        more = stiffness @ uncarried(free.knots, values, falling)
        values, multipliers = values - more @ answers, multipliers + more
    return FacedEnergy(solution, assess(solution, free.knots, values), falling, multipliers)


def alternation(falling: Booleans) -> Array:
    """αₖ, (..., n): 1, −1, 1, … where the facing (..., K) changes, else 0; their sum is 1."""
    edge = np.ones((*falling.shape[:-1], 1))
    return -np.diff(np.concatenate([edge, falling, 0 * edge], axis=-1), axis=-1)


def uncarried(knots: Array, values: Array, falling: Booleans) -> Array:
    """Σ αₖ Eₖ at both ends of the domain, (2,): the line that no neuron carries."""
    by_left, by_right = _barycentric(knots)
    return np.asarray((by_left * values[:-1] + by_right * values[1:]) @ alternation(falling))


def carries(energy: FacedEnergy) -> bool:
    """Do the neurons carry all of v, up to rounding?"""
    fit = energy.fit
    by_left, by_right = _barycentric(fit.knots)
    size = np.abs(by_left * fit.values[:-1]) + np.abs(by_right * fit.values[1:])
    rest = np.abs(uncarried(fit.knots, fit.values, energy.falling))
    # Where all face one way it is the line of one element that vanishes: beside the lines of the others, not its own.
    summed = np.maximum(size @ np.abs(alternation(energy.falling)), size.max(axis=1))
    return bool((rest <= _CARRIED * summed).all())


def condition_rows(fit: Fit, weights: Array) -> Array:
    """Derivatives of Σ weightₖ Eₖ at both ends of the domain in (t₀, v₀, t₁, v₁, …), (2, 2n + 2)."""
    a, b = _tilts(fit)
    by_left, by_right = _barycentric(fit.knots)
    left, right = weights * by_left, weights * by_right
    out = np.zeros((2, 2 * len(fit.knots)))
    for row, of_left, of_right in zip(out, left, right, strict=True):
        row[1::2] = on_knots(of_left, of_right)
        row[0::2] = on_knots(-a * of_left, -b * of_right)
    out[:, [0, -2]] = 0.0
    return out


def _barycentric(knots: Array) -> tuple[Array, Array]:
    """Both ends of the domain in the barycentric coordinates of each element, (2, n) for its left and right knot."""
    lengths, ends = np.diff(knots), knots[[0, -1]][:, None]
    return (knots[1:] - ends) / lengths, (ends - knots[:-1]) / lengths


def _tilts(fit: Fit) -> tuple[Array, Array]:
    """v′ on the element minus the mean slope at its left and at its right knot, (n,)."""
    jumps = np.concatenate([[0.0], np.diff(fit.slopes), [0.0]])
    return jumps[:-1] / 2, -jumps[1:] / 2


def _without(banded: Array, frozen: Booleans) -> Array:
    """Rows and columns of frozen unknowns nil."""
    out = with_identity_rows(banded.copy(), frozen)
    out[0, frozen] = 0.0
    return out


def _inverse(matrix: Array) -> Array:
    """Of the conditions' 2 × 2 stiffness; one that no free value changes, or that follows from the other, drops out."""
    scale = 1 / np.sqrt(np.maximum(np.diag(matrix), np.finfo(np.float64).tiny))
    scale[np.diag(matrix) <= _DEPENDENT * np.diag(matrix).max()] = 0.0
    try:
        inverse = np.linalg.pinv(matrix * np.outer(scale, scale), rcond=_DEPENDENT, hermitian=True)
    except LinAlgError:
        inverse = np.zeros((2, 2))
    return np.asarray(inverse * np.outer(scale, scale))
