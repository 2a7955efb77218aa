from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver.networks.activations import ACTIVATIONS
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.verify import InputError, ShallowNetwork


def test_one_hidden_layer_has_the_parameters_of_a_shallow_network() -> None:
    network = ShallowNetwork.random(7, seed=1, batch=(3,))
    w, b, c = (a[:, None, :] for a in network.floats)
    x = np.linspace(-1, 2, 11)
    expected = (c * np.maximum(w * x[:, None] + b, 0)).sum(-1)
    architecture = Architecture.of(7, "relu")
    assert architecture.parameters == 21
    value, _ = architecture.value_and_slope(torch.tensor(network.ravel()), torch.tensor(x))
    np.testing.assert_allclose(value, expected, rtol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("width", [5, (4, 3), (3, 4, 2)])
def test_slope_and_curvature_are_autograds(name: str, width: int | tuple[int, ...]) -> None:
    architecture = Architecture.of(width, name)
    theta = architecture.initial(range(2))
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).expand(2, -1).clone().requires_grad_()
    value, slope = architecture.value_and_slope(theta, x)
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    torch.testing.assert_close(slope, first, rtol=1e-12, atol=1e-13)
    second = torch.zeros_like(x)
    if slope.requires_grad:
        (second,) = torch.autograd.grad(slope.sum(), x)
    torch.testing.assert_close(architecture.curvature(theta, x), second, rtol=1e-11, atol=1e-12)


def test_a_seed_gives_the_same_parameters_in_any_company() -> None:
    architecture = Architecture.of((6, 5), "tanh")
    together = architecture.initial(range(4))
    assert torch.equal(together[3:], architecture.initial([3]))
    assert len({tuple(row.tolist()) for row in together}) == 4


def test_initial_parameters_have_the_stated_ranges() -> None:
    (first, second), output = (architecture := Architecture.of((100, 64), "relu")).split(architecture.initial(range(8)))
    # Of some hundred uniform numbers the largest comes within 2 % of the bound.
    for tensor, bound in (
        (first.weights, 1),
        (first.biases, 1),
        (second.weights, 0.1),
        (second.biases, 1),
        (output, 1 / 8),
    ):
        assert 0.98 * bound < float(tensor.abs().max()) <= bound


@pytest.mark.parametrize("width", [0, -3, True, 2.5, (), (4, 0), "20"])
def test_a_width_that_is_none_is_refused(width: object) -> None:
    with pytest.raises(InputError, match="would be right"):
        Architecture.of(width, "relu")  # type: ignore[arg-type]


@pytest.mark.parametrize("seeds", [[], [-1], [0.5], [True], [2**70]])
def test_seeds_that_are_none_are_refused(seeds: list[int]) -> None:
    with pytest.raises(InputError, match=r"seeds: .* would be right"):
        Architecture.of(3, "relu").initial(seeds)
