"""Gauss points on pieces whose ends may move."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from .polynomials import gauss

# An irrational share of the domain: poles are rational numbers, or nearly so.
_NO_POLE = 0.3819660112501051


def gauss_on_pieces(marks: Tensor, order: int, poles: Mapping[float, int] | None = None) -> tuple[Tensor, Tensor]:
    """Nodes and weights between neighbouring marks (B, m), both (B, (m − 1)·order), differentiable in the marks.

    Args:
        marks: ascending.
        order: Gauss points a piece.
        poles: marks where the data are infinite, with q: pieces nearby have the points of t in x = pole ± t^q. No
            piece is near to two.
    """
    node, share = _fractions(order, marks.dtype, marks.device)
    left, length = marks[:, :-1, None], (marks[:, 1:] - marks[:, :-1])[..., None]
    x, weights = torch.addcmul(left, length, node), length * share
    for pole, q in (poles or {}).items():
        away = (marks - pole)[..., None]
        rightwards = away[:, 1:] + away[:, :-1] > 0
        # Only pieces longer than their distance to the pole need it.
        here = torch.minimum(away[:, 1:].abs(), away[:, :-1].abs()) < length
        # The root of the distance has no derivative on the pole, where nothing moves.
        root = torch.where(away == 0, 0.0, torch.where(away == 0, 1.0, away.abs()) ** (1 / q))
        start, stop = root[:, :-1], root[:, 1:]
        t = start + (stop - start) * node
        near = torch.where(rightwards, pole + t**q, pole - t**q)
        x = torch.where(here, near, x)
        weights = torch.where(here, (stop - start).abs() * q * t ** (q - 1) * share, weights)
    if poles:
        # A piece without length weighs nothing; on a pole that would be nothing times infinity.
        x = torch.where(length > 0, x, marks[:, :1, None] + _NO_POLE * (marks[:, -1:, None] - marks[:, :1, None]))
    return x.flatten(1), weights.flatten(1)


@lru_cache(maxsize=64)
def _fractions(order: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes and weights on (0, 1)."""
    node, weight = gauss(order)
    return tuple(torch.tensor(a, dtype=dtype, device=device) for a in ((1 + node) / 2, weight / 2))  # type: ignore[return-value]
