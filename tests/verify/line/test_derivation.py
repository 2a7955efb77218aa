from __future__ import annotations

import ast
import inspect

import pytest
import sympy
from kinkproof.verify import RitzProblem, ShallowNetwork, derive, exact_gradient, problems
from kinkproof.verify.line import derivation
from kinkproof.verify.line.derivation import BIAS, OUTPUT, PARAMETERS, POWERS, WEIGHT, sift
from kinkproof.verify.statement.expressions import X
from sympy.core.function import AppliedUndef

STEP, DELTA = sympy.Heaviside(WEIGHT * X + BIAS), sympy.DiracDelta(WEIGHT * X + BIAS)


def test_the_energy_gradients_are_equation_5() -> None:
    d = derive(problems["sine-2"])
    kappa, f = sympy.Function("kappa", real=True)(X), sympy.Function("f", real=True)(X)
    for name in PARAMETERS:
        paper = kappa * d.spatial_gradient * d.mixed_gradients[name] - f * d.parameter_gradients[name]
        assert sympy.expand(d.energy_gradients[name] - paper) == 0


def test_equation_5_has_the_terms_at_free_ends_and_loads() -> None:
    # With one neuron, the terms are what a flux, a spring and a load add to the gradient.
    statement = {"source": "1", "distance": 1, "domain": (0, 2)}
    bare = RitzProblem(**statement, fluxes={0: 0, 2: 0})
    loaded = RitzProblem(**statement, fluxes={0: "1/3"}, robin={2: ("5/2", "1/7")}, loads={1: "2/9"})
    network = ShallowNetwork([1], ["-1/2"], ["3/4"])
    added = exact_gradient(loaded, network).total.ravel() - exact_gradient(bare, network).total.ravel()
    place = {WEIGHT: 1, BIAS: -sympy.Rational(1, 2), OUTPUT: sympy.Rational(3, 4)}
    for equation, wanted in zip(derive(loaded).equations(), added, strict=False):
        read = sympy.sympify(equation.text(), locals={str(s): s for s in place})
        terms = [term.doit() for term in read.atoms(sympy.Subs)]
        assert len(terms) == 3
        data = {f: int(f.func.__name__ == "D") for term in terms for f in term.atoms(AppliedUndef)}
        at_ends = sum(term.subs(data) for term in terms)
        assert float(at_ends.subs(place)) == pytest.approx(wanted, abs=1e-14)
        assert equation.latex().count("x = 2") == equation.latex().count("x = 0") == 1
    assert "right]_{x" not in derive(bare).latex()


def test_the_delta_appears_in_the_mixed_gradients_of_hidden_parameters_only() -> None:
    d = derive(problems["sine-2"])
    assert d.activation_derivatives == (STEP, DELTA)
    assert d.mixed_gradients["hidden_weights"].has(DELTA)
    assert d.mixed_gradients["hidden_biases"].has(DELTA)
    assert not d.mixed_gradients["output_weights"].has(DELTA)
    assert not any(e.has(DELTA) for e in d.parameter_gradients.values())


def test_steps_and_deltas_are_never_typed_in() -> None:
    tree = ast.parse(inspect.getsource(derivation))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    made = [n for n in calls if getattr(n.func, "attr", getattr(n.func, "id", "")) in ("Heaviside", "DiracDelta")]
    assert made == []


def test_products_of_a_step_and_a_delta_follow_the_chain_rule() -> None:
    # ∫ δ Hⁿ = 1/(n + 1), since (Hⁿ⁺¹)′ = (n + 1) Hⁿ δ; SymPy alone would give (½)ⁿ.
    for n in range(5):
        assert sift(STEP**n * DELTA) == sympy.Rational(1, n + 1) / sympy.Abs(WEIGHT)


def test_sifted_terms_are_those_of_the_jump_formula() -> None:
    terms = derive(problems["sine-2"]).dirac_terms
    assert terms["output_weights"] == 0
    assert sympy.simplify(terms["hidden_weights"] - X * terms["hidden_biases"]) == 0
    # κ D c sgn(w) {u′} with κ = 1, D = x(1 − x) at x = ½: D′ = 0, mean slope D (s + cw/2).
    s = derivation.OTHER_SLOPE
    number = derive(problems["sine-2"]).specialise(terms["hidden_biases"], problems["sine-2"].pieces[0])
    value = number.subs({X: sympy.Rational(1, 2), WEIGHT: -2, OUTPUT: 3, s: 5})
    assert value == sympy.Rational(1, 4) * 3 * -1 * sympy.Rational(1, 4) * (5 + sympy.Rational(3 * -2, 2))


def test_the_density_is_the_one_of_the_closed_form() -> None:
    problem = problems["sine-2"]
    d = derive(problem)
    distance, f = problem.distance, problem.source
    slope = sympy.diff(distance, X)
    by_a = X * slope + distance
    expected = [by_a**2 / 2, by_a * slope, slope**2 / 2, -f * distance * X, -f * distance, 0]
    for power, e in zip(POWERS, expected, strict=True):
        assert sympy.expand(d.specialise(d.density[power], problem.pieces[0]) - e) == 0


def test_latex_numbers_every_equation_once() -> None:
    text = derive(problems["sine-2"]).latex()
    tags = [line.split(r"\tag{")[1].split("}")[0] for line in text.splitlines() if r"\tag" in line]
    assert len(tags) == len(set(tags)) == 15
    assert {t[0] for t in tags} == {*"56789", "s"}
    assert text.count(r"\delta(z_i)") >= 5
    assert text.count("{") == text.count("}")


def test_a_reaction_adds_a_smooth_term_to_the_gradient_and_nothing_to_its_dirac_part() -> None:
    plain, reacting = derive(problems["sine-2"]), derive(problems["foundation"])
    assert dict(reacting.dirac_terms) == dict(plain.dirac_terms)
    assert r"\hat{u} c_{i} x D \rho H(z_i)" in reacting.equations()[0].latex()
    assert "rho" not in plain.latex()
    rho = sympy.Function("rho", real=True)(X)
    for name in PARAMETERS:
        added = reacting.energy_gradients[name] - plain.energy_gradients[name]
        assert sympy.expand(added - rho * reacting.field * reacting.parameter_gradients[name]) == 0


@pytest.mark.parametrize("name", ["two-materials", "natural", "foundation"])
def test_specialised_expressions_hold_numbers_only(name: str) -> None:
    d = derive(problems[name])
    for piece in problems[name].pieces:
        for expression in d.density.values():
            assert d.specialise(expression, piece).free_symbols <= {X}
