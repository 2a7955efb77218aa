from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from kinkproof.solver.data.strong_solution import strong_solution
from kinkproof.solver.free_knots.density import kink_density
from kinkproof.solver.free_knots.newton import minimise
from kinkproof.solver.free_knots.widths.facing import faced_energy
from kinkproof.solver.free_knots.widths.facings import facings
from kinkproof.solver.free_knots.widths.polish import polished
from kinkproof.verify import RitzProblem, problems


@pytest.mark.slow
def test_the_facing_of_least_energy_is_among_the_first_of_few_neurons() -> None:
    solution = strong_solution(problems["sine-2"])
    free = minimise(solution, kink_density(solution).equidistributed(6), 100)
    gaps = []
    for falling in product((False, True), repeat=6):
        start = faced_energy(solution, free.energy.kinks, np.array(falling))
        # What costs ten times the gap at the free kinks does not become the best by moving them.
        if start.energy_gap < 10 * free.energy.energy_gap:
            found = polished(start, 100)
            gaps.append(np.inf if found is None else found.energy.energy_gap)
    best = [polished(faced_energy(solution, free.energy.kinks, f), 100) for _, f in facings(free, 8)]
    assert min(b.energy.energy_gap for b in best if b) == pytest.approx(min(gaps), rel=1e-9)


@pytest.mark.parametrize("kinks", [20, 60, 400])
def test_the_promised_rise_is_what_the_polish_costs(kinks: int) -> None:
    solution = strong_solution(problems["sine-2"])
    free = minimise(solution, kink_density(solution).equidistributed(kinks), 100)
    (rise, falling), *_ = facings(free, 1)
    # A network of one kink less costs 2/N.
    assert rise < 1e-3 / kinks * free.energy.energy_gap
    found = polished(faced_energy(solution, free.energy.kinks, falling), 100)
    assert found is not None
    # Second order in the rest; the gaps themselves round.
    expected = pytest.approx(rise, rel=0.05, abs=4 * free.energy.fit.rounding)
    assert found.energy.energy_gap - free.energy.energy_gap == expected


@pytest.mark.parametrize("kinks", [9, 21])
def test_of_mirror_images_a_rule_says_which_is_first(kinks: int) -> None:
    # Even about ½, and the middle one of an odd number of neurons faces one way: no facing is its own mirror image.
    solution = strong_solution(RitzProblem(source="9*pi**2*sin(3*pi*x)", distance="1", essential={0: 0, 1: 0}))
    random = np.random.default_rng(0)
    firsts = set()
    for _ in range(6):
        start = kink_density(solution).equidistributed(kinks) * (1 + 1e-9 * random.normal(size=kinks))
        found = facings(minimise(solution, start, 100), 2)
        assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
        firsts.add(tuple(found[0][1].tolist()))
    assert len(firsts) == 1
