"""Nodes added up between the kinks: what torch's autograd makes of the same sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver import fit
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.gradients import objective
from kinkproof.solver.training.starts import initial_parameters
from kinkproof.verify import InputError, RitzProblem, problems

FAR = RitzProblem(source="sin(x)", distance="(x-1000)*(1001-x)", domain=(1000, 1001), name="far")


@pytest.mark.parametrize(
    ("name", "rule"),
    # A trapezoid has a node on the end where the source is infinite.
    [(n, r) for n in (*problems, "far") for r in ("midpoint", "trapezoid") if (n, r) != ("singular-load", "trapezoid")],
)
def test_energy_and_gradient_are_those_of_autograd(name: str, rule: str) -> None:
    problem = problems.get(name, FAR)
    for activation in ("relu", "leaky-relu"):
        architecture = Architecture.of(12, activation)
        theta = architecture.initial(range(6))
        if problem is FAR:
            theta[:, 12:24] -= 1000 * theta[:, :12]
        # A neuron without a slope, active or not, and one whose kink lies outside.
        theta[0, 0], theta[1, 1], theta[2, 2] = 0.0, 0.0, theta[2, 2] * 1e-3
        plain, summed = (
            objective(problem, architecture, g, rule=rule, points=200).gradient(theta)
            for g in ("autodiff", "autodiff-summed")
        )
        # Rounding of 200 terms; at x = 1000 of wx + b, which the sum has and what is told about the centre has not.
        near = 1e-13 if problem is not FAR else 1e-9
        assert float((plain[0] - summed[0]).abs().max() / plain[0].abs().max()) < near
        assert float((plain[1] - summed[1]).abs().max() / plain[1].abs().max()) < near


def test_the_dirac_terms_are_not_in_it() -> None:
    architecture = Architecture.of(12, "relu")
    theta = initial_parameters(problems["sine-2"], architecture, "even", (3,))
    summed = objective(problems["sine-2"], architecture, "autodiff-summed", points=100_000).gradient(theta)[1]
    bulk, exact = (objective(problems["sine-2"], architecture, g).gradient(theta)[1] for g in ("bulk", "exact"))
    # 10⁵ midpoints; at 10³ it is 6 %, at 10⁴ 0.5 %.
    assert float((summed - bulk).norm()) < 2e-3 * float((exact - bulk).norm())


def test_training_goes_the_same_way_at_first() -> None:
    ways = [fit(problems["sine-2"], 8, gradient=g, steps=40, seeds=[0, 1]) for g in ("autodiff", "autodiff-summed")]
    np.testing.assert_allclose(ways[0].parameters, ways[1].parameters, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"activation": "tanh"}, "no kinks"),
        ({"width": (3, 3)}, "closed form is that of one piecewise linear layer"),
        ({"energy": "strong"}, "that of the Ritz energy"),
        ({"rule": "uniform"}, "other ones at each step"),
    ],
)
def test_what_has_no_sums_is_refused(said: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        fit(problems["sine-2"], gradient="autodiff-summed", steps=2, **said)  # type: ignore[arg-type]


def test_planted_fault_one_node_too_many_is_seen() -> None:
    architecture = Architecture.of(12, "relu")
    theta = initial_parameters(problems["sine-2"], architecture, "even", (3,))
    plain, shifted = (
        objective(problems["sine-2"], architecture, g, points=n).gradient(theta)[1]
        for g, n in (("autodiff", 200), ("autodiff-summed", 201))
    )
    assert float((plain - shifted).abs().max() / plain.abs().max()) > 1e-6
    assert torch.isfinite(shifted).all()
