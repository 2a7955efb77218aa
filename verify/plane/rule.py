"""Rules on (0, 1) that integrate from 0 to any place, exact for polynomials: float64, mpmath numbers or Fractions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.expressions import to_mpf

Array = NDArray[Any]
# Numbers are "float", "mpf" at mpmath's present precision, or "rational".
NUMBERS = ("float", "mpf", "rational")


@dataclass(frozen=True, eq=False)
class Rule:
    """n nodes with weights, and what the interpolant between them integrates to.

    Attributes:
        numbers: of which kind, see `NUMBERS`.
        nodes: (n,).
        weights: (n,); exact up to degree n − 1 at least.
        transform: (n, n), values at the nodes → coefficients of Legendre polynomials, of powers for Fractions.
    """

    numbers: str
    nodes: Array
    weights: Array
    transform: Array

    def upto(self, places: Array) -> Array:
        """∫₀ˢ of the polynomials that are 1 at one node and 0 at the others, for places s (...): (..., n)."""
        count = len(self.nodes)
        if self.numbers == "rational":
            powers = np.stack([places ** (k + 1) / (k + 1) for k in range(count)], axis=-1)
            return np.asarray(powers @ self.transform)
        t = 2 * places - 1
        p = _legendre(t, count)
        out = [(t + 1) / 2, *((p[m + 1] - p[m - 1]) / (2 * (2 * m + 1)) for m in range(1, count))]
        return np.asarray(np.stack(out, axis=-1) @ self.transform)

    def number(self, value: Fraction | sympy.Expr) -> Any:
        """An exact number as one of this kind."""
        if self.numbers == "float":
            return float(value)
        return to_mpf(value) if self.numbers == "mpf" else _fraction(value)

    def array(self, values: Any) -> Array:
        """Exact numbers, in an array of any shape, as numbers of this kind."""
        values = np.asarray(values, dtype=object)
        out = np.empty(values.shape, dtype=float if self.numbers == "float" else object)
        for index, value in np.ndenumerate(values):
            out[index] = self.number(value)
        return out


def rule(numbers: str, points: int) -> Rule:
    """With so many points."""
    if numbers == "rational":
        return _equispaced(max(points, 2))
    return _gauss(points) if numbers == "float" else _gauss_exact(points, mpmath.mp.prec)


@lru_cache(maxsize=64)
def _gauss(points: int) -> Rule:
    t, w = np.polynomial.legendre.leggauss(points)
    return _from_legendre("float", t, w)


@lru_cache(maxsize=32)
def _gauss_exact(points: int, precision: int) -> Rule:
    start, _ = np.polynomial.legendre.leggauss(points)
    t = np.array([mpmath.mpf(float(v)) for v in start], dtype=object)
    # Newton's digits double from sixteen on, and one step more.
    for _ in range(2 + (precision // 50).bit_length()):
        p = _legendre(t, points)
        slope = points * (p[points - 1] - t * p[points]) / (1 - t * t)
        t = t - p[points] / slope
    p = _legendre(t, points)
    slope = points * (p[points - 1] - t * p[points]) / (1 - t * t)
    return _from_legendre("mpf", t, 2 / ((1 - t * t) * slope * slope))


def _from_legendre(numbers: str, t: Array, w: Array) -> Rule:
    p = _legendre(t, len(t))
    transform = np.stack([(2 * m + 1) * w * p[m] / 2 for m in range(len(t))])
    return Rule(numbers, (t + 1) / 2, w / 2, transform)


@lru_cache(maxsize=32)
def _equispaced(points: int) -> Rule:
    nodes = [sympy.Rational(k, points - 1) for k in range(points)]
    inverse = sympy.Matrix(points, points, lambda i, j: nodes[i] ** j).inv()
    transform = np.empty((points, points), dtype=object)
    for i in range(points):
        for j in range(points):
            transform[i, j] = _fraction(inverse[i, j])
    weights = np.array([Fraction(1, k + 1) for k in range(points)], dtype=object) @ transform
    return Rule("rational", np.array([_fraction(v) for v in nodes], dtype=object), weights, transform)


def _legendre(t: Array, highest: int) -> list[Array]:
    """P₀, …, P_highest."""
    out = [0 * t + 1, t]
    for m in range(1, highest):
        out.append(((2 * m + 1) * t * out[m] - m * out[m - 1]) / (m + 1))
    return out


def _fraction(value: Any) -> Fraction:
    return value if isinstance(value, Fraction) else Fraction(int(value.p), int(value.q))
