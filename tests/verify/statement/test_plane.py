from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from kinkproof.verify import InputError, PlaneNetwork, PlaneProblem, plane_problems
from kinkproof.verify.statement.polygon import RationalPolygon

L_SHAPE = ((0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"domain": ((0, 0), (2, 2), (2, 0), (0, 1))}, "meet; a polygon that does not cross or touch itself"),
        ({"domain": ((0, 0), (1, 1), (2, 2))}, "has no area"),
        ({"domain": ((0, 0), (2, 0), (1, 0), (0, 1))}, "meet; a polygon"),
        ({"domain": ((0, 0), (4, 0), (4, 4), (2, 0), (0, 4))}, "meet; a polygon"),
        ({"domain": ((0, 0), (1, 0), (1, 0), (0, 1))}, "named twice in a row"),
        ({"domain": ((0, 0), ("pi", 0), (0, 1))}, "is not rational"),
        ({"domain": ((1, 0), (0, 1))}, "has no area"),
        ({"domain": "square"}, "is no polygon"),
        ({"domain": L_SHAPE}, "not convex there is none by default"),
        ({"coefficient": "x - 1/2"}, "must be positive definite"),
        ({"coefficient": ((1, 2), (2, 1))}, r"smaller eigenvalue is -1 .* positive definite"),
        ({"coefficient": ((1, 0), (1, 1))}, "a symmetric matrix would be right"),
        ({"coefficient": ((1, 0),)}, "no 2 × 2 matrix"),
        ({"source": "1/((x-1/3)**2 + (y-1/7)**2)"}, r"pole at \(0\.3333, 0\.1429\)"),
        ({"source": "1/(x - y)"}, "has a pole"),
        ({"source": "log(x - 1/2)"}, "a finite real value is needed"),
        ({"source": "Abs(x - 1/2)"}, "is not smooth; a problem for each polygon"),
        ({"source": "__import__('os')"}, "not a known function"),
        ({"distance": "x"}, "is not 0 on edge 0; it must vanish there"),
        ({"fluxes": {4: 0}}, "is no edge; a number from 0 to 3"),
        ({"fluxes": {1: 0}, "distance": "x*y*(1-x)*(1-y)"}, "vanishes on edge 1, which fluxes names"),
        ({"fluxes": {1: 0}, "essential": {1: 0}}, "edge 1 is named in fluxes and in essential"),
        ({"solution": "x*y"}, "does not solve"),
        ({"source": None}, "no solution that would give it"),
        ({"source": 2, "solution": "x*(1-x)"}, "on edge 0 is not 0"),
        ({"penalty": 0}, "a positive number would be right"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        PlaneProblem(**{"source": 1, **given})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", plane_problems)
def test_named_problems_have_checked_solutions_and_keep_their_statement(name: str) -> None:
    problem = plane_problems[name]
    assert problem.solution is not None
    assert PlaneProblem(**problem.statement()) == problem
    assert pickle.loads(pickle.dumps(problem)) == problem
    assert hash(PlaneProblem(**problem.statement())) == hash(problem)


def test_a_wrong_flux_is_seen() -> None:
    given = plane_problems["plane-l-shape"].statement()
    with pytest.raises(InputError, match="its outward flux on edge 2"):
        PlaneProblem(**{**given, "fluxes": {**given["fluxes"], 2: "x"}})


def test_a_polygon_knows_its_inside_whatever_way_round_it_is_named() -> None:
    for corners in (L_SHAPE, L_SHAPE[::-1]):
        polygon = RationalPolygon(corners)
        assert (polygon.area, polygon.convex) == (3, False)
        points = np.array([[0.5, 1.5], [1.5, 1.5], [1.5, 0.5], [-0.1, 0.5]])
        assert polygon.inside(points).tolist() == [True, False, True, False]


@pytest.mark.parametrize("shapes", [([[1, 2]], [1, 2], [1]), ([1], [1], [1]), (np.zeros((0, 2)), [], [])])
def test_networks_whose_shapes_do_not_fit_are_refused(shapes: Any) -> None:
    with pytest.raises(InputError, match="would be right"):
        PlaneNetwork(*shapes)


def test_a_network_is_its_vector() -> None:
    network = PlaneNetwork.random(3, 1)
    assert np.array_equal(PlaneNetwork.from_vector(network.ravel()).hidden_weights, network.hidden_weights)
    with pytest.raises(InputError, match="four numbers a neuron"):
        PlaneNetwork.from_vector(np.zeros(6))
