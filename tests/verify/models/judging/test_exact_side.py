from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import audit
from kinkproof.verify.models.judging import exact_side
from torch import Tensor, nn

from tests.verify.models.random_models import Ritz, bar, density, kinked, network, reference


def agrees_with_reference(seed: int) -> None:
    net = network(seed)
    found = audit(net, density)
    assert isinstance(net, nn.Sequential)
    energy, gradient, kinks = reference(net)
    # A rounding of the gradient for each of some thousand terms is 1e-13; the bound is the one that was promised.
    assert np.linalg.norm(found.bulk + found.dirac - gradient) <= 1e-9 * np.linalg.norm(gradient), seed
    assert abs(found.energy - energy) <= 1e-12 * max(1.0, abs(energy)), seed
    assert int(np.count_nonzero(found.heights)) == kinks, seed


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 6, 7])
def test_the_jump_formula_is_the_reference_of_50_digits(seed: int) -> None:
    agrees_with_reference(seed)


@pytest.mark.long
def test_200_relu_networks_against_the_reference() -> None:
    for seed in range(200):
        agrees_with_reference(seed)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("sign", "nodes that follow the kinks"),
        ("speed", "by continuity of u"),
        ("both", "differences of the energy"),
    ],
)
def test_a_fault_in_one_route_leaves_nobody_judged(fault: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, attached = exact_side.jump_gradient, exact_side.attach

    def faulty(*arguments: Any) -> Any:
        found = honest(*arguments)
        object.__setattr__(found, "jump", -found.jump)
        return found

    if fault == "sign":
        monkeypatch.setattr(exact_side, "jump_gradient", faulty)
    else:
        # Kinks that move by half: both routes believe it, the continuity of u does not, nor do differences.
        monkeypatch.setattr(exact_side, "attach", lambda m, b: (attached(m, b) + attached(m, b).detach()) / 2)
    if fault == "both":
        monkeypatch.setattr("kinkproof.verify.models.model_audit._CONTINUITY", 10)
    found = audit(kinked(), bar)
    assert found.verdict == "none"
    assert not found.passed
    assert not found.routes_agree
    assert found.total is None
    assert "disagree" in found.reason
    assert said in found.reason
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["verdict"] == "none"


@pytest.mark.parametrize(
    ("domain", "named"),
    [((-1.0, 1.0), "together at x = 0"), ((0.0, 1.0), "on the end x = 0 of the domain")],
)
def test_biases_that_start_at_zero_have_one_sided_derivatives_and_are_named(
    domain: tuple[float, float], named: str
) -> None:
    net = kinked()
    nn.init.zeros_(net[0].bias)
    found = audit(net, bar, domain)
    (note,) = found.notes
    assert named in note
    assert "one-sided" in note
    assert "neuron" in note
    assert "displaced" in note
    assert found.verdict == "inconsistent"


@pytest.mark.parametrize("gap", [1e-4, 1e-6, 1e-8, 3e-9, 5e-10, 1e-12, 1e-15, 0.0])
def test_kinks_close_to_each_other_are_judged_or_named(gap: float) -> None:
    net = nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [1.0], [-2.0]]))
        net[0].bias.copy_(torch.tensor([-0.4, -0.4 - gap, 1.4], dtype=torch.float64))
        net[2].weight.copy_(torch.tensor([[1.0, -2.0, 0.5]]))
    found = audit(net, bar)
    assert found.verdict == "inconsistent", str(found)
    assert bool(found.notes) == (gap <= 1e-9)
    for note in found.notes:
        assert "neuron 0; relu “1”, neuron 1 together at x = 0.4" in note
        assert "start at zero" not in note


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 2e-9, 5e-10, 1e-13, 0.0, -5e-10, -1e-6])
def test_kinks_close_to_an_end_are_judged_or_named(gap: float) -> None:
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [-2.0]]))
        net[0].bias.copy_(torch.tensor([-gap, 1.4], dtype=torch.float64))
        net[2].weight.copy_(torch.tensor([[1.0, -2.0]]))
    found = audit(net, bar)
    assert found.verdict == "inconsistent", str(found)
    assert bool(found.notes) == (abs(gap) <= 1e-9)
    assert all("neuron 0 on the end x = 0 of the domain" in n for n in found.notes)
    # Where D vanishes such a kink does no harm.
    assert audit(Ritz(net), bar).notes == ()


def test_zero_biases_do_no_harm_where_the_distance_function_vanishes() -> None:
    net = kinked()
    nn.init.zeros_(net[0].bias)
    assert audit(Ritz(net), bar).notes == ()


def test_one_preactivation_that_breaks_twice_is_no_degeneracy() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(1, 5).double(), nn.Linear(10, 1).double()

        def forward(self, x: Tensor) -> Tensor:
            z = self.first(x)
            value: Tensor = self.last(torch.cat([torch.relu(z), z.abs()], -1))
            return value

    torch.manual_seed(3)
    found = audit(Both(), bar, (-2, 2))
    assert found.notes == ()
    assert found.verdict == "inconsistent"


def test_the_ranking_of_kinks_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = audit(kinked(9), bar)
    monkeypatch.setattr(exact_side, "MOST_RANKED", 5)
    found = audit(kinked(9), bar)
    assert any("of 9 kinks the 5 with the largest jumps" in n for n in found.notes)
    np.testing.assert_allclose(found.dirac, whole.dirac, rtol=0, atol=1e-12)


class OwnRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *by_value: Any) -> Any:
        (z,) = ctx.saved_tensors
        return by_value[0] * (z > 0)


class Hidden(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        value: Tensor = OwnRelu.apply(z)  # type: ignore[no-untyped-call]
        return value


def test_a_kink_whose_motion_autograd_does_not_see_leaves_nobody_judged() -> None:
    net = kinked()
    net[1] = Hidden()
    found = audit(net, bar)
    assert found.verdict == "none"
    assert "custom autograd.Function" in found.reason


class Applied(nn.Module):
    """A smooth network behind or in front of something that breaks at places of its own."""

    def __init__(self, break_: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net, self.break_ = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double(), break_

    def forward(self, x: Tensor) -> Tensor:
        return self.break_(self.net, x)


@pytest.mark.parametrize(
    "break_",
    [
        lambda net, x: net(x.clamp(0, 1)),
        lambda net, x: net(x.abs()),
        lambda net, x: torch.where(x >= 0, x * net(x), torch.zeros_like(x)),
        # Without biases kinks lie at x = 0 whatever the weights are.
        lambda net, x: net[2](torch.relu(x @ net[0].weight.T)),
    ],
)
def test_kinks_that_stay_on_an_end_do_no_harm(break_: Callable[[nn.Module, Tensor], Tensor]) -> None:
    found = audit(Applied(break_), bar)
    assert found.passed
    assert not any("one-sided" in n for n in found.notes)


def test_kinks_that_stay_together_do_no_harm() -> None:
    # At 0.3 to rounding, which differs from neuron to neuron.
    model = Applied(lambda net, x: net[2](torch.relu((x - 0.3) @ net[0].weight.T)))  # type: ignore[index, operator]
    found = audit(model, bar)
    assert found.passed
    assert not any("one-sided" in n for n in found.notes)
    assert np.any(found.heights)
    assert "none at which L jumps moves" in found.reason
