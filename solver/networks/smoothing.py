"""The Ritz energy on a fixed grid with every kink rounded off over some of its cells: what autodiff then sees.

relu(z) is replaced by its mean over a stretch of ±ρ in x around each node, with parabolic weights, which vanish at its
ends. Where a kink passes, the network's slope then rises over that stretch instead of at a point, its derivative in the
parameters is a function, and autodiff has the Dirac terms as means over the nodes nearby.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..data.statement import Mesh
from .architecture import Architecture
from .energies import GridEnergy, grid_energy

# Fewer nodes would not see the middle of the rise as its mean; more would smear neighbouring kinks.
_CELLS = 2


@dataclass(frozen=True)
class SmoothedEnergy:
    """The energy of a grid, of networks whose kinks are rounded off.

    Attributes:
        grid: the energy of networks as they are.
        reach: ρ, in x.
    """

    grid: GridEnergy
    reach: float

    def __call__(self, theta: Tensor) -> Tensor:
        """(B, P) → (B,)."""
        total = self.grid.integral(*self.value_and_slope(theta, self.grid.mesh.nodes))
        if self.grid.ends:
            total = total + self.grid.ends.energy(self.value_and_slope(theta, self.grid.ends.places)[0])
        return total

    def value_and_slope(self, theta: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted means of the network over (x − ρ, x + ρ), and their derivative in x, both (B, n)."""
        w, b, c = (part[..., None, :] for part in theta.chunk(3, -1))
        leak = self.grid.architecture.activation.negative_slope
        assert leak is not None
        z = x[:, None] * w + b
        # Nowhere 0: a neuron without a slope in x has no kink to round off.
        reach = (self.reach * w.abs()).clamp(min=torch.finfo(z.dtype).tiny)
        s = ((z + reach) / (2 * reach)).clamp(0, 1)
        # The weight before s is 6s(1 − s), integrated once and twice.
        gate = s * s * (3 - 2 * s)
        value = torch.where(z < reach, reach * s**3 * (2 - s), z)
        value, gate = leak * z + (1 - leak) * value, leak + (1 - leak) * gate
        return (value * c).sum(-1), (gate * w * c).sum(-1)


def smoothed_energy(problem: RitzProblem, architecture: Architecture, mesh: Mesh) -> SmoothedEnergy:
    """The reach is two cells: of every kink four nodes see the slope rise.

    Raises:
        InputError: several hidden layers, or an activation without kinks.
    """
    if not architecture.shallow or not architecture.activation.kinked:
        raise InputError(
            f"gradient: 'smoothed' rounds off the kinks of one piecewise linear layer, not of {architecture.widths} "
            f"neurons with {architecture.activation.name}; 'autodiff' would be right"
        )
    left, right = (float(e) for e in problem.domain)
    return SmoothedEnergy(grid_energy(problem, architecture, mesh), _CELLS * (right - left) / len(mesh.nodes))
