"""Pieces of a domain and of its boundary as users write them, read and checked to lie in the domain's closure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from .domains import Box, Domain, Polygon, as_domain, even_points
from .faces import Face, Segment, part_of, whole
from .fields import probes

# A point is in the closure of a domain if it is inside, or if a point so near is, as a share of the domain's size, in
# one of so many directions.
_NEAR, _DIRECTIONS = 1e-6, 64
_WANTED = (
    'a number or a pair for each input (((0, 1), 0) is a side of a square), a Segment, "boundary", a domain or a '
    "list of points would be right"
)


@dataclass(frozen=True, eq=False)
class Piece:
    """What a density is integrated over, or of which points the mean is taken.

    Attributes:
        faces: flat parts.
        points: (K, d), or None.
        said: in words.
    """

    faces: tuple[Face, ...]
    points: Tensor | None
    said: str


def faces_of(piece: Any, domain: Domain, number: int) -> Piece:
    """A piece as users write it.

    Args:
        piece: for each input a number or a pair: a part of the domain, a face, an edge, a corner; a `Segment`;
            "boundary"; a domain; or points, (K, d) or (d,).
        domain: of which it is a piece.
        number: of the term, for messages.

    Raises:
        InputError: it is none of these, or not in the domain's closure.
    """
    found = _read(piece, domain, number)
    outside = ~near(domain, _looked(found))
    if bool(outside.any()):
        place = ", ".join(f"{v:g}" for v in _looked(found)[outside][0].tolist())
        raise InputError(
            f"terms: the piece of number {number} has the point ({place}), outside the domain; one in its "
            "closure would be right"
        )
    return found


def _read(piece: Any, domain: Domain, number: int) -> Piece:
    d = len(domain.box)
    refusal = InputError(f"terms: number {number} has the piece {piece!r}; {_WANTED}")
    if isinstance(piece, str):
        if piece != "boundary":
            raise refusal
        return Piece(_boundary(domain), None, "over the boundary")
    if isinstance(piece, Segment):
        face = piece.face
        if len(face.origin) != d:
            raise refusal
        return Piece((face,), None, f"over {tuple(piece.start)}–{tuple(piece.end)}")
    if isinstance(piece, Domain) or hasattr(piece, "inside") or hasattr(piece, "is_inside"):
        part = as_domain(piece)
        if len(part.box) != d:
            raise refusal
        return Piece((whole(part),), None, f"over a {type(piece).__name__}")
    sides = [np.shape(s) for s in piece] if isinstance(piece, tuple) else []
    if len(sides) == d and all(s in ((), (2,)) for s in sides) and (2,) in sides and not _is_points(piece, d):
        return Piece((_part(piece, number),), None, f"over {_said(piece)}")
    try:
        points = torch.as_tensor(np.asarray(piece.tolist() if isinstance(piece, Tensor) else piece, dtype=float))
        points = points.reshape(1, -1) if points.ndim == 1 else points
    except (TypeError, ValueError):
        raise refusal from None
    if points.ndim != 2 or points.shape[1] != d or not len(points) or not bool(torch.isfinite(points).all()):
        raise refusal
    one = ", ".join(f"{v:g}" for v in points[0].tolist())
    return Piece((), points, f"at ({one})" if len(points) == 1 else f"mean of {len(points)} points")


def _is_points(piece: tuple[Any, ...], d: int) -> bool:
    """Two pairs are a box; lists, arrays and tensors within are points."""
    return d == 2 and all(isinstance(s, list | np.ndarray | Tensor) for s in piece)


def _part(piece: tuple[Any, ...], number: int) -> Face:
    """A box of as many dimensions as there are pairs."""
    try:
        return part_of(piece)
    except InputError:
        raise InputError(
            f"terms: the piece {piece} of number {number} is empty; ascending ends would be right"
        ) from None


def _said(piece: tuple[Any, ...]) -> str:
    return " × ".join(f"({s[0]:g}, {s[1]:g})" if np.ndim(s) else f"{{{float(s):g}}}" for s in piece)


def _boundary(domain: Domain) -> tuple[Face, ...]:
    if isinstance(domain, Polygon):
        return tuple(Segment(a, b).face for a, b in zip(*(e.numpy() for e in domain.edges), strict=True))
    if isinstance(domain, Box):
        sides = [tuple(s) for s in domain.box.tolist()]
        return tuple(_part((*sides[:k], end, *sides[k + 1 :]), 0) for k, pair in enumerate(sides) for end in pair)
    raise InputError(
        f"terms: a {type(domain).__name__} does not tell its boundary; a box or a Polygon, or points, would be right"
    )


def _looked(piece: Piece) -> Tensor:
    """Points of a piece: its own, or corners and some inside."""
    parts = [] if piece.points is None else [piece.points]
    for face in piece.faces:
        y = probes(face.domain)
        if isinstance(face.domain, Box):
            y = torch.cat([torch.cartesian_prod(*face.domain.box).reshape(-1, face.dimension), y])
        parts.append(face.at(y))
    return torch.cat(parts)


def near(domain: Domain, x: Tensor) -> Tensor:
    """Which of the points (n, d) lie in a domain's closure, (n,)."""
    box = domain.box
    size = box[:, 1] - box[:, 0]
    if isinstance(domain, Box):
        # By rounding outside is not outside.
        return ((x >= box[:, 0] - 1e-12 * size) & (x <= box[:, 1] + 1e-12 * size)).all(1)
    steps = even_points(torch.tensor([[-1.0, 1.0]] * len(box), dtype=torch.float64), _DIRECTIONS, seed=0) * _NEAR * size
    found = domain.inside(x)
    for step in steps:
        found = found | domain.inside(x + step)
    return found
