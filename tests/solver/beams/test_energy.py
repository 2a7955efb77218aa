"""A beam's energies in torch against the exact ones of `verify`, which share no code with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver.beams.energy import beam_objective
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.verify import BeamProblem, PowerNetwork, ShallowNetwork, beams, exact_gradient, quadrature_gradient
from kinkproof.verify.bending.crosscheck import difference_gradient

# A stiffness that jumps, a lift, a domain of its own.
MIXED = BeamProblem(
    stiffness="Piecewise((1, x < 1/3), (exp(x), True))", source="cos(3*x)", distance="x*(2 - x)", lift="x**3",
    domain=(0, 2), name="mixed",
)  # fmt: skip
# One kink outside on each side, and a neuron without a slope.
NETWORKS = [
    ShallowNetwork([1, -2, 3, 2], ["-1/4", "9/8", "-5/2", -9], [1, "1/3", -2, 1]),
    ShallowNetwork([1, -1, 2, 0], ["1/2", "3/4", "-1/5", "1/2"], [-1, 2, "1/2", 1]),
]
THETA = torch.tensor(np.stack([n.ravel() for n in NETWORKS]))


@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize("problem", [*beams.values(), MIXED], ids=lambda p: p.name)
def test_exact_and_bulk_are_the_oracles(problem: BeamProblem, power: int) -> None:
    architecture = Architecture.of(4, f"relu{power}")
    found = {g: beam_objective(problem, architecture, g).gradient(THETA) for g in ("exact", "bulk")}
    for k, neurons in enumerate(NETWORKS):
        oracle = exact_gradient(problem, PowerNetwork(power, neurons))
        size = np.abs(oracle.total.ravel()).max()
        for name, part in (("exact", oracle.total), ("bulk", oracle.bulk)):
            energy, gradient = found[name]
            # Rounding of 16 Gauss points a piece, of terms some tens of times their sum.
            assert float(energy[k]) == pytest.approx(oracle.energy, rel=1e-12)
            assert np.abs(gradient[k].numpy() - part.ravel()).max() < 1e-12 * size
        # The test can tell them apart, by a million times the tolerance.
        missing = np.abs(oracle.dirac.ravel()).max()
        assert missing > 1e-6 * size if power == 2 else missing == 0


@pytest.mark.slow
def test_the_exact_gradient_is_that_of_differences_at_fifty_digits() -> None:
    # No formula of ours in between: differences of energies by mpmath, rounded once.
    problem, network = beams["beam-variable"], PowerNetwork(2, NETWORKS[0])
    differences = difference_gradient(problem, network).astype(float)
    gradient = beam_objective(problem, Architecture.of(4, "relu2"), "exact").gradient(THETA)[1][0]
    assert np.abs(gradient.numpy() - differences).max() < 1e-12 * np.abs(differences).max()


@pytest.mark.parametrize("rule", ["midpoint", "endpoint-mean", "trapezoid", "gauss-legendre"])
@pytest.mark.parametrize("power", [2, 3])
def test_autodiff_is_that_of_the_sum(power: int, rule: Any) -> None:
    architecture = Architecture.of(4, f"relu{power}")
    for problem in (beams["beam-variable"], MIXED):
        energy, gradient = beam_objective(problem, architecture, rule=rule, points=50).gradient(THETA)
        for k, neurons in enumerate(NETWORKS):
            oracle = quadrature_gradient(problem, PowerNetwork(power, neurons), rule, 50)
            size = np.abs(oracle.total.ravel()).max()
            # Two orders of summation of 50 terms.
            assert float(energy[k]) == pytest.approx(oracle.energy, rel=1e-12)
            assert np.abs(gradient[k].numpy() - oracle.total.ravel()).max() < 1e-12 * size


def test_on_the_conforming_rule_autodiff_is_exact() -> None:
    architecture = Architecture.of(4, "relu2")
    found, exact = (
        beam_objective(beams["beam-variable"], architecture, g, rule="conforming").gradient(THETA)[1]
        for g in ("autodiff", "exact")
    )
    assert torch.equal(found, exact)
