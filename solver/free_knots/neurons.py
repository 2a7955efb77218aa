"""From knots and nodal values to neurons, and back.

A kink can be carried by a neuron that is active on its right or on its left: (x − t)₊ and (t − x)₊ differ by an affine
function. So the K kinks can be oriented such that what remains is one affine function without a zero in the domain,
which one more neuron carries, its kink outside; where no orientation does that, two more carry it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...verify.statement.network import ShallowNetwork

Array = NDArray[np.float64]

# The affine neuron's kink stays this far outside, in lengths of the domain, so that it is no boundary kink.
_CLEARANCE = 1e-3
# Where there is a choice, from here on further away is no better and the smaller numbers are.
_AMPLE = 0.05
# Single flips are tried for up to so many kinks: their number is the square.
_MOST_FLIPS = 300


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """A continuous piecewise linear function: knots, ends included, and values there, (n + 1,)."""

    knots: Array
    values: Array

    @property
    def slopes(self) -> Array:
        """On each element, (n,)."""
        return np.diff(self.values) / np.diff(self.knots)


@dataclass(frozen=True, eq=False)
class _Orientation:
    """Which kinks are carried from the left, (K,), and the affine rest: value at the left end and slope."""

    falling: NDArray[np.bool_]
    start: float
    slope: float


def network_of(function: PiecewiseLinear, affine: int) -> ShallowNetwork | None:
    """A network with one neuron a kink and the given number of affine ones (1 or 2), or None if one does not do."""
    left, right = function.knots[0], function.knots[-1]
    kinks, jumps = function.knots[1:-1], np.diff(function.slopes)
    orientation = _orientation(function, affine == 1)
    if orientation is None:
        return None
    weights = np.where(orientation.falling, -1.0, 1.0)
    start, slope = orientation.start, orientation.slope
    if affine == 2:
        # Slope and constant each a neuron; the first is zero one length left of the domain.
        w = np.array([1.0, 0.0])
        b = np.array([right - 2 * left, 1.0])
        c = np.array([slope, start - slope * (right - left)])
    else:
        # c·(wx + b) with wx + b > 0 throughout and the larger of |w|, |b| equal to 1.
        intercept = start - slope * left
        size = max(abs(slope), abs(intercept)) or 1.0
        sign = -1.0 if start + slope * (right - left) / 2 < 0 else 1.0
        w, b, c = (np.array([v]) for v in (sign * slope / size, sign * intercept / size, sign * size))
        if start == slope == 0:
            b, c = np.array([1.0]), np.array([0.0])
    return ShallowNetwork(
        np.concatenate([w, weights]), np.concatenate([b, -weights * kinks]), np.concatenate([c, jumps])
    )


def _orientation(function: PiecewiseLinear, one_neuron: bool) -> _Orientation | None:
    """Left of some element all kinks face left, right of it all face right, and the rest is that element's line.

    Slopes that grow towards an end then add up from the flat side and lose no digits.
    """
    knots, values, slopes = function.knots, function.values, function.slopes
    starts = values[:-1] - slopes * (knots[:-1] - knots[0])
    ends = values[1:] + slopes * (knots[-1] - knots[1:])
    size = np.maximum(np.abs(starts), np.abs(ends))
    order = np.arange(len(knots) - 2)
    if not one_neuron:
        k = int(np.argmin(size))
        return _Orientation(order < k, float(starts[k]), float(slopes[k]))
    clearance = _zero_distance(starts, ends)
    if (clearance >= _AMPLE).any():
        k = int(np.argmin(np.where(clearance >= _AMPLE, size, np.inf)))
        return _Orientation(order < k, float(starts[k]), float(slopes[k]))
    k = int(np.argmax(clearance))
    if clearance[k] >= _CLEARANCE:
        return _Orientation(order < k, float(starts[k]), float(slopes[k]))
    if not 0 < len(order) <= _MOST_FLIPS:
        return None
    # One kink faces the other way: the rest changes by its own slope change times (x − t).
    jumps = np.diff(slopes)
    sign = np.where(order < np.arange(len(slopes))[:, None], -1.0, 1.0) * jumps
    flipped_starts = starts[:, None] + sign * (knots[0] - knots[1:-1])
    clearance = _zero_distance(flipped_starts, ends[:, None] + sign * (knots[-1] - knots[1:-1]))
    k, i = (int(v) for v in np.unravel_index(np.argmax(clearance), clearance.shape))
    if clearance[k, i] < _CLEARANCE:
        return None
    falling = order < k
    falling[i] = not falling[i]
    start = float(flipped_starts[k, i])
    return _Orientation(falling, start, float(slopes[k] + sign[k, i]))


def _zero_distance(starts: Array, ends: Array) -> Array:
    """How far outside a line's zero is, in lengths of the domain; ≤ 0 inside, inf without a zero or for 0 itself."""
    nearer = np.minimum(np.abs(starts), np.abs(ends))
    change = np.abs(ends - starts)
    out = np.divide(nearer, change, out=np.full_like(nearer, np.inf), where=change > 0)
    return np.where((starts < 0) != (ends < 0), -1.0, out)


def function_of(network: ShallowNetwork, domain: tuple[float, float]) -> PiecewiseLinear:
    """The piecewise linear function that one network is on a domain; coincident kinks become one knot. O(N log N)."""
    w, b, c = network.floats
    left, right = domain
    kinks = -b / np.where(w == 0, 1.0, w)
    # Without a kink a neuron is on throughout or nowhere.
    kinks = np.where(w == 0, np.where(b > 0, left, right), kinks)
    knots = np.unique(np.concatenate([[left], kinks[(kinks > left) & (kinks < right)], [right]]))
    rising, first = w >= 0, np.searchsorted(knots, np.clip(kinks, left, right))

    def on_elements(amount: Array) -> Array:
        # From a neuron's kink on, to the right or to the left: summed from the side where it is silent.
        up = np.bincount(first[rising], amount[rising], minlength=len(knots))
        down = np.bincount(first[~rising], amount[~rising], minlength=len(knots))
        return np.asarray(np.cumsum(up)[:-1] + np.cumsum(down[::-1])[::-1][1:], float)

    slopes, intercepts = on_elements(c * w), on_elements(c * b)
    values = np.empty(len(knots))
    values[:-1] = slopes * knots[:-1] + intercepts
    from_left = slopes * knots[1:] + intercepts
    # Both lines meet at a knot; the flatter one has the smaller rounding.
    flatter = np.append(np.abs(slopes[:-1]) < np.abs(slopes[1:]), True)
    values[1:] = np.where(flatter, from_left, values[1:])
    return PiecewiseLinear(knots, values)
