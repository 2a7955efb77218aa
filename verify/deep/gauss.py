"""Gauss–Legendre rules over cells on which a density is smooth, bisected until two of them agree."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
from mpmath.calculus.quadrature import GaussLegendre
from numpy.typing import NDArray

from ..errors import InputError

Array = NDArray[Any]

_POINTS = (16, 24)
# Two rules that agree so far are both right to rounding; a cell that never gets there is left after so many bisections.
_SETTLED = 4e-15
_BISECTIONS = 40

# Bisected so often, what is left of an integrable singularity is less than this share; of a pole it is more.
_LEFT_OF_A_SINGULARITY = 1e-6
# Bits of the guard digits that a singularity may cost at mpmath's precision.
_GUARD_BITS = 60

# (region, which function, left end, right end)
Cells = list[tuple[int, int, Any, Any]]


def integrate(functions: list[Any], cells: Cells, a: Array, g: Array, rows: int) -> tuple[Array, float]:
    """Gauss rules of two orders on each cell; where they differ it is bisected."""
    out = np.zeros((rows, len(a)))
    error, scale = 0.0, np.zeros((rows, 1))
    region, piece = (np.array([c[k] for c in cells], dtype=int) for k in (0, 1))
    left, right = (np.array([c[k] for c in cells], dtype=float) for k in (2, 3))
    for step in range(_BISECTIONS + 1):
        half = (right - left) / 2
        sums, size = [], np.zeros(0)
        for points in _POINTS:
            nodes, weights = np.polynomial.legendre.leggauss(points)
            x = (left + half)[:, None] + half[:, None] * nodes
            values = np.empty((rows, *x.shape))
            for k, function in enumerate(functions):
                here = piece == k
                if here.any():
                    values[:, here] = function(x[here], a[region[here], None], g[region[here], None])
            sums.append(values @ weights * half)
            size = np.abs(values) @ weights * half
        scale = np.maximum(scale, size.sum(axis=1, keepdims=True))
        apart = np.abs(sums[1] - sums[0])
        settled = (apart <= _SETTLED * (scale * half / half.sum() + size)).all(axis=0) | (step == _BISECTIONS)
        for row, value in zip(out, sums[1], strict=True):
            np.add.at(row, region[settled], value[settled])
        error += float(apart[0, settled].sum())
        if settled.all():
            break
        rest = ~settled
        middle = (left[rest] + right[rest]) / 2
        left, right = np.concatenate([left[rest], middle]), np.concatenate([middle, right[rest]])
        region, piece = np.tile(region[rest], 2), np.tile(piece[rest], 2)
    _refuse_unsettled(error, _LEFT_OF_A_SINGULARITY * float(scale[0, 0]), "one without poles")
    return out, error


def _refuse_unsettled(error: Any, most: Any, right: str) -> None:
    if not error <= most:
        raise InputError(
            f"density: its integral does not settle, {_BISECTIONS} bisections leave {float(error):.1e}; {right} would "
            "be right"
        )


@lru_cache(maxsize=16)
def _legendre_exact(degree: int, precision: int) -> tuple[Array, Array]:
    """mpmath's Gauss–Legendre rule with 3·2^(degree − 1) points on (−1, 1)."""
    found = GaussLegendre(mpmath.mp).get_nodes(mpmath.mpf(-1), mpmath.mpf(1), degree, precision)
    nodes, weights = zip(*found, strict=True)
    return np.array(nodes, dtype=object), np.array(weights, dtype=object)


def integrate_exact(functions: list[Any], cells: Cells, a: Array, g: Array, rows: int) -> tuple[Array, float]:
    """The same at mpmath's precision: 24, 48 and 96 points, then bisection."""
    out = np.full((rows, len(a)), mpmath.mpf(0), dtype=object)
    error, settled = mpmath.mpf(0), mpmath.mpf(2) ** (10 - mpmath.mp.prec)
    scale = np.full(rows, mpmath.mpf(0), dtype=object)
    stack = [(*cell, 0) for cell in reversed(cells)]
    while stack:
        region, piece, left, right, depth = stack.pop()
        half, middle, previous, apart = (right - left) / 2, (left + right) / 2, None, np.full(rows, mpmath.inf)
        for degree in (4, 5, 6):
            nodes, weights = _legendre_exact(degree, mpmath.mp.prec)
            values = functions[piece](middle + half * nodes, a[region : region + 1], g[region : region + 1])
            found = values @ weights * half
            scale = np.maximum(scale, np.abs(values) @ weights * half)
            if previous is not None:
                apart = np.abs(found - previous)
                if (apart <= settled * scale).all():
                    break
            previous = found
        if (apart <= settled * scale).all() or depth == _BISECTIONS:
            out[:, region] += found
            error += apart[0]
        else:
            stack += [(region, piece, middle, right, depth + 1), (region, piece, left, middle, depth + 1)]
    wanted = "float64, or one without singularities,"
    _refuse_unsettled(error, mpmath.mpf(2) ** (_GUARD_BITS - mpmath.mp.prec) * len(cells) * scale[0], wanted)
    return out, float(error)
