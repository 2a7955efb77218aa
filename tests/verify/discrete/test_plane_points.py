from __future__ import annotations

import numpy as np
import pytest
from kinkproof.verify import InputError, PlaneProblem, plane_problems
from kinkproof.verify.discrete.plane_points import PLANE_RULES, cells, plane_points

L_SHAPE = plane_problems["plane-l-shape"]


@pytest.mark.parametrize("rule", PLANE_RULES)
@pytest.mark.parametrize("name", ["plane-sine", "plane-l-shape", "plane-triangle"])
def test_points_lie_inside_and_their_weights_add_up_to_the_area(name: str, rule: str) -> None:
    domain = plane_problems[name].domain
    mesh = plane_points(plane_problems[name], rule, 2_500, seed=3)
    # A middle that is on an edge is counted half, and `inside` does not say of it what it is.
    off = mesh.weights == mesh.weights.max()
    assert domain.inside(mesh.nodes[off]).all()
    # Cells that the triangle's long edge cuts are counted whole or not at all: one in 70 of a side's.
    assert mesh.weights.sum() == pytest.approx(float(domain.area), rel=2e-2 if rule == "midpoint" else 1e-12)
    assert abs(len(mesh.nodes) - 2_500) <= (120 if rule == "midpoint" else 0)


def test_middles_on_an_edge_count_half() -> None:
    # 25 × 25 cells over the box of the L: the middle of the 13th is where its inner edges are.
    mesh = plane_points(L_SHAPE, "midpoint", round(25**2 * 3 / 4))
    assert mesh.cells.counts == (25, 25)
    halves = mesh.weights < mesh.weights.max()
    assert halves.sum() == 25
    assert np.isclose(mesh.nodes[halves], 1).any(axis=1).all()
    assert mesh.weights.sum() == pytest.approx(3, rel=2e-3)


def test_a_seed_gives_the_same_points_and_another_one_others() -> None:
    for rule in ("random", "quasi-random"):
        first, again, other = (plane_points(L_SHAPE, rule, 50, seed).nodes for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.isclose(first, other).any(axis=1).all()


def test_quasi_random_points_are_haltons_shifted() -> None:
    square = plane_problems["plane-sine"]
    nodes = plane_points(square, "quasi-random", 6, seed=5).nodes
    moved = (nodes - np.random.default_rng(5).random(2)) % 1
    known = [(0, 0), (1 / 2, 1 / 3), (1 / 4, 2 / 3), (3 / 4, 1 / 9), (1 / 8, 4 / 9), (5 / 8, 7 / 9)]
    # A coordinate that is 0 may come back as nearly 1.
    np.testing.assert_allclose((moved - np.array(known) + 0.5) % 1, 0.5, atol=1e-12)


def test_named_edges_have_points_as_far_apart_as_the_inside() -> None:
    mesh = plane_points(L_SHAPE, "random", 1_200)
    assert [on.edge for on in mesh.edges] == sorted(L_SHAPE.fluxes)
    for on in mesh.edges:
        assert on.weights.sum() == pytest.approx(1)
        assert on.weights[0] == pytest.approx(mesh.cells.spacing, rel=0.05)


@pytest.mark.parametrize(
    ("rule", "points", "seed", "said"),
    [
        ("trapezoid", 100, 0, "one of midpoint, random, quasi-random would be right"),
        ("midpoint", 0, 0, "points: 0 is no number of points; a whole number from 1 on"),
        ("random", 2.5, 0, "points: 2.5 is no number of points"),
        ("random", True, 0, "points: True is no number of points"),
        ("random", 10, -1, "seed: -1 is none; a whole number from 0 on"),
    ],
)
def test_what_makes_no_points_is_refused_in_a_sentence(rule: str, points: int, seed: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        plane_points(L_SHAPE, rule, points, seed)


def test_a_polygon_between_all_middles_is_refused() -> None:
    # A thin L, whose area is that of one cell of 2 × 2.
    corners = ((0, 0), (1, 0), (1, "1/10"), ("1/10", "1/10"), ("1/10", 1), (0, 1))
    thin = PlaneProblem(source="1", distance="1", fluxes=dict.fromkeys(range(6), 0), domain=corners)
    assert cells(thin.domain, 1).counts == (2, 2)
    with pytest.raises(InputError, match="no middle of 1 cells lies in the polygon; more of them would be right"):
        plane_points(thin, "midpoint", 1)
