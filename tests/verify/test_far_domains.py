"""Energies, gradients and Hessians in float64 wherever the domain lies: as accurate as b + w·x itself allows."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from kinkproof.verify import (
    InputError,
    NondifferentiableError,
    RitzProblem,
    ShallowNetwork,
    exact_energy,
    exact_gradient,
    exact_hessian,
    problems,
)
from kinkproof.verify.deep import DeepNetwork, Density
from kinkproof.verify.exact import hessian_parts
from kinkproof.verify.statement.centring import centre, centred, centred_network, shifted
from kinkproof.verify.statement.expressions import X

# Of each block's largest component: in w it is centre·∂E/∂b, whose rounding no sum of numbers so large escapes.
TOLERANCE = 1e-12
# The last is hardest; the others are slower than a test may be.
PLACES = [*(pytest.param(p, marks=pytest.mark.slow) for p in ("1000", "-1001", "7/2")), "1000000"]


def problem_at(place: str, **others: Any) -> RitzProblem:
    """The problem of the unit interval, moved there, as a user would type it."""
    left = sympy.sympify(place)
    stated = {
        "coefficient": f"1 + (x - ({place}))**2",
        "source": f"exp(x - ({place}))",
        "distance": f"(x - ({place}))*({left + 1} - x)",
        "domain": (place, str(left + 1)),
    }
    return RitzProblem(**(stated | others))


def network_at(place: str, width: int = 5) -> ShallowNetwork:
    """Kinks all over the domain, and some beside it."""
    draw = np.random.default_rng(3)
    w = draw.uniform(0.3, 1, width) * draw.choice([-1, 1], width)
    kinks = float(sympy.sympify(place)) + draw.uniform(-0.2, 1.2, width)
    return ShallowNetwork(w, -w * kinks, draw.uniform(-1, 1, width))


def deep_at(place: str) -> DeepNetwork:
    first, draw = network_at(place, 4), np.random.default_rng(4)
    hidden = [first.hidden_weights, draw.uniform(-1, 1, (3, 4))]
    return DeepNetwork(hidden, [first.hidden_biases, draw.uniform(-0.3, 0.3, 3)], draw.uniform(-1, 1, 3), 0.5)


def assert_near(found: Any, expected: Any, blocks: int = 1) -> None:
    """Within the tolerance of the largest component of each block."""
    for a, b in zip(np.split(np.atleast_1d(found), blocks), np.split(np.atleast_1d(expected), blocks), strict=True):
        assert np.abs(a - b).max() <= TOLERANCE * np.abs(b).max()


@pytest.mark.parametrize("place", PLACES)
def test_one_hidden_layer_is_as_accurate_as_near_zero(place: str) -> None:
    problem, network = problem_at(place), network_at(place)
    found, expected = exact_gradient(problem, network), exact_gradient(problem, network, digits=50)
    for part in ("bulk", "dirac", "total"):
        assert_near(getattr(found, part).ravel(), getattr(expected, part).ravel(), 3)
    assert_near(found.energy, expected.energy)
    assert_near(exact_energy(problem, network), expected.energy)
    assert float(found.distance) == pytest.approx(float(expected.distance), rel=1e-6)
    parts, exact_parts = (hessian_parts(problem, network, d) for d in (None, 40))
    assert_near(parts.total, exact_parts.total)
    assert_near(parts.dirac, exact_parts.dirac)


@pytest.mark.slow
@pytest.mark.parametrize(
    "others",
    [
        {"coefficient": "Piecewise((1, x < 1000 + 1/3), (10, True))", "source": "1"},
        {"distance": "x - 1000", "fluxes": {1001: 2}},
        {"distance": "1", "essential": {1000: 1, 1001: "1/2"}, "lift": "x - 1000"},
        {"loads": {"1000 + 1/3": 2}},
    ],
)
def test_pieces_and_ends_lose_nothing_either(others: dict[str, Any]) -> None:
    problem, network = problem_at("1000", **others), network_at("1000")
    found, expected = exact_gradient(problem, network), exact_gradient(problem, network, digits=50)
    assert_near(found.total.ravel(), expected.total.ravel(), 3)
    assert_near(found.energy, expected.energy)


@pytest.mark.slow
@pytest.mark.parametrize("density", [None, "du**2/2 + du**4/10 - sin(x)*u"])
def test_deep_networks_and_other_densities_lose_nothing_either(density: str | None) -> None:
    problem, network = problem_at("1000"), deep_at("1000")
    found, expected = (exact_gradient(problem, network, d, density) for d in (None, 40))
    assert [k.position for k in found.kinks] == [k.position for k in expected.kinks]
    assert_near(found.total.ravel(), expected.total.ravel())
    assert_near(found.dirac.ravel(), expected.dirac.ravel())
    for layer, wanted in zip(found.dirac_by_layer, expected.dirac_by_layer, strict=True):
        assert_near(layer.ravel(), wanted.ravel())
    assert_near(exact_hessian(problem, network, None, density), exact_hessian(problem, network, 40, density))
    if density is not None:
        whole = Density(density, problem.distance, problem.lift, problem.domain)
        assert_near(exact_energy(whole, network), exact_energy(whole, network, 40))


def test_the_reference_is_the_same_problem_moved_by_hand() -> None:
    # ∂/∂w on (1000, 1001) is ∂/∂w + 1000 ∂/∂b on (0, 1), with the biases moved in rational numbers.
    near = RitzProblem(coefficient="1 + x**2", source="exp(x)")
    network = network_at("1000")
    w, b = network.rational("hidden_weights"), network.rational("hidden_biases")
    at_zero = exact_gradient(near, ShallowNetwork(w, b + 1000 * w, network.output_weights), digits=50).total
    far = exact_gradient(problem_at("1000"), network, digits=50).total
    with mpmath.workdps(60):
        moved = at_zero.hidden_weights + 1000 * at_zero.hidden_biases
    pairs = [
        (far.hidden_weights, moved),
        (far.hidden_biases, at_zero.hidden_biases),
        (far.output_weights, at_zero.output_weights),
    ]
    with mpmath.workdps(50):
        for found, expected in pairs:
            assert max(abs(found - expected)) <= mpmath.mpf(10) ** -44 * max(abs(expected))


def test_without_the_shift_digits_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, network = problem_at("1000"), network_at("1000")
    expected = exact_gradient(problem, network, digits=50).total.ravel()
    monkeypatch.setattr("kinkproof.verify.exact._about_centre", lambda *_: None)
    with pytest.raises(AssertionError):
        assert_near(exact_gradient(problem, network).total.ravel(), expected, 3)


def test_a_batch_is_moved_as_a_whole() -> None:
    problem, one = problem_at("1000"), network_at("1000")
    names = ("hidden_weights", "hidden_biases", "output_weights")
    many = ShallowNetwork(*(np.stack([getattr(one, n)] * 2) for n in names))
    expected = exact_gradient(problem, one).total.ravel()
    for found in exact_gradient(problem, many).total.ravel():
        assert_near(found, expected, 3)


@pytest.mark.slow
def test_places_in_refusals_are_those_of_the_domain() -> None:
    problem = problem_at("1000")
    with pytest.raises(NondifferentiableError, match=r"1000\.5") as caught:
        exact_gradient(problem, ShallowNetwork([1, 2], ["-2001/2", -2001], [1, 1]))
    assert caught.value.left is not None
    with pytest.raises(NondifferentiableError, match=r"1000\.5"):
        exact_hessian(problem, ShallowNetwork([1, 2], ["-2001/2", -2001], [1, 1]))
    density = Density("log(x - 2001/2)*u", domain=(1000, 1001))
    with pytest.raises(InputError, match="x = 1000"):
        exact_gradient(density, DeepNetwork.from_shallow(network_at("1000")))


def test_near_zero_nothing_changes() -> None:
    # Up to the distance of its own length; all named problems and shipped packs lie there.
    assert all(not centre(p.domain) for p in problems.values())
    assert not centre((-1, 1))
    assert not centre((0, 3))
    assert centre((1.5, 2)) == Fraction(7, 4)


def test_what_is_moved_is_the_same() -> None:
    problem, network = problem_at("1000", fluxes={1001: 2}, distance="x - 1000"), network_at("1000")
    near = centred(problem)
    assert near.domain == (-sympy.Rational(1, 2), sympy.Rational(1, 2))
    assert near.fluxes == {sympy.Rational(1, 2): 2}
    place = centre(problem.domain)
    assert exact_energy(near, centred_network(network, place), digits=30) == exact_energy(problem, network, digits=30)
    expression = sympy.Piecewise((sympy.sin(X**2), 1000 + sympy.sqrt(2) > X), (X**3 - 3 * X, True))
    moved = shifted(expression, sympy.Integer(1000))
    for t in (sympy.Rational(1, 3), sympy.Integer(2)):
        assert sympy.simplify(moved.subs(X, t) - expression.subs(X, t + 1000)) == 0
