"""A domain in the plane as convex parts: a box as it is, a polygon in slabs between its corners."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .domains import Box, Domain, Polygon

Array = NDArray[Any]

# The slabs lie across no direction that kink lines have on purpose: one that ran along a slab's side would be no chord.
_TURNED = 0.73
# Of the polygon's size: corners closer than this are one.
_SAME = 1e-13


def convex_parts(domain: Domain) -> list[Array] | None:
    """Convex polygons (n, 2), anticlockwise, that make up a domain; None if it is neither a box nor a polygon."""
    if isinstance(domain, Box):
        (left, right), (low, high) = domain.box.tolist()
        return [np.array([[left, low], [right, low], [right, high], [left, high]])]
    return _slabs(domain) if isinstance(domain, Polygon) else None


def _slabs(polygon: Polygon) -> list[Array]:
    """Between the first edge met along a slab and the second, the third and the fourth, and so on."""
    turn = np.array([[math.cos(_TURNED), -math.sin(_TURNED)], [math.sin(_TURNED), math.cos(_TURNED)]])
    first, second = (e.numpy() @ turn.T for e in polygon.edges)
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
