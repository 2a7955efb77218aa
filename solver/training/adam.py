"""ADAM and gradient descent over a batch of networks: torch's own, which work parameter by parameter, and schedules."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LRScheduler, OneCycleLR, StepLR

from ...verify.choices import nearest
from ...verify.errors import InputError
from ..networks.gradients import Objective

Array = NDArray[Any]
Schedule = Callable[[torch.optim.Optimizer], LRScheduler]

# Name → (optimiser, steps, learning rate) → schedule; a run's steps set the time scale of each.
_SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, int, float], LRScheduler]] = {
    "cosine": lambda o, steps, rate: CosineAnnealingLR(o, T_max=steps),
    # Two decades over the run.
    "exponential": lambda o, steps, rate: ExponentialLR(o, gamma=0.01 ** (1 / steps)),
    # A tenth after each third.
    "step": lambda o, steps, rate: StepLR(o, step_size=max(1, steps // 3), gamma=0.1),
    # Up to the learning rate over the first 30 %, then down to nearly nothing.
    "one-cycle": lambda o, steps, rate: OneCycleLR(o, max_lr=rate, total_steps=steps + 1, cycle_momentum=False),
}
SCHEDULES = tuple(_SCHEDULES)


class Adam:
    """ADAM with one learning rate for the batch; the moments of the networks do not mix.

    Args:
        objective: energy and gradient.
        theta: starting parameters, (B, P).
        learning_rate: the schedule's largest.
        schedule: None, a name of `SCHEDULES`, or a function that makes a torch schedule for an optimiser.
        steps: of the whole phase.
    """

    kind = "adam"

    def __init__(
        self, objective: Objective, theta: Tensor, learning_rate: float, schedule: str | Schedule | None, steps: int
    ) -> None:
        self.objective = objective
        self.parameter = theta.clone().requires_grad_()
        self.optimiser = self._make(learning_rate)
        self.schedule = _schedule(schedule, self.optimiser, max(1, steps), learning_rate)

    def _make(self, learning_rate: float) -> torch.optim.Optimizer:
        # The fused kernel is several times faster on tensors this small; CPU and CUDA have it.
        fused = self.parameter.device.type in ("cpu", "cuda")
        return torch.optim.Adam([self.parameter], lr=learning_rate, fused=fused)

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def step(self, theta: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[int, str]]:
        """One step; returns new parameters, and energy and gradient *before* it (see `QuasiNewton.step`)."""
        energy, gradient = self.objective.gradient(theta)
        with torch.no_grad():
            self.parameter.copy_(theta)
        self.parameter.grad = gradient
        self.optimiser.step()
        if self.schedule is not None:
            self.schedule.step()
        moved = self.parameter.detach()
        # A copy: the caller keeps it, and the next step writes into the parameter.
        return torch.where(active[:, None], moved, theta), energy, gradient, {}

    def state(self) -> dict[str, Array]:
        """Everything that the next step depends on besides the parameters."""
        moments = self.optimiser.state[self.parameter]
        # Gradient descent without momentum has None in its place.
        out = {k: v.detach().cpu().numpy().copy() for k, v in moments.items() if v is not None}
        out["learning_rate"] = np.array(self.learning_rate)
        if self.schedule is not None:
            state = {k: v for k, v in self.schedule.state_dict().items() if not k.startswith("_get_lr")}
            try:
                out["schedule"] = np.array(json.dumps(state))
            except TypeError:
                raise InputError(
                    f"schedule: {type(self.schedule).__name__} has a state that is no plain data, so that no "
                    f"checkpoint can hold it; one of {', '.join(SCHEDULES)} would be right"
                ) from None
        return out

    def restore(self, state: dict[str, Array]) -> None:
        """The inverse of `state`."""
        device = self.parameter.device
        moments = {k: v for k, v in state.items() if k not in ("learning_rate", "schedule")}
        if moments:
            self.optimiser.state[self.parameter] = {
                # torch keeps its step count in float32 and beside the parameter.
                k: torch.tensor(v, dtype=torch.float32 if k == "step" else self.parameter.dtype, device=device)
                for k, v in moments.items()
            }
        if self.schedule is not None:
            self.schedule.load_state_dict(json.loads(str(state["schedule"])))
        self.optimiser.param_groups[0]["lr"] = float(state["learning_rate"])


class GradientDescent(Adam):
    """Steps along the gradient, each as long as the learning rate says; SGD where the points are drawn anew."""

    kind = "sgd"

    def _make(self, learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.parameter], lr=learning_rate)


def check_schedule(schedule: str | Schedule | None) -> None:
    """Raise `InputError` for an unknown name."""
    if schedule is not None and not callable(schedule) and schedule not in _SCHEDULES:
        if near := nearest(schedule, SCHEDULES):
            raise InputError(f"schedule: {schedule!r} is unknown; did you mean {near!r}?")
        raise InputError(
            f"schedule: {schedule!r} is unknown; one of {', '.join(SCHEDULES)}, or a function that makes a torch "
            "schedule for an optimiser, would be right"
        )


def _schedule(
    schedule: str | Schedule | None, optimiser: torch.optim.Optimizer, steps: int, rate: float
) -> LRScheduler | None:
    check_schedule(schedule)
    if schedule is None:
        return None
    return schedule(optimiser) if callable(schedule) else _SCHEDULES[schedule](optimiser, steps, rate)
