"""Damped Newton on the reduced energy: the energy never rises, kinks never cross."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..data.strong_solution import StrongSolution
from .curvature import LARGEST_SHIFT, curvature_along, flattest_direction, least_shift, positive_factors, shifted
from .kink_worth import refined
from .reduced_energy import ReducedEnergy, reduced_energy

Array = NDArray[np.float64]

# A step shortens no distance between neighbours to less than this share: kinks stay in order and apart.
_KEEP = 0.1
# Share of the decrease promised by the slope that a step must bring (Armijo).
_SUFFICIENT = 1e-4
_HALVINGS = 40
# An element this much shorter than both its neighbours is none: at a singular end lengths fall by some hundred.
_COINCIDENT = 1e-8
# Directions of negative curvature that are damped one by one; beyond, all kinks are.
_MOST_DIRECTIONS = 8


@dataclass(frozen=True, eq=False)
class Descent:
    """Where Newton's iteration stands.

    Attributes:
        energy: at the kinks reached.
        pinned: kinks that sit on a wall, an interface at which the energy has a one-sided derivative only, (K,).
        history: least energy gap so far, at the start and after each iteration.
        decrement: −gradient·step of the last step asked for; twice the energy still to be gained, by Newton's model.
        converged: no step that rounding lets one see remains, and the Hessian is positive definite.
    """

    energy: ReducedEnergy
    pinned: NDArray[np.bool_]
    history: tuple[float, ...]
    decrement: float = np.inf
    converged: bool = False

    @property
    def iterations(self) -> int:
        """Newton steps taken."""
        return len(self.history) - 1

    def after(self, earlier: Descent) -> Descent:
        """The same place as the continuation of an earlier descent, which stood until this one was lower."""
        best = earlier.energy.energy_gap
        return replace(self, history=(*earlier.history, *(min(best, gap) for gap in self.history[1:])))


def minimise(solution: StrongSolution, kinks: Array, max_iterations: int) -> Descent:
    """Minimise the energy gap over the kinks, starting at given ones.

    Args:
        solution: of the problem.
        kinks: strictly ascending and inside the domain, (K,). Those that sit on a wall stay while that is best.
        max_iterations: after so many steps the iteration ends, converged or not.
    """
    return descend(reduced_energy(solution, kinks), max_iterations)


def descend(
    energy: ReducedEnergy,
    max_iterations: int,
    steps_of: Callable[[Descent], list[Step]] | None = None,
) -> Descent:
    """The same from an energy on, which may be one under constraints.

    Args:
        energy: whose `at` gives the energy at other kinks.
        max_iterations: as above.
        steps_of: Newton's step, and further ones where the Hessian is not positive definite; by default without
            constraints. With its own, kinks that run into each other end the descent.
    """
    state = Descent(energy, np.isin(energy.kinks, energy.solution.walls), (energy.energy_gap,))
    if not energy.kinks.size or energy.settled:
        return replace(state, decrement=0.0, converged=True)
    while True:
        steps = (steps_of or _steps)(state)
        newton, noise = steps[0], state.energy.fit.rounding
        previous, state = state.decrement, replace(state, decrement=-newton.slope)
        minimum = len(steps) == 1
        if minimum and -newton.slope <= noise and (newton.slope == 0 or previous <= 4 * -newton.slope):
            released = _release(state)
            if released is None:
                return replace(state, converged=True)
            state = released
            continue
        if state.iterations >= max_iterations:
            return state
        moved = [m for m in (_line_search(state, step) for step in steps) if m is not None]
        if not moved:
            return replace(state, converged=minimum and -newton.slope <= 100 * noise)
        state = min(moved, key=lambda m: m.energy.energy_gap)
        if state.energy.settled:
            return replace(state, decrement=0.0, converged=True)
        idle = _coincident(state)
        if idle is not None:
            elsewhere = None if steps_of else _elsewhere(state, idle)
            if elsewhere is None:
                return state
            state = elsewhere


@dataclass(frozen=True, eq=False)
class Step:
    """A displacement of the kinks, (K,), with the first and second derivative of the energy along it."""

    displacement: Array
    slope: float
    curvature: float = 0.0


def _steps(state: Descent) -> list[Step]:
    """Newton's step; where the Hessian is not positive definite, a damped one and one along negative curvature.

    Damped are only the kinks that the negative curvature moves, for instance one at a place where u″ = 0: all others
    are still moved as Newton would. The second step leaves saddles at once: there the gradient vanishes too, and
    damped steps would need a hundred iterations to grow.
    """
    energy, free = state.energy, ~state.pinned
    hessian = energy.hessian(state.pinned)
    gradient = np.where(free, energy.gradient(), 0.0)
    damping = np.where(free, energy.natural_curvature, 0.0)
    bent: list[Step] = []
    factors = positive_factors(hessian)
    for _ in range(_MOST_DIRECTIONS):
        if factors is not None:
            break
        shift = least_shift(hessian, damping)
        direction = flattest_direction(hessian, damping, shift)
        bent = bent or [bent_step(energy, gradient, direction, curvature_along(hessian, direction))]
        # Twice what makes this direction flat, so that it counts as curved as it was, upwards.
        hessian = shifted(hessian, 2 * shift * damping * (direction / np.abs(direction).max()) ** 2)
        factors = positive_factors(hessian)
    if factors is None:
        factors = positive_factors(shifted(hessian, 2 * least_shift(hessian, damping) * damping))
    if factors is None:
        displacement = -gradient / (LARGEST_SHIFT * energy.natural_curvature)
    else:
        displacement = factors.solve_on_kinks(-gradient)
    return [Step(displacement, float(gradient @ displacement)), *bent]


def bent_step(energy: ReducedEnergy, gradient: Array, direction: Array, curvature: float) -> Step:
    """Half a spacing along a direction (K,) in which the energy has the given curvature, downhill."""
    lengths = np.diff(energy.fit.knots)
    size = 1 / (2 * np.abs(direction / np.minimum(lengths[:-1], lengths[1:])).max())
    direction = direction * (-size if gradient @ direction > 0 else size)
    return Step(direction, float(gradient @ direction), size**2 * curvature)


def _line_search(state: Descent, step: Step) -> Descent | None:
    """The longest of the halved steps that lowers the energy enough, or None."""
    energy = state.energy
    change = np.diff(np.concatenate([[0.0], step.displacement, [0.0]]))
    lengths = np.diff(energy.fit.knots)
    closing = change < 0
    reach = min(1.0, float(((1 - _KEEP) * lengths[closing] / -change[closing]).min(initial=np.inf)))
    noise = energy.fit.rounding
    for _ in range(_HALVINGS):
        new, pinned = _stopped_at_walls(state, energy.kinks + reach * step.displacement)
        knots: Array = np.concatenate([[energy.fit.knots[0]], new, [energy.fit.knots[-1]]])
        if not (np.diff(knots) > 0).all():
            return None
        trial = energy.at(new)
        promised = reach * step.slope + reach**2 * min(step.curvature, 0.0) / 2
        # Where even the whole step promises less than rounding, a rise within rounding is none.
        allowed = noise if -step.slope <= noise else _SUFFICIENT * promised
        if trial.energy_gap <= energy.energy_gap + allowed:
            return Descent(trial, pinned, (*state.history, trial.energy_gap), state.decrement)
        reach /= 2
    return None


def _stopped_at_walls(state: Descent, new: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Kinks that would cross a wall stop on it; of several, the nearest."""
    old, pinned = state.energy.kinks, state.pinned.copy()
    new = new.copy()
    for wall in state.energy.solution.walls:
        crossing = np.nonzero(~pinned & ((old - wall) * (new - wall) <= 0))[0]
        if crossing.size and not (new[pinned] == wall).any():
            nearest = crossing[np.argmin(np.abs(old[crossing] - wall))]
            new[nearest], pinned[nearest] = wall, True
    return new, pinned


def _coincident(state: Descent) -> int | None:
    """A kink that has run into another one or into an end of the domain, or None."""
    lengths = np.diff(state.energy.fit.knots)
    beside = np.minimum(np.append(lengths[1:], np.inf), np.insert(lengths[:-1], 0, np.inf))
    short = np.flatnonzero(lengths < _COINCIDENT * beside)
    if not short.size:
        return None
    # The kink at its right end, or at its left one where the right one is the domain's or stays on a wall.
    right = int(short[0])
    return right - 1 if right == len(state.pinned) or (right and state.pinned[right]) else right


def _elsewhere(state: Descent, idle: int) -> Descent | None:
    """The kink where it helps most instead; two in one place are worth no more than one. None if nothing is gained."""
    solution = state.energy.solution
    without = reduced_energy(solution, np.delete(state.energy.kinks, idle))
    trial = reduced_energy(solution, refined(without, 1))
    if trial.energy_gap >= state.energy.energy_gap:
        return None
    pinned = np.isin(trial.kinks, solution.walls)
    return Descent(trial, pinned, (*state.history, trial.energy_gap))


def _release(state: Descent) -> Descent | None:
    """Let go of the pinned kink for which leaving its wall gains most, if any gains."""
    if not state.pinned.any():
        return None
    energy = state.energy
    falling_right, falling_left = -energy.gradient(1), energy.gradient(-1)
    gains = np.where(state.pinned, np.maximum(falling_right, falling_left), 0.0)
    k = int(np.argmax(gains))
    if gains[k] <= 1e-8 * energy.gradient_terms[k]:
        return None
    side = 1 if falling_right[k] >= falling_left[k] else -1
    room = np.diff(energy.fit.knots)[k + (side > 0)]
    for share in 10.0 ** -np.arange(1, 9):
        new = energy.kinks.copy()
        new[k] += side * share * room
        trial = energy.at(new)
        if trial.energy_gap < energy.energy_gap:
            pinned = state.pinned.copy()
            pinned[k] = False
            return Descent(trial, pinned, (*state.history, trial.energy_gap))
    return None
