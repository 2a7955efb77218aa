from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.gradients import GRADIENTS, dirac_terms, exact_energy, objective
from kinkproof.verify import InputError, ShallowNetwork, exact_gradient, problems, quadrature_gradient
from kinkproof.verify import exact_energy as oracle_energy

RELU = Architecture.of(20, "relu")
NETWORK = ShallowNetwork.random(20, seed=8, batch=(10,))
THETA = torch.tensor(NETWORK.ravel())


@pytest.mark.parametrize("rule", ["midpoint", "trapezoid", "gauss-legendre"])
@pytest.mark.parametrize(
    "name",
    [
        "sine-2",
        "two-materials",
        "natural",
        "penalised-ends",
        "robin",
        "point-load",
        "foundation",
        "periodic",
        "variable-coefficient",
    ],
)
@pytest.mark.parametrize(
    ("gradient", "delta"), [("autodiff", None), ("dirac-nearest", "nearest"), ("dirac-mean", "mean")]
)
def test_on_a_grid_every_gradient_is_verifys(name: str, rule: str, gradient: str, delta: str | None) -> None:
    found = objective(problems[name], RELU, gradient, rule=rule, points=100).gradient(THETA)[1]
    expected = quadrature_gradient(problems[name], NETWORK, rule=rule, points=100, delta=delta).total.ravel()
    # Sums of a hundred terms in another order; with the penalty they reach some hundred.
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


def test_the_mean_converges_to_the_oracle_under_refinement_and_autodiff_does_not() -> None:
    problem = problems["sine-2"]
    oracle = exact_gradient(problem, NETWORK).total.ravel()

    def errors(gradient: str) -> list[float]:
        out = []
        for points in (100, 1000, 10_000):
            found = objective(problem, RELU, gradient, points=points).gradient(THETA)[1].numpy()
            out.append(float(np.median(np.linalg.norm(found - oracle, axis=1) / np.linalg.norm(oracle, axis=1))))
        return out

    mean, autodiff = errors("dirac-mean"), errors("autodiff")
    # Order one: a kink lies anywhere between two nodes. Measured: 2e-3, 2e-4, 2e-5, against 3e-3 throughout.
    assert mean[1] < mean[0] / 4
    assert mean[2] < mean[1] / 4
    assert mean[2] < 1e-4
    assert autodiff[2] > autodiff[0] / 3
    assert autodiff[2] > 1e-3


def test_what_autodiff_misses_is_the_oracles_dirac_part() -> None:
    terms = dirac_terms(problems["two-materials"], RELU, THETA, None)
    np.testing.assert_allclose(terms, exact_gradient(problems["two-materials"], NETWORK).dirac.ravel(), atol=1e-14)


@pytest.mark.parametrize(
    "name",
    [
        "sine-2",
        "two-materials",
        "natural",
        "penalised-ends",
        "robin",
        "point-load",
        "foundation",
        "periodic",
        "variable-coefficient",
    ],
)
def test_bulk_is_the_oracles_bulk_and_where_autodiff_tends_to(name: str) -> None:
    problem = problems[name]
    value, found = objective(problem, RELU, "bulk").gradient(THETA)
    np.testing.assert_allclose(found, exact_gradient(problem, NETWORK).bulk.ravel(), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(value, objective(problem, RELU, "exact").gradient(THETA)[0], rtol=1e-14)
    errors = [
        float((objective(problem, RELU, points=n).gradient(THETA)[1] - found).norm(dim=1).median())
        for n in (100, 10_000)
    ]
    # Order one: a kink lies anywhere between two nodes.
    assert errors[1] < errors[0] / 30


def test_bulk_of_two_layers_is_where_autodiff_tends_to() -> None:
    deep = Architecture.of((6, 6), "relu")
    theta = deep.initial(range(4))
    found = objective(problems["sine-2"], deep, "bulk").gradient(theta)[1]
    fine = objective(problems["sine-2"], deep, points=20_000).gradient(theta)[1]
    exact = objective(problems["sine-2"], deep, "exact").gradient(theta)[1]
    # Twenty thousand nodes, order one: measured 50 times nearer to the bulk than the exact gradient is.
    assert (fine - found).norm() < (exact - found).norm() / 10


def test_the_conforming_rule_makes_autodiff_exact() -> None:
    found = objective(problems["sine-2"], RELU, rule="conforming", points=500).gradient(THETA)[1]
    np.testing.assert_allclose(found, exact_gradient(problems["sine-2"], NETWORK).total.ravel(), rtol=0, atol=1e-11)


def test_exact_energies_do_not_depend_on_the_grid() -> None:
    for name in ("sine-2", "penalised-ends"):
        found = exact_energy(problems[name], RELU).energy(THETA)
        np.testing.assert_allclose(found, oracle_energy(problems[name], NETWORK), rtol=1e-12)
    smooth = Architecture.of(20, "tanh")
    grid = objective(problems["sine-2"], smooth, rule="gauss-legendre", points=5000).energy(THETA)
    torch.testing.assert_close(exact_energy(problems["sine-2"], smooth).energy(THETA), grid, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_one_network_gets_the_same_gradient_in_any_company(gradient: str) -> None:
    followed = objective(problems["sine-2"], RELU, gradient)
    together, alone = followed.gradient(THETA), followed.gradient(THETA[3:4])
    torch.testing.assert_close(together[1][3:4], alone[1], rtol=1e-11, atol=1e-11)
    assert not together[1].requires_grad


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gradient": "backprop"}, "one of autodiff, finite-difference, dirac-nearest, dirac-mean, exact"),
        ({"energy": "weak"}, "one of ritz, strong"),
        ({"rule": "simpson"}, "simpson"),
        ({"points": 0}, "points: 0"),
        ({"gradient": "exact", "activation": "tanh"}, "no kinks, and 'exact' nothing to add to autodiff"),
        ({"gradient": "dirac-mean", "activation": "relu2"}, "'autodiff' would be right"),
        ({"gradient": "exact", "energy": "strong"}, "that of the Ritz energy"),
        ({"gradient": "dirac-mean", "width": (3, 3)}, "derived for one hidden layer"),
        ({"gradient": "dirac-mean", "rule": "conforming"}, "is not needed"),
        ({"energy": "strong", "rule": "conforming", "activation": "tanh"}, "'midpoint' would be right"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, object], named: str) -> None:
    arguments = {"width": 4, "activation": "relu", "gradient": "autodiff", **changes}
    architecture = Architecture.of(arguments.pop("width"), arguments.pop("activation"))  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        objective(problems["sine-2"], architecture, **arguments)  # type: ignore[arg-type]
    assert named in str(caught.value)
