"""Segments of kink lines in a trapezoid, and on which share of each every neuron is active.

A float filter: where a float64 could be on the wrong side, or a crossing is badly conditioned, Fractions decide. Lines
that coincide, or lie on a side, are taken apart by a rule, or as a parameter's motion takes them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.polygon import Point
from .trapezoids import Trapezoid

Array = NDArray[Any]
# w₁, w₂ and b of a neuron.
Line = tuple[Fraction, Fraction, Fraction]

# Crossings at angles below this share lose digits in float64: exact arithmetic places them.
_NARROW = 2.0**-8
# Values of z within this share of its size may be off in sign.
_DOUBTFUL = 2.0**-36


@dataclass(frozen=True)
class Motion:
    """How a parameter moves one neuron's line, at first order: z becomes z + ε·sign·(direction·(x, y, 1)).

    Attributes:
        neuron: which.
        direction: what its z gains, affine in x and y.
        sign: +1 for a motion up, −1 down.
    """

    neuron: int
    direction: Line
    sign: int

    def at(self, point: Point) -> Fraction:
        """What z gains at a point."""
        p, q, r = self.direction
        return self.sign * (p * point[0] + q * point[1] + r)


@dataclass(frozen=True)
class Segments:
    """M segments, N neurons; float64 arrays, or object arrays of Fractions.

    Attributes:
        start, end: (M, 2); the active side of a segment's own neuron is on its left. Both the same where there is none.
        length: (M,), in t, where dt = ds/|w|; 0 for sides.
        low, high: (M, N): each neuron is active on this share of each segment; a neuron on its own one throughout.
    """

    start: Array
    end: Array
    length: Array
    low: Array
    high: Array


def exact_segments(
    lines: Sequence[Line], trapezoid: Trapezoid, sides: Sequence[tuple[Point, Point]], motion: Motion | None = None
) -> Segments:
    """The kink lines' parts in a trapezoid, then `sides`, in Fractions.

    Args:
        lines: of the neurons.
        trapezoid: in which the lines are cut off.
        sides: further segments, from start to end.
        motion: which takes apart what coincides.
    """
    found = [_chord(i, lines[i], trapezoid, motion) for i in range(len(lines))]
    ends = [(c[0], c[1]) for c in found] + list(sides)
    shape = (len(ends), len(lines))
    low, high = np.empty(shape, dtype=object), np.empty(shape, dtype=object)
    for m, (start, end) in enumerate(ends):
        for j in range(len(lines)):
            low[m, j], high[m, j] = _share(m, j, start, end, lines, trapezoid, motion)
    points = np.array(ends, dtype=object).reshape(len(ends), 2, 2)
    length = np.array([c[2] for c in found] + [Fraction(0)] * len(sides), dtype=object)
    return Segments(points[:, 0], points[:, 1], length, low, high)


def float_segments(
    lines: Sequence[Line], trapezoid: Trapezoid, sides: Sequence[tuple[Point, Point]], size: float
) -> Segments:
    """The same in float64, with Fractions where in doubt.

    Args:
        lines: of the neurons.
        trapezoid: in which the lines are cut off.
        sides: further segments, from start to end.
        size: of the domain, about 0.
    """
    z = np.array([[float(v) for v in line] for line in lines])
    start, end, length, doubtful = _float_chords(z, trapezoid, size)
    exact: dict[int, tuple[Point, Point]] = {}
    for i in np.flatnonzero(doubtful).tolist():
        a, b, t = _chord(i, lines[i], trapezoid, None)
        exact[i] = a, b
        start[i], end[i], length[i] = (float(a[0]), float(a[1])), (float(b[0]), float(b[1])), float(t)
    side_ends = np.array([[[float(v) for v in p] for p in side] for side in sides]).reshape(-1, 2, 2)
    start, end = np.concatenate([start, side_ends[:, 0]]), np.concatenate([end, side_ends[:, 1]])
    length = np.concatenate([length, np.zeros(len(sides))])
    first, last = (p @ z[:, :2].T + z[:, 2] for p in (start, end))
    low, high = _active(first, last)
    scale = np.hypot(z[:, 0], z[:, 1]) * size + np.abs(z[:, 2])
    clear = np.minimum(np.abs(first), np.abs(last)) > _DOUBTFUL * scale
    steep = np.abs(last - first) > _NARROW * scale
    # Both ends beyond doubt on one side, or far apart: right to rounding.
    doubt = ~(np.where(first * last > 0, clear | steep, steep)) & (scale > 0)
    nowhere = (start == end).all(axis=1)
    doubt[nowhere] = False
    own = np.arange(len(lines))
    doubt[own, own] = False
    low[own, own], high[own, own] = 0.0, 1.0
    for m, j in np.argwhere(doubt).tolist():
        if m >= len(lines):
            ends = sides[m - len(lines)]
        else:
            if m not in exact:
                exact[m] = _chord(m, lines[m], trapezoid, None)[:2]
            ends = exact[m]
        low[m, j], high[m, j] = map(float, _share(m, j, *ends, lines, trapezoid, None))
    return Segments(start, end, length, low, high)


def _active(first: Array, last: Array) -> tuple[Array, Array]:
    """Where what goes linearly from `first` to `last` is positive."""
    apart = first - last
    cut = np.clip(first / np.where(apart == 0, 1, apart), 0, 1)
    rising, both, neither = last > first, (first >= 0) & (last >= 0), (first <= 0) & (last <= 0)
    low, high = np.where(rising, cut, 0.0), np.where(rising, 1.0, cut)
    low, high = np.where(both, 0.0, low), np.where(both, 1.0, high)
    return np.where(neither, 0.0, low), np.where(neither, 0.0, high)


def _float_chords(z: Array, trapezoid: Trapezoid, size: float) -> tuple[Array, Array, Array, Array]:
    """Starts, ends, lengths in t, and which of them need exact arithmetic."""
    square = z[:, 0] ** 2 + z[:, 1] ** 2
    some = square > 0
    safe = np.where(some, square, 1.0)
    foot = -z[:, 2:] * z[:, :2] / safe[:, None]
    along = np.stack([z[:, 1], -z[:, 0]], axis=-1)
    sides = np.array([[float(v) for v in side] for side in trapezoid.sides])
    norm, speed = np.hypot(sides[:, 0], sides[:, 1]), np.sqrt(safe)
    offset = foot @ sides[:, :2].T + sides[:, 2]
    slope = along @ sides[:, :2].T
    # The trapezoid lies within 2·size of the foot of any line that meets it.
    swing = np.abs(slope) * (2 * size / speed)[:, None]
    margin = _DOUBTFUL * (np.abs(sides[:, 2]) + norm * size)
    kept, lost = offset - swing > margin, offset + swing < -margin
    near = np.abs(slope) <= _NARROW * norm * speed[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        place = -offset / slope
    low = np.where(~kept & (slope > 0), place, -np.inf).max(axis=1)
    high = np.where(~kept & (slope < 0), place, np.inf).min(axis=1)
    gone = ~some | lost.any(axis=1)
    doubtful = ~gone & (near & ~kept).any(axis=1)
    gone |= ~doubtful & ~(low < high)
    low, high = (np.where(gone | doubtful, 0.0, v) for v in (low, high))
    start, end = (foot + v[:, None] * along for v in (low, high))
    return start, end, high - low, doubtful


def exact_chord(line: Line, trapezoid: Trapezoid) -> tuple[Point, Point, Fraction]:
    """Start, end and length in t of a line's part in a trapezoid; a line on the top belongs to it, on no other side."""
    return _chord(-1, line, trapezoid, None)


def _chord(i: int, line: Line, trapezoid: Trapezoid, motion: Motion | None) -> tuple[Point, Point, Fraction]:
    """`exact_chord` of neuron i's line, which may be about to move."""
    w1, w2, b = line
    square = w1 * w1 + w2 * w2
    nothing = (trapezoid.middle, trapezoid.middle, Fraction(0))
    if square == 0:
        return nothing
    foot, along = (-b * w1 / square, -b * w2 / square), (w2, -w1)
    low = high = None
    for k, (p, q, r) in enumerate(trapezoid.sides):
        offset, slope = p * foot[0] + q * foot[1] + r, p * along[0] + q * along[1]
        if offset == slope == 0:
            offset, slope = _beside(i, line, (p, q), foot, along, motion)
            if offset == slope == 0:
                offset = Fraction(1 if k == 3 else -1)
        if slope == 0:
            if offset < 0:
                return nothing
        elif slope > 0:
            low = -offset / slope if low is None else max(low, -offset / slope)
        else:
            high = -offset / slope if high is None else min(high, -offset / slope)
    if low is None or high is None or low >= high:
        return nothing
    start, end = ((foot[0] + t * along[0], foot[1] + t * along[1]) for t in (low, high))
    return start, end, high - low


def _beside(
    i: int, line: Line, normal: Any, foot: Point, along: Point, motion: Motion | None
) -> tuple[Fraction, Fraction]:
    """How far inside a side the line gets that lies on it: where it is and how it grows along the line."""
    if motion is None or motion.neuron != i:
        return Fraction(0), Fraction(0)
    # On the moved line z was −ε·sign·direction, and z is a multiple of the side's own function.
    ratio = line[0] / normal[0] if normal[0] else line[1] / normal[1]
    here, there = motion.at(foot), motion.at((foot[0] + along[0], foot[1] + along[1]))
    return -here / ratio, -(there - here) / ratio


def _share(
    m: int, j: int, start: Point, end: Point, lines: Sequence[Line], trapezoid: Trapezoid, motion: Motion | None
) -> tuple[Fraction, Fraction]:
    """On which share of segment m neuron j is active."""
    whole, none = (Fraction(0), Fraction(1)), (Fraction(0), Fraction(0))
    if m == j:
        return whole
    if start == end:
        return none
    w1, w2, b = lines[j]
    first, last = (w1 * x + w2 * y + b for x, y in (start, end))
    if first == last == 0 and (w1 or w2):
        first, last = _apart(m, j, start, end, lines, trapezoid, motion)
    if first >= 0 and last >= 0 and (first or last):
        return whole
    if first <= 0 and last <= 0:
        return none
    cut = first / (first - last)
    return (cut, Fraction(1)) if last > first else (Fraction(0), cut)


def _apart(
    m: int, j: int, start: Point, end: Point, lines: Sequence[Line], trapezoid: Trapezoid, motion: Motion | None
) -> tuple[Fraction, Fraction]:
    """z of neuron j at the ends of a segment on its own line."""
    w1, w2, b = lines[j]
    if motion is not None and motion.neuron == j and (motion.at(start) or motion.at(end)):
        return motion.at(start), motion.at(end)
    if m >= len(lines):
        # A side: as it is just inside.
        x, y = trapezoid.middle
        inside = w1 * x + w2 * y + b
        return inside, inside
    p, q, _ = lines[m]
    ratio = w1 / p if p else w2 / q
    if motion is not None and motion.neuron == m and (motion.at(start) or motion.at(end)):
        return -ratio * motion.at(start), -ratio * motion.at(end)
    # Any rule will do that has one of two lines of one direction on the other's active side, and not both.
    value = Fraction(1 if ratio > 0 and m < j else -1)
    return value, value
