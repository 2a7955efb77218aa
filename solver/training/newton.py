"""Newton for a batch of networks: saddle-free on the whole Hessian, or on the kinks and the outer weights in turn."""

from __future__ import annotations

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..networks.architecture import Architecture
from ..networks.conforming import conforming_energy
from ..networks.energies import Energy
from ..networks.gradients import Objective
from .projection import Projection
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
        return -_turned(hessians(self.differentiable, self._place), self.gradient)

    def _remember(self, move: Tensor, change: Tensor, served: Tensor) -> None:
        """There is nothing to remember."""

    def _forget(self, which: Tensor) -> None:
        """Nor to forget."""


class BlockNewton(SaddleFreeNewton):
    """Damped block Newton: the outer weights by a linear solve, then one Newton step on the kinks, and so on.

    The Hessian is that in the hidden biases with all other parameters held still; the line search damps the step. Where
    an eigenvalue is negative its absolute value is taken, so that the step goes down.

    Args:
        objective: energy and gradient.
        theta: starting parameters, (B, P); their outer weights do not matter.
        architecture: one hidden layer.
        energy: as for `SaddleFreeNewton`.

    Source: Cai, Doktorova, Falgout and Herrera 2024, arXiv 2404.17750, for shallow Ritz with D = 1; MATH 8 says how
    fast the alternation can be.
    """

    kind = "block-newton"

    def __init__(self, objective: Objective, theta: Tensor, architecture: Architecture, energy: Energy) -> None:
        super().__init__(objective, theta, energy)
        self.projection = Projection(objective, architecture)
        width = architecture.widths[0]
        self.biases = slice(width, 2 * width)

    def step(self, theta: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[int, str]]:
        """One linear solve and one step of the kinks; see `QuasiNewton.step`."""
        solved = self.projection.completed(theta[:, : -self.projection.outer])
        theta = torch.where(active[:, None], solved, theta)
        self.energy, self.gradient = self.objective.gradient(theta)
        return super().step(theta, active)

    def _direction(self) -> Tensor:
        out = torch.zeros_like(self.gradient)
        block = hessians(self.differentiable, self._place, self.biases)
        out[:, self.biases] = -_turned(block, self.gradient[:, self.biases])
        return out


def _turned(hessian: Tensor, gradient: Tensor) -> Tensor:
    """|H|⁻¹·gradient, with the absolute values of the eigenvalues."""
    values, vectors = torch.linalg.eigh(hessian)
    sizes = values.abs()
    sizes = torch.maximum(sizes, _FLATTEST * sizes.amax(-1, keepdim=True)).clamp(min=1e-300)
    inner = (vectors.mT @ gradient[..., None])[..., 0]
    along: Tensor = (vectors @ (inner / sizes)[..., None])[..., 0]
    return along


def hessians(energy: Energy, theta: Tensor, block: slice = slice(None)) -> Tensor:
    """Second derivatives of the energies of a batch, (B, P) → (B, K, K) for K parameters of them, by autograd twice."""
    with torch.enable_grad():
        leaf = theta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(energy(leaf).sum(), leaf, create_graph=True)
        columns = gradient[:, block].unbind(-1)
        rows = [torch.autograd.grad(c.sum(), leaf, retain_graph=True)[0][:, block] for c in columns]
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
        f"optimizer: {settings.optimizer!r} needs a Hessian, which with {settings.gradient!r} a network with kinks "
        "does not have; gradient='exact' would be right"
    )
