from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from kinkproof.solver.data.strong_solution import strong_solution
from kinkproof.solver.free_knots.density import kink_density
from kinkproof.verify import InputError, RitzProblem, problems
from kinkproof.verify.statement.expressions import X

from ..statements import ALL, FOUR_MATERIALS, NEARLY_VANISHING, ROOT, ROOT_RIGHT, SINE, WAVE, names

KNOWN = [p for p in ALL if p.solution is not None]


@pytest.mark.parametrize("problem", KNOWN, ids=names)
def test_two_integrations_find_the_known_solution(problem: RitzProblem) -> None:
    solution = strong_solution(problem)
    left, right = solution.domain
    x = left + (right - left) * np.array([1e-9, 1e-4, 0.1, 0.3, 0.49, 0.61, 0.9, 1 - 1e-4, 1 - 1e-9])
    data = solution.at(x)
    u, target = problem.solution - problem.lift, sympy.diff(problem.solution - problem.lift, X)
    value, slope = (np.array([float(e.subs(X, sympy.Rational(v)).evalf(25)) for v in x]) for e in (u, target))
    # Twenty Chebyshev coefficients of values up to 6π, each rounded.
    assert solution.value_at(x) == pytest.approx(value, rel=1e-12, abs=1e-13)
    assert data.flux / data.coefficient == pytest.approx(slope, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "ends",
    [
        # −κu′ = −π on the left, κu′ = −(1 + ½)π at the right end, of u = sin πx.
        {"robin": {0: ("1/3", "-3*pi"), 1: (5, "-3*pi/10")}},
        {"robin": {0: (7, "-pi/7")}, "fluxes": {1: "-3*pi/2"}},
        {"robin": {1: (2, "-3*pi/4")}, "essential": {0: 0}},
    ],
    ids=["two", "beside a flux", "beside a value"],
)
def test_robin_ends_fix_the_flux_and_the_value(ends: dict[str, Any]) -> None:
    problem = RitzProblem(
        coefficient="1 + x/2",
        source="pi**2*(1 + x/2)*sin(pi*x) - pi*cos(pi*x)/2",
        distance="1",
        solution="sin(pi*x)",
        **ends,
    )
    solution = strong_solution(problem)
    x = np.linspace(0, 1, 7)
    data = solution.at(x)
    # As above.
    assert solution.value_at(x) == pytest.approx(np.sin(np.pi * x), rel=1e-12, abs=1e-13)
    assert data.flux / data.coefficient == pytest.approx(np.pi * np.cos(np.pi * x), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "statement",
    [
        # Two layers of a fortieth of the domain.
        {"reaction": 1600, "source": 1600, "solution": "1 - cosh(40*(x - 1/2))/cosh(20)"},
        {"distance": "1", "fluxes": {0: 1, 1: "2*exp(1)"}},
        {"distance": "1", "fluxes": {0: 1}, "robin": {1: (2, "2*exp(1)")}},
        {"distance": "2 + x", "essential": {1: "exp(1)"}, "robin": {0: (1, 0)}, "lift": "x**2"},
        # A load of 3 on a spring bed: u′ falls by 3.
        {
            "reaction": 4,
            "source": "3*DiracDelta(x - 1/2)",
            "solution": "3*sinh(2*Min(x, 1 - x))/(4*cosh(1))",
        },
        # A ring on which κ, D and lift are not the same where the ends meet.
        {
            "coefficient": "1 + x",
            "reaction": "3 + x",
            "source": "(3 + x + 4*pi**2*(1 + x))*cos(2*pi*x) + 2*pi*sin(2*pi*x)",
            "distance": "1 + x",
            "lift": "x",
            "periodic": True,
            "solution": "cos(2*pi*x)",
        },
        # ρ jumps, and u″ with it; κ does, and u′.
        {
            "reaction": "Piecewise((0, x < 1/2), (4, True))",
            "source": "Piecewise((-2, x < 1/2), (4*x**2 - 2, True))",
            "coefficient": 1,
            "distance": "x",
            "fluxes": {1: 2},
            "solution": "x**2",
        },
        {
            "reaction": 6,
            "source": "Piecewise((6*x, x < 1/2), (3*x + 3/2, True))",
            "coefficient": "Piecewise((1, x < 1/2), (2, True))",
            "distance": "x",
            "fluxes": {1: 1},
            "solution": "Piecewise((x, x < 1/2), (x/2 + 1/4, True))",
        },
    ],
    ids=[
        "layers",
        "natural ends",
        "natural and Robin",
        "essential and Robin",
        "point load",
        "ring",
        "ρ jumps",
        "κ jumps",
    ],
)
def test_collocation_finds_the_known_solution_of_a_reaction(statement: dict[str, Any]) -> None:
    growth = {"coefficient": "1 + x", "reaction": 3, "source": "(1 - x)*exp(x)", "solution": "exp(x)"}
    problem = RitzProblem(**(growth | statement if "reaction" not in statement else statement))
    solution = strong_solution(problem)
    x = np.array([1e-9, 1e-4, 0.1, 0.3, 0.49, 0.61, 0.9, 1 - 1e-4, 1 - 1e-9])
    expressions = (problem.solution - problem.lift, sympy.diff(problem.solution - problem.lift, X))
    value, slope = (np.array([float(e.subs(X, sympy.Rational(v)).evalf(25)) for v in x]) for e in expressions)
    data = solution.at(x)
    # As above, with slopes up to 40.
    assert solution.value_at(x) == pytest.approx(value, rel=1e-12, abs=1e-13)
    assert data.flux / data.coefficient == pytest.approx(slope, rel=1e-12, abs=1e-11)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ({"source": "x", "periodic": True}, "∫f dx is 0.5"),
        ({"source": "x - 1/2", "distance": "1 + x", "periodic": True}, "best constant"),
    ],
    ids=["no balance", "D varies"],
)
def test_on_a_ring_without_a_mass_a_constant_is_free(statement: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        strong_solution(RitzProblem(**statement))


def test_a_reaction_that_is_too_negative_has_no_solution_to_look_for() -> None:
    with pytest.raises(InputError, match="not bounded below"):
        strong_solution(RitzProblem(reaction=-40, source="x"))


@pytest.mark.parametrize("problem", [ROOT, ROOT_RIGHT], ids=names)
def test_a_singular_end_keeps_its_digits(problem: RitzProblem) -> None:
    solution = strong_solution(problem)
    half = solution.halves[0 if problem is ROOT else -1]
    s = np.array([1e-30, 1e-20, 1e-10])
    data = half.evaluate(s[:, None], half.panel(s))
    # u′ = ±0.7 s^(−0.3), lift′ = ±1.
    assert half.sign * data.flux[:, 0] == pytest.approx(0.7 * s**-0.3 - 1, rel=1e-13)
    assert half.value(s[:, None], half.panel(s))[:, 0] == pytest.approx(s**0.7 - s, rel=1e-12)


def test_a_coefficient_that_nearly_vanishes_is_resolved() -> None:
    def over(x: mpmath.mpf, power: int) -> mpmath.mpf:
        return x**power / (mpmath.mpf(1) / 1000 + x**2)

    # κu′ = C − x with ∫(C − x)/κ = 0.
    with mpmath.workdps(30):
        moments = [mpmath.quad(lambda x, p=p: over(x, p), [0, 0.03, 0.1, 1]) for p in range(3)]
        constant = moments[1] / moments[0]
        expected = (constant**2 * moments[0] - 2 * constant * moments[1] + moments[2]) / 2
    assert strong_solution(NEARLY_VANISHING).energy_scale == pytest.approx(float(expected), rel=1e-13)


def test_unknown_solutions_are_found_as_by_an_ode_solver() -> None:
    from scipy.integrate import solve_bvp

    problem = RitzProblem(source="exp(x)", coefficient="1 + x**2", lift="x/3", name="unknown")
    solution = strong_solution(problem)
    grid = np.linspace(0, 1, 41)
    found = solve_bvp(
        lambda x, y: np.stack([y[1] / (1 + x**2), -np.exp(x)]),
        lambda a, b: np.array([a[0], b[0] - 1 / 3]),
        grid,
        np.zeros((2, 41)),
        tol=1e-10,
    )
    # The tolerance asked of the other solver, with some room.
    assert solution.value_at(grid) + grid / 3 == pytest.approx(found.sol(grid)[0], abs=1e-8)


def test_walls_are_where_the_energy_has_no_derivative() -> None:
    assert strong_solution(FOUR_MATERIALS).walls.tolist() == [0.25, 0.5, 0.75]
    jump_of_source = RitzProblem(source="Piecewise((1, x < 1/3), (-5, True))", name="two loads")
    assert jump_of_source.interfaces
    assert not strong_solution(jump_of_source).walls.size


def test_the_density_integrates_to_the_closed_forms() -> None:
    # ∫(k⁴π⁴ sin² kπx)^⅓ over [0, 1] for D = 1: (kπ)^(4/3) ∫|sin πx|^(2/3).
    integral = float(mpmath.quad(lambda t: mpmath.sin(mpmath.pi * t) ** (mpmath.mpf(2) / 3), [0, 1]))
    for problem, k in ((SINE, 1), (WAVE, 2)):
        # |sin|^(2/3) has a branch point at its zeros, where Gauss points on small cells leave 10⁻⁵.
        assert kink_density(strong_solution(problem)).total == pytest.approx(
            (k * np.pi) ** (4 / 3) * integral, rel=1e-4
        )


def test_the_density_at_a_singular_end_is_that_of_the_power() -> None:
    density = kink_density(strong_solution(ROOT))
    # D(u/D)″ ~ x^(−1.3) at 0, so a share p of the mass lies within a distance ∝ p^(1/(1 − 2·1.3/3)) = p^7.5.
    near, nearer = density.place(np.array([0.01, 0.001]))
    # The next order in x, and the panel at the end, which is not resolved and has some 10⁻⁶ of the mass.
    assert np.log10(near / nearer) == pytest.approx(7.5, rel=2e-3)


def test_equidistributed_kinks_cut_the_mass_equally() -> None:
    density = kink_density(strong_solution(problems["sine-2"]))
    kinks = density.equidistributed(9)
    assert np.interp(kinks, density.places, density.mass) / density.total == pytest.approx(np.arange(1, 10) / 10)
