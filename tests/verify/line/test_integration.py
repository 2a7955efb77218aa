from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy
from kinkproof.verify import RitzProblem, ShallowNetwork, exact_energy, exact_gradient
from kinkproof.verify.line import integration
from kinkproof.verify.line.integration import antiderivative, chebyshev_integral, end_to_end_integral, trusted
from kinkproof.verify.line.moments import moments
from kinkproof.verify.statement.expressions import X, parse
from sympy.integrals.manualintegrate import manualintegrate


def test_chebyshev_integrals_meet_closed_forms_and_their_own_estimate() -> None:
    x = np.linspace(0, 1, 57)
    for function, integral in (
        (np.exp, np.expm1),
        (lambda t: t**-0.3, lambda t: t**0.7 / 0.7),
        (lambda t: np.cos(60 * t), lambda t: np.sin(60 * t) / 60),
        (lambda t: 1 / (t + 1e-3), lambda t: np.log1p(t * 1e3)),
    ):
        found = chebyshev_integral(function, 0.0, 1.0)
        error = np.abs(found(x) - integral(x)).max()
        # Rounding of the sum over up to 60 cells comes on top of the estimate.
        assert error <= found.error_estimate + 1e-14 * np.abs(integral(x)).max()
        assert error < 1e-12 * np.abs(integral(x)).max()


@pytest.mark.parametrize("power", ["-1/2", "-7/10"])
@pytest.mark.parametrize("base", ["x - 1", "3 - x"])
def test_a_singularity_at_either_end_keeps_its_digits(base: str, power: str) -> None:
    exponent = sympy.Rational(power)
    smooth = parse(base) ** exponent * sympy.cos(X)
    found = end_to_end_integral(smooth, sympy.Integer(1), sympy.Integer(3))
    # In the distance s = v²⁰ to the singular end the integrand is smooth: ∫ s^p cos(1 + s) ds or cos(3 − s).
    with mpmath.workdps(30):
        p = mpmath.mpf(exponent.p) / exponent.q
        cosine = (lambda s: mpmath.cos(1 + s)) if base == "x - 1" else (lambda s: mpmath.cos(3 - s))
        expected = float(mpmath.quad(lambda v: 20 * v ** (20 * p + 19) * cosine(v**20), [0, mpmath.mpf(2) ** 0.05]))
    assert float(found(np.array(3.0))) == pytest.approx(expected, abs=2e-13)
    assert found.error_estimate < 1e-12


@pytest.mark.parametrize(
    "fault",
    [
        sympy.Rational(1, 10**9) * X,  # a slightly wrong antiderivative
        sympy.Piecewise((0, sympy.Rational(1, 3) > X), (sympy.Rational(1, 1000), True)),  # one that jumps
        10**6 * (sympy.sin(X) ** 2 + sympy.cos(X) ** 2) - 10**6 * sympy.Float("1.000000000001") * X,  # one that cancels
    ],
)
def test_an_antiderivative_that_is_wrong_jumps_or_cancels_is_not_trusted(fault: sympy.Expr) -> None:
    smooth = X * sympy.sin(3 * X)
    reference = end_to_end_integral(smooth, sympy.Integer(0), sympy.Integer(1))
    right = antiderivative(smooth)
    assert trusted(right, smooth, 0.0, 1.0, reference)
    assert not trusted(right + fault, smooth, 0.0, 1.0, reference)
    assert not trusted(None, smooth, 0.0, 1.0, reference)


def test_without_an_antiderivative_the_result_says_quadrature_and_how_good_it_is() -> None:
    problem = RitzProblem(coefficient="exp(sin(3*x))", source="1/(1 + x**4)", distance="x*(1-x)")
    network = ShallowNetwork.random(9, seed=4)
    gradient = exact_gradient(problem, network)
    assert gradient.route == "quadrature"
    assert 0 < gradient.error_estimate < 1e-12
    precise = exact_gradient(problem, network, digits=30)
    np.testing.assert_allclose(gradient.total.ravel(), precise.total.ravel().astype(float), rtol=1e-12, atol=1e-14)
    assert moments(problem).route == "quadrature"


def test_with_antiderivatives_the_result_says_so() -> None:
    problem = RitzProblem(source="x**2", distance="sin(pi*x)")
    gradient = exact_gradient(problem, ShallowNetwork.random(3, seed=0))
    assert (gradient.route, gradient.error_estimate) == ("antiderivative", 0.0)


def test_a_source_with_a_tamed_singularity_is_integrated() -> None:
    problem = RitzProblem(source="0.21*x**(-1.3)", distance="x*(1-x)", lift="x", solution="x**0.7")
    # u = lift + D·0 = x: ∫ ½ − 0.21 x^(−0.3) dx = ½ − 0.3.
    silent = ShallowNetwork([1], ["-1/2"], [0])
    assert exact_energy(problem, silent) == pytest.approx(0.2, rel=1e-13)
    with mpmath.workdps(30):
        assert abs(exact_energy(problem, silent, digits=30) - mpmath.mpf("0.2")) < mpmath.mpf(10) ** -28


BY_PARTS = [
    "4",
    "pi*x",
    "5*x**3",
    "x**2*sin(2*pi*x + 1)",
    "x**5*cos(3*x)",
    "-7*x*exp(-x/2)",
    "exp(x + 1)",
    "2*sin(3*x)",
]
NOT_BY_PARTS = ["sqrt(x)", "1/x", "sin(x**2)", "exp(x**2)", "sin(x)*cos(x)", "exp(x)*sin(x)", "x*sin(1/x)", "x*log(x)"]


@pytest.mark.parametrize("text", BY_PARTS)
def test_what_ends_by_parts_is_what_the_long_search_finds(text: str) -> None:
    term = parse(text, "term")
    found = integration._by_parts(term)
    assert found is not None
    assert sympy.expand(sympy.diff(found, X) - term) == 0
    # The two may differ by a constant.
    assert X not in sympy.expand(found - manualintegrate(term, X)).free_symbols


@pytest.mark.parametrize("text", NOT_BY_PARTS)
def test_what_does_not_end_by_parts_is_left_to_the_long_search(text: str) -> None:
    assert integration._by_parts(parse(text, "term")) is None
