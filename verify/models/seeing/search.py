"""Zeros of a model's pre-activations, call by call: between the breaks found so far each is as smooth as its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .brackets import Preactivations, by_bracketing, finite, packed, position_in_row

# Next to an edge at which a pre-activation may jump, it is looked at so many roundings of the domain's places aside.
_ASIDE = 64
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
        settled: two searches agreed wherever cells had to be searched; else some may be missing.
    """

    places: Tensor
    columns: Tensor
    real: Tensor
    exact: Tensor
    counts: tuple[int, ...]
    settled: bool = True


@torch.no_grad()
def zeros(
    preactivations: Preactivations,
    columns: Sequence[int],
    domain: tuple[float, float],
    batch: int,
    dtype: torch.dtype,
    device: torch.device,
    straight: bool = False,
    torn: Sequence[bool] = (),
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
        torn: for each call, may its pre-activations jump at the breaks of earlier ones? By default none may.

    Raises:
        InputError: NaN or inf on the way.
    """
    left, right = domain
    edges = torch.tensor([left, right], dtype=torch.float64, device=device).expand(batch, 2)
    nothing = torch.zeros(batch, 0, dtype=torch.float64, device=device)
    places, owners, exact, counts = [nothing], [nothing.long()], [nothing.bool()], []
    settled = True
    for layer, width in enumerate(columns):
        chunk = max(16, _HELD // (3 * batch * max(width, 1)))
        aside = _ASIDE * torch.finfo(dtype).eps * max(abs(left), abs(right), right - left)
        aside = aside if torn and torn[layer] else 0.0
        row, place, column, crossed, sure = _one_call(preactivations, layer, edges, dtype, chunk, straight, aside)
        settled = settled and sure
        if len(row):
            position = None if batch == 1 else position_in_row(row, batch)
            places.append(packed(row, place, batch, right, position))
            owners.append(packed(row, column, batch, -1, position))
            exact.append(packed(row, crossed, batch, False, position))
            edges = torch.cat([edges, places[-1]], 1).sort(1).values
        counts.append(places[-1].shape[1] if len(row) else 0)
    column = torch.cat(owners, 1)
    real = column >= 0
    return Zeros(torch.cat(places, 1), column.clamp(min=0), real, torch.cat(exact, 1), tuple(counts), settled)


def _one_call(
    preactivations: Preactivations,
    layer: int,
    edges: Tensor,
    dtype: torch.dtype,
    chunk: int,
    known: bool,
    aside: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    """Rows of the batch, places, columns and whether a straight line was crossed, each (Q,); and did searches agree?"""
    if aside:
        return _torn_call(preactivations, layer, edges, dtype, chunk, aside)
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
        straight = None
        if known:
            finite(z.sum(), edge)
        else:
            off = torch.lerp(before, after, _FRACTION).sub_(z[:, edge.shape[1] :]).abs_()
            straight = off <= z.abs().amax((1, 2), keepdim=True) * (_ROUNDINGS * torch.finfo(dtype).eps)
            # Where there is NaN, it is neither straight nor bent, and dealt with as bent.
            bent.append(~straight)
        row, interval, column = crossing.nonzero(as_tuple=True)
        first, second = before[row, interval, column], after[row, interval, column]
        apart = first * second < 0
        if straight is not None:
            apart &= straight[row, interval, column]
        if not bool(apart.all()):
            # A zero exactly on an edge, from one sign to the other.
            onto = ((at_edge[:, 1:-1] == 0) & (at_edge[:, :-2] * at_edge[:, 2:] < 0))[:, :m].nonzero(as_tuple=True)
            found.append((onto[0], edge[onto[0], onto[1] + 1], onto[2]))
            row, interval, column, first, second = (a[apart] for a in (row, interval, column, first, second))
        share = first.double() / (first.double() - second.double())
        found.append((row, torch.lerp(low[row, interval], high[row, interval], share), column))
        start += m
    row, place, column = found[0] if len(found) == 1 else tuple(torch.cat(parts) for parts in zip(*found, strict=True))
    curved = None if known else torch.cat(bent, 1)
    return _joined(preactivations, layer, edges, curved, dtype, chunk, 0.0, (row, place, column))


def _torn_call(
    preactivations: Preactivations, layer: int, edges: Tensor, dtype: torch.dtype, chunk: int, aside: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    """`_one_call` where pre-activations jump at the edges: each interval is looked at from within."""
    low, high = edges[:, :-1] + aside, edges[:, 1:] - aside
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    bent: list[Tensor] = []
    for a, b in zip(torch.split(low, chunk, 1), torch.split(high, chunk, 1), strict=True):
        m = a.shape[1]
        points = torch.cat([a, b, torch.lerp(a, b, _FRACTION)], 1)
        before, after, between = torch.split(finite(preactivations(points.to(dtype), layer), points), m, 1)
        off = torch.lerp(before, after, _FRACTION).sub_(between).abs_()
        size = torch.stack([before, after, between]).abs().amax(dim=(0, 2, 3), keepdim=True)[0]
        straight = (off <= size * (_ROUNDINGS * torch.finfo(dtype).eps)) & (b > a)[..., None]
        bent.append(~straight & (b > a)[..., None])
        row, interval, column = ((before * after < 0) & straight).nonzero(as_tuple=True)
        first, second = (z[row, interval, column].double() for z in (before, after))
        share = first / (first - second)
        found.append((row, torch.lerp(a[row, interval], b[row, interval], share), column))
    crossed = tuple(torch.cat(parts) for parts in zip(*found, strict=True))
    return _joined(preactivations, layer, edges, torch.cat(bent, 1), dtype, chunk, aside, crossed)


def _joined(
    preactivations: Preactivations,
    layer: int,
    edges: Tensor,
    curved: Tensor | None,
    dtype: torch.dtype,
    chunk: int,
    aside: float,
    crossed: tuple[Tensor, ...],
) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    """Zeros of straight lines, and those of what is curved, strictly inside the domain."""
    row, place, column = crossed
    exact, settled = torch.ones_like(row, dtype=torch.bool), True
    if curved is not None and bool(curved.any()):
        *more, settled = by_bracketing(preactivations, layer, edges, curved, dtype, chunk, aside)
        exact = torch.cat([exact, torch.zeros_like(more[0], dtype=torch.bool)])
        row, place, column = (torch.cat(parts) for parts in zip((row, place, column), more, strict=True))
    outside = (place <= edges[0, 0]) | (place >= edges[0, -1])
    if bool(outside.any()):
        row, place, column, exact = (a[~outside] for a in (row, place, column, exact))
    return row, place, column, exact, settled
