"""Densities with a trainable quantity that moves a place where they jump."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from kinkproof.solver import integrate
from kinkproof.verify import audit
from torch import Tensor, nn

from tests.verify.models.random_models import kinked

STIFF, SOFT = 4.0, 1.0


def energy_at(net: nn.Sequential, place: float) -> float:
    """∫ ½κu′² − u dx for κ = 1 left and 4 right of a place, piece by piece, in NumPy."""
    w, b, c = (p.detach().numpy().ravel() for p in (net[0].weight, net[0].bias, net[2].weight))
    marks = np.unique(np.concatenate([[0.0, place, 1.0], np.clip(-b / w, 0, 1)]))
    middle, length = (marks[1:] + marks[:-1]) / 2, np.diff(marks)
    on = np.multiply.outer(middle, w) + b > 0
    slope = (on * w) @ c
    # u is linear on a piece, so that its middle is its mean.
    value = (np.maximum(np.multiply.outer(middle, w) + b, 0)) @ c + net[2].bias.item()
    stiffness = np.where(middle < place, SOFT, STIFF)
    return float(((stiffness * slope**2 / 2 - value) * length).sum())


def by_differences(net: nn.Sequential, place: float, step: float = 1e-6) -> float:
    return (energy_at(net, place + step) - energy_at(net, place - step)) / (2 * step)


def layered(place: Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return torch.where(x < place, SOFT, STIFF) * du**2 / 2 - u

    return energy


def found_right(seed: int) -> None:
    net = kinked(4 + seed % 9, seed)
    place = float(np.random.default_rng(seed).uniform(0.05, 0.95))
    a = torch.tensor(place, dtype=torch.float64, requires_grad=True)
    found = audit(net, layered(a))
    wanted = by_differences(net, place)
    # E is linear in a between kinks: what is left is the rounding of a difference.
    assert found.dirac[-1] + found.bulk[-1] == pytest.approx(wanted, rel=1e-6, abs=1e-8), seed
    assert found.autodiff[-1] == 0
    assert found.tensors[-1].name == "place"
    # Where u′ is nil the interface makes no difference.
    moves = abs(wanted) > 1e-8
    assert found.tensors[-1].verdict == "inconsistent" if moves else "exact", seed
    said = [n for n in found.notes if n.startswith("place: moves an interface") and n.endswith("gradient is nil")]
    assert len(said) == moves, seed
    assert found.verdict == "inconsistent"
    assert "value = integrate(energy, model, (0, 1), order=8)" in found.remedy


@pytest.mark.parametrize("seed", range(3))
def test_the_derivative_by_an_interface_is_that_of_differences_and_autodiffs_is_refuted(seed: int) -> None:
    found_right(seed)


@pytest.mark.long
def test_the_derivative_by_an_interface_on_100_networks() -> None:
    for seed in range(100):
        found_right(seed)


def test_the_remedys_gradient_reaches_the_users_own_tensor() -> None:
    net, a = kinked(), torch.tensor(0.41, dtype=torch.float64, requires_grad=True)
    integrate(layered(a), net, (0, 1), order=8).backward()
    assert a.grad is not None
    assert float(a.grad) == pytest.approx(by_differences(net, 0.41), rel=1e-6)


def test_an_interface_may_be_a_parameter_of_the_model() -> None:
    class Inverse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = kinked()
            self.place = nn.Parameter(torch.tensor(0.41, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.net(x)
            return found

    model = Inverse()
    found = audit(model, lambda x, u, du: torch.where(x < model.place, SOFT, STIFF) * du**2 / 2 - u)
    assert found.dirac[0] == pytest.approx(by_differences(model.net, 0.41), rel=1e-6)
    assert found.tensors[0].verdict == "inconsistent"


def test_a_level_set_moves_an_interface_with_all_its_parameters() -> None:
    torch.manual_seed(0)
    level = nn.Sequential(nn.Linear(1, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    offset = float(level(torch.tensor([[0.41]], dtype=torch.float64)).detach())

    def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return torch.where(level(x[:, None])[:, 0] > offset, SOFT, STIFF) * du**2 / 2 - u

    net = kinked()
    found = audit(net, energy)
    names = [t.name for t in found.tensors]
    assert names[-4:] == ["level.0.weight", "level.0.bias", "level.2.weight", "level.2.bias"]
    assert {t.verdict for t in found.tensors[-4:]} == {"inconsistent"}
    # The bias of its output layer moves the place by −1/φ′, and the energy with it by ±⟦L⟧.
    x = torch.tensor([[0.41]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(level(x).sum(), x)
    sign = 1.0 if float(slope) < 0 else -1.0
    assert found.dirac[-1] == pytest.approx(-sign * by_differences(net, 0.41) / float(slope), rel=1e-6)


def test_a_trainable_stiffness_moves_nothing_and_an_interface_beside_it_does() -> None:
    stiffness = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    place = torch.tensor(0.41, dtype=torch.float64, requires_grad=True)
    found = audit(kinked(), lambda x, u, du: torch.where(x < place, SOFT, stiffness) * du**2 / 2 - u)
    verdicts = {t.name: t.verdict for t in found.tensors}
    assert verdicts["stiffness"] in ("consistent", "exact")
    assert verdicts["place"] == "inconsistent"


def test_a_smooth_model_has_an_interface_that_autodiff_misses() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    place = torch.tensor(0.41, dtype=torch.float64, requires_grad=True)
    found = audit(net, layered(place))
    x = torch.tensor([[0.41]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(net(x).sum(), x)
    assert found.dirac[-1] == pytest.approx((SOFT - STIFF) / 2 * float(slope) ** 2, rel=1e-10)
    assert [t.verdict for t in found.tensors].count("inconsistent") == 1


def test_an_interface_on_an_end_of_the_domain_is_judged_beside() -> None:
    place = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    found = audit(kinked(), layered(place), (0, 1))
    assert any("comparison in the density on the end x = 0 of the domain" in n for n in found.notes)


def test_a_place_that_does_not_train_moves_nothing() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    found = audit(net, layered(torch.tensor(0.41, dtype=torch.float64)))
    assert found.passed
    assert not found.dirac.any()
    assert not any("interface" in n for n in found.notes)
