"""The solver's closed form and running sums on domains far from 0, against 50 digits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from kinkproof.solver.data.statement import mesh
from kinkproof.solver.landscapes.running_sums import exact_sums, grid_sums
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.centring import moved_biases
from kinkproof.solver.networks.closed_form import closed_form
from kinkproof.solver.networks.energies import grid_energy
from kinkproof.verify import RitzProblem, exact_gradient

from ...verify.test_far_domains import PLACES, assert_near, network_at, problem_at

CPU = torch.device("cpu")


@pytest.mark.parametrize("place", PLACES)
def test_energy_and_gradient_keep_their_digits(place: str) -> None:
    problem, network = problem_at(place), network_at(place)
    expected = exact_gradient(problem, network, digits=50)
    architecture = Architecture.of(network.width, "relu")
    theta = torch.tensor(network.ravel())[None].requires_grad_()
    energy, gradient = closed_form(problem, architecture).energy_and_gradient(theta)
    summed = exact_sums(problem, architecture)(theta)
    (by_autograd,) = torch.autograd.grad(summed.sum(), theta)
    for value, slope in ((energy, gradient), (summed.detach(), by_autograd)):
        assert_near(value.numpy(), expected.energy)
        assert_near(slope[0].numpy(), expected.total.ravel(), 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "others",
    [
        {"distance": "x - 1000", "fluxes": {1001: 2}},
        {"distance": "1", "essential": {1000: 1, 1001: 2}},
        {"loads": {"1000 + 1/3": 2}},
    ],
)
def test_ends_keep_their_digits(others: dict[str, object]) -> None:
    problem, network = problem_at("1000", **others), network_at("1000")
    expected = exact_gradient(problem, network, digits=50)
    form = closed_form(problem, Architecture.of(network.width, "relu"))
    energy, gradient = form.energy_and_gradient(torch.tensor(network.ravel())[None])
    assert_near(energy.numpy(), expected.energy)
    assert_near(gradient[0].numpy(), expected.total.ravel(), 3)


def test_sums_over_a_grid_are_those_of_the_grid() -> None:
    problem, network = problem_at("1000"), network_at("1000")
    architecture, nodes = Architecture.of(network.width, "relu"), mesh(problem, "midpoint", 200, torch.float64, CPU)
    theta = torch.tensor(network.ravel())[None]
    # In rational numbers: w·x + b of the grid's own energy has lost ten digits already.
    expected = _rational_grid_energy(problem, theta[0].tolist(), nodes.nodes.tolist(), nodes.weights.tolist())
    assert grid_sums(problem, architecture, nodes)(theta).item() == pytest.approx(expected, rel=1e-12)
    assert grid_energy(problem, architecture, nodes)(theta).item() == pytest.approx(expected, rel=1e-9)


def _rational_grid_energy(problem: RitzProblem, theta: list[float], nodes: list[float], weights: list[float]) -> float:
    w, b, c = (list(map(Fraction, theta[k : k + 5])) for k in (0, 5, 10))
    total = Fraction(0)
    for x, weight in zip(map(Fraction, nodes), map(Fraction, weights), strict=True):
        t = x - 1000
        on = [wi * x + bi > 0 for wi, bi in zip(w, b, strict=True)]
        value = sum((ci * (wi * x + bi) for wi, bi, ci, o in zip(w, b, c, on, strict=True) if o), Fraction(0))
        slope = sum((ci * wi for wi, ci, o in zip(w, c, on, strict=True) if o), Fraction(0))
        u, du = t * (1 - t) * value, (1 - 2 * t) * value + t * (1 - t) * slope
        total += weight * ((1 + t**2) * du**2 / 2 - Fraction(np.exp(float(t))) * u)
    return float(total)


def test_biases_are_moved_as_if_rounded_once() -> None:
    draw = np.random.default_rng(0)
    w = draw.uniform(-1, 1, 2000)
    place = 1000.5
    # Kinks ever closer to the place: all digits of the product but the last cancel.
    b = -w * (place + draw.uniform(-1, 1, 2000) * 10.0 ** draw.uniform(-14, 0, 2000))
    found = moved_biases(torch.tensor(w), torch.tensor(b), place).numpy()
    exact = [float(Fraction(u) * Fraction(place) + Fraction(v)) for u, v in zip(w, b, strict=True)]
    np.testing.assert_allclose(found, exact, rtol=3e-16)
    lost = np.abs(b + w * place - exact)
    assert np.any(lost > 1e-4 * np.abs(exact))


def test_moved_biases_have_the_derivatives_of_a_sum() -> None:
    w, b = torch.tensor([0.3, -2.0]).double().requires_grad_(), torch.tensor([1.0, 2.0]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda *v: moved_biases(*v, 1000.5), (w, b))
