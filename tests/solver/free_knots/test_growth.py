from __future__ import annotations

import numpy as np
import pytest
from kinkproof.solver import convergence, solve
from kinkproof.verify import InputError, RitzProblem, problems

from ..statements import ROOT, SINE, WAVE, names, oracle_gap

WIDTHS = (16, 32, 64, 128, 256, 512, 1024)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "share"),
    [
        (problems["sine-6"], 1e-1), (problems["two-materials"], 1e-1), (ROOT, 1e-1), (problems["sine-6"], 1e-4),
        (ROOT, 1e-4), pytest.param(problems["two-materials"], 1e-4, marks=pytest.mark.long),
    ],
    ids=lambda p: getattr(p, "name", p),
)  # fmt: skip
def test_networks_grow_until_they_are_good_enough_and_hardly_further(problem: RitzProblem, share: float) -> None:
    from kinkproof.solver.data.strong_solution import strong_solution

    tolerance = share * strong_solution(problem).energy_scale
    best = solve(problem, tolerance=tolerance)
    assert best.energy_gap <= tolerance
    assert best.certificate.holds
    assert oracle_gap(problem, best.network) <= tolerance * (1 + 1e-9)
    # A tenth narrower, and a neuron, and it would not do.
    narrower = int(0.9 * best.network.width) - 1
    assert narrower < 2 or solve(problem, narrower).energy_gap > tolerance


@pytest.mark.slow
def test_a_tolerance_out_of_reach_is_said_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinkproof.solver.free_knots import growth
    from kinkproof.solver.free_knots.widths.optimum import ConvergenceWarning

    # D(½) = 0 but u(½) ≠ 0: no v whatever represents u, and the gap does not fall with the width.
    problem = RitzProblem(source="4*pi**2*sin(2*pi*x) + 2", distance="sin(2*pi*x)", name="out of reach")
    monkeypatch.setattr(growth, "_ENOUGH", 2)
    with pytest.warns(ConvergenceWarning):
        best = solve(problem, tolerance=1e-3, random_starts=0, max_iterations=10)
    assert not best.converged
    assert best.energy_gap > 0.1


@pytest.mark.long
@pytest.mark.parametrize("problem", [SINE, WAVE, problems["sine-2"], problems["two-materials"]], ids=names)
def test_the_observed_order_is_two(problem: RitzProblem) -> None:
    table = convergence(problem, WIDTHS)
    assert table.order == pytest.approx(2, abs=0.05)
    assert [n.network.width for n in table.networks] == list(WIDTHS)
    # And a ceiling: n = 1,024 pieces are at the limit of approximation theory.
    assert table.networks[-1].energy_gap < 1.01 * table.networks[-1].certificate.limit
    assert all(n.iterations <= 30 for n in table.networks)


@pytest.mark.slow
def test_with_a_singularity_the_order_rises_to_two_and_uniform_kinks_are_far_below() -> None:
    from kinkproof.solver.data.strong_solution import strong_solution
    from kinkproof.solver.free_knots.reduced_energy import reduced_energy

    table = convergence(ROOT, WIDTHS)
    # Few kinks do better than the limit's n⁻² line, many follow it: the order rises to 2 from below.
    for best in table.networks:
        assert best.energy_gap < best.certificate.limit
    orders = [p for p in table.orders[1:] if p is not None]
    assert orders == sorted(orders)
    assert min(orders[3:]) >= 1.9
    # By least squares over all widths it is below 1.9: the small networks are too good for more.
    assert table.order == pytest.approx(1.859, abs=0.005)
    uniform = [reduced_energy(strong_solution(ROOT), np.linspace(0, 1, n + 1)[1:-1]).energy_gap for n in (512, 1024)]
    # x^0.7 − interpolation on cells of length h: ∫₀ʰ (x^(−0.3))² ∝ h^0.4.
    assert np.log2(uniform[0] / uniform[1]) == pytest.approx(0.4, abs=0.01)


@pytest.mark.long
def test_ten_thousand_and_a_hundred_thousand_neurons_are_at_the_limit() -> None:
    for width in (10_000, 100_000):
        best = solve(problems["sine-2"], width)
        assert best.network.width == width
        assert best.certificate.holds
        assert best.energy_gap == pytest.approx(best.certificate.limit, rel=1e-3)


@pytest.mark.parametrize("widths", [(), (8,), (8, 8), (16, 8)])
def test_widths_must_ascend(widths: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="do not ascend"):
        convergence(problems["sine-2"], widths)
