from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver.data.statement import mesh
from kinkproof.solver.networks import differences
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.differences import advise_step, central_differences
from kinkproof.solver.networks.energies import grid_energy
from kinkproof.verify import ShallowNetwork, exact_gradient, problems, quadrature_gradient

CPU = torch.device("cpu")


def one_by_one(energy, theta: torch.Tensor, step: torch.Tensor) -> torch.Tensor:  # type: ignore[no-untyped-def]
    """The definition, a network and a parameter at a time."""
    out = torch.empty_like(theta)
    for k in range(theta.shape[1]):
        move = torch.zeros_like(theta)
        move[:, k] = step
        out[:, k] = (energy(theta + move) - energy(theta - move)) / (2 * step)
    return out


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "relu2", "tanh"])
@pytest.mark.parametrize("name", ["sine-2", "penalised-ends", "natural"])
def test_neuron_by_neuron_is_the_definition(name: str, activation: str) -> None:
    architecture = Architecture.of(6, activation)
    energy = grid_energy(problems[name], architecture, mesh(problems[name], "midpoint", 40, torch.float64, CPU))
    theta, step = architecture.initial(range(3)), torch.tensor([1e-3, 1e-2, 1e-1], dtype=torch.float64)
    # Rounding of the energies, up to some hundred with the penalty, over 2ε.
    torch.testing.assert_close(
        central_differences(energy, theta, step), one_by_one(energy, theta, step), rtol=1e-9, atol=1e-9
    )


def test_deep_networks_in_chunks_are_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = Architecture.of((4, 3), "relu")
    energy = grid_energy(problems["sine-2"], architecture, mesh(problems["sine-2"], "midpoint", 30, torch.float64, CPU))
    theta, step = architecture.initial(range(2)), torch.tensor([1e-3, 1e-2], dtype=torch.float64)
    expected = one_by_one(energy, theta, step)
    torch.testing.assert_close(central_differences(energy, theta, step), expected, rtol=1e-11, atol=1e-11)
    # Room for one parameter at a time.
    monkeypatch.setattr(differences, "_CEILING", 1)
    torch.testing.assert_close(central_differences(energy, theta, step), expected, rtol=1e-11, atol=1e-11)


def test_the_advised_step_sees_the_kinks_and_a_small_one_does_not() -> None:
    problem, points = problems["sine-2"], 400
    nodes = mesh(problem, "midpoint", points, torch.float64, CPU)
    architecture = Architecture.of(20, "relu")
    # Larger output weights make the Dirac part a tenth of the gradient and more, as it is in training.
    network = ShallowNetwork.from_vector(ShallowNetwork.random(20, 1, (50,)).ravel() * np.repeat([1, 1, 20], 20))
    theta, oracle = torch.tensor(network.ravel()), exact_gradient(problem, network)
    energy = grid_energy(problem, architecture, nodes)
    advice = advise_step(problem, architecture, theta, nodes)

    def missed(step: torch.Tensor) -> float:
        found = (
            central_differences(energy, theta, step).numpy()
            - quadrature_gradient(problem, network, points=points).bulk.ravel()
        )
        dirac = oracle.dirac.ravel()
        return float(np.median(np.linalg.norm(found - dirac, axis=-1) / np.linalg.norm(dirac, axis=-1)))

    advised, small = missed(advice.step), missed(torch.full_like(advice.step, 1e-7))
    # A step far below the spacing is autodiff's gradient: it misses the whole Dirac part.
    assert small > 0.9
    assert advised < small / 2
    assert float(advice.noise.median()) == pytest.approx(0.15, rel=1e-6)


def test_the_advice_scales_with_spacing_and_weights_and_survives_nil() -> None:
    architecture = Architecture.of(20, "relu")
    theta = architecture.initial(range(3))
    heavy = theta.clone()
    heavy[:, :20] *= 10
    coarse, fine = (mesh(problems["sine-2"], "midpoint", n, torch.float64, CPU) for n in (200, 2000))
    advice = advise_step(problems["sine-2"], architecture, theta, coarse)
    torch.testing.assert_close(advise_step(problems["sine-2"], architecture, heavy, coarse).step, 10 * advice.step)
    torch.testing.assert_close(advise_step(problems["sine-2"], architecture, theta, fine).step, advice.step / 10)
    assert "times the grid spacing" in str(advice)
    nil = advise_step(problems["sine-2"], architecture, torch.zeros_like(theta), coarse)
    assert bool((nil.step > 0).all())
