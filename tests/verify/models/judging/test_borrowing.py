"""Trainable tensors that a density takes from elsewhere, and what a callable holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import InputError, audit
from kinkproof.verify.models.model_audit import ModelAudit
from torch import Tensor, nn

from tests.verify.models.random_models import Ritz, kinked


class Stiff(nn.Module):
    """x(1 − x)·network, and a stiffness that only the density makes use of."""

    def __init__(self, net: nn.Module, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.net = net
        self.E = nn.Parameter(torch.tensor(2.0, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 - x) * self.net(x)


def smooth(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 1)).double()


def by_hand(model: Callable[[Tensor], Tensor], count: int = 20_001) -> float:
    """∫ ½u′² dx of a smooth model by Simpson's rule, which is ∂/∂E of ∫ E u′²/2 − fu."""
    x = torch.linspace(0, 1, count, dtype=torch.float64)[:, None].requires_grad_()
    (du,) = torch.autograd.grad(model(x).sum(), x)
    weights = torch.full((count,), 2.0, dtype=torch.float64)
    weights[1::2], weights[0], weights[-1] = 4.0, 1.0, 1.0
    return float((weights * du[:, 0] ** 2 / 2).sum() / (3 * (count - 1)))


def energy(stiffness: Callable[[], Tensor]) -> Callable[..., Tensor]:
    return lambda x, u, du: stiffness() * du**2 / 2 - torch.sin(3 * x) * u


def exact_of(found: ModelAudit, name: str) -> float:
    """The exact gradient in a number that stands last."""
    assert found.tensors[-1].name == name
    return float(found.bulk[-1] + found.dirac[-1])


def test_a_stiffness_of_the_users_own_model_is_judged_like_a_parameter() -> None:
    model = Stiff(smooth())
    found = audit(model, energy(lambda: model.E))
    by_name = {t.name: t for t in found.tensors}
    assert found.verdict == "consistent"
    assert by_name["E"].verdict == "consistent"
    at = list(by_name).index("E")
    start = sum(int(np.prod(t.shape)) for t in found.tensors[:at])
    # Simpson's rule on 20,000 cells of a smooth function is at rounding.
    assert found.bulk[start] == pytest.approx(by_hand(model), rel=1e-9)
    assert float(model.E.detach()) == 2
    assert model.E.grad is None


def test_with_kinks_it_is_refuted_in_what_moves_them_and_not_in_the_stiffness() -> None:
    model = Stiff(kinked())
    found = audit(model, energy(lambda: model.E))
    verdicts = {t.name: t.verdict for t in found.tensors}
    assert verdicts["E"] == "consistent"
    assert verdicts["net.0.bias"] == "inconsistent"


STIFFNESS = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)


def of_the_script(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return STIFFNESS * du**2 / 2 - torch.sin(3 * x) * u


def held(kind: str) -> tuple[Callable[..., Tensor], str]:
    """Densities that keep a trainable number in all kinds of places, and what it is called."""
    number = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    if kind == "global":
        return of_the_script, "STIFFNESS"
    if kind == "closure":
        return energy(lambda: number), "stiffness.number"
    if kind == "dict":
        kept = {"stiffness": number}
        return energy(lambda: kept["stiffness"]), "stiffness.kept.stiffness"
    if kind == "object":
        settings = SimpleNamespace(stiffness=number)
        return energy(lambda: settings.stiffness), "stiffness.settings.stiffness"
    other = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        other.weight.fill_(1.5)
    return energy(lambda: other.weight[0, 0]), "stiffness.other.weight"


@pytest.mark.parametrize("kind", ["global", "closure", "dict", "object", "module"])
def test_a_trainable_number_of_the_script_is_found_named_and_judged(kind: str) -> None:
    density, name = held(kind)
    model = Ritz(smooth())
    found = audit(model, density)
    assert found.verdict == "consistent"
    assert exact_of(found, name) == pytest.approx(by_hand(model), rel=1e-9)
    # Autodiff's gradient in it is judged too, and not one of nought.
    assert found.autodiff[-1] == pytest.approx(by_hand(model), rel=1e-3)
    assert STIFFNESS.grad is None
    assert float(STIFFNESS.detach()) == 1.5


def test_a_trainable_number_in_the_users_loss_is_lent_there_too() -> None:
    number = torch.tensor(1.5, requires_grad=True)
    model = Ritz(smooth().float())

    def density(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return number * du**2 / 2 - torch.sin(3 * x) * u

    def loss(model: nn.Module, n: int) -> Tensor:
        x = ((torch.arange(n) + 0.5) / n)[:, None].requires_grad_()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return density(x, u, du).mean()

    found = audit(model, density, loss=loss)
    assert found.passed
    assert found.tensors[-1].name == "number"
    assert found.autodiff[-1] == pytest.approx(float(found.bulk[-1]), rel=1e-3)
    assert number.dtype == torch.float32


def test_a_trainable_tensor_that_cannot_be_found_is_refused_by_its_shape() -> None:
    hidden = iter(lambda: torch.tensor([2.0], requires_grad=True), None)
    with pytest.raises(InputError, match=r"density: it depends on a trainable tensor of shape \(1,\) that is neither"):
        audit(Ritz(smooth()), lambda x, u, du: next(hidden) * du**2 / 2)


def net_of(dtype: torch.dtype, activation: type[nn.Module]) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(1, 8), activation(), nn.Linear(8, 1)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("activation", "verdict"), [(nn.Tanh, "consistent"), (nn.ReLU, "inconsistent")])
def test_a_function_that_closes_over_a_network_is_a_model(dtype: torch.dtype, activation: Any, verdict: str) -> None:
    net = net_of(dtype, activation)
    before = [p.detach().clone() for p in net.parameters()]
    whole = audit(Ritz(net_of(dtype, activation)), energy(lambda: torch.ones(())))
    ways: list[Callable[[Tensor], Tensor]] = [
        lambda x: x * (1 - x) * net(x),
        partial(lambda x, n: x * (1 - x) * n(x), n=net),
        SimpleNamespace(call=lambda x: x * (1 - x) * net(x)).call,
    ]
    for model in ways:
        found = audit(model, energy(lambda: torch.ones(())))
        # In float32 what vanishes may have reached rounding already.
        assert found.verdict == verdict or (verdict == "consistent" and found.passed)
        assert found.energy == pytest.approx(whole.energy, rel=1e-14)
        np.testing.assert_allclose(found.bulk, whole.bulk, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(found.dirac, whole.dirac, rtol=1e-12, atol=1e-14)
        assert [t.name.rpartition(".")[2] for t in found.tensors] == ["weight", "bias", "weight", "bias"]
    for parameter, old in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
        assert parameter.dtype == dtype


def test_what_nitsches_method_adds_at_the_ends_is_judged_with_it() -> None:
    def nitsche(u: Tensor, du: Tensor) -> Tensor:
        return -(du[1] * u[1] - du[0] * u[0]) + 50 * u.square().sum()

    def loss(model: nn.Module, n: int) -> Tensor:
        x = ((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None].requires_grad_()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64, requires_grad=True)
        at_ends = model(ends)
        (slopes,) = torch.autograd.grad(at_ends.sum(), ends, create_graph=True)
        return (du**2 / 2 - u).mean() + nitsche(at_ends[:, 0], slopes[:, 0])

    def load(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return du**2 / 2 - u

    for net, verdict in ((smooth(), "consistent"), (kinked(), "inconsistent")):
        stated = audit(net, load, ends=nitsche)
        assert stated.verdict == verdict
        whole = audit(net, load, loss=loss, ends=nitsche)
        assert whole.verdict == verdict
        assert whole.energy == stated.energy
        if verdict == "inconsistent":
            assert "ends(u, du)" in stated.remedy
            kept = [p.detach().clone() for p in net.parameters()]
            exec(stated.remedy, {"torch": torch, "model": net, "load": load, "ends": nitsche})
            found = torch.cat([p.grad.reshape(-1) for p in net.parameters()]).numpy()
            exact = stated.bulk + stated.dirac
            assert np.linalg.norm(found - exact) <= 1e-9 * np.linalg.norm(exact)
            assert all(torch.equal(p, k) for p, k in zip(net.parameters(), kept, strict=True))


@pytest.mark.parametrize(
    ("density", "domain"),
    [
        (lambda x, u, du: torch.sqrt((1 + du**2) / (20 * u + 0.01)), (0, 1)),
        (lambda x, u, du: du**2 / (8 * u) + torch.sqrt(u) * x**2, (0, 1)),
        (lambda x, u, du: du**2 / 2 + u * torch.log(u), (0, 1)),
        (lambda x, u, du: du**2 / 2 - torch.log(1 - u), (0, 1)),
    ],
)
def test_a_density_is_asked_for_values_that_the_model_takes(density: Any, domain: tuple[float, float]) -> None:
    net = smooth(3)
    # Between 0 and 1, and near both.
    found = audit(lambda x: torch.sigmoid(8 * net(x)), density, domain)
    assert found.verdict == "consistent"


def test_a_density_may_change_in_place_what_it_is_given() -> None:
    def clipped(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        du[du < -1] = -1
        u *= 2
        return (1 + du) ** 1.5 - 1.5 * du - 1 - x * u

    def out_of_place(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return (1 + torch.where(du < -1, -1.0, du)) ** 1.5 - 1.5 * torch.where(du < -1, -1.0, du) - 1 - 2 * x * u

    model = Ritz(kinked())
    found, expected = audit(model, clipped), audit(model, out_of_place)
    assert found.verdict == "inconsistent"
    np.testing.assert_allclose(found.dirac, expected.dirac, rtol=1e-10, atol=1e-14)
    assert "integrate(clipped" in found.remedy
