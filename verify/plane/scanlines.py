"""A third derivation of the plane gradient: along lines in one direction, each a problem in one input (MATH 1).

Each line is split where it meets edges and kinks, and gives the bulk and ⟦L⟧ ∂z/∂θ ÷ |∂z/∂ξ| at its crossings; the
outer integral is a rule between the heights at which something meets something. It shares no step with the others.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.blocks import PlaneBlocks
from ..statement.plane import PlaneProblem, X, Y
from ..statement.plane_network import PlaneNetwork
from .checking import array, edge_terms, functions, nodes_and_weights, number

Array = NDArray[Any]
# Slopes of the lines (1, m) that are tried until no kink line runs along them; none is likely to.
SLOPES = tuple(map(Fraction, ("0", "1/7", "-2/11", "3/13", "-5/17", "8/19", "-13/23")))


def scanline_gradient(
    problem: PlaneProblem, network: PlaneNetwork, digits: int | None = None, points: int = 12
) -> tuple[Any, PlaneBlocks]:
    """Energy and gradient by lines, as `corner_gradient`; the data need be smooth on the polygon alone."""
    with mpmath.workdps((digits or 15) + 15):
        exact = digits is not None
        energy, gradient = _scanned(problem, network, exact, points)
        edge_energy, edge_gradient = edge_terms(problem, network, exact, points)
        return energy + edge_energy, PlaneBlocks.from_vector(gradient + edge_gradient)


def _scanned(problem: PlaneProblem, network: PlaneNetwork, exact: bool, points: int) -> tuple[Any, Array]:
    rows, corners = network.rationals, problem.domain.corners
    slope = next(m for m in SLOPES if all(p + m * q != 0 or not (p or q) for p, q, _, _ in rows))
    # (ξ, η) ↦ (ξ, η + slope·ξ): area is kept, and lines of constant η are scanned.
    lines = [(p + slope * q, q, b) for p, q, b, _ in rows]
    sheared = [(x, y - slope * x) for x, y in corners]
    edges = list(zip(sheared, sheared[1:] + sheared[:1], strict=True))
    heights = _heights(lines, edges)
    s, weight = nodes_and_weights(points, exact)
    marks = array(heights, exact)
    eta = (marks[:-1, None] + (marks[1:] - marks[:-1])[:, None] * s).ravel()
    d_eta = ((marks[1:] - marks[:-1])[:, None] * weight).ravel()
    w1, w2, b = (array([line[k] for line in lines], exact) for k in range(3))
    c = array([row[3] for row in rows], exact)
    big = number(1 + 2 * max(abs(x) for x, _ in sheared), exact)
    kinks = _kinks(eta, w1, w2, b, big)
    met = _edges_met(eta, edges, big, exact)
    breaks = np.sort(np.concatenate([kinks, met], axis=1), axis=1)
    left, right = breaks[:, :-1], breaks[:, 1:]
    middle = (left + right) / 2
    # Between an odd and an even number of edges met.
    inside = (met[:, None, :] < middle[:, :, None]).sum(axis=2) % 2 == 1
    row, gap = np.nonzero(inside & (right > left))
    x = left[row, gap][:, None] + (right - left)[row, gap][:, None] * s
    dx = (right - left)[row, gap][:, None] * weight * d_eta[row][:, None]
    y = eta[row][:, None]
    on = (middle[row, gap][:, None] * w1 + eta[row][:, None] * w2 + b > 0) * 1
    density = _Density(problem, slope, exact)
    value, by_q = density.at(x, y + 0 * x, _affine(on, rows, c, exact))
    energy = (value * dx).sum()
    force = np.stack([(part * dx).sum(axis=1) for part in by_q], axis=-1).T @ on
    # (3, N): ∫ ∂L/∂(a₁, a₂, g) where each neuron is active.
    originals = array([r[:3] for r in rows], exact).T
    width = len(rows)
    out = np.concatenate([(c * force[:2]).T.ravel(), c * force[2], (originals * force).sum(axis=0)])
    for i in range(width):
        if not any(rows[i][:2]):
            continue
        here = (met < kinks[:, i, None]).sum(axis=1) % 2 == 1
        at, high = kinks[here, i], eta[here]
        sides = []
        on = (at[:, None] * w1 + high[:, None] * w2 + b > 0) * 1
        for state in (1, 0):
            on[:, i] = state
            sides.append(density.at(at[:, None], high[:, None], _affine(on, rows, c, exact))[0][:, 0])
        jump = (sides[0] - sides[1]) * d_eta[here] / abs(w1[i])
        out[2 * i] += (jump * at).sum()
        out[2 * i + 1] += (jump * (high + number(slope, exact) * at)).sum()
        out[2 * width + i] += jump.sum()
    return energy, out


def _affine(on: Array, rows: Any, c: Array, exact: bool) -> list[Array]:
    """(a₁, a₂, g) of the network, (R, 1) each."""
    steps = array([r[:3] for r in rows], exact) * c[:, None]
    return [(on @ steps[:, k])[:, None] for k in range(3)]


def _heights(lines: Any, edges: Any) -> list[Fraction]:
    """All η, within the polygon's, at which two kinks, a kink and an edge, or two edges meet."""
    low, high = (f(p[1] for p, _ in edges) for f in (min, max))
    out = {p[1] for p, _ in edges}
    for (p, q, r), (s, t, u) in combinations(lines, 2):
        cross = p * t - q * s
        if cross:
            out.add((r * s - p * u) / cross)
    for (x0, y0), (x1, y1) in edges:
        for p, q, r in lines:
            first, last = p * x0 + q * y0 + r, p * x1 + q * y1 + r
            if first * last < 0:
                out.add(y0 + first / (first - last) * (y1 - y0))
    return sorted(v for v in out if low <= v <= high)


def _kinks(eta: Array, w1: Array, w2: Array, b: Array, big: Any) -> Array:
    """ξ of each kink on each line, (R, N); far outside where there is none."""
    safe = np.where(w1 == 0, 1 + 0 * w1, w1)
    at = -(eta[:, None] * w2 + b) / safe
    return np.asarray(np.where(w1 == 0, big + 0 * at, np.minimum(np.maximum(at, -big), big)))


def _edges_met(eta: Array, edges: Any, big: Any, exact: bool) -> Array:
    """ξ of each edge on each line, (R, E); far outside where it is not met."""
    out = []
    for (x0, y0), (x1, y1) in edges:
        if y0 == y1:
            out.append(big + 0 * eta)
            continue
        start, height, slope = (number(v, exact) for v in (x0, y0, (x1 - x0) / (y1 - y0)))
        low, high = (number(f(y0, y1), exact) for f in (min, max))
        out.append(np.where((eta > low) & (eta < high), start + slope * (eta - height), big + 0 * eta))
    return np.stack(out, axis=1)


class _Density:
    """½∇u·κ∇u − f u at sheared points, and its derivatives by a₁, a₂ and g."""

    def __init__(self, problem: PlaneProblem, slope: Fraction, exact: bool) -> None:
        (k11, k12), (_, k22) = problem.coefficient
        d, lift = problem.distance, problem.lift
        slopes = [sympy.diff(e, v) for e in (d, lift) for v in (X, Y)]
        self._data = functions([k11, k12, k22, problem.source, d, lift, *slopes], exact)
        self._slope = number(slope, exact)

    def at(self, x: Array, eta: Array, affine: list[Array]) -> tuple[Array, list[Array]]:
        y = eta + self._slope * x
        k11, k12, k22, f, d, lift, d_x, d_y, l_x, l_y = self._data(x, y)
        a1, a2, g = affine
        n = a1 * x + a2 * y + g
        p, q = l_x + d_x * n + d * a1, l_y + d_y * n + d * a2
        flux_x, flux_y = k11 * p + k12 * q, k12 * p + k22 * q
        value = (flux_x * p + flux_y * q) / 2 - f * (lift + d * n)
        by_n = flux_x * d_x + flux_y * d_y - f * d
        return value, [by_n * x + flux_x * d, by_n * y + flux_y * d, by_n]
