from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from kinkproof.verify import (
    NondifferentiableError,
    PlaneNetwork,
    PlaneProblem,
    exact_gradient,
    exact_hessian,
    plane_problems,
)
from kinkproof.verify.exact import hessian_parts
from kinkproof.verify.plane.degeneracies import clearance

from .networks import DOMAINS, exact_vector, problem, rational_network

_STEP = Fraction(1, 10**10)


def gradient_differences(asked: PlaneProblem, network: PlaneNetwork) -> Any:
    """(4N, 4N): central differences of the exact gradient of 30 digits, over 1e-10."""
    vector, rows = exact_vector(network), []
    for k in range(len(vector)):
        ends = []
        for sign in (1, -1):
            moved = vector.copy()
            moved[k] += sign * _STEP
            ends.append(exact_gradient(asked, PlaneNetwork.from_vector(moved), digits=30).total.ravel())
        with mpmath.workdps(30):
            rows.append(((ends[0] - ends[1]) / 2 * _STEP.denominator).astype(float))
    return np.array(rows)


@pytest.mark.parametrize(
    ("domain", "data", "width"),
    [
        ("box", "matrix", 2),
        *(pytest.param(d, k, 3, marks=pytest.mark.long) for d in DOMAINS for k in ("plain", "varying", "penalised")),
    ],
)
def test_the_hessian_is_the_derivative_of_the_gradient(domain: str, data: str, width: int) -> None:
    asked, network = problem(domain, data), rational_network(width, 2)
    found, wanted = exact_hessian(asked, network), gradient_differences(asked, network)
    size = np.abs(wanted).max()
    # Central differences over 1e-10 of 30 digits leave 1e-20; the rest is rounding of the Hessian.
    assert np.abs(found - wanted).max() < 1e-13 * size
    assert np.abs(found - found.T).max() < 1e-14 * size
    # What holds the lines still is another matrix.
    assert np.abs(hessian_parts(asked, network).bulk - wanted).max() > 1e-2 * size


def test_other_data_and_more_digits_agree() -> None:
    asked, network = problem("triangle", "exponential"), rational_network(4, 3)
    found, step = exact_hessian(asked, network), 1e-5
    rows = []
    for k in range(16):
        moved = step * np.eye(16)[k]
        ends = [exact_gradient(asked, PlaneNetwork.from_vector(network.ravel() + s * moved)) for s in (1, -1)]
        rows.append((ends[0].total.ravel() - ends[1].total.ravel()) / 2 / step)
    # Differences over 1e-5 in float64: 1e-10 of curvature, 1e-10 of rounding.
    assert np.abs(found - np.array(rows)).max() < 1e-8 * np.abs(found).max()
    assert np.abs(found - found.T).max() < 1e-13 * np.abs(found).max()
    plain = problem("triangle", "plain")
    digits = exact_hessian(plain, rational_network(2, 3), digits=30)
    assert np.abs(digits.astype(float) - exact_hessian(plain, rational_network(2, 3))).max() < 1e-14


@pytest.mark.parametrize(
    ("kind", "network"),
    [
        ("kink line through a corner", PlaneNetwork([[1, 2]], [-2], [1])),
        ("kink lines crossing on an edge", PlaneNetwork([[1, 2], [1, -3]], ["-1/2", "-1/2"], [1, 1])),
        ("coincident kink lines", PlaneNetwork([[1, 2], [2, 4]], ["-3/2", -3], [1, 0])),
        ("dead neuron", PlaneNetwork([[1, 2], [0, 0]], ["-1/2", 0], [1, 0])),
    ],
)
def test_where_there_is_a_gradient_but_no_hessian_it_is_refused(kind: str, network: PlaneNetwork) -> None:
    asked = problem("box" if "corner" not in kind and "edge" not in kind else "L", "plain")
    exact_gradient(asked, network)
    with pytest.raises(NondifferentiableError, match=f"no Hessian here .{kind}"):
        exact_hessian(asked, network)
    near = PlaneNetwork.from_vector(network.ravel() + 1e-3 * np.random.default_rng(1).uniform(-1, 1, 4 * network.width))
    assert 0 < clearance(asked, near, order=2) < 1e-2


def test_three_lines_through_a_point_and_lines_through_corners_where_the_distance_is_nil_have_hessians() -> None:
    network = PlaneNetwork([[1, 2], [2, 1], [1, -1]], ["-3/2", "-3/2", 0], [1, "-1/2", "3/4"])
    shifted = PlaneNetwork([[1, 2], [2, 1], [1, -1]], ["-3/2", "-3/2", "1/10000000"], [1, "-1/2", "3/4"])
    asked = plane_problems["plane-polynomial"]
    # Continuous there: one of them passes the crossing of the two others, at a Hessian's slope of some 10.
    assert np.abs(exact_hessian(asked, network) - exact_hessian(asked, shifted)).max() < 1e-5
