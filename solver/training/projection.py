"""Variable projection: outer weights by a linear solve, and what is left to minimise over the hidden parameters alone.

The energy is quadratic in the outer weights whatever the quadrature, and every gradient is right for them: they have no
Dirac part. At their best values the derivative in the hidden parameters is the partial one (MATH 8).
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..networks.architecture import Architecture
from ..networks.gradients import Objective
from .quasi_newton import QuasiNewton

Array = NDArray[Any]

# Directions of the outer weights that cost less than so many roundings of the stiffest: silent or parallel neurons.
_FLATTEST = 500.0


class Projection:
    """An objective with the outer weights at their best, a function of the hidden parameters.

    Args:
        objective: energy and gradient in all parameters.
        architecture: of the networks.
    """

    def __init__(self, objective: Objective, architecture: Architecture) -> None:
        self.whole = objective
        self.outer = architecture.widths[-1]
        self.reduced = Objective(objective.name, lambda hidden: self._measured(hidden)[0], self._measured)

    def completed(self, hidden: Tensor) -> Tensor:
        """Hidden parameters (B, P − N) with the best outer weights, (B, P)."""
        batch, count = len(hidden), self.outer
        # The gradient in the outer weights at nothing and at each unit vector: load and columns of the stiffness.
        probes = torch.cat([hidden.new_zeros(1, count), torch.eye(count, dtype=hidden.dtype, device=hidden.device)])
        theta = torch.cat([hidden[:, None].expand(-1, count + 1, -1), probes.expand(batch, -1, -1)], -1)
        slopes = self.whole.gradient(theta.flatten(0, 1))[1][:, -count:].reshape(batch, count + 1, count)
        load = slopes[:, 0]
        stiffness = slopes[:, 1:] - load[:, None]
        stiffness = (stiffness + stiffness.mT) / 2
        diagonal = stiffness.diagonal(dim1=-2, dim2=-1)
        # A silent neuron has neither stiffness nor load.
        scale = torch.where(diagonal > 0, diagonal, torch.full_like(diagonal, torch.inf)).rsqrt()
        values, vectors = torch.linalg.eigh(stiffness * scale[:, :, None] * scale[:, None, :])
        least = _FLATTEST * torch.finfo(values.dtype).eps * values.amax(-1, keepdim=True)
        inverse = torch.where(values > least, 1 / values, torch.zeros_like(values))
        inner = (vectors.mT @ (scale * load)[..., None])[..., 0]
        outer = -scale * (vectors @ (inverse * inner)[..., None])[..., 0]
        return torch.cat([hidden, outer], -1)

    @torch.no_grad()
    def _measured(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = self.whole.gradient(self.completed(hidden))
        return value, gradient[:, : -self.outer]


class VariableProjection:
    """L-BFGS over the hidden parameters, the outer weights at their best at every trial.

    Args:
        objective: energy and gradient in all parameters.
        theta: starting parameters, (B, P); their outer weights do not matter.
        architecture: of the networks.
    """

    kind = "varpro"

    def __init__(self, objective: Objective, theta: Tensor, architecture: Architecture) -> None:
        self.projection = Projection(objective, architecture)
        self.inner = QuasiNewton(self.projection.reduced, theta[:, : -self.projection.outer])

    @property
    def learning_rate(self) -> float:
        """The first step length tried."""
        return self.inner.learning_rate

    def step(self, theta: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[int, str]]:
        """One iteration; see `QuasiNewton.step`. The gradient is that in the hidden parameters."""
        hidden, energy, gradient, ended = self.inner.step(theta[:, : -self.projection.outer], active)
        found = torch.where(active[:, None], self.projection.completed(hidden), theta)
        return found, energy, gradient, ended

    def state(self) -> dict[str, Array]:
        """Everything that the next step depends on besides the parameters."""
        return self.inner.state()

    def restore(self, state: dict[str, Array]) -> None:
        """The inverse of `state`."""
        self.inner.restore(state)
