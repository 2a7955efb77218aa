from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import integrate
from kinkproof.verify import InputError, audit
from kinkproof.verify.models.judging import exact_side
from kinkproof.verify.models.telling.model_findings import ModelAudit
from torch import Tensor, nn

from tests.verify.models.random_models import SMOOTH, Ritz, density, network, reference


def bar(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 / 2 - torch.cos(x) * u


def kinked(width: int = 8, seed: int = 0) -> nn.Sequential:
    """One hidden layer, all of whose kinks lie inside (0, 1)."""
    draw = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.randn(width, 1, generator=draw, dtype=torch.float64))
        places = (torch.arange(width) + torch.rand(width, generator=draw, dtype=torch.float64)) / width
        net[0].bias.copy_(-net[0].weight[:, 0] * places)
        net[2].weight.copy_(torch.randn(1, width, generator=draw, dtype=torch.float64))
    return net


def wrapped(seed: int, activation: Callable[[], nn.Module] = nn.ReLU, dtype: torch.dtype = torch.float64) -> nn.Module:
    net = network(seed, activation, dtype)
    return Ritz(net) if seed % 2 else net


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


def agrees_with_reference(seed: int) -> None:
    net = network(seed)
    found = audit(net, density)
    assert isinstance(net, nn.Sequential)
    energy, gradient, kinks = reference(net)
    # A rounding of the gradient for each of some thousand terms is 1e-13; the bound is the one that was promised.
    assert np.linalg.norm(found.bulk + found.dirac - gradient) <= 1e-9 * np.linalg.norm(gradient), seed
    assert abs(found.energy - energy) <= 1e-12 * max(1.0, abs(energy)), seed
    assert int(np.count_nonzero(found.heights)) == kinks, seed


def no_false_alarm(seed: int, name: str, dtype: torch.dtype) -> None:
    found = audit(wrapped(seed, SMOOTH[name], dtype), density)
    assert found.passed, (seed, name, str(found))
    assert not len(found.kinks)
    assert "smooth" in found.reason


@pytest.mark.parametrize("seed", range(12))
def test_relu_networks_are_inconsistent_and_both_routes_agree(seed: int) -> None:
    judged_right(seed)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 6, 7])
def test_the_jump_formula_is_the_reference_of_50_digits(seed: int) -> None:
    agrees_with_reference(seed)


@pytest.mark.parametrize("seed", range(12))
def test_smooth_networks_raise_no_false_alarm(seed: int) -> None:
    no_false_alarm(seed, list(SMOOTH)[seed % 3], torch.float64 if seed < 9 else torch.float32)


@pytest.mark.long
def test_200_relu_networks() -> None:
    for seed in range(200):
        judged_right(seed)


@pytest.mark.long
def test_200_relu_networks_against_the_reference() -> None:
    for seed in range(200):
        agrees_with_reference(seed)


@pytest.mark.long
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SMOOTH)
def test_100_smooth_networks_of_each_kind(name: str, dtype: torch.dtype) -> None:
    for seed in range(100):
        no_false_alarm(seed, name, dtype)


def test_what_autodiff_lacks_is_the_dirac_part_by_kink_and_by_tensor() -> None:
    found = audit(kinked(), bar)
    assert found.verdict == "inconsistent"
    lacking = found.bulk + found.dirac - found.autodiff
    # Order 1 in 1/n, a few kinks of eight, on 10,000 points.
    assert np.linalg.norm(lacking - found.dirac) <= 1e-2 * np.linalg.norm(found.dirac)
    verdicts = {t.name: t.verdict for t in found.tensors}
    assert verdicts == {
        "0.weight": "inconsistent",
        "0.bias": "inconsistent",
        "2.weight": "consistent",
        "2.bias": "consistent",
    }
    assert len(found.kinks) == 8
    first = found.tensors[1]
    assert first.lacks == pytest.approx(1, abs=1e-2)
    # One bias a kink: its Dirac term is what the offender's share says.
    bias = found.dirac[8:16]
    order = np.argsort(-np.abs(bias))
    assert [o.neuron for o in first.offenders] == order[:3].tolist()
    shares = np.abs(bias[order[:3]]) / np.linalg.norm(bias)
    assert [o.share for o in first.offenders] == pytest.approx(shares.tolist())
    net = kinked()
    places = -(net[0].bias / net[0].weight[:, 0]).detach().numpy()
    assert [o.place for o in first.offenders] == pytest.approx(places[order[:3]].tolist())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("sign", "nodes that follow the kinks"),
        ("speed", "by continuity of u"),
        ("both", "differences of the energy"),
    ],
)
def test_a_fault_in_one_route_leaves_nobody_judged(fault: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, attached = exact_side.jump_gradient, exact_side.attached

    def faulty(*arguments: Any) -> Any:
        found = honest(*arguments)
        object.__setattr__(found, "jump", -found.jump)
        return found

    if fault == "sign":
        monkeypatch.setattr(exact_side, "jump_gradient", faulty)
    else:
        # Kinks that move by half: both routes believe it, the continuity of u does not, nor do differences.
        monkeypatch.setattr(exact_side, "attached", lambda m, b: (attached(m, b) + attached(m, b).detach()) / 2)
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


def test_a_density_that_jumps_in_u_gets_no_verdict() -> None:
    # Where u passes a threshold L jumps at a place that moves and that no kink explains.
    net = kinked()
    level = net(torch.tensor([[0.437]], dtype=torch.float64)).item()
    found = audit(net, lambda x, u, du: du**2 / 2 + (u > level).double())
    assert found.verdict == "none"


def grid_loss(model: nn.Module, n: int, sum_of: Callable[[Tensor], Tensor] = torch.mean) -> Tensor:
    dtype = next(model.parameters()).dtype
    x = torch.linspace(0, 1, n, dtype=dtype).reshape(-1, 1).requires_grad_()
    u = model(x)
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return sum_of(bar(x, u, du))


def test_the_users_whole_loss_is_judged_and_its_remedy_is_exact() -> None:
    found = audit(kinked(), bar, loss=grid_loss)
    assert (found.verdict, found.discretisation) == ("inconsistent", "your loss")
    mended = audit(kinked(), bar, loss=lambda model, n: integrate(bar, model, (0, 1), order=8))
    assert mended.verdict == "exact"
    assert {t.verdict for t in mended.tensors} == {"exact"}
    assert "follow the kinks" in mended.reason


def test_a_loss_that_detaches_is_not_blamed_on_the_kinks() -> None:
    def cut(model: nn.Module, n: int, keep: bool = True) -> Tensor:
        x = ((torch.arange(n, dtype=torch.float64) + 0.5) / n).reshape(-1, 1).requires_grad_()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, retain_graph=keep)
        return bar(x, u, du).mean()

    with pytest.raises(InputError, match=r"your loss: autograd's gradient of it fails \(RuntimeError: Trying to"):
        audit(kinked(), bar, loss=partial(cut, keep=False))
    found = audit(kinked(), bar, loss=cut)
    assert found.verdict == "inconsistent"
    assert "the kinks explain only part of it" in found.reason
    smooth = audit(network(1, nn.Tanh), bar, loss=cut)
    assert smooth.verdict == "inconsistent"
    assert "the kinks explain none of it" in smooth.reason


def test_a_loss_of_another_energy_is_refused() -> None:
    with pytest.raises(InputError, match=r"loss: its value is .*0\.4998 times it; .*length of the domain"):
        audit(kinked(), bar, domain=(-1, 1), loss=lambda m, n: _mean_on(m, n))


def _mean_on(model: nn.Module, n: int) -> Tensor:
    # The mean of points on (−1, 1) is half the integral.
    x = (2 * (torch.arange(n, dtype=torch.float64) + 0.5) / n - 1).reshape(-1, 1).requires_grad_()
    u = model(x)
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return bar(x, u, du).mean()


def drawn(n: int) -> tuple[Tensor, Tensor]:
    return torch.rand(n, dtype=torch.float64), torch.full((n,), 1 / n, dtype=torch.float64)


def test_points_drawn_anew_are_judged_by_the_mean_over_draws() -> None:
    found = audit(kinked(), bar, quadrature=drawn)
    assert found.draws >= 50
    assert found.verdict == "inconsistent"
    assert found.total is not None
    assert found.total.lacks is not None
    assert abs(found.total.lacks - 1) <= 5 * found.total.uncertainty
    assert {t.name: t.verdict for t in found.tensors}["2.weight"] == "consistent"
    smooth = audit(network(3, nn.Tanh), bar, quadrature=drawn)
    assert smooth.verdict == "consistent"
    again = audit(kinked(), bar, quadrature=drawn)
    # The order of sums depends on where arrays lie in memory.
    np.testing.assert_allclose(again.autodiff, found.autodiff, rtol=1e-12, atol=1e-14)


def test_a_whole_loss_that_draws_its_points_is_judged_likewise() -> None:
    def loss(model: nn.Module, n: int) -> Tensor:
        x = torch.rand(n, 1, dtype=torch.float64, requires_grad=True)
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return bar(x, u, du).mean()

    found = audit(kinked(), bar, loss=loss)
    assert (found.verdict, found.discretisation) == ("inconsistent", "your loss")
    assert found.draws >= 50
    assert audit(network(3, nn.Tanh), bar, loss=loss).verdict == "consistent"


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


def test_random_numbers_of_the_user_go_on_where_they_were() -> None:
    net = kinked()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    audit(net, bar, quadrature=drawn)
    assert torch.equal(torch.rand(1), expected)


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


def test_float32_is_said_and_judged_as_such() -> None:
    found = audit(kinked().float(), bar)
    assert found.verdict == "inconsistent"
    assert any("float32" in n and "float64" in n for n in found.notes)
    # The exact side is that of the same numbers in double precision.
    assert found.routes[0].error <= 1e-9


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


def strong(x: Tensor, u: Tensor, du: Tensor, ddu: Tensor) -> Tensor:
    return (ddu + torch.sin(x)) ** 2


class Squared(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return torch.relu(z) ** 2


def test_the_strong_form_of_relu_measures_something_else() -> None:
    found = audit(kinked(), strong)
    assert found.blind
    assert found.verdict == "inconsistent"
    assert "u″ as autograd has it holds 0 of the variation of u′" in found.reason
    assert "u″ = 0" in found.reason
    # ∫ sin² over (0, 1), whatever the parameters.
    assert found.energy == pytest.approx(0.5 - np.sin(2) / 4)
    assert "Tanh" in found.remedy
    assert audit(Ritz(kinked()), strong).blind


def test_a_density_that_takes_u2_and_makes_no_use_of_it_is_no_strong_form() -> None:
    found = audit(kinked(), lambda x, u, du, ddu: bar(x, u, du) + 0 * ddu)
    assert not found.blind
    assert "ConformingQuadrature" in found.remedy


def test_the_strong_form_of_smooth_models_is_what_it_says() -> None:
    assert audit(network(0, nn.Tanh), strong).verdict == "consistent"
    net = kinked()
    net[1] = Squared()
    # ReLU² has a u″ that jumps where its kinks are: L jumps, and with it the Dirac terms are there.
    found = audit(net, strong)
    assert (found.verdict, found.blind) == ("inconsistent", False)
    # In the Ritz form nothing jumps.
    harmless = audit(net, bar)
    assert harmless.passed
    assert "L does not jump" in harmless.reason


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
    monkeypatch.setattr("kinkproof.verify.models.model_audit.MANY_KINKS", 100)
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


def test_the_ranking_of_kinks_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = audit(kinked(9), bar)
    monkeypatch.setattr(exact_side, "MOST_RANKED", 5)
    monkeypatch.setattr("kinkproof.verify.models.model_audit.MOST_RANKED", 5)
    found = audit(kinked(9), bar)
    assert any("of 9 kinks the 5 with the largest jumps" in n for n in found.notes)
    np.testing.assert_allclose(found.dirac, whole.dirac, rtol=0, atol=1e-12)


def test_the_report_is_text_and_json() -> None:
    found = audit(kinked(), bar)
    text = str(found)
    for part in (
        "inconsistent", "0.weight", "n = 10,000", "gradcheck passes", "says nothing about the integral",
        "ConformingQuadrature", "neuron",
    ):  # fmt: skip
        assert part in text
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert read["verdict"] == "inconsistent"
    assert read["total"]["missing"] == found.total.missing if found.total else False
    assert [t["name"] for t in read["tensors"]] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert read["exact"]["dirac"] == found.dirac.tolist()
    assert "remedy" in read
    assert "ConformingQuadrature" not in str(audit(network(1, nn.Tanh), bar))


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


def test_the_users_model_is_left_as_it_was() -> None:
    net = kinked().float()
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    audit(net, bar, loss=partial(grid_loss, sum_of=torch.mean))
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None
        assert parameter.dtype == torch.float32


def test_audit_dispatches_on_what_it_is_given() -> None:
    assert isinstance(audit(kinked(), bar), ModelAudit)
    assert isinstance(audit(model=kinked(), density=bar), ModelAudit)
    with pytest.raises(InputError, match="a RitzProblem, or a torch model"):
        audit(3)  # type: ignore[call-overload]


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


def on_100_points(model: nn.Module, n: int) -> Tensor:
    x = torch.linspace(0, 1, 100, dtype=torch.float64)[:, None].requires_grad_()
    u = model(x)
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return bar(x, u, du).mean()


def test_a_loss_that_does_not_refine_is_not_judged() -> None:
    # Its error stands still, and that is no fault of autodiff's: a smooth model would get a false alarm.
    smooth = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    with pytest.raises(InputError, match="it is the same on 100 and on 10,000 points"):
        audit(smooth, bar, loss=on_100_points)
    with pytest.raises(InputError, match="a higher order=\\) would be right") as said:
        audit(kinked(6), wavy, loss=lambda model, n: integrate(wavy, model, (0, 1), order=2))
    assert "points=n" in str(said.value)
    # What has reached rounding need not.
    assert audit(kinked(6), wavy, loss=lambda model, n: integrate(wavy, model, (0, 1), order=30)).verdict == "exact"


def wavy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 / 2 - torch.cos(3 * x) * u


@pytest.mark.parametrize("points", [100.0, None, (5, 50.0, 500), {5, 50, 500}, "100"])
def test_numbers_of_points_are_whole_and_ascending(points: Any) -> None:
    with pytest.raises(InputError, match="does not refine; a number from 5 on, or three ascending ones, is right"):
        audit(kinked(), bar, points=points)


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


@pytest.mark.parametrize(("steepness", "domain"), [(500.0, (-1, 1)), (1.0, (1000, 1001))])
def test_steep_and_saturated_networks_are_smooth(steepness: float, domain: tuple[float, float]) -> None:
    # There u′ has more roundings than elsewhere, which looked like breaks.
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    with torch.no_grad():
        net[0].weight.mul_(steepness)
        net[0].bias.mul_(steepness)
    assert audit(net, lambda x, u, du: du**2 / 2 - torch.sin(3 * x) * u, domain).passed
