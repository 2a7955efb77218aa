from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from kinkproof.verify import InputError, ShallowNetwork


def test_text_and_floats_are_exact() -> None:
    network = ShallowNetwork([1, 0.1], ["-1/4", "0.1"], [1, "1/3"])
    assert network.rational("hidden_weights")[1] == Fraction(0.1) != Fraction(1, 10)
    assert network.rational("hidden_biases")[1] == Fraction(1, 10)
    assert network.rational("output_weights")[1] == Fraction(1, 3)


def test_vectors_go_there_and_back() -> None:
    network = ShallowNetwork.random(5, seed=1, batch=(2,))
    again = ShallowNetwork.from_vector(network.ravel())
    assert again.batch == (2,)
    assert again.width == 5
    np.testing.assert_array_equal(again.ravel(), network.ravel())


@pytest.mark.parametrize(
    ("blocks", "named"),
    [
        (([1, 2], [1], [1, 2]), "differ in shape"),
        (([[1, 2], [1]], [1], [1]), "ragged"),
        (([], [], []), "width 0"),
        ((np.zeros(0),) * 3, "width 0"),
        ((1, 1, 1), "width 0"),
        ((np.array([np.nan]),) * 3, "nan"),
        (([float("inf")], [1], [1]), "inf"),
        ((["x"], [1], [1]), "depends on x"),
        ((["sqrt(2)"], [1], [1]), "not rational"),
        ((["__import__('os')"], [1], [1]), "__import__"),
    ],
)
def test_bad_parameters_are_refused(blocks: tuple[Any, Any, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        ShallowNetwork(*blocks)
