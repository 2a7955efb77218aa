from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver import fit, solve
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.conforming import conforming_energy
from kinkproof.solver.training.newton import hessians
from kinkproof.verify import InputError, ShallowNetwork, exact_hessian, problems

RELU = Architecture.of(6, "relu")


@pytest.mark.parametrize("name", ["sine-2", "natural"])
def test_the_hessian_is_the_oracles(name: str) -> None:
    network = ShallowNetwork.random(6, seed=3)
    found = hessians(conforming_energy(problems[name], RELU), torch.as_tensor(network.ravel())[None])[0]
    expected = np.asarray(exact_hessian(problems[name], network), dtype=float)
    # Sixteen Gauss points on pieces of some tenths of the domain.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_near_a_minimum_a_few_steps_reach_it_and_the_energy_never_rises() -> None:
    best = solve(problems["sine-2"], 6)
    start = best.network.ravel() * (1 + 1e-3 * np.random.default_rng(0).normal(size=18))
    run = fit(problems["sine-2"], 6, gradient="exact", optimizer="newton", start=start[None], steps=8, record=1)
    assert (np.diff(run.gap_history[:, 0]) <= 1e-13).all()
    assert run.gap_history[0, 0] > (1 + 1e-4) * best.energy_gap
    assert run.energy_gap[0] == pytest.approx(best.energy_gap, rel=1e-9)


def test_a_network_with_kinks_has_a_hessian_with_the_exact_gradient_alone() -> None:
    for gradient in ("autodiff", "bulk", "dirac-mean", "finite-difference"):
        with pytest.raises(InputError, match="gradient='exact' would be right"):
            fit(problems["sine-2"], 4, gradient=gradient, optimizer="newton", steps=1)
    smooth = fit(problems["sine-2"], 4, "tanh", optimizer="newton", steps=5, record=5, seeds=(0,))
    assert smooth.history.quadrature[-1, 0] < smooth.history.quadrature[0, 0]
