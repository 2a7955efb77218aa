"""The functions of x and y that a plane problem's integrals are made of, in coordinates about the polygon's centre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.expressions import NUMPY_MODULES
from ..statement.plane import PlaneProblem, X, Y
from ..statement.polygon import Point, RationalPolygon
from .derivation import Data, areal_functions, line_functions

Array = NDArray[Any]
# The pairs (r, s) of A_rs in the order in which they are kept, and where each is found.
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
PAIR = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])


@dataclass(frozen=True)
class Family:
    """Functions of (x, y), evaluated together.

    Attributes:
        expressions: in x and y.
    """

    expressions: tuple[Any, ...]

    @property
    def degree(self) -> int | None:
        """The greatest total degree; None if some are no polynomials."""
        return max(self.degrees, default=0) if all(e.is_polynomial(X, Y) for e in self.expressions) else None

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        """Total degrees of polynomials."""
        return tuple(sympy.Poly(e, X, Y).total_degree() if e != 0 else 0 for e in self.expressions)

    def at(self, x: Array, y: Array, numbers: str) -> Array:
        """(F, ...) values at points (...), numbers of a kind of `rule.NUMBERS`."""
        if not self.expressions:
            return np.empty((0, *x.shape), dtype=x.dtype)
        if numbers == "float":
            one = np.ones_like(x)
            return np.stack([v * one for v in self._floats(x, y)])
        if numbers == "mpf":
            function = _exact_function(self, mpmath.mp.prec)
            found = np.empty((len(self.expressions), x.size), dtype=object)
            for k, (p, q) in enumerate(zip(x.ravel(), y.ravel(), strict=True)):
                found[:, k] = function(p, q)
            return found.reshape(-1, *x.shape)
        return np.stack([sum((c * x**i * y**j for i, j, c in t), 0 * x + Fraction(0)) for t in self._terms])

    @cached_property
    def _floats(self) -> Callable[..., Any]:
        function: Callable[..., Any] = sympy.lambdify((X, Y), list(self.expressions), NUMPY_MODULES, cse=True)
        return function

    @cached_property
    def _terms(self) -> list[list[tuple[int, int, Fraction]]]:
        out = []
        for e in self.expressions:
            terms = sympy.Poly(e, X, Y).terms() if e != 0 else []
            out.append([(i, j, Fraction(int(c.p), int(c.q))) for (i, j), c in terms])
        return out


@lru_cache(maxsize=64)
def _exact_function(family: Family, precision: int) -> Callable[..., Any]:
    # Constants such as π² are evaluated when the function runs, at the precision then.
    function: Callable[..., Any] = sympy.lambdify((X, Y), list(family.expressions), "mpmath", cse=True)
    return function


@dataclass(frozen=True)
class PlaneFunctions:
    """What `derive_plane` finds, for one problem.

    Attributes:
        domain: about 0.
        centre: where that was.
        data: those of `derivation.DATA` about the centre that differ from each other, and from 0 and 1.
        known: which is which, see `derivation.Data`.
        degree: the greatest of what is integrated along lines; None where that is no polynomial.
        edges: ends of the edges with a flux or an essential value, and what these add to the energy, as in `areal`, per
            share of the edge.
    """

    domain: RationalPolygon
    centre: Point
    data: Family
    known: Data
    degree: int | None
    edges: tuple[tuple[tuple[Point, Point], Family], ...]

    def areal(self, x: Array, y: Array, numbers: str) -> Array:
        """(10, ...): the six A_rs in the order of `PAIRS`, three A_r, and the density of the lift alone."""
        found = _stacked(areal_functions(self.known)(x, y, *self.data.at(x, y, numbers)), x)
        # Halved as an array: where it is nil it was a plain 0 before, and 0/2 is no Fraction.
        found[-1] = found[-1] / 2
        return found

    def line(self, x: Array, y: Array, numbers: str) -> Array:
        """(8, ...): four functions of w₁ and four of w₂, see `PlaneDerivation.line`."""
        return _stacked(line_functions(self.known)(x, y, *self.data.at(x, y, numbers)), x)

    @cached_property
    def slopes(self) -> Family:
        """∂/∂x of the six A_rs and three A_r, then ∂/∂y."""
        areal = areal_functions(self.known)(X, Y, *self.data.expressions)[:9]
        return Family(tuple(sympy.diff(e, s) for s in (X, Y) for e in areal))

    @property
    def size(self) -> float:
        """The greatest distance of a corner from 0."""
        return max(float(np.hypot(float(x), float(y))) for x, y in self.domain.corners)


@lru_cache(maxsize=128)
def plane_functions(problem: PlaneProblem) -> PlaneFunctions:
    """Derived once for each problem."""
    centre = problem.domain.centre
    shift = {X: X + _exact(centre[0]), Y: Y + _exact(centre[1])}

    def moved(expression: Any) -> Any:
        out = expression.subs(shift, simultaneous=True)
        return sympy.expand(out) if out.is_polynomial(X, Y) else out

    # The data move with the origin; the x and y of the derivation are those about the centre.
    (k11, k12), (_, k22) = problem.coefficient
    data = [moved(e) for e in (k11, k12, k22, problem.source, problem.distance, problem.lift)]
    slopes = [sympy.diff(e, s) for e in data[4:] for s in (X, Y)]
    edges = []
    for k, (a, b) in enumerate(problem.domain.edges):
        if k not in problem.dirichlet:
            ends = ((a[0] - centre[0], a[1] - centre[1]), (b[0] - centre[0], b[1] - centre[1]))
            terms = tuple(map(moved, _edge_terms(problem, k)))
            edges.append((ends, Family(_edge_functions(data[4], data[5], terms, a, b))))
    distinct: list[Any] = []
    known: list[int | str] = []
    for e in (*data, *slopes):
        if e in (0, 1):
            known.append(str(e))
        else:
            distinct += [e] if e not in distinct else []
            known.append(distinct.index(e))
    where, degree = problem.domain.moved(centre), _degree(data, [e for _, e in edges])
    return PlaneFunctions(where, centre, Family(tuple(distinct)), tuple(known), degree, tuple(edges))


def _degree(data: list[Any], edges: list[Family]) -> int | None:
    """Of the antiderivatives in x and of the Dirac terms."""
    if Family(tuple(data)).degree is None or any(e.degree is None for e in edges):
        return None
    k11, k12, k22, source, distance, lift = Family(tuple(data)).degrees
    # Of u with a network of degree 1 in it.
    field, coefficient = max(distance + 1, lift), max(k11, k12, k22)
    return max([coefficient + 2 * field - 1, source + field + 1, *(e.degree or 0 for e in edges)])


def _stacked(values: Any, like: Array) -> Array:
    """Numbers among them become arrays, too; of the kind that they are."""
    return np.stack([v if np.shape(v) == like.shape else v + 0 * like for v in values])


def _edge_terms(problem: PlaneProblem, edge: int) -> tuple[Any, Any, Any]:
    """An edge's density as square·u²/2 + linear·u + constant."""
    if edge in problem.fluxes:
        return sympy.Integer(0), -problem.fluxes[edge], sympy.Integer(0)
    wanted = problem.essential[edge]
    return problem.penalty, -problem.penalty * wanted, problem.penalty * wanted**2 / 2


def _edge_functions(distance: Any, lift: Any, terms: tuple[Any, Any, Any], a: Point, b: Point) -> tuple[Any, ...]:
    """The areal functions of an edge's density, times its length."""
    length = sympy.sqrt(_exact((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2))
    around, (square, linear, constant) = (X, Y, sympy.Integer(1)), terms
    out = [square * distance**2 * around[r] * around[s] for r, s in PAIRS]
    out += [(square * lift + linear) * distance * v for v in around]
    out.append(square * lift**2 / 2 + linear * lift + constant)
    return tuple(sympy.expand(length * e) if e.is_polynomial(X, Y) else length * e for e in out)


def _exact(value: Fraction) -> sympy.Rational:
    return sympy.Rational(value.numerator, value.denominator)
