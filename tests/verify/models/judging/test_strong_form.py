from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.verify import audit
from torch import Tensor, nn

from tests.verify.models.random_models import Ritz, bar, kinked, network


def strong(x: Tensor, u: Tensor, du: Tensor, ddu: Tensor) -> Tensor:
    return (ddu + torch.sin(x)) ** 2


class Squared(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return torch.relu(z) ** 2


def test_the_strong_form_of_relu_measures_something_else() -> None:
    found = audit(kinked(), strong)
    assert found.blind
    assert found.verdict == "inconsistent"
    assert "u″ as autograd has it holds 0 of the variation of u′" in found.reason
    assert "u″ = 0" in found.reason
    # ∫ sin² over (0, 1), whatever the parameters.
    assert found.energy == pytest.approx(0.5 - np.sin(2) / 4)
    assert "Tanh" in found.remedy
    assert audit(Ritz(kinked()), strong).blind


def test_a_density_that_takes_u2_and_makes_no_use_of_it_is_no_strong_form() -> None:
    found = audit(kinked(), lambda x, u, du, ddu: bar(x, u, du) + 0 * ddu)
    assert not found.blind
    assert "integrate(" in found.remedy


def test_the_strong_form_of_smooth_models_is_what_it_says() -> None:
    assert audit(network(0, nn.Tanh), strong).verdict == "consistent"
    net = kinked()
    net[1] = Squared()
    # ReLU² has a u″ that jumps where its kinks are: L jumps, and with it the Dirac terms are there.
    found = audit(net, strong)
    assert (found.verdict, found.blind) == ("inconsistent", False)
    # In the Ritz form nothing jumps.
    harmless = audit(net, bar)
    assert harmless.passed
    assert "L does not jump" in harmless.reason
