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
# With the output weight c.
Row = tuple[Fraction, Fraction, Fraction, Fraction]


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


def cells(polygon: RationalPolygon, rows: Sequence[Row]) -> list[Cell]:
    """All cells of the signed triangles that a point makes with a polygon's edges.

    Of a convex polygon these are its cells, cut once more; what lies outside of another one cancels in sums.

    Args:
        polygon: to be cut.
        rows: w₁, w₂, b and c of each neuron.
    """
    out = []
    # Where two lines coincide the edge is the first one's: a neuron that is not heard must not take it.
    order = sorted(range(len(rows)), key=lambda i: rows[i][3] == 0)
    first = _hub(polygon, [row[:3] for row in rows])
    for a, b in polygon.edges:
        corners = (first, a, b)
        area = (a[0] - first[0]) * (b[1] - first[1]) - (a[1] - first[1]) * (b[0] - first[0])
        if area == 0:
            continue
        if area < 0:
            corners = (first, b, a)
        still = tuple(_through(corners[k], corners[(k + 1) % 3]) for k in range(3))
        parts = [Cell(corners, (-1, -2, -3), (), polygon.turning * (1 if area > 0 else -1), still)]
        for i in order:
            parts = [piece for part in parts for piece in _cut(part, i, rows[i][:3])]
        out += parts
    return out


def _hub(polygon: RationalPolygon, lines: Sequence[Line]) -> Point:
    """A corner, or else a point near three of them, from which no kink line runs along a way to another corner.

    It would lie on a side of two triangles, and sides stand still.
    """
    corners: tuple[Point, ...] = polygon.corners
    count = len(corners)
    straight = [line for line in lines if line[0] or line[1]]
    met = [{k for k, p in enumerate(corners) if _height(line, p) == 0} for line in straight]
    for k in range(count):
        # Ways to its neighbours are edges of the polygon, and stand still indeed.
        besides = {(k - 1) % count, k, (k + 1) % count}
        if not any(k in on and on - besides for on in met):
            return corners[k]
    (x, y), (x1, y1), (x2, y2) = corners[:3]
    # On a parabola: a line meets it twice at most.
    shares = (Fraction(1, m) for m in range(2, 2 * len(lines) + 3))
    points = ((x + t * (x1 - x) + t * t * (x2 - x), y + t * (y1 - y) + t * t * (y2 - y)) for t in shares)
    through_corners = [line for line, on in zip(straight, met, strict=True) if on]
    return next(p for p in points if all(_height(line, p) for line in through_corners))


def _height(line: Line, point: Point) -> Fraction:
    return line[0] * point[0] + line[1] * point[1] + line[2]


def _through(a: Point, b: Point) -> Line:
    normal = (a[1] - b[1], b[0] - a[0])
    return (*normal, -(normal[0] * a[0] + normal[1] * a[1]))


def _cut(cell: Cell, i: int, line: Line) -> list[Cell]:
    height = [_height(line, p) for p in cell.corners]
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
