"""The exact Dirac terms of the plane against those that `dirac_term` samples: neither knows of the other."""

from __future__ import annotations

import numpy as np
import torch
from kinkproof.solver import dirac_term
from kinkproof.verify import PlaneNetwork, exact_gradient, plane_problems
from torch import Tensor


def test_the_sampled_term_of_torch_has_the_exact_dirac_terms_for_its_mean() -> None:
    problem, network = plane_problems["plane-polynomial"], PlaneNetwork.random(6, 3)
    exact = exact_gradient(problem, network).dirac.ravel()
    weights, biases, outer = (torch.tensor(np.asarray(v, dtype=float), requires_grad=True) for v in (
        network.hidden_weights, network.hidden_biases, network.output_weights,
    ))  # fmt: skip

    def model(x: Tensor) -> Tensor:
        distance = 16 * (x * (1 - x)).prod(1)
        return distance * (torch.relu(x @ weights.T + biases) @ outer)

    def energy(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        # The source: −Δ of 16xy(1 − x)(1 − y).
        return (du**2).sum(1) / 2 - 32 * (x * (1 - x)).sum(1) * u

    generator = torch.Generator().manual_seed(0)
    draws = []
    for _ in range(20):
        term = dirac_term(energy, model, ((0, 1), (0, 1)), lines=60, generator=generator)
        parts = torch.autograd.grad(term, (weights, biases, outer), allow_unused=True)
        zero = torch.zeros_like(outer)
        draws.append(torch.cat([(zero if p is None else p).reshape(-1) for p in parts]).numpy())
    mean, scatter = np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(len(draws))
    # Five standard errors of the mean of twenty draws, in each of 24 parameters.
    assert (np.abs(mean - exact) <= 5 * scatter + 1e-12).all()
    # Close enough that a wrong factor would be seen.
    assert np.linalg.norm(mean - exact) < 0.02 * np.linalg.norm(exact)
