"""The integrals that every energy of a problem is made of.

Between two kinks the network is a·x + g, and the energy density is a polynomial in (a, g) whose six coefficients are
functions of x alone (`Derivation.density`). Their antiderivatives, taken at the kinks, give the energy of any
one-hidden-layer network (MATH 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.expressions import X, to_mpf
from ..statement.problem import Piece, RitzProblem
from .derivation import BIAS, OTHER_SLOPE, OUTPUT, PARAMETERS, POWERS, VALUE, WEIGHT, derive
from .integration import (
    Function,
    antiderivative,
    blocks,
    end_to_end_integral,
    polynomial_antiderivative,
    trusted,
    vectorised,
)

Array = NDArray[Any]


@dataclass(frozen=True)
class Moments:
    """The six density coefficients of a problem, their running integrals and their slopes.

    Attributes:
        route: "antiderivative" if SymPy's closed forms serve throughout, "quadrature" if some did not exist or hold.
        error_estimate: absolute error of the running integrals in float64, (6,); 0 for closed forms.
    """

    problem: RitzProblem
    densities: tuple[tuple[sympy.Expr, ...], ...]
    antiderivatives: tuple[tuple[sympy.Expr | None, ...], ...]
    running: tuple[Function, ...]
    route: str
    error_estimate: Array

    def cumulative(self, x: Array) -> Array:
        """∫ from the left end to x of each coefficient in float64, (6, ...)."""
        total = self.running[0](x)
        for function in self.running[1:]:
            total = total + function(x)
        return np.asarray(total)

    def increments(self, x: Array) -> Array:
        """∫ over the pieces between ascending positions (..., N), the domain's ends included: (6, ..., N + 1).

        A neuron that is active only next to an end has a gradient that antiderivatives lose to cancellation; there
        the integrals are taken by Gauss points from that end.
        """
        (left, right), reach = self.problem.ends, self.reach
        rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        # Kinks that were moved to an end bound pieces of no length.
        inner = (rows > left) & (rows < right)
        starts, counts = (rows <= left).sum(axis=1).tolist(), inner.sum(axis=1).tolist()
        places = rows[inner]
        upto = self._upto(places, places - left < reach[0])
        near = right - places < reach[1]
        from_right = np.zeros_like(upto)
        from_right[:, near] = -self._from_end(-1, right, places[near])
        out = np.zeros((len(POWERS), len(rows), rows.shape[1] + 1))
        done = 0
        for row, (start, count) in enumerate(zip(starts, counts, strict=True)):
            here, end = slice(done, done + count), start + count
            values, tail, pieces = upto[:, here], from_right[:, here], out[:, row]
            pieces[:, start:end] = values
            pieces[:, end] = self._whole
            pieces[:, start + 1 : end + 1] -= values
            near_here = int(near[here].sum())
            if near_here:
                tail = tail[:, count - near_here :]
                pieces[:, end - near_here + 1 : end] = tail[:, :-1] - tail[:, 1:]
                pieces[:, end] = tail[:, -1]
            done += count
        return out.reshape(len(POWERS), *x.shape[:-1], x.shape[-1] + 1)

    def _upto(self, x: Array, near: Array) -> Array:
        """∫ from the left end to x (K,), by Gauss points where that end is near, (6, K)."""
        if near.all():
            return self._from_end(0, self.problem.ends[0], x)
        out = self.cumulative(x)
        if near.any():
            out[:, near] = self._from_end(0, self.problem.ends[0], x[near])
        return out

    @cached_property
    def _whole(self) -> Array:
        """∫ over the domain of each coefficient, (6,)."""
        return self.cumulative(np.array(self.problem.ends[1]))

    def _from_end(self, piece: int, end: float, x: Array) -> Array:
        return _gauss_from_end(self._density_functions(False)[piece], end, x, _GAUSS_POINTS)

    @property
    def reach(self) -> tuple[float, float]:
        """How far from either end the Gauss points are as good as rounding; 0 where they never are."""
        return _reach(self.problem)

    def cumulative_exact(self, x: Sequence[Any]) -> Array:
        """The same at mpmath's precision for ascending x, (6, len(x)), objects."""
        out = np.full((len(POWERS), len(x)), mpmath.mpf(0), dtype=object)
        for piece, densities, integrals in zip(self.problem.pieces, self.densities, self.antiderivatives, strict=True):
            left, right = to_mpf(piece.left), to_mpf(piece.right)
            places = [min(max(v, left), right) for v in x]
            for row, density, integral in zip(out, densities, integrals, strict=True):
                if density == 0:
                    continue
                if integral is not None:
                    function = _of_mpmath(integral)
                    start = function(left)
                    # Kinks that were moved to an end are in one place.
                    risen = {v: function(v) - start for v in dict.fromkeys(places)}
                    row += np.array([risen[v] for v in places], dtype=object)
                else:
                    ends = [left, *places]
                    row += np.cumsum([_quad(density, piece, a, b) for a, b in zip(ends, places, strict=False)])
        return out

    def density(self, x: Array) -> Array:
        """The six coefficients at x, (6, ...), float64 or mpmath objects; the right-hand branch on an interface."""
        return self._by_piece(self._density_functions(x.dtype == object), x, np.ones(x.shape))

    def slope(self, x: Array) -> Array:
        """Their derivatives, like `density`."""
        exact = x.dtype == object
        return self._by_piece(_functions(self.problem, "slope", exact), x, np.ones(x.shape))

    def dirac(self, x: Array, w: Array, c: Array, value: Array, other_slope: Array, sides: Array) -> Array:
        """The sifted Dirac terms of ∂Π/∂(w, b, c) for kinks at x, (3, ...)."""
        exact = x.dtype == object
        arrays = [np.broadcast_to(a, x.shape) for a in (w, c, value, other_slope)]
        return self._by_piece(_functions(self.problem, "dirac", exact), x, sides, *arrays)

    def _density_functions(self, exact: bool) -> tuple[Function, ...]:
        return _functions(self.problem, "density", exact)

    def _by_piece(self, functions: tuple[Function, ...], x: Array, sides: Array, *others: Array) -> Array:
        if len(functions) == 1:
            return np.asarray(functions[0](x, *others))
        interfaces = self.problem.interfaces
        where = np.zeros(x.shape, dtype=int)
        for place in interfaces:
            p = to_mpf(place) if x.dtype == object else float(place)
            where += (x > p) | ((x == p) & (sides > 0))
        out: Array | None = None
        for k, function in enumerate(functions):
            here = where == k
            values = function(x[here], *(a[here] for a in others))
            out = np.empty((len(values), *x.shape), dtype=x.dtype) if out is None else out
            out[:, here] = values
        assert out is not None
        return out


_GAUSS_POINTS = 16
# Tables bring many pieces of polynomials, whose antiderivatives need no check by quadrature, for some 0.1 s each.
_MANY_PIECES = 8


@lru_cache(maxsize=64)
def _legendre(points: int) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(points)


def _gauss_from_end(density: Function, end: float, x: Array, points: int) -> Array:
    """∫ from an end to each x (K,) of the six coefficients, (6, K)."""
    nodes, weights = _legendre(points)
    half, middle = (x - end) / 2, points // 2
    out = np.empty((len(POWERS), len(x)))
    # Block by block: what a block needs stays in the processor's cache.
    for block in blocks(len(x), points):
        values = density(end + half[block] * (1 + nodes[:, None]))
        # What the nodes add to one of them: on a short interval little, so that the sum is rounded once, not as often
        # as it has terms. In NumPy's own order: the same digits whatever else is in the block.
        one = values[:, middle]
        out[:, block] = 2 * one + ((values - one[:, None]) * weights[:, None]).sum(axis=1)
    out *= half
    return out


@lru_cache(maxsize=64)
def _reach(problem: RitzProblem) -> tuple[float, float]:
    out = []
    for which, sign in ((0, 1), (-1, -1)):
        piece, density = problem.pieces[which], _functions(problem, "density", False)[which]
        end = float(problem.domain[which])
        length = float(piece.right - piece.left) / 2
        for _ in range(10):
            with np.errstate(all="ignore"):
                coarse, fine = (_gauss_from_end(density, end, np.array([end + sign * length]), n) for n in (16, 24))
            # Two rules that agree to rounding are both right; on shorter intervals they only get better.
            if (np.abs(coarse - fine) <= 4e-15 * np.abs(fine)).all():
                break
            length /= 2
        else:
            length = 0.0
        out.append(length)
    return out[0], out[1]


# s = v²⁰ makes distance^p smooth in v for p > −0.95, so that the part next to an end keeps its digits.
_SUBSTITUTION = 20


def _quad(density: sympy.Expr, piece: Piece, start: Any, stop: Any) -> Any:
    """∫ of a density over part of a smooth piece, at mpmath's precision; it may be singular at the piece's ends."""
    if stop <= start:
        return mpmath.mpf(0)
    left, right = to_mpf(piece.left), to_mpf(piece.right)
    if start > left and stop < right:
        return mpmath.quad(_of_mpmath(density), [start, stop])
    if start == left and stop == right:
        middle = (left + right) / 2
        return _quad(density, piece, left, middle) + _quad(density, piece, middle, right)
    # In the distance to the end; `subs` lets 1 − (1 − s) become s before a number is put in.
    place = piece.left + X if start == left else piece.right - X
    function = _of_mpmath(density.subs(X, place))
    reach = mpmath.root(stop - start, _SUBSTITUTION)
    return mpmath.quad(
        lambda v: _SUBSTITUTION * v ** (_SUBSTITUTION - 1) * function(v**_SUBSTITUTION), [0, reach / 2, reach]
    )


@lru_cache(maxsize=512)
def _of_mpmath(expression: sympy.Expr) -> Function:
    """A function of x in mpmath's numbers, at whatever precision holds when it is called; compiled once."""
    function: Function = sympy.lambdify(X, expression, "mpmath")
    return function


@lru_cache(maxsize=64)
def moments(problem: RitzProblem) -> Moments:
    """Integrate the density coefficients of a problem; once per problem, then from memory."""
    derivation = derive(problem)
    densities, integrals, running = [], [], []
    errors = np.zeros(len(POWERS))
    for piece in problem.pieces:
        left, right = float(piece.left), float(piece.right)
        row = [derivation.specialise(derivation.density[p], piece) for p in POWERS]
        found: list[sympy.Expr | None] = []
        numerical = {}
        for k, density in enumerate(row):
            if (
                len(problem.pieces) >= _MANY_PIECES
                and (exact := polynomial_antiderivative(density, piece.left)) is not None
            ):
                found.append(exact)
                continue
            reference = end_to_end_integral(density, piece.left, piece.right)
            integral = antiderivative(density)
            if trusted(integral, density, left, right, reference):
                found.append(integral)
            else:
                found.append(None)
                numerical[k] = reference
                errors[k] += reference.error_estimate
        densities.append(tuple(row))
        integrals.append(tuple(found))
        running.append(_running(found, numerical, left, right))
    return Moments(
        problem,
        tuple(densities),
        tuple(integrals),
        tuple(running),
        "quadrature" if errors.any() else "antiderivative",
        errors,
    )


def _running(found: list[sympy.Expr | None], numerical: dict[int, Any], left: float, right: float) -> Function:
    closed = vectorised([sympy.Integer(0) if e is None else e for e in found])
    start = closed(np.array(left))

    def evaluate(x: Array) -> Array:
        x = np.minimum(np.maximum(x, left), right)
        out = closed(x)
        out -= start.reshape(-1, *(1,) * x.ndim)
        for k, integral in numerical.items():
            out[k] = integral(x)
        return np.asarray(out)

    return evaluate


@lru_cache(maxsize=256)
def _functions(problem: RitzProblem, what: str, exact: bool) -> tuple[Function, ...]:
    """Compiled functions, one for each smooth piece, of (x, …) → (rows, ...)."""
    derivation = derive(problem)
    arguments = [X]
    if what == "dirac":
        arguments += [WEIGHT, OUTPUT, VALUE, OTHER_SLOPE]
        rows = [derivation.dirac_terms[n] for n in PARAMETERS]
        assert not any(r.has(BIAS) for r in rows)
    else:
        rows = [derivation.density[p] for p in POWERS]
    out = []
    for piece in problem.pieces:
        special = [derivation.specialise(r, piece) for r in rows]
        if what == "slope":
            special = [sympy.diff(r, X) for r in special]
        out.append(_compiled(arguments, special, exact))
    return tuple(out)


def _compiled(arguments: list[sympy.Symbol], expressions: list[sympy.Expr], exact: bool) -> Function:
    if not exact:
        return vectorised(expressions, arguments)
    function = sympy.lambdify(arguments, expressions, modules="mpmath", cse=True)

    def pointwise(*arrays: Array) -> Array:
        out = np.full((len(expressions), *arrays[0].shape), mpmath.mpf(0), dtype=object)
        for index in np.ndindex(*arrays[0].shape):
            out[(slice(None), *index)] = function(*(a[index] for a in arrays))
        return out

    return pointwise
