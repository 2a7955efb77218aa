"""Antiderivatives: SymPy's where it has one that holds, else piecewise Chebyshev with an error estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from sympy.integrals.manualintegrate import manualintegrate
from sympy.simplify.fu import TR8

from ..statement.expressions import NUMPY_MODULES, X

Array = NDArray[Any]
Function = Callable[[Any], Any]

_DEGREE = 24
# Numbers that a formula is evaluated at in one go: with its intermediates they fit a second-level cache.
_BLOCK = 4096
# Bisections towards a singular end: distance^(−0.9) still has 10⁻³⁰ of its integral nearer than 2⁻¹⁰⁰⁰.
_DEPTH = 1000
# Coefficients below this share of the largest value are rounding.
_TAIL = 4e-16


def antiderivative(smooth: sympy.Expr) -> sympy.Expr | None:
    """SymPy's antiderivative in `X`, or None. Not yet trusted: see `trusted`.

    Products of sines and cosines are turned into sums first and each term is integrated by itself, by parts where that
    ends, else with the rules of `manualintegrate`, which search a hundred times as long: the general `integrate` may
    search for minutes, and may return branches that jump.
    """
    total = sympy.Integer(0)
    for term in sympy.Add.make_args(sympy.expand(TR8(sympy.expand(smooth)))):
        integral = _by_parts(term)
        integral = manualintegrate(term, X) if integral is None else integral
        # Branch functions and special functions would need branch tracking or are slow; quadrature serves better.
        if integral.has(sympy.Integral, sympy.Piecewise, sympy.I, sympy.sign, sympy.Heaviside, sympy.hyper):
            return None
        total += integral
    return total


def polynomial_antiderivative(smooth: sympy.Expr, left: sympy.Expr) -> sympy.Expr | None:
    """∫ from `left` to x of a polynomial with rational coefficients, by Horner's scheme in x − left; None for all else.

    Told in the distance to the left end it loses no digits on a short piece far from 0.
    """
    if not (left.is_Rational and smooth.is_polynomial(X)):
        return None
    try:
        polynomial = sympy.Poly(smooth, X, domain="QQ")
    except sympy.CoercionFailed:
        return None
    value = sympy.Integer(0)
    distance = X - left
    for coefficient in polynomial.shift(left).integrate().all_coeffs():
        value = value * distance + coefficient
    return value


# The antiderivative of a sine, a cosine or an exponential of x, and so on: after how many it is itself again.
_WAVES = {
    sympy.sin: (lambda z: -sympy.cos(z), lambda z: -sympy.sin(z), sympy.cos, sympy.sin),
    sympy.cos: (sympy.sin, lambda z: -sympy.cos(z), lambda z: -sympy.sin(z), sympy.cos),
    sympy.exp: (sympy.exp,),
}


def _by_parts(term: sympy.Expr) -> sympy.Expr | None:
    """∫ c xⁿ, or c xⁿ times a sine, cosine or exponential of kx + m: Σ (−1)ʲ (xⁿ)⁽ʲ⁾ Wⱼ₊₁; None for all else."""
    factor, rest = term.as_independent(X, as_Add=False)
    power, wave = sympy.Integer(0), None
    for part in sympy.Mul.make_args(rest):
        base, exponent = part.as_base_exp()
        if base == X and exponent.is_Integer and exponent > 0:
            power = exponent
        elif part.func in _WAVES and wave is None:
            wave = part
        elif part != 1:
            return None
    if wave is None:
        return factor * X ** (power + 1) / (power + 1)
    place = wave.args[0]
    rate = sympy.diff(place, X)
    if X in rate.free_symbols:
        return None
    series = _WAVES[wave.func]
    parts = (
        (-1) ** j * sympy.ff(power, j) * X ** (power - j) * series[j % len(series)](place) / rate ** (j + 1)
        for j in range(int(power) + 1)
    )
    return factor * sympy.Add(*parts)


def vectorised(expressions: list[sympy.Expr], arguments: Sequence[sympy.Symbol] = (X,)) -> Function:
    """A function of float64 arrays (...), by default of x, giving all expressions at once, (len, ...)."""
    function = sympy.lambdify(arguments, expressions, modules=NUMPY_MODULES, cse=True)

    def fill(out: Array, *arrays: Any) -> None:
        for row, value in enumerate(function(*arrays)):
            out[row] = value

    def evaluate(*arrays: Any) -> Any:
        shape = np.shape(arrays[0])
        out = np.empty((len(expressions), *shape))
        if np.size(arrays[0]) <= _BLOCK:
            fill(out, *arrays)
            return out
        flat, columns = [np.ravel(a) for a in arrays], out.reshape(len(expressions), -1)
        for block in blocks(columns.shape[1]):
            fill(columns[:, block], *(a[block] for a in flat))
        return out

    return evaluate


def blocks(count: int, each: int = 1) -> list[slice]:
    """Slices of so many items that all values of a block, so many for each, stay in the processor's cache."""
    size = max(1, _BLOCK // each)
    return [slice(k, min(k + size, count)) for k in range(0, count, size)]


@dataclass(frozen=True)
class ChebyshevIntegral:
    """∫ from the left end to x of one function, as Chebyshev series on cells bisected until each has converged.

    Attributes:
        edges: cell limits, (M + 1,).
        series: coefficients of the running integral on each cell, (degree + 2, M).
        error_estimate: sum over the cells of width × last coefficients.
    """

    edges: Array
    series: Array
    error_estimate: float

    def __call__(self, x: Array) -> Array:
        """The integral up to x (...), clipped to the interval."""
        cell = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.edges) - 2)
        left, right = self.edges[cell], self.edges[cell + 1]
        local = np.clip((2 * x - left - right) / (right - left), -1, 1)
        return np.asarray(chebyshev.chebval(local, self.series[:, cell], tensor=False))


@dataclass(frozen=True)
class EndToEndIntegral:
    """∫ from the left end to x, each half in the distance to its own end.

    A singularity at either end is resolved to rounding of that distance, not of x.
    """

    left: float
    right: float
    from_left: ChebyshevIntegral
    from_right: ChebyshevIntegral

    @property
    def error_estimate(self) -> float:
        """Absolute error, of both halves together."""
        return self.from_left.error_estimate + self.from_right.error_estimate

    def __call__(self, x: Array) -> Array:
        """The integral up to x (...), clipped to the interval."""
        half = (self.right - self.left) / 2
        total = self.from_left(np.array(half)) + self.from_right(np.array(half))
        near_left = x - self.left <= half
        return np.asarray(np.where(near_left, self.from_left(x - self.left), total - self.from_right(self.right - x)))


def end_to_end_integral(smooth: sympy.Expr, left: sympy.Expr, right: sympy.Expr) -> EndToEndIntegral:
    """Integrate a smooth expression in `X` numerically; integrable singularities at the ends are allowed."""
    half = float(right - left) / 2
    halves = []
    for place in (left + X, right - X):
        # `subs` lets 1 − (1 − s) become s before a float is put in.
        function = vectorised([smooth.subs(X, place)])
        halves.append(chebyshev_integral(lambda s, f=function: f(s)[0], 0.0, half))  # type: ignore[misc]
    return EndToEndIntegral(float(left), float(right), *halves)


def _mapped(function: Function, middle: float, half: float) -> Function:
    return lambda t: function(middle + half * t)


def chebyshev_integral(function: Function, left: float, right: float) -> ChebyshevIntegral:
    """Integrate a smooth function, which may have an integrable singularity at either end."""
    cells: list[tuple[float, float, Array]] = []
    error = 0.0
    scale = 0.0
    stack = [(left, right, 0)]
    while stack:
        a, b, depth = stack.pop()
        half, middle = (b - a) / 2, (a + b) / 2
        # Mapped about the nearer end, so that nodes next to a singular end keep their distance to it.
        coefficients = chebyshev.chebinterpolate(_mapped(function, middle, half), _DEGREE)
        tail = float(np.abs(coefficients[-3:]).max())
        # Integrals count, not values: a tall spike on a tiny cell needs no more digits than its area.
        scale = max(scale, float(np.abs(coefficients[:3]).max()) * half)
        if tail * half <= _TAIL * scale or depth == _DEPTH:
            error += tail * half
            cells.append((a, b, half * chebyshev.chebint(coefficients, lbnd=-1)))
        else:
            stack += [(middle, b, depth + 1), (a, middle, depth + 1)]
    totals = np.array([chebyshev.chebval(1.0, c) for _, _, c in cells])
    series = np.stack([c for _, _, c in cells], axis=-1)
    series[0] += np.concatenate([[0.0], np.cumsum(totals)[:-1]])
    edges = np.array([a for a, _, _ in cells] + [right])
    return ChebyshevIntegral(edges, series, error + 4e-16 * scale)


def trusted(
    integral: sympy.Expr | None, smooth: sympy.Expr, left: float, right: float, reference: EndToEndIntegral
) -> bool:
    """Does the antiderivative agree with a numerical integral throughout the interval?

    Catches a wrong answer, one that jumps inside the interval, and one that cancels so badly that float64 loses it.
    """
    if integral is None:
        return False
    x = np.linspace(left, right, 129)
    with np.errstate(all="ignore"):
        values = vectorised([integral])(x)[0]
        difference = np.abs((values - values[0]) - reference(x)).max()
        size = np.abs(reference(x)).max() + (right - left) * np.abs(vectorised([smooth])(x[1:-1])).mean()
    # 50 roundings of the largest intermediate: a healthy antiderivative stays below ten.
    return bool(difference <= 1e-14 * size + 10 * reference.error_estimate)
