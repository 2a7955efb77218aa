from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from kinkproof.verify import (
    BeamProblem,
    InputError,
    NondifferentiableError,
    PowerNetwork,
    ShallowNetwork,
    beams,
    exact_energy,
    exact_gradient,
    exact_hessian,
    problems,
)
from kinkproof.verify.bending.crosscheck import beam_crosscheck, integrated_energy

EXAMPLE = ShallowNetwork([1, -2, 3], ["-1/4", "9/8", "-5/2"], [1, "1/3", -2])
# A stiffness that jumps, data without closed forms together with D, ends of two kinds, a domain of its own.
MIXED = BeamProblem(
    stiffness="Piecewise((1, x < 1/3), (exp(x), True))",
    source="cos(3*x)",
    distance="x*(2 - x)",
    lift="x**3",
    domain=(0, 2),
    name="mixed",
)


@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize(
    "problem",
    [beams["beam-supported"], *(pytest.param(p, marks=pytest.mark.slow) for p in (beams["beam-variable"], MIXED))],
    ids=lambda p: p.name,
)
def test_two_derivations_agree_to_fifty_digits(problem: BeamProblem, power: int) -> None:
    network = PowerNetwork(power, EXAMPLE)
    assert beam_crosscheck(problem, network).digits >= 49
    exact, rounded = (exact_gradient(problem, network, digits=d) for d in (50, None))
    size = np.abs(rounded.total.ravel()).max()
    # Rounded once, from more digits than float64 has.
    assert np.abs(exact.total.ravel().astype(float) - rounded.total.ravel()).max() < 1e-15 * size
    with mpmath.workdps(80):
        parameters = [mpmath.mpf(v.numerator) / v.denominator for v in network.neurons.rational("hidden_weights")]
        parameters += [mpmath.mpf(v.numerator) / v.denominator for v in network.neurons.rational("hidden_biases")]
        parameters += [mpmath.mpf(v.numerator) / v.denominator for v in network.neurons.rational("output_weights")]
        integrated = integrated_energy(problem, power, parameters)
        assert abs(integrated / exact_energy(problem, network, digits=50) - 1) < mpmath.mpf(10) ** -48


def test_a_gradient_without_its_dirac_part_is_caught() -> None:
    network = PowerNetwork(2, EXAMPLE)
    exact = exact_gradient(beams["beam-supported"], network, digits=50)
    assert not beam_crosscheck(beams["beam-supported"], network, exact.bulk.ravel()).passed
    assert np.abs(exact.dirac.ravel()).max() > np.abs(exact.total.ravel()).max() / 10


def test_for_relu_squared_each_kink_adds_its_jump_and_for_relu_cubed_none() -> None:
    # One neuron (x − ½)₊² on EI = 1, D = 1, f = 0: E = ½·∫₍½₎¹ (2c)² dx = c², and with b it is 2c²(1 + b): ∂E/∂b = 2c²,
    # all of it the motion of the kink, for u″ does not change where the neuron is on.
    free = BeamProblem(distance="1")
    gradient = exact_gradient(free, PowerNetwork.of(2, [1], ["-1/2"], [3]))
    assert gradient.energy == pytest.approx(9, rel=1e-15)
    assert gradient.bulk.hidden_biases == pytest.approx([0], abs=1e-15)
    assert gradient.dirac.hidden_biases == pytest.approx([18], rel=1e-15)
    # A kink at ½ moves by −½·dw on the right of 0: ξ times the same.
    assert gradient.dirac.hidden_weights == pytest.approx([9], rel=1e-15)
    cubed = exact_gradient(free, PowerNetwork.of(3, [1], ["-1/2"], [3]))
    assert not cubed.dirac.ravel().any()


@pytest.mark.parametrize("power", [2, 3])
def test_autodiff_on_a_fine_grid_tends_to_the_bulk(power: int) -> None:
    problem, points = beams["beam-clamped"], 20_000
    theta = torch.tensor(EXAMPLE.ravel(), requires_grad=True)
    w, b, c = theta.chunk(3)
    x = ((torch.arange(points, dtype=torch.float64) + 0.5) / points)[:, None].requires_grad_()
    u = x**2 * (1 - x) ** 2 * (torch.relu(x * w + b) ** power @ c)[:, None]
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (ddu,) = torch.autograd.grad(du.sum(), x, create_graph=True)
    (found,) = torch.autograd.grad((ddu**2 / 2 - 24 * u).mean(), theta)
    exact = exact_gradient(problem, PowerNetwork(power, EXAMPLE))
    size = np.abs(exact.total.ravel()).max()
    # Midpoints next to three kinks: 1/20,000 of the jump, or of its slope.
    assert np.abs(found.numpy() - exact.bulk.ravel()).max() < 2e-3 * size
    apart = np.abs(found.numpy() - exact.total.ravel()).max() / size
    assert apart > 0.05 if power == 2 else apart < 2e-3


@pytest.mark.parametrize(
    ("network", "problem", "what"),
    [
        (PowerNetwork.of(2, [1, 2], ["-1/2", -1], [1, 1]), beams["beam-clamped"], "coincident kinks"),
        (PowerNetwork.of(2, [3], [-1], [1]), MIXED, "kink on an interface"),
        (PowerNetwork.of(2, [1, 1], [-1, "1/2"], [1, 2]), beams["beam-cantilever"], "kink on the end of the domain"),
    ],
    ids=["coincident", "interface", "end"],
)
def test_where_a_jump_meets_another_there_is_no_derivative_but_for_relu_cubed(
    network: PowerNetwork, problem: BeamProblem, what: str
) -> None:
    with pytest.raises(NondifferentiableError, match=what):
        exact_gradient(problem, network)
    smooth = PowerNetwork(3, network.neurons)
    assert beam_crosscheck(problem, smooth).digits >= 29
    assert exact_gradient(problem, smooth).distance == np.inf


@pytest.mark.parametrize("name", list(beams))
def test_no_network_lies_below_the_minimum(name: str) -> None:
    problem = beams[name]
    for seed in range(5):
        for power in (2, 3):
            network = PowerNetwork(power, ShallowNetwork.random(4, seed=seed))
            assert exact_energy(problem, network) > problem.minimum_energy()


def test_what_is_no_beam_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="power: 1 is no power"):
        PowerNetwork(1, EXAMPLE)
    with pytest.raises(InputError, match="not a batch"):
        PowerNetwork(2, ShallowNetwork.random(3, batch=(2,)))
    wrong: Any = EXAMPLE
    with pytest.raises(InputError, match="second derivative of a ShallowNetwork is no function"):
        exact_energy(beams["beam-clamped"], wrong)
    with pytest.raises(InputError, match="no second ones"):
        exact_hessian(beams["beam-clamped"], PowerNetwork(2, EXAMPLE))
    with pytest.raises(InputError, match="PowerNetwork"):
        exact_gradient(problems["sine-2"], PowerNetwork(2, EXAMPLE))  # type: ignore[call-overload]
