"""Lines through a domain, cut where a model or a density breaks, with Gauss points on the pieces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..judging.density import Density
from ..seeing.pieces import legendre
from ..seeing.search import zeros
from ..seeing.trace import Trace
from .along import seen_along
from .domains import Box, Polygon
from .faces import Face
from .fields import SpaceModel

# Breaks closer than this share of a line are one place.
_SAME_PLACE = 1e-11
# Of parallel lines through the plane.
_TURNED = 0.41


@dataclass(frozen=True, eq=False)
class Lines:
    """Parts of lines that lie inside a domain.

    Attributes:
        start: (R, d).
        direction: of length one, (R, d).
        length: (R,).
        weight: the part of what lies across it that a line stands for, (R,).
        families: directions of which each gives the whole integral.
        tangents: of the part of the domain that they lie in, (d, e).
    """

    start: Tensor
    direction: Tensor
    length: Tensor
    weight: Tensor
    families: int
    tangents: Tensor

    def at(self, row: Tensor, share: Tensor) -> Tensor:
        """Points at shares (Q,) of lines (Q,), (Q, d)."""
        return self.start[row] + (share * self.length[row])[:, None] * self.direction[row]


def draw(face: Face, count: int, seed: int) -> Lines:
    """So many lines along each axis, at scrambled Sobol' points of the sides: each seed gives an unbiased sample.

    Args:
        face: the part of the domain; in one dimension there is one line, whatever the seed.
        count: a power of two.
        seed: of the scrambling.
    """
    box = face.domain.box
    e = len(box)
    count = count if e > 1 else 1
    sides = box[:, 1] - box[:, 0]
    sobol: Any = torch.quasirandom.SobolEngine
    starts, axes, weights = [], [], []
    for k in range(e):
        share = torch.zeros(count, e, dtype=torch.float64)
        others = [j for j in range(e) if j != k]
        if others:
            share[:, others] = sobol(e - 1, scramble=True, seed=1_000 * seed + k).draw(count, dtype=torch.float64)
        starts.append(box[:, 0] + share * sides)
        axes.append(torch.full((count,), k))
        weights.append(torch.full((count,), float(sides.prod() / sides[k]) / count, dtype=torch.float64))
    start, axis, weight = torch.cat(starts), torch.cat(axes), torch.cat(weights)
    along = torch.nn.functional.one_hot(axis, e).double()
    return _clipped(face, start, start + along * sides[axis][:, None], weight, e)


def across(face: Face, corners: Tensor, chords: Tensor, order: int, widest: float) -> Lines:
    """Parallel lines through a part of the plane, at Gauss points between corners: those of the cells that break there.

    What is integrated along a line is smooth in where it lies as long as it passes no corner, and hardly changes while
    it passes a short part of a chord. The lines' one direction is none that kinks have on purpose.

    Args:
        face: the part of the domain, of two dimensions.
        corners: (V, 2).
        chords: both ends of each edge, (E, 2, 2).
        order: Gauss points a strip.
        widest: a strip may be, and what it meets of a chord, as a share of the whole; others are cut.
    """
    cosine, sine = math.cos(_TURNED), math.sin(_TURNED)
    turned = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
    size = float((corners.amax(0) - corners.amin(0)).norm())
    along, own = corners @ turned[0], corners @ turned[1]
    count = ((chords[:, 1] - chords[:, 0]).norm(dim=1) / (widest * size)).ceil().long().clamp(min=1)
    share = torch.cat([torch.arange(int(n)) / int(n) for n in count] or [torch.zeros(0)]).double()[:, None]
    first, second = chords.repeat_interleave(count, 0).unbind(1)
    between = torch.lerp(first, second, share) @ turned[1]
    even = torch.linspace(float(own.min()), float(own.max()), 1 + math.ceil(1 / widest), dtype=torch.float64)
    ends = torch.cat([own, between, even]).sort().values
    ends = torch.cat([ends[:1], ends[1:][ends.diff() > _SAME_PLACE * size]])
    step = ends.diff()
    node, weight = legendre(order)
    height = (ends[:-1, None] + step[:, None] * (node + 1) / 2).reshape(-1)
    # From outside to outside.
    reach = float(along.max() - along.min()) * 0.01
    start, end = (
        torch.stack([torch.full_like(height, float(t)), height], 1) @ turned
        for t in (along.min() - reach, along.max() + reach)
    )
    return _clipped(face, start, end, (step[:, None] * weight / 2).reshape(-1), 1)


def _clipped(face: Face, start: Tensor, end: Tensor, weight: Tensor, families: int) -> Lines:
    """What of segments (R, e) lies inside."""
    length = (end - start).norm(dim=1)
    along = (end - start) / length[:, None]
    domain = face.domain
    if families == 1 and isinstance(domain, Box) and face.dimension > 1:
        # A box takes all of what runs from side to side.
        (left, right), (low, high) = domain.box.tolist()
        domain = Polygon([(left, low), (right, low), (right, high), (left, high)])
    row, low, high = domain.clipped(start, end)
    begin = start[row] + (low * length[row])[:, None] * along[row]
    return Lines(
        face.at(begin), along[row] @ face.tangents.T, (high - low) * length[row], weight[row], families, face.tangents
    )


@dataclass(frozen=True, eq=False)
class Searched:
    """What is searched for breaks: a model, or a density along it where that breaks by itself.

    Attributes:
        function: of points (n, d).
        trace: what one evaluation along a line showed.
        own: how many breaking calls are the model's; those after are the density's.
    """

    function: Callable[[Tensor], Tensor]
    trace: Trace
    own: int

    @property
    def breaks(self) -> bool:
        """Is there any operation at which it may?"""
        return bool(self.trace.calls)


def searched(model: SpaceModel, density: Density, face: Face) -> Searched:
    """Look at a model and a density along it, on a part of the domain.

    Raises:
        InputError: operations whose breaks are not known.
    """
    seen = _along(model.function, face, model.outputs)
    if seen.unknown:
        raise InputError(
            f"model: {seen.unknown[0]} may break smoothness in ways that are not known, and in several inputs nothing "
            "shows where; operations that torch has for relu, abs, max, clamp or comparisons would be right"
        )
    own = len(seen.calls)
    if density.second:
        return Searched(model.function, seen, own)

    def whole(x: Tensor) -> Tensor:
        with torch.enable_grad():
            u, du, _ = model.fields(x)
            return density.at(model, x, u, du)

    along = _along(whole, face, 1)
    if len(along.calls) <= own:
        return Searched(model.function, seen, own)
    # What autograd does inside is not among the operations that are known.
    return Searched(whole, replace(along, unknown=(), straight=False, slopes_from=own), own)


def _along(function: Callable[[Tensor], Tensor], face: Face, outputs: int) -> Trace:
    # Points are handed on as they are, not as columns.
    return replace(seen_along(function, face.box, torch.float64, torch.device("cpu"), outputs), column=False)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Lines cut at breaks and at fixed places, one piece after the other.

    Attributes:
        lines: which.
        row: of each piece its line, (S,).
        low: where it begins, as a share of the line, (S,).
        high: where it ends.
        layer: of the call that breaks where it begins, −1 where that is an end or a fixed place, (S,).
        column: which branch and unit of that call.
        order: Gauss points a piece.
        settled: two searches for breaks agreed.
    """

    lines: Lines
    row: Tensor
    low: Tensor
    high: Tensor
    layer: Tensor
    column: Tensor
    order: int
    settled: bool

    @property
    def kinks(self) -> Tensor:
        """Indices of the pieces that begin at a break, by ascending layers, (K,)."""
        found = (self.layer >= 0).nonzero()[:, 0]
        return found[self.layer[found].argsort(stable=True)]

    def counts(self, layers: int) -> tuple[int, ...]:
        """How many breaks each call has."""
        return tuple(torch.bincount(self.layer[self.layer >= 0], minlength=layers).tolist())

    def nodes(self, low: Tensor | None = None, high: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Gauss points (S·order, d) and weights (S·order,), functions of where the pieces begin and end."""
        low, high = self.low if low is None else low, self.high if high is None else high
        node, weight = legendre(self.order)
        half, middle = (high - low)[:, None] / 2, (high + low)[:, None] / 2
        share = (middle + half * node).reshape(-1)
        row = self.row.repeat_interleave(self.order)
        lines = self.lines
        # Each direction gives the whole integral: the mean of all.
        scale = (lines.weight * lines.length)[self.row][:, None] / lines.families
        return lines.at(row, share), (half * weight * scale).reshape(-1)


def cut(lines: Lines, what: Searched, parts: int, order: int) -> Pieces:
    """Cut lines at all breaks, and into so many parts besides.

    Raises:
        InputError: see `zeros`.
    """
    seen = what.trace
    count = len(lines.start)
    every = torch.arange(count)

    def preactivations(share: Tensor, layer: int) -> Tensor:
        row = every.repeat_interleave(share.shape[1])
        x = lines.at(row, share.reshape(-1).double())
        return seen.preactivations(what.function, x, layer).reshape(*share.shape, -1)

    steps = torch.linspace(0, 1, parts + 1, dtype=torch.float64)[:-1]
    rows, shares = [every.repeat_interleave(parts)], [steps.repeat(count)]
    layers, columns = [torch.full((count * parts,), -1)], [torch.zeros(count * parts, dtype=torch.long)]
    settled = True
    if what.breaks:
        widths = [c.columns for c in seen.calls]
        found = zeros(
            preactivations, widths, (0.0, 1.0), count, torch.float64, torch.device("cpu"), seen.straight, seen.torn
        )
        settled = found.settled
        row, position = found.real.nonzero(as_tuple=True)
        of_call = torch.arange(len(widths)).repeat_interleave(torch.tensor(found.counts, dtype=torch.long))
        rows.append(row)
        shares.append(found.places[row, position])
        layers.append(of_call[position])
        columns.append(found.columns[row, position])
    row, share, layer, column = (torch.cat(parts_) for parts_ in (rows, shares, layers, columns))
    ranked = (2 * row + share).argsort(stable=True)
    row, share, layer, column = (a[ranked] for a in (row, share, layer, column))
    # Closer than rounding are breaks of one surface, of relu(z)·relu(z), say: the first stands for all.
    apart = torch.ones_like(row, dtype=torch.bool)
    apart[1:] = (row[1:] != row[:-1]) | (share.diff() > _SAME_PLACE)
    apart |= layer < 0
    row, share, layer, column = (a[apart] for a in (row, share, layer, column))
    following = torch.cat([share[1:], share.new_zeros(1)])
    last = torch.cat([row[1:] != row[:-1], torch.ones(1, dtype=torch.bool)])
    return Pieces(lines, row, share, torch.where(last, 1.0, following), layer, column, order, settled)
