"""What is looked at along the way of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...verify.bending.statement import BeamProblem
from ...verify.statement.problem import RitzProblem
from ..beams.energy import beam_objective
from ..networks.gradients import Objective, exact_energy, objective
from .settings import Settings

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Observation:
    """One record of a run; see `History` for shapes without R.

    Attributes:
        step: how many steps have been made.
        quadrature, exact, gradient_norm, angle, learning_rate, parameters: as in `History`.
        gap: exact minus the minimum, or None if no solution is known.
    """

    step: int
    quadrature: Array
    exact: Array
    gradient_norm: Array
    angle: Array
    learning_rate: float
    parameters: Array
    gap: Array | None


class Observer:
    """Measures networks: on the grid and as integrals, whatever the run itself follows.

    Args:
        problem: what is minimised.
        settings: say on which grid.
        followed: the run's own objective.
    """

    def __init__(self, problem: RitzProblem | BeamProblem, settings: Settings, followed: Objective) -> None:
        architecture = settings.architecture
        device = torch.device(settings.device)
        self.minimum = None if problem.solution is None else problem.minimum_energy()
        self.followed = followed
        self.grid = followed
        if followed.name != "autodiff":  # The same sum again would be measured twice.
            given: Any = {"rule": settings.rule, "points": settings.points, "dtype": settings.torch_dtype}
            if isinstance(problem, BeamProblem):
                self.grid = beam_objective(problem, architecture, **given, device=device)
            else:
                self.grid = objective(problem, architecture, **given, device=device)
        self.dtype = settings.torch_dtype
        # In float64 whatever the run computes in: what is measured should not depend on it.
        if isinstance(problem, BeamProblem):
            self.exact = beam_objective(problem, architecture, "exact")
        else:
            self.exact = exact_energy(problem, architecture, torch.float64, device)
        self.comparable = settings.energy != "strong"

    def look(self, step: int, theta: Tensor, learning_rate: float) -> Observation:
        """Measure networks (B, P)."""
        quadrature, autodiff = self.grid.gradient(theta)
        exact, gradient = self.exact.gradient(theta.to(torch.float64))
        followed = autodiff if self.followed is self.grid else self.followed.gradient(theta)[1]
        cosine = torch.nn.functional.cosine_similarity(autodiff.to(torch.float64), gradient, dim=-1, eps=0.0)
        angle = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
        if not self.comparable:
            angle = torch.full_like(angle, float("nan"))
        return Observation(
            step,
            _numbers(quadrature),
            _numbers(exact),
            _numbers(followed.norm(dim=-1)),
            _numbers(angle),
            learning_rate,
            theta.detach().cpu().numpy().copy(),
            None if self.minimum is None else _numbers(exact) - self.minimum,
        )


def _numbers(values: Tensor) -> Array:
    return np.asarray(values.detach().cpu().numpy(), dtype=np.float64)
