"""Gauss points on pieces whose ends may move."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .polynomials import gauss


def gauss_on_pieces(marks: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights between neighbouring marks (B, m), both (B, (m − 1)·order), differentiable in the marks."""
    node, share = _fractions(order, marks.dtype, marks.device)
    left, length = marks[:, :-1, None], (marks[:, 1:] - marks[:, :-1])[..., None]
    return torch.addcmul(left, length, node).flatten(1), (length * share).flatten(1)


@lru_cache(maxsize=64)
def _fractions(order: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes and weights on (0, 1)."""
    node, weight = gauss(order)
    return tuple(torch.tensor(a, dtype=dtype, device=device) for a in ((1 + node) / 2, weight / 2))  # type: ignore[return-value]
