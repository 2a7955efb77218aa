"""Points of a polygon on which programs integrate, with weights: middles of cells, random and quasi-random ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ..choices import PlaneRule, unknown
from ..errors import InputError
from ..statement.network import checked_seed
from ..statement.plane import PlaneProblem
from ..statement.polygon import RationalPolygon
from ..values import Value

Array = NDArray[Any]

PLANE_RULES: tuple[PlaneRule, ...] = get_args(PlaneRule)
# Halton's sequence. One of multiples of irrational numbers is a lattice wherever one looks at it, and lines that run
# along that lattice keep one side of it nearer, as lines along the rows of a grid do.
_BASES = (2, 3)
# Middles nearer to an edge than this share of a cell are on it.
_ON_EDGE = 1e-9


@dataclass(frozen=True, eq=False)
class EdgePoints(Value):
    """Points of an edge on which a flux or an essential value is named.

    Attributes:
        edge: its number.
        nodes: (k, 2), the middles of equal pieces.
        weights: (k,), their lengths.
    """

    edge: int
    nodes: Array
    weights: Array


@dataclass(frozen=True)
class Cells:
    """A grid of equal cells over the box around a polygon.

    Attributes:
        corner: the lower left one.
        sides: width and height of a cell.
        counts: columns and rows.
    """

    corner: tuple[float, float]
    sides: tuple[float, float]
    counts: tuple[int, int]

    @property
    def spacing(self) -> float:
        """The square root of a cell's area."""
        return sqrt(self.sides[0] * self.sides[1])

    def middles(self, axis: int) -> Array:
        """x of the columns' middles, or y of the rows', (count,)."""
        return self.corner[axis] + self.sides[axis] * (np.arange(self.counts[axis]) + 0.5)


@dataclass(frozen=True, eq=False)
class PlanePoints(Value):
    """A fixed quadrature on a polygon.

    Attributes:
        nodes: (n, 2), inside it.
        weights: (n,).
        cells: the grid of as many cells, whose middles the nodes are, or which says how far apart they are.
        edges: of the named edges, by number.
    """

    nodes: Array
    weights: Array
    cells: Cells
    edges: tuple[EdgePoints, ...] = ()


def cells(domain: RationalPolygon, points: int) -> Cells:
    """Cells, as square as they can be, about so many of them in the polygon.

    Raises:
        InputError: see `plane_points`.
    """
    if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < 1:
        raise InputError(f"points: {points!r} is no number of points; a whole number from 1 on would be right")
    side = sqrt(domain.area / points)
    box = [(float(low), float(high)) for low, high in domain.box]
    columns, rows = (max(1, round((high - low) / side)) for low, high in box)
    (left, right), (bottom, top) = box
    return Cells((left, bottom), ((right - left) / columns, (top - bottom) / rows), (columns, rows))


def plane_points(problem: PlaneProblem, rule: str, points: int, seed: int = 0) -> PlanePoints:
    """Nodes and weights of a rule on a problem's polygon.

    Args:
        problem: gives the polygon and the named edges; these have points as far apart as those inside.
        rule: "midpoint": the middles of equal cells that lie inside, each with the area of a cell, and those on an edge
            with half of it; "random": drawn uniformly; "quasi-random": Halton's sequence, shifted at random. The last
            two have equal weights.
        points: how many in all; of middles about so many.
        seed: of what is random.

    Raises:
        InputError: an unknown rule, no number of points or a negative seed; or not one of the middles lies inside.
    """
    makers: dict[str, Callable[[RationalPolygon, int, int], tuple[Array, Array]]]
    makers = {"midpoint": _middles, "random": _drawn, "quasi-random": _sequence}
    if rule not in makers:
        raise unknown("rule", rule, PLANE_RULES)
    grid = cells(problem.domain, points)
    nodes, weights = makers[rule](problem.domain, points, checked_seed(seed))
    if not len(nodes):
        raise InputError(f"points: no middle of {points} cells lies in the polygon; more of them would be right")
    named = (k for k in range(len(problem.domain.edges)) if k not in problem.dirichlet)
    return PlanePoints(nodes, weights, grid, tuple(_on_edge(problem.domain, k, grid.spacing) for k in named))


def _middles(domain: RationalPolygon, points: int, _: int) -> tuple[Array, Array]:
    grid = cells(domain, points)
    nodes = np.stack(np.meshgrid(grid.middles(0), grid.middles(1), indexing="ij"), axis=-1).reshape(-1, 2)
    on_edge = _near_an_edge(domain, nodes, _ON_EDGE * grid.spacing)
    weights = np.prod(grid.sides) * np.where(on_edge, 0.5, domain.inside(nodes))
    return nodes[weights > 0], weights[weights > 0]


def _near_an_edge(domain: RationalPolygon, nodes: Array, distance: float) -> Array:
    """Which of the nodes (n, 2) are as near to an edge: (n,)."""
    out = np.zeros(len(nodes), dtype=bool)
    for start, end in domain.edges:
        first, last = (np.array([float(v) for v in corner]) for corner in (start, end))
        along = (last - first) / np.hypot(*(last - first))
        x, y = (nodes - first).T
        reached = along[0] * x + along[1] * y
        out |= (
            (np.abs(along[0] * y - along[1] * x) <= distance) & (reached >= 0) & (reached <= np.hypot(*(last - first)))
        )
    return out


def _drawn(domain: RationalPolygon, points: int, seed: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    return _accepted(domain, points, lambda start: generator.random((points, 2)))


def _sequence(domain: RationalPolygon, points: int, seed: int) -> tuple[Array, Array]:
    shift = np.random.default_rng(seed).random(2)

    def of_box(start: int) -> Array:
        numbers = np.arange(start, start + points)
        return np.asarray(np.mod(shift + np.stack([_mirrored(numbers, base) for base in _BASES], axis=-1), 1))

    return _accepted(domain, points, of_box)


def _mirrored(numbers: Array, base: int) -> Array:
    """Whole numbers, their digits in a base written in reverse behind the point."""
    digits, rest = [], numbers
    while rest.any():
        digits.append(rest % base)
        rest = rest // base
    shares = float(base) ** -np.arange(1.0, len(digits) + 1)
    return np.asarray(shares @ np.array(digits).reshape(len(digits), len(numbers)))


def _accepted(domain: RationalPolygon, points: int, of_box: Callable[[int], Array]) -> tuple[Array, Array]:
    """The first points of the unit square, put over the box, that lie inside; `of_box(start)` gives some from there."""
    low, high = np.array([[float(v) for v in side] for side in domain.box]).T
    kept: list[Array] = []
    asked = found = 0
    while found < points:
        nodes = low + (high - low) * of_box(asked)
        kept.append(nodes[domain.inside(nodes)])
        asked, found = asked + points, found + len(kept[-1])
    return np.concatenate(kept)[:points], np.full(points, float(domain.area) / points)


def _on_edge(domain: RationalPolygon, edge: int, spacing: float) -> EdgePoints:
    start, end = (np.array([float(v) for v in corner]) for corner in domain.edges[edge])
    length = float(np.hypot(*(end - start)))
    count = max(1, round(length / spacing))
    shares = (np.arange(count) + 0.5) / count
    return EdgePoints(edge, start + shares[:, None] * (end - start), np.full(count, length / count))
