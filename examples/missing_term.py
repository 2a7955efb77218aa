"""Deep Ritz in the unit square in plain PyTorch, with and without the term. `python missing_term.py [STEPS]`"""

import math
import sys

import torch
from kinkproof.solver import dirac_term
from torch import Tensor, nn

SQUARE = ((0, 1), (0, 1))


def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    """−Δu = 2π² sin πx sin πy."""
    return (du**2).sum(1) / 2 - 2 * math.pi**2 * torch.sin(math.pi * x).prod(1) * u


def train(steps: int, with_term: bool) -> float:
    """Relative error of ∇u at the end, in L²."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 40), nn.ReLU(), nn.Linear(40, 1)).double()
    lines = torch.Generator().manual_seed(0)

    def model(x: Tensor) -> Tensor:
        u: Tensor = 16 * (x * (1 - x)).prod(1) * network(x)[:, 0]
        return u

    def slope(x: Tensor) -> tuple[Tensor, Tensor]:
        u = model(x)
        return u, torch.autograd.grad(u.sum(), x, create_graph=True)[0]

    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x = torch.rand(500, 2, dtype=torch.float64, requires_grad=True)
        u, du = slope(x)
        loss = energy(x, u, du).mean()
        if with_term:
            loss = loss + dirac_term(energy, model, SQUARE, generator=lines)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    x = torch.rand(20_000, 2, dtype=torch.float64, requires_grad=True)
    angle = math.pi * x.detach()
    wanted = math.pi * torch.cos(angle) * torch.sin(angle).flip(1)
    return float((slope(x)[1].detach() - wanted).norm() / wanted.norm())


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    for with_term in (False, True):
        print(f"{'with' if with_term else 'without'} the term: error of the gradient {train(steps, with_term):.4f}")
