"""The energy as a function of the kinks alone (variable projection, MATH 8): value, gradient, banded Hessian.

At the best nodal values the derivative in a kink is the partial one with the outer weights held still, so the kinks'
gradient needs no derivative of the linear solve. The Hessian of the reduced energy is dense, but it is the Schur
complement of the Hessian in (kink, nodal value) pairs, which couples neighbours only: seven diagonals. A Newton step
with the latter is a Newton step on the reduced energy, and the one is positive definite where the other is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..data.panels import Data, DataSlopes
from ..data.strong_solution import StrongSolution
from .hat_functions import Fit, fit

Array = NDArray[np.float64]
BANDS = 4
# Relative error of û′ that the rounding of û′ − u′ alone leaves.
EXACT = 1e-13


@dataclass(frozen=True, eq=False)
class ReducedEnergy:
    """The energy gap at its best nodal values, with derivatives in the K = n − 1 kinks.

    Attributes:
        solution: of the problem.
        fit: the best v on these kinks.
    """

    solution: StrongSolution
    fit: Fit

    @property
    def kinks(self) -> Array:
        """Positions, ascending, (K,)."""
        return self.fit.knots[1:-1]

    def at(self, kinks: Array) -> ReducedEnergy:
        """The same energy at other kinks, (K,)."""
        return reduced_energy(self.solution, kinks)

    @property
    def energy_gap(self) -> float:
        """What is minimised."""
        return self.fit.energy_gap

    @property
    def settled(self) -> bool:
        """Is v represented without error, so that the gap is rounding and no kink matters?"""
        return self.energy_gap <= EXACT**2 * self.solution.energy_scale

    @cached_property
    def jumps(self) -> Array:
        """Change of v′ at each kink, (K,): the outer weights of neurons with hidden weight ±1."""
        return np.diff(self.fit.slopes)

    def gradient(self, side: int = 1) -> Array:
        """∂/∂ξᵢ of the energy gap, (K,); on an interface towards the left (side −1) or the right."""
        data = self._data[side]
        pull = (self.fit.residuals[1, :-1] - self.fit.residuals[0, 1:]) / 2
        return np.asarray(self.jumps * (pull - data.coefficient * data.distance * self._mean_misfit(side)))

    @cached_property
    def gradient_terms(self) -> Array:
        """Sum of the sizes of what `gradient` adds up, (K,), rounding of the nodal values apart."""
        data, fit = self._data[1], self.fit
        pull = (fit.magnitudes[1, :-1] + fit.magnitudes[0, 1:]) / 2
        before, after = self._misfits(1)
        push = np.abs(data.coefficient * data.distance) * (np.abs(before) + np.abs(after)) / 2
        return np.asarray(np.abs(self.jumps) * (pull + push))

    @cached_property
    def natural_curvature(self) -> Array:
        """A positive number with the units of the Hessian's diagonal, (K,), by which to damp."""
        data, fit = self._data[1], self.fit
        lengths = np.diff(fit.knots)
        nearer = np.minimum(lengths[:-1], lengths[1:])
        bending = np.abs(data.coefficient) * data.distance**2 * self.jumps**2 * (1 / lengths[:-1] + 1 / lengths[1:]) / 4
        floor = np.finfo(np.float64).eps * self.energy_gap / nearer**2
        return np.asarray(
            bending + np.abs(fit.gaps[:-1] + fit.gaps[1:]) / nearer**2 + floor + np.finfo(np.float64).tiny
        )

    def hessian(self, fixed: NDArray[np.bool_]) -> Array:
        """Second derivatives in (t₀, v₀, t₁, v₁, …), lower banded, (4, 2n + 2).

        The coordinate that goes with a kink moves it along the mean of its two lines, instead of at a fixed nodal
        value: then only the jump of v′ enters, and close kinks lose no digits.

        Args:
            fixed: kinks that do not move, (K,): their rows are those of the identity, as are the ends' and those of
                nodal values that are held.
        """
        fit, lengths = self.fit, np.diff(self.fit.knots)
        (low, cross, high), (left, right) = fit.stiffness, fit.residuals
        jump = np.concatenate([[0.0], self.jumps, [0.0]])
        # v′ on the element minus the mean slope at its two knots.
        a, b = jump[:-1] / 2, -jump[1:] / 2
        at_left, at_right = self._element_ends
        out = np.zeros((BANDS, 2 * len(fit.knots)))
        # Rows of the element's 4 × 4 matrix in (tₗ, vₗ, tᵣ, vᵣ).
        first, second = slice(0, -2), slice(2, None)
        kinks_left, values_left = out[:, first][:, 0::2], out[:, first][:, 1::2]
        kinks_right, values_right = out[:, second][:, 0::2], out[:, second][:, 1::2]
        kinks_left[0] += a**2 * low - 2 * a * left / lengths + 2 * a * at_left.pull_left
        kinks_right[0] += b**2 * high + 2 * b * right / lengths - 2 * b * at_right.pull_right
        kinks_right[0, :-1] += self._density_slope_drop
        values_left[0] += low
        values_right[0] += high
        kinks_left[1] += -a * low + left / lengths - at_left.pull_left
        kinks_right[1] += -b * high - right / lengths + at_right.pull_right
        kinks_left[2] += a * b * cross + (b * left - a * right) / lengths
        kinks_left[2] += -a * at_right.pull_left + b * at_left.pull_right
        kinks_left[3] += -a * cross - left / lengths - at_left.pull_right
        values_left[1] += -b * cross + right / lengths + at_right.pull_left
        values_left[2] += cross
        frozen = np.empty(2 * len(fit.knots), dtype=bool)
        frozen[0::2] = np.concatenate([[True], fixed, [True]])
        frozen[1::2] = fit.held
        return with_identity_rows(out, frozen)

    @cached_property
    def _data(self) -> dict[int, Data]:
        right = self.solution.at(self.kinks)
        # Both sides are one except on an interface.
        return {1: right, -1: self.solution.at(self.kinks, -1) if len(self.solution.halves) > 2 else right}

    @cached_property
    def _slopes(self) -> DataSlopes:
        return self.solution.slopes_at(self.kinks)

    def _misfits(self, side: int) -> tuple[Array, Array]:
        """û′ − u′ left and right of each kink, with the data of one side."""
        data, fit = self._data[side], self.fit
        known = data.distance_slope * fit.values[1:-1] - data.flux / data.coefficient
        return known + data.distance * fit.slopes[:-1], known + data.distance * fit.slopes[1:]

    def _mean_misfit(self, side: int) -> Array:
        before, after = self._misfits(side)
        return (before + after) / 2

    @cached_property
    def _element_ends(self) -> tuple[_EndPulls, _EndPulls]:
        data, lengths = self._data[1], np.diff(self.fit.knots)
        before, after = self._misfits(1)
        kappa, distance, slope = data.coefficient, data.distance, data.distance_slope
        # At a left end T[φₗ] = D′ − D/h and T[φᵣ] = D/h; at a right end −D/h and D′ + D/h. Ends of the domain stay.
        rise = distance / lengths[1:]
        # A reaction pulls at the knot itself, by ρ(û − u) times D.
        held = data.reaction * self._excess * distance
        at_left = _EndPulls(
            np.concatenate([[0.0], kappa * after * (slope - rise) + held]),
            np.concatenate([[0.0], kappa * after * rise]),
        )
        rise = distance / lengths[:-1]
        at_right = _EndPulls(
            np.concatenate([-kappa * before * rise, [0.0]]),
            np.concatenate([kappa * before * (slope + rise) + held, [0.0]]),
        )
        return at_left, at_right

    @property
    def _excess(self) -> Array:
        """û − u at each kink where there is a reaction, (K,)."""
        data = self._data[1]
        return np.asarray(data.distance * self.fit.values[1:-1] - data.value)

    @cached_property
    def _density_slope_drop(self) -> Array:
        """∂/∂x of ½κs² and of a reaction's ½ρ(û − u)² left of each kink minus right of it, at fixed v, (K,)."""
        data, slopes, fit = self._data[1], self._slopes, self.fit
        before, after = self._misfits(1)
        known = slopes.distance_slope * fit.values[1:-1] - slopes.target
        change_before = known + 2 * data.distance_slope * fit.slopes[:-1]
        change_after = known + 2 * data.distance_slope * fit.slopes[1:]
        return np.asarray(
            slopes.coefficient * (before**2 - after**2) / 2
            + data.coefficient * (before * change_before - after * change_after)
            + data.reaction * self._excess * (before - after)
        )


@dataclass(frozen=True, eq=False)
class _EndPulls:
    """κ s T[φₗ] and κ s T[φᵣ], a reaction's ρ(û − u)Dφ added, at one end of each element, (n,)."""

    pull_left: Array
    pull_right: Array


def with_identity_rows(banded: Array, frozen: NDArray[np.bool_]) -> Array:
    """Replace rows and columns of a lower banded matrix, in place, by those of the identity."""
    banded[0, frozen] = 1.0
    for k in range(1, len(banded)):
        banded[k, :-k][frozen[:-k] | frozen[k:]] = 0.0
        banded[k, -k:] = 0.0
    return banded


def reduced_energy(solution: StrongSolution, kinks: Array) -> ReducedEnergy:
    """The energy at given kinks, ascending and inside the domain, (K,); O(K)."""
    left, right = solution.domain
    return ReducedEnergy(solution, fit(solution, np.concatenate([[left], kinks, [right]])))
