"""What a kink is worth: the rise of the energy without it, the fall with one more, and where more help most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .hat_functions import assess
from .reduced_energy import ReducedEnergy

Array = NDArray[np.float64]


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


def _with_middles(values: Array) -> Array:
    out = np.empty(2 * len(values) - 1)
    out[0::2] = values
    out[1::2] = (values[:-1] + values[1:]) / 2
    return out
