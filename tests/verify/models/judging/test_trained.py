from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import integrate
from kinkproof.verify import InputError, audit
from torch import Tensor, nn

from tests.verify.models.random_models import Ritz, bar, kinked, network


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
    with pytest.raises(InputError, match=r"loss: its value is .*0\.499\d* times it; .*length of the domain"):
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


def test_float32_is_said_and_judged_as_such() -> None:
    found = audit(kinked().float(), bar)
    assert found.verdict == "inconsistent"
    assert any("float32" in n and "float64" in n for n in found.notes)
    # The exact side is that of the same numbers in double precision.
    assert found.routes[0].error <= 1e-9


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


def test_random_numbers_of_the_user_go_on_where_they_were() -> None:
    net = kinked()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    audit(net, bar, quadrature=drawn)
    assert torch.equal(torch.rand(1), expected)


def test_the_users_model_is_left_as_it_was() -> None:
    net = kinked().float()
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    audit(net, bar, loss=partial(grid_loss, sum_of=torch.mean))
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None
        assert parameter.dtype == torch.float32


def own_model(_: nn.Module, n: int, model: nn.Module) -> Tensor:
    return grid_loss(model, n)


def test_a_loss_of_the_scripts_own_model_is_refused() -> None:
    for model in (network(1, nn.Tanh), kinked()):
        with pytest.raises(InputError, match=r"loss: it uses the script's own model and not the one that it is given"):
            audit(model, bar, loss=partial(own_model, model=model))
        # Half of it is no better.
        with pytest.raises(InputError, match="the script's own model"):
            audit(model, bar, loss=lambda m, n, own=model: (grid_loss(m, n) + grid_loss(own, n)) / 2)


def once(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Points drawn once with a seed, as most scripts do."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, generator=generator, dtype=torch.float64), torch.full((n,), 1 / n, dtype=torch.float64)


def judged_on_fixed_points(seed: int) -> None:
    torch.manual_seed(seed)
    smooth = Ritz(nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))).double()
    assert audit(smooth, wavy, quadrature=partial(once, seed=1000 + seed)).verdict == "consistent", seed

    def loss(model: nn.Module, n: int) -> Tensor:
        x = once(n, 1000 + seed)[0].reshape(-1, 1).requires_grad_()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return wavy(x, u, du).mean()

    assert audit(smooth, wavy, loss=loss).verdict == "consistent", seed
    for sampled in ({"quadrature": partial(once, seed=1000 + seed)}, {"loss": loss}):
        found = audit(kinked(20, seed), wavy, **sampled)
        assert found.verdict == "inconsistent", (seed, sampled)
        assert found.total is not None
        assert found.total.lacks is not None
        assert abs(found.total.lacks - 1) <= 5 * found.total.uncertainty, (seed, sampled)


@pytest.mark.parametrize("seed", range(3))
def test_points_drawn_once_with_a_seed_raise_no_false_alarm_and_hide_no_kink(seed: int) -> None:
    judged_on_fixed_points(seed)


@pytest.mark.long
def test_points_drawn_once_with_40_seeds() -> None:
    for seed in range(40):
        judged_on_fixed_points(seed)


def test_a_loss_on_drawn_points_whose_scatter_hides_the_dirac_part_gets_no_verdict() -> None:
    def loss(model: nn.Module, n: int) -> Tensor:
        x = once(n, 5)[0].reshape(-1, 1).requires_grad_()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        # A load that scatters, and small kinks.
        return (1e-4 * bar(x, u, du) + 100 * u * torch.sin(40 * x)).mean()

    def loaded(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return 1e-4 * bar(x, u, du) + 100 * u * torch.sin(40 * x)

    with pytest.raises(InputError, match=r"loss: what it misses is the scatter of points drawn at random"):
        audit(kinked(), loaded, loss=loss)


def test_simpsons_rule_is_asked_for_odd_numbers_where_the_first_is_odd() -> None:
    asked: list[int] = []

    def simpson(model: nn.Module, n: int) -> Tensor:
        asked.append(n)
        assert n % 2 == 1, "Simpson's rule needs an odd number of points"
        x = torch.linspace(0, 1, n, dtype=torch.float64)[:, None].requires_grad_()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        f = bar(x, u, du)[:, 0]
        return (f[0] + f[-1] + 4 * f[1:-1:2].sum() + 2 * f[2:-1:2].sum()) / (3 * (n - 1))

    assert audit(kinked(), bar, loss=simpson, points=101).verdict == "inconsistent"
    assert audit(network(1, nn.Tanh), bar, loss=simpson, points=101).verdict == "consistent"
    assert {101, 1011, 10101} <= set(asked)
    with pytest.raises(InputError, match="Simpson's rule needs an odd number"):
        audit(kinked(), bar, loss=simpson, points=100)


def test_gradcheck_is_not_applicable_where_a_generator_of_the_users_own_goes_on() -> None:
    generator = torch.Generator().manual_seed(3)

    def anew(n: int) -> tuple[Tensor, Tensor]:
        return torch.rand(n, generator=generator, dtype=torch.float64), torch.full((n,), 1 / n, dtype=torch.float64)

    found = audit(kinked(), bar, quadrature=anew)
    assert found.gradcheck is not None
    assert found.gradcheck.passed is None
    assert "gradcheck is not applicable (the points come from a generator" in str(found)


def test_what_is_cut_off_is_said_where_the_graph_shows_it_and_nowhere_else() -> None:
    def partly(model: nn.Module, n: int) -> Tensor:
        x = ((torch.arange(n, dtype=torch.float64) + 0.5) / n).reshape(-1, 1).requires_grad_()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return bar(x, u.detach(), du).mean()

    for model in (kinked(), network(1, nn.Tanh)):
        found = audit(model, bar, loss=partly)
        assert found.verdict == "inconsistent"
        assert "is cut off (detach, no_grad)" in found.reason
    # Steeper than any grid, but nothing is cut off; and there is no verdict, with the numbers that would give one.
    steep = Ritz(nn.Sequential(nn.Linear(1, 20), nn.Softplus(beta=1e6), nn.Linear(20, 1))).double()
    found = audit(steep, wavy)
    assert found.verdict == "none"
    assert "detach" not in found.reason
    assert "points would be needed" in found.reason
    resolved = Ritz(nn.Sequential(nn.Linear(1, 20), nn.Softplus(beta=1e2), nn.Linear(20, 1))).double()
    assert audit(resolved, wavy).verdict == "consistent"
