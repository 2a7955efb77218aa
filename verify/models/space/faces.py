"""Flat parts of a domain that an integral runs over: all of it, a part, a face, an edge."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .domains import Domain


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
