"""Flat parts of a domain that an integral runs over: all of it, a part, a face, an edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import or_
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from .domains import Box, Domain, as_domain


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


def part_of(piece: Sequence[Any]) -> Face:
    """A box of as many dimensions as there are pairs, of numbers and pairs, one of both for each input.

    Raises:
        InputError: an end that is not above the other.
    """
    free = [k for k, s in enumerate(piece) if np.ndim(s)]
    domain = as_domain(tuple(tuple(float(v) for v in piece[k]) for k in free))
    origin = torch.tensor([0.0 if k in free else float(s) for k, s in enumerate(piece)], dtype=torch.float64)
    return Face(domain, origin, torch.eye(len(piece), dtype=torch.float64)[:, free])


def flat_part(given: Any) -> Face | None:
    """A face or an edge as users write it, ((0, 1), 0) or a `Segment`, or as it is known; None for anything else.

    Raises:
        InputError: it is empty.
    """
    if isinstance(given, Face):
        return given
    if isinstance(given, Segment):
        return given.face
    if not isinstance(given, tuple) or len(given) < 2:
        return None
    fixed = [isinstance(s, int | float) for s in given]
    pairs = [isinstance(s, tuple | list) and len(s) == 2 for s in given]
    if not (any(fixed) and any(pairs) and all(map(or_, fixed, pairs))):
        return None
    return part_of(given)


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
