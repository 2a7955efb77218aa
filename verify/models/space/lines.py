"""Lines through a domain along the axes, cut where a model or a density breaks, with Gauss points on the pieces."""

from __future__ import annotations

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
from .domains import Domain
from .fields import SpaceModel

# Breaks closer than this share of a line are one place.
_SAME_PLACE = 1e-11


@dataclass(frozen=True, eq=False)
class Lines:
    """Parts of lines along the axes that lie inside a domain.

    Attributes:
        start: (R, d).
        axis: along which each runs, (R,).
        length: (R,).
        weight: the part of the face across it that a line stands for, (R,).
    """

    start: Tensor
    axis: Tensor
    length: Tensor
    weight: Tensor

    @property
    def direction(self) -> Tensor:
        """Of length one, (R, d)."""
        return torch.nn.functional.one_hot(self.axis, self.start.shape[1]).to(self.start)

    def at(self, row: Tensor, share: Tensor) -> Tensor:
        """Points at shares (Q,) of lines (Q,), (Q, d)."""
        return self.start[row] + (share * self.length[row])[:, None] * self.direction[row]


def draw(domain: Domain, count: int, seed: int) -> Lines:
    """So many lines along each axis, at scrambled Sobol' points of the faces: each seed gives an unbiased sample.

    Args:
        domain: which.
        count: a power of two.
        seed: of the scrambling.
    """
    box = domain.box
    d = len(box)
    sides = box[:, 1] - box[:, 0]
    sobol: Any = torch.quasirandom.SobolEngine
    starts, axes, weights = [], [], []
    for k in range(d):
        share = torch.zeros(count, d, dtype=torch.float64)
        others = [j for j in range(d) if j != k]
        share[:, others] = sobol(d - 1, scramble=True, seed=1_000 * seed + k).draw(count, dtype=torch.float64)
        starts.append(box[:, 0] + share * sides)
        axes.append(torch.full((count,), k))
        weights.append(torch.full((count,), float(sides.prod() / sides[k]) / count, dtype=torch.float64))
    start, axis, weight = torch.cat(starts), torch.cat(axes), torch.cat(weights)
    whole = Lines(start, axis, sides[axis], weight)
    row, low, high = domain.clipped(start, whole.at(torch.arange(len(start)), torch.ones(len(start)).double()))
    return Lines(whole.at(row, low), axis[row], (high - low) * whole.length[row], weight[row])


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


def searched(model: SpaceModel, density: Density, domain: Domain) -> Searched:
    """Look at a model and a density along it.

    Raises:
        InputError: operations whose breaks are not known.
    """
    seen = _along(model.function, domain, model.outputs)
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

    along = _along(whole, domain, 1)
    if len(along.calls) <= own:
        return Searched(model.function, seen, own)
    # What autograd does inside is not among the operations that are known.
    return Searched(whole, replace(along, unknown=(), straight=False, slopes_from=own), own)


def _along(function: Callable[[Tensor], Tensor], domain: Domain, outputs: int) -> Trace:
    # Points are handed on as they are, not as columns.
    return replace(seen_along(function, domain.box, torch.float64, torch.device("cpu"), outputs), column=False)


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
        # Each axis gives the whole integral: the mean of all.
        scale = (lines.weight * lines.length)[self.row][:, None] / lines.start.shape[1]
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
