"""Saddle-free Newton for a batch of networks: the whole Hessian, its negative eigenvalues turned positive."""

from __future__ import annotations

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..networks.conforming import conforming_energy
from ..networks.energies import Energy
from ..networks.gradients import Objective
from .quasi_newton import QuasiNewton
from .settings import Settings

# Eigenvalues below this share of the largest are raised to it: along scalings of a neuron both they and the gradient
# are rounding.
_FLATTEST = 1e-10


class SaddleFreeNewton(QuasiNewton):
    """Steps −|H|⁻¹∇E with the line search of L-BFGS, |H| the Hessian with the absolute values of its eigenvalues.

    Args:
        objective: energy and gradient.
        theta: starting parameters, (B, P).
        energy: the same energy as a function that autograd differentiates twice, (B, P) → (B,).
    """

    kind = "newton"

    def __init__(self, objective: Objective, theta: Tensor, energy: Energy) -> None:
        super().__init__(objective, theta)
        self.differentiable = energy
        # Known from the start: a whole step is the first one tried.
        self.scale = torch.ones_like(self.scale)
        self._place = theta

    def step(self, theta: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[int, str]]:
        """One iteration; see `QuasiNewton.step`."""
        self._place = theta
        return super().step(theta, active)

    def _direction(self) -> Tensor:
        values, vectors = torch.linalg.eigh(hessians(self.differentiable, self._place))
        sizes = values.abs()
        sizes = torch.maximum(sizes, _FLATTEST * sizes.amax(-1, keepdim=True)).clamp(min=1e-300)
        inner = (vectors.mT @ self.gradient[..., None])[..., 0]
        along: Tensor = (vectors @ (inner / sizes)[..., None])[..., 0]
        return -along

    def _remember(self, move: Tensor, change: Tensor, served: Tensor) -> None:
        """There is nothing to remember."""

    def _forget(self, which: Tensor) -> None:
        """Nor to forget."""


def hessians(energy: Energy, theta: Tensor) -> Tensor:
    """Second derivatives of the energies of a batch, (B, P) → (B, P, P), by autograd twice."""
    with torch.enable_grad():
        leaf = theta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(energy(leaf).sum(), leaf, create_graph=True)
        rows = [torch.autograd.grad(column.sum(), leaf, retain_graph=True)[0] for column in gradient.unbind(-1)]
    found: Tensor = torch.stack(rows, -2)
    return (found + found.mT) / 2


def twice_differentiable(problem: RitzProblem, settings: Settings, followed: Objective) -> Energy:
    """The energy of a run for autograd.

    Raises:
        InputError: the gradient is not that of an energy with second derivatives.
    """
    kinked = settings.architecture.activation.kinked
    if settings.gradient == "exact":
        return conforming_energy(problem, settings.architecture)
    if settings.gradient == "autodiff" and (settings.rule == "conforming" or not kinked):
        return followed.energy
    raise InputError(
        f"optimizer: 'newton' needs a Hessian, which with {settings.gradient!r} a network with kinks does not have; "
        "gradient='exact' would be right"
    )
