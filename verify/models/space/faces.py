"""Flat parts of a domain that an integral runs over: all of it, a part, a face, an edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from .domains import Box, Domain


@dataclass(frozen=True, eq=False)
class Face:
    """Points origin + tangents·y, y in a domain of as many inputs as the part has dimensions.

    Attributes:
        domain: of y.
        origin: (d,).
        tangents: (d, e), of length one and perpendicular to each other, so that lengths and areas are those of y.
    """

    domain: Domain
    origin: Tensor
    tangents: Tensor

    @property
    def dimension(self) -> int:
        """Of the part, e."""
        return self.tangents.shape[1]

    def at(self, y: Tensor) -> Tensor:
        """Points (n, d) of coordinates (n, e)."""
        return torch.nn.functional.linear(y, self.tangents, self.origin)

    @property
    def box(self) -> Tensor:
        """A box of the inputs with the part in it, (d, 2), flat where the part is."""
        corners = torch.cartesian_prod(*self.domain.box).reshape(-1, self.dimension)
        x = self.at(corners)
        return torch.stack([x.amin(0), x.amax(0)], 1)


def whole(domain: Domain) -> Face:
    """All of a domain."""
    d = len(domain.box)
    return Face(domain, torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64))


@dataclass(frozen=True)
class Segment:
    """A straight line between two points, as a piece of the boundary or of the inside.

    Attributes:
        start: d numbers.
        end: d numbers.
    """

    start: Any
    end: Any

    @property
    def face(self) -> Face:
        """Its points, by their distance from the start.

        Raises:
            InputError: not two different points of as many numbers.
        """
        a = b = torch.zeros(0)
        try:
            a, b = (torch.as_tensor(np.asarray(p, dtype=float)) for p in (self.start, self.end))
            length = float((b - a).norm())
        except (TypeError, ValueError, RuntimeError):
            length = 0.0
        if not 0 < length < float("inf"):
            raise InputError(f"terms: {self!r} is no segment; two different points of as many numbers would be right")
        return Face(Box(torch.tensor([[0.0, length]], dtype=torch.float64)), a, ((b - a) / length)[:, None])
