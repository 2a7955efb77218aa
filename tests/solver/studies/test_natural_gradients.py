from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver.data.statement import data
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.studies.natural_gradients import GRAMS, descend, growth, tangents
from kinkproof.verify import InputError, problems

PROBLEM = problems["variable-coefficient"]
NETWORKS = Architecture.of(4, "relu")


def test_tangents_are_what_autodiff_makes_of_the_field_and_its_slope() -> None:
    theta = NETWORKS.initial([5])
    x = torch.linspace(0.01, 0.99, 37, dtype=torch.float64)

    def field(vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, slope = NETWORKS.value_and_slope(vector[None], x)
        d, e = data(PROBLEM, "distance")(x), data(PROBLEM, "distance_slope")(x)
        return d * value[0], e * value[0] + d * slope[0]

    for found, true in zip(tangents(PROBLEM, theta, x), torch.func.jacrev(field)(theta[0]), strict=True):
        assert torch.allclose(found[0], true, rtol=1e-13, atol=1e-15)


def test_the_energys_gram_entry_of_a_bias_is_infinite() -> None:
    steps = 10.0 ** -np.arange(1, 7)
    found, coefficient = growth(PROBLEM, 2.0, -0.7, 1.5, steps)
    kink = 0.35
    assert np.isclose(coefficient, (1 + kink / 2) * (kink * (1 - kink)) ** 2 * 1.5**2 * 2, rtol=1e-14)
    assert (np.diff(found) > 0).all()
    # To first order in ε.
    assert np.allclose((found * steps)[2:], coefficient, rtol=1e-2)
    assert abs(found[-1] * steps[-1] / coefficient - 1) < 1e-4
    # Of an output weight it is not: the tangent is continuous. Its Gram entry is that of the bulk.
    assert bool(GRAMS["bulk"](PROBLEM, torch.tensor([[2.0, -0.7, 1.5]], dtype=torch.float64)).isfinite().all())


def test_the_broken_gram_adds_the_jumps_of_each_neuron() -> None:
    theta = torch.tensor([[2.0, 1.0, -0.7, 3.0, 1.5, 1.0]], dtype=torch.float64)
    added = (GRAMS["broken"](PROBLEM, theta) - GRAMS["bulk"](PROBLEM, theta))[0]
    # The second neuron has no kink inside: nothing of it jumps.
    jump = np.array([0.35, 0, 1, 0, 0, 0]) * 0.35 * 0.65 * 1.5
    assert np.allclose(added.numpy(), 2 * (1 + 0.35 / 2) * np.outer(jump, jump), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gram", GRAMS)
def test_no_step_raises_the_energy(gram: str) -> None:
    gaps = [descend(problems["sine-2"], 5, gram, steps=n, seeds=range(3)) for n in (0, 1, 4)]
    assert (gaps[1] < gaps[0]).all()
    assert (gaps[2] <= gaps[1]).all()


def test_an_unknown_gram_matrix_is_refused() -> None:
    with pytest.raises(InputError, match="gram: 'H2' is unknown; one of bulk, L2, broken would be right"):
        descend(PROBLEM, 3, "H2")
