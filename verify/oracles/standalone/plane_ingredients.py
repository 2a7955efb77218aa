"""What generated source files of plane problems are made of: convex pieces, formulas, and how many Gauss points do."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy
from numpy.typing import NDArray

from ...errors import InputError
from ...plane.functions import plane_functions
from ...plane.trapezoids import Trapezoid, trapezoids
from ...statement.expressions import NUMPY_MODULES
from ...statement.named_plane import plane_problems
from ...statement.plane import PlaneProblem, X, Y
from .ingredients import WIDTH
from .plane_form import PlaneEdge, PlaneForm, plane_energy, plane_parts

Array = NDArray[np.float64]
PLACE = {X: "x", Y: "y"}
# Points each way that are tried where the data are no polynomials, and what two of them may differ by, relative to the
# largest component, to be enough.
_POINTS, _SETTLED = (16, 24, 36, 54), 1e-14


@dataclass(frozen=True)
class PlaneFormulas:
    """A plane problem in formulas.

    Attributes:
        data: κ₁₁, κ₁₂, κ₂₂, f, D, D_x, D_y, ℓ, ℓ_x and ℓ_y.
        edges: start, end (2,), and the density's square, linear and constant term, of edges where D does not vanish.
        pieces: convex, see `PlaneForm`.
        points: Gauss points each way.
    """

    data: tuple[sympy.Expr, ...]
    edges: tuple[tuple[Array, Array, tuple[sympy.Expr, ...]], ...]
    pieces: tuple[Array, ...]
    points: int


def plane_formulas(problem: PlaneProblem) -> PlaneFormulas:
    """From a problem.

    Raises:
        InputError: Gauss points do not settle.
    """
    (xx, xy), (_, yy) = problem.coefficient
    data = [xx, xy, yy, problem.source]
    for e in (problem.distance, problem.lift):
        data += [e, sympy.diff(e, X), sympy.diff(e, Y)]
    edges = []
    for k, (start, end) in enumerate(problem.domain.edges):
        if k in problem.fluxes:
            terms = (sympy.Integer(0), -problem.fluxes[k], sympy.Integer(0))
        elif k in problem.essential:
            wanted = problem.essential[k]
            terms = (problem.penalty, -problem.penalty * wanted, problem.penalty * wanted**2 / 2)
        else:
            continue
        edges.append((_floats(start), _floats(end), terms))
    pieces = tuple(_corners(t) for t in trapezoids(problem.domain))
    degree = plane_functions(problem).degree
    found = PlaneFormulas(tuple(data), tuple(edges), pieces, 0 if degree is None else degree // 2 + 1)
    return found if degree is not None else _settled(problem, found)


def plane_form(found: PlaneFormulas) -> PlaneForm:
    """The same in numbers."""
    edges = tuple(PlaneEdge(start, end, _function(terms)) for start, end, terms in found.edges)
    return PlaneForm(found.pieces, edges, _function(found.data), found.points)


def plane_statement_lines(problem: PlaneProblem) -> str:
    """The problem in the header of a file."""
    stated = {k: v for k, v in problem.statement().items() if v not in ({}, None, "0")}
    stated["coefficient"] = "; ".join(", ".join(row) for row in stated["coefficient"])
    stated["domain"] = ", ".join(f"({x}, {y})" for x, y in stated["domain"])
    text = "; ".join(f"{k} = {v}" for k, v in stated.items() if k != "name")
    return "\n".join(textwrap.wrap(f"The problem {problem.name}: {text}.", WIDTH, break_long_words=False))


def plane_command(problem: PlaneProblem, name: str) -> str:
    """What makes the file anew."""
    named = problem.name in plane_problems and plane_problems[problem.name] == problem
    if named:
        return f"kinkproof oracles generate --problem {problem.name} --standalone {shlex.quote(name)}"
    return f"kinkproof oracles generate --problem FILE.py:NAME --standalone {shlex.quote(name)}"


def _settled(problem: PlaneProblem, found: PlaneFormulas) -> PlaneFormulas:
    """As many points as do where the cells are widest, which is where there is no kink line, or one alone."""
    (left, right), (low, high) = problem.domain.box
    # One neuron is active throughout; the line of the other passes near the middle.
    lines = [(1, 0, 1 - left), (3, -2, low + high - Fraction(3, 2) * (left + right) + Fraction(1, 97))]
    w, b = np.array([line[:2] for line in lines], float), np.array([line[2] for line in lines], float)
    c = np.array([1.0, 0.5])
    previous = None
    for points in _POINTS:
        tried = PlaneFormulas(found.data, found.edges, found.pieces, points)
        form = plane_form(tried)
        values = np.concatenate([[plane_energy(form, w, b, c)], plane_parts(form, w, b, c).total])
        if previous is not None and np.abs(values - previous).max() <= _SETTLED * np.abs(values).max():
            return tried
        previous = values
    raise InputError(
        f"{problem.name}: {_POINTS[-1]} Gauss points each way do not integrate its data; smoother ones would do"
    )


def _function(expressions: tuple[sympy.Expr, ...]) -> Callable[[Array, Array], Array]:
    made = sympy.lambdify((X, Y), list(expressions), NUMPY_MODULES, cse=True)
    return lambda x, y: np.stack([v + 0 * x for v in made(x, y)])


def _corners(trapezoid: Trapezoid) -> Array:
    (low, bottom), (high, top) = trapezoid.right_side
    left = [trapezoid.left[0] + trapezoid.left[1] * y for y in (bottom, top)]
    return np.array([[float(v) for v in p] for p in ((left[0], bottom), (low, bottom), (high, top), (left[1], top))])


def _floats(point: tuple[Fraction, Fraction]) -> Array:
    return np.array([float(v) for v in point])
