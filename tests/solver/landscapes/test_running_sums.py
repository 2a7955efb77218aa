"""Running sums against sums over every node, against the oracle, and against autograd through moving nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver.data.statement import mesh
from kinkproof.solver.landscapes.running_sums import NodeSums, RunningSums, exact_sums, grid_sums
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.conforming import conforming_energy
from kinkproof.solver.networks.energies import grid_energy
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, exact_energy, problems

from ..statements import ALL, FRONT, ROOT, ROOT_RIGHT, names

CPU = torch.device("cpu")
BROKEN = ["relu", "leaky-relu", "relu2"]
RULES = ["midpoint", "endpoint-mean", "trapezoid", "gauss-legendre"]


def difference(found: torch.Tensor, expected: torch.Tensor, size: torch.Tensor) -> float:
    return float(((found - expected).abs() / size).max())


@pytest.mark.parametrize("activation", BROKEN)
@pytest.mark.parametrize("problem", ALL, ids=names)
def test_the_grid_energy_is_the_sum_over_all_nodes(problem: RitzProblem, activation: str) -> None:
    architecture = Architecture.of(20, activation)
    theta = torch.cat([architecture.initial(range(30)), 30 * architecture.initial(range(30))])
    # The others have a node on the end where these sources are infinite.
    for rule in RULES[:1] if problem in (ROOT, ROOT_RIGHT, problems["singular-load"]) else RULES:
        nodes = mesh(problem, rule, 100, torch.float64, CPU)
        plain = grid_energy(problem, architecture, nodes)
        expected, found = plain(theta), grid_sums(problem, architecture, nodes)(theta)
        # Running sums add and subtract terms of the size of the whole energy with all neurons counted positive; steep
        # networks (×30) cancel most of it. 1e-16 of it times the some hundred additions.
        size = plain(theta.abs()).abs() + expected.abs()
        assert difference(found, expected, size) < 1e-13


@pytest.mark.parametrize("activation", BROKEN)
def test_a_node_on_a_kink_is_seen_as_max_of_0_and_0_has_it(activation: str) -> None:
    # Every kink on a node, or a rounding beside it: b = −w·x as it rounds.
    architecture = Architecture.of(20, activation)
    nodes = mesh(problems["natural"], "endpoint-mean", 40, torch.float64, CPU)
    generator = torch.Generator().manual_seed(4)
    w = (torch.rand(400, 20, generator=generator, dtype=torch.float64) - 0.5) * 10
    place = nodes.nodes[torch.randint(0, 40, (400, 20), generator=generator)]
    c = torch.rand(400, 20, generator=generator, dtype=torch.float64)
    theta = torch.cat([w, -w * place, c], -1)
    expected = grid_energy(problems["natural"], architecture, nodes)(theta)
    found = grid_sums(problems["natural"], architecture, nodes)(theta)
    # A node on the wrong side costs 1e-3 with ReLU, whose slope jumps; all terms of a neuron are positive here.
    assert difference(found, expected, 1 + expected.abs()) < 1e-12


def test_a_node_on_the_wrong_side_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_position(
        self: NodeSums, w: torch.Tensor, b: torch.Tensor, moved: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        count, order = torch.searchsorted(self.nodes, -b / w).sort(-1)
        return self.before[count], order

    monkeypatch.setattr(NodeSums, "marks", by_position)
    with pytest.raises(AssertionError):
        test_a_node_on_a_kink_is_seen_as_max_of_0_and_0_has_it("relu")


@pytest.mark.parametrize("activation", BROKEN)
@pytest.mark.parametrize("which", ["grid", "exact"])
@pytest.mark.parametrize("name", ["sine-2", "natural", "penalised-ends", "two-materials", "foundation"])
def test_neurons_without_a_kink_inside_count_as_they_should(name: str, which: str, activation: str) -> None:
    # w = 0 with b of either sign and 0, kinks left and right of the domain in both orientations, coincident ones.
    w, b = [0.0, 0.0, 0.0, 1.0, 1.0, -1.0, -1.0, 2.0, -2.0], [0.5, -0.5, 0.0, 0.3, -1.4, 1.3, -0.2, -1.0, 1.0]
    theta = torch.tensor([[*w, *b, 0.3, 0.4, 0.1, -0.5, 0.6, 0.7, -0.8, 0.9, 1.1]], dtype=torch.float64)
    problem, architecture = problems[name], Architecture.of(9, activation)
    if which == "grid":
        nodes = mesh(problem, "midpoint", 50, torch.float64, CPU)
        found, expected = grid_sums(problem, architecture, nodes), grid_energy(problem, architecture, nodes)(theta)
    else:
        found, expected = exact_sums(problem, architecture), conforming_energy(problem, architecture)(theta)
    torch.testing.assert_close(found(theta), expected, rtol=1e-12, atol=1e-12)


# The front's oracle takes SymPy half a dozen seconds; its sums are compared on the grid.
@pytest.mark.parametrize("problem", [p for p in ALL if p is not FRONT], ids=names)
def test_the_integral_is_the_oracles(problem: RitzProblem) -> None:
    network = ShallowNetwork.random(20, seed=5, batch=(50,))
    found = exact_sums(problem, Architecture.of(20, "relu"))(torch.tensor(network.ravel()))
    # Measured: 1e-12 of a source that is infinite at an end, 1e-14 else.
    np.testing.assert_allclose(found, np.asarray(exact_energy(problem, network)), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("activation", ["leaky-relu", "relu2"])
@pytest.mark.parametrize("name", problems)
def test_other_broken_activations_agree_with_gauss_points_between_the_kinks(name: str, activation: str) -> None:
    architecture = Architecture.of(20, activation)
    theta = architecture.initial(range(20))
    energy = conforming_energy(problems[name], architecture, order=32)
    # Two routes without a common step.
    torch.testing.assert_close(exact_sums(problems[name], architecture)(theta), energy(theta), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("activation", BROKEN)
def test_autograd_of_the_sums_is_that_of_the_grid_for_one_and_two_derivatives(activation: str) -> None:
    architecture = Architecture.of(6, activation)
    nodes = mesh(problems["natural"], "midpoint", 60, torch.float64, CPU)
    theta = architecture.initial([3])[0]
    pair = (grid_sums(problems["natural"], architecture, nodes), grid_energy(problems["natural"], architecture, nodes))
    for derivative in (torch.func.grad, torch.func.hessian):
        found, expected = (derivative(lambda v, e=e: e(v[None])[0])(theta) for e in pair)
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def test_the_cost_does_not_grow_with_the_nodes() -> None:
    def work(points: int) -> int:
        nodes = mesh(problems["sine-2"], "midpoint", points, torch.float64, CPU)
        energy: RunningSums = grid_sums(problems["sine-2"], Architecture.of(20, "relu"), nodes)
        assert isinstance(energy.sums, NodeSums)
        return energy.sums.marks(*torch.rand(3, 7, 20, dtype=torch.float64))[0].numel()

    assert work(50) == work(5000)


@pytest.mark.parametrize(("width", "activation"), [(5, "tanh"), ((3, 3), "relu")])
def test_networks_without_polynomials_are_refused(width: int | tuple[int, int], activation: str) -> None:
    with pytest.raises(InputError, match="one hidden layer with one of relu, leaky-relu, relu2 would be right"):
        exact_sums(problems["sine-2"], Architecture.of(width, activation))
