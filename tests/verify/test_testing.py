from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from kinkproof.solver import integrate
from kinkproof.verify import InputError
from kinkproof.verify.testing import assert_gradient_consistent
from torch import Tensor, nn


def bar(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 / 2 - torch.cos(x) * u


def net(activation: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 12), activation, nn.Linear(12, 1)).double()


def test_smooth_models_and_conforming_losses_pass() -> None:
    assert assert_gradient_consistent(net(nn.Tanh()), bar).verdict == "consistent"
    mended = assert_gradient_consistent(net(nn.ReLU()), bar, loss=lambda m, n: integrate(bar, m, (0, 1), order=8))
    assert mended.verdict == "exact"


def test_a_relu_model_on_a_grid_fails_with_the_report_and_the_remedy() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_gradient_consistent(net(nn.ReLU()), bar, domain=(0, 1))
    message = str(caught.value)
    for part in ("not that of its integral", "verdict: inconsistent", "0.bias", "neuron", "integrate("):
        assert part in message


def test_a_tolerance_lets_small_parts_pass_and_large_ones_not() -> None:
    found = assert_gradient_consistent(net(nn.ReLU()), bar, tolerance=1.0)
    assert found.total is not None
    share = max(found.total.missing, found.total.study.errors[-1])
    assert_gradient_consistent(net(nn.ReLU()), bar, tolerance=1.01 * share)
    with pytest.raises(AssertionError):
        assert_gradient_consistent(net(nn.ReLU()), bar, tolerance=0.99 * share)


def test_no_tolerance_makes_a_strong_form_of_relu_right() -> None:
    with pytest.raises(AssertionError, match="variation of u′"):
        assert_gradient_consistent(net(nn.ReLU()), lambda x, u, du, ddu: (ddu + 1) ** 2, tolerance=1e9)


def test_what_cannot_be_judged_is_no_assertion() -> None:
    with pytest.raises(InputError):
        assert_gradient_consistent(nn.ReLU(), bar)


def test_importing_it_costs_nothing() -> None:
    code = "import kinkproof.verify.testing, sys; print(*({'torch', 'sympy', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_function_of_integrals_is_asserted_like_one_integral() -> None:
    loss = {"terms": [(bar, None), (lambda x, u, du: u**2, None)], "loss_of": lambda a, b: a / b}
    assert assert_gradient_consistent(net(nn.Tanh()), **loss).integrals[1].verdict == "consistent"
    with pytest.raises(AssertionError, match="a function of"):
        assert_gradient_consistent(net(nn.ReLU()), **loss)
