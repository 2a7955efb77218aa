"""The gradient that a program gets which integrates a plane problem on points, and Eq. (10) carried over to lines.

A kink line crosses the rows of the grid of as many cells, or its columns, whichever it crosses more often. A crossing
stands for the piece of the line between two half rows, of length Δs, and has its share Δs/|w| of the Dirac term, which
is ∫ … ds/|w| along the line (MATH 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ..choices import Delta
from ..plane.checking import functions
from ..plane.degeneracies import clearance
from ..plane.gradient import PlaneGradient, refuse_degenerate
from ..statement.blocks import PlaneBlocks
from ..statement.plane import PlaneProblem, X, Y, require_network
from ..statement.plane_network import PlaneNetwork
from .plane_points import Cells, PlanePoints, plane_points

Array = NDArray[Any]

# Nodes times neurons that are looked at together.
_AT_ONCE = 2**21
# The node nearest to a place on a line is looked for among those within so many spacings of the line; where points are
# random one place in e^(4π) has none so near, and all are looked at.
_STRIP = 2.0
# Shares of a squared spacing by which distances differ that are told apart: of nodes equally near the first one counts.
_EQUALLY_NEAR = 1e-9


@dataclass(frozen=True, eq=False)
class Crossings:
    """Where kink lines cross rows or columns of a grid, K places in all.

    Attributes:
        neuron: whose line, (K,).
        place: (K, 2), inside the polygon.
        weight: (K,), Δs/|w|.
    """

    neuron: Array
    place: Array
    weight: Array


@dataclass(frozen=True, eq=False)
class _Field:
    """û and what it is made of at n points: z and the neurons' activity (n, N), data, ∇û and κ∇û (2, n)."""

    z: Array
    on: Array
    distance: Array
    distance_slopes: Array
    source: Array
    value: Array
    slopes: Array
    flux: Array


def plane_quadrature_gradient(
    problem: PlaneProblem,
    network: PlaneNetwork,
    rule: str = "midpoint",
    points: int = 200,
    delta: Delta | None = None,
    seed: int = 0,
) -> PlaneGradient:
    """`quadrature_gradient` on a polygon; see there."""
    require_network(network, problem)
    mesh = plane_points(problem, rule, points, seed)
    energy, bulk = sum_on(problem, network, mesh)
    dirac = delta_on(problem, network, mesh, delta)
    blocks = [PlaneBlocks.from_vector(v) for v in (bulk, dirac, bulk + dirac)]
    distance = clearance(problem, network)
    return PlaneGradient(blocks[0], blocks[1], blocks[2], np.float64(energy), "points", 0.0, distance)


def sum_on(problem: PlaneProblem, network: PlaneNetwork, mesh: PlanePoints) -> tuple[float, Array]:
    """Energy and derivative of the sum, (4N,); at a node on a line max(0, z) counts with derivative 0, as in torch."""
    energy, gradient = 0.0, np.zeros(4 * network.width)
    step = max(1, _AT_ONCE // network.width)
    for k in range(0, len(mesh.nodes), step):
        nodes, weights = mesh.nodes[k : k + step], mesh.weights[k : k + step]
        at = _look(problem, network, nodes)
        energy += weights @ ((at.flux * at.slopes).sum(axis=0) / 2 - at.source * at.value)
        by_value = weights * ((at.flux * at.distance_slopes).sum(axis=0) - at.source * at.distance)
        gradient += _chained(network, at, nodes, by_value, weights * at.distance * at.flux)
    for on in mesh.edges:
        at = _look(problem, network, on.nodes)
        wanted = problem.fluxes.get(on.edge, problem.essential.get(on.edge))
        (value,) = functions([wanted], exact=False)(*on.nodes.T)
        if on.edge in problem.fluxes:
            energy, pull = energy - on.weights @ (value * at.value), -value
        else:
            excess, penalty = at.value - value, float(problem.penalty)
            energy, pull = energy + penalty * (on.weights @ excess**2) / 2, penalty * excess
        gradient += _chained(network, at, on.nodes, on.weights * pull * at.distance, np.zeros((2, len(value))))
    return energy, gradient


def delta_on(problem: PlaneProblem, network: PlaneNetwork, mesh: PlanePoints, delta: str | None) -> Array:
    """Σ Δs/|w| · c D (w·κ∇û) · ∂z/∂θ, (4N,): all at the node nearest to each crossing, or there with ∇û's mean.

    Raises:
        NondifferentiableError: `"mean"` where lines coincide.
    """
    if delta is None:
        return np.zeros(4 * network.width)
    if delta == "mean":
        refuse_degenerate(problem, network, clearance(problem, network))
    w, _, c = _parameters(network)
    found = crossings(problem, network, mesh.cells)
    i = found.neuron
    if delta == "nearest":
        place = mesh.nodes[_nearest(network, found, mesh)]
        at = _look(problem, network, place)
    else:
        place = found.place
        at = _look(problem, network, place, own=i)
    normal_flux = w[i, 0] * at.flux[0] + w[i, 1] * at.flux[1]
    return _on_lines(network.width, i, found.weight * c[i] * at.distance * normal_flux, place)


def crossings(problem: PlaneProblem, network: PlaneNetwork, grid: Cells) -> Crossings:
    """The places at which Dirac terms are summed up."""
    w, b, _ = _parameters(network)
    parts = []
    for neuron in np.flatnonzero(w.any(axis=1)):
        weights = w[neuron]
        # z grows faster from cell to cell along this axis: the line crosses more rows of the other one.
        across = int(abs(weights[0]) * grid.sides[0] < abs(weights[1]) * grid.sides[1])
        along = 1 - across
        place = np.empty((grid.counts[along], 2))
        place[:, along] = grid.middles(along)
        place[:, across] = -(weights[along] * place[:, along] + b[neuron]) / weights[across]
        place = place[problem.domain.inside(place)]
        share = grid.sides[along] / abs(weights[across])
        parts.append((np.full(len(place), neuron), place, np.full(len(place), share)))
    if not parts:
        return Crossings(np.empty(0, dtype=int), np.empty((0, 2)), np.empty(0))
    return Crossings(*map(np.concatenate, zip(*parts, strict=True)))


def lasting_jumps(problem: PlaneProblem, network: PlaneNetwork, grid: Cells) -> Array:
    """What the nearest node of a grid leaves wrong however fine the grid is, in size, (4N,).

    Where a line goes on by p/q of a cell from row to row, in lowest terms, its crossings lie at q places of a cell.
    For even q half of them are nearer to a node on the active side; for odd q one more or one less, and 1/(2q) of the
    neuron's own jump stays: half of it for a line along the rows, as in one input.
    """
    w, _, c = _parameters(network)
    sides = [(high - low) / n for (low, high), n in zip(problem.domain.box, grid.counts, strict=True)]
    found = crossings(problem, network, grid)
    at = _look(problem, network, found.place)
    (k11, k12), (_, k22) = _conductivity(problem, found.place)
    share = np.zeros(network.width)
    for neuron, (first, second, _, _) in enumerate(network.rationals):
        if first or second:
            small, large = sorted((abs(first * sides[0]), abs(second * sides[1])))
            q = Fraction(small / large).denominator
            share[neuron] = q % 2 / (2 * q)
    i = found.neuron
    square = k11 * w[i, 0] ** 2 + 2 * k12 * w[i, 0] * w[i, 1] + k22 * w[i, 1] ** 2
    jump = share[i] * found.weight * (c[i] * at.distance) ** 2 * square
    return np.abs(_on_lines(network.width, i, jump, found.place))


def _on_lines(width: int, neuron: Array, terms: Array, place: Array) -> Array:
    """Terms (K,) of neurons, times x, y and 1, summed up by neuron: (4N,)."""
    by_x, by_y, by_1 = (np.bincount(neuron, terms * v, width) for v in (*place.T, 1.0))
    return PlaneBlocks(np.stack([by_x, by_y], axis=-1), by_1, np.zeros(width)).ravel()


def _nearest(network: PlaneNetwork, found: Crossings, mesh: PlanePoints) -> Array:
    """Index of the node nearest to each crossing, (K,)."""
    w, b, _ = _parameters(network)
    spacing = mesh.cells.spacing
    out = np.empty(len(found.neuron), dtype=int)
    for i in np.unique(found.neuron):
        mine = np.flatnonzero(found.neuron == i)
        near = np.flatnonzero(np.abs(mesh.nodes @ w[i] + b[i]) <= _STRIP * spacing * np.hypot(*w[i]))
        out[mine], far = _first_nearest(found.place[mine], mesh.nodes, near, spacing)
        if far.any():
            out[mine[far]], _ = _first_nearest(found.place[mine[far]], mesh.nodes, np.arange(len(mesh.nodes)), spacing)
    return out


def _first_nearest(places: Array, nodes: Array, chosen: Array, spacing: float) -> tuple[Array, Array]:
    """Which of the chosen nodes is the first among the nearest to each place; and where others may be nearer."""
    if not len(chosen):
        return np.zeros(len(places), dtype=int), np.ones(len(places), dtype=bool)
    across, up = (places[:, None, k] - nodes[chosen, k] for k in (0, 1))
    square = (across * across + up * up) / spacing**2
    least = square.min(axis=1)
    return chosen[(square <= least[:, None] + _EQUALLY_NEAR).argmax(axis=1)], least > _STRIP**2


def _chained(network: PlaneNetwork, at: _Field, nodes: Array, by_value: Array, by_slopes: Array) -> Array:
    """From ∂/∂(network's value) (n,) and ∂/∂(its slopes) (2, n) at nodes to ∂/∂θ, (4N,)."""
    w, _, c = _parameters(network)
    by_x, by_y = ((by_value * nodes[:, k] + by_slopes[k]) @ at.on for k in (0, 1))
    by_1 = by_value @ at.on
    outer = by_value @ (at.on * at.z) + (w.T * (by_slopes @ at.on)).sum(axis=0)
    return PlaneBlocks(np.stack([c * by_x, c * by_y], axis=-1), c * by_1, outer).ravel()


def _look(problem: PlaneProblem, network: PlaneNetwork, points: Array, own: Array | None = None) -> _Field:
    """Data and û at points (n, 2); of the neurons `own` (n,), which have their line there, half of the slope counts."""
    w, b, c = _parameters(network)
    z = points @ w.T + b
    on = (z > 0) * 1.0
    if own is not None:
        rows = np.arange(len(points))
        on[rows, own], z[rows, own] = 0.5, 0.0
    (k11, k12), (_, k22) = _conductivity(problem, points)
    f, d, d_x, d_y, lift, lift_x, lift_y = _data(problem)(*points.T)
    value, slopes = (on * z) @ c, (on * c) @ w
    u_x, u_y = lift_x + d_x * value + d * slopes[:, 0], lift_y + d_y * value + d * slopes[:, 1]
    flux = np.stack([k11 * u_x + k12 * u_y, k12 * u_x + k22 * u_y])
    return _Field(z, on, d, np.stack([d_x, d_y]), f, lift + d * value, np.stack([u_x, u_y]), flux)


def _conductivity(problem: PlaneProblem, points: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    k11, k12, k22 = _coefficients(problem)(*points.T)
    return (k11, k12), (k12, k22)


def _parameters(network: PlaneNetwork) -> tuple[Array, Array, Array]:
    """w (N, 2), b and c (N,) as float64."""
    blocks = (network.hidden_weights, network.hidden_biases, network.output_weights)
    w, b, c = (np.asarray(v, dtype=float) for v in blocks)
    return w, b, c


@lru_cache(maxsize=64)
def _coefficients(problem: PlaneProblem) -> Any:
    (k11, k12), (_, k22) = problem.coefficient
    return functions([k11, k12, k22], exact=False)


@lru_cache(maxsize=64)
def _data(problem: PlaneProblem) -> Any:
    """x, y → f, D and its slopes, the lift and its slopes."""
    d, lift = problem.distance, problem.lift
    slopes = [sympy.diff(e, s) for e in (d, lift) for s in (X, Y)]
    return functions([problem.source, d, *slopes[:2], lift, *slopes[2:]], exact=False)
