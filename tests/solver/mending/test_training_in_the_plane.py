"""Deep Ritz in the plane with points drawn anew at each step: what the term makes of the gap that autodiff leaves."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
import pytest
import torch
from kinkproof.solver import dirac_term
from torch import Tensor

from . import reference

BOX = ((0, 1), (0, 1))
# −Δu = 2π² sin πx sin πy: the energy of the solution is −½ ∫ |∇u|².
LEAST = -(math.pi**2) / 4


def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return (du**2).sum(1) / 2 - 2 * math.pi**2 * torch.sin(math.pi * x).prod(1) * u


def gap(term: bool, seed: int, steps: int, width: int = 40) -> float:
    """Exact energy less the least, after ADAM at 3e-3 with cosine decay and 500 points a step (MATH 10)."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)).double()
    generator = torch.Generator().manual_seed(seed)

    def model(x: Tensor) -> Tensor:
        found: Tensor = 16 * (x * (1 - x)).prod(1) * network(x)[:, 0]
        return found

    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        x = torch.rand(500, 2, generator=generator, dtype=torch.float64).requires_grad_()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        loss = energy(x, u, du).mean()
        if term:
            loss = loss + dirac_term(energy, model, BOX, generator=generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    tensors = [p.detach().numpy() for p in network.parameters()]
    layers = list(zip(tensors[::2], tensors[1::2], strict=True))

    def density(x: reference.Array, u: reference.Array, du: reference.Array) -> reference.Array:
        source = 2 * math.pi**2 * np.sin(math.pi * x).prod(1)
        found: reference.Array = (du[:, 0] ** 2).sum(1) / 2 - source * u[:, 0]
        return found

    # Sixteen Gauss points a side of a triangle: the sine is integrated to rounding.
    return reference.cells(layers, 16).energy(layers, density) - LEAST


@pytest.mark.long
def test_the_gap_is_a_quarter_of_that_of_autodiff() -> None:
    with_term, without = ([gap(term, seed, 4000) for seed in range(8)] for term in (True, False))
    print(sorted(with_term), sorted(without))
    # The issue asks for a quarter.
    assert median(with_term) <= median(without) / 4
    assert max(with_term) < min(without)


@pytest.mark.slow
def test_a_short_run_gets_below_where_autodiff_ends() -> None:
    # Autodiff ends at 0.0090 to 0.0108, however long it runs.
    assert gap(True, 0, 800) < 0.007
