"""Where lines cross a model's kinks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...verify.errors import InputError
from ...verify.models.seeing.layers import layered_zeros
from ...verify.models.seeing.search import zeros
from ...verify.models.seeing.stacked import warn_unsettled
from .fields import Fields
from .lines import Lines

# Of a place on a line that are one place: what two computations of it may differ by.
_ROUNDINGS = 64


@dataclass(frozen=True, eq=False)
class Crossings:
    """Places where a pre-activation changes its sign along a line, in order of its layer.

    Attributes:
        place: (K, d), of the model's type.
        direction: of the line, of length one, (K, d).
        weight: of the line, (K,).
        room: distance along the line to the next kink or end, (K,); None where nobody asks.
        column: which branch and unit of it, (K,).
        counts: how many there are in each layer.
    """

    place: Tensor
    direction: Tensor
    weight: Tensor
    room: Tensor | None
    column: Tensor
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.place)

    @property
    def layer(self) -> Tensor:
        """Which of the breaking calls, ascending, (K,)."""
        counts = torch.tensor(self.counts, dtype=torch.long, device=self.column.device)
        return torch.arange(len(self.counts), device=counts.device).repeat_interleave(counts)

    def chosen(self, which: Tensor | slice) -> Crossings:
        """Some of them, by ascending indices."""
        counts = torch.bincount(self.layer[which], minlength=len(self.counts)).tolist()
        place, direction, weight, column = (a[which] for a in (self.place, self.direction, self.weight, self.column))
        room = None if self.room is None else self.room[which]
        return Crossings(place, direction, weight, room, column, tuple(counts))


@torch.no_grad()
def crossings_of(fields: Fields, lines: Lines, room: bool = True) -> Crossings:
    """All crossings of lines with kinks, line by line in each layer.

    Args:
        fields: the model.
        lines: through the domain.
        room: whether their distances are asked for.

    Raises:
        InputError: see `zeros`; or operations whose breakpoints are not known.
    """
    seen = fields.trace
    if seen.unknown:
        raise InputError(
            f"model: {seen.unknown[0]} may break smoothness in ways that are not known, and in several inputs nothing "
            "shows where; operations that torch has for relu, abs, max, clamp or comparisons would be right"
        )
    if fields.layers is not None:
        return _layered(fields, lines, room)
    lines = lines.on(seen.device)
    row, share, column, counts = _zeros(fields, lines)
    length = lines.length[row]
    along, direction = share * length, lines.direction[row]
    place = torch.addcmul(lines.start[row], direction, along[:, None])
    at, direction, weight = (a.to(seen.dtype) for a in (place, direction, lines.weight[row]))
    apart = (_apart(row, share) * length).to(seen.dtype) if room else None
    return Crossings(at, direction, weight, apart, column, counts)


def _layered(fields: Fields, lines: Lines, room: bool) -> Crossings:
    """The same of a stack of layers, in NumPy."""
    seen = fields.trace
    assert fields.layers is not None
    start, direction, length, weight = (
        a.cpu().numpy() for a in (lines.start, lines.direction, lines.length, lines.weight)
    )
    row, share, column, counts = layered_zeros(fields.layers, start, start + direction * length[:, None])
    along, ahead = share * length[row], direction[row]
    place = start[row] + ahead * along[:, None]
    at, toward, stands = (torch.from_numpy(a).to(seen.device, seen.dtype) for a in (place, ahead, weight[row]))
    apart = None
    if room:
        away = _apart(torch.from_numpy(row), torch.from_numpy(share)).numpy() * length[row]
        apart = torch.from_numpy(away).to(seen.device, seen.dtype)
    return Crossings(at, toward, stands, apart, torch.from_numpy(column).to(seen.device), counts)


def _apart(row: Tensor, share: Tensor) -> Tensor:
    """How far each is from the next one on its line, or from an end, (K,)."""
    # In order along all lines, between which there is room enough.
    ranked, order = (2 * row + share).sort()
    gap = ranked.diff()
    room = torch.empty_like(share)
    room[order] = torch.minimum(pad(gap, (1, 0), value=1.0), pad(gap, (0, 1), value=1.0))[: len(share)]
    return torch.minimum(room, torch.minimum(share, 1 - share))


def _zeros(fields: Fields, lines: Lines) -> tuple[Tensor, Tensor, Tensor, tuple[int, ...]]:
    """Like `layered_zeros`, by the search that serves any model; of kinks of one surface the first."""
    seen, start, end = fields.trace, lines.start, lines.end

    def preactivations(share: Tensor, layer: int) -> Tensor:
        x = torch.lerp(start[:, None], end[:, None], share[..., None].double()).reshape(-1, fields.inputs)
        points = (x[:, 0] if fields.inputs == 1 else x).to(seen.dtype)
        return seen.preactivations(fields.model, points, layer).reshape(*share.shape, -1)

    columns = [c.columns for c in seen.calls]
    found = zeros(preactivations, columns, (0.0, 1.0), len(start), seen.dtype, seen.device, seen.straight, seen.torn)
    if not found.settled:
        warn_unsettled()
    row, position = found.real.nonzero(as_tuple=True)
    share, column = found.places[row, position], found.columns[row, position]
    layer = torch.arange(len(columns), device=row.device)
    layer = layer.repeat_interleave(torch.tensor(found.counts, dtype=torch.long, device=row.device))[position]
    # Closer than rounding are kinks of one surface: of abs(z) + relu(z), say, or of relu(z)·relu(z).
    size = torch.maximum(start.abs(), end.abs()).amax(1)
    rounding = _ROUNDINGS * torch.finfo(seen.dtype).eps * (1 + size / lines.length)
    order = (2 * row + share).argsort(stable=True)
    apart = torch.ones_like(order, dtype=torch.bool)
    apart[1:] = (2 * row + share)[order].diff() > rounding[row[order[1:]]]
    order = order[apart]
    order = order[layer[order].argsort(stable=True)]
    counts = torch.bincount(layer[order], minlength=len(columns)).tolist()
    return row[order], share[order], column[order], tuple(counts)
