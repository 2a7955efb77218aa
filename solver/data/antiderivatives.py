"""Running integrals of several functions at once, as polynomials on cells that are halved until each has converged.

Looking up a cell and summing nine powers costs the same for every problem, whatever its functions are, and a batch of
places takes a handful of torch calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sympy
import torch
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.expressions import X
from .polynomials import integrate, interpolate

Array = NDArray[Any]

# Degree of the integrands on a cell. Higher needs fewer cells but more powers at each look-up; the cells are free.
_DEGREE = 8
# Coefficients below this share of the largest one are rounding.
_TAIL = 4e-16
# Halvings towards a singular end: distance^(−0.3) has 1e-15 of its integral nearer than 2⁻⁷².
_DEPTH = 80
# A problem that needs more cells than this oscillates too fast for the table to pay.
_MOST_CELLS = 100_000


@dataclass(frozen=True)
class Table:
    """Piecewise polynomials in t ∈ [−1, 1], the place within a cell.

    Attributes:
        inner: edges between neighbouring cells, (M − 1,).
        centre: of each cell, (M,).
        scale: 2 ÷ its width, (M,).
        coefficients: (degree + 1, rows, M), lowest power first.
    """

    inner: Tensor
    centre: Tensor
    scale: Tensor
    coefficients: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """All rows at x (...), (rows, ...)."""
        cell = torch.searchsorted(self.inner, x, right=True)
        t = (x - self.centre[cell]) * self.scale[cell]
        powers = t.expand(len(self.coefficients) - 1, *t.shape).cumprod(0)
        terms = self.coefficients[:, :, cell]
        return terms[0] + (terms[1:] * powers[:, None]).sum(0)

    def to(self, dtype: torch.dtype, device: torch.device) -> Table:
        """The same in another type or place."""
        return Table(*(t.to(device, dtype) for t in (self.inner, self.centre, self.scale, self.coefficients)))


@dataclass(frozen=True)
class Rows:
    """Functions of x.

    Attributes:
        evaluate: x (...) → (rows, ...).
        polynomial: are all of them polynomials of a degree that a cell holds?
    """

    evaluate: Callable[[Array], Array]
    polynomial: bool = False


def table(pieces: list[tuple[float, float, Rows]], integrated: int, what: str = "problem") -> Table:
    """Tabulate the running integrals of the first rows of some functions, and the values of the others.

    Args:
        pieces: (left, right, functions) for every smooth piece, adjoining, ascending. Functions may grow at the outer
            ends as long as they stay integrable.
        integrated: how many of the rows are to be integrated from the left end on.
        what: for the error message.

    Raises:
        InputError: the functions oscillate too fast to be tabulated.
    """
    cells: list[tuple[Array, Array, Array]] = []
    count = 0
    for left, right, function in pieces:
        pending = np.array([[left, right]])
        scale: Any = 0.0
        for depth in range(_DEPTH + 1):
            half, middle = (pending[:, 1] - pending[:, 0]) / 2, pending.mean(axis=1)
            # On the last cells of an end other than 0 a node may round to the end, where the function may be infinite.
            inner = np.nextafter((left, right), (right, left))
            series, _ = interpolate(partial(_clipped, function.evaluate, inner), pending[:, 0], pending[:, 1], _DEGREE)
            # Integrals count where integrals are asked for: a spike on a tiny cell needs digits of its area only.
            size = np.abs(series).max(axis=0)
            tail = np.abs(series[-2:]).max(axis=0)
            size[:integrated] *= half
            tail[:integrated] *= half
            scale = np.maximum(scale, size.max(axis=1, keepdims=True))
            done = (tail <= _TAIL * scale).all(axis=0)
            # Cells of a few roundings cannot be halved any further.
            # Of a polynomial that is resolved rounding is left, of terms that may be larger than what they add up to.
            done |= function.polynomial
            done |= (half <= 8 * np.finfo(float).eps * np.maximum(abs(pending[:, 0]), abs(pending[:, 1]))) | (
                depth == _DEPTH
            )
            cells.append((middle[done], half[done], series[..., done]))
            count += int(done.sum())
            rest = np.flatnonzero(~done)
            if count + len(rest) > _MOST_CELLS:
                raise InputError(
                    f"{what}: its data oscillate too fast for {_MOST_CELLS:,} cells; a smoother one is right"
                )
            if not len(rest):
                break
            a, m, b = pending[rest, 0], middle[rest], pending[rest, 1]
            pending = np.concatenate([np.stack([a, m], 1), np.stack([m, b], 1)])
    middle, half = (np.concatenate([c[k] for c in cells]) for k in (0, 1))
    series = np.concatenate([c[2] for c in cells], axis=-1)
    order = np.argsort(middle)
    middle, half, series = middle[order], half[order], series[..., order]
    integrals = integrate(series[:, :integrated], 2 * half)
    values = np.concatenate([series[:, integrated:], np.zeros_like(series[:1, integrated:])])
    both = np.concatenate([integrals, values], axis=1)
    monomials = np.tensordot(_to_powers(len(both)), both, axes=1)
    inner = (middle + half)[:-1]
    return Table(*(torch.tensor(a) for a in (inner, middle, 1 / half, monomials)))


def vectorised(expressions: list[sympy.Expr]) -> Rows:
    """Expressions in x, all at once."""
    function = sympy.lambdify(X, expressions, "numpy", cse=True)

    def evaluate(x: Array) -> Array:
        out = np.empty((len(expressions), *x.shape))
        for row, value in enumerate(function(x)):
            out[row] = value
        return out

    polynomial = all(e.is_polynomial(X) and sympy.degree(e, X) <= _DEGREE for e in expressions if e.has(X))
    return Rows(evaluate, polynomial)


def _clipped(function: Callable[[Array], Array], ends: Array, x: Array) -> Array:
    return function(np.clip(x, *ends))


def _to_powers(length: int) -> Array:
    """Matrix from Chebyshev to power coefficients."""
    out = np.zeros((length, length))
    for k in range(length):
        out[: k + 1, k] = chebyshev.cheb2poly(np.eye(length)[k])[: k + 1]
    return out
