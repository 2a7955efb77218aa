"""The independent routes agree with what is right, and reject what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from kinkproof.verify import DeepNetwork, Density, InputError, RitzProblem, ShallowNetwork, exact_gradient, problems
from kinkproof.verify.deep import DeepGradient, deep_crosscheck, kink_motion
from kinkproof.verify.deep.crosscheck import difference_gradient
from kinkproof.verify.deep.energy import sweep
from kinkproof.verify.deep.integrands import integrand_of
from kinkproof.verify.line.crosscheck import agreement
from numpy.typing import NDArray

from .networks import FREE, QUARTIC, STATEMENTS, two_layers

Array = NDArray[Any]


BOTH = [(p, (3, 2)) for p in STATEMENTS] + [(problems[n], (2,)) for n in ("sine-2", "penalised-ends")]


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "widths"), BOTH, ids=[f"{p.name}-{w}" for p, w in BOTH])
def test_the_routes_agree(problem: RitzProblem, widths: tuple[int, ...]) -> None:
    found = deep_crosscheck(problem, DeepNetwork.random(widths, seed=4))
    assert [a.routes[1] for a in found] == ["50-digit differences", "one layer in closed form"][: 3 - len(widths)]
    assert min(a.digits for a in found) > 45


@pytest.mark.parametrize("density", [QUARTIC, "sqrt(1 + du**2) - x*u"])
def test_the_routes_agree_for_other_densities(density: str) -> None:
    for problem in (FREE, Density(density), problems["natural"], problems["periodic"]):
        given = None if isinstance(problem, Density) else density
        (found,) = deep_crosscheck(problem, DeepNetwork.random((2, 2, 2), seed=1, output_bias=True), given)
        assert found.digits > 45


def _at_kinks(g: DeepGradient, problem: RitzProblem, density: Any, share: float) -> Array:
    """The gradient with ∂L/∂u′ taken at one place of the jump in u′ times the jump, instead of the jump of L."""
    with mpmath.workdps(60):
        swept = sweep(problem, two_layers(), density, exact=True)
        kinks, expansion = swept.expansion.kinks, swept.expansion
        a, n = expansion.slope[kinks.left], expansion.intercept[kinks.left]
        at = a + share * kinks.bend
        _, by_slope, by_shift = integrand_of(problem, density).at(kinks.position, at, n + (a - at) * kinks.position)
        jumps = kinks.bend * (by_slope - kinks.position * by_shift)
        _, motion = kink_motion(two_layers(), digits=50)
        return np.asarray(g.bulk.ravel() - jumps @ motion)


def _one_neuron_off(g: DeepGradient, problem: RitzProblem, density: Any) -> Array:
    out = g.total.ravel()
    worst = int(np.argmax(np.abs(g.dirac.ravel().astype(float))))
    out[worst] -= g.dirac.ravel()[worst]
    return out


FAULTS: dict[str, Callable[[DeepGradient, RitzProblem, Any], Array]] = {
    "Dirac part dropped": lambda g, p, d: g.bulk.ravel(),
    "dξ/dθ with the wrong sign": lambda g, p, d: g.bulk.ravel() - g.dirac.ravel(),
    "Dirac part doubled": lambda g, p, d: g.bulk.ravel() + 2 * g.dirac.ravel(),
    "u′ from the left": lambda g, p, d: _at_kinks(g, p, d, 0),
    "u′ from the right": lambda g, p, d: _at_kinks(g, p, d, 1),
    "kinks of the second layer forgotten": lambda g, p, d: g.bulk.ravel() + g.dirac_by_layer[0].ravel(),
    "kinks of the first layer forgotten": lambda g, p, d: g.bulk.ravel() + g.dirac_by_layer[1].ravel(),
    "one neuron off": _one_neuron_off,
}


@cache
def _routes(density: Any) -> tuple[DeepGradient, Array]:
    """What is checked, and what it is checked against."""
    problem, network = problems["sine-2"], two_layers()
    return exact_gradient(problem, network, 50, density), difference_gradient(problem, network, density)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("density", [None, QUARTIC], ids=["ritz", "quartic"])
def test_planted_faults_are_rejected(fault: str, density: Any) -> None:
    right, reference = _routes(density)
    wrong = FAULTS[fault](right, problems["sine-2"], density)
    assert not agreement(wrong, reference, ("", "50-digit differences")).passed
    assert agreement(right.total.ravel(), reference, ("", "50-digit differences")).passed


def test_the_whole_check_rejects_what_it_is_given() -> None:
    right, _ = _routes(None)
    assert not any(a.passed for a in deep_crosscheck(problems["sine-2"], two_layers(), gradient=right.bulk.ravel()))


def test_a_forgotten_distance_is_rejected() -> None:
    ritz = "du**2/2 - 4*pi**2*sin(2*pi*x)*u"
    without = exact_gradient(Density(ritz), two_layers(), 50).total.ravel()
    assert not any(a.passed for a in deep_crosscheck(problems["sine-2"], two_layers(), gradient=without))


def test_the_mean_of_both_sides_is_right_for_squares_of_the_slope_alone() -> None:
    # MATH 2: for other powers than two the rule differs, and the fault must be seen.
    for density, passed in ((None, True), (QUARTIC, False)):
        right, reference = _routes(density)
        mean = _at_kinks(right, problems["sine-2"], density, 0.5)
        assert agreement(mean, reference, ("", "50-digit differences")).passed == passed


def test_an_output_bias_leaves_the_closed_form_of_one_layer_aside() -> None:
    network = DeepNetwork([[1, -2]], [["-1/3", "5/4"]], [1, "1/2"], "1/5")
    assert [a.routes[1] for a in deep_crosscheck(problems["natural"], network)] == ["50-digit differences"]
    closed = deep_crosscheck(problems["sine-2"], DeepNetwork.from_shallow(ShallowNetwork([1], ["-1/3"], [1])))
    assert [a.digits for a in closed] == [50, 50]


def test_a_density_too_rough_for_the_route_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # √x converges slowly at any number of points; with few it is refused as well, in less time.
    monkeypatch.setattr("kinkproof.verify.deep.crosscheck._POINTS", (10, 20))
    with pytest.raises(InputError, match="too rough"):
        deep_crosscheck(problems["sine-2"], two_layers(), "u*sqrt(x)", two_layers().ravel())
