"""Banded linear algebra of the reduced energy: Cholesky factors, Schur complement, directions of negative curvature.

All matrices are lower banded in the interleaved unknowns (kink, nodal value); what concerns the kinks alone is the
Schur complement S that is left when the nodal values follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import NDArray
from scipy.linalg import cho_solve_banded, cholesky_banded

from .reduced_energy import ReducedEnergy, with_identity_rows

Array = NDArray[np.float64]

# In units of the natural curvature.
LARGEST_SHIFT = 1e6
_SMALLEST_SHIFT = 1e-3
_INVERSE_ITERATIONS = 4
# Factor by which an eigenvalue is bracketed before it is bisected.
_STRIDE = 1e3
_MOST_BRACKETS = 100
# Geometric: 2¹⁴ parts of a factor 1000 are three digits.
_BISECTIONS = 14


@dataclass(frozen=True, eq=False)
class Factors:
    """Cholesky factors of a matrix that was scaled to ones on its diagonal."""

    scale: Array
    lower: Array

    def solve(self, load: Array) -> Array:
        """For a full right-hand side."""
        return np.asarray(self.scale * cho_solve_banded((self.lower, True), load * self.scale, check_finite=False))

    def solve_on_kinks(self, load: Array) -> Array:
        """S⁻¹·load, (K,): the kinks' part of the solution for a load on the kinks."""
        full = np.zeros(len(self.scale))
        full[2:-2:2] = load
        return self.solve(full)[2:-2:2]


def positive_factors(banded: Array) -> Factors | None:
    """Cholesky factors of a lower banded matrix, or None if it is not positive definite."""
    diagonal = banded[0]
    if not (diagonal > 0).all():
        return None
    scale = 1 / np.sqrt(diagonal)
    scaled = banded.copy()
    # Kinks that have run into each other overflow: not positive definite then.
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(len(banded)):
            scaled[k, : len(scale) - k] *= scale[k:] * scale[: len(scale) - k]
    if not np.isfinite(scaled).all():
        return None
    try:
        return Factors(scale, cholesky_banded(scaled, lower=True, check_finite=False))
    except LinAlgError:
        return None


def shifted(hessian: Array, on_kinks: Array) -> Array:
    """A copy with an amount for each kink on its diagonal."""
    out = hessian.copy()
    out[0, 2:-2:2] += on_kinks
    return out


def least_shift(hessian: Array, damping: Array) -> float:
    """The least multiple of the damping, to a fifth, that makes the Hessian positive definite; at most the largest."""

    def enough(shift: float) -> bool:
        return positive_factors(shifted(hessian, damping * shift)) is not None

    low, high = 0.0, _SMALLEST_SHIFT
    while high < LARGEST_SHIFT and not enough(high):
        low, high = high, 10 * high
    while low and high > 1.2 * low:
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def flattest_direction(hessian: Array, damping: Array, shift: float) -> Array:
    """The direction of least curvature in units of the damping, (K,), by inverse iteration at the least shift."""
    factors = positive_factors(shifted(hessian, damping * shift))
    # A start without symmetry, the same every time.
    direction = np.random.default_rng(0).uniform(0.5, 1.5, len(damping)) * (damping > 0)
    if factors is not None:
        for _ in range(_INVERSE_ITERATIONS):
            direction = factors.solve_on_kinks(damping * direction / np.sqrt(direction @ (damping * direction)))
    return direction


def curvature_along(hessian: Array, direction: Array) -> float:
    """direction·S·direction for a displacement of the kinks, (K,)."""
    full = np.zeros(hessian.shape[1])
    full[2:-2:2] = direction
    on_values = _times(hessian, full)
    on_values[0::2] = 0.0
    kinks = np.zeros(hessian.shape[1], dtype=bool)
    kinks[0::2] = True
    factors = positive_factors(with_identity_rows(hessian.copy(), kinks))
    if factors is not None:
        full -= factors.solve(on_values)
    return float(full @ _times(hessian, full))


def smallest_curvature(energy: ReducedEnergy, pinned: NDArray[np.bool_]) -> tuple[float, bool]:
    """Least eigenvalue of S to three digits, and whether S is positive definite up to rounding.

    H − λ on the kinks' diagonal is positive definite exactly if λ is below all eigenvalues of S: bisection.
    """
    if pinned.all():
        return np.inf, True
    hessian, free = energy.hessian(pinned), ~pinned

    def above(value: float) -> bool:
        return positive_factors(shifted(hessian, np.where(free, -value, 0.0))) is not None

    allowance = np.where(free, 1e-9 * energy.natural_curvature, 0.0)
    minimum = positive_factors(shifted(hessian, allowance)) is not None
    diagonal = np.abs(hessian[0, 2:-2:2][free])
    sign = 1.0 if above(0.0) else -1.0
    # Brackets of a factor 1000, from the largest positive number down or from the smallest negative one up. No
    # eigenvalue of the Schur complement is larger than the diagonal before the nodal values are eliminated; at a saddle
    # that diagonal may vanish for one kink, and the size of the negative ones is told by the others.
    strides = range(_MOST_BRACKETS)
    largest, smallest = float(diagonal.min()), 1e-12 * float(diagonal.max())
    brackets = (largest * _STRIDE**-k if sign > 0 else smallest * _STRIDE**k for k in strides)
    size = next((m for m in brackets if above(sign * m)), 0.0)
    low, high = sign * size, sign * size * _STRIDE**sign
    for _ in range(_BISECTIONS):
        middle = float(np.copysign(np.sqrt(low * high), low))
        low, high = (middle, high) if above(middle) else (low, middle)
    return float(low), minimum


def _times(banded: Array, vector: Array) -> Array:
    out = np.asarray(banded[0] * vector)
    for k in range(1, len(banded)):
        out[k:] += banded[k, :-k] * vector[:-k]
        out[:-k] += banded[k, :-k] * vector[k:]
    return out
