"""The exact gradient of ∫ L(x, u, ∇u) over a part of the plane, cell by cell: bulk, and jumps over edges (MATH 10)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from ..judging.density import Density
from ..seeing.pieces import at_once
from .cutting.cells import Array, Cells, cut
from .cutting.simplices import Nodes, converged
from .cutting.trapezoids import trapezoids
from .domains import Box, Polygon
from .faces import Face
from .fields import SpaceModel
from .lines import Searched
from .stacks import Cellwise, cellwise
from .surfaces import Crossings, pulled

# ∇u on one side of an edge is extrapolated from places this share of the way to the cell's inside, and twice that:
# where it is not constant the error is of second order in it.
_ASIDE = 1e-6
# A jump of L below this share of its largest value is what extrapolation leaves of none.
_LEAST_JUMP = 1e-9


@dataclass(frozen=True, eq=False)
class OnCells:
    """What cells give.

    Attributes:
        cells: into which the model cuts the plane.
        chords: both ends of each edge on a kink, (E, 2, 2).
        energy: ∫ L dx.
        magnitude: ∫ |L| dx.
        bulk: (P,).
        dirac: (P,).
        crossings: nodes on the edges, with what L jumps by there.
    """

    cells: Cells
    chords: Tensor
    energy: float
    magnitude: float
    bulk: Tensor
    dirac: Tensor
    crossings: Crossings


def cells_of(model: SpaceModel, what: Searched, face: Face) -> Cells | None:
    """Cut a part of the plane wherever a model or a density along it breaks.

    Returns:
        the cells; None if what breaks is not linear between breaks, or the part is no polygon.
    """
    if isinstance(face.domain, Box):
        (left, right), (low, high) = face.domain.box.tolist()
        parts = [np.array([[left, low], [right, low], [right, high], [left, high]])]
    elif isinstance(face.domain, Polygon):
        parts = trapezoids(*(e.numpy() for e in face.domain.edges))
    else:
        return None
    calls = what.trace.calls

    @torch.no_grad()
    def preactivations(y: Array, layer: int) -> Array:
        x = face.at(torch.from_numpy(y))
        found = [what.trace.preactivations(what.function, p, layer) for p in torch.split(x, at_once(model.widest))]
        # A copy, as signs are cleaned there.
        return torch.cat(found).double().numpy().copy()

    return cut(parts, [c.columns for c in calls], preactivations)


def on_cells(model: SpaceModel, density: Density, what: Searched, face: Face, cells: Cells) -> OnCells | None:
    """Energy and gradient.

    Returns:
        None if cells do not fit together, which rounding alone can bring about.

    Raises:
        InputError: L is too rough, or its integral is not finite.
    """
    chords = cells.chords()
    if chords is None or (density.second and len(chords[0])):
        return None
    told = _told(model, what, face, cells)
    nodes = _triangles(told, density, cells)
    energy, magnitude, bulk, largest = _bulk(told, density, nodes)
    crossings = _jumps(told, density, what, cells, chords, largest)
    edges = torch.from_numpy(cells.corners[chords[0]])
    return OnCells(cells, edges, energy, magnitude, bulk, pulled(model, what, crossings), crossings)


def energy_on_cells(model: SpaceModel, density: Density, what: Searched, face: Face) -> float:
    """∫ L dx alone; NaN if cells do not fit."""
    cells = cells_of(model, what, face)
    if cells is None:
        return float("nan")
    told = _told(model, what, face, cells)
    nodes = _triangles(told, density, cells)
    total = 0.0
    for y, w, of in nodes.chunks(at_once(model.widest)):
        total += float((density(told.on(of), face.at(y).requires_grad_()) * w).sum().detach())
    return total


def _told(model: SpaceModel, what: Searched, face: Face, cells: Cells) -> Cellwise:
    inside, first = torch.from_numpy(cells.inside()), torch.from_numpy(cells.corners[cells.corner[cells.begins]])
    return cellwise(model, face, what.own, inside, first)


def _triangles(told: Cellwise, density: Density, cells: Cells) -> Nodes:
    """Nodes, by ascending cells, that integrate L over each, and what its derivatives by u and ∇u are in the mean."""
    begins = cells.begins
    first = cells.corner[begins][cells.cell]
    after = cells.next
    apart = (cells.corner != first) & (after != first)
    triangles = torch.from_numpy(cells.corners[np.stack([first, cells.corner, after], 1)[apart]])
    cell = torch.from_numpy(cells.cell[apart])

    def rows(y: Tensor, triangle: Tensor) -> Tensor:
        parts = []
        size = at_once(told.model.widest)
        for some, of in zip(torch.split(y, size), torch.split(cell[triangle], size), strict=True):
            x = told.face.at(some)
            fields = told.on(of).fields(x, density.second)
            given = [f.detach().requires_grad_() for f in fields if f is not None]
            found = density.at(told.model, x, *given)
            # A density of x alone has no derivatives.
            slopes = (
                torch.autograd.grad(found.sum(), given, materialize_grads=True, allow_unused=True)
                if found.requires_grad
                else [torch.zeros_like(g) for g in given]
            )
            parts.append(torch.stack([found.detach(), *(s.reshape(len(x), -1).sum(1) for s in slopes)]))
        return torch.cat(parts, 1) if parts else torch.zeros(1, 0, dtype=torch.float64)

    nodes = converged(triangles, rows)
    of = cell[nodes.owner]
    order = of.argsort(stable=True)
    return Nodes(nodes.x[order], nodes.weight[order], of[order])


def _bulk(told: Cellwise, density: Density, nodes: Nodes) -> tuple[float, float, Tensor, float]:
    """∫ L, ∫ |L|, the gradient with the cells held still, and the largest |L|."""
    model = told.model
    energy = magnitude = largest = 0.0
    row = torch.zeros_like(model.vector())
    for y, w, of in nodes.chunks(at_once(model.widest)):
        local = told.with_graph(int(of[0]), int(of[-1]) + 1, of)
        found = density(local, told.face.at(y).requires_grad_())
        row += model.gradient((found * w).sum())
        found = found.detach()
        energy += float((found * w).sum())
        magnitude += float((found.abs() * w.abs()).sum())
        largest = max(largest, float(found.abs().max()))
    return energy, magnitude or 1.0, row, largest


def _jumps(
    told: Cellwise, density: Density, what: Searched, cells: Cells, chords: tuple[Array, Array, Array, Array],
    largest: float,
) -> Crossings:  # fmt: skip
    """⟦L⟧, left of each edge less right of it, at nodes along the edges."""
    ends, left, right, owner = chords
    face = told.face
    sides = [torch.from_numpy(s) for s in (left, right)]

    def heights(y: Tensor, edge: Tensor) -> Tensor:
        parts = []
        size = at_once(told.model.widest)
        for some, of in zip(torch.split(y, size), torch.split(edge, size), strict=True):
            high, low = (_beside(told, density, some, cell[of]) for cell in sides)
            jump = high - low
            parts.append(torch.where(jump.abs() > _LEAST_JUMP * largest, jump, 0.0))
        return torch.cat(parts)[None] if parts else torch.zeros(1, 0, dtype=torch.float64)

    if not len(ends):
        return Crossings.none(len(face.origin))
    nodes = converged(torch.from_numpy(cells.corners[ends]), heights)
    height = heights(nodes.x, nodes.owner)[0]
    # By calls, as they are asked for.
    stops = torch.tensor(list(accumulate(c.columns for c in what.trace.calls)))
    owned = torch.from_numpy(owner)[nodes.owner]
    layer = torch.searchsorted(stops, owned, right=True)
    column = owned - (stops - torch.tensor([c.columns for c in what.trace.calls]))[layer]
    order = layer.argsort(stable=True)
    aside = (told.inside[sides[0][nodes.owner]] - nodes.x) @ face.tangents.T
    x = face.at(nodes.x)
    found = Crossings(layer, column, x, aside, nodes.weight * height, height, face.tangents)
    return found.only(order)


def _beside(told: Cellwise, density: Density, y: Tensor, cell: Tensor) -> Tensor:
    """L on an edge as it is in the cell beside it, (n,)."""
    model, x = told.on(cell), told.face.at(y)
    inside = told.inside[cell]
    near, far = (model.fields(told.face.at(torch.lerp(y, inside, share)))[1].detach() for share in (_ASIDE, 2 * _ASIDE))
    with torch.no_grad():
        u = model.value(x)
    return density.at(model, x, u.detach(), 2 * near - far).detach()
