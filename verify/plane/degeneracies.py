"""Places where the energy on a polygon has no derivative, and how far away the nearest is (MATH 5, in the plane).

Three lines through one point are no such place: the energy is a sum over pairs of neurons.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Degeneracy
from ..statement.plane import PlaneProblem
from ..statement.plane_network import PlaneNetwork
from ..statement.polygon import Point
from .functions import plane_functions
from .segments import Line, exact_chord
from .trapezoids import trapezoids

Array = NDArray[Any]

# Distances of this share of the domain's size may be nil: exact arithmetic decides.
_SUSPICIOUS = 64 * float(np.finfo(np.float64).eps)


def clearance(problem: PlaneProblem, network: PlaneNetwork, order: int = 1) -> float:
    """Distance to the nearest place where the energy lacks a derivative of the given order; inf if there is none.

    Of two lines, and of a line and a named edge: how far the ends of one are from the other, at most; of a line and a
    corner between named edges, and of a crossing and a named edge, for the second order, just how far; √(w² + b²).
    """
    functions = plane_functions(problem)
    rows = np.array([[float(v) for v in (*row[:2], row[2] + _at(row, functions.centre))] for row in network.rationals])
    outer = np.asarray(network.output_weights, dtype=float)
    heard = outer != 0 if order == 1 else np.ones(len(outer), dtype=bool)
    norm = np.hypot(rows[:, 0], rows[:, 1])
    dead = np.hypot(norm, [float(row[2]) for row in network.rationals])
    out = float(np.where(heard, dead, np.inf).min())
    kept = heard & (norm > 0)
    if not kept.any():
        return out
    z = rows[kept] / norm[kept, None]
    corners = np.array([[float(v) for v in p] for p in functions.domain.corners])
    height = corners @ z[:, :2].T + z[:, 2]
    out = min([out, *_edges_away(problem, height), *(_second_order(problem, corners, height) if order == 2 else ())])
    ends, meets = _ends(z, corners, height)
    # A line that does not meet the polygon is far from all others in it.
    z, ends = z[meets], ends[meets]
    away = np.abs(np.einsum("iek,jk->eij", ends, z[:, :2]) + z[:, 2]).max(axis=0)
    away = np.maximum(away, away.T)
    np.fill_diagonal(away, np.inf)
    return float(min(out, away.min(initial=np.inf)))


def _edges_away(problem: PlaneProblem, height: Array) -> list[float]:
    """How far the ends of named edges are from the nearest line."""
    count = len(height)
    named = [k for k in range(count) if k not in problem.dirichlet]
    return [float(np.abs(height[[k, (k + 1) % count]]).max(axis=0).min()) for k in named]


def _second_order(problem: PlaneProblem, corners: Array, heights: Array) -> list[float]:
    """Distances of lines from corners, and of crossings from edges, where D does not vanish."""
    count, out = len(corners), []
    for k in (k for k in range(count) if k not in problem.dirichlet):
        ends, height = corners[[k, (k + 1) % count]], heights[[k, (k + 1) % count]]
        out.append(float(np.abs(height).min()))
        met = height[0] * height[1] <= 0
        share = height[0, met] / np.where(height[0] == height[1], 1, height[0] - height[1])[met]
        if len(share) > 1:
            out.append(float(np.diff(np.sort(share)).min() * np.hypot(*(ends[1] - ends[0]))))
    return out


def _ends(z: Array, corners: Array, height: Array) -> tuple[Array, Array]:
    """Where each line enters the polygon first and leaves it last, (N, 2, 2), and whether it meets it at all, (N,)."""
    nxt, onward = np.roll(corners, -1, axis=0), np.roll(height, -1, axis=0)
    met = height * onward <= 0
    share = np.clip(height / np.where(height == onward, 1, height - onward), 0, 1)
    points = corners[:, None] + share[..., None] * (nxt - corners)[:, None]
    # Both ends of an edge that lies on the line, the second being the next edge's first.
    along = np.einsum("eik,ik->ei", points, np.stack([z[:, 1], -z[:, 0]], axis=-1))
    first, last = np.where(met, along, np.inf).argmin(axis=0), np.where(met, along, -np.inf).argmax(axis=0)
    own = np.arange(len(z))
    return np.stack([points[first, own], points[last, own]], axis=1), np.asarray(met.any(axis=0))


def degeneracies(
    problem: PlaneProblem, network: PlaneNetwork, distance: float, order: int = 1
) -> tuple[Degeneracy, ...]:
    """All exact ones; `distance` is the `clearance`, by which the harmless networks are passed over."""
    functions = plane_functions(problem)
    if distance > _SUSPICIOUS * functions.size:
        return ()
    lines: list[Line] = [(p, q, b + _at((p, q), functions.centre)) for p, q, b, _ in network.rationals]
    outer = [row[3] for row in network.rationals]
    out, at = [], dict[tuple[Fraction, ...], list[int]]()
    for i, (p, q, r) in enumerate(lines):
        if p or q:
            at.setdefault(tuple(v / (p or q) for v in (p, q, r)), []).append(i)
        elif not r and (outer[i] or order == 2):
            out.append(Degeneracy("dead neuron", (i,), None, 0.0))
    cells = trapezoids(functions.domain)
    for neurons in at.values():
        heard = tuple(i for i in neurons if outer[i])
        involved = heard if order == 1 else tuple(neurons)
        line = lines[neurons[0]]
        if involved and (order == 2 or heard):
            out += _on_edges(problem, line, involved, order)
        if len(involved) > 1 and heard:
            for chord in (exact_chord(line, t) for t in cells):
                ends = tuple(_back(p, functions.centre) for p in chord[:2])
                if chord[2] and not problem.vanishes(problem.distance, ends[0], ends[1]):
                    middle = tuple(float(a + b) / 2 for a, b in zip(*ends, strict=True))
                    out.append(Degeneracy("coincident kink lines", involved, middle, 0.0))
                    break
    if order == 2:
        out += _crossings_on_edges(problem, network)
    return tuple(dict.fromkeys(out))


def _on_edges(problem: PlaneProblem, line: Line, neurons: tuple[int, ...], order: int) -> list[Degeneracy]:
    out, centre = [], problem.domain.centre
    for k, ends in enumerate(problem.domain.edges):
        if k in problem.dirichlet:
            continue
        met = [_value(line, p, centre) == 0 for p in ends]
        if all(met):
            middle = tuple(float(a + b) / 2 for a, b in zip(*ends, strict=True))
            out.append(Degeneracy("kink line on an edge", neurons, middle, 0.0))
        elif order == 2 and any(met):
            corner = ends[met.index(True)]
            if problem.distance.subs(dict(zip(problem.coordinates, map(_rational, corner), strict=True))) != 0:
                place = (float(corner[0]), float(corner[1]))
                out.append(Degeneracy("kink line through a corner", neurons, place, 0.0))
    return out


def _crossings_on_edges(problem: PlaneProblem, network: PlaneNetwork) -> list[Degeneracy]:
    """Neurons whose lines cross on an edge where D does not vanish."""
    out = []
    for k, (a, b) in enumerate(problem.domain.edges):
        if k in problem.dirichlet:
            continue
        at: dict[Fraction, list[int]] = {}
        for i, (p, q, r, _) in enumerate(network.rationals):
            first, last = (p * x + q * y + r for x, y in (a, b))
            if first != last and 0 <= first / (first - last) <= 1:
                at.setdefault(first / (first - last), []).append(i)
        for share, neurons in at.items():
            place = tuple(float(u + share * (v - u)) for u, v in zip(a, b, strict=True))
            if len(neurons) > 1:
                out.append(Degeneracy("kink lines crossing on an edge", tuple(neurons), place, 0.0))
    return out


def _rational(value: Fraction) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)


def _at(line: Any, point: Point) -> Fraction:
    return Fraction(line[0] * point[0] + line[1] * point[1])


def _value(line: Line, point: Point, centre: Point) -> Fraction:
    """Of a line about the centre, at a place of the problem's own."""
    return _at(line, (point[0] - centre[0], point[1] - centre[1])) + line[2]


def _back(point: Point, centre: Point) -> Point:
    return point[0] + centre[0], point[1] + centre[1]
