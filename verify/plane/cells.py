"""Cells that kink lines cut a polygon into, in Fractions: successive cutting of signed triangles.

Of the cross-checks alone; the results themselves are made of half planes (`pairs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..statement.polygon import Point, RationalPolygon

# (w₁, w₂, b): where w₁x + w₂y + b is 0.
Line = tuple[Fraction, Fraction, Fraction]


@dataclass(frozen=True)
class Cell:
    """A convex cell.

    Attributes:
        corners: anticlockwise.
        edges: the line of the edge from each corner to the next: a neuron's number, or −1 − k for the k-th `still`.
        active: which neurons are.
        sign: +1, or −1 for a cell of a triangle that is to be taken away.
        still: the lines that stand still.
    """

    corners: tuple[Point, ...]
    edges: tuple[int, ...]
    active: tuple[int, ...]
    sign: int
    still: tuple[Line, ...]


def cells(polygon: RationalPolygon, lines: Sequence[Line]) -> list[Cell]:
    """All cells of the signed triangles that a polygon's first corner makes with its edges.

    Of a convex polygon these are its cells, cut once more; what lies outside of another one cancels in sums.
    """
    out = []
    first = polygon.corners[0]
    for a, b in polygon.edges[1:-1]:
        corners = (first, a, b)
        area = (a[0] - first[0]) * (b[1] - first[1]) - (a[1] - first[1]) * (b[0] - first[0])
        if area == 0:
            continue
        if area < 0:
            corners = (first, b, a)
        still = tuple(_through(corners[k], corners[(k + 1) % 3]) for k in range(3))
        parts = [Cell(corners, (-1, -2, -3), (), polygon.turning * (1 if area > 0 else -1), still)]
        for i, line in enumerate(lines):
            parts = [piece for part in parts for piece in _cut(part, i, line)]
        out += parts
    return out


def _through(a: Point, b: Point) -> Line:
    normal = (a[1] - b[1], b[0] - a[0])
    return (*normal, -(normal[0] * a[0] + normal[1] * a[1]))


def _cut(cell: Cell, i: int, line: Line) -> list[Cell]:
    height = [line[0] * x + line[1] * y + line[2] for x, y in cell.corners]
    if max(height) <= 0:
        return [cell]
    if min(height) >= 0:
        return [Cell(cell.corners, cell.edges, (*cell.active, i), cell.sign, cell.still)]
    out = []
    for side in (1, -1):
        corners: list[Point] = []
        edges: list[int] = []
        for k, (p, h) in enumerate(zip(cell.corners, height, strict=True)):
            q, g = cell.corners[(k + 1) % len(height)], height[(k + 1) % len(height)]
            if side * h >= 0:
                corners.append(p)
                # From a corner on the line outwards the next edge is the line itself.
                edges.append(i if h == 0 and side * g < 0 else cell.edges[k])
            if h * g < 0:
                share = h / (h - g)
                corners.append((p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1])))
                edges.append(i if side * h > 0 else cell.edges[k])
        active = (*cell.active, i) if side > 0 else cell.active
        out.append(Cell(tuple(corners), tuple(edges), active, cell.sign, cell.still))
    return out
