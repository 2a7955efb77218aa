from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from kinkproof.solver.data.strong_solution import strong_solution
from kinkproof.solver.free_knots import dynamic_programming
from kinkproof.solver.free_knots.dynamic_programming import global_kinks
from kinkproof.solver.free_knots.newton import minimise
from kinkproof.solver.free_knots.reduced_energy import reduced_energy
from kinkproof.verify import RitzProblem, problems

from ..statements import FOUR_MATERIALS, FRONT, ROOT, SINE, WAVE, names


@pytest.mark.parametrize("problem", [WAVE, FRONT], ids=names)
def test_the_optimum_over_a_small_grid_is_that_of_trying_all(
    problem: RitzProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    # κ = D = 1: the costs are exact. At the natural end the best nodal value is the solution's own as well.
    solution, grid = strong_solution(problem), np.linspace(0, 1, 14)
    monkeypatch.setattr(dynamic_programming, "_grid", lambda solution, points: grid)
    tried = [(reduced_energy(solution, np.array(k)).energy_gap, k) for k in combinations(grid[1:-1], 3)]
    kinks = global_kinks(solution, 3)
    least = min(gap for gap, _ in tried)
    # Of mirror images, which are equally good, a rule takes one, whatever rounding says: last kinks first.
    equal = [k for gap, k in tried if gap <= least * (1 + 1e-9)]
    assert kinks.tolist() == list(min(equal, key=lambda k: k[::-1]))
    places = np.searchsorted(grid, [0.0, *kinks, 1.0])
    costs = dynamic_programming._costs(solution, grid)[places[:-1], places[1:]]
    assert costs.sum() == pytest.approx(min(tried)[0], rel=1e-9)


@pytest.mark.parametrize("problem", [SINE, WAVE, ROOT, FOUR_MATERIALS, problems["sine-6"]], ids=names)
def test_on_a_fine_grid_it_is_close_to_a_minimum_and_newton_goes_there(problem: RitzProblem) -> None:
    solution = strong_solution(problem)
    start = reduced_energy(solution, global_kinks(solution, 14))
    found = minimise(solution, start.kinks, 100)
    assert found.converged
    # Eight grid points to a kink: positions to a sixteenth of a spacing, energies to some per cent of it.
    assert start.energy_gap < 1.06 * found.energy.energy_gap


def test_it_finds_what_descent_from_uniform_kinks_does_not() -> None:
    solution = strong_solution(problems["sine-6"])
    uniform = minimise(solution, np.linspace(0, 1, 21)[1:-1], 200)
    best = minimise(solution, global_kinks(solution, 19), 200)
    assert uniform.converged
    assert best.energy.energy_gap < 0.95 * uniform.energy.energy_gap
