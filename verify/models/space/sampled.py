"""Energy and gradient along one set of lines, by jumps over the surfaces of kinks and by nodes that follow them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from ..judging.density import Density
from ..seeing.pieces import at_once, to_ends
from .fields import SpaceModel
from .lines import Lines, Pieces, Searched, cut
from .surfaces import Crossings, pulled, zeros_at

# Gauss points a piece, more on the second route, so that the quadrature is checked as well.
ORDER, _MORE = 8, 3
# Parts into which each line is cut besides at breaks, at first and at most.
_FIRST_PARTS, _MOST_PARTS = 2, 64
# What quadrature may be off by, as a share of the gradient: far less than lines drawn at random are.
_QUADRATURE = 1e-7
# A jump of L below this share of its largest value is what extrapolation leaves of none.
_LEAST_JUMP = 1e-9


@dataclass(frozen=True, eq=False)
class Sample:
    """One set of lines.

    Attributes:
        energy: ∫ L dx.
        magnitude: ∫ |L| dx.
        bulk: (P,).
        dirac: by ⟦L⟧ over all directions, each with its share of the normal, (P,).
        conforming: the whole gradient by nodes that follow the breaks along each line, (P,).
        crossings: where lines cross breaks.
        settled: two searches for breaks agreed.
    """

    energy: float
    magnitude: float
    bulk: Tensor
    dirac: Tensor
    conforming: Tensor
    crossings: Crossings
    settled: bool


def parts_for(model: SpaceModel, density: Density, what: Searched, lines: Lines, tolerance: float = _QUADRATURE) -> int:
    """Into how many parts lines have to be cut for quadrature to be exact between breaks."""
    parts = _FIRST_PARTS
    before = _bulk(model, density, cut(lines, what, parts, ORDER))[2]
    while parts < _MOST_PARTS:
        parts *= 2
        found = _bulk(model, density, cut(lines, what, parts, ORDER))[2]
        if float((found - before).norm()) <= tolerance * float(found.norm()):
            return parts
        before = found
    return parts


def sample(model: SpaceModel, density: Density, what: Searched, lines: Lines, parts: int) -> Sample:
    """Energy and gradient along one set of lines.

    Raises:
        InputError: an energy that is not finite; see `zeros`.
    """
    pieces = cut(lines, what, parts, ORDER)
    values, magnitude, bulk = _bulk(model, density, pieces)
    kinks = pieces.kinks
    row = pieces.row[kinks]
    height = _jumps(values[0], pieces)[kinks]
    places, direction = lines.at(row, pieces.low[kinks]), lines.direction[row]
    layer, column = pieces.layer[kinks], pieces.column[kinks]
    more = Pieces(**{**vars(pieces), "order": ORDER + _MORE})
    explicit, by_low, by_high = _conforming(model, density, more)
    # A break ends the piece before it and begins its own.
    by_share = (by_low[kinks] + by_high[kinks - 1]) if len(kinks) else by_low[:0]
    moving, share = torch.zeros_like(bulk), torch.zeros_like(height)
    for part, z, normal in zeros_at(model, what, layer, column, places):
        along = (normal * direction[part]).sum(1)
        share[part] = _share(normal, direction[part], lines.tangents)
        crossed = along != 0
        followed = -by_share[part] / (lines.length[row][part] * torch.where(crossed, along, 1.0))
        moving += model.gradient((torch.where(crossed, followed, 0.0) * z).sum())
    crossings = Crossings(layer, column, places, direction, lines.weight[row] * height * share, height, lines.tangents)
    dirac = pulled(model, what, crossings)
    return Sample(float(values[1]), magnitude, bulk, dirac, explicit + moving, crossings, pieces.settled)


def jumps_along(model: SpaceModel, density: Density, what: Searched, lines: Lines, parts: int) -> Tensor:
    """What the motion of the surfaces adds to the gradient, alone, (P,)."""
    pieces = cut(lines, what, parts, ORDER)
    x, _ = pieces.nodes()
    found = [density(model, p.clone().requires_grad_()).detach() for p in torch.split(x, at_once(model.widest))]
    kinks = pieces.kinks
    row = pieces.row[kinks]
    height, share = _jumps(torch.cat(found).reshape(-1, ORDER), pieces)[kinks], torch.zeros(len(kinks)).double()
    layer, column, places = pieces.layer[kinks], pieces.column[kinks], lines.at(row, pieces.low[kinks])
    direction = lines.direction[row]
    for part, _, normal in zeros_at(model, what, layer, column, places):
        share[part] = _share(normal, direction[part], lines.tangents)
    weighted = lines.weight[row] * height * share
    return pulled(model, what, Crossings(layer, column, places, direction, weighted, height, lines.tangents))


def _share(normal: Tensor, direction: Tensor, tangents: Tensor) -> Tensor:
    """|∂ₖz|/|∇z| within the part of the domain: the squares of all directions' add up to one."""
    steep = (normal @ tangents).norm(dim=1)
    return (normal * direction).sum(1).abs() / torch.where(steep > 0, steep, 1.0)


def energy_along(model: SpaceModel, density: Density, what: Searched, lines: Lines, parts: int) -> float:
    """∫ L dx along the lines."""
    x, weight = cut(lines, what, parts, ORDER).nodes()
    size = at_once(model.widest)
    chunks = zip(torch.split(x, size), torch.split(weight, size), strict=True)
    return sum(float((density(model, p.clone().requires_grad_()) * w).sum().detach()) for p, w in chunks)


def _bulk(model: SpaceModel, density: Density, pieces: Pieces) -> tuple[tuple[Tensor, float], float, Tensor]:
    """L at all nodes (S, order) and its integral; ∫ |L|; and the gradient with all places held still."""
    x, weight = pieces.nodes()
    values, row = [], torch.zeros_like(model.vector())
    energy = magnitude = 0.0
    for part, w in zip(torch.split(x, at_once(model.widest)), torch.split(weight, at_once(model.widest)), strict=True):
        found = density(model, part.clone().requires_grad_())
        row += model.gradient((found * w).sum())
        found = found.detach()
        values.append(found)
        energy += float((found * w).sum())
        magnitude += float((found.abs() * w).sum())
    if not magnitude < float("inf"):
        raise InputError(
            "density: its integral is not finite along some line; a density without poles in the domain would be right"
        )
    return (torch.cat(values).reshape(-1, pieces.order), energy), magnitude or 1.0, row


def _jumps(values: Tensor, pieces: Pieces) -> Tensor:
    """What L jumps by where each piece begins, (S,), from the polynomials through the nodes on both sides."""
    left, right = to_ends(pieces.order)
    begins, ends = values @ left, values @ right
    jump = begins - torch.cat([ends[:1], ends[:-1]])
    return torch.where(jump.abs() > _LEAST_JUMP * values.abs().max(), jump, 0.0)


def _conforming(model: SpaceModel, density: Density, pieces: Pieces) -> tuple[Tensor, Tensor, Tensor]:
    """∂/∂θ of the sum with the pieces held still, and its derivatives by where each begins and ends, (S,)."""
    explicit = torch.zeros_like(model.vector())
    by_low, by_high = torch.zeros_like(pieces.low), torch.zeros_like(pieces.high)
    step = max(1, at_once(model.widest) // pieces.order)
    for start in range(0, len(pieces.row), step):
        part = slice(start, start + step)
        names = ("row", "low", "high", "layer", "column")
        some = Pieces(**{**vars(pieces), **{n: getattr(pieces, n)[part] for n in names}})
        low, high = some.low.clone().requires_grad_(), some.high.clone().requires_grad_()
        x, weight = some.nodes(low, high)
        total = (density(model, x) * weight).sum()
        by_low[part], by_high[part] = torch.autograd.grad(total, (low, high), retain_graph=True)
        explicit += model.gradient(total)
    return explicit, by_low, by_high
