"""The energy on one combinatorial cell as a closed form in the parameters, for polynomial data; SymPy's.

As long as no line passes a crossing of two others, a cell keeps its corners' names, and its energy is a polynomial in
the corners' coordinates and in (a₁, a₂, g); the corners are quotients of polynomials in the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
import sympy

from ..errors import InputError
from ..statement.blocks import PlaneBlocks
from ..statement.plane import PlaneProblem, X, Y, require_network
from ..statement.plane_network import PlaneNetwork
from .cells import Cell, cells
from .derivation import AFFINE

# From corner 0 to corner 1 of an edge.
_ENDS = sympy.symbols("x_0 y_0 x_1 y_1", real=True)
# Two lines that cross: w₁, w₂ and b of each.
_FIRST, _SECOND = sympy.symbols("p_1 p_2 p_3", real=True), sympy.symbols("q_1 q_2 q_3", real=True)


@dataclass(frozen=True)
class CellForm:
    """A closed form, and what it is composed of.

    Attributes:
        cell: whose energy it is, with its sign.
        energy: in the corners' symbols x0, y0, x1, … and (a₁, a₂, g).
        corners: of each its x and y in the parameters w_i1, w_i2, b_i.
        affine: a₁, a₂ and g in the parameters.
    """

    cell: Cell
    energy: Any
    corners: tuple[tuple[Any, Any], ...]
    affine: tuple[Any, ...]

    def expression(self) -> Any:
        """The energy in the parameters alone."""
        put = {s: v for k, pair in enumerate(self.corners) for s, v in zip(_corner(k), pair, strict=True)}
        return self.energy.subs({**put, **dict(zip(AFFINE, self.affine, strict=True))}, simultaneous=True)


def parameter_symbols(i: int) -> tuple[sympy.Symbol, ...]:
    """w_i1, w_i2, b_i and c_i of neuron i."""
    found = sympy.symbols(f"w_{i}1 w_{i}2 b_{i} c_{i}", real=True)
    return found[0], found[1], found[2], found[3]


def cell_forms(problem: PlaneProblem, network: PlaneNetwork) -> tuple[CellForm, ...]:
    """The closed forms of all cells of a network: their values add up to the energy, but for terms on named edges.

    Raises:
        InputError: the data are no polynomials.
    """
    require_network(network, problem)
    edge = _edge_energy(problem)
    out = []
    for cell in cells(problem.domain, network.rationals):
        count = len(cell.corners)
        # A sum over the edges, each with its own ends for those of the formula.
        energy = sum(
            edge.subs(dict(zip(_ENDS, (*_corner(k), *_corner((k + 1) % count)), strict=True)), simultaneous=True)
            for k in range(count)
        )
        lines = [parameter_symbols(e)[:3] if e >= 0 else _exact(cell.still[-1 - e]) for e in cell.edges]
        corners = tuple(
            tuple(f.subs(dict(zip((*_FIRST, *_SECOND), (*lines[k - 1], *lines[k]), strict=True))) for f in _crossing())
            for k in range(count)
        )
        neurons = [parameter_symbols(i) for i in cell.active]
        affine = tuple(sympy.Add(*(n[3] * n[k] for n in neurons)) for k in range(3))
        out.append(CellForm(cell, cell.sign * energy, corners, affine))
    return tuple(out)


def closed_form_gradient(problem: PlaneProblem, network: PlaneNetwork) -> tuple[Fraction, PlaneBlocks]:
    """Energy and gradient in Fractions, from SymPy's derivatives of the closed forms; without terms on named edges.

    Raises:
        InputError: the data are no polynomials with rational coefficients.
    """
    require_network(network, problem)
    edge, crossing = _edge_functions(problem), _crossing_functions()
    rows, width = network.rationals, network.width
    energy, gradient = Fraction(0), np.array([Fraction(0)] * (4 * width), dtype=object)
    for cell in cells(problem.domain, rows):
        affine = [sum((rows[i][3] * rows[i][k] for i in cell.active), Fraction(0)) for k in range(3)]
        count = len(cell.corners)
        by_corner, by_affine = np.array([[Fraction(0)] * 2] * count, dtype=object), [Fraction(0)] * 3
        for k in range(count):
            value, *parts = edge(*cell.corners[k], *cell.corners[(k + 1) % count], *affine)
            energy += cell.sign * value
            by_corner[k] += parts[:2]
            by_corner[(k + 1) % count] += parts[2:4]
            by_affine = [a + b for a, b in zip(by_affine, parts[4:], strict=True)]
        for k in range(count):
            around = (cell.edges[k - 1], cell.edges[k])
            lines = [rows[e][:3] if e >= 0 else cell.still[-1 - e] for e in around]
            slopes = np.array(crossing(*lines[0], *lines[1]), dtype=object).reshape(2, 6)
            moved = cell.sign * (by_corner[k] @ slopes)
            for e, part in zip(around, np.split(moved, 2), strict=True):
                if e >= 0:
                    gradient[[2 * e, 2 * e + 1, 2 * width + e]] += part
        for i in cell.active:
            w1, w2, b, c = rows[i]
            for place, factor in zip((2 * i, 2 * i + 1, 2 * width + i), by_affine, strict=True):
                gradient[place] += cell.sign * c * factor
            total = sum((v * f for v, f in zip((w1, w2, b), by_affine, strict=True)), Fraction(0))
            gradient[3 * width + i] += cell.sign * total
    return energy, PlaneBlocks.from_vector(gradient)


@lru_cache(maxsize=32)
def _edge_energy(problem: PlaneProblem) -> Any:
    """∫ (∫ L dx) dy along an edge, in its ends and (a₁, a₂, g): over a cell's edges these add up to its energy."""
    if not problem.polynomial:
        raise InputError(f"{problem.name}: there are closed forms for polynomials with rational coefficients alone")
    a1, a2, g = AFFINE
    u = problem.lift + problem.distance * (a1 * X + a2 * Y + g)
    flux = problem.flux(u)
    density = (flux[0] * sympy.diff(u, X) + flux[1] * sympy.diff(u, Y)) / 2 - problem.source * u
    terms = sympy.Poly(sympy.expand(density), X, Y).terms()
    return sympy.Add(*(value * _edge_monomial(m + 1, n) / (m + 1) for (m, n), value in terms))


def _edge_monomial(m: int, n: int) -> Any:
    """∫ xᵐ yⁿ dy along an edge, by Euler's beta function."""
    x0, y0, x1, y1 = _ENDS
    out = sympy.Add(
        *(
            # C(m,i) C(n,j) ∫ (1 − t)^(m+n−i−j) t^(i+j) dt
            sympy.Rational(comb(m, i) * comb(n, j), (m + n + 1) * comb(m + n, i + j))
            * (x0 ** (m - i) * x1**i * y0 ** (n - j) * y1**j)
            for i in range(m + 1)
            for j in range(n + 1)
        )
    )
    return out * (y1 - y0)


def _crossing() -> tuple[Any, Any]:
    """Where two lines cross, in their parameters."""
    (p1, p2, p3), (q1, q2, q3) = _FIRST, _SECOND
    cross = p1 * q2 - p2 * q1
    return (p2 * q3 - p3 * q2) / cross, (p3 * q1 - p1 * q3) / cross


@lru_cache(maxsize=32)
def _edge_functions(problem: PlaneProblem) -> Callable[..., Any]:
    variables, energy = (*_ENDS, *AFFINE), _edge_energy(problem)
    return _in_fractions(variables, [energy, *(sympy.diff(energy, s) for s in variables)])


@lru_cache(maxsize=1)
def _crossing_functions() -> Callable[..., Any]:
    variables = (*_FIRST, *_SECOND)
    return _in_fractions(variables, [sympy.diff(f, s) for f in _crossing() for s in variables])


def _in_fractions(variables: tuple[Any, ...], expressions: list[Any]) -> Callable[..., Any]:
    """Rational functions, to be called with Fractions; a third in Python's own code would be a float."""
    numbers = sorted({v for e in expressions for v in e.atoms(sympy.Rational) if not v.is_Integer})
    names = sympy.symbols(f"k:{len(numbers)}", real=True)
    put = dict(zip(numbers, names, strict=True))
    function = sympy.lambdify((*variables, *names), [e.xreplace(put) for e in expressions], [], cse=True)
    constants = [Fraction(int(v.p), int(v.q)) for v in numbers]
    return lambda *arguments: [Fraction(v) for v in function(*arguments, *constants)]


def _exact(values: tuple[Fraction, ...]) -> tuple[Any, ...]:
    return tuple(sympy.Rational(v.numerator, v.denominator) for v in values)


def _corner(k: int) -> tuple[Any, Any]:
    found = sympy.symbols(f"x{k} y{k}", real=True)
    return found[0], found[1]
