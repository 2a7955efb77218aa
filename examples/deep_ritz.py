"""Deep Ritz as people write it: u′ by autograd, the mean over a grid. `kinkproof audit deep_ritz.py:energy`"""

import math

import torch
from torch import Tensor, nn


class Ritz(nn.Module):
    """x(1 − x) times a network, which holds the Dirichlet values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 - x) * self.net(x)


torch.manual_seed(0)
model = Ritz(20)
domain = (0.0, 1.0)


def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    """−u″ = 4π² sin 2πx."""
    return du**2 / 2 - 4 * math.pi**2 * torch.sin(2 * math.pi * x) * u


def training_loss(model: nn.Module, n: int) -> Tensor:
    x = torch.linspace(0, 1, n).reshape(-1, 1).requires_grad_()
    u = model(x)
    du = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    return energy(x, u, du).mean()
