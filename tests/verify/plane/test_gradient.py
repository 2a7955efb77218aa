from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from kinkproof.verify import (
    InputError,
    NondifferentiableError,
    PlaneNetwork,
    PlaneProblem,
    ShallowNetwork,
    exact_energy,
    exact_gradient,
    exact_hessian,
    plane_problems,
    problems,
)
from kinkproof.verify.plane.energy import rational_energy
from kinkproof.verify.plane.gradient import rational_gradient

from .networks import DOMAINS, energy_differences, problem, rational_network

# Where D vanishes nowhere, on a polygon that is not convex.
NATURAL = PlaneProblem(
    coefficient=(("2 + x", "1/4"), ("1/4", "1 + y")),
    source="1 + x",
    distance="1 + x/2 + y/3",
    lift="x*y",
    fluxes={k: k for k in range(6)},
    domain=DOMAINS["L"],
    name="natural",
)
_OTHER = ([1, "-1/3"], "1/9", "3/4")


def beside(*neurons: Any) -> PlaneNetwork:
    """Neurons (w, b, c), and one more that crosses the domain."""
    w, b, c = zip(*neurons, _OTHER, strict=True)
    return PlaneNetwork(list(w), list(b), list(c))


DEGENERATE = {
    "coincident kink lines": beside(([1, 2], -1, 1), ([2, 4], -2, "-1/2")),
    "coincident kink lines, opposite": beside(([1, 2], -1, 1), ([-2, -4], 2, "-1/2")),
    "coincident kink lines, upright": beside(([1, 0], "-1/2", 1), ([-3, 0], "3/2", "-1/2")),
    "kink line on an edge that goes on inside": beside(([0, 1], -1, 1)),
    "kink line on an edge, right": beside(([-1, 0], 2, 1)),
    "kink line on an edge, left": beside(([3, 0], 0, 1)),
    "kink line on an edge, above": beside(([0, 1], -2, 1)),
    "kink line on an edge, below": beside(([0, 1], 0, 1)),
    "dead neuron": beside(([0, 0], 0, 1)),
}


def _marked(kind: str) -> Any:
    """One form of each kind for every change, of them the cheaper one in the ordinary run."""
    marks = {"kink line on an edge, right": (), "coincident kink lines, opposite": pytest.mark.slow}
    return pytest.param(kind, marks=marks.get(kind, pytest.mark.long))


@pytest.mark.parametrize("kind", [_marked(k) for k in DEGENERATE])
def test_where_there_is_no_derivative_the_one_sided_ones_are_those_of_the_energy(kind: str) -> None:
    network = DEGENERATE[kind]
    with pytest.raises(
        NondifferentiableError, match=kind.split(",")[0].removesuffix(" that goes on inside")
    ) as refused:
        exact_gradient(NATURAL, network)
    left, right = (energy_differences(NATURAL, network, side) for side in (-1, 1))
    # A one-sided difference over 1e-13 is off by the energy's curvature, some 1e3, times it.
    assert refused.value.left.ravel() == pytest.approx(left, abs=1e-9)
    assert refused.value.right.ravel() == pytest.approx(right, abs=1e-9)
    assert np.abs(left - right).max() > 1e-2
    assert exact_energy(NATURAL, network, digits=20) == pytest.approx(exact_energy(NATURAL, network), rel=1e-13)


def test_what_is_not_heard_may_coincide() -> None:
    network = beside(([1, 2], -1, 1), ([2, 4], -2, 0))
    assert exact_gradient(NATURAL, beside(([1, 2], -1, 1))).total.hidden_biases[0] == pytest.approx(
        exact_gradient(NATURAL, network).total.hidden_biases[0], rel=1e-12
    )


def test_lines_may_coincide_with_edges_where_the_distance_vanishes() -> None:
    plate = plane_problems["plane-polynomial"]
    for w, b in (([1, 0], -1), ([0, -1], 1)):
        network = beside((w, b, 1))
        assert exact_gradient(plate, network).total.ravel() == pytest.approx(
            energy_differences(plate, network), abs=1e-11
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        PlaneNetwork([[1, 2], [2, 1], [1, -1]], ["-3/2", "-3/2", 0], [1, "-1/2", "3/4"]),
        # Through corners, along the cut at the inner one but for the edge, parallel to each other and to edges.
        pytest.param(
            PlaneNetwork([[1, 2], [0, 1], [0, -1], [1, 0]], [-2, "-1/2", "3/2", "-3/2"], [1, "-1/2", "3/4", 1]),
            marks=pytest.mark.long,
        ),
    ],
)
def test_three_lines_through_a_point_lines_through_corners_and_parallels_are_harmless(network: PlaneNetwork) -> None:
    found = exact_gradient(NATURAL, network)
    assert found.distance > 0.1
    # Rounding, of numbers of some 10 to 100.
    assert found.total.ravel() == pytest.approx(energy_differences(NATURAL, network), abs=1e-11)


@pytest.mark.parametrize(
    ("domain", "data"),
    [
        ("box", "matrix"),
        pytest.param("L", "varying", marks=pytest.mark.long),
        pytest.param("dart", "penalised", marks=pytest.mark.long),
    ],
)
def test_the_gradient_is_that_of_the_energy(domain: str, data: str) -> None:
    asked, network = problem(domain, data), rational_network(3, 4)
    found = exact_gradient(asked, network)
    size = np.linalg.norm(found.total.ravel())
    differences = energy_differences(asked, network)
    # Central differences over 1e-13: a curvature times the squared step, below rounding.
    assert found.total.ravel() == pytest.approx(differences, abs=1e-12 * size)
    # A fault that this must see: the motion of the lines left out.
    assert np.abs(found.bulk.ravel() - differences).max() > 1e-3 * size


def test_more_digits_agree_to_the_fewer_and_fractions_with_them() -> None:
    asked, network = problem("L", "varying"), rational_network(3, 2)
    exact, floats = rational_gradient(asked, network), exact_gradient(asked, network)
    digits = exact_gradient(asked, network, digits=50)
    for name in ("bulk", "dirac", "total"):
        fractions = getattr(exact, name).ravel()
        size = float(max(abs(v) for v in fractions))
        assert np.abs(getattr(floats, name).ravel() - fractions.astype(float)).max() < 1e-13 * size
        with mpmath.workdps(60):
            wanted = [mpmath.mpf(v.numerator) / v.denominator for v in fractions]
            apart = [abs(a - b) for a, b in zip(getattr(digits, name).ravel(), wanted, strict=True)]
        # Of fifty digits the last may be rounded.
        assert max(apart) < 1e-49 * size
    assert rational_energy(asked, network) == exact.energy


def test_lines_that_nearly_coincide_lose_no_digits() -> None:
    # At an angle of 1e-9, crossing inside; and parallel, 1e-9 apart.
    narrow = Fraction(1, 10**9)
    weights, biases = [[1, 2], [1, 2 + narrow], [1, 2]], [-1, -1 - narrow, -1 + narrow]
    tight = PlaneNetwork(weights, biases, [1, "1/3", "-2/7"])
    found = exact_gradient(NATURAL, tight)
    assert 1e-10 < found.distance < 1e-8
    exact = rational_gradient(problem("L", "varying"), tight).total.ravel().astype(float)
    near = exact_gradient(problem("L", "varying"), tight).total.ravel()
    # Rounding alone, as anywhere else.
    assert np.abs(near - exact).max() < 1e-13 * np.abs(exact).max()


def test_far_from_0_the_same_digits_are_right() -> None:
    fluxes, sides = dict.fromkeys(range(4), 0), ((10**6, 10**6 + 1), (0, 1))
    far = PlaneProblem(source="x - 10**6", distance=1, fluxes=fluxes, domain=sides)
    network = PlaneNetwork([[1, 1], [-1, 2]], [-(10**6) - 1, 10**6], [1, 2])
    exact = rational_gradient(far, network).total.ravel().astype(float)
    assert np.abs(exact_gradient(far, network).total.ravel() - exact).max() < 1e-13 * np.abs(exact).max()


def test_the_network_fits_the_problem_or_is_refused() -> None:
    network = rational_network(2, 0)
    with pytest.raises(InputError, match="PlaneNetwork has two inputs; a PlaneProblem would fit"):
        exact_gradient(problems["sine-2"], network)  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"ShallowNetwork does not fit .* a PlaneNetwork would"):
        exact_energy(plane_problems["plane-sine"], ShallowNetwork([1], [0], [1]))
    with pytest.raises(InputError, match="Hessians in the plane are those of the problem's own integrand"):
        exact_hessian(plane_problems["plane-sine"], network, density="u")
    with pytest.raises(InputError, match="its energy is not rational"):
        rational_energy(plane_problems["plane-sine"], network)
