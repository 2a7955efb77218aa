"""Zeros of a model's pre-activations, call by call: between the breaks found so far each is as smooth as its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from .roots import bracketed_roots

# (points (B, n), call) → what changes its sign there, (B, n, columns).
Preactivations = Callable[[Tensor, int], Tensor]

# Where a pre-activation is not linear: cells of the whole domain in which a change of sign is looked for.
CELLS = 1024
# An inner point of an interval at an irrational fraction: a straight line through it and the ends is no accident.
_FRACTION = 0.381966011250105
# Departure from a straight line that is rounding, in roundings of the largest value in the call: sums of some hundred
# terms in some layers; a departure of this size moves a zero by no more than rounding does.
_ROUNDINGS = 2**12
# Numbers held at a time for one call.
_HELD = 2**23


@dataclass(frozen=True, eq=False)
class Zeros:
    """Zeros of all pre-activations strictly inside the domain, call by call; not sorted.

    Attributes:
        places: (B, K) float64; padded with the right end.
        columns: which branch and unit of the call, branch · units + unit, (B, K); 0 for padding.
        real: no padding, (B, K).
        exact: where a straight line crosses zero, (B, K).
        counts: how many of the K belong to each call.
    """

    places: Tensor
    columns: Tensor
    real: Tensor
    exact: Tensor
    counts: tuple[int, ...]


@torch.no_grad()
def zeros(
    preactivations: Preactivations,
    columns: Sequence[int],
    domain: tuple[float, float],
    batch: int,
    dtype: torch.dtype,
    device: torch.device,
    straight: bool = False,
) -> Zeros:
    """Search call by call; the breaks of earlier calls are edges for the later ones.

    Args:
        preactivations: of all models of the batch.
        columns: how many there are in each call.
        domain: its two ends.
        batch: number of models.
        dtype: of the models.
        device: of the models.
        straight: it is known that pre-activations are linear between breaks; they are not looked at in between.

    Raises:
        InputError: NaN or inf on the way.
    """
    left, right = domain
    edges = torch.tensor([left, right], dtype=torch.float64, device=device).expand(batch, 2)
    nothing = torch.zeros(batch, 0, dtype=torch.float64, device=device)
    places, owners, exact, counts = [nothing], [nothing.long()], [nothing.bool()], []
    for layer, width in enumerate(columns):
        chunk = max(16, _HELD // (3 * batch * max(width, 1)))
        row, place, column, crossed = _one_call(preactivations, layer, edges, dtype, chunk, straight)
        if len(row):
            places.append(_packed(row, place, batch, right))
            owners.append(_packed(row, column, batch, -1))
            exact.append(_packed(row, crossed, batch, False))
            edges = torch.cat([edges, places[-1]], 1).sort(1).values
        counts.append(places[-1].shape[1] if len(row) else 0)
    column = torch.cat(owners, 1)
    real = column >= 0
    return Zeros(torch.cat(places, 1), column.clamp(min=0), real, torch.cat(exact, 1), tuple(counts))


def _one_call(
    preactivations: Preactivations, layer: int, edges: Tensor, dtype: torch.dtype, chunk: int, known: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows of the batch, places, columns and whether a straight line was crossed, each (Q,)."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    bent: list[Tensor] = []
    count, start = edges.shape[1] - 1, 0
    while start < count:
        m = min(chunk, count - start)
        # One edge more than the intervals have, so that a zero on the last edge shows on which sides it lies.
        edge = edges[:, start : start + m + 2]
        low, high = edge[:, :m], edge[:, 1 : m + 1]
        points = edge if known else torch.cat([edge, torch.lerp(low, high, _FRACTION)], 1)
        z = preactivations(points.to(dtype), layer)
        at_edge = z[:, : edge.shape[1]]
        before, after = at_edge[:, :m], at_edge[:, 1 : m + 1]
        # Nil on an edge is looked at below.
        crossing = before * after <= 0
        if known:
            _finite(z.sum(), edge)
        else:
            off = torch.lerp(before, after, _FRACTION).sub_(z[:, edge.shape[1] :]).abs_()
            straight = off <= z.abs().amax((1, 2), keepdim=True) * (_ROUNDINGS * torch.finfo(dtype).eps)
            # Where there is NaN, it is neither straight nor bent, and dealt with as bent.
            bent.append(~straight)
        row, interval, column = crossing.nonzero(as_tuple=True)
        first, second = before[row, interval, column], after[row, interval, column]
        apart = first * second < 0 if known else (first * second < 0) & straight[row, interval, column]
        if not bool(apart.all()):
            # A zero exactly on an edge, from one sign to the other.
            onto = ((at_edge[:, 1:-1] == 0) & (at_edge[:, :-2] * at_edge[:, 2:] < 0))[:, :m].nonzero(as_tuple=True)
            found.append((onto[0], edge[onto[0], onto[1] + 1], onto[2]))
            row, interval, column, first, second = (a[apart] for a in (row, interval, column, first, second))
        share = first.double() / (first.double() - second.double())
        found.append((row, torch.lerp(low[row, interval], high[row, interval], share), column))
        start += m
    row, place, column = found[0] if len(found) == 1 else tuple(torch.cat(parts) for parts in zip(*found, strict=True))
    exact = torch.ones_like(row, dtype=torch.bool)
    curved = None if known else torch.cat(bent, 1)
    if curved is not None and bool(curved.any()):
        more = _by_bracketing(preactivations, layer, edges, curved, dtype, chunk)
        exact = torch.cat([exact, torch.zeros_like(more[0], dtype=torch.bool)])
        row, place, column = (torch.cat(parts) for parts in zip((row, place, column), more, strict=True))
    outside = (place <= edges[0, 0]) | (place >= edges[0, -1])
    if bool(outside.any()):
        return row[~outside], place[~outside], column[~outside], exact[~outside]
    return row, place, column, exact


def _by_bracketing(
    preactivations: Preactivations, layer: int, edges: Tensor, curved: Tensor, dtype: torch.dtype, chunk: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Changes of sign on a fine subdivision of the intervals where a pre-activation is not linear, refined."""
    fine = torch.linspace(float(edges[0, 0]), float(edges[0, -1]), CELLS + 1, dtype=torch.float64, device=edges.device)
    marks = torch.cat([edges, fine.expand(len(edges), -1)], 1).sort(1).values
    middle = (marks[:, 1:] + marks[:, :-1]) / 2
    interval = (torch.searchsorted(edges.contiguous(), middle, right=True) - 1).clamp(0, curved.shape[1] - 1)
    brackets: list[tuple[Tensor, ...]] = []
    count, start = marks.shape[1] - 1, 0
    while start < count:
        stop = min(start + chunk, count)
        here = marks[:, start : stop + 1]
        z = _finite(preactivations(here.to(dtype), layer), here)
        mine = curved.gather(1, interval[:, start:stop, None].expand(-1, -1, curved.shape[2]))
        row, cell, column = ((z[:, :-1] * z[:, 1:] < 0) & mine).nonzero(as_tuple=True)
        brackets.append(
            (row, column, here[row, cell], here[row, cell + 1], z[row, cell, column], z[row, cell + 1, column])
        )
        # Zero exactly at a mark.
        onto = (z[:, 1:-1] == 0) & (z[:, :-2] * z[:, 2:] < 0) & mine[:, :-1]
        row, cell, column = onto.nonzero(as_tuple=True)
        low, high = z[row, cell, column], z[row, cell + 2, column]
        brackets.append((row, column, here[row, cell], here[row, cell + 2], low, high))
        # Two zeros in a cell or two: where |z| is least, does the parabola through three marks reach zero?
        row, column, low_end, dip, high_end, values = _dips(here, z, mine)
        at_dip = _at(preactivations, layer, row, dip, column, len(edges), dtype, chunk) if len(row) else values[:, 0]
        through = at_dip * values[:, 0] < 0
        for a, b, u, v in ((low_end, dip, values[:, 0], at_dip), (dip, high_end, at_dip, values[:, 1])):
            brackets.append(tuple(t[through] for t in (row, column, a, b, u, v)))
        start = stop
    row, column, low, high, z_low, z_high = (torch.cat(parts) for parts in zip(*brackets, strict=True))

    def own(x: Tensor) -> Tensor:
        return _at(preactivations, layer, row, x, column, len(edges), dtype, chunk)

    return row, bracketed_roots(own, low, high, z_low.double(), z_high.double(), torch.finfo(dtype).eps), column


def _dips(marks: Tensor, z: Tensor, mine: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Where |z| has a least value among three marks of one sign, and the bottom of the parabola through them."""
    a, b, c = (z[:, k : z.shape[1] - 2 + k] for k in range(3))
    one_sign = (a * b > 0) & (b * c > 0)
    dip = one_sign & (b.abs() <= a.abs()) & (b.abs() <= c.abs()) & (mine[:, :-1] | mine[:, 1:])
    row, cell, column = dip.nonzero(as_tuple=True)
    x0, x1, x2 = (marks[row, cell + k] for k in range(3))
    y0, y1, y2 = (z[row, cell + k, column].double() for k in range(3))
    first, second = (x1 - x0) * (y1 - y2), (x1 - x2) * (y1 - y0)
    below = first - second
    flat = below == 0
    bottom = x1 - ((x1 - x0) * first - (x1 - x2) * second) / (2 * torch.where(flat, torch.ones_like(below), below))
    bottom = torch.where(flat, x1, bottom).clamp(x0, x2)
    return row, column, x0, bottom, x2, torch.stack([y0, y2], 1)


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
    position = _position(row, batch)
    points = _packed(row, x, batch, float(x[0]))
    out = torch.empty_like(x)
    for start in range(0, points.shape[1], chunk):
        z = preactivations(points[:, start : start + chunk].to(dtype), layer)
        here = (position >= start) & (position < start + chunk)
        out[here] = z[row[here], position[here] - start, column[here]].double()
    return out


def _packed(row: Tensor, value: Tensor, batch: int, pad: float) -> Tensor:
    """Values (Q,) of rows (Q,) → (B, the most of any row), in the order given, padded."""
    if batch == 1:
        return value[None]
    counts = torch.bincount(row, minlength=batch)
    out = torch.full((batch, int(counts.max())), pad, dtype=value.dtype, device=value.device)
    out[row, _position(row, batch)] = value
    return out


def _position(row: Tensor, batch: int) -> Tensor:
    """How many before it belong to the same row, (Q,)."""
    order = torch.argsort(row, stable=True)
    counts = torch.bincount(row, minlength=batch)
    position = torch.empty_like(row)
    position[order] = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row[order]]
    return position


def _finite(z: Tensor, x: Tensor) -> Tensor:
    if not bool(torch.isfinite(z).all()):
        raise InputError(
            f"model: a pre-activation is not finite between x = {float(x.min()):.6g} and {float(x.max()):.6g}; a model "
            "with numbers there would be right"
        )
    return z
