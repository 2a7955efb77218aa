"""Where lines cross a model's kinks, and what jumps there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.layers import layered_zeros
from ...verify.models.seeing.search import zeros
from .fields import Fields
from .lines import Lines

# Of a place on a line that are one place: what two computations of it may differ by.
_ROUNDINGS = 64


@dataclass(frozen=True, eq=False)
class Crossings:
    """Places where a pre-activation changes its sign along a line.

    Attributes:
        place: (K, d), of the model's type.
        direction: of the line, of length one, (K, d).
        weight: of the line, (K,).
        room: distance along the line to the next kink or end, (K,).
        layer: which of the breaking calls, (K,).
        column: which branch and unit of it, (K,).
    """

    place: Tensor
    direction: Tensor
    weight: Tensor
    room: Tensor
    layer: Tensor
    column: Tensor

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, chosen: Tensor | slice) -> Crossings:
        return Crossings(*(getattr(self, n)[chosen] for n in self.__dataclass_fields__))

    def rows(self, layers: int) -> list[Tensor]:
        """Those of each layer."""
        return [(self.layer == k).nonzero()[:, 0] for k in range(layers)]


def crossings_of(fields: Fields, lines: Lines) -> Crossings:
    """All crossings of lines with kinks, line by line and along each in order of layers.

    Raises:
        InputError: see `zeros`; or operations whose breakpoints are not known.
    """
    seen = fields.trace
    if seen.unknown:
        raise InputError(
            f"model: {seen.unknown[0]} may break smoothness in ways that are not known, and in several inputs nothing "
            "shows where; operations that torch has for relu, abs, max, clamp or comparisons would be right"
        )
    start, end = lines.start.to(seen.device), lines.end.to(seen.device)
    if fields.layers is not None:
        found = layered_zeros(fields.layers, start, end)
    else:

        def preactivations(share: Tensor, layer: int) -> Tensor:
            x = torch.lerp(start[:, None], end[:, None], share[..., None].double()).reshape(-1, fields.inputs)
            points = (x[:, 0] if fields.inputs == 1 else x).to(seen.dtype)
            return seen.preactivations(fields.model, points, layer).reshape(*share.shape, -1)

        columns = [c.columns for c in seen.calls]
        found = zeros(preactivations, columns, (0.0, 1.0), len(start), seen.dtype, seen.device, seen.straight)
    along = end - start
    length = along.norm(dim=1)
    # Closer than rounding are kinks of one surface: abs(z) + relu(z), or relu(z)·relu(z).
    size = float(torch.maximum(start.abs().max(), end.abs().max())) if len(start) else 0.0
    rounding = _ROUNDINGS * torch.finfo(seen.dtype).eps * (1 + size / length)
    first, room = _apart(found.places, rounding)
    row, position = (found.real & first).nonzero(as_tuple=True)
    layer = torch.arange(len(found.counts), device=row.device)
    layer = layer.repeat_interleave(torch.tensor(found.counts, dtype=torch.long, device=row.device))[position]
    place = torch.lerp(start[row], end[row], found.places[row, position, None])
    kinds = place, along[row] / length[row, None], lines.weight.to(row.device)[row], room[row, position] * length[row]
    at, direction, weight, apart = (a.to(seen.dtype) for a in kinds)
    return Crossings(at, direction, weight, apart, layer, found.columns[row, position])


def _apart(places: Tensor, rounding: Tensor) -> tuple[Tensor, Tensor]:
    """Which places are the first of those that coincide, and how far the next ones are on either side, both (R, P).

    Args:
        places: on lines from 0 to 1, (R, P), in any order.
        rounding: up to which two are one, (R,).
    """
    rows = len(places)
    marks, order = torch.cat([places.new_tensor([0.0, 1.0]).expand(rows, 2), places], 1).sort(dim=1, stable=True)
    gap = marks.diff(dim=1)
    new = torch.cat([gap.new_ones(rows, 1).bool(), gap > rounding[:, None]], 1)
    # The next place that is not the same.
    later = torch.where(new, marks, torch.inf).flip(1).cummin(1).values.flip(1)
    after = torch.cat([later[:, 1:], later.new_full((rows, 1), torch.inf)], 1) - marks
    before = torch.cat([gap.new_zeros(rows, 1), gap], 1)
    room = torch.minimum(before, after)
    out = torch.zeros_like(marks), torch.zeros_like(new)
    return out[1].scatter(1, order, new)[:, 2:], out[0].scatter(1, order, room)[:, 2:]
