"""Where the energy is summed up: a grid, points drawn once, or points drawn anew at each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import torch
from torch import Tensor

from ...verify.choices import unknown
from ...verify.statement.box import BoxProblem
from ..networks.choices import Sampling
from .statement import corners, inside

SAMPLINGS: tuple[str, ...] = get_args(Sampling)
# Apart from the seeds of starting parameters, which begin at 0.
_POINTS, _LINES = 2**40, 2**41


def generators(seeds: Sequence[int], of_lines: bool = False) -> list[torch.Generator]:
    """One a network, so that its numbers do not depend on its company; those of lines are others."""
    offset = _LINES if of_lines else _POINTS
    return [torch.Generator().manual_seed((s + offset) % 2**63) for s in seeds]


def points_of(
    problem: BoxProblem, sampling: str, points: int, seeds: Sequence[int], dtype: torch.dtype
) -> Callable[[], Tensor]:
    """What gives the points of each step, (n, d) for all networks or (B, n, d), each of weight volume ÷ n.

    Args:
        problem: where.
        sampling: "grid": midpoints of equal cells, about as many in the box as asked for. "fixed": drawn once for each
            network. "anew": drawn at each step.
        points: how many.
        seeds: of the networks.
        dtype: of the numbers.

    Raises:
        InputError: an unknown name.
    """
    low, high = corners(problem, torch.float64)
    d = problem.inputs
    if sampling == "grid":
        side = max(1, round(points ** (1 / d)))
        share = (torch.arange(side, dtype=torch.float64) + 0.5) / side
        lattice = torch.stack(torch.meshgrid(*[share] * d, indexing="ij"), -1).reshape(-1, d)
        nodes = low + lattice * (high - low)
        nodes = nodes[inside(problem, nodes)].to(dtype)
        return lambda: nodes
    if sampling not in SAMPLINGS:
        raise unknown("sampling", sampling, SAMPLINGS)
    drawing = generators(seeds)

    def of_one(generator: torch.Generator) -> Tensor:
        x = low + torch.rand(points, d, generator=generator, dtype=torch.float64) * (high - low)
        while problem.without and not bool((kept := inside(problem, x)).all()):
            # What fell into a cut is drawn again.
            more = torch.rand(points - int(kept.sum()), d, generator=generator, dtype=torch.float64)
            x = torch.cat([x[kept], low + more * (high - low)])
        return x

    def draw() -> Tensor:
        return torch.stack([of_one(g) for g in drawing]).to(dtype)

    if sampling == "anew":
        return draw
    drawn = draw()
    return lambda: drawn
