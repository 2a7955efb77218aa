"""A second derivation of the plane gradient: the energy cell by cell, differentiated through the cells' corners.

Each cell's energy is a rule over triangles whose corners move with the parameters, in dual numbers; it shares no step
with `gradient`, no Green's theorem and no Dirac term.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.blocks import PlaneBlocks
from ..statement.plane import PlaneProblem, X, Y
from ..statement.plane_network import PlaneNetwork
from .cells import Cell, Line, cells
from .checking import array, edge_terms, functions, nodes_and_weights, number

Array = NDArray[Any]
# Partial derivatives carried: three corners' x and y, then a₁, a₂ and g.
_PARTS = 9


@dataclass(frozen=True, eq=False)
class Dual:
    """Numbers with their partial derivatives.

    Attributes:
        value: (...).
        parts: (9, ...).
    """

    value: Any
    parts: Any

    def __add__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.parts + other.parts)
        return Dual(self.value + other, self.parts)

    def __mul__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value * other.value, self.value * other.parts + other.value * self.parts)
        return Dual(self.value * other, self.parts * other)

    __radd__, __rmul__ = __add__, __mul__


def corner_gradient(
    problem: PlaneProblem, network: PlaneNetwork, digits: int | None = None, points: int = 12
) -> tuple[Any, PlaneBlocks]:
    """Energy and gradient by the corners of cells; float64, or mpmath numbers of some digits.

    Args:
        problem: whose data are smooth on the polygon and the triangles that one of its corners makes with its edges.
        network: away from degenerate places.
        digits: None for float64.
        points: of the rule, each way of each triangle; polynomials need half their degree and two more.
    """
    with mpmath.workdps((digits or 15) + 15):
        energy, gradient = _in_cells(problem, network, digits is not None, points)
        edge_energy, edge_gradient = edge_terms(problem, network, digits is not None, points)
        return energy + edge_energy, PlaneBlocks.from_vector(gradient + edge_gradient)


def _in_cells(problem: PlaneProblem, network: PlaneNetwork, exact: bool, points: int) -> tuple[Any, Array]:
    rows = network.rationals
    lines: list[Line] = [row[:3] for row in rows]
    found = cells(problem.domain, rows)
    # Triangles of each cell: its first corner and an edge that does not meet it.
    triangles = [(cell, k) for cell in found for k in range(1, len(cell.corners) - 1)]
    corners = array([[c.corners[0], c.corners[k], c.corners[k + 1]] for c, k in triangles], exact)
    affine = array([_affine(c, rows) for c, _ in triangles], exact)
    sign = array([c.sign for c, _ in triangles], exact)
    energy = _triangle_energies(problem, corners, affine, exact, points)
    total = (sign * energy.value).sum()
    gradient = array([0] * (4 * network.width), exact)
    for (cell, k), s, parts in zip(triangles, sign, energy.parts.T, strict=True):
        for m, corner in enumerate((0, k, k + 1)):
            _move_corner(gradient, cell, corner, s * parts[2 * m], s * parts[2 * m + 1], lines, exact)
        for i in cell.active:
            w1, w2, b, c = (number(v, exact) for v in rows[i])
            by_a1, by_a2, by_g = (s * v for v in parts[6:])
            gradient[2 * i] += c * by_a1
            gradient[2 * i + 1] += c * by_a2
            gradient[2 * network.width + i] += c * by_g
            gradient[3 * network.width + i] += w1 * by_a1 + w2 * by_a2 + b * by_g
    return total, gradient


def _affine(cell: Cell, rows: Any) -> tuple[Any, Any, Any]:
    """(a₁, a₂, g) of the network in a cell."""
    a1, a2, g = (sum((rows[i][3] * rows[i][k] for i in cell.active), 0 * rows[0][0]) for k in range(3))
    return a1, a2, g


def _triangle_energies(problem: PlaneProblem, corners: Array, affine: Array, exact: bool, points: int) -> Dual:
    """Energies (T,) over triangles (T, 3, 2) of affine networks (T, 3), with partial derivatives."""
    s, w = nodes_and_weights(points, exact)
    # Barycentric shares of a square folded onto a triangle.
    second, third = (v.ravel() for v in np.meshgrid(s, s, indexing="ij"))
    third = third * (1 - second)
    weight = (np.outer(w * (1 - s), w)).ravel()
    shares = np.stack([1 - second - third, second, third])
    count, nodes = len(corners), len(weight)

    def variable(value: Array, index: int) -> Dual:
        one = array(1, exact)[()]
        parts = np.zeros((_PARTS, count, 1), dtype=object if exact else float) * one
        parts[index] = one
        return Dual(value[:, None], parts)

    ends = [[variable(corners[:, m, k], 2 * m + k) for k in range(2)] for m in range(3)]
    place = [ends[0][k] * shares[0] + ends[1][k] * shares[1] + ends[2][k] * shares[2] for k in range(2)]
    a1, a2, g = (variable(affine[:, k], 6 + k) for k in range(3))
    (k11, k12), (_, k22) = problem.coefficient
    d, lift = problem.distance, problem.lift
    data = [k11, k12, k22, problem.source, d, lift, *(sympy.diff(e, v) for e in (d, lift) for v in (X, Y))]
    listed = [*data, *(sympy.diff(e, v) for e in data for v in (X, Y))]
    x, y = (np.broadcast_to(p.value, (count, nodes)) for p in place)
    values = functions(listed, exact)(x, y)
    # At a point that moves, a function moves by its slope.
    at = [
        Dual(values[n], values[len(data) + 2 * n] * place[0].parts + values[len(data) + 2 * n + 1] * place[1].parts)
        for n in range(len(data))
    ]
    m11, m12, m22, f, dist, ell, d_x, d_y, l_x, l_y = at
    n = a1 * place[0] + a2 * place[1] + g
    u = ell + dist * n
    u_x, u_y = l_x + d_x * n + dist * a1, l_y + d_y * n + dist * a2
    half = number(sympy.Rational(1, 2), exact)
    density = (m11 * u_x * u_x + 2 * (m12 * u_x * u_y) + m22 * u_y * u_y) * half + (f * u) * -1
    summed = Dual(density.value @ weight, density.parts @ weight)
    edges = [[ends[m][k] + ends[0][k] * -1 for k in range(2)] for m in (1, 2)]
    area = edges[0][0] * edges[1][1] + edges[0][1] * edges[1][0] * -1
    return summed * Dual(area.value[:, 0], area.parts[:, :, 0])


def _move_corner(
    gradient: Array, cell: Cell, corner: int, by_x: Any, by_y: Any, lines: list[Line], exact: bool
) -> None:
    """Chain rule from a corner's place to the two lines that cross there."""
    around = (cell.edges[corner - 1], cell.edges[corner])
    first, second = (lines[e] if e >= 0 else cell.still[-1 - e] for e in around)
    x, y = cell.corners[corner]
    cross = first[0] * second[1] - first[1] * second[0]
    width = len(gradient) // 4
    for e, other, turn in ((around[0], second, 1), (around[1], first, -1)):
        if e < 0:
            continue
        # Where z of one line grows by 1 and the other's stays 0.
        step = (-turn * other[1] / cross, turn * other[0] / cross)
        slope = by_x * number(step[0], exact) + by_y * number(step[1], exact)
        gradient[2 * e] += slope * number(x, exact)
        gradient[2 * e + 1] += slope * number(y, exact)
        gradient[2 * width + e] += slope
