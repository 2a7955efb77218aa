"""The remedy, wherever it is printed, run as it is printed, against nodes that the test itself puts between breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from kinkproof.solver.mending import cure
from kinkproof.verify import audit
from torch import Tensor, nn

from tests.verify.models.random_models import bar, kinked

Density = Callable[[Tensor, Tensor, Tensor], Tensor]


def kinks(net: nn.Sequential) -> Tensor:
    return -net[0].bias / net[0].weight[:, 0]


def reference(net: nn.Sequential, density: Density, fixed: Sequence[float] = (), level: float | None = None) -> Tensor:
    """Gradient of ∫₀¹ L by 20 Gauss points between kinks in closed form, fixed places and where u passes a level."""
    places = kinks(net)
    marks = torch.cat([places[(places > 0) & (places < 1)], torch.tensor([0.0, 1.0, *fixed], dtype=torch.float64)])
    marks = marks.sort().values
    if level is not None:
        u = net(marks[:, None])[:, 0]
        for k in ((u[:-1] - level) * (u[1:] - level) < 0).nonzero()[:, 0].tolist():
            share = (level - u[k]) / (u[k + 1] - u[k])
            marks = torch.cat([marks, (marks[k] + share * (marks[k + 1] - marks[k]))[None]])
        marks = marks.sort().values
    node, weight = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(20))
    half = (marks[1:] - marks[:-1])[:, None] / 2
    x = ((marks[1:] + marks[:-1])[:, None] / 2 + half * node).reshape(-1)
    u = net(x[:, None])[:, 0]
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    total = ((half * weight).reshape(-1) * density(x, u, du)).sum()
    return torch.cat(
        [g.reshape(-1) for g in torch.autograd.grad(total, list(net.parameters()), materialize_grads=True)]
    )


def pasted(text: str, **names: Any) -> Tensor:
    """What the printed lines leave in the gradients of `model`."""
    exec(text, {"torch": torch, **names})
    return torch.cat([p.grad.reshape(-1) for p in names["model"].parameters()])


def frozen() -> tuple[Density, list[float]]:
    """A strain of another, frozen network: it jumps where that network has its kinks."""
    other = kinked(3, seed=9).requires_grad_(False)

    def density(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        with torch.enable_grad():
            y = x.detach().requires_grad_()
            strain = torch.autograd.grad(other(y[:, None]).sum(), y)[0]
        return (1 - u) ** 2 * strain**2 + du**2 / 2

    return density, kinks(other).tolist()


def where(a: float) -> tuple[Density, list[float]]:
    return (lambda x, u, du: torch.where(x < a, 1.0, 10.0) * du**2 / 2 - u), [a]


def stepped(waves: float) -> tuple[Density, list[float]]:
    jumps = [math.pi * k / waves for k in range(1, int(waves / math.pi) + 1)]
    return (lambda x, u, du: 0.1 * du**2 + (u - torch.sign(torch.sin(waves * x))) ** 2), jumps


def clamped(a: float, b: float) -> tuple[Density, list[float]]:
    return (lambda x, u, du: (1 + x.clamp(a, b)) * du**2 / 2 - (x > a).to(u.dtype) * u), [a, b]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("density", "fixed"),
    [where(0.5), where(0.317), where(1 / 3), stepped(7.0), stepped(23.0), clamped(0.2, 0.7), frozen()],
)
def test_where_the_density_breaks_in_x_the_printed_remedy_is_exact(
    density: Density, fixed: list[float], seed: int
) -> None:
    model = kinked(8, seed)
    found = audit(model, density)
    assert found.verdict == "inconsistent"
    exact = reference(model, density, fixed)
    # What was promised; the breaks are found to rounding.
    assert (pasted(found.remedy, model=model, density=density) - exact).norm() <= 1e-9 * exact.norm()
    assert np.linalg.norm(found.bulk + found.dirac - exact.numpy()) <= 1e-9 * float(exact.norm())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("jumps", [True, False])
def test_where_the_density_breaks_in_u_its_breaks_move_and_a_jump_counts_like_a_kink(seed: int, jumps: bool) -> None:
    model = kinked(8, seed)
    level = model(torch.tensor([[0.437]], dtype=torch.float64)).item()

    def density(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return du**2 / 2 + ((u > level).to(u.dtype) if jumps else (u - level).abs()) * torch.cos(x)

    found = audit(model, density)
    assert found.verdict == "inconsistent"
    exact = reference(model, density, level=level)
    assert np.linalg.norm(found.bulk + found.dirac - exact.numpy()) <= 1e-9 * float(exact.norm())
    assert (pasted(found.remedy, model=model, density=density) - exact).norm() <= 1e-9 * exact.norm()
    if jumps:
        # Without the moving jump the gradient is another one.
        still = reference(model, lambda x, u, du: density(x, u.detach(), du), level=None)
        assert (still - exact).norm() > 1e-2 * exact.norm()
        assert any("in the density" in o.label for t in found.findings for o in t.offenders)


def test_a_smooth_model_under_a_density_that_jumps_in_u_is_refuted_too() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1)).double()

    def free_boundary(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return du**2 + (u > 0).to(u.dtype)

    found = audit(net, free_boundary, (-3, 3))
    assert found.verdict == "inconsistent"
    assert {o.label for t in found.findings for o in t.offenders} == {"comparison in the density"}
    # By differences of an energy on 10⁶ midpoints with its jump's place solved for, the Dirac part is what is missing.
    assert found.total is not None
    assert found.total.lacks == pytest.approx(1, abs=0.15)


def test_breaks_in_the_slope_of_a_smooth_model_are_followed() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1)).double()

    def one_sided(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return F.relu(du - 0.1) ** 2 + (du > 0.05).to(u.dtype) * x

    found = audit(net, one_sided, (-2, 2))
    assert found.routes_agree
    assert found.verdict == "inconsistent"
    assert "integrate(" in found.remedy


def test_a_remedy_that_was_found_wrong_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    # A cure that forgets a thousandth of the gradient.
    honest = cure.integrate

    def faulty(*arguments: Any, **options: Any) -> Tensor:
        value = honest(*arguments, **options)
        return value * 1.001 - value.detach() * 0.001

    monkeypatch.setattr(cure, "integrate", faulty)
    found = audit(kinked(), bar)
    assert found.verdict == "inconsistent"
    assert "integrate(" not in found.remedy.replace("integrate ", "")
    assert "the gradient is still 1.0e-03 off" in found.remedy


def test_where_the_density_is_nearly_singular_the_remedy_says_where_to_cut() -> None:
    model = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    with torch.no_grad():
        for parameter, like in zip(model.parameters(), kinked(8, 1).parameters(), strict=True):
            parameter.copy_(like)

    class Curve(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = model

        def forward(self, x: Tensor) -> Tensor:
            return x * torch.exp(self.net(x))

    def travel_time(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return torch.sqrt((1 + du**2) / (20 * u + 0.01))

    found = audit(Curve(), travel_time)
    assert "interfaces=[" in found.remedy
    curve = Curve()
    gradient = pasted(found.remedy, model=curve, travel_time=travel_time)
    assert np.linalg.norm(gradient.numpy() - found.bulk - found.dirac) <= 1e-9 * float(gradient.norm())
