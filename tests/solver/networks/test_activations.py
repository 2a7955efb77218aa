from __future__ import annotations

import pytest
import torch
from kinkproof.solver.networks.activations import ACTIVATIONS, activation
from kinkproof.verify import InputError

POINTS = torch.tensor([-30.0, -3.0, -0.7, -1e-3, 1e-3, 0.4, 2.0, 30.0], dtype=torch.float64)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_derivatives_by_hand_are_autograds(name: str) -> None:
    chosen = activation(name)
    z = POINTS.clone().requires_grad_()
    value, slope = chosen.jet(z)
    (by_autograd,) = torch.autograd.grad(value.sum(), z, retain_graph=True)
    # A few roundings: both are short closed formulas.
    torch.testing.assert_close(slope, by_autograd, rtol=1e-14, atol=1e-15)
    (second,) = torch.autograd.grad(slope.sum(), z, allow_unused=True) if slope.requires_grad else (None,)
    torch.testing.assert_close(
        chosen.curvature(z), torch.zeros_like(z) if second is None else second, rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("swish", torch.nn.functional.silu),
        ("gelu", torch.nn.functional.gelu),
        ("softplus", torch.nn.functional.softplus),
    ],
)
def test_the_composed_ones_are_torchs(name: str, theirs: torch.nn.Module) -> None:
    # torch's softplus is linear from 20 on, 2e-9 below the true value there.
    torch.testing.assert_close(activation(name).jet(POINTS)[0], theirs(POINTS), rtol=1e-14, atol=2e-9)


def test_kinks_belong_to_the_piecewise_linear_ones_alone() -> None:
    assert [n for n in ACTIVATIONS if activation(n).kinked] == ["relu", "leaky-relu"]
    assert activation("silu").name == "swish"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="'rleu' is unknown; did you mean 'relu'"):
        activation("rleu")
    with pytest.raises(InputError, match="'sharp' is unknown") as caught:
        activation("sharp")
    assert all(name in str(caught.value) for name in ACTIVATIONS)
