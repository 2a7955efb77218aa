from __future__ import annotations

import numpy as np
import pytest
import sympy
import torch
from kinkproof.verify import (
    InputError,
    NondifferentiableError,
    PlaneNetwork,
    PlaneProblem,
    ShallowNetwork,
    exact_energy,
    exact_gradient,
    plane_problems,
    problems,
    quadrature_gradient,
)
from kinkproof.verify.choices import Delta
from kinkproof.verify.discrete.plane_points import PLANE_RULES, PlanePoints, cells, plane_points
from kinkproof.verify.discrete.plane_quadrature import lasting_jumps
from kinkproof.verify.statement.plane import X, Y

NAMES = ["plane-sine", "plane-l-shape", "plane-penalised", "plane-anisotropic", "plane-exponential"]


def network(width: int, seed: int, factor: int = 3) -> PlaneNetwork:
    """Output weights as large as trained ones are, so that the Dirac part is no small share."""
    random = PlaneNetwork.random(width, seed)
    return PlaneNetwork(random.hidden_weights, random.hidden_biases, factor * np.asarray(random.output_weights))


def plain_sum(problem: PlaneProblem, net: PlaneNetwork, mesh: PlanePoints) -> tuple[float, np.ndarray]:
    """The energy on points as a torch user writes it, ∇u by autograd, and its derivative in w, b and c."""
    w, b, c = (
        torch.tensor(np.asarray(v, dtype=float), requires_grad=True)
        for v in (net.hidden_weights, net.hidden_biases, net.output_weights)
    )

    def of(expression: sympy.Expr, p: torch.Tensor) -> torch.Tensor:
        return sympy.lambdify((X, Y), sympy.N(expression, 17), "torch")(p[:, 0], p[:, 1]) + 0 * p[:, 0]

    def u(p: torch.Tensor) -> torch.Tensor:
        return of(problem.lift, p) + of(problem.distance, p) * (torch.relu(p @ w.T + b) @ c)

    p = torch.tensor(mesh.nodes, requires_grad=True)
    slope = torch.autograd.grad(u(p).sum(), p, create_graph=True)[0]
    flux = [sum(of(problem.coefficient[i][j], p) * slope[:, j] for j in range(2)) for i in range(2)]
    density = (flux[0] * slope[:, 0] + flux[1] * slope[:, 1]) / 2 - of(problem.source, p) * u(p)
    energy = (torch.tensor(mesh.weights) * density).sum()
    for on in mesh.edges:
        q, ds = torch.tensor(on.nodes), torch.tensor(on.weights)
        if on.edge in problem.fluxes:
            energy = energy - (ds * of(problem.fluxes[on.edge], q) * u(q)).sum()
        else:
            excess = u(q) - of(problem.essential[on.edge], q)
            energy = energy + float(problem.penalty) / 2 * (ds * excess**2).sum()
    energy.backward()
    return float(energy.detach()), np.concatenate([v.grad.numpy().ravel() for v in (w, b, c)])


@pytest.mark.parametrize("rule", PLANE_RULES)
@pytest.mark.parametrize("name", NAMES)
def test_without_a_delta_it_is_what_autograd_gives_of_the_sum(name: str, rule: str) -> None:
    problem, net = plane_problems[name], network(5, seed=2)
    found = quadrature_gradient(problem, net, rule, 300, seed=4)
    energy, gradient = plain_sum(problem, net, plane_points(problem, rule, 300, seed=4))
    # Sums of 300 terms, some 1,000 times as large as what is left where penalties are.
    assert float(found.energy) == pytest.approx(energy, rel=1e-11)
    np.testing.assert_allclose(found.total.ravel(), gradient, rtol=0, atol=1e-12 * np.abs(gradient).max() + 1e-13)
    assert not found.dirac.ravel().any()


def plain_delta(problem: PlaneProblem, net: PlaneNetwork, mesh: PlanePoints, delta: Delta) -> np.ndarray:
    """Row by row and neuron by neuron as the definition stands, with exact rational z at the places."""
    grid = mesh.cells
    (k11, k12), (_, k22) = problem.coefficient
    d, lift = problem.distance, problem.lift
    data = sympy.lambdify(
        (X, Y), [k11, k12, k22, d, sympy.diff(d, X), sympy.diff(d, Y), lift, sympy.diff(lift, X), sympy.diff(lift, Y)]
    )
    w, b, c = (np.asarray(v, dtype=float) for v in (net.hidden_weights, net.hidden_biases, net.output_weights))
    out = np.zeros((net.width, 3))
    for i in range(net.width):
        by_rows = abs(w[i, 0]) * grid.sides[0] >= abs(w[i, 1]) * grid.sides[1]
        along = 1 if by_rows else 0
        for k in range(grid.counts[along]):
            place = np.zeros(2)
            place[along] = grid.corner[along] + (k + 0.5) * grid.sides[along]
            place[1 - along] = -(w[i, along] * place[along] + b[i]) / w[i, 1 - along]
            if not problem.domain.inside(place[None])[0]:
                continue
            active = [float(w[j] @ place + b[j] > 0) for j in range(net.width)]
            active[i] = 0.5
            if delta == "nearest":
                place = min(mesh.nodes, key=lambda node: float(((node - place) ** 2).sum()))
                active = [float(w[j] @ place + b[j] > 0) for j in range(net.width)]
            a11, a12, a22, dist, d_x, d_y, _, l_x, l_y = map(float, data(*place))
            value = sum(c[j] * active[j] * (w[j] @ place + b[j]) for j in range(net.width))
            s_x, s_y = (sum(c[j] * active[j] * w[j, m] for j in range(net.width)) for m in (0, 1))
            u_x, u_y = l_x + d_x * value + dist * s_x, l_y + d_y * value + dist * s_y
            normal = w[i, 0] * (a11 * u_x + a12 * u_y) + w[i, 1] * (a12 * u_x + a22 * u_y)
            term = grid.sides[along] / abs(w[i, 1 - along]) * c[i] * dist * normal
            out[i] += term * np.array([*place, 1.0])
    return np.concatenate([out[:, :2].ravel(), out[:, 2], np.zeros(net.width)])


@pytest.mark.parametrize("delta", ["nearest", "mean"])
@pytest.mark.parametrize("rule", PLANE_RULES)
@pytest.mark.parametrize("name", ["plane-l-shape", "plane-anisotropic"])
def test_a_delta_is_the_plain_sum_over_rows(name: str, rule: str, delta: Delta) -> None:
    problem, net = plane_problems[name], network(4, seed=3)
    found = quadrature_gradient(problem, net, rule, 90, delta, seed=1)
    expected = plain_delta(problem, net, plane_points(problem, rule, 90, seed=1), delta)
    np.testing.assert_allclose(found.dirac.ravel(), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(found.total.ravel(), found.bulk.ravel() + expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", PLANE_RULES)
def test_points_alone_tend_to_the_bulk_and_the_mean_delta_to_the_whole(rule: str) -> None:
    problem, net = plane_problems["plane-sine"], network(6, seed=1, factor=6)
    exact = exact_gradient(problem, net)
    scale, errors = np.linalg.norm(exact.total.ravel()), []
    for points in (400, 6_400):
        found = [quadrature_gradient(problem, net, rule, points, "mean", seed=k) for k in range(4)]
        bulk = np.linalg.norm(np.mean([g.bulk.ravel() for g in found], axis=0) - exact.bulk.ravel()) / scale
        dirac = np.linalg.norm(found[0].dirac.ravel() - exact.dirac.ravel()) / scale
        errors.append((bulk, dirac))
    # Spacings fall to a quarter, and no error but that of random points as slowly. Ceilings: three times what was seen.
    assert errors[1][1] <= errors[0][1] / 4
    assert errors[1][1] <= 2e-4
    assert errors[1][0] <= {"midpoint": 6e-4, "random": 8e-3, "quasi-random": 6e-4}[rule]
    # What is missing without a delta is far more.
    assert np.linalg.norm(exact.dirac.ravel()) / scale > 0.05


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        ((1, 0), 1 / 2),
        ((0, -3), 1 / 2),
        ((1, 1), 1 / 2),
        ((2, -1), 0),
        ((3, 1), 1 / 6),
        ((2, 3), 1 / 6),
        ((1, 4), 0),
        ((5, 2), 1 / 10),
        ((1, "0.6180339887498949"), 0),
    ],
)
def test_the_nearest_node_keeps_a_share_of_the_jump_on_lines_that_go_by_p_qths_of_a_cell(
    weights: tuple[int, int], share: float
) -> None:
    problem = plane_problems["plane-sine"]
    p, q = (sympy.Rational(v) for v in weights)
    bias = -(p * sympy.Rational(431, 1000) + q * sympy.Rational(557, 1000))
    net = PlaneNetwork([[p, q], ["1/7", 1]], [bias, "-1/5"], [2, 1])
    exact = exact_gradient(problem, net).dirac.hidden_biases[0]
    grid = cells(problem.domain, 120**2)
    jump = own_jump(problem, net)
    # The share is in the bound, too; 1e-3 of the jump is what 120 rows leave of a sum over them.
    lasting = lasting_jumps(problem, net, grid)[4]
    assert lasting == pytest.approx(share * jump, abs=1e-3 * jump)
    for side in (120, 151, 200):
        found = quadrature_gradient(problem, net, "midpoint", side**2, "nearest").dirac.hidden_biases[0]
        # One crossing more or less on one side is half a jump in 120 rows, and three lengths of the cell are the rest.
        assert abs(abs(found - exact) - share * jump) <= 0.02 * jump


def own_jump(problem: PlaneProblem, net: PlaneNetwork) -> float:
    """What the first neuron's own step changes in its Dirac term of b, which is linear in how much of it counts."""
    w, b, c = (np.asarray(v) for v in (net.hidden_weights, net.hidden_biases, net.output_weights))
    alone = PlaneNetwork(w[:1], b[:1], c[:1])
    still = exact_gradient(problem, alone).dirac.hidden_biases[0]
    # Without lift the other neurons have no part in it: half of its own jump is all there is.
    return float(2 * abs(still))


def test_on_scattered_points_the_nearest_node_comes_to_the_mean_on_lines_where_that_of_a_grid_does_not() -> None:
    problem = plane_problems["plane-sine"]
    net = PlaneNetwork([[1, 0], [0, 1], [1, 1]], ["-0.431", "-0.557", -1], [2, 1, -1])
    exact = exact_gradient(problem, net).dirac.ravel()
    falls = {}
    for rule in PLANE_RULES:
        errors = []
        for points in (100, 25_600):
            parts = [quadrature_gradient(problem, net, rule, points, "nearest", seed=k).dirac.ravel() for k in range(6)]
            errors.append(np.sqrt(np.mean([np.sum((v - exact) ** 2) for v in parts])) / np.linalg.norm(exact))
        falls[rule] = errors[0] / errors[1]
    # n^(-1/4): to a quarter at 256 times as many; six draws tell it to a third or so.
    assert falls["random"] > 2
    assert falls["quasi-random"] > 2
    assert falls["midpoint"] < 1.3


def test_coincident_lines_have_no_mean_delta_and_a_sum_nevertheless() -> None:
    net = PlaneNetwork([[1, 2], [2, 4]], [-1, -2], [1, "1/2"])
    with pytest.raises(NondifferentiableError, match="coincident kink lines"):
        quadrature_gradient(plane_problems["plane-sine"], net, points=100, delta="mean")
    assert np.isfinite(quadrature_gradient(plane_problems["plane-sine"], net, points=100).total.ravel()).all()


def test_a_network_without_lines_has_no_dirac_part() -> None:
    net = PlaneNetwork([[0, 0], [1, 1]], [1, 5], [1, 1])
    for delta in ("nearest", "mean"):
        found = quadrature_gradient(plane_problems["plane-sine"], net, points=400, delta=delta)
        assert not found.dirac.ravel().any()
    exact = exact_energy(plane_problems["plane-sine"], net)
    # Midpoints of smooth data: second order in 1/20.
    assert float(found.energy) == pytest.approx(float(exact), rel=2e-2)


def test_other_inputs_are_refused_in_a_sentence() -> None:
    line, plane = ShallowNetwork.random(2, seed=0), PlaneNetwork.random(2, seed=0)
    for arguments, said in (
        ((problems["sine-2"], line, "midpoint", 10, None, None, 3), "seed: nothing is random in one input"),
        ((plane_problems["plane-sine"], plane, "midpoint", 10, None, 50), "digits: points in the plane"),
        ((plane_problems["plane-sine"], line), "network: ShallowNetwork does not fit plane-sine"),
        ((plane_problems["plane-sine"], plane, "midpoint", 10, "best"), "delta: 'best' is unknown"),
    ):
        with pytest.raises(InputError, match=said):
            quadrature_gradient(*arguments)
