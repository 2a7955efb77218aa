"""Parameters of networks told in the distance to a place far from 0."""

from __future__ import annotations

import torch
from torch import Tensor

# Splits a float64 into two halves of 26 bits, whose products are exact (Dekker 1971, Numer. Math. 18, 224).
_SPLIT = 2.0**27 + 1


def moved_biases(w: Tensor, b: Tensor, place: float) -> Tensor:
    """b + w·place as if it were rounded once, differentiable in w and b.

    The two summands all but cancel where a kink lies near the place; their own rounding would be what is left.

    Args:
        w: hidden weights (...).
        b: hidden biases (...), of w's type.
        place: a float64 number.
    """
    if not place:
        return b
    wide, shift = w.double(), b.double()
    product = wide * place
    total = product + shift
    with torch.no_grad():
        (high, low), (place_high, place_low) = _halves(wide), _halves(wide.new_tensor(place))
        # What rounding took from the product, and from the sum (Knuth's two-sum).
        lost = ((high * place_high - product) + high * place_low + low * place_high) + low * place_low
        back = total - product
        lost = lost + ((product - (total - back)) + (shift - back))
        # Splitting overflows from 1e300 on, where nothing of this matters.
        lost = torch.where(torch.isfinite(lost), lost, torch.zeros_like(lost))
    return (total + lost).to(b.dtype)


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    scaled = _SPLIT * x
    high = scaled - (scaled - x)
    return high, x - high
