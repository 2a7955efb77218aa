"""The exact gradient of ∫ L(x, u, ∇u) dx: cell by cell in the plane, along lines elsewhere, by routes that agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from ..judging.density import Density
from ..telling.model_findings import Route
from .cutting.simplices import RoughError
from .density import refuse_jumps, refuse_large, refuse_poles
from .faces import Face
from .fields import SpaceModel
from .lines import Searched, across, draw, searched
from .plane import cells_of, energy_on_cells, on_cells
from .sampled import Sample, energy_along, jumps_along, parts_for, sample
from .surfaces import Unit, units

# Samples, each of scrambled points of its own: from their spread comes the error.
_SAMPLES = 16
# Lines along each axis in a sample, at first and at most; and where they only check what cells give.
_FIRST_LINES, _MOST_LINES, _CHECKING = 16, 1024, 2
# Parts of those, besides at breaks.
_PARTS = 4
# How well the whole gradient is to be known: along the Dirac part, as a share of that, of which a tenth is judged; and
# as a share of itself.
_OF_DIRAC, _OF_TOTAL = 0.05, 1e-3
# Standard errors that the mean difference of two routes may have, and what rounding leaves of it.
_SIGMAS, _ROUNDED = 5.0, 1e-9
# Corners up to which lines between all of them are no dearer than the rest, the points between two, and the width of
# what is cut though no corner lies in it.
_CORNERS, _BETWEEN, _WIDEST = 150, 5, 0.05
# By how much finer than for integrals a single line is cut.
_LIMITS = 4
# On these the quadrature along the lines has to be as good as the points between corners.
_FINE = 1e-11
# Of differences of the energy, small, as between two energies corners of surfaces may pass a line, and what they may be
# off by, which catches what is missing altogether; and of the energy of cells, which has a derivative there, too: of
# some fifty random models they were off by 2e-8 at most.
_STEP, _DIFFERENCES = 1e-6, 1e-3
_STEP_OF_CELLS, _OF_CELLS = 1e-5, 1e-5
# Places of surfaces that are kept for a picture.
_PICTURED = 5_000


@dataclass(frozen=True, eq=False)
class ExactSide:
    """What is known of an integral and its gradient.

    Attributes:
        energy: ∫ L dx.
        magnitude: ∫ |L| dx.
        bulk: the gradient with the surfaces held still, (P,).
        dirac: what their motion adds, (P,).
        variance: of the whole gradient, nil where nothing was drawn, (P,).
        dirac_variance: of the Dirac part, (P,).
        units: those with the largest parts.
        places: on kinks, for a picture, (K, d).
        heights: ⟦L⟧ there, (K,).
        kinks: what was found of them, in words.
        crossed: there are any.
        operations: names of the calls that break.
        routes: agreements that have to hold.
        how: what it was computed from, in words.
        settled: two searches for breaks agreed.
    """

    energy: float
    magnitude: float
    bulk: Tensor
    dirac: Tensor
    variance: Tensor
    dirac_variance: Tensor
    units: tuple[Unit, ...]
    places: Tensor
    heights: Tensor
    kinks: str
    crossed: bool
    operations: tuple[str, ...]
    routes: tuple[Route, ...]
    how: str
    settled: bool

    @property
    def error(self) -> float:
        """Norm of the standard error of the whole gradient."""
        return float(self.variance.sum().sqrt())

    @property
    def dirac_error(self) -> float:
        """Norm of that of the Dirac part."""
        return float(self.dirac_variance.sum().sqrt())

    @classmethod
    def still(cls, value: float, gradient: Tensor, points: int, inputs: int) -> ExactSide:
        """What is not integrated: a mean over points, with autodiff's gradient."""
        nothing, places = torch.zeros_like(gradient), torch.zeros(0, inputs, dtype=torch.float64)
        return cls(
            value, abs(value), gradient, nothing, nothing, nothing, (), places, places[:, 0], "", False, (), (),
            f"{points} point" + "s" * (points > 1), True,
        )  # fmt: skip


def combined(sides: Sequence[ExactSide], weights: Sequence[float], energy: float, piece: str = "") -> ExactSide:
    """A weighted sum of independent ones.

    Args:
        sides: which.
        weights: of each.
        energy: of the whole.
        piece: added to the names of routes.
    """

    def total(name: str, power: int = 1) -> Any:
        return sum(w**power * getattr(s, name) for w, s in zip(weights, sides, strict=True))

    def words(name: str) -> str:
        return "; ".join(dict.fromkeys(getattr(s, name) for s in sides if getattr(s, name)))

    pairs = list(zip(weights, sides, strict=True))
    return ExactSide(
        energy, sum(abs(w) * s.magnitude for w, s in pairs), total("bulk"), total("dirac"), total("variance", 2),
        total("dirac_variance", 2), tuple(replace(u, gradient=w * u.gradient) for w, s in pairs for u in s.units),
        torch.cat([s.places for s in sides]), torch.cat([w * s.heights for w, s in pairs]), words("kinks"),
        any(s.crossed for s in sides), max((s.operations for s in sides), key=len),
        tuple(replace(r, first=r.first + piece) for s in sides for r in s.routes), words("how"),
        all(s.settled for s in sides),
    )  # fmt: skip


def exact_side(model: SpaceModel, density: Density, face: Face) -> ExactSide:
    """Energy and gradient over a part of a domain.

    In the plane by cells, if the model's surfaces are straight between each other and the part is a polygon; along a
    line by its pieces; elsewhere along lines that are drawn until the gradient is known well enough to judge by.

    Raises:
        InputError: operations whose breaks are not known; an energy that is not finite.
    """
    what = searched(model, density, face)
    refuse_jumps(model, what, face)
    if face.dimension == 2:
        try:
            found = _on_cells(model, density, face, what)
        except RoughError as rough:
            refuse_poles(model, density, face, rough.place, True)
            raise
        if found is not None:
            return found
    return _along_lines(model, density, face, what)


def _on_cells(model: SpaceModel, density: Density, face: Face, what: Searched) -> ExactSide | None:
    cells = cells_of(model, what, face)
    found = None if cells is None else on_cells(model, density, what, face, cells)
    if found is None:
        return None
    cells, total = found.cells, found.bulk + found.dirac
    scale = _scale(total, found.bulk)
    if len(cells.corners) <= _CORNERS:
        lines = across(face, torch.from_numpy(cells.corners), found.chords, _BETWEEN, _WIDEST)
        other = sample(model, density, what, lines, parts_for(model, density, what, lines, _FINE))
        route = Route(
            "jumps over the edges of cells", "nodes that follow the kinks along lines between all corners",
            float((other.conforming - total).norm()) / scale, _ROUNDED,
        )  # fmt: skip
        settled = other.settled
    else:
        drawn = [draw(face, _CHECKING, seed) for seed in range(_SAMPLES)]
        rows = torch.stack([jumps_along(model, density, what, some, _PARTS) - found.dirac for some in drawn])
        route = Route(
            "jumps over the edges of cells", f"jumps along {_SAMPLES} × {_CHECKING} lines an axis",
            float(rows.mean(0).norm()) / scale, _SIGMAS * float(_variance(rows).sum().sqrt()) / scale + _ROUNDED,
        )  # fmt: skip
        settled = True

    def energy(moved: SpaceModel) -> float:
        return energy_on_cells(moved, density, searched(moved, density, face), face)

    # Of many cells one direction, which whatever is missing has a share in, costs as much as all the rest.
    off = _differences(model, total, _STEP_OF_CELLS, energy, 2 if len(cells.corners) <= _CORNERS else 1)
    by_energy = Route("jumps over the edges of cells", "differences of the energy of the cells", off, _OF_CELLS)
    nothing, crossings = torch.zeros_like(total), found.crossings
    some = slice(None, None, max(1, len(crossings.x) // _PICTURED))
    return ExactSide(
        found.energy, found.magnitude, found.bulk, found.dirac, nothing, nothing, units(model, what, crossings),
        crossings.x[some], crossings.height[some], f"{cells.count:,} cells", bool(len(crossings.x)),
        tuple(c.operation for c in what.trace.calls), (route, by_energy), f"{cells.count:,} cells", settled,
    )  # fmt: skip


def _along_lines(model: SpaceModel, density: Density, face: Face, what: Searched) -> ExactSide:
    some = draw(face, _FIRST_LINES, 0)
    refuse_large(model, density, face, some, what)
    if face.dimension > 1:
        parts = parts_for(model, density, what, some)
    else:
        # Where nothing is drawn jumps have to be as exact as integrals, and the limits of L ask for more than these.
        parts = _LIMITS * parts_for(model, density, what, some, _FINE)
    count = _FIRST_LINES
    while True:
        seeds = range(_SAMPLES if face.dimension > 1 else 1)
        samples = [sample(model, density, what, draw(face, count, seed), parts) for seed in seeds]
        bulk, dirac = (torch.stack([getattr(s, n) for s in samples]) for n in ("bulk", "dirac"))
        rows = bulk + dirac
        total = rows.mean(0)
        size = float(dirac.mean(0).square().sum())
        along = _variance((rows @ dirac.mean(0))[:, None])
        sure = float(along.sum().sqrt()) <= _OF_DIRAC * size
        known = float(_variance(rows).sum().sqrt()) <= _OF_TOTAL * float(total.norm())
        if (sure and known) or 2 * count > _MOST_LINES:
            break
        # Errors fall at least like the root of the number.
        count = min(_MOST_LINES, 2 * count)
    apart = torch.stack([s.conforming - s.bulk - s.dirac for s in samples])
    scale = _scale(total, bulk.mean(0))
    lines = draw(face, count, 0)
    off = _differences(
        model, samples[0].conforming, _STEP,
        lambda m: energy_along(m, density, searched(m, density, face), lines, parts), 2,
    )  # fmt: skip
    allowed = _SIGMAS * float(_variance(apart).sum().sqrt()) / scale + _ROUNDED
    routes = (
        Route("jumps over kink surfaces", "nodes that follow the kinks along lines",
              float(apart.mean(0).norm()) / scale, allowed),
        Route("exact gradient along lines", "differences of the energy along them", off, _DIFFERENCES),
    )  # fmt: skip
    first = samples[0].crossings
    found = units(model, what, first) if dirac.any() else ()
    how = f"{len(samples)} samples of {count} lines along each axis" if face.dimension > 1 else "the pieces of a line"
    kinks = f"{len(first.x):,} crossings" + (" in a sample" if face.dimension > 1 else "")
    return ExactSide(
        _mean(samples, "energy"), _mean(samples, "magnitude"), bulk.mean(0), dirac.mean(0), _variance(rows),
        _variance(dirac), found, first.x[:_PICTURED], first.height[:_PICTURED], kinks, bool(len(first.x)),
        tuple(c.operation for c in what.trace.calls), routes, how, all(s.settled for s in samples),
    )  # fmt: skip


def _scale(total: Tensor, bulk: Tensor) -> float:
    return max(float(total.norm()), float(bulk.norm())) or 1.0


def _mean(samples: list[Sample], name: str) -> float:
    return sum(float(getattr(s, name)) for s in samples) / len(samples)


def _variance(rows: Tensor) -> Tensor:
    """Of the mean of independent rows; nil where there is one, of which nothing was drawn."""
    return rows.var(0) / len(rows) if len(rows) > 1 else torch.zeros_like(rows[0])


def _differences(
    model: SpaceModel, gradient: Tensor, step: float, energy: Callable[[SpaceModel], float], directions: int
) -> float:
    """How far a gradient is from differences of an energy, relative to it, in so many random directions."""
    generator = torch.Generator().manual_seed(2)
    vector, worst = model.vector(), 0.0
    for _ in range(directions):
        direction = torch.randn(len(vector), generator=generator, dtype=vector.dtype)
        direction *= (float(vector.norm()) or 1.0) / direction.norm()
        energies = []
        for s in (1, -1):
            moved = model.at(model.split(vector + s * step * direction))
            assert isinstance(moved, SpaceModel)
            energies.append(energy(moved))
        quotient = (energies[0] - energies[1]) / (2 * step)
        scale = float(gradient.norm() * direction.norm()) / len(vector) ** 0.5 or 1.0
        worst = max(worst, abs(quotient - float(gradient @ direction)) / max(scale, abs(quotient)))
    return worst


def ranges(model: SpaceModel) -> list[slice]:
    """Of each parameter in a row, then of all."""
    stops = list(accumulate(p.numel() for p in model.tensors))
    return [*(slice(a, b) for a, b in zip([0, *stops], stops, strict=False)), slice(0, stops[-1])]
