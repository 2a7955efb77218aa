"""Losses that are a function of several integrals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import dirac_term
from kinkproof.verify import InputError, audit
from kinkproof.verify.deep import DeepNetwork
from kinkproof.verify.deep.gradient import deep_gradient
from kinkproof.verify.models.judging.composition import Composition, Term, stated
from kinkproof.verify.statement.density import Density
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.verify.models.random_models import SMOOTH, density, kinked, network


def stretching(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 / 2


def mass(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return u**2


def volume(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return u


PLACES = [0.11, 0.37, 0.83]
SEEN = torch.tensor([0.2, -0.1, 0.4], dtype=torch.float64)


def misfit(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return (u - SEEN.to(u.dtype)) ** 2


# What people write: a Rayleigh quotient, a logarithm, a penalty of an integral, residuals against test functions as in
# VPINN with data, and pieces of the domain.
LOSSES: dict[str, dict[str, Any]] = {
    "Rayleigh quotient": {"density": stretching, "terms": [(mass, None)], "loss_of": lambda a, b: a / b},
    "logarithm": {"density": stretching, "loss_of": lambda a: torch.log(1 + a)},
    "penalty": {"density": density, "terms": [(volume, None)], "loss_of": lambda e, v: e + 10 * (v - 0.3) ** 2},
    "test functions and data": {
        "terms": [
            (lambda x, u, du: torch.pi * torch.cos(torch.pi * x) * du - torch.sin(torch.pi * x), None),
            (lambda x, u, du: du**2 * torch.sin(2 * torch.pi * x) - x * u, (0, 1)),
            (misfit, PLACES),
        ],
        "loss_of": lambda a, b, c: a**2 + b**2 + 5 * c,
    },
    "pieces": {
        "density": density,
        "terms": [(lambda x, u, du: du**4 / x, (0.25, 0.7)), (volume, 1.0), (mass, 0.5)],
    },
}


def judged_right(seed: int, loss: dict[str, Any]) -> None:
    found = audit(network(seed, (nn.ReLU, nn.LeakyReLU)[seed % 2]), **loss)
    assert found.routes[0].error <= 1e-9, (seed, str(found))
    assert found.routes_agree, (seed, str(found))
    feels = float(np.linalg.norm(found.dirac)) > 1e-12 * float(np.linalg.norm(found.bulk))
    assert found.verdict == "inconsistent" if feels else found.passed, (seed, str(found))


@pytest.mark.parametrize("name", LOSSES)
def test_each_kind_of_loss_is_judged_right(name: str) -> None:
    judged_right(3, LOSSES[name])


@pytest.mark.long
@pytest.mark.parametrize("name", LOSSES)
def test_20_networks_with_each_kind_of_loss(name: str) -> None:
    for seed in range(20):
        judged_right(seed, LOSSES[name])


@pytest.mark.long
@pytest.mark.parametrize("name", LOSSES)
def test_no_false_alarm_on_20_smooth_networks_with_each_kind_of_loss(name: str) -> None:
    for seed in range(20):
        assert audit(network(seed, list(SMOOTH.values())[seed % 3]), **LOSSES[name]).passed, seed


def exact(net: nn.Sequential, text: str) -> tuple[float, NDArray[np.float64]]:
    """∫ L dx and its gradient at 50 digits, by `verify.deep`."""
    first, last = net[0], net[2]
    numbers = [p.detach().numpy() for p in (first.weight, first.bias, last.weight)]
    same = DeepNetwork([numbers[0]], [numbers[1]], numbers[2], last.bias.item())
    found = deep_gradient(Density(text), same, digits=50)
    total = found.total
    pairs = [(total.hidden_weights[0], total.hidden_biases[0]), (total.output_weights, [total.output_bias])]
    rows = [np.asarray(part, dtype=float).ravel() for pair in pairs for part in pair]
    return float(found.energy), np.concatenate(rows)


def test_the_gradient_of_a_rayleigh_quotient_is_the_quotient_rule_of_exact_ones() -> None:
    net = kinked()
    (a, by_a), (b, by_b) = exact(net, "du**2/2"), exact(net, "u**2")
    wanted = by_a / b - a / b**2 * by_b
    found = audit(net, **LOSSES["Rayleigh quotient"])
    # Float64: some roundings of what is summed up.
    np.testing.assert_allclose(found.bulk + found.dirac, wanted, rtol=0, atol=1e-12 * np.linalg.norm(wanted))
    assert found.energy == pytest.approx(a / b, rel=1e-13)
    values, weights = ([getattr(i, n) for i in found.integrals] for n in ("value", "weight"))
    np.testing.assert_allclose(values, [a, b], rtol=1e-13)
    np.testing.assert_allclose(weights, [1 / b, -a / b**2], rtol=1e-13)
    # Of ∫ u² nothing jumps: that autodiff is right about, and about the quotient it is not.
    assert [i.verdict for i in found.integrals] == ["inconsistent", "consistent"]
    assert found.verdict == "inconsistent"
    assert "integrals[0] = integrals[0] + dirac_term(stretching, model, (0, 1))" in found.remedy
    assert "integrals[1]" not in found.remedy


def test_data_at_points_moves_nothing_and_its_gradient_is_autograds() -> None:
    net = kinked()
    plain = audit(net, density)
    found = audit(net, density, terms=[(misfit, PLACES)])
    u = net(torch.tensor(PLACES, dtype=torch.float64)[:, None])[:, 0]
    ((u - SEEN) ** 2).mean().backward()
    wanted = torch.cat([p.grad.reshape(-1) for p in net.parameters() if p.grad is not None]).numpy()
    np.testing.assert_allclose(found.bulk - plain.bulk, wanted, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.dirac, plain.dirac, rtol=0, atol=1e-12)
    assert found.integrals[1].verdict == "exact"


def test_a_loss_with_the_term_added_to_each_integral_is_consistent() -> None:
    def loss(u: Callable[[Tensor], Tensor], n: int) -> Tensor:
        x = ((torch.arange(n, dtype=torch.float64) + 0.5) / n).requires_grad_()
        value = u(x[:, None])[:, 0]
        (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        sums = [f(x, value, slope).mean() + dirac_term(f, u, (0, 1)) for f in (stretching, mass)]
        return sums[0] / sums[1]

    found = audit(kinked(), **LOSSES["Rayleigh quotient"], loss=loss)
    assert found.verdict == "consistent"
    # Which sum inside the loss is which cannot be seen.
    assert {i.verdict for i in found.integrals} == {"none"}


def test_a_kink_on_a_point_of_the_data_has_no_derivative_and_is_judged_beside() -> None:
    net = kinked()
    place = float((-net[0].bias[2] / net[0].weight[2, 0]).detach())
    found = audit(net, density, terms=[(mass, place)])
    assert any(f"on the point x = {place:g} of a term" in n for n in found.notes)


def test_a_trainable_tensor_that_two_densities_share_is_one_parameter() -> None:
    stiffness = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    found = audit(
        kinked(), lambda x, u, du: stiffness * du**2 / 2, terms=[(lambda x, u, du: stiffness * u, None)],
        loss_of=lambda a, b: a - b**2,
    )  # fmt: skip
    assert [t.name for t in found.tensors][-1] == "stiffness"
    assert found.routes_agree
    assert found.verdict == "inconsistent"


def test_derivatives_of_the_function_by_differences_are_those_by_autograd() -> None:
    terms = tuple(Term(t.density) for t in stated(mass, [(volume, None)], None, (0.0, 1.0)).terms)
    values = [torch.tensor(0.7, dtype=torch.float64), torch.tensor(-0.2, dtype=torch.float64)]
    for function in (lambda a, b: torch.log(a) * b, lambda a, b: (a - b) ** 2 / a, lambda a, b: torch.sqrt(a) + b**3):
        composed = Composition(terms, function)
        by_autograd = composed.weights(values)
        # Rounding over a step of 3·10⁻³, and its fourth power.
        np.testing.assert_allclose(composed.weights_by_differences(values, [0.7, 0.2]), by_autograd, rtol=1e-11)
    # Rounding of 1 + a, not of a, is what differences meet here.
    tiny = [torch.tensor(v, dtype=torch.float64) for v in (1e-7, 1.0)]
    composed = Composition(terms, lambda a, b: torch.log(1 + a) + b)
    np.testing.assert_allclose(composed.weights_by_differences(tiny, [1e-7, 1.0]), composed.weights(tiny), rtol=1e-11)


def test_a_function_whose_derivative_is_cut_off_in_part_leaves_no_verdict() -> None:
    found = audit(kinked(), stretching, terms=[(mass, None)], loss_of=lambda a, b: a / b.detach())
    # The energy's differences know better than autograd's weights.
    assert found.verdict == "none"
    assert not found.routes_agree


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"terms": mass}, "^terms: function is no list"),
        ({"terms": [mass]}, "^terms: number 0 is no density with a piece"),
        ({"terms": [(mass, "left")]}, "^terms: number 0 has the piece 'left'"),
        ({"terms": [(mass, 1.5)]}, r"^terms: the piece of number 0 has x = 1.5, outside the domain \(0.0, 1.0\)"),
        ({"terms": [(mass, [])]}, "^terms: the piece of number 0 has no x"),
        ({"terms": [(mass, (0.7, 0.2))]}, "^terms: the piece .* is no interval; ascending"),
        ({"density": None, "terms": [(mass, 0.5)]}, "^terms: nothing is integrated"),
        ({"loss_of": 3}, "^loss_of: int cannot be called"),
        ({"loss_of": lambda a, b: a}, "^loss_of: it raises TypeError.*one number of 1 would be right"),
        ({"loss_of": lambda a: torch.stack([a, a])}, r"^loss_of: it returns shape \(2,\)"),
        ({"loss_of": lambda a: a.detach()}, "^loss_of: as autograd sees it, it does not depend"),
        ({"loss_of": lambda a: torch.log(-a)}, "^loss_of: of the integrals .* it makes nan"),
        ({"density": None}, "^density: NoneType cannot be called"),
        ({"terms": [(lambda x, u, du: (u**2).mean(), None)]}, r"^density: it returns shape \(\) for 7 points"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        audit(kinked(), **({"density": stretching} | options))
