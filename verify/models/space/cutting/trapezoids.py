"""Polygons, convex or not and with holes, as convex parts: in slabs between their corners."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# The slabs lie across no direction that kink lines have on purpose: one that ran along a slab's side would be no chord.
_TURNED = 0.73
# Of the polygon's size: corners closer than this are one.
_SAME = 1e-13


def trapezoids(begin: Array, end: Array) -> list[Array]:
    """Convex polygons (n, 2), anticlockwise: between the first edge met along a slab and the second, and so on.

    Args:
        begin: where each edge of the polygon begins, holes' edges too, (E, 2).
        end: where it ends.
    """
    turn = np.array([[math.cos(_TURNED), -math.sin(_TURNED)], [math.sin(_TURNED), math.cos(_TURNED)]])
    first, second = begin @ turn.T, end @ turn.T
    upwards = first[:, 1] <= second[:, 1]
    low, high = np.where(upwards[:, None], first, second), np.where(upwards[:, None], second, first)
    same = _SAME * float(np.ptp(first, axis=0).max())
    out = []
    heights = np.unique(first[:, 1])
    for bottom, top in pairwise(heights[np.append(True, np.diff(heights) > same)]):
        met = (low[:, 1] <= bottom + same) & (high[:, 1] >= top - same) & (high[:, 1] - low[:, 1] > same)
        a, b = low[met], high[met]
        # (edges met, 2): where each is at the bottom and at the top.
        at = a[:, :1] + (np.array([bottom, top]) - a[:, 1:]) / (b[:, 1:] - a[:, 1:]) * (b[:, :1] - a[:, :1])
        at = at[at.sum(1).argsort()]
        for (left, left_up), (right, right_up) in zip(at[::2], at[1::2], strict=True):
            corners = [(left, bottom), (right, bottom)] if right - left > same else [(left, bottom)]
            corners += [(right_up, top), (left_up, top)] if right_up - left_up > same else [(left_up, top)]
            if len(corners) > 2:
                out.append(np.array(corners) @ turn)
    return out
