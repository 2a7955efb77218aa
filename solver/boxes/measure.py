"""What a network of a box problem is worth, measured apart from the points that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...verify.statement.box import BoxProblem
from ..networks.architecture import Architecture
from .energy import BoxObjective, field_and_gradient, sampled_energy
from .statement import box_data, corners, inside, solution_gradient

Array = NDArray[np.float64]

# Independent scramblings of a Sobol sequence, whose spread tells the error, and the points of each.
_SCRAMBLINGS, _POINTS = 8, 2**12
# Lines along each axis for the term: its error is then far below the bulk's.
_LINES = 100


@dataclass(frozen=True, eq=False)
class Measure:
    """Of each network of a batch, all (B,).

    Attributes:
        energy: the integral.
        energy_error: its standard error.
        gradient_error: ‖∇(û − u)‖ ÷ ‖∇u‖ in L²; NaN where no solution is known.
        angle: between the gradients of the energy without and with the term, in degrees; 0 where there is no term, NaN
            where a gradient is nought.
    """

    energy: Array
    energy_error: Array
    gradient_error: Array
    angle: Array


class Meter:
    """Measures networks at points of its own, the same for all.

    With a known solution the energy is its minimum plus that of û − u without load: û and u agree on the faces, and so
    nothing is lost to the difference of two large numbers.

    Args:
        problem: whose energy.
        architecture: of the networks.
        seeds: how many networks there are, and which.
    """

    def __init__(self, problem: BoxProblem, architecture: Architecture, seeds: Sequence[int]) -> None:
        self.problem, self.architecture = problem, architecture
        low, high = corners(problem, torch.float64)
        engines = [
            torch.quasirandom.SobolEngine(problem.inputs, scramble=True, seed=k)  # type: ignore[no-untyped-call]
            for k in range(_SCRAMBLINGS)
        ]
        drawn = [low + e.draw(_POINTS, dtype=torch.float64) * (high - low) for e in engines]
        self.points = [x[inside(problem, x)] for x in drawn]
        self.minimum = None if problem.solution is None else problem.minimum_energy()
        self.term = None
        if architecture.activation.kinked:
            self.term = BoxObjective(problem, architecture, "exact", 1, "fixed", None, seeds, torch.float64)

    def measure(self, theta: Tensor) -> Measure:
        """Of networks (B, P)."""
        theta = theta.detach().to(torch.float64)
        if self.minimum is None:
            with torch.no_grad():
                energy = torch.stack([sampled_energy(self.architecture, self.problem, theta, x) for x in self.points])
            slope = torch.full(theta.shape[:1], float("nan"), dtype=torch.float64)
        else:
            gaps, errors, sizes = map(torch.stack, zip(*(self._errors(theta, x) for x in self.points), strict=True))
            energy = gaps + self.minimum
            slope = (errors.mean(0) / sizes.mean()).sqrt()
        spread = energy.std(0) / _SCRAMBLINGS**0.5
        return Measure(*(np.asarray(a) for a in (energy.mean(0), spread, slope, self._angle(theta))))

    @torch.no_grad()
    def _errors(self, theta: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The energy of the error e (B,), and the means of |∇e|² (B,) and |∇u|²."""
        wanted = solution_gradient(self.problem)(x)
        error = field_and_gradient(self.architecture, self.problem, theta, x)[1] - wanted
        gap = self.problem.volume * box_data(self.problem).stored(x, error).mean(-1)
        sizes = [a.reshape(*a.shape[: a.ndim - wanted.ndim + 1], -1).square().sum(-1).mean(-1) for a in (error, wanted)]
        return gap, sizes[0], sizes[1]

    def _angle(self, theta: Tensor) -> Tensor:
        if self.term is None:
            return torch.zeros(len(theta), dtype=torch.float64)
        leaf = theta.clone().requires_grad_()
        energy = torch.stack([sampled_energy(self.architecture, self.problem, leaf, x) for x in self.points[:2]])
        (bulk,) = torch.autograd.grad(energy.mean(0).sum(), leaf)
        drawing = [torch.Generator().manual_seed(k) for k in range(len(theta))]
        whole = bulk + self.term.term(theta, _LINES * self.problem.inputs, drawing)
        cosine = torch.nn.functional.cosine_similarity(bulk, whole, dim=-1, eps=0.0)
        return torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
