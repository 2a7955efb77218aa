"""Lines through a domain, drawn so that what is summed where they meet surfaces estimates integrals over these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ...verify.models.space.domains import Box, Domain
from ...verify.models.space.faces import Face


@dataclass(frozen=True, eq=False)
class Lines:
    """Parts of lines that lie inside a domain.

    For a surface with unit normal n and a function g on it, Σ weight · g · |e·n| over all places where the lines meet
    the surface has the mean ∫ g dS, e being a line's direction.

    Attributes:
        start: (R, d) float64.
        direction: of length one, (R, d).
        length: (R,).
        weight: (R,).
    """

    start: Tensor
    direction: Tensor
    length: Tensor
    weight: Tensor

    @property
    def end(self) -> Tensor:
        """The other ends, (R, d)."""
        return torch.addcmul(self.start, self.direction, self.length[:, None])

    def inside(self, domain: Domain) -> Lines:
        """Those parts of them that lie inside a domain."""
        row, low, high = domain.clipped(self.start, self.end)
        length = self.length[row]
        start = torch.addcmul(self.start[row], self.direction[row], (low * length)[:, None])
        return Lines(start, self.direction[row], (high - low) * length, self.weight[row])

    def within(self, face: Face) -> Lines:
        """The same in a flat part of a domain, whose own coordinates they have now."""
        turned = torch.nn.functional.linear(self.direction, face.tangents)
        return Lines(face.at(self.start), turned, self.length, self.weight)

    def on(self, device: torch.device) -> Lines:
        """The same on a device."""
        return Lines(*(a.to(device) for a in (self.start, self.direction, self.length, self.weight)))


def axis_lines(domain: Domain, counts: tuple[int, ...], generator: torch.Generator | None = None) -> Lines:
    """Lines parallel to the axes, those of each axis at the places of a lattice moved at random.

    Each line is uniform on the box's face by itself, which is all that the mean asks for; that they keep their
    distance from one another makes the sum less noisy than independent ones do, at no cost.

    Args:
        domain: which.
        counts: of each axis, how many, (d,).
        generator: of the random moves; by default torch's own.
    """
    frame = _frame(counts, tuple(map(tuple, domain.box.tolist())))
    where = "cpu" if generator is None else generator.device
    moves = torch.rand(len(counts), len(counts), generator=generator, device=where, dtype=torch.float64).cpu()
    start = torch.addcmul(frame.low, (frame.lattice + moves[frame.axis]) % 1, frame.across)
    whole = Lines(start, frame.direction, frame.length, frame.weight)
    return whole if isinstance(domain, Box) else whole.inside(domain)


@dataclass(frozen=True, eq=False)
class _Frame:
    """What does not change from draw to draw, a row a line: (R,) and (R, d)."""

    axis: Tensor
    low: Tensor
    lattice: Tensor
    across: Tensor
    direction: Tensor
    length: Tensor
    weight: Tensor


@lru_cache(maxsize=64)
def _frame(counts: tuple[int, ...], box: tuple[tuple[float, float], ...]) -> _Frame:
    d = len(box)
    low, high = torch.tensor(box, dtype=torch.float64).T
    sides = high - low
    axis = torch.arange(d).repeat_interleave(torch.tensor(counts))
    along = torch.nn.functional.one_hot(axis, d).double()
    lattice = torch.zeros(len(axis), d, dtype=torch.float64)
    for k, count in enumerate(counts):
        others = [j for j in range(d) if j != k]
        lattice[(axis == k).nonzero(), others] = _lattice(count, d - 1)
    faces = (sides.prod() / sides / torch.tensor(counts))[axis]
    return _Frame(axis, low, lattice, (1 - along) * sides, along, sides[axis], faces)


def _lattice(count: int, dimension: int) -> Tensor:
    """Points of a unit cube that keep apart, (count, dimension): i/count, and multiples of irrational numbers.

    The numbers are powers of the root of φ^k = φ + 1 with k the dimension, as in M. Roberts' R-sequence; in two
    dimensions this is Fibonacci's lattice.
    """
    index = torch.arange(count, dtype=torch.float64)
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / max(dimension, 2))
    return torch.stack([index / count, *(index * root**-k % 1 for k in range(1, dimension))], 1)[:, :dimension]
