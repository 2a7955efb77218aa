"""Polygons with rational corners, convex or not: checked, measured, and asked what lies inside; nothing is rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import InputError
from .expressions import parse_number

Point = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class RationalPolygon:
    """A polygon that does not meet itself.

    Args:
        corners: three or more pairs of rational numbers, in order, either way round; or the two sides of a box,
            ((0, 1), (0, 2)) say. Edge k runs from corner k to the next.

    Raises:
        InputError: corners that are not rational, edges that cross or touch, or no area.

    Examples:
        >>> RationalPolygon(((0, 0), (1, 0), (0, 1))).area
        Fraction(1, 2)
    """

    corners: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "corners", _corners(self.corners))
        self._check()

    @cached_property
    def edges(self) -> tuple[tuple[Point, Point], ...]:
        """Edge k joins corner k to the next."""
        return tuple(zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True))

    @cached_property
    def turning(self) -> int:
        """+1 if the corners run anticlockwise, −1 if clockwise."""
        return 1 if sum(_cross(a, b) for a, b in self.edges) > 0 else -1

    @cached_property
    def area(self) -> Fraction:
        """Of what lies inside."""
        return abs(sum((_cross(a, b) for a, b in self.edges), Fraction(0))) / 2

    @cached_property
    def convex(self) -> bool:
        """Does no corner point inwards?"""
        around = zip(self.edges, (*self.edges[1:], self.edges[0]), strict=True)
        return all(self.turning * _cross(_minus(*e), _minus(*f)) >= 0 for e, f in around)

    @cached_property
    def box(self) -> tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]]:
        """The sides of the smallest box around it."""
        xs, ys = zip(*self.corners, strict=True)
        return (min(xs), max(xs)), (min(ys), max(ys))

    @cached_property
    def centre(self) -> Point:
        """Of the box."""
        (a, b), (c, d) = self.box
        return (a + b) / 2, (c + d) / 2

    def inside(self, points: NDArray[Any]) -> NDArray[Any]:
        """Which of the points (..., 2), float64, lie inside: (...)."""
        x, y = points[..., 0], points[..., 1]
        odd = np.zeros(x.shape, dtype=bool)
        for (x0, y0), (x1, y1) in self.edges:
            if y0 != y1:
                slope = float((x1 - x0) / (y1 - y0))
                odd ^= ((y > float(y0)) != (y > float(y1))) & (x < float(x0) + slope * (y - float(y0)))
        return odd

    def moved(self, offset: Point) -> RationalPolygon:
        """The polygon, its corners less `offset`."""
        return RationalPolygon(tuple((x - offset[0], y - offset[1]) for x, y in self.corners))

    def _check(self) -> None:
        count = len(self.corners)
        for a, b in self.edges:
            if a == b:
                raise InputError(f"domain: corner {_shown(a)} is named twice in a row; once would be right")
        for k, (a, b) in enumerate(self.edges):
            for m in range(k + 1, count):
                c, d = self.edges[m]
                if _meet(a, b, c, d, shared=m == k + 1 or (k == 0 and m == count - 1)):
                    raise InputError(
                        f"domain: the edges from {_shown(a)} to {_shown(b)} and from {_shown(c)} to {_shown(d)} "
                        "meet; a polygon that does not cross or touch itself would be right"
                    )


def _corners(value: Any) -> tuple[Point, ...]:
    rows = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else []
    pairs = all(isinstance(r, Sequence | np.ndarray) and not isinstance(r, str) and len(r) == 2 for r in rows)
    if len(rows) < 2 or not pairs:
        raise InputError(
            f"domain: {value!r} is no polygon; three or more corners, or the two sides of a box, would be right"
        )
    points = [(_rational(x), _rational(y)) for x, y in rows]
    if len(points) > 2:
        if sum(_cross(a, b) for a, b in zip(points, points[1:] + points[:1], strict=True)) == 0:
            raise InputError(f"domain: the polygon {_listed(points)} has no area; corners around one would be right")
        return tuple(points)
    (a, b), (c, d) = points
    if not (a < b and c < d):
        raise InputError(f"domain: the box {_listed(points)} has no area; sides whose first end is less would be right")
    return (a, c), (b, c), (b, d), (a, d)


def _rational(value: Any) -> Fraction:
    if isinstance(value, Fraction):
        return value
    number = parse_number(value.item() if isinstance(value, np.generic) else value, "domain")
    if not isinstance(number, sympy.Rational):
        raise InputError(f"domain: the corner coordinate {value} is not rational; an exact fraction would be right")
    return Fraction(int(number.p), int(number.q))


def _meet(a: Point, b: Point, c: Point, d: Point, shared: bool) -> bool:
    """Do two edges have a point in common, besides the corner that neighbours share?"""
    ab, cd = _minus(a, b), _minus(c, d)
    sides = [_sign(_cross(ab, _minus(a, p))) for p in (c, d)] + [_sign(_cross(cd, _minus(c, p))) for p in (a, b)]
    if shared:
        # Neighbours meet once more only where one turns back on the other.
        return not any(sides) and _overlap(a, b, c, d)
    if not any(sides):
        return _overlap(a, b, c, d) or bool({a, b} & {c, d})
    return sides[0] * sides[1] <= 0 and sides[2] * sides[3] <= 0


def _overlap(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Of two edges on one line: is what they share more than a point?"""
    along = 0 if a[0] != b[0] else 1
    (p, q), (r, s) = (sorted((e[along], f[along])) for e, f in ((a, b), (c, d)))
    return max(p, r) < min(q, s)


def _minus(a: Point, b: Point) -> Point:
    """From a to b."""
    return b[0] - a[0], b[1] - a[1]


def _cross(a: Point, b: Point) -> Fraction:
    return a[0] * b[1] - a[1] * b[0]


def _sign(value: Fraction) -> int:
    return int(value > 0) - int(value < 0)


def _shown(point: Point) -> str:
    return f"({point[0]}, {point[1]})"


def _listed(points: list[Point]) -> str:
    return ", ".join(map(_shown, points))
