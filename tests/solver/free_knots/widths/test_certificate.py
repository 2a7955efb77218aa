from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from kinkproof.solver import certify, solve
from kinkproof.solver.data.strong_solution import strong_solution
from kinkproof.solver.free_knots.dynamic_programming import global_kinks
from kinkproof.solver.free_knots.neurons import PiecewiseLinear, network_of
from kinkproof.solver.free_knots.newton import minimise
from kinkproof.solver.free_knots.reduced_energy import reduced_energy
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, problems
from numpy.typing import NDArray

from ...statements import ALL, SINE, WAVE, names, oracle_gap

Array = NDArray[np.float64]


def at_kinks(problem: RitzProblem, kinks: Array) -> ShallowNetwork:
    """The network of least energy with these kinks."""
    fit = reduced_energy(strong_solution(problem), kinks).fit
    network = network_of(PiecewiseLinear(fit.knots, fit.values), affine=2)
    assert network is not None
    return network


@pytest.mark.parametrize(
    "problem",
    [ALL[0], pytest.param(ALL[1], marks=pytest.mark.slow), *(pytest.param(p, marks=pytest.mark.long) for p in ALL[2:])],
    ids=names,
)
def test_a_network_that_solve_found_is_certified_and_one_a_little_beside_is_not(problem: RitzProblem) -> None:
    best = solve(problem, width=9, random_starts=0)
    assert certify(problem, best.network).holds
    w, b, c = (v.copy() for v in best.network.floats)
    # One kink by a thousandth of the domain, all outer weights as they were.
    moved = next(i for i in range(9) if abs(-b[i] / w[i] - best.kinks[4]) < 1e-12) if w.all() else 6
    b[moved] += 1e-3
    certificate = certify(problem, ShallowNetwork(w, b, c))
    assert not certificate.holds
    assert certificate.energy_gap > best.energy_gap
    assert "not stationary" in certificate.failures[0] or "essential" in certificate.failures[0]
    # And one outer weight by a millionth.
    c[3] *= 1 + 1e-6
    assert not certify(problem, ShallowNetwork(*best.network.floats[:2], c)).holds


def test_a_saddle_is_called_one() -> None:
    solution = strong_solution(WAVE)
    # Symmetric kinks with one at the straight place x = ½, moved to where the symmetric gradient vanishes.
    left = minimise(strong_solution(SINE), np.array([0.2, 0.5, 0.8]), 100).energy.kinks / 2
    kinks = np.concatenate([left, [0.5], 1 - left[::-1]])
    energy = reduced_energy(solution, kinks)
    assert np.abs(energy.gradient()).max() < 1e-10
    certificate = certify(WAVE, at_kinks(WAVE, kinks))
    assert not certificate.is_minimum
    assert certificate.smallest_curvature < 0
    assert any("not a minimum" in f for f in certificate.failures)


def test_a_local_minimum_is_noticed_and_said() -> None:
    problem = problems["sine-6"]
    local = minimise(strong_solution(problem), np.linspace(0, 1, 21)[1:-1], 200)
    certificate = certify(problem, at_kinks(problem, local.energy.kinks), compared="kinks")
    assert certificate.is_minimum
    assert certificate.stationarity < 1e-8
    (said,) = certificate.failures
    assert "a local minimum" in said
    assert certify(problem, at_kinks(problem, local.energy.kinks), reference=False).holds


def test_the_smallest_curvature_is_the_smallest_eigenvalue() -> None:
    from ..test_reduced_energy import schur_complement

    for kinks in (global_kinks(strong_solution(WAVE), 9), np.linspace(0, 1, 11)[1:-1]):
        expected = np.linalg.eigvalsh(schur_complement(reduced_energy(strong_solution(WAVE), kinks)))[0]
        # Found by bisection to three digits.
        assert certify(WAVE, at_kinks(WAVE, kinks)).smallest_curvature == pytest.approx(expected, rel=2e-3)


def test_a_missed_essential_value_is_said() -> None:
    best = solve(SINE, width=5)
    shifted = ShallowNetwork(*(np.append(v, e) for v, e in zip(best.network.floats, (0.0, 1.0, 1e-3), strict=True)))
    certificate = certify(SINE, shifted)
    assert certificate.essential_error == pytest.approx(1e-3)
    assert any("essential value is missed by 0.001" in f for f in certificate.failures)


def test_the_limit_is_approached_from_either_side() -> None:
    for problem in (SINE, WAVE, problems["natural"]):
        certificate = solve(problem, kinks=255).certificate
        # Leading order: the rest is O(1/n) of it.
        assert certificate.energy_gap == pytest.approx(certificate.limit, rel=0.02)


def test_networks_of_any_origin_are_judged() -> None:
    network = ShallowNetwork.random(12, seed=5)
    certificate = certify(problems["sine-2"], network)
    assert not certificate.holds
    assert certificate.energy_gap == pytest.approx(oracle_gap(problems["sine-2"], network), rel=1e-9)
    with pytest.raises(InputError, match="batch"):
        certify(problems["sine-2"], ShallowNetwork.random(3, seed=0, batch=(2,)))


@pytest.mark.slow
def test_the_best_of_one_kink_less_fails_at_equal_width_and_holds_at_equal_kinks() -> None:
    problem = problems["sine-2"]
    for width in (4, 8, 20):
        old = solve(problem, kinks=width - 1).network
        assert old.width == width
        certificate = certify(problem, old)
        assert certificate.failures[0].startswith("a better network of this width is known")
        assert certificate.is_stationary
        assert certificate.is_minimum
        # What is known bounds from above, free kinks from below.
        assert certificate.bound is not None
        assert certificate.reference is not None
        assert certificate.bound <= certificate.reference < certificate.energy_gap
        assert certify(problem, old, compared="kinks").holds
    with pytest.raises(InputError, match="compared: 'depth'"):
        certify(problem, old, compared="depth")


@pytest.mark.slow
def test_facings_are_read_off_a_network_and_a_kink_beside_its_place_is_noticed() -> None:
    best = solve(problems["sine-2"], width=6)
    assert best.certificate.kinks == 6
    assert certify(problems["sine-2"], best.network).holds
    w, b, c = (v.copy() for v in best.network.floats)
    assert 0 < (w < 0).sum() < 6
    # A millionth of the domain; the outer weights as they were.
    b[2] += 1e-6
    assert "not stationary" in certify(problems["sine-2"], ShallowNetwork(w, b, c)).failures[0]


@pytest.mark.slow
def test_each_verdict_is_made_of_its_own_number() -> None:
    good = solve(problems["sine-2"], width=6).certificate
    assert good.holds
    faults = {"stationarity": 1e-3, "is_minimum": False, "essential_error": 1e-3, "reference": good.energy_gap * 0.9}
    for name, value in faults.items():
        assert len(replace(good, **{name: value}).failures) == 1
