"""A hyperelastic bar, pulled at the end: not quadratic in u′. `kinkproof audit hyperelastic_bar.py:energy`"""

import torch
from torch import Tensor, nn

STIFFNESS, WEIGHT, PULL = 2.0, 0.5, 0.3


class Bar(nn.Module):
    """Displacement, fixed at x = 0."""

    def __init__(self) -> None:
        super().__init__()
        hidden = nn.Linear(1, 10), nn.LeakyReLU(0.1), nn.Linear(10, 10), nn.LeakyReLU(0.1)
        self.net = nn.Sequential(*hidden, nn.Linear(10, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.net(x)


torch.manual_seed(2)
model = Bar().double()
domain = (0.0, 2.0)


def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    """Neo-Hookean: ½ E (λ² − 1 − 2 ln λ) − g u with the stretch λ = 1 + u′."""
    stretch = 1 + du
    return STIFFNESS / 2 * (stretch**2 - 1 - 2 * torch.log(stretch)) - WEIGHT * u


def ends(u: Tensor) -> Tensor:
    return -PULL * u[1]
