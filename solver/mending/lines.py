"""Lines through a domain, drawn so that what is summed where they meet surfaces estimates integrals over these."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .domains import Domain


@dataclass(frozen=True, eq=False)
class Lines:
    """Parts of lines that lie inside a domain.

    For a surface with unit normal n and a function g on it, Σ weight · g · |e·n| over all places where the lines meet
    the surface has the mean ∫ g dS, e being a line's direction.

    Attributes:
        start: (R, d) float64.
        end: (R, d).
        weight: (R,).
    """

    start: Tensor
    end: Tensor
    weight: Tensor

    def at(self, row: Tensor, share: Tensor) -> Tensor:
        """Points on lines (Q,) at shares (Q,) of their lengths, (Q, d)."""
        return torch.lerp(self.start[row], self.end[row], share[:, None])


def axis_lines(domain: Domain, counts: tuple[int, ...], generator: torch.Generator | None = None) -> Lines:
    """Lines parallel to the axes, those of each axis at the places of a lattice moved at random.

    Each line is uniform on the box's face by itself, which is all that the mean asks for; that they keep their
    distance from one another makes the sum less noisy than independent ones do, at no cost.

    Args:
        domain: which.
        counts: of each axis, how many, (d,).
        generator: of the random moves; by default torch's own.
    """
    box = domain.box
    d = len(box)
    sides = box[:, 1] - box[:, 0]
    where = "cpu" if generator is None else generator.device
    moves = torch.rand(d, d, generator=generator, device=where, dtype=torch.float64).to(box.device)
    starts, ends, weights = [], [], []
    for axis, count in enumerate(counts):
        share = (_lattice(count, d - 1, box.device) + moves[axis, : d - 1]) % 1
        others = [k for k in range(d) if k != axis]
        start = box[:, 0].repeat(count, 1)
        start[:, others] += share * sides[others]
        end = start.clone()
        end[:, axis] = box[axis, 1]
        starts.append(start)
        ends.append(end)
        weights.append(sides[others].prod().expand(count) / count)
    start, end, weight = torch.cat(starts), torch.cat(ends), torch.cat(weights)
    row, low, high = domain.clipped(start, end)
    whole = Lines(start, end, weight)
    return Lines(whole.at(row, low), whole.at(row, high), weight[row])


def _lattice(count: int, dimension: int, device: torch.device) -> Tensor:
    """Points of a unit cube that keep apart, (count, dimension): i/count, and multiples of irrational numbers.

    The numbers are powers of the root of φ^k = φ + 1 with k the dimension, as in M. Roberts' R-sequence; in two
    dimensions this is Fibonacci's lattice.
    """
    index = torch.arange(count, dtype=torch.float64, device=device)
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / max(dimension, 2))
    return torch.stack([index / count, *(index * root**-k % 1 for k in range(1, dimension))], 1)[:, :dimension]
