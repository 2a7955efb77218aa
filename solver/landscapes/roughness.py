"""How rough a surface is, and how much of that is noise: figures of the values on a square grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# A line that varies by less than this many roundings of its values is constant.
_FLAT = 64


def roughness(values: ArrayLike) -> Array:
    """Mean |second difference| ÷ range, along all lines of the grid.

    For a line v₁ … vₙ this is mean |vₖ₊₁ − 2vₖ + vₖ₋₁| ÷ (max v − min v), and 0 if the line is constant to rounding.
    The roughness is the mean over the lines of both directions: noise may run along either, and the figure must not
    depend on which direction is called the first. Each line is measured by its own range, or flat directions would
    hide in the range of steep ones.

    It has no units and lies between 0 and 4. Of a smooth surface it falls with the square of the resolution (8/(n − 1)²
    for a parabola with its vertex in the middle), of a noisy one it does not; so only surfaces of one resolution
    compare.

    Args:
        values: (..., n, n); NaN comes of n < 3, where there is no second difference.

    Returns:
        (...).

    Source: MATH 9, where it is measured along single lines.
    """
    return _over_lines(values, 3, lambda bend: np.abs(bend).mean(axis=-1))


def noise(values: ArrayLike) -> Array:
    """The part of the roughness that is no curvature: what of the second differences cancels between neighbours.

    With dₖ the second differences of a line it is mean ( ¼|dₖ₋₁| + ½|dₖ| + ¼|dₖ₊₁| − |¼dₖ₋₁ + ½dₖ + ¼dₖ₊₁| ) ÷ range,
    averaged as `roughness` is. Where a surface is convex or concave along a line it is 0, so that of a smooth one only
    inflection points are left; of jumps it is about half their roughness, of independent random values ¾.

    Args:
        values: (..., n, n); NaN comes of n < 5.

    Returns:
        (...), never negative but for rounding.

    Source: this project's own; |d| and |¼ ½ ¼ d| are the roughness at the spacing of the grid and, but for a factor 4,
    at twice that.
    """

    def cancelled(bend: Array) -> Array:
        size = np.abs(bend)
        kept = np.abs(bend[..., :-2] + 2 * bend[..., 1:-1] + bend[..., 2:])
        return np.asarray((size[..., :-2] + 2 * size[..., 1:-1] + size[..., 2:] - kept).mean(axis=-1) / 4)

    return _over_lines(values, 5, cancelled)


def variation(values: ArrayLike) -> Array:
    """Total variation ÷ range, Σ |vₖ₊₁ − vₖ| ÷ (max v − min v), along the last axis; 1 of a line that is constant.

    Args:
        values: (..., n).

    Returns:
        (...), at least 1.

    Source: the normalised total variation of Wu, Jian, Du, Chen and Zhou 2021, arXiv 2103.11069.
    """
    lines = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        span = np.ptp(lines, axis=-1)
        flat = np.isfinite(span) & (span <= _FLAT * np.finfo(np.float64).eps * np.abs(lines).max(axis=-1))
        total = np.abs(np.diff(lines, axis=-1)).sum(axis=-1)
        return np.asarray(np.where(flat, 1.0, total / np.where(flat, 1.0, span)))


def _over_lines(values: ArrayLike, least: int, measure: Callable[[Array], Array]) -> Array:
    """Mean over all lines of both directions of (a figure of the second differences) ÷ (the line's range)."""
    surface = np.asarray(values, dtype=np.float64)
    if min(surface.shape[-2:]) < least:
        return np.full(surface.shape[:-2], np.nan)
    found = []
    # Where energies are infinite the figure is NaN.
    with np.errstate(invalid="ignore", over="ignore"):
        for lines in (surface, np.swapaxes(surface, -1, -2)):
            span = np.ptp(lines, axis=-1)
            flat = np.isfinite(span) & (span <= _FLAT * np.finfo(np.float64).eps * np.abs(lines).max(axis=-1))
            shares = np.where(flat, 0.0, measure(np.diff(lines, 2, axis=-1)) / np.where(flat, 1.0, span))
            found.append(shares.mean(axis=-1))
    return np.asarray((found[0] + found[1]) / 2)
