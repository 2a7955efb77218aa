"""A polygon cut at the heights of its corners into trapezoids with horizontal sides; nothing is rounded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ..statement.polygon import Point, RationalPolygon


@dataclass(frozen=True)
class Trapezoid:
    """bottom < y < top between the lines x = left[0] + left[1]·y and x = right[0] + right[1]·y; a triangle, maybe."""

    bottom: Fraction
    top: Fraction
    left: tuple[Fraction, Fraction]
    right: tuple[Fraction, Fraction]

    @property
    def right_side(self) -> tuple[Point, Point]:
        """Its lower and upper end."""
        low, high = (self.right[0] + self.right[1] * y for y in (self.bottom, self.top))
        return (low, self.bottom), (high, self.top)

    @property
    def middle(self) -> Point:
        """A point inside."""
        y = (self.bottom + self.top) / 2
        return (self.left[0] + self.right[0] + (self.left[1] + self.right[1]) * y) / 2, y

    @property
    def sides(self) -> tuple[tuple[Any, Any, Any], ...]:
        """(n₁, n₂, m) of left, right, bottom and top: inside is n·x + m > 0."""
        one, none = Fraction(1), Fraction(0)
        return (
            (one, -self.left[1], -self.left[0]),
            (-one, self.right[1], self.right[0]),
            (none, one, -self.bottom),
            (none, -one, self.top),
        )


def trapezoids(polygon: RationalPolygon) -> tuple[Trapezoid, ...]:
    """From the lowest to the highest, from left to right; each is convex, and together they are the polygon."""
    heights = sorted({y for _, y in polygon.corners})
    out = []
    for bottom, top in pairwise(heights):
        crossing = []
        for (x0, y0), (x1, y1) in polygon.edges:
            if min(y0, y1) <= bottom and max(y0, y1) >= top:
                slope = (x1 - x0) / (y1 - y0)
                side = (x0 - slope * y0, slope)
                crossing.append((side[0] + slope * (bottom + top) / 2, side))
        # Between the first edge met and the second, the third and the fourth, and so on.
        sides = [side for _, side in sorted(crossing)]
        out += [Trapezoid(bottom, top, a, b) for a, b in zip(sides[::2], sides[1::2], strict=True)]
    return tuple(out)
