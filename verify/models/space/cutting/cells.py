"""Cells of the plane on which every pre-activation of a model is linear: convex polygons cut call by call.

A chord goes through corners that both cells beside it share, so that what one cell gains another one loses. A sign that
floats cannot decide is nil, and the corner lies on the chord: that moves an area of rounding, to which the energy and
its gradient are continuous, also where three kink lines meet in a point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Points (n, 2), number of a call → what changes its sign in it, (n, columns).
Preactivations = Callable[[Array, int], Array]

# Below so many roundings of the largest pre-activation of a call the sign of one is not known, and up to so many one is
# off a plane by rounding alone: sums of some hundred terms in some layers.
_UNDECIDED, _ROUNDINGS = 2**8, 2**12
# Of corners' weights in a place inside a cell: irrational, so that nothing is nil there by symmetry.
_FRACTION = 0.618033988749895
# Beyond, lines are the better way.
MOST_CELLS = 300_000


@dataclass(frozen=True, eq=False)
class Cells:
    """Convex polygons, anticlockwise, one after the other.

    Attributes:
        corners: coordinates, each corner once in a part of the domain, (V, 2).
        corner: which corner, of all cells in a row, (T,).
        cell: of which cell, ascending, (T,).
        owner: which kink the edge from a corner to the next lies on, the column counted through all calls; −1 for none.
    """

    corners: Array
    corner: Array
    cell: Array
    owner: Array

    @property
    def count(self) -> int:
        """How many cells there are."""
        return int(self.cell[-1]) + 1

    @property
    def next(self) -> Array:
        """The corner at which each edge ends, (T,)."""
        return _following(self.corner, self.cell)

    @property
    def begins(self) -> Array:
        """Where each cell begins, (C,)."""
        return _begins(self.cell)

    def inside(self) -> Array:
        """A place inside each cell, (C, 2)."""
        return self.mean(self.corners)

    def mean(self, values: Array) -> Array:
        """Of values at corners (V, m) the mean that is taken inside each cell if they are linear, (C, m)."""
        begins = self.begins
        position = np.arange(len(self.cell)) - begins[self.cell]
        weight = 1 + (_FRACTION * position) % 1
        weight /= np.add.reduceat(weight, begins)[self.cell]
        return np.add.reduceat(weight[:, None] * values[self.corner], begins)

    def chords(self) -> tuple[Array, Array, Array, Array] | None:
        """Edges on kinks, each once: both corners (E, 2), the cell on the left and on the right of it, its owner.

        None if some edge on a kink has no cell on one side, which rounding alone can bring about.
        """
        mine = self.owner >= 0
        a, b, cell, owner = self.corner[mine], self.next[mine], self.cell[mine], self.owner[mine]
        key = np.minimum(a, b) * len(self.corners) + np.maximum(a, b)
        order = np.lexsort((a > b, key))
        if len(order) % 2 or (key[order][::2] != key[order][1::2]).any():
            return None
        left, right = order[::2], order[1::2]
        return np.stack([a[left], b[left]], 1), cell[left], cell[right], owner[left]


def cut(parts: Sequence[Array], columns: Sequence[int], preactivations: Preactivations) -> Cells | None:
    """Cut convex polygons call by call wherever a pre-activation changes its sign.

    Args:
        parts: the polygons, each (n, 2), anticlockwise.
        columns: of each call.
        preactivations: linear on each polygon in the first call, and later on what the earlier ones cut.

    Returns:
        the cells; None if in some call pre-activations are not linear on them, or if there are too many.
    """
    corners = np.concatenate(parts)
    cell = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    cells = Cells(corners, np.arange(len(corners)), cell, np.full(len(corners), -1))
    size = np.ptp(corners, axis=0).max()
    # Far from the origin the places themselves are rounded.
    rounding = float(np.finfo(float).eps) * (1 + np.abs(corners).max() / size)
    first = 0
    for layer, width in enumerate(columns):
        z = preactivations(cells.corners, layer)
        scale = np.abs(z).max(initial=0.0)
        off = np.abs(cells.mean(z) - preactivations(cells.inside(), layer)).max(initial=0.0)
        if not off <= _ROUNDINGS * rounding * scale:
            return None
        least = _UNDECIDED * rounding * scale
        z[np.abs(z) <= least] = 0
        cells = _cut(cells, z, first, least)
        if cells.count > MOST_CELLS:
            return None
        first += width
    return cells


def _cut(cells: Cells, z: Array, first: int, least: float) -> Cells:
    """Cut by all columns of one call, whose pre-activations at the corners are known, (V, columns)."""
    count = len(cells.corners)
    corners, z = _room(cells.corners, 0), _room(z, 0)
    corner, cell, owner = cells.corner, cells.cell, cells.owner
    for column in range(z.shape[1]):
        begins = _begins(cell)
        sign = np.sign(z[corner, column])
        split = (np.minimum.reduceat(sign, begins) < 0) & (np.maximum.reduceat(sign, begins) > 0)
        if not split.any():
            continue
        mine = split[cell]
        a, b, of, own = corner[mine], _following(corner, cell)[mine], cell[mine], owner[mine]
        before, after = z[a, column], z[b, column]
        crossed = before * after < 0
        low, high = np.minimum(a[crossed], b[crossed]), np.maximum(a[crossed], b[crossed])
        # Both cells beside an edge take one corner, computed once.
        key, new = np.unique(low * count + high, return_inverse=True)
        low, high = key // count, key % count
        if count + len(key) > len(corners):
            corners, z = _room(corners[:count], len(key)), _room(z[:count], len(key))
        share = (z[low, column] / (z[low, column] - z[high, column]))[:, None]
        added = slice(count, count + len(key))
        corners[added] = corners[low] + share * (corners[high] - corners[low])
        z[added] = z[low] + share * (z[high] - z[low])
        z[added][np.abs(z[added]) <= least] = 0
        z[added, column] = 0
        met = np.full(len(a), -1)
        met[crossed] = count + new.reshape(-1)
        count += len(key)
        halves = [_half(side, a, met, of, own, before, after, first + column) for side in (1.0, -1.0)]
        last = int(cell[-1]) + 1
        corner = np.concatenate([corner[~mine], *(h[0] for h in halves)])
        owner = np.concatenate([owner[~mine], *(h[2] for h in halves)])
        named = np.concatenate([cell[~mine], halves[0][1], last + halves[1][1]])
        cell = np.cumsum(np.append(0, np.diff(named) != 0))
    return Cells(corners[:count], corner, cell, owner)


def _half(
    side: float, a: Array, met: Array, cell: Array, owner: Array, before: Array, after: Array, chord: int
) -> tuple[Array, Array, Array]:
    """Of cells that are cut what lies on one side: corners, cells and owners.

    Each edge from a to the next gives its first corner, if that is on this side or on the chord, and where it is met.
    """
    kept, crossed = side * before >= 0, met >= 0
    # From a corner on the chord outwards, and from where an edge leaves, the next edge is the chord itself.
    of_kept = np.where((before == 0) & (side * after < 0), chord, owner)
    of_met = np.where(side * before > 0, chord, owner)
    corner = np.stack([a, met], 1).reshape(-1)
    owners = np.stack([of_kept, of_met], 1).reshape(-1)
    taken = np.stack([kept, crossed], 1).reshape(-1)
    return corner[taken], np.repeat(cell, 2)[taken], owners[taken]


def _begins(cell: Array) -> Array:
    return np.flatnonzero(np.append(True, np.diff(cell) != 0))


def _following(corner: Array, cell: Array) -> Array:
    """The next corner of the same cell, after the last one the first."""
    begins = _begins(cell)
    out = np.append(corner[1:], corner[:1])
    out[np.append(begins[1:], len(cell)) - 1] = corner[begins]
    return out


def _room(values: Array, more: int) -> Array:
    """A copy with room for half as many rows again, and for so many at least."""
    out = np.empty((len(values) + more + len(values) // 2 + 16, values.shape[1]))
    out[: len(values)] = values
    return out
