from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy
from kinkproof.verify import RitzProblem, ShallowNetwork, exact_gradient, problems
from kinkproof.verify.line.crosscheck import (
    REQUIRED_DIGITS,
    agreement,
    crosscheck,
    difference_gradient,
    pattern_gradient,
)
from kinkproof.verify.line.gradient import Gradient
from numpy.typing import NDArray

from tests.faults import FAULTS

Array = NDArray[Any]


# One of each kind of data and ends at once, the others among the slow tests.
AT_ONCE = ("sine-2", "two-materials", "natural", "penalised-ends", "point-load")


@pytest.mark.parametrize("name", [n if n in AT_ONCE else pytest.param(n, marks=pytest.mark.slow) for n in problems])
def test_three_routes_agree(name: str) -> None:
    found = crosscheck(problems[name], ShallowNetwork.random(5, seed=11))
    assert [a.routes[1] for a in found] == ["activation pattern", "50-digit differences"]
    assert all(a.passed for a in found)
    assert min(a.digits for a in found) > 45


FOUR_NEURONS = ShallowNetwork([1, -2, 3, -1], ["-1/4", "11/10", "-5/2", "3/8"], [1, "1/3", -2, "1/2"])


@cache
def _routes(name: str) -> tuple[Gradient, Array, Array]:
    """What is checked, and the two that it is checked against."""
    pattern = pattern_gradient(problems[name], FOUR_NEURONS)
    assert pattern is not None
    right = exact_gradient(problems[name], FOUR_NEURONS, digits=50)
    return right, pattern, difference_gradient(problems[name], FOUR_NEURONS)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["sine-2", "two-materials", "penalised-ends"])
def test_planted_faults_are_rejected_by_both_routes(name: str, fault: str) -> None:
    right, *references = _routes(name)
    wrong = FAULTS[fault](right, problems[name], FOUR_NEURONS)
    for reference in references:
        assert not agreement(wrong, reference, ("", "")).passed
        assert agreement(right.total.ravel(), reference, ("", "")).passed


def test_the_whole_check_rejects_what_it_is_given() -> None:
    right, _, _ = _routes("sine-2")
    found = crosscheck(problems["sine-2"], FOUR_NEURONS, right.bulk.ravel())
    assert [a.passed for a in found] == [False, False]


def test_a_fault_in_the_last_required_digit_is_seen() -> None:
    reference = np.array([1.0, 0.5], dtype=object)
    import mpmath

    with mpmath.workdps(60):
        near = reference + np.array([mpmath.mpf(10) ** -(REQUIRED_DIGITS - 1), 0], dtype=object)
        assert not agreement(near, reference, ("a", "b")).passed
        near = reference + np.array([mpmath.mpf(10) ** -(REQUIRED_DIGITS + 1), 0], dtype=object)
        assert agreement(near, reference, ("a", "b")).passed


@pytest.mark.long
def test_200_correct_gradients_are_accepted_by_the_pattern_route() -> None:
    for seed in range(200):
        name = list(problems)[seed % len(problems)]
        network = ShallowNetwork.random(1 + seed % 4, seed=seed)
        reference = pattern_gradient(problems[name], network)
        assert reference is not None
        found = exact_gradient(problems[name], network, digits=50).total.ravel()
        assert agreement(found, reference, ("distributions", "activation pattern")).passed


def test_without_a_closed_form_two_routes_remain() -> None:
    problem = RitzProblem(coefficient="exp(x)", source="1", distance="x*(1-x)")
    found = crosscheck(problem, ShallowNetwork.random(3, seed=2))
    assert [a.routes[1] for a in found] == ["50-digit differences"]
    assert found[0].passed


@pytest.mark.slow
@pytest.mark.parametrize("source", ["0.21*x**(-1.3)", "(1-x)**(-1.5)", "1/x"])
def test_a_source_singular_at_an_end_is_checked_like_any_other(source: str) -> None:
    problem = RitzProblem(source=source, distance="x*(1-x)")
    network = ShallowNetwork([1, -1, 2], ["-1/3", "3/4", 1], [1, 2, "1/2"])
    found = exact_gradient(problem, network, digits=50).total.ravel()
    assert agreement(found, difference_gradient(problem, network), ("a", "b")).passed


@pytest.mark.parametrize("source", ["1/x**(3/2)", "(1 - x)**(-1/3)", "Abs(x - 1/3)**(-1/3)"])
def test_where_the_density_is_infinite_nothing_moves_and_both_routes_remain(source: str) -> None:
    problem, network = RitzProblem(source=source), ShallowNetwork([1, -2], ["-1/4", "4/3"], [1, "1/2"])
    found = crosscheck(problem, network)
    assert [a.routes[1] for a in found] == ["activation pattern", "50-digit differences"]
    assert min(a.digits for a in found) > 45
    wrong = exact_gradient(problem, network, digits=50)
    assert not any(a.passed for a in crosscheck(problem, network, wrong.bulk.ravel()))


@pytest.mark.parametrize(
    ("source", "smoothing"),
    [
        ("x**(-1/2)", {0: 2}),
        ("Abs(x - 1/3)**(-1/3) + sqrt(x)", {"1/3": 3}),
        ("Abs(x - 1/3)**(-1/3) + sqrt(Abs(x - 1/3))", {"1/3": 6}),
        ("x**(-1/2)*(1 - x)**(-2/5)", {0: 2, 1: 5}),
        ("x**(-1/2) + log(x)", {0: 0}),
        ("(x + sqrt(x))**(-1/2)", {0: 0}),
        ("x**(-1/29)", {0: 0}),
        ("sqrt(x)", {}),
    ],
)
def test_the_power_that_smooths_is_read_off(source: str, smoothing: dict[object, int]) -> None:
    assert RitzProblem(source=source).smoothing == {sympy.Rational(k): q for k, q in smoothing.items()}


@pytest.mark.slow
@pytest.mark.parametrize("source", ["x**(-1/2) + log(x)", "x**(-1/29)"])
def test_where_no_power_smooths_differences_are_as_good(source: str) -> None:
    problem, network = RitzProblem(source=source), ShallowNetwork([1], ["-1/3"], [1])
    found = exact_gradient(problem, network, digits=50).total.ravel()
    assert agreement(found, difference_gradient(problem, network), ("a", "b")).passed


def test_the_error_function_is_evaluated_on_arrays() -> None:
    problem, network = RitzProblem(source="erf(x)"), ShallowNetwork([1, -2], ["-1/3", "4/3"], [1, "1/2"])
    few, many = exact_gradient(problem, network), exact_gradient(problem, network, digits=50)
    np.testing.assert_allclose(few.total.ravel(), many.total.ravel().astype(float), rtol=1e-13)
    assert all(a.passed for a in crosscheck(problem, network))


@pytest.mark.slow
def test_differences_take_more_nodes_where_the_data_are_rough() -> None:
    # A pole at −1/50: 40 Gauss points on a whole piece would leave 10⁻¹⁰.
    problem = RitzProblem(source="1/(x + 1/50)", distance="x*(1-x)")
    network = ShallowNetwork([1, -1], ["-1/3", "3/4"], [1, 2])
    # The biases alone: each difference takes two integrals of the whole energy.
    found = exact_gradient(problem, network, digits=50).total.ravel()[2:4]
    assert agreement(found, difference_gradient(problem, network, [2, 3]), ("a", "b")).passed
