"""The audit of models with several outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from kinkproof.solver import dirac_term
from kinkproof.verify import InputError, audit
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.verify.models.random_models import SMOOTH, density, network, reference


def network_of(seed: int, outputs: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    net = network(seed, activation)
    assert isinstance(net, nn.Sequential)
    draw = torch.Generator().manual_seed(seed + 1)
    width = net[-1].weight.shape[1]
    last = nn.Linear(width, outputs).double()
    with torch.no_grad():
        last.weight.copy_(torch.randn(outputs, width, generator=draw, dtype=torch.float64) / width**0.5)
        last.bias.copy_(torch.randn(outputs, generator=draw, dtype=torch.float64))
    return nn.Sequential(*net[:-1], last)


def apart(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    """Nothing of one output meets another, so that `verify.deep` knows the gradient, output by output."""
    return torch.stack([density(x, u[:, k], du[:, k]) for k in range(u.shape[1])]).sum(0)


def mixed(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    stretched = (du**2).sum(1) / 2 + (du[:, 0] * du[:, -1]) ** 2 / 10
    return stretched + u[:, 0] * du[:, -1] + torch.cos(x) * (u**3).sum(1) - torch.sin(3 * x) * u[:, 0]


def one_by_one(net: nn.Sequential) -> NDArray[np.float64]:
    """The exact gradient at 50 digits of the sum over outputs, each as a network of its own."""
    outputs = len(net[-1].bias)
    rows, last = [], []
    for k in range(outputs):
        alone = nn.Linear(net[-1].weight.shape[1], 1).double()
        with torch.no_grad():
            alone.weight.copy_(net[-1].weight[k : k + 1])
            alone.bias.copy_(net[-1].bias[k : k + 1])
        _, row, _ = reference(nn.Sequential(*net[:-1], alone))
        width = alone.weight.numel()
        rows.append(row[: -width - 1])
        last.append(row[-width - 1 :])
    ends = np.array(last)
    return np.concatenate([np.sum(rows, axis=0), ends[:, :-1].ravel(), ends[:, -1]])


def judged_right(seed: int) -> None:
    activation = (nn.ReLU, nn.LeakyReLU, nn.Hardtanh)[seed % 3]
    found = audit(network_of(seed, 2 + seed % 2, activation), mixed)
    assert found.routes[0].error <= 1e-9, seed
    assert found.routes_agree, seed
    assert found.verdict == "inconsistent" if np.any(found.heights) else found.passed, seed
    if np.any(found.heights):
        assert "dirac_term(mixed, model, (0, 1))" in found.remedy, (seed, found.remedy)


@pytest.mark.parametrize("seed", [1, 4])
def test_the_exact_gradient_is_that_of_the_outputs_one_by_one(seed: int) -> None:
    net = network_of(seed, 2)
    found = audit(net, apart)
    wanted = one_by_one(net)
    # The exact side is float64: some roundings of what it sums up.
    np.testing.assert_allclose(found.bulk + found.dirac, wanted, rtol=0, atol=1e-11 * np.linalg.norm(wanted))
    assert found.verdict == "inconsistent"


@pytest.mark.parametrize("seed", range(3))
def test_random_networks_of_several_outputs_are_judged_right(seed: int) -> None:
    judged_right(seed)


@pytest.mark.long
def test_100_random_networks_of_several_outputs() -> None:
    for seed in range(100):
        judged_right(seed)


@pytest.mark.long
@pytest.mark.parametrize("name", SMOOTH)
def test_no_false_alarm_on_100_smooth_networks_of_several_outputs(name: str) -> None:
    for seed in range(100):
        assert audit(network_of(seed, 2, SMOOTH[name]), mixed).passed, seed


def test_a_smooth_model_of_three_outputs_is_consistent() -> None:
    found = audit(network_of(3, 3, nn.Tanh), mixed)
    assert found.passed
    assert not len(found.kinks)


def test_a_kink_that_one_output_alone_has_is_found() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Parameter(torch.tensor([0.4], dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x**2 * self.place, torch.relu(x - self.place)], 1)

    found = audit(Pair(), lambda x, u, du: (du**2).sum(1) / 2 - u[:, 1])
    np.testing.assert_allclose(found.kinks, [0.4], rtol=0, atol=1e-15)
    # ∫ ½(2ax)² + ½[x > a] − (x − a)₊ dx = (2/3)a² + (1 − a)/2 − (1 − a)²/2, and its part that moves is −½.
    np.testing.assert_allclose(found.dirac, [-0.5], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.bulk + found.dirac, [4 * 0.4 / 3 - 0.5 + 0.6], rtol=0, atol=1e-12)


@pytest.mark.slow
def test_the_ends_see_all_outputs_and_the_loss_may_be_the_users_own() -> None:
    net = network_of(1, 2)

    def loss(u: Callable[[Tensor], Tensor], n: int) -> Tensor:
        x = ((torch.arange(n, dtype=torch.float64) + 0.5) / n).requires_grad_()
        value = u(x[:, None])
        slopes = [torch.autograd.grad(c.sum(), x, create_graph=True)[0] for c in value.unbind(1)]
        ends = u(torch.tensor([[0.0], [1.0]], dtype=torch.float64))
        return mixed(x, value, torch.stack(slopes, 1)).mean() + (ends[1] ** 2).sum() + dirac_term(mixed, u, (0, 1))

    def ends(u: Tensor) -> Tensor:
        assert u.shape == (2, 2)
        return (u[1] ** 2).sum()

    found = audit(net, mixed, loss=loss, ends=ends)
    # The loss has the very term that the audit would advise.
    assert found.verdict == "consistent"
    assert found.total is not None
    assert found.total.lacks is not None
    assert abs(found.total.lacks) < 1e-2
    assert audit(net, mixed, ends=ends).verdict == "inconsistent"


def test_a_density_that_does_not_fit_is_refused_with_its_shapes() -> None:
    with pytest.raises(
        InputError, match=r"^density: it returns shape \(7, 2\) for 7 points with u and du of shape \(7, 2\)"
    ):
        audit(network_of(1, 2), lambda x, u, du: du**2)
    with pytest.raises(InputError, match=r"^density: its derivative in du is 0 as autograd sees it"):
        audit(network_of(1, 2), lambda x, u, du: du[:, 0] ** 2 + du[:, 1].detach() ** 2)


def test_a_model_that_mixes_points_has_no_outputs_but_a_fault() -> None:
    net = network_of(1, 1)
    with pytest.raises(InputError, match=r"^model: it returns shape \(7, 7\) for 7 points"):
        audit(lambda x: x[:, 0] * net(x), lambda x, u, du: du**2)
