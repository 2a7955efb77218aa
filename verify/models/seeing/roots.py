"""Roots in brackets, many at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Bisection alone would need as many as a double has bits; the method below is never much slower, and mostly takes ten.
_MOST_STEPS = 120


def bracketed_roots(
    function: Callable[[Tensor], Tensor], low: Tensor, high: Tensor, at_low: Tensor, at_high: Tensor, epsilon: float
) -> Tensor:
    """Roots of functions, one in each bracket, to rounding: inverse quadratic interpolation where that is safe.

    T. R. Chandrupatla, A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function without
    using derivatives, Advances in Engineering Software 28 (1997) 145–149.

    Args:
        function: (Q,) → (Q,), each component of its own.
        low: left ends, (Q,) float64.
        high: right ends, (Q,).
        at_low: values there, of the other sign than `at_high`.
        at_high: values there.
        epsilon: rounding of the values' type.
    """
    if not len(low):
        return low
    tolerance = 2 * epsilon * torch.maximum(low.abs(), high.abs())
    b, a, f_b, f_a = high, low, at_high, at_low
    c, f_c = a, f_a
    t = torch.full_like(low, 0.5)
    best = torch.where(f_a.abs() < f_b.abs(), a, b)
    for _ in range(_MOST_STEPS):
        x = b + t * (a - b)
        f = function(x)
        same = f.sign() == f_b.sign()
        c, f_c, a, f_a = (
            torch.where(same, b, a), torch.where(same, f_b, f_a), torch.where(same, a, b), torch.where(same, f_a, f_b)
        )  # fmt: skip
        b, f_b = x, f
        smaller = f_b.abs() < f_a.abs()
        best = torch.where(smaller, b, a)
        width = (b - a).abs()
        # An end that is not reached by x's own rounding any more.
        least = torch.where(width > 0, tolerance / torch.where(width > 0, width, 1), 1.0)
        if bool(((least >= 0.5) | (torch.where(smaller, f_b, f_a) == 0)).all()):
            break
        xi, phi = (b - a) / _nonzero(c - a), (f_b - f_a) / _nonzero(f_c - f_a)
        quadratic = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
        inverse = f_b / _nonzero(f_a - f_b) * (f_c / _nonzero(f_a - f_c)) + (c - b) / _nonzero(a - b) * (
            f_b / _nonzero(f_c - f_b)
        ) * (f_a / _nonzero(f_c - f_a))
        t = torch.where(quadratic, inverse, 0.5)
        least = least.clamp(max=0.5)
        t = torch.maximum(least, torch.minimum(t, 1 - least))
    return best


def _nonzero(a: Tensor) -> Tensor:
    return torch.where(a == 0, 1, a)
