"""Where an integral runs in several inputs: boxes, polygons with holes, and whatever can say what lies inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError

# Cells of a line in which a domain that can only say what lies inside is looked for, and halvings that place its ends:
# down to the rounding of a float64.
_CELLS, _HALVINGS = 256, 48
# Points of the box at which the volume of such a domain is measured.
_PROBES = 2**14
_FORMS = (
    "(0, 1) in one input, ((0, 1), (0, 1)) with as many sides as inputs, Polygon(corners, holes) or Region(inside, box)"
)


@runtime_checkable
class Domain(Protocol):
    """What a domain has to say of itself."""

    @property
    def box(self) -> Tensor:
        """Its bounding box, (d, 2) float64."""
        ...

    @property
    def volume(self) -> float:
        """Its length, area or volume."""
        ...

    def inside(self, x: Tensor) -> Tensor:
        """Which of the points (n, d) lie inside, (n,)."""
        ...

    def clipped(self, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which parts of segments across the box lie inside.

        Args:
            start: of the segments, (R, d).
            end: of them, (R, d).

        Returns:
            for each part the segment, (P,), and where on it it begins and ends, from 0 to 1, both (P,).
        """
        ...


@dataclass(frozen=True, eq=False)
class Box:
    """A box with sides along the axes.

    Attributes:
        box: (d, 2) float64.
    """

    box: Tensor

    @property
    def volume(self) -> float:
        """Product of the sides."""
        return float((self.box[:, 1] - self.box[:, 0]).prod())

    def inside(self, x: Tensor) -> Tensor:
        """Which of the points (n, d) lie inside, (n,)."""
        box = self.box.to(x)
        return ((x > box[:, 0]) & (x < box[:, 1])).all(1)

    def clipped(self, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All of them."""
        nothing = start.new_zeros(len(start))
        return torch.arange(len(start), device=start.device), nothing, nothing + 1


class Polygon:
    """A polygon in the plane, convex or not, with holes or without.

    A point is inside if a ray from it crosses the edges an odd number of times, whatever way round the corners run.

    Args:
        corners: (n, 2), in order; the last is joined to the first.
        holes: of each its corners, likewise.

    Raises:
        InputError: fewer than three corners, or not two finite numbers each.

    Examples:
        >>> l_shape = Polygon([(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)])
        >>> l_shape.inside(torch.tensor([[0.25, 0.75], [0.75, 0.75]])).tolist()
        [True, False]
    """

    def __init__(self, corners: Any, holes: Sequence[Any] = ()) -> None:
        rings = [_ring("corners", corners), *(_ring("holes", hole) for hole in holes)]
        # (edges, 2) each.
        self._first = torch.cat(rings)
        self._second = torch.cat([ring.roll(-1, 0) for ring in rings])
        self.box = torch.stack([rings[0].amin(0), rings[0].amax(0)], 1)
        areas = [float(_cross(ring, ring.roll(-1, 0)).sum().abs()) / 2 for ring in rings]
        self.volume = areas[0] - sum(areas[1:])

    @property
    def edges(self) -> tuple[Tensor, Tensor]:
        """Where each edge begins and ends, both (edges, 2)."""
        return self._first, self._second

    def inside(self, x: Tensor) -> Tensor:
        """Which of the points (n, 2) lie inside, (n,)."""
        a, b = self._first.to(x), self._second.to(x)
        above_a, above_b = a[:, 1] > x[:, 1:], b[:, 1] > x[:, 1:]
        rise = b[:, 1] - a[:, 1]
        share = (x[:, 1:] - a[:, 1]) / torch.where(rise == 0, 1, rise)
        right = a[:, 0] + share * (b[:, 0] - a[:, 0]) > x[:, :1]
        return ((above_a != above_b) & right).sum(1) % 2 == 1

    def clipped(self, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Between the first edge met and the second, the third and the fourth, and so on."""
        a, b = self._first.to(start), self._second.to(start)
        along = (end - start)[:, None]
        side_a, side_b = _cross(along, a - start[:, None]), _cross(along, b - start[:, None])
        met = (side_a > 0) != (side_b > 0)
        apart = side_a - side_b
        share = side_a / torch.where(apart == 0, 1, apart)
        at = a + share[..., None] * (b - a) - start[:, None]
        where = (at * along).sum(-1) / (along**2).sum(-1)
        # What is not met goes to the end and is left there; the number met is even.
        where = torch.where(met, where, torch.inf).sort(1).values
        pairs = where[:, : where.shape[1] // 2 * 2].reshape(len(start), -1, 2)
        row, part = torch.isfinite(pairs).all(2).nonzero(as_tuple=True)
        low, high = pairs[row, part].unbind(1)
        some = high > low
        return row[some], low[some], high[some]


class Region:
    """Any domain that can say which points lie inside, found along lines on 256 cells each and placed by halving.

    Args:
        inside: points (n, d) → (n,), booleans, or a level-set function, negative inside, such as a signed distance; or
            an object with a method `inside(x)` or `is_inside(x)` and, unless `box` is given, a `bbox`, as DeepXDE's
            geometries have. A method of an object is handed a NumPy array, a function a tensor.
        box: its bounding box, a pair of numbers an axis.

    Raises:
        InputError: no bounding box, or nothing to ask.

    Examples:
        >>> disc = Region(lambda x: x.norm(dim=1) - 1, ((-1, 1), (-1, 1)))
        >>> disc.inside(torch.tensor([[0.5, 0.5], [0.9, 0.9]])).tolist()
        [True, False]
    """

    def __init__(self, inside: Any, box: Any = None) -> None:
        self._ask: Callable[[Any], Any] | None = next(
            (getattr(inside, n) for n in ("inside", "is_inside") if callable(getattr(inside, n, None))), None
        )
        self._by_array = self._ask is not None
        if self._ask is None and callable(inside):
            self._ask = inside
        if self._ask is None:
            raise InputError(
                f"inside: {inside!r} is neither a function nor has a method inside(x); one of both is right"
            )
        if box is None and (bounds := getattr(inside, "bbox", None)) is not None:
            box = [(low, high) for low, high in zip(np.ravel(bounds[0]), np.ravel(bounds[1]), strict=True)]
        if box is None:
            raise InputError("box: the domain has no bbox of its own; its bounding box, ((0, 1), (0, 1)), is right")
        self.box = _box(box).box
        within = self.inside(even_points(self.box, _PROBES)).double().mean()
        # Known to some thousandths: of what runs along lines nothing depends on it.
        self.volume = float((self.box[:, 1] - self.box[:, 0]).prod() * within)

    def inside(self, x: Tensor) -> Tensor:
        """Which of the points (n, d) lie inside, (n,)."""
        points = x.detach()
        assert self._ask is not None
        found = self._ask(points.cpu().numpy() if self._by_array else points)
        values = torch.as_tensor(found, device=x.device).detach().reshape(-1)
        if len(values) != len(x):
            raise InputError(
                f"inside: for points of shape {tuple(x.shape)} it gives {len(values)} numbers; one a point is right"
            )
        return values if values.dtype == torch.bool else values < 0

    def clipped(self, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where the answer changes along each segment."""
        rows = len(start)
        marks = torch.linspace(0, 1, _CELLS + 1, dtype=start.dtype, device=start.device)
        # A line that only touches an end of the box has its end outside of an open domain.
        within = torch.zeros(rows, _CELLS + 3, dtype=torch.bool, device=start.device)
        within[:, 1:-1] = self._on(start, end, marks.expand(rows, -1))
        ends = torch.cat([marks[:1], marks, marks[-1:]])
        row, cell = (within[:, 1:] != within[:, :-1]).nonzero(as_tuple=True)
        low, high, first = ends[cell], ends[cell + 1], within[row, cell]
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            same = self._on(start[row], end[row], middle[:, None])[:, 0] == first
            low, high = torch.where(same, middle, low), torch.where(same, high, middle)
        # In each row they come in pairs, in and out.
        place = ((low + high) / 2).reshape(-1, 2)
        return row[::2], place[:, 0], place[:, 1]

    def _on(self, start: Tensor, end: Tensor, share: Tensor) -> Tensor:
        x = start[:, None] + share[..., None] * (end - start)[:, None]
        return self.inside(x.reshape(-1, x.shape[-1])).reshape(share.shape)


def even_points(box: Tensor, count: int, seed: int | None = None) -> Tensor:
    """Sobol's points in a box (d, 2), (count, d) float64; scrambled by a seed each is uniform by itself."""
    sobol: Any = torch.quasirandom.SobolEngine
    share = sobol(len(box), scramble=seed is not None, seed=seed).draw(count, dtype=torch.float64)
    return torch.lerp(box[:, 0], box[:, 1], share)


def as_domain(domain: Any) -> Domain:
    """A domain as users write it.

    Raises:
        InputError: it is none.
    """
    if isinstance(domain, tuple):
        # Where it is written down at every step.
        with suppress(TypeError):
            return _known_box(domain)
    if isinstance(domain, Domain):
        return domain
    if hasattr(domain, "inside") or hasattr(domain, "is_inside"):
        return Region(domain)
    return _box(domain)


@lru_cache(maxsize=64)
def _known_box(sides: tuple[Any, ...]) -> Box:
    return _box(sides)


def _box(sides: Any) -> Box:
    try:
        box = torch.as_tensor(np.asarray(sides, dtype=float)).reshape(-1, 2)
        if np.ndim(np.asarray(sides, dtype=float)) > 2:
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"domain: {sides!r} is none; {_FORMS} would be right") from None
    if not len(box) or not bool(torch.isfinite(box).all()) or bool((box[:, 0] >= box[:, 1]).any()):
        raise InputError(f"domain: {sides!r} is empty or unbounded; {_FORMS} would be right")
    return Box(box)


def _ring(name: str, corners: Any) -> Tensor:
    try:
        ring = torch.as_tensor(np.asarray(corners, dtype=float))
    except (TypeError, ValueError):
        ring = torch.zeros(0)
    if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3 or not bool(torch.isfinite(ring).all()):
        raise InputError(f"{name}: {corners!r} is no polygon; three or more corners of two numbers each are right")
    return ring


def _cross(a: Tensor, b: Tensor) -> Tensor:
    found: Tensor = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return found
