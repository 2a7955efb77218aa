"""Where no exact Hessian exists it is said why and what to do, and what is offered helps."""

from __future__ import annotations

import numpy as np
import pytest
from kinkproof.solver import landscape, spectrum
from kinkproof.solver.landscapes.degeneracy import NoSecondDerivativeError, degeneracies
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.verify import InputError, NondifferentiableError, RitzProblem, ShallowNetwork, exact_hessian, problems
from numpy.typing import NDArray

SINE, TWO, NATURAL = problems["sine-2"], problems["two-materials"], problems["natural"]
# w, b, c of a network and what is wrong with it.
CASES: dict[str, tuple[RitzProblem, list[float], list[float], list[float], str]] = {
    "two kinks": (SINE, [1, -2, 3], [-0.5, 1, -1], [1, 1, 1], r"coincident kinks \(neurons 0 and 1 at x = 0.5\)"),
    "three kinks": (
        NATURAL, [1, -2, 4, 1], [-0.25, 0.5, -1, 1], [1, 0, 1, 2],
        r"coincident kinks \(neurons 0 and 1 and 2 at x = 0.25\)",
    ),
    "an end": (SINE, [2, 1], [-2, -0.5], [1, 1], r"kink on an end of the domain \(neuron 0 at x = 1\)"),
    "the left end": (NATURAL, [2, -1], [-1, 0.0], [1, 0], r"kink on an end of the domain \(neuron 1 at x = 0\)"),
    "an interface": (TWO, [-2, 1], [1, -0.75], [1, 1], r"kink on an interface \(neuron 0 at x = 0.5\)"),
    "a load": (
        problems["point-load"], [-3, 1], [1, -0.75], [1, 1], r"kink on a point load \(neuron 0 at x = 0.333",
    ),
    "a dead neuron": (SINE, [0, 1], [0, -0.5], [1, 1], r"no weight and no bias \(neuron 0\)"),
    "all of them": (
        TWO, [0, 1, 1, 2], [0, -0.5, -0.5, -2], [1, 1, 1, 1],
        "no weight and no bias.*end.*interface.*coincident",
    ),
}  # fmt: skip


def case(name: str) -> tuple[RitzProblem, NDArray[np.float64], str]:
    problem, w, b, c, message = CASES[name]
    return problem, np.array([*w, *b, *c], dtype=float), message


@pytest.mark.parametrize("name", CASES)
def test_neurons_are_named_and_the_offered_network_has_a_hessian_close_by(name: str) -> None:
    problem, theta, message = case(name)
    with pytest.raises(NondifferentiableError):
        exact_hessian(problem, ShallowNetwork.from_vector(theta))
    with pytest.raises(NoSecondDerivativeError, match=message) as caught:
        landscape(problem, theta, resolution=5)
    nearest = caught.value.nearest
    assert "with hidden_biases[" in str(caught.value)
    assert str(caught.value).count("\n") == 0
    # Biases alone, and by no more than the kinks' few millionths of the domain.
    moved = np.flatnonzero(nearest != theta)
    assert set(moved) <= set(range(len(theta) // 3, 2 * len(theta) // 3))
    assert 0 < np.abs(nearest - theta).max() < 1e-4
    found = spectrum(problem, nearest)
    assert np.isfinite(found.hessian).all()
    expected = exact_hessian(problem, ShallowNetwork.from_vector(nearest))
    np.testing.assert_allclose(found.hessian, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("seed", range(20))
def test_random_networks_are_not_refused(seed: int) -> None:
    theta = ShallowNetwork.random(20, seed).ravel()
    assert degeneracies(TWO, Architecture.of(20, "relu"), theta) == ()


def test_what_is_harmless_passes() -> None:
    # No kink at all; coincident kinks outside the domain, of silent neurons, and where D vanishes inside.
    vanishing = RitzProblem(source="1", distance="x*(1 - x)*(x - 1/2)")
    for problem, theta in (
        (SINE, [0.0, 0.0, 1.0, 0.5, -0.5, -0.3, 1.0, 1.0, 1.0]),
        (SINE, [1.0, 2.0, 1.0, 1.0, 2.0, -0.3, 1.0, 1.0, 1.0]),
        (SINE, [1.0, -1.0, 1.0, -0.5, 0.5, -0.3, 0.0, 0.0, 1.0]),
        (vanishing, [1.0, -1.0, 1.0, -0.5, 0.5, -0.3, 1.0, 1.0, 1.0]),
    ):
        expected = exact_hessian(problem, ShallowNetwork.from_vector(np.array(theta)))
        np.testing.assert_allclose(spectrum(problem, np.array(theta)).hessian, expected, atol=1e-12)


def test_relu_squared_minds_less() -> None:
    architecture = Architecture.of(3, "relu2")
    # Coincident kinks, and one on an end where D vanishes: the energy has second derivatives.
    theta = np.array([1.0, -2.0, 1.0, -0.5, 1.0, 0.0, 1.0, 1.0, 1.0])
    assert degeneracies(SINE, architecture, theta) == ()
    one_side, other = (spectrum(SINE, theta + d, activation="relu2").hessian for d in (1e-9, -1e-9))
    np.testing.assert_allclose(one_side, other, atol=1e-6)
    (found,) = degeneracies(problems["penalised-ends"], architecture, theta)
    assert (found.kind, found.neurons) == ("kink on an end of the domain", (2,))


def test_it_is_an_input_error_for_the_command_line() -> None:
    assert issubclass(NoSecondDerivativeError, InputError)
