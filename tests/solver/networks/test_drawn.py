"""Points drawn anew: estimates of the energy, and of autodiff's gradient at n = ∞, not of the exact one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import fit, regress
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.drawn import ADAPTIVE, DRAWN, AdaptiveEnergy, DrawnEnergy
from kinkproof.solver.networks.gradients import autodiff, objective
from kinkproof.solver.training.observation import Observation
from kinkproof.solver.training.starts import initial_parameters
from kinkproof.verify import InputError, problems

NETWORKS = Architecture.of(6, "relu")
PROBLEM = problems["variable-coefficient"]


@pytest.mark.parametrize("rule", DRAWN)
def test_means_over_draws_are_the_integral_and_the_bulk_gradient(rule: str) -> None:
    theta = NETWORKS.initial([3])
    # Draws differ with the last bits of the parameters alone.
    many = theta * (1 + 1e-12 * torch.arange(400, dtype=torch.float64)[:, None])
    values, gradients = autodiff(DrawnEnergy(PROBLEM, NETWORKS, rule, 50))(many)
    bulk = objective(PROBLEM, NETWORKS, "bulk").gradient(theta)
    for found, true in ((values[:, None], bulk[0][:, None]), (gradients, bulk[1])):
        deviation = found.std(0) / 400**0.5
        # Five standard errors, for 19 numbers: exceeded by chance once in 10⁵ runs; rounding where nothing varies.
        assert ((found.mean(0) - true[0]).abs() <= 5 * deviation + 1e-9).all()


def test_even_points_tell_autodiffs_gradient_from_the_exact_one() -> None:
    # Near the solution, where the Dirac terms are most of the gradient.
    theta = torch.as_tensor(regress(PROBLEM, 6, steps=20, seeds=[0]).parameters)
    many = theta * (1 + 1e-12 * torch.arange(100, dtype=torch.float64)[:, None])
    bulk, exact = (objective(PROBLEM, NETWORKS, g).gradient(theta)[1][0] for g in ("bulk", "exact"))
    for rule in ("stratified", "quasi-random"):
        mean = autodiff(DrawnEnergy(PROBLEM, NETWORKS, rule, 400))(many)[1].mean(0)
        # The draws leave some percent.
        assert (mean - bulk).norm() < 0.1 * (exact - bulk).norm()


def test_points_lie_as_their_rule_says_and_are_each_networks_own() -> None:
    theta = NETWORKS.initial(range(3))
    for rule in DRAWN:
        x = DrawnEnergy(PROBLEM, NETWORKS, rule, 40).draw(theta)
        assert x.shape == (3, 40)
        assert bool(((x >= 0) & (x <= 1)).all())
        # Alone as in a batch, and others for other parameters.
        assert torch.equal(DrawnEnergy(PROBLEM, NETWORKS, rule, 40).draw(theta[1:2]), x[1:2])
        assert not torch.equal(x[0], x[1])
    cells = (DrawnEnergy(PROBLEM, NETWORKS, "stratified", 40).draw(theta) * 40).floor()
    assert torch.equal(cells, torch.arange(40.0, dtype=torch.float64).expand(3, 40))
    even = np.diff(np.sort(DrawnEnergy(PROBLEM, NETWORKS, "quasi-random", 40).draw(theta)[0].numpy()))
    # Three distances theorem: at most three lengths, none above φ times the next.
    assert even.max() < 3 / 40


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_run_on_drawn_points_goes_on_bit_for_bit(optimizer: str, tmp_path: Path) -> None:
    said: dict[str, Any] = {"rule": "uniform", "optimizer": optimizer, "seeds": range(2), "points": 30, "steps": 20}
    whole = fit(PROBLEM, 5, **said, record=10)

    def interrupt(seen: Observation) -> None:
        if seen.step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(PROBLEM, 5, **said, record=10, callbacks=[interrupt], checkpoint=tmp_path / "c.npz", checkpoint_every=5)
    resumed = fit(PROBLEM, 5, **said, record=10, checkpoint=tmp_path / "c.npz", checkpoint_every=5, resume=True)
    assert np.array_equal(resumed.parameters, whole.parameters)


def test_gradient_descent_steps_along_the_gradient() -> None:
    theta = NETWORKS.initial([0])
    gradient = objective(PROBLEM, NETWORKS, "exact").gradient(theta)[1]
    run = fit(PROBLEM, 6, gradient="exact", optimizer="sgd", learning_rate=0.01, steps=1, seeds=[0])
    assert np.allclose(run.parameters, (theta - 0.01 * gradient).numpy(), rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"optimizer": "lbfgs"}, "'lbfgs' compares energies"),
        ({"gradient": "finite-difference"}, "are other ones at each step, for autodiff"),
        ({"energy": "strong"}, "other ones at each step"),
        ({"points": 0}, "points: 0 are none"),
    ],
)
def test_what_needs_points_that_stay_is_refused(said: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        fit(PROBLEM, 5, rule="uniform", steps=2, **said)


def test_adaptive_cells_cover_the_domain_and_differ_in_length() -> None:
    theta = initial_parameters(PROBLEM, NETWORKS, "even", (0, 1, 2, 3))
    adaptive = AdaptiveEnergy(PROBLEM, NETWORKS, ADAPTIVE, 200)
    x, weights = adaptive.rule_for(theta)
    assert x.shape == weights.shape == (4, 200)
    order = x.argsort(-1)
    ascending, lengths = x.gather(-1, order), weights.gather(-1, order)
    # Cell by cell without a gap: powers of two of a hundredth add up with a few roundings.
    edges = torch.cat([torch.zeros(4, 1, dtype=torch.float64), lengths.cumsum(-1)], -1)
    torch.testing.assert_close(ascending, (edges[:, 1:] + edges[:, :-1]) / 2, rtol=0, atol=1e-13)
    assert float(lengths.min()) < 1 / 200 < float(lengths.max())


def test_adaptive_cells_integrate_better_than_equal_ones() -> None:
    theta = initial_parameters(PROBLEM, NETWORKS, "even", tuple(range(16)))
    exact = objective(PROBLEM, NETWORKS, "bulk").energy(theta)
    equal, adaptive = (objective(PROBLEM, NETWORKS, rule=r, points=2000).energy(theta) for r in ("midpoint", ADAPTIVE))
    # Measured: a fifth, in the median; where no kink is near a node's cell's edge equal cells are good by luck.
    assert float((adaptive - exact).abs().median()) < float((equal - exact).abs().median()) / 2


def test_adaptive_cells_do_not_bring_the_dirac_terms() -> None:
    theta = torch.as_tensor(regress(PROBLEM, 6, steps=20, seeds=[0]).parameters)
    bulk, exact = (objective(PROBLEM, NETWORKS, g).gradient(theta)[1] for g in ("bulk", "exact"))
    found = objective(PROBLEM, NETWORKS, rule=ADAPTIVE, points=400).gradient(theta)[1]
    # Midpoints of 400 cells leave some percent.
    assert float((found - bulk).norm()) < 0.1 * float((exact - bulk).norm())
