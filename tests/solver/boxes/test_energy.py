from __future__ import annotations

import numpy as np
import pytest
import sympy
import torch
from kinkproof.solver import fit_box
from kinkproof.solver.boxes.energy import BoxObjective, Member, field_and_gradient, sampled_energy
from kinkproof.solver.boxes.measure import Meter
from kinkproof.solver.boxes.points import SAMPLINGS, points_of
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.verify import BoxProblem, RitzProblem, ShallowNetwork, box_problems, exact_energy, exact_gradient

LINE = box_problems["sine-line"]
# The same for `verify`, which shares no code with boxes.
ORACLE = RitzProblem(source="pi**2*sin(pi*x)", distance="4*x*(1-x)", solution="sin(pi*x)")


def objective(name: str, architecture: Architecture, gradient: str = "exact", points: int = 1) -> BoxObjective:
    sampling = "grid" if points > 1 else "anew"
    return BoxObjective(box_problems[name], architecture, gradient, points, sampling, None, range(3), torch.float64)


def test_in_one_input_energy_and_gradient_are_those_of_the_oracle() -> None:
    architecture = Architecture.of(12, "relu", 1)
    theta = architecture.initial(range(3))
    network = ShallowNetwork.from_vector(theta.numpy())
    wanted = exact_gradient(ORACLE, network)
    followed = objective("sine-line", architecture)
    term = followed.term(theta, None, followed.generators).numpy()
    size = np.abs(wanted.total.ravel()).max()
    # The term draws nothing in one input; rounding, and what is smooth within a step of it, are left.
    np.testing.assert_allclose(term, wanted.dirac.ravel(), atol=1e-9 * size)
    assert np.abs(wanted.dirac.ravel()).max() > 1e-3 * size
    fine = objective("sine-line", architecture, points=100_001)
    energy, gradient = fine.gradient(theta)
    # Midpoints lose h in the pieces that kinks cut in two: 1e-5 of a gradient of this size.
    np.testing.assert_allclose(gradient.numpy(), wanted.total.ravel(), atol=1e-4 * size)
    np.testing.assert_allclose(energy.numpy(), exact_energy(ORACLE, network), rtol=1e-6)
    without = objective("sine-line", architecture, "autodiff", points=100_001).gradient(theta)[1].numpy()
    assert np.abs(without - wanted.total.ravel()).max() > 1e-3 * size


def test_in_one_input_the_meter_agrees_with_the_oracle_within_its_error() -> None:
    architecture = Architecture.of(12, "relu", 1)
    theta = architecture.initial(range(3))
    found = Meter(LINE, architecture, range(3)).measure(theta)
    wanted = exact_energy(ORACLE, ShallowNetwork.from_vector(theta.numpy()))
    assert (found.energy_error < 1e-4 * np.abs(wanted)).all()
    # Eight scramblings give the error itself to a quarter: six of them are far out.
    assert (np.abs(found.energy - wanted) < 6 * found.energy_error + 1e-12).all()
    gap = wanted - ORACLE.minimum_energy()
    # κ = 1: the gap is half of ‖∇(û − u)‖², and ‖∇u‖² is π²/2.
    np.testing.assert_allclose(found.gradient_error, np.sqrt(2 * gap / (np.pi**2 / 2)), rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "width"), [("two-material-plate", 9), ("peak-cube", (7, 5)), ("sine-line", (4, 3)), ("l-shape", 6)]
)
@pytest.mark.parametrize("activation", ["relu", "leaky-relu"])
def test_batch_and_module_are_the_same_networks(name: str, width: int | tuple[int, ...], activation: str) -> None:
    problem = box_problems[name]
    architecture = Architecture.of(width, activation, problem.inputs)
    theta = architecture.initial(range(3))
    followed = objective(name, architecture)
    followed.gradient(theta)
    x = torch.rand(20, problem.inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    u, du = field_and_gradient(architecture, problem, theta, x)
    for k, member in enumerate(followed.members):
        leaf = x.clone().requires_grad_()
        value = member(leaf)[:, 0]
        (slope,) = torch.autograd.grad(value.sum(), leaf)
        torch.testing.assert_close(value, u[k], rtol=0, atol=1e-13)
        torch.testing.assert_close(slope, du[k], rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("sine-square", 12),
        ("sine-square", (16, 12)),
        ("peak-cube", 12),
        ("l-shape", 12),
        pytest.param("elastic-square", (8, 8), marks=pytest.mark.long),
    ],
)
def test_with_the_term_the_gradient_is_the_slope_of_the_measured_energy(
    name: str, width: int | tuple[int, ...]
) -> None:
    run = fit_box(box_problems[name], width, gradient="exact", steps=150, seeds=range(3), learning_rate=1e-2)
    problem, architecture = run.problem, run.architecture
    theta = torch.as_tensor(run.parameters)
    followed = objective(name, architecture)
    drawing = [torch.Generator().manual_seed(k) for k in range(3)]
    term = followed.term(theta, 500 * problem.inputs, drawing)
    # A network whose last layer is dead has no kinks that carry anything.
    alive = (term.norm(dim=1) > 0).numpy()
    assert alive.sum() >= 2
    along = term / term.norm(dim=1, keepdim=True).clamp(min=1e-300)
    meter = Meter(problem, architecture, range(3))
    # Kinks move by some hundredths: many points lie between.
    step = 0.01
    ahead, behind = (meter.measure(theta + sign * step * along).energy for sign in (1, -1))
    slope = (ahead - behind) / (2 * step)
    bulk = objective(name, architecture, "autodiff", points=100_000).gradient(theta)[1]
    size = term.norm(dim=1).numpy()
    whole, alone = (np.asarray((g * along).sum(1)) for g in (bulk + term, bulk))
    # Truncation of the difference, lines and points: measured 0.03 to 5 % of the term, all of which is missing without.
    assert (np.abs(whole - slope) < 0.15 * size)[alive].all()
    assert (np.abs(alone - slope) > 0.8 * size)[alive].all()


def test_of_an_elastic_body_batch_module_and_energy_are_what_is_written_out_by_hand() -> None:
    problem = BoxProblem(solution=("sin(pi*x)*sin(pi*y)", "x*(1-x)*sin(2*pi*y)"), lame=("3/2", "1/2"))
    architecture = Architecture.of(7, "relu", 2)
    run = fit_box(problem, 7, steps=1, seeds=range(2))
    theta = torch.as_tensor(run.parameters)
    assert theta.shape == (2, architecture.parameters + 7)
    x = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    energies = sampled_energy(architecture, problem, theta, x)
    for row, energy in zip(theta, energies, strict=True):
        leaf = x.clone().requires_grad_()
        u = Member(architecture, problem, row)(leaf)
        (a, b), (c, d) = (torch.autograd.grad(v.sum(), leaf, retain_graph=True)[0].unbind(1) for v in u.unbind(1))
        stored = 1.5 / 2 * (a + d) ** 2 + 0.5 * (a**2 + d**2 + (b + c) ** 2 / 2)
        load = sum(
            torch.as_tensor(np.asarray(sympy.lambdify(problem.coordinates, f)(*x.T.numpy()))) * v
            for f, v in zip(problem.source, u.unbind(1), strict=True)
        )
        assert float((stored - load).mean().detach()) == pytest.approx(float(energy), rel=1e-12)


def test_points_and_gaps_of_an_l_shape_keep_out_of_what_it_lacks() -> None:
    problem = box_problems["l-shape"]
    for sampling in SAMPLINGS:
        points = points_of(problem, sampling, 300, [0, 1], torch.float64)().reshape(-1, 2)
        assert not bool((points > 0).all(1).any())
        # Of 17 × 17 midpoints 8 × 8 are cut out.
        assert len(points) == (225 if sampling == "grid" else 600)
        # As many in each of the three quarters as there should be, within four standard deviations.
        share = ((points[:, 0] > 0) & (points[:, 1] < 0)).double().mean()
        assert abs(float(share) - 1 / 3) < 4 * (2 / 9 / len(points)) ** 0.5
    meter = Meter(problem, Architecture.of(6, "relu", 2), range(2))
    assert all(not bool((x > 0).all(1).any()) for x in meter.points)
    # The energy of a network that is nought is nought: the minimum by Gauss points, the gap by Sobol's.
    nothing = meter.measure(torch.zeros(2, Architecture.of(6, "relu", 2).parameters))
    assert np.all(np.abs(nothing.energy) < 6 * nothing.energy_error)
    assert np.all(nothing.energy_error < 0.01 * abs(problem.minimum_energy()))
