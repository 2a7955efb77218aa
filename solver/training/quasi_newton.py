"""L-BFGS for a batch of networks at once: every network has its own curvature pairs, step length and end."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..networks.gradients import Objective

Array = NDArray[Any]

MEMORY = 20
# Armijo's condition: at least this share of the decrease that the slope promises.
_DECREASE = 1e-4
# A pair whose curvature is nil or negative would spoil the metric; below this cosine it is left out.
_CURVATURE = 1e-10
_MOST_TRIALS = 16
# So many iterations in a row that lower the energy by rounding only are the end.
_MOST_IDLE = 3


class QuasiNewton:
    """Limited-memory BFGS with a backtracking line search.

    torch.optim.LBFGS takes all parameters for one network: one network's line search would hold up all others, and its
    inner products would mix seeds. Here the two-loop recursion runs over (memory, B, P) and each trial of the line
    search evaluates the whole batch, with a step length for each network; those already served are not moved.

    The line search goes by the energy to which the gradient belongs, so a gradient that is wrong for it ends the run
    where it no longer finds a descent.

    Args:
        objective: energy and gradient.
        theta: starting parameters, (B, P).
    """

    kind = "lbfgs"

    def __init__(self, objective: Objective, theta: Tensor) -> None:
        self.objective = objective
        batch, parameters = theta.shape
        self.moves = theta.new_zeros(MEMORY, batch, parameters)
        self.changes = theta.new_zeros(MEMORY, batch, parameters)
        # 0 marks an empty place: its pair drops out of both loops.
        self.inverse_curvature = theta.new_zeros(MEMORY, batch)
        self.scale = theta.new_zeros(batch)
        self.idle = theta.new_zeros(batch)
        self.energy, self.gradient = objective.gradient(theta)

    @property
    def learning_rate(self) -> float:
        """The first step length tried."""
        return 1.0

    def step(self, theta: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[int, str]]:
        """One iteration.

        Args:
            theta: (B, P).
            active: which networks may move, (B,) bool.

        Returns:
            new parameters (B, P); the energy (B,) and gradient (B, P) there; and network → why it cannot go on.
        """
        direction = self._direction()
        slope = (direction * self.gradient).sum(-1)
        # Lost descent: forget the pairs and go downhill.
        lost = ~(slope < 0)
        if lost.any():
            self._forget(lost)
            direction = torch.where(lost[:, None], -self.gradient, direction)
            slope = (direction * self.gradient).sum(-1)
        fresh = self.scale == 0
        length = torch.where(fresh, 1 / self.gradient.abs().sum(-1).clamp(min=1.0), torch.ones_like(slope))
        found, served = self._search(theta, direction, slope, length, active)
        stuck = active & ~served
        ended: dict[int, str] = {}
        for k in torch.nonzero(stuck & fresh).flatten().tolist():
            ended[k] = "no step along the gradient lowers the energy"
        # With pairs in the way the next iteration tries the bare gradient before giving up.
        self._forget(stuck)
        theta_new = torch.where(served[:, None], found, theta)
        value, gradient = self.objective.gradient(theta_new)
        self._remember(theta_new - theta, gradient - self.gradient, served)
        rounding = 4 * torch.finfo(theta.dtype).eps * self.energy.abs()
        self.idle = torch.where(served & (self.energy - value > rounding), torch.zeros_like(self.idle), self.idle + 1)
        for k in torch.nonzero(active & (self.idle >= _MOST_IDLE)).flatten().tolist():
            ended.setdefault(k, "the energy no longer changes")
        self.energy = torch.where(served, value, self.energy)
        self.gradient = torch.where(served[:, None], gradient, self.gradient)
        return theta_new, self.energy, self.gradient, ended

    def _direction(self) -> Tensor:
        """The two-loop recursion, −H·gradient, (B, P)."""
        q = self.gradient.clone()
        shares = []
        for s, y, inverse in zip(self.moves, self.changes, self.inverse_curvature, strict=True):
            share = inverse * (s * q).sum(-1)
            shares.append(share)
            q = q - share[:, None] * y
        q = q * torch.where(self.scale > 0, self.scale, torch.ones_like(self.scale))[:, None]
        for s, y, inverse, share in reversed(
            list(zip(self.moves, self.changes, self.inverse_curvature, shares, strict=True))
        ):
            q = q + s * (share - inverse * (y * q).sum(-1))[:, None]
        return -q

    def _search(
        self, theta: Tensor, direction: Tensor, slope: Tensor, length: Tensor, active: Tensor
    ) -> tuple[Tensor, Tensor]:
        served = torch.zeros_like(active)
        found = theta
        for _ in range(_MOST_TRIALS):
            trial = theta + length[:, None] * direction
            value = self.objective.energy(trial).detach()
            # A NaN compares false: the step is shortened until the energy is finite again.
            good = active & ~served & (value <= self.energy + _DECREASE * length * slope)
            found = torch.where(good[:, None], trial, found)
            served = served | good
            if not (active & ~served).any():
                break
            # The minimum of the parabola through both energies and the slope, kept within a tenth and a half.
            parabola = -slope * length / (2 * (value - self.energy - slope * length))
            length = torch.where(served, length, length * torch.nan_to_num(parabola, nan=0.5).clamp(0.1, 0.5))
        return found, served

    def _remember(self, move: Tensor, change: Tensor, served: Tensor) -> None:
        """Newest pair first; a network without a usable one keeps the pairs it has."""
        product = (move * change).sum(-1)
        usable = served & (product > _CURVATURE * move.norm(dim=-1) * change.norm(dim=-1))
        keep = ~usable
        for store, new in (
            (self.moves, move),
            (self.changes, change),
            (self.inverse_curvature, 1 / torch.where(usable, product, torch.ones_like(product))),
        ):
            rolled = torch.cat([new[None], store[:-1]])
            store.copy_(torch.where(keep.view(1, -1, *(1,) * (store.dim() - 2)), store, rolled))
        self.scale = torch.where(usable, product / (change * change).sum(-1).clamp(min=1e-300), self.scale)

    def _forget(self, which: Tensor) -> None:
        self.inverse_curvature[:, which] = 0
        self.scale = torch.where(which, torch.zeros_like(self.scale), self.scale)

    def state(self) -> dict[str, Array]:
        """Everything that the next step depends on besides the parameters."""
        names = ("moves", "changes", "inverse_curvature", "scale", "idle", "energy", "gradient")
        return {n: getattr(self, n).cpu().numpy().copy() for n in names}

    def restore(self, state: dict[str, Array]) -> None:
        """The inverse of `state`."""
        for name, value in state.items():
            like: Tensor = getattr(self, name)
            setattr(self, name, torch.tensor(np.asarray(value), dtype=like.dtype, device=like.device))
