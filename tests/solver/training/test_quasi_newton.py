from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.gradients import Objective, autodiff, objective
from kinkproof.solver.training.quasi_newton import QuasiNewton
from kinkproof.verify import problems


def minimise(
    followed: Objective, theta: torch.Tensor, steps: int
) -> tuple[torch.Tensor, list[torch.Tensor], dict[int, str]]:
    optimiser = QuasiNewton(followed, theta)
    active, energies, ends = torch.ones(len(theta), dtype=torch.bool), [optimiser.energy], {}
    for _ in range(steps):
        theta, energy, _, ended = optimiser.step(theta, active)
        energies.append(energy)
        ends |= ended
        active = active & torch.tensor([k not in ends for k in range(len(theta))])
    return theta, energies, ends


def rosenbrock(scale: torch.Tensor) -> Objective:
    def energy(theta: torch.Tensor) -> torch.Tensor:
        return scale[: len(theta)] * (100 * (theta[:, 1] - theta[:, 0] ** 2) ** 2 + (1 - theta[:, 0]) ** 2)

    return Objective("rosenbrock", energy, autodiff(energy))


def test_each_network_of_a_batch_reaches_its_own_minimum() -> None:
    scale = torch.tensor([1.0, 1e3, 1e-3], dtype=torch.float64)
    start = torch.tensor([[-1.2, 1.0], [0.0, 0.0], [3.0, -4.0]], dtype=torch.float64)
    found, energies, _ = minimise(rosenbrock(scale), start, 80)
    # Superlinear at the end: some 40 iterations reach rounding of the energy, √1e-16 in the parameters.
    np.testing.assert_allclose(found, 1, atol=1e-7)
    assert all(bool((after <= before).all()) for before, after in pairwise(energies))


def test_a_network_moves_as_it_would_alone_and_not_when_it_is_to_rest() -> None:
    scale = torch.ones(2, dtype=torch.float64)
    start = torch.tensor([[-1.2, 1.0], [3.0, -4.0]], dtype=torch.float64)
    together = minimise(rosenbrock(scale), start, 15)[0]
    alone = minimise(rosenbrock(scale), start[:1], 15)[0]
    torch.testing.assert_close(together[:1], alone, rtol=1e-12, atol=1e-12)
    optimiser = QuasiNewton(rosenbrock(scale), start)
    moved = optimiser.step(start, torch.tensor([True, False]))[0]
    assert torch.equal(moved[1], start[1])
    assert not torch.equal(moved[0], start[0])


def test_a_gradient_that_points_uphill_ends_with_a_sentence() -> None:
    honest = rosenbrock(torch.ones(1, dtype=torch.float64))
    wrong = Objective("wrong", honest.energy, lambda t: (honest.gradient(t)[0], -honest.gradient(t)[1]))
    start = torch.tensor([[-1.2, 1.0]], dtype=torch.float64)
    found, _, ends = minimise(wrong, start, 3)
    assert torch.equal(found, start)
    assert ends == {0: "no step along the gradient lowers the energy"}


def test_with_the_exact_gradient_the_exact_energy_only_falls() -> None:
    architecture = Architecture.of(20, "relu")
    followed = objective(problems["sine-2"], architecture, "exact")
    _, energies, _ = minimise(followed, architecture.initial(range(4)), 100)
    history = torch.stack(energies)
    assert bool((history[1:] <= history[:-1]).all())
    assert bool((history[-1] < history[0] - 1).all())
