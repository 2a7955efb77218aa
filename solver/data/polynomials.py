"""Polynomials on panels: the one place that interpolates and integrates the problem's data, and Gauss's rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]


@lru_cache(maxsize=64)
def gauss(points: int) -> tuple[Array, Array]:
    """Gauss–Legendre nodes and weights on [−1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return nodes, weights


def interpolate(function: Callable[[Array], Array], left: Array, right: Array, degree: int) -> tuple[Array, Array]:
    """Interpolate at Chebyshev's points of each panel.

    Args:
        function: places (M, degree + 1) → (..., M, degree + 1).
        left: of the panels, (M,).
        right: likewise.
        degree: of the polynomials.

    Returns:
        Coefficients by Chebyshev polynomials of the place within the panel, (degree + 1, ..., M); and the values.
    """
    points, matrix = _interpolation(degree)
    values = function(left[:, None] + (right - left)[:, None] * (points + 1) / 2)
    series: Array = np.moveaxis(values @ matrix, -1, 0)
    return series, values


@lru_cache(maxsize=8)
def _interpolation(degree: int) -> tuple[Array, Array]:
    """Chebyshev's points on [−1, 1] and the matrix from values there to coefficients, by discrete orthogonality."""
    # Tₖ(xⱼ) = cos(k(2j + 1)π/2n), with the angle reduced in whole numbers: the recurrence from rounded points, and the
    # cosine of a large rounded angle, leave ten roundings where a coefficient should vanish.
    n = degree + 1
    turns = np.outer(2 * np.arange(n)[::-1] + 1, np.arange(n + 1)) % (4 * n)
    turns = np.minimum(turns, 4 * n - turns)
    sign = np.where(turns > n, -1.0, 1.0)
    turns = np.minimum(turns, 2 * n - turns)
    values = sign * np.where(2 * turns > n, np.sin(np.pi * (n - turns) / (2 * n)), np.cos(np.pi * turns / (2 * n)))
    matrix = values[:, :n] * (2 / n)
    matrix[:, 0] /= 2
    return values[:, 1], matrix


def integrate(series: Array, width: Array, *, backwards: bool = False) -> Array:
    """Running integral over adjoining panels, as series again.

    Args:
        series: coefficients of the integrand, (degree + 1, ..., M).
        width: of the panels, (M,).
        backwards: from each place to the far end of the last panel, instead of from the first panel's near end.

    Returns:
        (degree + 2, ..., M). Sums run from where the integral vanishes, so that it keeps its relative accuracy there.
    """
    out: Array = np.asarray(chebyshev.chebint(series * (width / 2), lbnd=-1), dtype=np.float64)
    totals: Array = np.asarray(chebyshev.chebval(1.0, out), dtype=np.float64)
    if backwards:
        out = -out
        out[0] += np.cumsum(totals[..., ::-1], axis=-1)[..., ::-1]
    else:
        out[0, ..., 1:] += np.cumsum(totals, axis=-1)[..., :-1]
    return out
