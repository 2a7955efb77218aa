from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinkproof.solver.free_knots.neurons import PiecewiseLinear, function_of, network_of
from kinkproof.verify import ShallowNetwork
from numpy.typing import NDArray

Array = NDArray[np.float64]


def values_at(network: ShallowNetwork, x: Array) -> Array:
    w, b, c = network.floats
    return np.asarray(np.maximum(np.outer(x, w) + b, 0) @ c)


def functions() -> st.SearchStrategy[PiecewiseLinear]:
    numbers = st.floats(-3, 3, allow_subnormal=False)
    gaps = st.lists(st.floats(0.01, 1), min_size=2, max_size=12)

    def build(lengths: list[float], values: list[float]) -> PiecewiseLinear:
        knots = -1 + np.concatenate([[0.0], np.cumsum(lengths)])
        return PiecewiseLinear(knots, np.array(values[: len(knots)]))

    return st.builds(build, gaps, st.lists(numbers, min_size=13, max_size=13))


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(functions())
def test_to_neurons_and_back_is_the_same_function(function: PiecewiseLinear) -> None:
    left, right = float(function.knots[0]), float(function.knots[-1])
    x = np.linspace(left, right, 57)
    for affine in (1, 2):
        network = network_of(function, affine)
        if network is None:
            assert affine == 1
            continue
        assert network.width == len(function.knots) - 2 + affine
        # Slopes up to 600 times lengths up to 12, some dozen of them.
        assert values_at(network, x) == pytest.approx(np.interp(x, function.knots, function.values), abs=1e-10)
        back = function_of(network, (left, right))
        assert np.interp(x, back.knots, back.values) == pytest.approx(
            np.interp(x, function.knots, function.values), abs=1e-10
        )


@settings(max_examples=100, deadline=None)
@given(functions())
def test_the_affine_neurons_are_active_throughout(function: PiecewiseLinear) -> None:
    for affine in (1, 2):
        network = network_of(function, affine)
        if network is not None:
            w, b, _ = (v[:affine] for v in network.floats)
            ends = np.outer(function.knots[[0, -1]], w) + b
            assert (ends > 0).all()


def test_a_function_that_one_affine_neuron_cannot_complete() -> None:
    # x², interpolated: convex, 0 at the left end, positive slope.
    knots = np.linspace(0, 1, 6)
    assert network_of(PiecewiseLinear(knots, knots**2 + knots), 1) is None
    assert network_of(PiecewiseLinear(knots, knots**2 + knots + 1), 1) is not None


def test_slopes_that_grow_towards_an_end_lose_no_digits() -> None:
    knots = np.concatenate([[0.0], 2.0 ** -np.arange(60, -1, -2)])
    function = PiecewiseLinear(knots, np.concatenate([[knots[1] ** -0.3 * 1.3], knots[1:] ** -0.3]))
    network = network_of(function, 1)
    assert network is not None
    back = function_of(network, (0.0, 1.0))
    # Sums from the flat side are sums of growing numbers: some roundings each.
    assert back.values == pytest.approx(function.values, rel=1e-13)


def test_coincident_and_outer_kinks_and_constant_neurons_are_read() -> None:
    network = ShallowNetwork(
        np.array([1.0, -2.0, 1.0, 0.0, 0.0, 3.0, -1.0]),
        np.array([-0.5, 1.0, -0.25, 2.0, -2.0, 1.0, -1.0]),
        np.array([1.0, 0.5, 2.0, 0.25, 9.0, 0.1, 5.0]),
    )
    function = function_of(network, (0.0, 1.0))
    assert function.knots.tolist() == [0.0, 0.25, 0.5, 1.0]
    assert function.values == pytest.approx(values_at(network, function.knots), rel=1e-14)
