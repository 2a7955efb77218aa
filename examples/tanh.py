"""A tanh network, which has no kinks: passes. `kinkproof audit tanh.py:energy`"""

import math

import torch
from torch import Tensor, nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1)).double()
domain = (0.0, 1.0)


class Ritz(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 - x) * self.net(x)


model = Ritz()


def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 / 2 - 4 * math.pi**2 * torch.sin(2 * math.pi * x) * u
