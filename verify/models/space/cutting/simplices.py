"""Gauss rules on triangles and segments in the plane, split until two rules agree on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ....errors import InputError

# Points along a side of the rules that are compared in turn; degrees 2n − 1 are exact.
_ORDERS = (2, 3, 4, 6, 9)
# What all together may be off by, as a share of the integral of the sizes.
_TOLERANCE = 1e-10
# Splittings after which a density is too rough for that, and how many simplices.
_SPLIT, _MOST = 30, 40_000
# Points (n, 2) and the simplex of each → rows (k, n) that are to be integrated.
Rows = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Nodes:
    """Where to evaluate, and with which weights.

    Attributes:
        x: (n, 2).
        weight: (n,).
        owner: to which of the simplices that were given each belongs, (n,).
    """

    x: Tensor
    weight: Tensor
    owner: Tensor

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """So many at a time."""
        yield from zip(*(torch.split(a, size) for a in (self.x, self.weight, self.owner)), strict=True)


class RoughError(InputError):
    """What no splitting helps to integrate.

    Attributes:
        place: near which it is rough, (2,).
    """

    def __init__(self, place: Tensor) -> None:
        where = ", ".join(f"{v:.6g}" for v in place.tolist())
        super().__init__(
            f"density: between the kinks it is not smooth near x = ({where}), so that its integral cannot be had; a "
            "density that is piecewise smooth in x would be right"
        )
        self.place = place


@lru_cache(maxsize=8)
def _rule(sides: int, order: int) -> tuple[Tensor, Tensor]:
    """Nodes as shares of the sides from the first corner, (q, sides), and weights (q,) that add up to one.

    On the triangle Gauss's points on its first side, denser towards the first corner, and along the lines from there.
    """
    node, weight = np.polynomial.legendre.leggauss(order)
    t, along = (node + 1) / 2, weight / 2
    if sides == 1:
        return torch.from_numpy(t[:, None]), torch.from_numpy(along)
    # Gauss's rule for the weight 1 + x on (−1, 1): the eigenvalues of Jacobi's matrix (Golub and Welsch 1969).
    k = np.arange(order)
    diagonal = 1 / ((2 * k + 1) * (2 * k + 3))
    beside = np.sqrt((k[1:] * (k[1:] + 1)) / (2 * k[1:] + 1) ** 2)
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    s, across = (values + 1) / 2, vectors[0] ** 2
    share = np.stack([np.repeat(s, order) * (1 - np.tile(t, order)), np.repeat(s, order) * np.tile(t, order)], 1)
    return torch.from_numpy(share), torch.from_numpy(np.outer(across, along).ravel())


def converged(simplices: Tensor, rows: Rows) -> Nodes:
    """Nodes of a rule on each simplex, and of its parts where need be, that integrates all rows.

    Args:
        simplices: triangles (S, 3, 2) or segments (S, 2, 2).
        rows: what is to be integrated.

    Raises:
        RoughError: it is too rough.
    """
    left, owner = simplices, torch.arange(len(simplices))
    scale: Tensor | None = None
    done: list[Nodes] = []
    for _ in range(_SPLIT):
        before = _integrated(left, owner, _ORDERS[0], rows)[0]
        for order in _ORDERS[1:]:
            now, size, nodes = _integrated(left, owner, order, rows)
            if scale is None:
                total = size.sum(1)
                scale = torch.where(total > 0, total, 1.0)
            if not bool(torch.isfinite(scale).all()):
                raise RoughError(nodes.x[(~torch.isfinite(rows(nodes.x, nodes.owner)).all(0)).nonzero()[0, 0]])
            good = ((now - before).abs() <= _TOLERANCE * scale[:, None] / len(simplices)).all(0)
            of_node = good.repeat_interleave(len(nodes.x) // max(len(left), 1))
            done.append(Nodes(nodes.x[of_node], nodes.weight[of_node], nodes.owner[of_node]))
            left, owner, before = left[~good], owner[~good], now[:, ~good]
            if not len(left):
                return Nodes(*(torch.cat([getattr(n, name) for n in done]) for name in ("x", "weight", "owner")))
        left = _parts(left)
        owner = owner.repeat_interleave(len(left) // len(owner))
        if len(left) > _MOST + 4 * len(simplices):
            break
    _, size, _ = _integrated(left, owner, _ORDERS[0], rows)
    raise RoughError(left[size[0].argmax()].mean(0))


def _integrated(simplices: Tensor, owner: Tensor, order: int, rows: Rows) -> tuple[Tensor, Tensor, Nodes]:
    """Integrals over each simplex and of the sizes, both (k, S), and the nodes."""
    nodes = _nodes(simplices, owner, order)
    values = rows(nodes.x, nodes.owner) * nodes.weight
    parts = values.reshape(len(values), len(simplices), -1)
    return parts.sum(2), parts.abs().sum(2), nodes


def _nodes(simplices: Tensor, owner: Tensor, order: int) -> Nodes:
    share, weight = _rule(simplices.shape[1] - 1, order)
    sides = simplices[:, 1:] - simplices[:, :1]
    x = simplices[:, :1] + share @ sides
    size = sides[:, 0].norm(dim=1) if sides.shape[1] == 1 else _area(sides)
    return Nodes(x.reshape(-1, 2), (size[:, None] * weight).reshape(-1), owner.repeat_interleave(len(weight)))


def _area(sides: Tensor) -> Tensor:
    """Signed, so that what rounding turns over is taken away again."""
    found: Tensor = (sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) / 2
    return found


def _parts(simplices: Tensor) -> Tensor:
    """Two halves, or four triangles between the middles of sides; one after the other for each."""
    a, b = simplices[:, 0], simplices[:, 1]
    ab = (a + b) / 2
    if simplices.shape[1] == 2:
        return torch.stack([a, ab, ab, b], 1).reshape(-1, 2, 2)
    c = simplices[:, 2]
    bc, ca = (b + c) / 2, (c + a) / 2
    return torch.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], 1).reshape(-1, 3, 2)
