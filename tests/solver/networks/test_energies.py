from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver.data.statement import data, mesh
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.energies import grid_energy, strong_energy
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, problems, quadrature_gradient

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (name, rule)
        for name in problems
        for rule in ("midpoint", "endpoint-mean", "trapezoid", "gauss-legendre")
        # These have a node on the end where the source is infinite.
        if name != "singular-load" or rule in ("midpoint", "gauss-legendre")
    ],
)
def test_the_grid_energy_is_verifys(name: str, rule: str) -> None:
    problem, network = problems[name], ShallowNetwork.random(8, seed=4, batch=(5,))
    nodes = mesh(problem, rule, 50, torch.float64, CPU)
    energy = grid_energy(problem, Architecture.of(8, "relu"), nodes)(torch.tensor(network.ravel()))
    expected = quadrature_gradient(problem, network, rule=rule, points=50).energy
    # Two orders of summation of 50 terms.
    np.testing.assert_allclose(energy, expected, rtol=1e-12, atol=1e-12)


def test_data_are_the_problems_on_every_piece() -> None:
    problem = RitzProblem(coefficient="Piecewise((sec(x), x < 1/2), (cot(x) + csc(x), True))", source="1")
    x = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    expected = [1 / np.cos(0.25), *(1 / np.tan(v) + 1 / np.sin(v) for v in (0.5, 0.75))]
    np.testing.assert_allclose(data(problem, "coefficient")(x), expected, rtol=1e-15)


def test_a_branch_that_is_no_number_elsewhere_leaves_the_gradient_alone() -> None:
    problem = RitzProblem(coefficient="Piecewise((1, x < 1/2), (1 + sqrt(x - 1/2), True))", source="1")
    x = torch.tensor([0.2, 0.7], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(data(problem, "coefficient")(x).sum(), x)
    np.testing.assert_allclose(slope, [0, 0.5 / np.sqrt(0.2)], rtol=1e-14)


def test_a_node_where_the_source_is_infinite_is_refused() -> None:
    problem = RitzProblem(source="x**(-1.2)", distance="x*(1-x)")
    with pytest.raises(InputError, match="not finite; midpoint would be right"):
        mesh(problem, "trapezoid", 10, torch.float64, CPU)


def test_the_strong_form_vanishes_at_the_solution_and_counts_its_residual() -> None:
    # u = sin x on (0, π) is one neuron; its residual for another source is the difference of the two.
    problem = RitzProblem(source="sin(x) + 2", domain=(0, "pi"), distance="1", essential={0: 0}, fluxes={"pi": -1})
    architecture = Architecture.of(1, "sin")
    nodes = mesh(problem, "gauss-legendre", 100, torch.float64, CPU)
    energy = strong_energy(problem, architecture, nodes)
    solution = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    assert float(energy(solution)) == pytest.approx(4 * np.pi, rel=1e-12)
    # Moved: u(0) = sin 0.3, flux cos(π + 0.3), each with half the penalty.
    moved = torch.tensor([[1.0, 0.3, 1.0]], dtype=torch.float64)
    x, w = nodes.nodes.numpy(), nodes.weights.numpy()
    inside = ((np.sin(x) + 2 - np.sin(x + 0.3)) ** 2 * w).sum()
    ends = 250 * (np.sin(0.3) ** 2 + (np.cos(np.pi + 0.3) + 1) ** 2)
    assert float(energy(moved)) == pytest.approx(inside + ends, rel=1e-12)


def test_the_strong_form_says_where_it_is_meaningless() -> None:
    nodes = mesh(problems["sine-2"], "midpoint", 20, torch.float64, CPU)
    with pytest.warns(UserWarning, match="vanishes almost everywhere"):
        energy = strong_energy(problems["sine-2"], Architecture.of(3, "relu"), nodes)
    # D = x(1 − x) bends, so that the paper's remark holds only for D = 1: there the loss is ∫f² at any kinks.
    assert float(energy(torch.zeros(1, 9, dtype=torch.float64))) > 0
    with pytest.raises(InputError, match="flux jump at x = 1/2"):
        strong_energy(problems["two-materials"], Architecture.of(3, "tanh"), nodes)


def test_a_point_load_is_refused_where_it_cannot_be_seen() -> None:
    grid = mesh(problems["point-load"], "midpoint", 50, torch.float64, CPU)
    with pytest.raises(InputError, match="point load at x = 1/3"):
        strong_energy(problems["point-load"], Architecture.of(4, "tanh"), grid)


def test_with_no_distance_function_the_strong_form_of_relu_is_the_same_for_any_network() -> None:
    problem = RitzProblem(source="1", distance="1", essential={0: 0}, fluxes={1: 0}, penalty="1/10**9")
    nodes = mesh(problem, "midpoint", 20, torch.float64, CPU)
    architecture = Architecture.of(5, "relu")
    with pytest.warns(UserWarning, match="relu"):
        energy = strong_energy(problem, architecture, nodes)
    # The penalty is next to nothing here: what is left is ∫f².
    np.testing.assert_allclose(energy(architecture.initial(range(4))), 1, atol=1e-7)
