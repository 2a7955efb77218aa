from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kinkproof.verify import InputError, audit
from kinkproof.verify.models.judging.density import bind
from torch import Tensor, nn


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)).double()


def detaches(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    first = u * x
    return du.detach() ** 2 / 2 - first


def random(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 * torch.rand_like(x) - u


@pytest.mark.parametrize(
    ("density", "said"),
    [
        (3, "int cannot be called"),
        (lambda x, u: u, r"a function of \(x, u\)"),
        (lambda x, u, du, dddu: u, r"a function of \(x, u, du, dddu\)"),
        (lambda x, u, du, *, strength: u, "strength"),
        (detaches, "derivative in du is 0 as autograd sees it"),
        (lambda x, u, du: (du**2 / 2 - u).detach(), "derivative in u is 0 as autograd sees it"),
        (lambda x, u, du: du**2 / 2 - u * u.mean().item(), "derivative in u"),
        (lambda x, u, du: (du**2).mean(), r"returns shape \(\) for 7 points.*without mean or sum"),
        (lambda x, u, du: du[:3], r"returns shape \(3,\)"),
        (lambda x, u, du: "L", "returns str"),
        (lambda x, u, du: 1.0, "returns float"),
        (lambda x, u, du: torch.log(du - 100), "it is nan at x = "),
        (random, "changes from call to call|change from call to call"),
        (lambda x, u, du: du @ torch.ones(2, 2), "raises RuntimeError"),
        (lambda x, u, du: 1 / 0, "raises ZeroDivisionError: division by zero"),
        (lambda x, u, du: du.numpy(), "raises RuntimeError: Can't call numpy"),
        (lambda x, u, du: torch.sin(1e6 * x**2) + du**2, "not smooth near x = "),
        (lambda x, u, du: du**2 / x, "^density: its integral is infinite: near x = 0 it grows like the .* power −1;"),
        (lambda x, u, du: 1 / (x - 0.3).abs() + du**2, "its integral is infinite: near x = 0.3 it grows like"),
        (lambda x, u, du: x.abs() ** -0.9 + du**2, "so that its integral is finite and cannot be had to rounding"),
    ],
)
def test_a_density_that_cannot_be_integrated_is_refused(density: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        audit(model(), density)
    message = str(caught.value)
    assert message.startswith("density: ")
    if callable(density) and "not smooth" not in message and "grows like" not in message:
        assert re.search(r"test_density\.py:\d+", message)


def test_the_line_is_the_one_that_detaches() -> None:
    with pytest.raises(InputError) as caught:
        audit(model(), detaches)
    first = detaches.__code__.co_firstlineno
    assert f"test_density.py:{first + 2})" in str(caught.value)


@pytest.mark.parametrize(
    ("density", "extra"),
    [
        (lambda x, u, du: u, ()),
        (lambda x, u, du, ddu: u, ("ddu",)),
        (lambda x, u, du, parameters: u, ("parameters",)),
        (lambda x, u, du, parameters, ddu: u, ("ddu", "parameters")),
        (lambda x, u, du, *, ddu: u, ("ddu",)),
        (lambda a, b, c, strength=3: b, ()),
    ],
)
def test_what_a_density_takes_is_read_from_names(density: Callable[..., Any], extra: tuple[str, ...]) -> None:
    assert bind(density).extra == extra


def test_a_kink_in_u_is_integrated_over() -> None:
    obstacle = audit(model(), lambda x, u, du: du**2 / 2 - u + 50 * torch.relu(u - 0.2) ** 2)
    assert obstacle.routes_agree
