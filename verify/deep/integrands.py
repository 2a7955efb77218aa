"""Energy densities on a piece where the network is a·x + g, their integrals and their values at kinks.

`RitzIntegrand` takes a problem's six moments in closed form; `GeneralIntegrand` takes Gauss points on smooth pieces and
says how far two rules differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import InputError
from ..line.degeneracies import distance_vanishes, fixed_places
from ..line.moments import Moments, moments
from ..statement import piecewise
from ..statement.comparison import compare
from ..statement.density import SLOPE, VALUE, Density
from ..statement.expressions import NUMPY_MODULES, X, to_mpf
from ..statement.problem import RitzProblem
from .gauss import integrate, integrate_exact

Array = NDArray[Any]

# L and its derivatives by a and by g; then the second ones.
ROWS = ("L", "a", "g", "aa", "ag", "gg")
_A, _G = sympy.symbols("a g", real=True)
# Along the jump of u′ at a kink: exact for densities of degree 32 in u′.
_ALONG_JUMP = 16


class Integrand(Protocol):
    """∫ L(x; a, g) over regions and L at kinks; float64 or mpmath numbers as the arrays are."""

    @property
    def domain(self) -> tuple[sympy.Expr, sympy.Expr]:
        """Its two ends."""
        ...

    @property
    def route(self) -> str:
        """How integrals are found: "antiderivative", "quadrature" or "Gauss points"."""
        ...

    def over(self, marks: Array, a: Array, g: Array, rows: int) -> tuple[Array, float]:
        """∫ over each region between the marks (R + 1,) of the first of `ROWS`, (rows, R), and an error estimate."""
        ...

    def at(self, x: Array, a: Array, g: Array) -> Array:
        """L, ∂L/∂a and ∂L/∂g at places (K,): (3, K)."""
        ...

    def slope_at(self, x: Array, a: Array, g: Array) -> Array:
        """∂L/∂x at fixed a and g, (K,)."""
        ...

    def places(self, order: int) -> tuple[tuple[str, sympy.Expr], ...]:
        """Positions at which a kink has no derivative of that order: (kind, x)."""
        ...

    def invisible(self, kink: Fraction) -> bool:
        """Does D vanish there?"""
        ...


@dataclass(frozen=True)
class RitzIntegrand:
    """½κu′² + ½ρu² − f u, u = lift + D·network: a polynomial in (a, g), its coefficients the problem's moments."""

    problem: RitzProblem
    table: Moments

    @property
    def domain(self) -> tuple[sympy.Expr, sympy.Expr]:
        """Its two ends."""
        return self.problem.domain

    @property
    def route(self) -> str:
        """That of the moments."""
        return self.table.route

    def over(self, marks: Array, a: Array, g: Array, rows: int) -> tuple[Array, float]:
        """See `Integrand`."""
        if marks.dtype == object:
            m = np.diff(self.table.cumulative_exact(list(marks)), axis=-1)
        else:
            m = self.table.increments(marks[1:-1])
        error = float(self.table.error_estimate.sum()) if self.route == "quadrature" else 0.0
        first = _polynomial(m, a, g)
        return (first if rows == 3 else np.concatenate([first, [2 * m[0], m[1], 2 * m[2]]])), error

    def at(self, x: Array, a: Array, g: Array) -> Array:
        """See `Integrand`."""
        return _polynomial(self.table.density(x), a, g)

    def slope_at(self, x: Array, a: Array, g: Array) -> Array:
        """See `Integrand`."""
        return np.asarray(_polynomial(self.table.slope(x), a, g)[0])

    def places(self, order: int) -> tuple[tuple[str, sympy.Expr], ...]:
        """See `Integrand`."""
        return fixed_places(self.problem, order)

    def invisible(self, kink: Fraction) -> bool:
        """See `Integrand`."""
        return distance_vanishes(self.problem.distance, kink)


def _polynomial(m: Array, a: Array, g: Array) -> Array:
    by_slope, by_intercept = 2 * m[0] * a + m[1] * g + m[3], m[1] * a + 2 * m[2] * g + m[4]
    return np.stack([(m[0] * a + m[1] * g + m[3]) * a + (m[2] * g + m[4]) * g + m[5], by_slope, by_intercept])


@dataclass(frozen=True)
class GeneralIntegrand:
    """Any density: derivatives by SymPy, integrals by Gauss points between kinks and interfaces.

    Attributes:
        density: L, D and lift.
        loads: places of the point loads that the energy has besides.
    """

    density: Density
    loads: tuple[sympy.Expr, ...] = ()

    @property
    def domain(self) -> tuple[sympy.Expr, sympy.Expr]:
        """Its two ends."""
        return self.density.domain

    @property
    def route(self) -> str:
        """Gauss points."""
        return "Gauss points"

    def over(self, marks: Array, a: Array, g: Array, rows: int) -> tuple[Array, float]:
        """See `Integrand`."""
        exact = marks.dtype == object
        borders = [to_mpf(e) if exact else float(e) for e in self.density.interfaces]
        cells = []
        for r, (start, stop) in enumerate(pairwise(marks)):
            ends = [start, *(p for p in borders if start < p < stop), stop]
            cells += [(r, sum(bool(p <= u) for p in borders), u, v) for u, v in pairwise(ends) if u < v]
        functions = [_compiled(self.density, k, rows, exact) for k in range(len(borders) + 1)]
        return (integrate_exact if exact else integrate)(functions, cells, a, g, rows)

    def at(self, x: Array, a: Array, g: Array) -> Array:
        """See `Integrand`."""
        return self._by_piece(x, a, g, 3)

    def slope_at(self, x: Array, a: Array, g: Array) -> Array:
        """See `Integrand`."""
        return np.asarray(self._by_piece(x, a, g, 0)[0])

    def _by_piece(self, x: Array, a: Array, g: Array, rows: int) -> Array:
        exact = x.dtype == object
        borders = [to_mpf(e) if exact else float(e) for e in self.density.interfaces]
        which = np.array([sum(bool(v >= p) for p in borders) for v in x.ravel()], dtype=int).reshape(x.shape)
        out = np.empty((rows or 1, *x.shape), dtype=x.dtype)
        for k in np.unique(which):
            here = which == k
            out[:, here] = _compiled(self.density, int(k), rows, exact)(x[here], a[here], g[here])
        return out

    def places(self, order: int) -> tuple[tuple[str, sympy.Expr], ...]:
        """See `Integrand`."""
        ends = [e for e in self.domain if order == 2 or self.density.distance.subs(X, e).is_zero is not True]
        inner = [("kink on a point load", p) for p in self.loads]
        inner += [("kink on an interface", p) for p in self.density.interfaces if p not in self.loads]
        return (*(("kink on the end of the domain", e) for e in ends), *inner)

    def invisible(self, kink: Fraction) -> bool:
        """See `Integrand`."""
        return distance_vanishes(self.density.distance, kink)


def integrand_of(problem: RitzProblem | Density, density: Any = None) -> Integrand:
    """What is integrated: the Ritz density of a problem, another density with its D and lift, or a whole `Density`."""
    if isinstance(problem, Density):
        if density is not None:
            raise InputError("density: it was given twice; as the first argument or as density= would be right")
        return GeneralIntegrand(problem)
    if not isinstance(problem, RitzProblem):
        raise InputError(f"problem: a {type(problem).__name__} is none; a RitzProblem or a Density would be right")
    if density is None:
        return RitzIntegrand(problem, moments(problem))
    expression = density.expression if isinstance(density, Density) else density
    stated = Density(expression, problem.distance, problem.lift, problem.domain)
    return GeneralIntegrand(stated, tuple(problem.loads))


@lru_cache(maxsize=256)
def _compiled(density: Density, piece: int, rows: int, exact: bool) -> Any:
    """(x, a, g) → the first rows of `ROWS`, (rows, ...), or for rows = 0 ∂L/∂x at fixed a and g, (1, ...)."""
    ends = (density.domain[0], *density.interfaces, density.domain[1])
    left, right = ends[piece], ends[piece + 1]
    form, distance, lift = (
        piecewise.branch(e, left, right) for e in (density.expression, density.distance, density.lift)
    )
    u = lift + distance * (_A * X + _G)
    whole = form.subs({VALUE: u, SLOPE: sympy.diff(u, X)}, simultaneous=True)
    by_slope, by_intercept = sympy.diff(whole, _A), sympy.diff(whole, _G)
    listed = [whole, by_slope, by_intercept]
    if rows > 3:
        listed += [sympy.diff(by_slope, _A), sympy.diff(by_slope, _G), sympy.diff(by_intercept, _G)]
    listed = listed if rows else [sympy.diff(whole, X)]
    function = sympy.lambdify([X, _A, _G], listed, modules="mpmath" if exact else NUMPY_MODULES, cse=True)

    def evaluate(x: Array, a: Array, g: Array) -> Array:
        if exact:
            # One place at a time: mpmath's functions take no arrays.
            places = np.broadcast_arrays(x, a, g)
            values = np.empty((len(listed), *places[0].shape), dtype=object)
            for index in np.ndindex(*places[0].shape):
                values[(slice(None), *index)] = [mpmath.mpmathify(v) for v in function(*(p[index] for p in places))]
                if not all(isinstance(v, mpmath.mpf) and mpmath.isfinite(v) for v in values[(slice(None), *index)]):
                    raise _not_finite(density, *(float(p[index]) for p in places))
            return values
        shape = np.broadcast_shapes(x.shape, a.shape, g.shape)
        values = np.empty((len(listed), *shape))
        with np.errstate(all="ignore"):
            for row, value in enumerate(function(x, a, g)):
                values[row] = value
        bad = np.argwhere(~np.isfinite(values).all(axis=0))
        if len(bad):
            raise _not_finite(density, *(float(np.broadcast_to(v, shape)[tuple(bad[0])]) for v in (x, a, g)))
        return values

    return evaluate


def _not_finite(density: Density, x: float, a: float, g: float) -> InputError:
    return InputError(
        f"density: {density.expression} or a derivative of it is not finite at x = {x:.6g}, where the network is "
        f"{a * x + g:.6g}; one that is finite wherever the network goes would be right"
    )


def jump(integrand: Integrand, x: Array, a: Array, g: Array, bend: Array) -> Array:
    """⟦L⟧ ÷ ⟦a⟧ at kinks (K,): the mean of ∂L/∂a − x ∂L/∂g along the jump of the slope.

    A difference of the two sides would lose to rounding what a slight kink has.

    Args:
        integrand: L.
        x: ξ.
        a: slope of the network left of it.
        g: intercept there.
        bend: ⟦a⟧.
    """
    exact = x.dtype == object
    if exact:
        before, after = integrand.at(x, a, g)[0], integrand.at(x, a + bend, g - bend * x)[0]
        safe = np.where(bend == 0, mpmath.mpf(1), bend)
        return np.asarray(np.where(bend == 0, mpmath.mpf(0), (after - before) / safe))
    nodes, weights = np.polynomial.legendre.leggauss(1 if isinstance(integrand, RitzIntegrand) else _ALONG_JUMP)
    share = (1 + nodes) / 2
    places = np.broadcast_to(x[:, None], (len(x), len(share)))
    slopes = a[:, None] + bend[:, None] * share
    values = integrand.at(places, slopes, (g[:, None] + a[:, None] * places) - slopes * places)
    return np.asarray((values[1] - places * values[2]) @ weights / 2)


def near_place(integrand: Integrand, kink: Fraction, order: int) -> tuple[str, sympy.Expr] | None:
    """The end or interface on which a kink lies exactly, if it has no derivative there."""
    for kind, place in integrand.places(order):
        if abs(float(kink) - float(place)) <= 1e-9 * (1 + abs(float(place))) and compare(kink, place) == 0:
            return kind, place
    return None
