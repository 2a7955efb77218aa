"""Sums over points of a beam's energy: what three deltas and torch's autograd make of its gradient."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from kinkproof.verify import (
    BeamProblem,
    InputError,
    NondifferentiableError,
    PowerNetwork,
    ShallowNetwork,
    audit_beam,
    beams,
    exact_gradient,
    quadrature_gradient,
)
from kinkproof.verify.beam_audit import beam_methods
from kinkproof.verify.bending.gradient import own_jump
from kinkproof.verify.bending.quadrature import values_between_kinks
from kinkproof.verify.discrete.quadrature import grid

NEURONS = ShallowNetwork([1, -2, 3], ["-1/4", "9/8", "-5/2"], [1, "1/3", -2])
SQUARED, CUBED = PowerNetwork(2, NEURONS), PowerNetwork(3, NEURONS)
# Two kinks, a stiffness that jumps, a lift, a domain of its own.
MIXED = BeamProblem(
    stiffness="Piecewise((1, x < 1/3), (exp(x), True))", source="cos(3*x)", distance="x*(2 - x)", lift="x**3",
    domain=(0, 2), name="mixed",
)  # fmt: skip


def _name(problem: Any) -> str:
    return str(getattr(problem, "name", ""))


@pytest.mark.parametrize("problem", [*beams.values(), pytest.param(MIXED, marks=pytest.mark.slow)], ids=_name)
def test_only_the_mean_delta_converges_for_relu_squared(problem: BeamProblem) -> None:
    rows = audit_beam(problem, SQUARED)
    assert [r.total.verdict for r in rows if r.total] == ["inconsistent", "inconsistent", "consistent", "inconsistent"]
    assert [r.expected for r in rows if r.total] == [r.total.verdict for r in rows if r.total]
    # What autodiff lacks on 5,000 points is the Dirac part but for their spacing.
    assert [r.attribution for r in rows][::3] == pytest.approx([0, 0], abs=5e-3)


@pytest.mark.parametrize("problem", [beams["beam-variable"], pytest.param(MIXED, marks=pytest.mark.slow)], ids=_name)
def test_for_relu_cubed_autodiff_converges(problem: BeamProblem) -> None:
    rows = audit_beam(problem, CUBED, points=(50, 500))
    assert {r.total.verdict for r in rows if r.total} == {r.expected for r in rows} == {"consistent"}
    assert all(not quadrature_gradient(problem, CUBED, delta=d).dirac.ravel().any() for d in (None, "nearest", "mean"))


def test_the_nearest_node_takes_one_side_of_the_second_derivative() -> None:
    problem = beams["beam-clamped"]
    exact, own = exact_gradient(problem, SQUARED), own_jump(problem, SQUARED)
    found = quadrature_gradient(problem, SQUARED, points=20_000, delta="nearest")
    # Each kink on one side or on the other, up to the spacing.
    sides = (found.dirac.hidden_biases - exact.dirac.hidden_biases) / own.hidden_biases.astype(float)
    assert np.abs(sides) == pytest.approx(np.ones(3), abs=1e-2)


@pytest.mark.parametrize("network", [SQUARED, CUBED], ids=["squared", "cubed"])
@pytest.mark.parametrize("problem", [beams["beam-supported"], MIXED], ids=lambda p: p.name)
def test_points_between_the_kinks_give_all_of_it(problem: BeamProblem, network: PowerNetwork) -> None:
    # Gauss points on smooth pieces, 24 digits of sines and exponentials; no powers of x about 0.
    with mpmath.workdps(40):
        found, exact = values_between_kinks(problem, network, 20), exact_gradient(problem, network, digits=40)
        size = np.abs(found).max()
        assert abs(found[0] - exact.energy) < 1e-24 * size
        assert np.abs(found[1:] - exact.total.ravel()).max() < 1e-24 * size


def test_torch_and_our_sum_are_one_sum() -> None:
    mesh = grid("midpoint", 50)
    for network in (SQUARED, CUBED):
        ours, *_, theirs = beam_methods(beams["beam-variable"], network.power)
        assert ours.gradient is not None
        assert theirs.gradient is not None
        given: Any = (beams["beam-variable"], network.ravel(), mesh, "float64")
        (energy, gradient), (other, vector) = ours.gradient(*given), theirs.gradient(*given)
        assert energy == pytest.approx(other, rel=1e-14)
        assert np.abs(gradient - vector).max() < 1e-13 * np.abs(gradient).max()


def test_what_cannot_be_summed_is_said() -> None:
    problem: Any = beams["beam-clamped"]
    with pytest.raises(InputError, match="second derivative of a ShallowNetwork is no function"):
        quadrature_gradient(problem, NEURONS)
    with pytest.raises(InputError, match="digits: a beam is summed over points in float64"):
        quadrature_gradient(problem, SQUARED, digits=30)
    with pytest.raises(InputError, match=r"points: \(50,\) shows no trend; two or more"):
        audit_beam(problem, SQUARED, points=(50,))
    coincident = PowerNetwork.of(2, [1, 2], ["-1/2", -1], [1, 1])
    with pytest.raises(NondifferentiableError, match="coincident kinks"):
        audit_beam(problem, coincident)
    assert quadrature_gradient(problem, coincident).distance == 0
