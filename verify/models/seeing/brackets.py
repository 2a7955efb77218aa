"""Changes of sign of what is not linear, bracketed on cells that are halved until two searches agree, and refined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from .roots import bracketed_roots

# (points (B, n), call) → what changes its sign there, (B, n, columns).
Preactivations = Callable[[Tensor, int], Tensor]

# Where a pre-activation is not linear: cells of the whole domain in which a change of sign is looked for, at first;
# they are halved until a search finds no more than the one before, and at most so often.
CELLS, _MOST_REFINEMENTS = 512, 8
# Parts of the domain in which two searches are compared.
_PARTS = 64
# Steps towards the bottom of a dip between marks, and how near zero, as a share of the marks' values, it has to be.
_BOTTOMS, _SHALLOW = 4, 0.5


def by_bracketing(
    preactivations: Preactivations,
    layer: int,
    edges: Tensor,
    curved: Tensor,
    dtype: torch.dtype,
    chunk: int,
    aside: float,
) -> tuple[Tensor, Tensor, Tensor, bool]:
    """Changes of sign on fine subdivisions of the intervals where a pre-activation is not linear, refined.

    A search of twice as many cells has to find as many in each column and part of the domain; else cells are halved and
    searched once more.
    """

    def counted(refinement: int) -> tuple[Any, Any]:
        found = _brackets(preactivations, layer, edges, curved, dtype, chunk, aside, CELLS << refinement)
        return found, _census(found, edges, curved.shape[2])

    (brackets, before), settled = counted(0), False
    for refinement in range(1, _MOST_REFINEMENTS):
        brackets, counts = counted(refinement)
        settled = bool((counts == before).all())
        if settled:
            break
        before = counts
    row, column, low, high, z_low, z_high = brackets

    def own(x: Tensor) -> Tensor:
        return _at(preactivations, layer, row, x, column, len(edges), dtype, chunk)

    roots = bracketed_roots(own, low, high, z_low.double(), z_high.double(), torch.finfo(dtype).eps)
    return row, roots, column, settled


def _census(brackets: tuple[Tensor, ...], edges: Tensor, columns: int) -> Tensor:
    """How many brackets there are, by row, column and part of the domain."""
    row, column, low, high, z_low, z_high = brackets
    place = low + (high - low) * (z_low / (z_low - z_high))
    left, right = float(edges[0, 0]), float(edges[0, -1])
    part = ((place - left) / (right - left) * _PARTS).long().clamp(0, _PARTS - 1)
    return torch.bincount((row * columns + column) * _PARTS + part, minlength=len(edges) * columns * _PARTS)


def _brackets(
    preactivations: Preactivations,
    layer: int,
    edges: Tensor,
    curved: Tensor,
    dtype: torch.dtype,
    chunk: int,
    aside: float,
    cells: int,
) -> tuple[Tensor, ...]:
    """Rows, columns, both ends and the values there of all brackets that so many cells of the domain show."""
    left, right = float(edges[0, 0]), float(edges[0, -1])
    steps = torch.arange(1, cells, dtype=torch.float64, device=edges.device)
    # Uneven, or a fast wave looks like the same slow one on all grids.
    uneven = (steps * (5**0.5 - 1) / 2 % 1 - 0.5) / 2
    inner = left + (right - left) * (steps + uneven) / cells
    fine = torch.cat([edges.new_tensor([left]), inner, edges.new_tensor([right])])
    walls = torch.cat([edges - aside, edges + aside], 1)[:, 1:-1] if aside else edges
    marks = torch.cat([walls, fine.expand(len(edges), -1)], 1).sort(1).values
    middle = (marks[:, 1:] + marks[:, :-1]) / 2
    after = torch.searchsorted(edges.contiguous(), middle, right=True)
    interval = (after - 1).clamp(0, curved.shape[1] - 1)
    # What lies within the jump at an edge is no cell.
    gap = torch.minimum(middle - edges.gather(1, interval), edges.gather(1, interval + 1) - middle)
    open_ = gap >= aside if aside else None
    brackets: list[tuple[Tensor, ...]] = []
    count, start = marks.shape[1] - 1, 0
    while start < count:
        stop = min(start + chunk, count)
        here = marks[:, start : stop + 1]
        z = finite(preactivations(here.to(dtype), layer), here)
        mine = curved.gather(1, interval[:, start:stop, None].expand(-1, -1, curved.shape[2]))
        if open_ is not None:
            mine = mine & open_[:, start:stop, None]
        row, cell, column = ((z[:, :-1] * z[:, 1:] < 0) & mine).nonzero(as_tuple=True)
        brackets.append(
            (row, column, here[row, cell], here[row, cell + 1], z[row, cell, column], z[row, cell + 1, column])
        )
        # Zero exactly at a mark.
        onto = (z[:, 1:-1] == 0) & (z[:, :-2] * z[:, 2:] < 0) & mine[:, :-1]
        onto = onto & mine[:, 1:] if aside else onto
        row, cell, column = onto.nonzero(as_tuple=True)
        low, high = z[row, cell, column], z[row, cell + 2, column]
        brackets.append((row, column, here[row, cell], here[row, cell + 2], low, high))
        # Two zeros in a cell or two: where |z| is least, does it reach zero in between?
        row, column, x, y = _dips(here, z, mine, bool(aside))
        brackets += _through(
            lambda p, r, c: _at(preactivations, layer, r, p, c, len(edges), dtype, chunk), row, column, x, y
        )
        start = stop
    return tuple(torch.cat(parts) for parts in zip(*brackets, strict=True))


def _dips(marks: Tensor, z: Tensor, mine: Tensor, torn: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where |z| has a least value among three marks of one sign: rows, columns, the marks and z there, (3, Q)."""
    a, b, c = (z[:, k : z.shape[1] - 2 + k] for k in range(3))
    one_sign = (a * b > 0) & (b * c > 0)
    both = mine[:, :-1] & mine[:, 1:] if torn else mine[:, :-1] | mine[:, 1:]
    dip = one_sign & (b.abs() <= a.abs()) & (b.abs() <= c.abs()) & both
    row, cell, column = dip.nonzero(as_tuple=True)
    x = torch.stack([marks[row, cell + k] for k in range(3)])
    y = torch.stack([z[row, cell + k, column] for k in range(3)]).double()
    return row, column, x, y


def _through(
    value: Callable[[Tensor, Tensor, Tensor], Tensor], row: Tensor, column: Tensor, x: Tensor, y: Tensor
) -> list[tuple[Tensor, ...]]:
    """Brackets of the two zeros of a dip, found by following parabolas to its bottom until that is past zero."""
    brackets: list[tuple[Tensor, ...]] = []
    for _ in range(_BOTTOMS):
        if not len(row):
            break
        bottom, depth = _bottom(x, y)
        at_bottom = value(bottom, row, column)
        past = at_bottom * y[1] < 0
        # The bottom lies in one of the two cells; the zeros on both sides of it.
        for low, high, u, v in ((x[0], bottom, y[0], at_bottom), (bottom, x[2], at_bottom, y[2])):
            brackets.append(tuple(t[past] for t in (row, column, low, high, u, v)))
        # A bottom far from zero, as parabolas go, is not followed any further.
        go_on = ~past & (depth.abs() < _SHALLOW * y.abs().amax(0)) & (bottom != x[1])
        row, column, bottom, at_bottom = (t[go_on] for t in (row, column, bottom, at_bottom))
        x, y = x[:, go_on], y[:, go_on]
        left, better = bottom < x[1], at_bottom.abs() < y[1].abs()
        inner = (torch.where(left, bottom, x[1]), torch.where(left, x[1], bottom))
        values = (torch.where(left, at_bottom, y[1]), torch.where(left, y[1], at_bottom))
        # Of the four points the three about the least one.
        first = left == better
        x = torch.stack(
            [torch.where(first, x[0], inner[0]), torch.where(first, *inner), torch.where(first, inner[1], x[2])]
        )
        y = torch.stack(
            [torch.where(first, y[0], values[0]), torch.where(first, *values), torch.where(first, values[1], y[2])]
        )
    return brackets


def _bottom(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where the parabola through three points has its extremum, kept between them, and its value there."""
    first, second = (x[1] - x[0]) * (y[1] - y[2]), (x[1] - x[2]) * (y[1] - y[0])
    below = first - second
    flat = below == 0
    place = x[1] - ((x[1] - x[0]) * first - (x[1] - x[2]) * second) / (
        2 * torch.where(flat, torch.ones_like(below), below)
    )
    place = torch.maximum(torch.minimum(torch.where(flat, x[1], place), x[2]), x[0])
    # Newton's form of the parabola.
    slope = (y[1] - y[0]) / (x[1] - x[0])
    bend = ((y[2] - y[1]) / (x[2] - x[1]) - slope) / (x[2] - x[0])
    return place, y[0] + (place - x[0]) * (slope + bend * (place - x[1]))


def _at(
    preactivations: Preactivations,
    layer: int,
    row: Tensor,
    x: Tensor,
    column: Tensor,
    batch: int,
    dtype: torch.dtype,
    chunk: int,
) -> Tensor:
    """One column at each of Q points that belong to rows of the batch, (Q,) float64."""
    position = position_in_row(row, batch)
    points = packed(row, x, batch, float(x[0]))
    out = torch.empty_like(x)
    for start in range(0, points.shape[1], chunk):
        z = preactivations(points[:, start : start + chunk].to(dtype), layer)
        here = (position >= start) & (position < start + chunk)
        out[here] = z[row[here], position[here] - start, column[here]].double()
    return out


def packed(row: Tensor, value: Tensor, batch: int, pad: float, position: Tensor | None = None) -> Tensor:
    """Values (Q,) of rows (Q,) → (B, the most of any row), in the order given, padded."""
    if batch == 1:
        return value[None]
    position = position_in_row(row, batch) if position is None else position
    out = torch.full((batch, int(position.max()) + 1), pad, dtype=value.dtype, device=value.device)
    out[row, position] = value
    return out


def position_in_row(row: Tensor, batch: int) -> Tensor:
    """How many before it belong to the same row, (Q,)."""
    order = torch.argsort(row, stable=True)
    counts = torch.bincount(row, minlength=batch)
    position = torch.empty_like(row)
    position[order] = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row[order]]
    return position


def finite(z: Tensor, x: Tensor) -> Tensor:
    """The same numbers.

    Raises:
        InputError: they are not finite.
    """
    if not bool(torch.isfinite(z).all()):
        raise InputError(
            f"model: a pre-activation is not finite between x = {float(x.min()):.6g} and {float(x.max()):.6g}; a model "
            "with numbers there would be right"
        )
    return z
