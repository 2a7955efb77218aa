"""Regions: none missed, none invented, places without a derivative named."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinkproof.verify import (
    DeepNetwork,
    Density,
    InputError,
    NondifferentiableError,
    RitzProblem,
    ShallowNetwork,
    exact_gradient,
    exact_hessian,
    problems,
)
from kinkproof.verify.deep import kink_motion, linear_regions
from kinkproof.verify.deep.crosscheck import marched_breakpoints

from .networks import FREE, WIDE, two_layers


def test_the_regions_of_a_network_by_hand() -> None:
    found = linear_regions(two_layers())
    first = [(k.neuron, k.position) for k in found.kinks if k.layer == 0]
    assert first == [(0, Fraction(1, 4)), (1, Fraction(1, 2)), (2, Fraction(2, 3))]
    for kink in found.kinks:
        # The definition itself, in fractions: the pre-activation vanishes there.
        h = np.array([kink.position], dtype=object)
        exact = two_layers().rational
        for k in range(kink.layer + 1):
            z = exact.hidden_weights[k] @ h + exact.hidden_biases[k]
            h = np.array([max(v, 0) for v in z], dtype=object)
        assert z[kink.neuron] == 0
    assert {k.layer for k in found.kinks} == {0, 1}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), widths=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_between_the_marks_the_network_is_the_line_it_is_said_to_be(seed: int, widths: list[int]) -> None:
    network = DeepNetwork.random(widths, seed)
    found = linear_regions(network, (-3, 3))
    assert found.marks[0] == -3
    assert found.marks[-1] == 3
    for r, (a, b) in enumerate(pairwise(found.marks)):
        slope = Fraction(found.value.slopes[0, r], found.value.denominator)
        shift = Fraction(found.value.intercepts[0, r], found.value.denominator)
        for share in (Fraction(0), Fraction(1, 3), Fraction(9, 10), Fraction(1)):
            x = a + (b - a) * share
            assert network(x) == slope * x + shift
    # Every mark inside is some neuron's kink, and every one that moves the output changes its slope or is silent.
    assert {k.position for k in found.kinks} == set(found.marks[1:-1])


LONG = [pytest.param(s, 33, marks=pytest.mark.long) for s in range(100, 300)]


@pytest.mark.parametrize(("seed", "widest"), [(s, 9) for s in range(20)] + LONG)
def test_an_independent_search_finds_the_same_breakpoints(seed: int, widest: int) -> None:
    generator = np.random.default_rng(seed)
    network = DeepNetwork.random([int(n) for n in generator.integers(1, widest, 1 + seed % 4)], seed)
    marched = marched_breakpoints(network, WIDE.domain)
    found = linear_regions(network, WIDE.domain).marks[1:-1]
    assert len(marched) == len(found)
    with mpmath.workdps(110):
        for place, mark in zip(marched, found, strict=True):
            assert abs(place - mpmath.mpf(mark.numerator) / mark.denominator) < mpmath.mpf(10) ** -70


def test_kinks_a_rounding_apart_are_told_apart() -> None:
    # 2⁻⁷⁰ apart: float64 sees one place, whole numbers two.
    near = Fraction(1, 2) + Fraction(1, 2**70)
    network = DeepNetwork([[1, 1], [[1, 1]]], [["-1/2", -near], ["1/9"]], [1])
    assert [k.position for k in linear_regions(network).kinks] == [Fraction(1, 2), near]


def test_the_motion_of_a_kink_is_its_difference_quotient() -> None:
    network = two_layers()
    kinks, motion = kink_motion(network, digits=40)
    step = Fraction(1, 10**12)
    for j in range(len(network.ravel())):
        sides = []
        for sign in (1, -1):
            vector = network.rational.ravel()
            vector[j] += sign * step
            moved = linear_regions(DeepNetwork.from_vector(vector, network.widths))
            sides.append([k.position for k in moved.moving])
        quotient = [(a - b) / (2 * step) for a, b in zip(*sides, strict=True)]
        np.testing.assert_allclose([float(v) for v in motion[:, j]], [float(q) for q in quotient], rtol=1e-10)
    assert {k.layer for k in kinks} == {0, 1}


@pytest.mark.parametrize(
    ("network", "kind", "named"),
    [
        # Two of the first layer.
        (DeepNetwork([[1, -2]], [["-1/2", 1]], [1, 1]), "coincident kinks", "neuron 0 of hidden layer 0 and neuron 1"),
        # z = x − 1/2 once more, in the second layer.
        (
            DeepNetwork([[1, 1], [[0, 1], [1, 0]]], [["-1/2", 0], ["-1/2", 1]], [1, 1]),
            "coincident kinks",
            "neuron 0 of hidden layer 0 and neuron 0 of hidden layer 1",
        ),
        # A roof that touches zero at its ridge, from below.
        (
            DeepNetwork([[1, 1], [[-2, 1], [1, 0]]], [["-1/2", 0], ["-1/2", 1]], [1, 1]),
            "coincident kinks",
            "neuron 0 of hidden layer 0 and neuron 0 of hidden layer 1",
        ),
        # z is the first layer's output itself: glued to it, and 0 to the left.
        (
            DeepNetwork([[1], [[1], [1]]], [["-1/2"], [0, 1]], [1, 1]),
            "pre-activation zero on an interval",
            "neuron 0 of hidden layer 1",
        ),
        # w = b = 0.
        (DeepNetwork([[0, 1]], [[0, "-1/3"]], [1, 1]), "pre-activation zero on an interval", "neuron 0 of"),
    ],
)
def test_degenerate_places_are_refused_with_layer_and_neuron(network: DeepNetwork, kind: str, named: str) -> None:
    with pytest.raises(NondifferentiableError, match=named) as caught:
        exact_gradient(problems["sine-2"], network)
    first = caught.value.degeneracies[0]
    assert first.kind == kind
    assert len(first.layers) == len(first.neurons)
    assert "\n" not in str(caught.value)
    with pytest.raises(NondifferentiableError, match="no Hessian"):
        exact_hessian(problems["sine-2"], network)
    with pytest.raises(NondifferentiableError):
        exact_gradient(problems["sine-2"], network, digits=30)


@pytest.mark.parametrize(
    ("problem", "density", "kind"),
    [
        (FREE, None, "kink on the end of the domain"),
        (Density("du**2"), None, "kink on the end of the domain"),
        (problems["two-materials"], None, "kink on an interface"),
        (RitzProblem(source="DiracDelta(x - 1/2)"), None, "kink on a point load"),
        (RitzProblem(source="DiracDelta(x - 1/2)"), "du**2", "kink on a point load"),
        (problems["sine-2"], "Piecewise((1, x < 1/2), (3, True))*du**2", "kink on an interface"),
    ],
)
def test_kinks_on_ends_and_interfaces_are_refused(problem: Any, density: Any, kind: str) -> None:
    place = "0" if "end" in kind else "-1/2"
    # In the second layer: z = σ(x) + place.
    network = DeepNetwork([[1], [[1]]], [["1/7"], [f"{place} - 1/7"]], [1])
    with pytest.raises(NondifferentiableError, match="neuron 0 of hidden layer 1") as caught:
        exact_gradient(problem, network, density=density)
    assert caught.value.degeneracies[0].kind == kind


def test_what_nothing_hears_is_not_refused() -> None:
    # The second neuron's kink coincides with the first's, and nothing listens to it; then behind a closed neuron.
    silent = DeepNetwork([[1, -2, 1]], [["-1/4", "1/2", "-3/4"]], [1, 0, -1])
    found = exact_gradient(problems["sine-2"], silent)
    shallow = exact_gradient(problems["sine-2"], ShallowNetwork([1, -2, 1], ["-1/4", "1/2", "-3/4"], [1, 0, -1]))
    np.testing.assert_allclose(found.total.ravel(), shallow.total.ravel(), rtol=1e-13, atol=1e-15)
    closed = DeepNetwork([[1, 1], [[1, 0], [0, -1]]], [["-1/2", "-1/2"], ["1/3", -5]], [1, 1])
    assert [k.neuron for k in exact_gradient(problems["sine-2"], closed).kinks] == [0]
    with pytest.raises(NondifferentiableError):
        exact_hessian(problems["sine-2"], DeepNetwork([[1, -2]], [["-1/4", "1/2"]], [1, 0]))


def test_a_kink_where_a_built_in_distance_vanishes_is_harmless() -> None:
    on_end = DeepNetwork([[1, 1], [[1, 1]]], [[0, "-1/2"], ["1/9"]], [1])
    assert np.isfinite(exact_gradient(problems["sine-2"], on_end).total.ravel()).all()
    inner = RitzProblem(source="1", distance="x*(1-x)*(x-1/2)")
    pair = ShallowNetwork([1, -2], ["-1/2", 1], [1, "1/3"])
    found = exact_gradient(inner, DeepNetwork.from_shallow(pair)).total.ravel()
    np.testing.assert_allclose(found, exact_gradient(inner, pair).total.ravel(), rtol=1e-13, atol=1e-16)


def test_the_distance_says_how_near_such_a_place_is() -> None:
    def distance(last: str) -> float:
        # z = 1 − |2x − 1| − last in the second layer, its ridge at 1/2; a third neuron bends nothing near.
        network = DeepNetwork([[1, 1], [[-2, 1], [0, 1]]], [["-1/2", 0], [last, 1]], [1, 1])
        return exact_gradient(problems["sine-2"], network).distance

    # z(1/2) = 1/2 + last, slope 1: a hair below zero there is a hair away, above there are two kinks a hair away.
    assert distance("-0.51") == pytest.approx(0.01)
    assert distance("-0.49") == pytest.approx(0.01)
    assert exact_gradient(FREE, DeepNetwork([[1]], [["1/100"]], [1])).distance == pytest.approx(0.01)


def test_irrational_ends_are_ends() -> None:
    problem = RitzProblem(source="1", domain=("-pi", "sqrt(2)"))
    shallow = ShallowNetwork([1, -2], ["-1/3", "-9/4"], [1, "1/3"])
    found = exact_gradient(problem, DeepNetwork.from_shallow(shallow), digits=40).total.ravel()
    expected = exact_gradient(problem, shallow, digits=40).total.ravel()
    with mpmath.workdps(40):
        assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < mpmath.mpf(10) ** -36


@pytest.mark.parametrize("domain", [(1, 0), (0, 0), (0, 1, 2)])
def test_a_domain_is_an_interval(domain: Any) -> None:
    with pytest.raises(InputError, match="is no interval; two ends in ascending order would be right"):
        linear_regions(two_layers(), domain)
