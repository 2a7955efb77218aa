"""The Hessian's two parts: the bulk is what automatic differentiation of a fixed grid tends to."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from kinkproof.verify import RitzProblem, ShallowNetwork, exact_gradient, exact_hessian, problems
from kinkproof.verify.discrete.quadrature import grid
from kinkproof.verify.exact import hessian_parts
from kinkproof.verify.statement.blocks import BLOCKS
from numpy.typing import NDArray

# Of a gradient of 50 digits the step leaves 30 to the quotient; its truncation is 10⁻⁴⁰.
STEP = Fraction(1, 10**20)
NAMED = list(problems)


def test_the_parts_add_up_and_the_bulk_is_autodiffs() -> None:
    problem, network = problems["sine-2"], ShallowNetwork.random(6, seed=2)
    parts = hessian_parts(problem, network)
    np.testing.assert_array_equal(parts.total, exact_hessian(problem, network))
    np.testing.assert_allclose(parts.bulk + parts.dirac, parts.total, atol=1e-15)
    errors = []
    for points in (200, 2_000, 20_000):
        mesh = grid("midpoint", points)
        x, weights = torch.tensor(mesh.nodes), torch.tensor(mesh.weights)

        def energy(theta: torch.Tensor, x: torch.Tensor = x, weights: torch.Tensor = weights) -> torch.Tensor:
            w, b, c = theta.chunk(3)
            z = x[:, None] * w + b
            v, s = torch.relu(z) @ c, (z > 0).double() @ (c * w)
            slope = (1 - 2 * x) * v + x * (1 - x) * s
            source = 4 * torch.pi**2 * torch.sin(2 * torch.pi * x)
            return (weights * (slope**2 / 2 - source * x * (1 - x) * v)).sum()

        found = torch.func.hessian(energy)(torch.tensor(network.ravel())).numpy()
        errors.append(np.linalg.norm(found - parts.bulk) / np.linalg.norm(parts.bulk))
    # First order in 1/n, and far below the Dirac part that is missing from it.
    assert errors[2] < 0.05 * errors[0]
    assert errors[2] < 0.01 * np.linalg.norm(parts.dirac) / np.linalg.norm(parts.bulk)


def test_many_digits_and_float64_agree_in_both_parts() -> None:
    problem, network = problems["two-materials"], ShallowNetwork.random(4, seed=5)
    few, many = hessian_parts(problem, network), hessian_parts(problem, network, digits=30)
    for part in ("bulk", "dirac", "total"):
        expected = getattr(many, part).astype(float)
        np.testing.assert_allclose(getattr(few, part), expected, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("digits", [None, 30])
def test_an_unseen_kink_does_not_meet_the_source_at_its_pole(digits: int | None) -> None:
    # The second kink lies left of the domain, where 1/√x is infinite.
    problem = RitzProblem(source="1/sqrt(x)")
    seen, both = ShallowNetwork([1], ["-1/3"], [1]), ShallowNetwork([1, 1], ["-1/3", 1], [1, 0])
    small, large = (exact_hessian(problem, n, digits).astype(float) for n in (seen, both))
    np.testing.assert_allclose(large[np.ix_([0, 2, 4], [0, 2, 4])], small, rtol=1e-13)


def difference_hessian(problem: RitzProblem, network: ShallowNetwork) -> NDArray[np.float64]:
    """Central differences of the exact gradient, itself of 50 digits, in every parameter."""
    width = network.width
    at = [Fraction(v) for block in BLOCKS for v in network.rational(block)]
    rows = []
    for k in range(3 * width):
        gradients = []
        for sign in (1, -1):
            moved = [v + sign * STEP if i == k else v for i, v in enumerate(at)]
            shifted = ShallowNetwork(*(moved[j * width : (j + 1) * width] for j in range(3)))
            gradients.append(exact_gradient(problem, shifted, digits=50).total.ravel())
        with mpmath.workdps(50):
            rows.append((gradients[0] - gradients[1]) * STEP.denominator / 2)
    return np.array(rows).astype(float)


def agrees_with_differences(problem: RitzProblem, network: ShallowNetwork) -> None:
    expected, found = difference_hessian(problem, network), exact_hessian(problem, network)
    # A network that is silent throughout the domain would prove nothing.
    assert np.abs(expected).max() > 1e-3
    # What a second derivative in float64 should reach at least; measured are 1e-15.
    assert np.linalg.norm(found - expected) <= 1e-9 * np.linalg.norm(expected)
    # Products of the same numbers in another order.
    assert np.abs(found - found.T).max() <= 1e-14 * np.abs(found).max()


@pytest.mark.parametrize("name", ["sine-2", "two-materials", "natural", "penalised-ends", "foundation", "periodic"])
def test_it_is_the_derivative_of_the_exact_gradient(name: str) -> None:
    agrees_with_differences(problems[name], ShallowNetwork.random(3, seed=12))


def test_a_hessian_without_its_dirac_part_is_not() -> None:
    problem, network = problems["sine-2"], ShallowNetwork.random(3, seed=12)
    expected, parts = difference_hessian(problem, network), hessian_parts(problem, network)
    assert np.linalg.norm(parts.bulk - expected) > 1e-3 * np.linalg.norm(expected)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(50))
def test_it_is_the_derivative_of_the_exact_gradient_at_50_networks(seed: int) -> None:
    agrees_with_differences(problems[NAMED[seed % len(NAMED)]], ShallowNetwork.random(4 + seed % 3, seed))
