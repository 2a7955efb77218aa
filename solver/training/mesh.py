"""r-adaptive training: the kinks as the nodes of a mesh that never tangles, moved by ADAM, outer weights solved for."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ...verify.errors import InputError
from ..networks.architecture import Architecture
from ..networks.gradients import Objective
from .adam import Adam, Schedule
from .projection import Projection

Array = NDArray[Any]


class MeshAdam:
    """ADAM on the logits λ of the cells between kinks; cell k takes the share softmax(λ)ₖ of the domain.

    Shares are positive and add up to one, so that no kink leaves the domain or passes another. The energy at the outer
    weights' best is a function of the kinks alone, and its derivative in them needs no derivative of the linear solve.

    Args:
        objective: energy and gradient in all parameters.
        theta: starting parameters, (B, 3N), all kinks inside the domain; hidden weights stay as they are.
        architecture: one hidden layer with kinks.
        domain: its ends.
        learning_rate, schedule, steps: of ADAM.

    Raises:
        InputError: a kink outside the domain, or two at one place.

    Source: the r-adaptive finite element method by neural networks of Aballay, Fuentes, Iligaray, Omella, Pardo,
    Sánchez, Tapia and Uriarte 2025, arXiv 2504.21160, for one problem: logits without a network before them.
    """

    kind = "r-adaptive"

    def __init__(
        self,
        objective: Objective,
        theta: Tensor,
        architecture: Architecture,
        domain: tuple[float, float],
        learning_rate: float,
        schedule: str | Schedule | None,
        steps: int,
    ) -> None:
        self.projection = Projection(objective, architecture)
        self.left, self.length = domain[0], domain[1] - domain[0]
        w, b, _ = theta.chunk(3, -1)
        kinks, self.order = (-b / w).sort(-1)
        ends = kinks.new_tensor(domain).expand(len(kinks), 2)
        cells = torch.cat([ends[:, :1], kinks, ends[:, 1:]], -1).diff(dim=-1)
        if not bool((cells > 0).all()):
            raise InputError(
                "initial: an r-adaptive mesh needs all kinks inside the domain and apart; initial='even' would be right"
            )
        self.weights = w
        self.logits = cells.log()
        reduced = Objective(objective.name, lambda logits: self._measured(logits)[0], self._measured)
        self.adam = Adam(reduced, self.logits, learning_rate, schedule, steps)

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return self.adam.learning_rate

    def step(self, theta: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[int, str]]:
        """One step; see `Adam.step`. The gradient is that in the logits."""
        self.logits, energy, gradient, ended = self.adam.step(self.logits, active)
        found = self.projection.completed(self._hidden(self._kinks(self.logits)))
        return torch.where(active[:, None], found, theta), energy, gradient, ended

    def _kinks(self, logits: Tensor) -> Tensor:
        return self.left + self.length * logits.softmax(-1).cumsum(-1)[:, :-1]

    def _hidden(self, kinks: Tensor) -> Tensor:
        """Hidden parameters (B, 2N) whose kinks, ascending, are these."""
        places = torch.empty_like(kinks).scatter(-1, self.order, kinks)
        return torch.cat([self.weights, -self.weights * places], -1)

    def _measured(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            kinks = self._kinks(leaf)
            energy, gradient = self.projection.reduced.gradient(self._hidden(kinks.detach()))
            by_bias = gradient[:, self.weights.shape[-1] :]
            by_kink = (-self.weights * by_bias).gather(-1, self.order)
            (found,) = torch.autograd.grad(kinks, leaf, by_kink)
        return energy, found

    def state(self) -> dict[str, Array]:
        """Everything that the next step depends on besides the parameters."""
        own = {"logits": self.logits, "weights": self.weights, "order": self.order}
        return {**self.adam.state(), **{name: value.cpu().numpy().copy() for name, value in own.items()}}

    def restore(self, state: dict[str, Array]) -> None:
        """The inverse of `state`."""
        for name in ("logits", "weights", "order"):
            like: Tensor = getattr(self, name)
            setattr(self, name, torch.tensor(state[name], dtype=like.dtype, device=like.device))
        self.adam.restore({k: v for k, v in state.items() if k not in ("logits", "weights", "order")})
