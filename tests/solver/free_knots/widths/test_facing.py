from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from kinkproof.solver import solve
from kinkproof.solver.data.strong_solution import strong_solution
from kinkproof.solver.free_knots.hat_functions import fit
from kinkproof.solver.free_knots.reduced_energy import reduced_energy
from kinkproof.solver.free_knots.widths.facing import alternation, carries, faced_energy, uncarried
from kinkproof.solver.free_knots.widths.polish import dense_hessian, polished
from kinkproof.verify import RitzProblem, ShallowNetwork, problems
from numpy.typing import NDArray

from ...statements import names, oracle_gap

Array = NDArray[np.float64]

# Variable κ, natural and essential ends.
SMOOTH = [problems[n] for n in ("sine-2", "variable-coefficient", "natural", "penalised-ends")]
KINKS = np.array([0.11, 0.3, 0.41, 0.55, 0.72, 0.9])
FALLING = np.array([True, True, False, True, False, False])
FREE = np.zeros(6, dtype=bool)


@pytest.mark.parametrize("problem", SMOOTH, ids=names)
def test_the_faced_neurons_carry_the_function_and_have_its_energy(problem: RitzProblem) -> None:
    energy = faced_energy(strong_solution(problem), KINKS, FALLING)
    assert carries(energy)
    weights = np.where(FALLING, -1.0, 1.0)
    network = ShallowNetwork(weights, -weights * KINKS, energy.jumps)
    x = energy.fit.knots
    # Sums of six terms of some size.
    assert np.maximum(np.outer(x, weights) - weights * KINKS, 0) @ energy.jumps == pytest.approx(
        energy.fit.values, abs=1e-12 * np.abs(energy.jumps).max()
    )
    assert oracle_gap(problem, network) == pytest.approx(energy.energy_gap, rel=1e-9)
    assert energy.energy_gap > reduced_energy(strong_solution(problem), KINKS).energy_gap


@pytest.mark.parametrize("problem", SMOOTH, ids=names)
def test_gradient_and_hessian_are_those_of_the_energy_under_the_conditions(problem: RitzProblem) -> None:
    solution, step = strong_solution(problem), 1e-6
    energy = faced_energy(solution, KINKS, FALLING)
    both = [[faced_energy(solution, KINKS + s * step * e, FALLING) for s in (1, -1)] for e in np.eye(6)]
    slopes = np.array([(up.energy_gap - down.energy_gap) / (2 * step) for up, down in both])
    bends = np.array([(up.gradient() - down.gradient()) / (2 * step) for up, down in both])
    # Central differences: ε² of truncation and rounding over ε.
    assert energy.gradient() == pytest.approx(slopes, abs=1e-7 * np.abs(slopes).max())
    assert dense_hessian(energy, FREE) == pytest.approx(bends, abs=1e-7 * np.abs(bends).max())


def test_the_rest_is_the_line_that_no_neuron_carries() -> None:
    knots = np.concatenate([[0.0], KINKS, [1.0]])
    values = np.random.default_rng(0).normal(size=8)
    jumps = np.diff(np.diff(values) / np.diff(knots))
    weights = np.where(FALLING, -1.0, 1.0)
    carried = np.maximum(np.outer(knots, weights) - weights * KINKS, 0) @ jumps
    assert values - carried == pytest.approx(np.interp(knots, [0, 1], uncarried(knots, values, FALLING)), abs=1e-12)
    assert alternation(FALLING).sum() == 1


def test_neurons_that_all_face_one_way_carry_what_vanishes_at_the_other_end() -> None:
    # (u − lift)/D of `polynomial` is x + x²: nil on the left of a kink near 0, and bent one way.
    solution = strong_solution(problems["polynomial"])
    energy = faced_energy(solution, np.array([0.02, 0.5]), np.zeros(2, dtype=bool))
    assert carries(energy)
    found = polished(energy, 100)
    assert found is not None
    assert found.converged
    # Least of 384 trainings of two neurons from random kinks and facings, by L-BFGS.
    assert found.energy.energy_gap == pytest.approx(0.0008347506634132917, rel=1e-9)
    assert solve(problems["polynomial"], 2).energy_gap == pytest.approx(found.energy.energy_gap, rel=1e-9)


def test_planted_fault_a_line_that_nobody_carries_is_seen() -> None:
    energy = faced_energy(strong_solution(problems["polynomial"]), np.array([0.02, 0.5]), np.zeros(2, dtype=bool))
    free = fit(energy.solution, energy.fit.knots)
    assert not carries(replace(energy, fit=free))
