"""The exact gradient of ∫ L(x, u, ∇u) dx along lines, by two routes, with the standard error over samples (MATH 10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from ...errors import InputError
from ..judging.density import Density
from ..seeing.pieces import at_once, to_ends
from .domains import Domain
from .fields import SpaceModel
from .lines import Lines, Pieces, Searched, cut, draw, searched

# Samples, each of scrambled points of its own: from their spread comes the error.
SAMPLES = 16
# Lines along each axis in a sample, at first and at most.
_FIRST_LINES, _MOST_LINES = 16, 1024
# How well the whole gradient is to be known: along the Dirac part, as a share of that, of which a tenth is judged; and
# as a share of itself.
_OF_DIRAC, _OF_TOTAL = 0.05, 1e-3
# Parts into which each line is cut besides at breaks, at first and at most; Gauss points a piece, more on the second
# route, so that the quadrature is checked as well.
_FIRST_PARTS, _MOST_PARTS, _ORDER, _MORE = 2, 64, 8, 3
# What quadrature may be off by, as a share of the gradient: far less than the lines are.
_QUADRATURE = 1e-7
# A jump of L below this share of its largest value is what extrapolation leaves of none.
_LEAST_JUMP = 1e-9
# Units whose own part of the gradient is worked out.
_RANKED = 12
# Of differences: small, as between the two energies corners of surfaces may pass a line.
_STEP = 1e-6


@dataclass(frozen=True, eq=False)
class Unit:
    """One unit and the part of the gradient that the motion of its surface makes.

    Attributes:
        layer: of the breaking call.
        column: which branch and unit of it.
        place: a place on its surface, (d,), in the middle of where it matters.
        gradient: (P,), of one sample.
    """

    layer: int
    column: int
    place: Tensor
    gradient: Tensor


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of lines.

    Attributes:
        energy: ∫ L dx.
        magnitude: ∫ |L| dx.
        bulk: (P,).
        dirac: by ⟦L⟧ over all axes, each with its share of the normal, (P,).
        conforming: the whole gradient by nodes that follow the breaks along each line, (P,).
        places: where lines cross breaks, (K, d).
        heights: what L jumps by there, along the line, (K,).
        settled: two searches for breaks agreed.
    """

    energy: float
    magnitude: float
    bulk: Tensor
    dirac: Tensor
    conforming: Tensor
    places: Tensor
    heights: Tensor
    settled: bool


@dataclass(frozen=True, eq=False)
class ExactSide:
    """What is known of the integral and its gradient; errors are standard errors, all (P,) but of the energy.

    Attributes:
        searched: what was searched for breaks.
        samples: all of the last, largest size.
        lines: along each axis in each sample.
        parts: into which each line is cut besides at breaks.
        units: those with the largest parts.
        differences: relative disagreement with differences of the energy along the same lines.
    """

    searched: Searched
    samples: tuple[Sample, ...]
    lines: int
    parts: int
    units: tuple[Unit, ...]
    differences: float

    def _mean(self, name: str) -> Tensor:
        return torch.stack([getattr(s, name) for s in self.samples]).mean(0)

    @property
    def energy(self) -> float:
        """Mean over samples."""
        return sum(s.energy for s in self.samples) / len(self.samples)

    @property
    def magnitude(self) -> float:
        """∫ |L| dx."""
        return sum(s.magnitude for s in self.samples) / len(self.samples)

    @property
    def bulk(self) -> Tensor:
        """The gradient with the surfaces held still."""
        return self._mean("bulk")

    @property
    def dirac(self) -> Tensor:
        """What their motion adds."""
        return self._mean("dirac")

    @property
    def error(self) -> float:
        """Norm of the standard error of the whole gradient."""
        return _error(torch.stack([s.bulk + s.dirac for s in self.samples]))

    @property
    def variance(self) -> Tensor:
        """Of the whole gradient, (P,)."""
        rows = torch.stack([s.bulk + s.dirac for s in self.samples])
        return rows.var(0) / len(rows)

    @property
    def uncertainty(self) -> float:
        """Standard error of the whole gradient along the Dirac part, as a share of that; nil if there is none."""
        dirac = self.dirac
        size = float(dirac @ dirac)
        rows = torch.stack([s.bulk + s.dirac for s in self.samples])
        return float((rows @ dirac).std()) / len(rows) ** 0.5 / size if size else 0.0

    @property
    def dirac_error(self) -> float:
        """Norm of that of the Dirac part."""
        return _error(torch.stack([s.dirac for s in self.samples]))

    @property
    def disagreement(self) -> tuple[float, float]:
        """Norm of the mean difference between the routes, and of its standard error."""
        off = torch.stack([s.conforming - s.bulk - s.dirac for s in self.samples])
        return float(off.mean(0).norm()), _error(off)


def _error(rows: Tensor) -> float:
    return float((rows.var(0).sum() / len(rows)).sqrt())


def exact_side(model: SpaceModel, density: Density, domain: Domain) -> ExactSide:
    """Sample lines until the gradient is known well enough to judge by.

    Raises:
        InputError: operations whose breaks are not known; a model that jumps; an energy that is not finite.
    """
    what = searched(model, density, domain)
    parts = _parts(model, density, what, domain)
    count = _FIRST_LINES
    while True:
        samples = tuple(sample(model, density, what, draw(domain, count, seed), parts) for seed in range(SAMPLES))
        side = ExactSide(what, samples, count, parts, (), 0.0)
        known = side.error <= _OF_TOTAL * float((side.bulk + side.dirac).norm()) and side.uncertainty <= _OF_DIRAC
        if known or 2 * count > _MOST_LINES:
            break
        # Errors fall at least like the root of the number.
        count = min(_MOST_LINES, 2 * count)
    lines = draw(domain, count, 0)
    units = tuple(_units(model, density, what, lines, parts)) if side.dirac.any() else ()
    off = _differences(model, density, what, domain, samples[0], count, parts)
    return ExactSide(what, samples, count, parts, units, off)


def _parts(model: SpaceModel, density: Density, what: Searched, domain: Domain) -> int:
    """Into how many parts lines have to be cut for quadrature to be exact between breaks."""
    lines = draw(domain, _FIRST_LINES, 0)
    parts = _FIRST_PARTS
    before = _bulk(model, density, cut(lines, what, parts, _ORDER))[2]
    while parts < _MOST_PARTS:
        parts *= 2
        found = _bulk(model, density, cut(lines, what, parts, _ORDER))[2]
        if float((found - before).norm()) <= _QUADRATURE * float(found.norm()):
            return parts
        before = found
    return parts


def sample(model: SpaceModel, density: Density, what: Searched, lines: Lines, parts: int) -> Sample:
    """Energy and gradient along one set of lines.

    Raises:
        InputError: see `exact_side`.
    """
    pieces = cut(lines, what, parts, _ORDER)
    values, magnitude, bulk = _bulk(model, density, pieces)
    energy = float(values[1])
    kinks = pieces.kinks
    heights = _jumps(values[0], pieces)[kinks]
    more = Pieces(**{**vars(pieces), "order": _ORDER + _MORE})
    explicit, by_low, by_high = _conforming(model, density, more)
    # A break ends the piece before it and begins its own.
    by_share = (by_low[kinks] + by_high[kinks - 1]) if len(kinks) else by_low[:0]
    dirac, moving = torch.zeros_like(bulk), torch.zeros_like(bulk)
    direction = lines.direction[pieces.row[kinks]]
    weight = lines.weight[pieces.row[kinks]]
    length = lines.length[pieces.row[kinks]]
    places = lines.at(pieces.row[kinks], pieces.low[kinks])
    for part, z, normal in _zeros(model, what, pieces, kinks, places):
        along = (normal * direction[part]).sum(1)
        steep = normal.square().sum(1)
        seen = steep > 0
        safe = torch.where(seen, steep, 1.0)
        formula = torch.where(seen, weight[part] * heights[part] * along / safe, 0.0)
        followed = torch.where(along != 0, -by_share[part] / (length[part] * torch.where(along != 0, along, 1.0)), 0.0)
        dirac += model.gradient((formula * z).sum(), keep=True)
        moving += model.gradient((followed * z).sum())
    return Sample(energy, magnitude, bulk, dirac, explicit + moving, places, heights, pieces.settled)


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


def _zeros(
    model: SpaceModel, what: Searched, pieces: Pieces, kinks: Tensor, places: Tensor
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """For parts of the breaks, their pre-activations with graph (Q,) and ∂z/∂x (Q, d)."""
    layer, column = pieces.layer[kinks], pieces.column[kinks]
    step = at_once(model.widest)
    for start in range(0, len(kinks), step):
        part = slice(start, start + step)
        x = places[part].clone().requires_grad_()
        counts = torch.bincount(layer[part], minlength=len(what.trace.calls)).tolist()
        z, _ = what.trace.asked(what.function, x, column[part], counts, value=False)
        if not z.requires_grad:
            continue
        (normal,) = torch.autograd.grad(z.sum(), x, retain_graph=True, materialize_grads=True)
        yield part, z, normal.detach()


def _units(model: SpaceModel, density: Density, what: Searched, lines: Lines, parts: int) -> Iterator[Unit]:
    """The units whose surfaces matter most, and what each adds to the gradient."""
    pieces = cut(lines, what, parts, _ORDER)
    values, _, _ = _bulk(model, density, pieces)
    kinks = pieces.kinks
    heights = _jumps(values[0], pieces)[kinks]
    places = lines.at(pieces.row[kinks], pieces.low[kinks])
    direction, weight = lines.direction[pieces.row[kinks]], lines.weight[pieces.row[kinks]]
    width = max(c.columns for c in what.trace.calls)
    key = pieces.layer[kinks] * width + pieces.column[kinks]
    size = torch.zeros(len(what.trace.calls) * width, dtype=torch.float64)
    coefficient = torch.zeros_like(heights)
    for part, _, normal in _zeros(model, what, pieces, kinks, places):
        steep = normal.square().sum(1).clamp(min=1e-300)
        coefficient[part] = weight[part] * heights[part] * (normal * direction[part]).sum(1) / steep
        # ∂z/∂θ is about as large for all units of a layer; between layers the parts themselves decide.
        size.index_add_(0, key[part], coefficient[part].abs())
    found = []
    for unit in size.argsort(descending=True, stable=True)[:_RANKED].tolist():
        mine = (key == unit).nonzero()[:, 0]
        if not len(mine) or not size[unit] > 0:
            continue
        gradient = torch.zeros_like(model.vector())
        counts = torch.bincount(pieces.layer[kinks[mine]], minlength=len(what.trace.calls)).tolist()
        x = places[mine].clone().requires_grad_()
        z, _ = what.trace.asked(what.function, x, pieces.column[kinks[mine]], counts, value=False)
        gradient = model.gradient((coefficient[mine] * z).sum())
        share = coefficient[mine].abs()
        middle = (places[mine] * share[:, None]).sum(0) / share.sum()
        nearest = places[mine][(places[mine] - middle).norm(dim=1).argmin()]
        found.append(Unit(unit // width, unit % width, nearest, gradient))
    yield from sorted(found, key=lambda u: -float(u.gradient.norm()))


def _differences(
    model: SpaceModel, density: Density, what: Searched, domain: Domain, first: Sample, count: int, parts: int
) -> float:
    """How far the gradient along the first sample's lines is from differences of the energy along these lines."""
    lines = draw(domain, count, 0)
    generator = torch.Generator().manual_seed(2)
    vector, worst = model.vector(), 0.0
    for _ in range(2):
        direction = torch.randn(len(vector), generator=generator, dtype=vector.dtype)
        direction *= (float(vector.norm()) or 1.0) / direction.norm()
        energies = []
        for s in (1, -1):
            moved = model.at(model.split(vector + s * _STEP * direction))
            assert isinstance(moved, SpaceModel)
            again = searched(moved, density, domain)
            pieces = cut(lines, again, parts, _ORDER)
            energies.append(_energy(moved, density, pieces))
        quotient = (energies[0] - energies[1]) / (2 * _STEP)
        own = float(first.conforming @ direction)
        scale = float(first.conforming.norm() * direction.norm()) / len(vector) ** 0.5 or 1.0
        worst = max(worst, abs(quotient - own) / max(scale, abs(quotient)))
    return worst


def _energy(model: SpaceModel, density: Density, pieces: Pieces) -> float:
    x, weight = pieces.nodes()
    size = at_once(model.widest)
    parts = zip(torch.split(x, size), torch.split(weight, size), strict=True)
    return sum(float((density(model, p.clone().requires_grad_()) * w).sum().detach()) for p, w in parts)


def ranges(model: SpaceModel) -> list[slice]:
    """Of each parameter in a row, then of all."""
    stops = list(accumulate(p.numel() for p in model.tensors))
    return [*(slice(a, b) for a, b in zip([0, *stops], stops, strict=False)), slice(0, stops[-1])]
