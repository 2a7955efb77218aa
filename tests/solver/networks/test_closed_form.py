"""The solver's closed form against the oracle, with which it shares no code."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.closed_form import ClosedForm, closed_form
from kinkproof.solver.networks.conforming import conforming_energy
from kinkproof.solver.networks.gradients import autodiff
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, exact_gradient, problems
from numpy.typing import NDArray

from ...faults import FAULTS

CPU = torch.device("cpu")
OTHERS = {
    # A source that is infinite at one end, where D tames it; interfaces of all kinds; another domain.
    "singular": RitzProblem(source="0.21*x**(-1.3)", distance="x*(1-x)"),
    "interfaces": RitzProblem(source="Abs(x - 1/3)", coefficient="Piecewise((1, x < 1/2), (3 + x, True))"),
    "shifted": RitzProblem(source="exp(x)", domain=(-1, 2), distance="2 - x", lift="1 + x/2", fluxes={-1: 3}),
}
ALL = [*problems, *OTHERS]
# What derivatives in float64 should reach at least; measured are 1e-13 and less.
TOLERANCE = 1e-10


@cache
def form(name: str, width: int = 20, activation: str = "relu") -> ClosedForm:
    return closed_form(problem(name), Architecture.of(width, activation))


def problem(name: str) -> RitzProblem:
    return OTHERS[name] if name in OTHERS else problems[name]


def relative(found: Any, expected: NDArray[Any]) -> float:
    difference = np.linalg.norm(np.asarray(found) - expected, axis=-1)
    # A network that is silent inside the domain has no gradient to compare with.
    return float((difference / np.maximum(np.linalg.norm(expected, axis=-1), 1e-3)).max())


@pytest.mark.parametrize("name", ALL)
def test_it_is_the_oracle_at_200_random_networks(name: str) -> None:
    network = ShallowNetwork.random(20, seed=5, batch=(200,))
    energy, gradient = form(name).energy_and_gradient(torch.tensor(network.ravel()))
    oracle = exact_gradient(problem(name), network)
    assert relative(gradient, oracle.total.ravel()) < TOLERANCE
    assert float(np.abs(energy.numpy() - oracle.energy).max()) < TOLERANCE * float(np.abs(oracle.energy).max())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_gradient_would_not_pass(fault: str) -> None:
    network = ShallowNetwork.random(20, seed=5)
    gradient = form("sine-2").energy_and_gradient(torch.tensor(network.ravel())[None])[1][0]
    wrong = FAULTS[fault](exact_gradient(problems["sine-2"], network), problems["sine-2"], network)
    assert relative(gradient, wrong) > 1e3 * TOLERANCE


@pytest.mark.parametrize("width", [1, 2, 500])
def test_it_holds_at_any_width(width: int) -> None:
    network = ShallowNetwork.random(width, seed=2, batch=(5,))
    gradient = form("natural", width).energy_and_gradient(torch.tensor(network.ravel()))[1]
    assert relative(gradient, exact_gradient(problems["natural"], network).total.ravel()) < TOLERANCE


@pytest.mark.parametrize("name", ["sine-2", "natural", "penalised-ends", "foundation"])
def test_neurons_without_a_kink_inside_count_as_they_should(name: str) -> None:
    # w = 0 with b of either sign, kinks left and right of the domain in both orientations, one inside.
    w, b = [0.0, 0.0, 1.0, 1.0, -1.0, -1.0, 2.0], [0.5, -0.5, 0.3, -1.4, 1.3, -0.2, -1.0]
    network = ShallowNetwork(w, b, [0.3, 0.4, -0.5, 0.6, 0.7, -0.8, 0.9])
    gradient = form(name, 7).energy_and_gradient(torch.tensor(network.ravel())[None])[1][0]
    assert relative(gradient, exact_gradient(problem(name), network).total.ravel()) < TOLERANCE


@pytest.mark.parametrize("name", ["sine-2", "two-materials", "penalised-ends"])
def test_the_leaky_one_agrees_with_the_conforming_rule(name: str) -> None:
    architecture = Architecture.of(20, "leaky-relu")
    theta = architecture.initial(range(20))
    energy, gradient = form(name, activation="leaky-relu").energy_and_gradient(theta)
    reference = autodiff(conforming_energy(problem(name), architecture))(theta)
    # Two routes without a common step; Gauss points are good to 1e-12 here.
    torch.testing.assert_close(energy, reference[0], rtol=1e-11, atol=1e-11)
    assert relative(gradient, reference[1].numpy()) < TOLERANCE


def test_coincident_kinks_and_dead_neurons_give_a_finite_value() -> None:
    theta = torch.tensor([[1.0, 1.0, 0.0, -0.5, -0.5, 0.0, 1.0, 2.0, 3.0]], dtype=torch.float64)
    energy, gradient = form("sine-2", 3).energy_and_gradient(theta)
    assert bool(torch.isfinite(energy).all() & torch.isfinite(gradient).all())


def test_it_is_for_one_piecewise_linear_layer() -> None:
    for architecture in (Architecture.of((3, 3), "relu"), Architecture.of(3, "tanh")):
        with pytest.raises(InputError, match="one piecewise linear layer"):
            closed_form(problems["sine-2"], architecture)
