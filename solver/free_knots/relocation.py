"""Kinks that contribute little are moved to where one more helps most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kink_worth import insertion_gains, removal_costs
from .newton import Descent, minimise
from .reduced_energy import ReducedEnergy

Array = NDArray[np.float64]

# In equilibrium, when all other kinks follow, a kink is worth 2e, e being an element's energy (it falls as 1/n²).
# With the others held still, taking one away costs (2³ − 2)e and halving an element gains ¾e.
_REMOVAL, _INSERTION = 3.0, 8 / 3
# Attempts without gain after which a minimum is let be; each is a Newton iteration of its own.
_ATTEMPTS = 4
# Above this many kinks the share of one is too small to look for, unless it contributes nothing at all.
_MANY = 200


def relocate(found: Descent, max_iterations: int) -> Descent:
    """Move kinks, one at a time, and minimise again, as long as that lowers the energy."""
    attempts = 0
    tried: set[tuple[int, int]] = set()
    for _ in range(max_iterations):
        candidate = None if found.energy.settled else _candidate(found.energy, tried)
        if candidate is None or attempts == _ATTEMPTS or found.iterations >= max_iterations:
            break
        tried.add(candidate)
        moved = minimise(found.energy.solution, _moved(found.energy, *candidate), max_iterations - found.iterations)
        # A gain within rounding is none.
        if moved.energy.energy_gap < found.energy.energy_gap * (1 - 1e-10) - found.energy.fit.rounding:
            found = moved.after(found)
            attempts, tried = 0, set()
        else:
            attempts += 1
    return found


def _candidate(energy: ReducedEnergy, tried: set[tuple[int, int]]) -> tuple[int, int] | None:
    """Which kink to take away and which element to halve, or None if no such move promises anything."""
    costs, gains = removal_costs(energy), insertion_gains(energy)
    for kink in np.argsort(costs, kind="stable")[:_ATTEMPTS]:
        others = gains.copy()
        # Its own two elements would only bring it back.
        others[kink : kink + 2] = 0.0
        element = int(np.argmax(others))
        worth = others[element] > costs[kink]
        if len(costs) <= _MANY:
            worth = worth or _INSERTION * others[element] > costs[kink] / _REMOVAL
        if worth and (int(kink), element) not in tried:
            return int(kink), element
    return None


def _moved(energy: ReducedEnergy, kink: int, element: int) -> Array:
    middle = (energy.fit.knots[element] + energy.fit.knots[element + 1]) / 2
    return np.sort(np.append(np.delete(energy.kinks, kink), middle))
