from __future__ import annotations

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from kinkproof.solver import integrate
from kinkproof.verify import InputError, audit
from kinkproof.verify.models.telling.model_findings import ModelAudit
from torch import Tensor, nn

from tests.verify.models.random_models import SMOOTH, bar, density, kinked, network, wrapped


def judged_right(seed: int) -> None:
    found = audit(wrapped(seed), density)
    formula, conforming = found.routes[0].error, found.routes[-1].error
    assert formula <= 1e-9, seed
    assert conforming <= 1e-3, seed
    assert found.gradcheck is not None
    assert found.gradcheck.passed, seed
    # A network whose kinks nothing depends on, or that has none inside, has nothing to miss.
    feels = bool(np.any(found.heights))
    assert found.verdict == "inconsistent" if feels else found.passed, seed
    if feels:
        assert found.total is not None
        assert found.total.missing > 0
        assert found.total.offenders


def no_false_alarm(seed: int, name: str, dtype: torch.dtype) -> None:
    found = audit(wrapped(seed, SMOOTH[name], dtype), density)
    assert found.passed, (seed, name, str(found))
    assert not len(found.kinks)
    assert "smooth" in found.reason


@pytest.mark.parametrize("seed", range(12))
def test_relu_networks_are_inconsistent_and_both_routes_agree(seed: int) -> None:
    judged_right(seed)


@pytest.mark.parametrize("seed", range(12))
def test_smooth_networks_raise_no_false_alarm(seed: int) -> None:
    no_false_alarm(seed, list(SMOOTH)[seed % 3], torch.float64 if seed < 9 else torch.float32)


@pytest.mark.long
def test_200_relu_networks() -> None:
    for seed in range(200):
        judged_right(seed)


@pytest.mark.long
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SMOOTH)
def test_100_smooth_networks_of_each_kind(name: str, dtype: torch.dtype) -> None:
    for seed in range(100):
        no_false_alarm(seed, name, dtype)


class Sorted(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z.sort(-1).values


class Maxout(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return torch.maximum(z[..., ::2], z[..., 1::2]).repeat_interleave(2, -1)


@pytest.mark.parametrize("activation", [Sorted, Maxout])
def test_networks_without_activations_have_kinks_too(activation: Callable[[], nn.Module]) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(1, 6), activation(), nn.Linear(6, 1)).double()
    found = audit(net, bar, (-3, 3))
    assert found.verdict == "inconsistent"
    assert found.routes_agree
    # What torch does inside sort is not known: said, and searched for.
    assert any("sort" in n for n in found.notes) == (activation is Sorted)


def test_a_function_of_parameters_is_a_model_too() -> None:
    net = kinked()
    parameters = {n: p.detach() for n, p in net.named_parameters()}

    def model(p: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.relu(x @ p["0.weight"].T + p["0.bias"]) @ p["2.weight"].T + p["2.bias"]

    found, module = audit(model, bar, parameters=parameters), audit(net, bar)
    np.testing.assert_allclose(found.dirac, module.dirac, rtol=0, atol=1e-12)
    assert found.verdict == "inconsistent"
    assert "field = partial(model, parameters)" in found.remedy
    own = audit(model, bar, parameters=parameters, loss=lambda u, n: integrate(bar, u, (0, 1), order=8))
    assert own.verdict == "exact"


def test_a_density_may_depend_on_the_parameters_and_the_ends_add_their_part() -> None:
    weight = 1e-2

    def decaying(x: Tensor, u: Tensor, du: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        return bar(x, u, du) + weight * parameters["2.weight"].square().sum()

    plain = audit(kinked(), bar)
    found = audit(kinked(), decaying, ends=lambda u: 3 * u[1])
    net = kinked()
    (3 * net(torch.ones(1, 1, dtype=torch.float64)).sum() + weight * net[2].weight.square().sum()).backward()
    added = torch.cat([p.grad.reshape(-1) for p in net.parameters() if p.grad is not None]).numpy()
    np.testing.assert_allclose(found.bulk - plain.bulk, added, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.dirac, plain.dirac, rtol=0, atol=1e-12)
    assert found.verdict == "inconsistent"


def test_breaks_of_the_density_itself_are_integrated_over() -> None:
    found = audit(kinked(), lambda x, u, du: torch.where(x < 0.3, 1.0, 10.0) * du**2 / 2 - u)
    assert found.verdict == "inconsistent"
    assert found.routes_agree


@pytest.mark.parametrize("activation", [nn.LeakyReLU, nn.Hardtanh, nn.ELU, nn.PReLU, nn.Hardswish, nn.Softshrink])
def test_other_activations(activation: Callable[[], nn.Module]) -> None:
    net = kinked(6)
    net[1] = activation().double()
    found = audit(net, bar)
    assert found.routes_agree
    bends = activation not in (nn.ELU,)
    assert found.passed is not bends or not np.any(found.heights), (activation, found.verdict)


def test_many_kinks_are_answered_and_the_limit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinkproof.verify.models.model_audit.MANY_STRAIGHT", 100)
    found = audit(kinked(250), bar)
    assert len(found.kinks) == 250
    assert found.verdict == "inconsistent"
    assert any("250 kinks are more than the 100" in n for n in found.notes)


class Scaled(nn.Module):
    def __init__(self, net: nn.Module, factor: float) -> None:
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x: Tensor) -> Tensor:
        value: Tensor = self.net(self.factor * x)
        return value


@pytest.mark.parametrize("length", [1e3, 1e-3])
def test_long_and_short_domains_are_resolved(length: float) -> None:
    # On the long one L has some 160 periods, of which its jumps are a millionth.
    found = audit(Scaled(kinked(), 1 / length), bar, (0, length))
    assert len(found.kinks) == 8
    assert found.routes[0].error <= 1e-9, str(found)
    assert found.verdict == "inconsistent"


@pytest.mark.long
def test_thousands_of_kinks() -> None:
    found = audit(kinked(3_000), bar)
    assert len(found.kinks) == 3_000
    assert found.verdict == "inconsistent"
    assert [n.split(" kinks")[0] for n in found.notes] == ["3,000", "of 3,000"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_trained_model_whose_gradient_is_rounding_raises_no_alarm(dtype: torch.dtype) -> None:
    net = network(8, nn.Tanh)
    x = (torch.arange(40, dtype=torch.float64) + 0.5) / 40
    optimiser = torch.optim.LBFGS(net.parameters(), max_iter=400, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = (net(x[:, None])[:, 0] - 1).square().mean()
        value.backward()
        return value

    optimiser.step(closure)

    def fit(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return (u - 1) ** 2 / 2 + du**2 / 2

    for rule in ("midpoint", "gauss-legendre"):
        found = audit(net.to(dtype), fit, rule=rule)
        assert found.passed, str(found)


def test_audit_dispatches_on_what_it_is_given() -> None:
    assert isinstance(audit(kinked(), bar), ModelAudit)
    assert isinstance(audit(model=kinked(), density=bar), ModelAudit)
    with pytest.raises(InputError, match="a RitzProblem, or a torch model"):
        audit(3)  # type: ignore[call-overload]


def test_a_parameter_without_dimensions_is_one_like_others() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.place = kinked(), nn.Parameter(torch.tensor(0.4, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) + torch.relu(x - self.place)

    found = audit(Scaled(), bar)
    assert found.verdict == "inconsistent"
    lacking = {t.name: t.missing for t in found.tensors}
    assert lacking["place"] > 0


def test_a_gradient_that_cancels_to_rounding_leaves_a_verdict() -> None:
    # u is constant and the load odd: what is left of the integral of ∂L/∂θ is rounding of its terms.
    silent = kinked()
    with torch.no_grad():
        silent[0].weight.clamp_(-1, 1)
        silent[0].bias.fill_(-50.0)
        silent[2].bias.fill_(1e-3)
    assert audit(silent, lambda x, u, du: du**2 / 2 - torch.sin(3 * x) * u, (-1, 1)).passed
    # Two networks that all but cancel: u is small, its terms are not.
    one = kinked(seed=1)

    class Difference(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = one, copy.deepcopy(one)
            with torch.no_grad():
                self.other[2].weight.mul_(1 + 1e-6)

        def forward(self, x: Tensor) -> Tensor:
            return self.one(x) - self.other(x)

    found = audit(Difference(), lambda x, u, du: du**2 / 2 + u**2)
    assert found.routes_agree, str(found)
    assert found.verdict == "inconsistent"


@pytest.mark.parametrize("ends", [None, lambda u: (u - 1).square().sum()])
def test_an_energy_that_vanishes_at_the_start_is_judged(ends: Callable[[Tensor], Tensor] | None) -> None:
    # As a last layer that starts at zero makes it.
    for activation in (nn.ReLU, nn.Tanh):
        model = nn.Sequential(nn.Linear(1, 8), activation(), nn.Linear(8, 1)).double()
        nn.init.zeros_(model[2].weight)
        nn.init.zeros_(model[2].bias)
        found = audit(model, bar, (-1, 1), ends=ends)
        assert found.passed, str(found)
        json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize("amplitude", [0.2, 5.0, 1000.0])
def test_a_load_on_a_spot_is_no_fault_of_autodiffs(amplitude: float) -> None:
    torch.manual_seed(0)
    smooth = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()

    def spot(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        # A thousandth of the domain wide, between all nodes of one piece.
        return du**2 / 2 - (torch.sin(3 * x) + amplitude * torch.exp(-1e6 * (x - 0.3) ** 2)) * u

    found = audit(smooth, spot, (-1, 1))
    assert found.verdict == "consistent", str(found)


@pytest.mark.parametrize(("steepness", "domain"), [(500.0, (-1, 1)), (3000.0, (0, 1)), (1.0, (1000, 1001))])
def test_steep_and_saturated_networks_are_smooth(steepness: float, domain: tuple[float, float]) -> None:
    # There u′ has more roundings than elsewhere, which looked like breaks.
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    with torch.no_grad():
        net[0].weight.mul_(steepness)
        net[0].bias.mul_(steepness)
    assert audit(net, lambda x, u, du: du**2 / 2 - torch.sin(3 * x) * u, domain).passed


class Sine(nn.Module):
    def __init__(self, frequency: float) -> None:
        super().__init__()
        self.frequency = frequency

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.frequency * x)


@pytest.mark.parametrize("frequency", [30.0, 1000.0])
def test_oscillating_networks_are_smooth(frequency: float) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 16), Sine(frequency), nn.Linear(16, 16), Sine(1.0), nn.Linear(16, 1)).double()
    assert audit(net, bar).verdict == "consistent"
