"""Kinks that contribute little are moved to where one more helps most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .hat_functions import assess
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


def removal_costs(energy: ReducedEnergy) -> Array:
    """Rise of the energy if one kink were taken away and the other nodal values kept, (K,)."""
    fit = energy.fit
    out = np.empty(len(fit.knots) - 2)
    for first in (1, 2):
        # Every other kink at once: their pairs of elements do not overlap.
        gone = np.arange(first, len(fit.knots) - 1, 2)
        kept = np.delete(np.arange(len(fit.knots)), gone)
        merged = assess(energy.solution, fit.knots[kept], fit.values[kept]).gaps
        position = np.searchsorted(kept, gone) - 1
        out[gone - 1] = merged[position] - fit.gaps[gone - 1] - fit.gaps[gone]
    return out


def insertion_gains(energy: ReducedEnergy) -> Array:
    """Fall of the energy if one more kink stood in the middle of an element and all others were kept, (n,)."""
    fit = energy.fit
    knots = _with_middles(fit.knots)
    values = _with_middles(fit.values)
    halves = assess(energy.solution, knots, values)
    pull = halves.residuals[1, 0::2] + halves.residuals[0, 1::2]
    stiffness = halves.stiffness[2, 0::2] + halves.stiffness[0, 1::2]
    return np.asarray(pull**2 / (2 * stiffness))


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
            history = (*found.history, *moved.history[1:])
            found = Descent(moved.energy, moved.pinned, history, moved.decrement, moved.converged)
            attempts, tried = 0, set()
        else:
            attempts += 1
    return found


def refined(energy: ReducedEnergy, more: int) -> Array:
    """The kinks with some more of them, (K + more,), where they gain most."""
    gains = insertion_gains(energy) + np.finfo(np.float64).tiny
    # An element cut into p equal parts keeps p⁻² of its error: parts in proportion to the cube root of what it has.
    share = np.cbrt(gains)
    ideal = share / share.sum() * (len(gains) + more)
    parts = np.maximum(np.floor(ideal).astype(int), 1)
    while (missing := len(gains) + more - int(parts.sum())) > 0:
        parts[np.argsort(parts - ideal, kind="stable")[:missing]] += 1
    while (excess := int(parts.sum()) - len(gains) - more) > 0:
        able = np.nonzero(parts > 1)[0]
        parts[able[np.argsort(ideal[able] - parts[able], kind="stable")[:excess]]] -= 1
    lengths = np.diff(energy.fit.knots)
    cuts = np.repeat(np.arange(len(parts)), parts - 1)
    number = np.arange(len(cuts)) - np.repeat(np.cumsum(parts - 1) - (parts - 1), parts - 1) + 1
    inner = energy.fit.knots[cuts] + lengths[cuts] * number / parts[cuts]
    return np.sort(np.concatenate([energy.kinks, inner]))


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


def _with_middles(values: Array) -> Array:
    out = np.empty(2 * len(values) - 1)
    out[0::2] = values
    out[1::2] = (values[:-1] + values[1:]) / 2
    return out
