from __future__ import annotations

import numpy as np
import pytest
from kinkproof.solver.data.strong_solution import strong_solution
from kinkproof.solver.free_knots.density import kink_density
from kinkproof.solver.free_knots.kink_worth import insertion_gains, refined, removal_costs
from kinkproof.solver.free_knots.newton import minimise
from kinkproof.solver.free_knots.reduced_energy import reduced_energy
from kinkproof.solver.free_knots.relocation import relocate
from kinkproof.verify import RitzProblem, problems
from numpy.typing import NDArray

from ..statements import ALL, FOUR_MATERIALS, WAVE, names

Array = NDArray[np.float64]


def uniform(count: int) -> Array:
    return np.linspace(0, 1, count + 2)[1:-1]


@pytest.mark.parametrize(
    "problem", [p if k % 4 == 0 else pytest.param(p, marks=pytest.mark.slow) for k, p in enumerate(ALL)], ids=names
)
def test_from_bad_starts_the_energy_falls_and_kinks_stay_in_order(problem: RitzProblem) -> None:
    solution = strong_solution(problem)
    for seed in range(3):
        start = np.sort(np.random.default_rng(seed).uniform(0, 1, 9))
        found = minimise(solution, start, 200)
        assert found.converged
        assert (np.diff(found.energy.fit.knots) > 0).all()
        # Rises within rounding are allowed at the very end.
        assert (np.diff(found.history) <= 1e-13 * found.history[0]).all()
        assert found.history[0] == reduced_energy(solution, start).energy_gap


def test_kinks_that_run_into_each_other_are_parted() -> None:
    # From here two kinks meet near x = 0.95 and would stay there as one.
    start = np.sort(np.random.default_rng(1).uniform(0, 1, 9))
    found = minimise(strong_solution(problems["sine-6-sine-distance"]), start, 200)
    lengths = np.diff(found.energy.fit.knots)
    assert lengths.min() > 1e-2 * lengths.max()


@pytest.mark.parametrize("count", [3, 7, 63])
def test_a_kink_where_the_solution_is_straight_is_a_saddle_and_is_left(count: int) -> None:
    # The middle kink sits at x = ½, where u″ = 0; by symmetry the gradient there is 0 as well.
    solution = strong_solution(WAVE)
    found = minimise(solution, uniform(count), 200)
    assert found.converged
    assert found.iterations <= 30
    best = minimise(solution, kink_density(solution).equidistributed(count), 200)
    assert found.energy.energy_gap == pytest.approx(best.energy.energy_gap, rel=1e-9)


def test_newton_is_quadratic_in_the_end() -> None:
    found = minimise(strong_solution(problems["sine-2"]), uniform(18), 200)
    excess = np.array(found.history) - found.history[-1]
    # Up to where the excess is lost in rounding.
    seen = excess[excess > 1e-12 * found.history[-1]]
    assert seen[-1] / seen[-2] < 0.05


def test_kinks_that_reach_an_interface_stop_there_and_those_that_gain_leave() -> None:
    solution = strong_solution(FOUR_MATERIALS)
    found = minimise(solution, np.array([0.2, 0.24, 0.45, 0.6, 0.7]), 200)
    assert np.isin([0.25, 0.5], found.energy.kinks).all()
    assert found.pinned.sum() == 2
    # u is smooth across the jump of f alone, so that a kink has no reason to stay there.
    smooth = strong_solution(problems["sine-2"])
    assert not minimise(smooth, np.array([0.25, 0.5]), 200).pinned.any()


def test_a_kink_leaves_an_interface_where_that_gains() -> None:
    # κ jumps by a thousandth at ⅓: a wall, but a single kink does far more good elsewhere.
    problem = RitzProblem(
        source="exp(3*x)", coefficient="Piecewise((1, x < 1/3), (1001/1000, True))", name="nearly one"
    )
    solution = strong_solution(problem)
    found = minimise(solution, solution.walls, 100)
    assert found.converged
    assert not found.pinned.any()
    assert found.energy.energy_gap == pytest.approx(minimise(solution, np.array([0.6]), 100).energy.energy_gap)


def test_the_limit_of_iterations_is_kept() -> None:
    found = minimise(strong_solution(problems["sine-6"]), uniform(12), 2)
    assert found.iterations == 2
    assert not found.converged


def test_no_kinks_are_no_iterations() -> None:
    found = minimise(strong_solution(problems["sine-2"]), np.zeros(0), 10)
    assert (found.iterations, found.converged) == (0, True)


def test_what_a_kink_costs_and_gains_is_what_leaving_and_adding_it_does() -> None:
    energy = reduced_energy(strong_solution(WAVE), np.array([0.11, 0.3, 0.42, 0.77]))
    costs, gains = removal_costs(energy), insertion_gains(energy)
    # κ = D = 1: the best nodal values are those of u, so the others do stay where they are.
    for i, cost in enumerate(costs):
        fewer = reduced_energy(energy.solution, np.delete(energy.kinks, i)).energy_gap
        assert cost == pytest.approx(fewer - energy.energy_gap, rel=1e-9)
    for e, gain in enumerate(gains):
        middle = (energy.fit.knots[e] + energy.fit.knots[e + 1]) / 2
        more = reduced_energy(energy.solution, np.sort(np.append(energy.kinks, middle))).energy_gap
        assert gain == pytest.approx(energy.energy_gap - more, rel=1e-9)


def test_idle_kinks_are_moved_to_where_they_help() -> None:
    # A bump at ⅓: kinks that start far from it see nothing that would move them.
    problem = RitzProblem(source="1000*exp(-1000*(x - 1/3)**2)", name="bump")
    solution = strong_solution(problem)
    stuck = minimise(solution, np.linspace(0.6, 0.95, 9), 200)
    free = relocate(stuck, 200)
    best = minimise(solution, kink_density(solution).equidistributed(9), 200)
    assert stuck.energy.energy_gap > 1.5 * best.energy.energy_gap
    assert free.energy.energy_gap <= best.energy.energy_gap * (1 + 1e-6)


@pytest.mark.parametrize("more", [1, 4, 50])
def test_refinement_adds_exactly_as_many_kinks_and_keeps_the_others(more: int) -> None:
    energy = reduced_energy(strong_solution(problems["sine-6"]), uniform(6))
    kinks = refined(energy, more)
    assert len(kinks) == 6 + more
    assert (np.diff(kinks) > 0).all()
    assert np.isin(energy.kinks, kinks).all()
    assert reduced_energy(energy.solution, kinks).energy_gap < energy.energy_gap
