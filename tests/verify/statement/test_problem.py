from __future__ import annotations

import pickle
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, exact_energy, problems
from kinkproof.verify.statement.expressions import X
from kinkproof.verify.statement.piecewise import canonical
from kinkproof.verify.systems.refinement import near_solution


@pytest.mark.parametrize("name", list(problems))
def test_named_problems_have_their_minimum_below_every_network_and_close_to_a_good_one(name: str) -> None:
    problem = problems[name]
    minimum = problem.minimum_energy()
    networks = ShallowNetwork.random(12, seed=3, batch=(50,))
    assert (exact_energy(problem, networks) >= minimum).all()
    gaps = [exact_energy(problem, near_solution(problem, w)) - minimum for w in (41, 81)]
    # Equidistant interpolation has order 2 in the energy: halving the cells quarters the gap. Penalised ends keep a
    # part of the gap that is not interpolation, and a load between two nodes costs what its place in the cell makes it
    # cost, so the ratio there says nothing.
    assert gaps[1] > 0
    if not problem.essential and not problem.periodic and not problem.loads:
        assert 3 < gaps[0] / gaps[1] < 5


def test_the_minimum_of_the_papers_problem_is_minus_pi_squared() -> None:
    # ½∫u′² − ∫fu = −½∫u′² = −½(2π)²·½ for u = sin 2πx.
    assert problems["sine-2"].minimum_energy() == pytest.approx(-(np.pi**2), rel=1e-15)
    with mpmath.workdps(40):
        assert abs(problems["sine-2"].minimum_energy(40) + mpmath.pi**2) < mpmath.mpf(10) ** -38


def test_the_penalised_minimum_is_that_of_the_penalised_equations() -> None:
    # D = 1, κ = 1, u = sin 2πx + px + q: minimise over p, q by hand. With t = ±2π outward and penalty P, symmetry
    # gives v(0) = −v(1) = 2π/(P + 2) and a relief of t²/(P + 2).
    penalty = 500
    expected = -(np.pi**2) - (2 * np.pi) ** 2 / (penalty + 2)
    assert problems["penalised-ends"].minimum_energy() == pytest.approx(expected, rel=1e-14)


def test_at_a_robin_end_the_outward_flux_is_alpha_times_what_is_missing() -> None:
    # u = x: −κu′ = −1 leaves on the left, κu′ = 1 enters on the right.
    problem = RitzProblem(distance="1", robin={0: (2, "-1/2"), 1: (4, "5/4")}, solution="x")
    # ½∫u′² + ½·2·(1/2)² + ½·4·(1/4)².
    assert problem.minimum_energy() == pytest.approx(0.5 + 0.25 + 0.125, rel=1e-15)
    with pytest.raises(InputError, match="κu′ is"):
        RitzProblem(distance="1", robin={0: (2, "1/2"), 1: (4, "5/4")}, solution="x")


def test_a_penalised_end_beside_a_robin_end_gives_way_as_two_springs_do() -> None:
    # u = 1 − x on (0, 1), held at 0 by a penalty P = 10, outward flux −u′ = 1 there; a spring α = 2 at 1. The penalty
    # sees a stiffness of P + 1/(1 + 1/2), and the relief is ½·1/(P + 2/3).
    problem = RitzProblem(distance="1", essential={0: 1}, penalty=10, robin={1: (2, "-1/2")}, solution="1 - x")
    assert problem.minimum_energy() == pytest.approx(0.5 + 0.25 - 0.5 / (10 + 2 / 3), rel=1e-14)


def test_a_penalised_end_of_a_reaction_gives_way_as_the_solution_without_source_does() -> None:
    # −u″ + 4u = 0, u = sinh 2x / sinh 2, held at 1 by a penalty P: outward flux t = 2 coth 2, and sinh 2x resists with
    # a stiffness of P + t.
    problem = RitzProblem(distance="x", reaction=4, essential={1: 1}, penalty=10, solution="sinh(2*x)/sinh(2)")
    for digits in (None, 40):
        with mpmath.workdps(digits or 16):
            flux = 2 * mpmath.coth(2)
            expected = flux / 2 - flux**2 / (2 * (10 + flux))
            assert abs(problem.minimum_energy(digits) / expected - 1) < mpmath.mpf(10) ** (2 - (digits or 16))


@pytest.mark.parametrize(
    ("statement", "least"),
    [
        ({"reaction": -8}, np.pi**2 - 8),
        ({"reaction": "-25/2", "domain": (2, 3)}, np.pi**2 - 12.5),
        ({"reaction": 3, "distance": "1", "fluxes": {0: 0, 1: 0}}, 3.0),
        # −v″ = λv with v(0) = 0 and v′(1) = −v(1)/2: μ cos μ = −½ sin μ, λ = μ² + ρ.
        (
            {"reaction": -1, "distance": "x", "robin": {1: ("1/2", 0)}},
            float(mpmath.findroot(lambda m: m * mpmath.cos(m) + mpmath.sin(m) / 2, 1.8)) ** 2 - 1,
        ),
    ],
    ids=["built in", "too negative", "natural ends", "Robin end"],
)
def test_the_least_eigenvalue_is_that_of_the_strong_form(statement: dict[str, Any], least: float) -> None:
    problem = RitzProblem(**statement)
    # Float64 on matrices whose largest eigenvalue is 10⁶ times as large as the least.
    assert problem.least_eigenvalue == pytest.approx(least, abs=1e-9)
    if least > 0:
        problem.require_bounded()
        return
    with pytest.raises(InputError, match=f"not bounded below, for the least eigenvalue .* is {least:.5g}"):
        problem.require_bounded()


def test_an_energy_without_a_minimum_still_has_values_but_no_least_one() -> None:
    problem = RitzProblem(reaction=-40, source="(4*pi**2 - 40)*sin(2*pi*x)", solution="sin(2*pi*x)")
    assert np.isfinite(exact_energy(problem, ShallowNetwork.random(3, seed=0)))
    with pytest.raises(InputError, match="not bounded below"):
        problem.minimum_energy()
    # At the resonance itself: the least eigenvalue is 0, and rounding does not decide.
    with pytest.raises(InputError, match="is 0; a ρ that is larger"):
        RitzProblem(reaction="-pi**2").require_bounded()


def test_periodic_ends_give_way_as_two_springs_do() -> None:
    # u = sin 2πx + ⅓ between ends that a penalty P ties: flux 2π, and a line j(x − ½) resists with P + 1; the relief is
    # (2π)²/(2(P + 1)). With ρ = 4 the difference j costs v″ = 4v, odd about ½: flux j coth 1.
    plain = RitzProblem(source="4*pi**2*sin(2*pi*x)", periodic=True, penalty=10, solution="sin(2*pi*x) + 1/3")
    assert plain.minimum_energy() == pytest.approx(-(np.pi**2) - (2 * np.pi) ** 2 / 22, rel=1e-14)
    held = RitzProblem(
        source="(4*pi**2 + 4)*sin(2*pi*x)", reaction=4, periodic=True, penalty=10, solution="sin(2*pi*x)"
    )
    stiffness = 10 + 1 / np.tanh(1)
    assert held.minimum_energy() == pytest.approx(-(np.pi**2) - 1 - (2 * np.pi) ** 2 / (2 * stiffness), rel=1e-14)


def test_the_least_eigenvalue_of_a_ring_is_its_mass() -> None:
    assert RitzProblem(reaction=3, periodic=True).least_eigenvalue == pytest.approx(3, abs=1e-9)
    # However strong the tie: a float64 sum would lose all else beside it.
    assert RitzProblem(reaction=3, periodic=True, penalty=10**40).least_eigenvalue == pytest.approx(3, abs=1e-9)
    with pytest.raises(InputError, match="not bounded below"):
        RitzProblem(reaction=-1, periodic=True).require_bounded()


def test_a_delta_in_the_source_is_a_point_load() -> None:
    # ∫ x δ(2x − 1) dx = ¼; what has no delta stays as it was written.
    source = "(1 + 3*DiracDelta(2*x - 1))*x + sin(x)*(1 + x) - DiracDelta(x - 1/3) + DiracDelta(x**2 - 1/9)*2/3"
    problem = RitzProblem(source=source)
    assert problem.source == sympy.sympify("x + (1 + x)*sin(x)").subs(sympy.Symbol("x"), X)
    # δ(x² − 1/9) at 1/3 has the factor 1/|2/3|: the two loads at 1/3 take each other away.
    assert dict(problem.loads) == {sympy.Rational(1, 2): sympy.Rational(3, 4)}
    assert problem == RitzProblem(source="x + (1 + x)*sin(x)", loads={"1/2": "3/4"})
    assert problem != RitzProblem(source="x + (1 + x)*sin(x)")
    assert RitzProblem(source=str(problem.stated_source)) == pickle.loads(pickle.dumps(problem)) == problem


def test_across_a_point_load_the_flux_of_the_solution_falls_by_it() -> None:
    # Under a load P in the middle u rises to P/4: the energy is −½·P·P/4.
    stated: dict[str, Any] = {"source": "3*DiracDelta(x - 1/2)", "solution": "3*Min(x, 1 - x)/2"}
    assert RitzProblem(**stated).minimum_energy() == pytest.approx(-9 / 8, rel=1e-15)
    with pytest.raises(InputError, match="κu′ jumps by -3 at x = 1/2, where a point load of 2 acts"):
        RitzProblem(**stated | {"source": "2*DiracDelta(x - 1/2)"})
    with pytest.raises(InputError, match="jumps by"):
        RitzProblem(**stated | {"source": "3*DiracDelta(x - 1/3)"})


GOOD: dict[str, Any] = {"source": "4*pi**2*sin(2*pi*x)", "distance": "x*(1-x)", "solution": "sin(2*pi*x)"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"source": "1/(x - 1/2)"}, "pole at x = 1/2"),
        ({"source": "tan(pi*x)"}, "pole at x = 1/2"),
        ({"source": "log(x - 1/4)"}, "source"),
        ({"coefficient": "x - 1/2"}, "must be positive"),
        ({"coefficient": "(x - 1/3)**2"}, "must be positive"),
        ({"coefficient": "(x - sqrt(2)/2)**2 - 1/10**9"}, "must be positive"),
        ({"coefficient": "1/x"}, "pole at x = 0"),
        ({"distance": "1"}, "Dirichlet end"),
        ({"distance": "x*(1-x)", "essential": {0: 0}}, "must not"),
        ({"fluxes": {0: 1}, "essential": {0: 1}}, "one of the two"),
        ({"fluxes": {"1/2": 1}}, "not an end"),
        ({"fluxes": [1]}, "mapping"),
        ({"distance": "x", "robin": {1: (0, 1)}}, "α = 0 is not positive"),
        ({"distance": "x", "robin": {1: (-1, 1)}}, "α = -1 is not positive"),
        ({"distance": "x", "robin": {1: 2}}, "pair"),
        ({"distance": "x", "robin": {1: (1, 2, 3)}}, "pair"),
        ({"distance": "x", "robin": {"1/2": (1, 2)}}, "not an end"),
        ({"distance": "x", "robin": {1: (1, 0)}}, "κu′ is"),
        ({"distance": "x", "robin": {1: (1, 0)}, "fluxes": {1: 0}}, "one of the two"),
        ({"robin": {1: (1, 0)}}, "robin names"),
        ({"distance": "1", "periodic": 1}, "neither True nor False"),
        ({"periodic": True}, "is a periodic end"),
        ({"distance": "1", "periodic": True, "fluxes": {0: 1}}, "one place, but fluxes names x = 0"),
        ({"distance": "1", "periodic": True, "solution": "sin(2*pi*x) + x"}, "u is 0 at x = 0 and 1 at x = 1"),
        ({"reaction": "1/x"}, "reaction: 1/x has a pole"),
        ({"reaction": 1}, "does not solve"),
        ({"source": "DiracDelta(x - 2)"}, "acts nowhere in the domain"),
        ({"source": "DiracDelta(x)"}, "x = 0 is not inside the domain"),
        ({"source": "DiracDelta(x - 1/2)**2"}, "is no point load"),
        ({"source": "sin(DiracDelta(x - 1/2))"}, "is no point load"),
        ({"source": sympy.DiracDelta(X - sympy.Rational(1, 2), 1)}, "is no point load"),
        ({"source": "DiracDelta(Abs(x - 1/2))"}, "no load at a point"),
        ({"source": "DiracDelta((x - 1/2)**2)"}, "a double zero at x = 1/2"),
        ({"source": "Piecewise((1, x < 1/2), (2, True))*DiracDelta(x - 1/2)"}, "jumps at x = 1/2, where it acts"),
        ({"coefficient": "1 + DiracDelta(x - 1/2)"}, "DiracDelta is not a known function"),
        ({"loads": {2: 1}}, "x = 2 is not inside the domain"),
        ({"loads": {0: 1}}, "its flux in fluxes"),
        ({"loads": [1]}, "mapping"),
        ({"loads": {"1/2": "x"}}, "depends on x"),
        ({"penalty": 0}, "penalty"),
        ({"domain": (1, 0)}, "domain"),
        ({"domain": 3}, "domain"),
        ({"solution": "sin(4*pi*x)"}, "does not solve"),
        ({"solution": "sin(2*pi*x) + 1/10"}, "at x = 0"),
        ({"solution": "sin(2*pi*x) + x"}, "at x = 1"),
        ({"distance": "Piecewise((x, x < 1/2), (2 - 2*x, True))"}, "jumps"),
        ({"coefficient": "Piecewise((1, x < 1/2))"}, "no branch"),
        ({"coefficient": "Piecewise((1, x < 1/2), (2, True))"}, "solution"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        RitzProblem(**(GOOD | change))
    assert "\n" not in str(caught.value)


def test_data_may_grow_towards_any_place_as_long_as_the_energy_is_finite() -> None:
    # −u″ = |x − ⅓|^(−1/3): u is −(9/10)|x − ⅓|^(5/3) and a line.
    line = "9*((1/3)**(5/3)*(1 - x) + (2/3)**(5/3)*x)/10"
    inside = RitzProblem(source="Abs(x - 1/3)**(-1/3)", solution=f"{line} - 9*Abs(x - 1/3)**(5/3)/10")
    third = sympy.Rational(1, 3)
    assert inside.poles == inside.interfaces == (third,)
    # −½∫f u, with ∫|t|^(4/3) = (3/7)(a^(7/3) + b^(7/3)) and so on, by hand.
    a, b = mpmath.mpf(1) / 3, mpmath.mpf(2) / 3
    ends = (a ** (mpmath.mpf(5) / 3), b ** (mpmath.mpf(5) / 3))
    power = mpmath.mpf(3) / 7 * (a ** (mpmath.mpf(7) / 3) + b ** (mpmath.mpf(7) / 3))
    zeroth = mpmath.mpf(3) / 2 * (a ** (mpmath.mpf(2) / 3) + b ** (mpmath.mpf(2) / 3))
    first = mpmath.mpf(3) / 5 * (ends[1] - ends[0])
    load = (ends[0] + (ends[1] - ends[0]) * a) * zeroth + (ends[1] - ends[0]) * first - power
    assert inside.minimum_energy() == pytest.approx(float(-load * 9 / 20), rel=1e-14)
    # A pole between breakpoints makes one.
    assert RitzProblem(source="((x - 1/2)**2)**(-1/6)").interfaces == (sympy.Rational(1, 2),)
    assert RitzProblem(coefficient="1/sqrt(x)", source="1").poles == (0,)
    for refused in ({"source": "1/Abs(x - 1/3)"}, {"coefficient": "1/x"}, {"coefficient": "Abs(x - 1/3)**(-1)"}):
        with pytest.raises(InputError, match="more slowly than 1/distance"):
            RitzProblem(**refused)


def test_a_source_may_grow_at_an_end_that_the_distance_tames() -> None:
    problem = RitzProblem(source="0.21*x**(-1.3)", distance="x*(1-x)", lift="x", solution="x**0.7")
    assert problem.solution == X ** sympy.Rational(7, 10)
    with pytest.raises(InputError, match="pole"):
        RitzProblem(source="x**(-1.3)", distance="1-x", fluxes={0: 0})


def test_piecewise_data_are_brought_to_one_form() -> None:
    zero, one = sympy.Integer(0), sympy.Integer(1)
    assert canonical(sympy.Max(0, X + 1), zero, one) == X + 1
    half = sympy.Rational(1, 2)
    assert canonical(sympy.Abs(X - half), zero, one) == sympy.Piecewise((half - X, half > X), (X - half, True))
    assert (
        canonical(sympy.Piecewise((1, half >= X), (2, True)), zero, one).args[0]
        == sympy.Piecewise((1, half > X), (2, True)).args[0]
    )


def test_equal_problems_are_one_key() -> None:
    assert RitzProblem(**GOOD) == RitzProblem(**GOOD, name="other")
    assert hash(RitzProblem(**GOOD)) == hash(problems["sine-2"])


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="'sine-2'"):
        problems["sine2"]
