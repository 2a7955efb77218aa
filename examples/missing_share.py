"""How much of the gradient autodiff misses, along the way: to CSV and TensorBoard. `python missing_share.py [STEPS]`

Any training loop can call `look`; both writers need nothing of kinkproof.
"""

import csv
import math
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from kinkproof.solver import dirac_term, integrate
from torch import Tensor, nn

DOMAIN = (0.0, 1.0)


class Ritz(nn.Module):
    """x(1 − x) times a network, which holds the Dirichlet values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        u: Tensor = x * (1 - x) * self.net(x)
        return u


def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    """−u″ = 4π² sin 2πx; the least energy is −π²."""
    return du**2 / 2 - 4 * math.pi**2 * torch.sin(2 * math.pi * x) * u


def mean_over_a_grid(model: Callable[[Tensor], Tensor], n: int = 200) -> Tensor:
    """The energy as people write it."""
    x = ((torch.arange(n, dtype=torch.float64) + 0.5) / n).reshape(-1, 1).requires_grad_()
    u = model(x)
    du = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    return energy(x, u, du).mean()


def look(model: nn.Module) -> dict[str, float]:
    """The energy as an integral, and the size of what autodiff misses relative to the whole gradient."""
    parameters = [p for p in model.parameters() if p.requires_grad]

    def size(value: Tensor) -> float:
        found = torch.autograd.grad(value, parameters, allow_unused=True)
        return math.hypot(*(float(g.norm()) for g in found if g is not None))

    value = integrate(energy, model, DOMAIN, order=8)
    return {
        "energy": value.item(),
        "missing": size(dirac_term(energy, model, DOMAIN)) / size(value),
    }


def train(steps: int, every: int, folder: Path) -> None:
    """Train on a grid with plain autodiff, and write down what it does not see."""
    torch.manual_seed(0)
    model = Ritz(20).double()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    board = None
    if find_spec("tensorboard") is not None:  # pip install tensorboard; tensorboard --logdir runs
        from torch.utils.tensorboard import SummaryWriter

        board = SummaryWriter(str(folder / "runs"))
    with (folder / "missing_share.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["step", "energy", "missing"])
        table.writeheader()
        for step in range(steps + 1):
            if step % every == 0:
                seen = look(model)
                table.writerow({"step": step, **seen})
                for name, value in seen.items() if board is not None else ():
                    board.add_scalar(name, value, step)
            optimizer.zero_grad()
            mean_over_a_grid(model).backward()
            optimizer.step()
    if board is not None:
        board.close()
    print(f"after {steps} steps: energy {seen['energy']:.4f}, autodiff misses {seen['missing']:.3g} times the gradient")


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    train(steps, max(1, steps // 20), Path())
