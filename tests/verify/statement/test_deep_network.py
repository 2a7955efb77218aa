from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.verify import DeepNetwork, InputError, ShallowNetwork
from kinkproof.verify.deep import Tensors


def test_text_and_floats_are_exact() -> None:
    network = DeepNetwork([[1, 0.1], [["1/3", "0.1"]]], [[0, "1/7"], [1]], ["2/3"], "1/9")
    exact = network.rational
    assert exact.hidden_weights[0][1, 0] == Fraction(0.1) != Fraction(1, 10)
    assert exact.hidden_weights[1].tolist() == [[Fraction(1, 3), Fraction(1, 10)]]
    assert (exact.output_weights[0], exact.output_bias.item()) == (Fraction(2, 3), Fraction(1, 9))
    second = Fraction(0.1) / 2 + Fraction(1, 7)
    expected = Fraction(2, 3) * (Fraction(1, 6) + Fraction(1, 10) * second + 1) + Fraction(1, 9)
    assert network(Fraction(1, 2)) == expected


def test_the_vector_is_in_the_order_of_torch_and_of_the_solver() -> None:
    network = DeepNetwork.random((3, 2), seed=5, output_bias=True)
    model = torch.nn.Sequential(
        torch.nn.Linear(1, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)
    ).double()
    torch.nn.utils.vector_to_parameters(torch.tensor(network.ravel()), model.parameters())
    x = np.linspace(-2, 2, 41)
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.tensor(x)[:, None])[:, 0].numpy(), network(x), rtol=1e-14, atol=1e-15)
    again = DeepNetwork.from_parameters([p.detach().numpy() for p in model.parameters()])
    np.testing.assert_array_equal(again.ravel(), network.ravel())

    bare = DeepNetwork.random((3, 2), seed=5)
    solver = Architecture.of((3, 2), "relu")
    value, _ = solver.value_and_slope(torch.tensor(bare.ravel())[None], torch.tensor(x))
    np.testing.assert_allclose(value[0].numpy(), bare(x), rtol=1e-14, atol=1e-15)


def test_vectors_go_there_and_back_and_components_have_names() -> None:
    network = DeepNetwork.random((4, 3, 2), seed=1, output_bias=True)
    again = DeepNetwork.from_vector(network.ravel(), network.widths, output_bias=True)
    np.testing.assert_array_equal(again.ravel(), network.ravel())
    tensors = network.floats
    for k in (0, 5, 8, 13, 20, 30, len(network.ravel()) - 1):
        name, _, place = tensors.component(k).partition("[")
        where = tuple(map(int, place.rstrip("]").split(", "))) if place else ()
        assert tensors.named()[name][where] == network.ravel()[k]
    assert tensors.component(len(network.ravel()) - 1) == "output_bias"
    with pytest.raises(IndexError):
        tensors.component(len(network.ravel()))


def test_a_shallow_network_is_one_layer() -> None:
    shallow = ShallowNetwork.random(4, seed=2)
    deep = DeepNetwork.from_shallow(shallow)
    assert (deep.depth, deep.widths) == (1, (4,))
    np.testing.assert_array_equal(deep.ravel(), shallow.ravel())
    with pytest.raises(InputError, match=r"batch of shape \(2,\)"):
        DeepNetwork.from_shallow(ShallowNetwork.random(4, seed=2, batch=(2,)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([], [], [1]), "0 weight matrices and 0 bias vectors"),
        (([[1]], [], [1]), "1 weight matrices and 0 bias vectors"),
        ((3, [[1]], [1]), "weights 3 are not one for each layer"),
        (([[]], [[]], [1]), r"hidden_weights\[0\]: shape \(0, 1\) does not fit; \(n, 1\)"),
        (([[1, 2], [[1, 2, 3]]], [[1, 2], [1]], [1]), r"hidden_weights\[1\]: shape \(1, 3\) does not fit; \(n, 2\)"),
        (([[1, 2]], [[1]], [1, 2]), r"hidden_biases\[0\]: shape \(1,\) does not fit; \(2,\)"),
        (([[1, 2]], [[1, 2]], [1]), r"output_weights: shape \(1,\) does not fit; \(2,\)"),
        (([[1, 2]], [[1, 2]], [1, 1], [1, 2]), r"output_bias: shape \(2,\)"),
        (([[1, float("nan")]], [[1, 2]], [1, 1]), r"hidden_weights\[0\]: nan is not finite"),
        ((np.full((1, 2, 1), np.inf), [[1, 2]], [1, 1]), r"hidden_weights\[0\]: inf is not finite"),
        (([[1, 2]], [[1, "b"]], [1, 1]), r"hidden_biases\[0\]: unknown symbol b"),
        (([[[1, 2], [1]]], [[1, 2]], [1, 1]), r"hidden_weights\[0\]: .* is ragged"),
    ],
)
def test_bad_parameters_are_refused_in_one_sentence(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        DeepNetwork(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("widths", [(), (0,), (2, True), (1.5,)])
def test_bad_widths_are_refused(widths: Any) -> None:
    with pytest.raises(InputError, match="no layers"):
        DeepNetwork.random(widths, seed=0)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(4,\) does not fit; \(8,\)"):
        Tensors.from_vector(np.zeros(4), (2, 1))
    with pytest.raises(InputError, match="2 tensors are no network"):
        DeepNetwork.from_parameters([[1], [1]])


def test_parameters_of_a_torch_model_are_taken_as_they_are() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    network = DeepNetwork.from_parameters(list(model.parameters()))
    np.testing.assert_array_equal(network.hidden_weights[0], model[0].weight.detach().numpy())
    np.testing.assert_array_equal(network.output_weights, model[2].weight.detach().numpy()[0])
