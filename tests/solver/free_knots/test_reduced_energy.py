from __future__ import annotations

import numpy as np
import pytest
from kinkproof.solver.data.strong_solution import strong_solution
from kinkproof.solver.free_knots.hat_functions import assess, fit
from kinkproof.solver.free_knots.neurons import PiecewiseLinear, network_of
from kinkproof.solver.free_knots.reduced_energy import ReducedEnergy, reduced_energy
from kinkproof.verify import RitzProblem, ShallowNetwork, exact_gradient, exact_hessian, problems
from numpy.typing import NDArray

from ..statements import ALL, FRONT, ROOT, ROOT_RIGHT, names, oracle_gap

Array = NDArray[np.float64]
# The oracle integrates the front's data for a quarter of a minute; a long test of `solve` has it.
KNOWN = [p for p in ALL if p.solution is not None and p is not FRONT]
# No essential values: the oracle's derivatives need no multipliers then.
PLAIN = [
    problems[n]
    for n in ("sine-2", "sine-6-sine-distance", "variable-coefficient", "natural", "two-materials", "foundation")
]


def random_kinks(seed: int, count: int = 7) -> Array:
    return np.sort(np.random.default_rng(seed).uniform(0.03, 0.97, count))


def as_network(energy: ReducedEnergy) -> ShallowNetwork:
    network = network_of(PiecewiseLinear(energy.fit.knots, energy.fit.values), affine=2)
    assert network is not None
    return network


@pytest.mark.parametrize("problem", KNOWN, ids=names)
def test_the_energy_gap_is_the_oracles(problem: RitzProblem) -> None:
    energy = reduced_energy(strong_solution(problem), random_kinks(0))
    assert energy.energy_gap == pytest.approx(oracle_gap(problem, as_network(energy)), rel=1e-10)


@pytest.mark.parametrize("problem", PLAIN, ids=names)
def test_no_other_nodal_values_have_less_energy(problem: RitzProblem) -> None:
    solution = strong_solution(problem)
    knots = np.concatenate([[0.0], random_kinks(1), [1.0]])
    best = fit(solution, knots)
    for seed in range(5):
        change = np.random.default_rng(seed).normal(size=len(knots)) * 1e-3
        up, down = (assess(solution, knots, best.values + s * change).energy_gap for s in (1, -1))
        assert min(up, down) > best.energy_gap
        # A parabola with its vertex here: both sides rise alike, to the rounding of the differences.
        assert up - best.energy_gap == pytest.approx(down - best.energy_gap, rel=1e-6)


@pytest.mark.parametrize("problem", PLAIN, ids=names)
def test_gradient_in_the_kinks_is_the_oracles_in_the_biases(problem: RitzProblem) -> None:
    energy = reduced_energy(strong_solution(problem), random_kinks(2))
    network = as_network(energy)
    total = exact_gradient(problem, network).total
    # Neurons with |w| = 1: dξ = −sgn(w) db at fixed outer weights, which is the derivative at the best ones too.
    weights, by_bias = network.floats[0][2:], total.hidden_biases[2:]
    assert energy.gradient() == pytest.approx(-weights * by_bias, rel=1e-9, abs=1e-11 * np.abs(by_bias).max())


@pytest.mark.parametrize("problem", [*PLAIN[:4], PLAIN[-1], ROOT_RIGHT], ids=names)
def test_schur_complement_is_that_of_the_oracles_hessian(problem: RitzProblem) -> None:
    energy = reduced_energy(strong_solution(problem), random_kinks(3, 5))
    network = as_network(energy)
    width = network.width
    hessian = np.array(exact_hessian(problem, network, digits=30), dtype=float)
    kinks, linear = np.arange(width + 2, 2 * width), np.arange(2 * width, 3 * width)
    inner = hessian[np.ix_(linear, linear)]
    cross = hessian[np.ix_(linear, kinks)]
    signs = -network.floats[0][2:]
    expected = signs[:, None] * (hessian[np.ix_(kinks, kinks)] - cross.T @ np.linalg.solve(inner, cross)) * signs
    # The ReLU Gram matrix that the expected value inverts has a condition of 10⁵ to 10⁷.
    assert schur_complement(energy) == pytest.approx(expected, abs=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("problem", [*PLAIN, problems["penalised-ends"], ROOT], ids=names)
def test_derivatives_are_those_of_differences(problem: RitzProblem) -> None:
    solution, kinks, step = strong_solution(problem), random_kinks(4), 1e-5
    energy = reduced_energy(solution, kinks)
    gradient, hessian = np.empty(len(kinks)), np.empty((len(kinks), len(kinks)))
    for i in range(len(kinks)):
        up, down = (reduced_energy(solution, kinks + s * step * (np.arange(len(kinks)) == i)) for s in (1, -1))
        gradient[i] = (up.energy_gap - down.energy_gap) / (2 * step)
        hessian[i] = (up.gradient() - down.gradient()) / (2 * step)
    # Truncation of central differences, step² times third derivatives of some thousand.
    assert energy.gradient() == pytest.approx(gradient, abs=1e-6 * np.abs(gradient).max())
    assert schur_complement(energy) == pytest.approx(hessian, abs=1e-6 * np.abs(hessian).max())


def test_on_an_interface_the_two_gradients_are_the_one_sided_ones() -> None:
    problem = problems["two-materials"]
    solution, step = strong_solution(problem), 1e-7
    kinks = np.array([0.2, 0.5, 0.7])
    energy = reduced_energy(solution, kinks)
    for side in (-1, 1):
        moved = reduced_energy(solution, kinks + side * step * np.array([0, 1, 0]))
        difference = side * (moved.energy_gap - energy.energy_gap) / step
        # A one-sided difference: of first order in the step.
        assert energy.gradient(side)[1] == pytest.approx(difference, rel=1e-4)
    assert energy.gradient(-1)[1] < 0 < energy.gradient(1)[1]


def schur_complement(energy: ReducedEnergy) -> Array:
    banded = energy.hessian(np.zeros(len(energy.kinks), dtype=bool))
    full = np.diag(banded[0])
    for k in range(1, len(banded)):
        full += np.diag(banded[k, :-k], -k) + np.diag(banded[k, :-k], k)
    kinks, values = np.arange(2, len(full) - 2, 2), np.arange(1, len(full), 2)
    cross = full[np.ix_(values, kinks)]
    inner = full[np.ix_(values, values)]
    return np.asarray(full[np.ix_(kinks, kinks)] - cross.T @ np.linalg.solve(inner, cross))
