from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from kinkproof.verify import (
    DeepNetwork,
    InputError,
    NondifferentiableError,
    PlaneNetwork,
    PlaneProblem,
    exact_energy,
    exact_gradient,
    exact_hessian,
    plane_problems,
    problems,
)
from kinkproof.verify.plane.deep import gradient as gradients
from kinkproof.verify.plane.deep.crosscheck import line_gradient
from kinkproof.verify.plane.deep.regions import plane_regions
from kinkproof.verify.plane.degeneracies import clearance

from ..networks import rational_network
from .networks import crossing_network

# Of third degree in the field and of fourth in its slopes.
QUARTIC = "u_x**4/4 + u_y**2*u/3 + x*u**3 - y*u + u_x*u_y"
FREE = {n: plane_problems[n] for n in ("plane-polynomial", "plane-triangle", "plane-anisotropic", "plane-sine")}


def apart(problem: PlaneProblem, network: DeepNetwork, density: Any = None, points: int = 12) -> float:
    """How far the derivation along level lines is from energy and gradient, by the gradient's norm."""
    found = exact_gradient(problem, network, density=density)
    energy, vector = line_gradient(problem, network, density, points)
    return float(max(np.abs(found.total.ravel() - vector).max(), abs(found.energy - energy)) / np.linalg.norm(vector))


@pytest.mark.slow
@pytest.mark.parametrize("density", [None, QUARTIC, "exp(u/4)*(u_x**2 + 2*u_y**2) - sin(x*y)*u"])
@pytest.mark.parametrize("widths", [(3, 2), (2, 2, 2)])
def test_regions_and_level_lines_agree(widths: tuple[int, ...], density: str | None) -> None:
    network = crossing_network(widths, 1, output_bias=True)
    problem = FREE["plane-triangle"]
    seen = {u for r in plane_regions(network, problem.domain) for units in r.units for u in units}
    # Kink lines of every layer are there to be seen.
    assert {layer for layer, _ in seen} == set(range(len(widths)))
    # Rounding of some tens of regions; the level lines divide by slopes along them.
    assert apart(problem, network, density) < 1e-11
    found = exact_gradient(problem, network, density=density)
    assert np.linalg.norm(found.dirac.ravel()) > 1e-2 * np.linalg.norm(found.total.ravel())


@pytest.mark.long
@pytest.mark.parametrize("name", FREE)
def test_regions_and_level_lines_agree_for_forty_networks(name: str) -> None:
    shapes = ((1, 1), (3, 2), (4, 4), (2, 3, 2), (6, 5))
    for seed in range(10):
        network = crossing_network(shapes[seed % len(shapes)], 10 + seed)
        assert apart(FREE[name], network, QUARTIC if seed % 2 else None, 16) < 1e-10


@pytest.mark.parametrize("name", plane_problems)
def test_one_layer_is_what_half_planes_in_pairs_make_of_it(name: str) -> None:
    # Another derivation altogether; fluxes and penalties among them.
    problem, shallow = plane_problems[name], PlaneNetwork.random(5, 7)
    network = DeepNetwork([shallow.hidden_weights], [shallow.hidden_biases], shallow.output_weights)
    found, right = exact_gradient(problem, network), exact_gradient(problem, shallow)
    size = np.linalg.norm(right.total.ravel())
    for part in ("bulk", "dirac", "total"):
        assert np.abs(getattr(found, part).ravel() - getattr(right, part).ravel()).max() < 1e-12 * size
    assert abs(found.energy - right.energy) < 1e-12 * size
    assert exact_energy(problem, network) == found.energy


def differences(problem: PlaneProblem, network: DeepNetwork, density: Any, digits: int, every: int = 1) -> Any:
    """Central differences of the exact energy in each `every`-th parameter; the error is the square of the step."""
    vector, step = network.rational.ravel(), Fraction(1, 10 ** (digits // 3))
    out = []
    for k in range(0, len(vector), every):
        ends = []
        for sign in (-1, 1):
            moved = vector.copy()
            moved[k] += sign * step
            there = DeepNetwork.from_vector(moved, network.widths, network.output_bias is not None, inputs=2)
            ends.append(exact_energy(problem, there, digits=digits, density=density))
        with mpmath.workdps(digits):
            out.append((ends[1] - ends[0]) / (2 * mpmath.mpf(10) ** -(digits // 3)))
    return np.array(out)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "density"), [("plane-penalised", None), ("plane-l-shape", "u_x**4 + x*u_y**2 - u")])
def test_it_is_the_derivative_of_the_energy_to_sixteen_digits(name: str, density: str | None) -> None:
    problem, network = plane_problems[name], crossing_network((2, 2), 4, output_bias=True)
    found = exact_gradient(problem, network, digits=30, density=density).total.ravel()
    # Each fourth parameter: weights of both layers, a bias, an output weight.
    other = differences(problem, network, density, 30, every=4)
    with mpmath.workdps(30):
        # Steps of 10⁻¹⁰ leave their square, times derivatives of the order of a thousand.
        assert np.abs(found[::4] - other).max() < mpmath.mpf(10) ** -16 * np.abs(found).max()
    in_float64 = exact_gradient(problem, network, density=density).total.ravel()
    assert np.abs(in_float64 - found.astype(float)).max() < 1e-12 * np.abs(in_float64).max()


@pytest.mark.slow
def test_fifty_digits_are_fifty_digits() -> None:
    problem, network = FREE["plane-anisotropic"], crossing_network((2, 2), 5)
    fewer, more = (exact_gradient(problem, network, digits=d, density=QUARTIC).total.ravel() for d in (50, 60))
    with mpmath.workdps(60):
        assert np.abs(fewer - more).max() < mpmath.mpf(10) ** -49 * np.abs(more).max()


@pytest.mark.slow
def test_lines_of_one_slope_and_named_edges_agree_to_forty_digits() -> None:
    # The kink line of the second layer is level where both neurons of the first are active: another slope is taken.
    network = DeepNetwork([[[1, 1], [2, -1]], [[1, "-1/2"], [-1, 2]]], [["-3/4", "-1/3"], ["-1/8", "1/5"]], [1, -2])
    for name in ("plane-l-shape", "plane-penalised"):
        found = exact_gradient(plane_problems[name], network, digits=50)
        energy, vector = line_gradient(plane_problems[name], network, points=6, digits=50)
        with mpmath.workdps(60):
            size = np.abs(vector).max()
            assert abs(energy - found.energy) < mpmath.mpf(10) ** -40 * size
            assert np.abs(found.total.ravel() - vector).max() < mpmath.mpf(10) ** -40 * size


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["no Dirac term", "wrong sign", "first layer only"])
def test_a_fault_in_the_gradient_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = gradients._pulled_back

    def wrong(tensors: Any, inputs: Any, masks: Any, force: Any, injected: Any) -> Any:
        if fault == "first layer only":
            return right(tensors, inputs, masks, force, {k: v for k, v in injected.items() if k == 0})
        return right(tensors, inputs, masks, force, {k: -v * (fault == "wrong sign") for k, v in injected.items()})

    problem, network = FREE["plane-triangle"], crossing_network((3, 2), 1)
    assert apart(problem, network) < 1e-11
    monkeypatch.setattr(gradients, "_pulled_back", wrong)
    assert apart(problem, network) > 1e-3


DEGENERATE: dict[str, tuple[str, DeepNetwork]] = {
    "coincident in a layer": (
        "coincident kink lines: neuron 0 of hidden layer 0 and neuron 1 of hidden layer 0",
        DeepNetwork([[[1, 1], [2, 2]], [[1, "1/3"]]], [["-1/2", -1], ["1/5"]], [1]),
    ),
    "of two layers": (
        "coincident kink lines: neuron 0 of hidden layer 0 and neuron 0 of hidden layer 1",
        DeepNetwork([[[1, 1], [1, -1]], [[2, 0]]], [["-1/2", 2], [0]], [1]),
    ),
    "flat": (
        "pre-activation 0 on a region: neuron 0 of hidden layer 1",
        DeepNetwork([[[1, 1]], [[1]]], [["-1/2"], [0]], [1]),
    ),
}


def one_sided_differences(problem: PlaneProblem, network: DeepNetwork, density: Any = None) -> tuple[Any, Any]:
    """Of the exact energy to 40 digits, in each parameter; the error is the step, 10⁻²⁰, times the curvature."""
    vector, step = network.rational.ravel(), Fraction(1, 10**20)
    here, sides = exact_energy(problem, network, digits=40, density=density), []
    for sign in (-1, 1):
        out = []
        for k in range(len(vector)):
            moved = vector.copy()
            moved[k] += sign * step
            there = DeepNetwork.from_vector(moved, network.widths, network.output_bias is not None, inputs=2)
            energy = exact_energy(problem, there, digits=40, density=density)
            with mpmath.workdps(40):
                out.append(float((energy - here) * sign * 10**20))
        sides.append(np.array(out))
    return sides[0], sides[1]


@pytest.mark.parametrize(("said", "network"), DEGENERATE.values(), ids=DEGENERATE)
def test_where_there_is_no_derivative_the_one_sided_ones_are_said(said: str, network: DeepNetwork) -> None:
    problem = FREE["plane-polynomial"]
    with pytest.raises(NondifferentiableError, match=f"{said}.*one-sided ones are .left and .right") as caught:
        exact_gradient(problem, network)
    found = [caught.value.left.ravel(), caught.value.right.ravel()]
    for side, other in zip(found, one_sided_differences(problem, network), strict=True):
        assert np.abs(side - other).max() < 1e-13
    assert np.abs(found[0] - found[1]).max() > 1e-2
    assert np.isfinite(exact_energy(problem, network))


def test_one_sided_derivatives_of_one_layer_are_those_of_the_shallow_network() -> None:
    # On edges with a flux, the same line twice, and w = b = 0.
    shallow = PlaneNetwork([[1, 0], [1, 1], [-2, -2], [0, 0]], [-2, -1, 2, 0], [1, 2, "1/2", -1])
    network = DeepNetwork([shallow.hidden_weights], [shallow.hidden_biases], shallow.output_weights)
    sides = []
    for n in (shallow, network):
        with pytest.raises(NondifferentiableError) as caught:
            exact_gradient(plane_problems["plane-l-shape"], n)
        sides.append([caught.value.left.ravel(), caught.value.right.ravel()])
    assert np.abs(np.array(sides[0]) - np.array(sides[1])).max() < 1e-12


def test_with_many_parameters_and_regions_one_sided_derivatives_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "_MOST_MOTIONS", 10)
    said, network = DEGENERATE["coincident in a layer"]
    with pytest.raises(NondifferentiableError, match=f"{said}.*; move what is named apart") as caught:
        exact_gradient(FREE["plane-polynomial"], network)
    assert caught.value.left is caught.value.right is None


def test_a_kink_line_on_an_edge_is_degenerate_only_where_d_does_not_vanish() -> None:
    network = DeepNetwork([[[1, 0], [1, "1/2"]], [[1, 1], ["1/2", -1]]], [[-2, "-1/4"], ["1/7", "1/3"]], [1, 2])
    with pytest.raises(NondifferentiableError, match=r"kink line on an edge: neuron 0 of hidden layer 0 at \(2, "):
        exact_gradient(plane_problems["plane-l-shape"], network)
    # On x = 1 of the square D is 0.
    there = DeepNetwork(network.hidden_weights, [[-1, "-1/4"], ["1/7", "1/3"]], network.output_weights)
    assert apart(FREE["plane-polynomial"], there) < 1e-11


@pytest.mark.parametrize("name", ["plane-polynomial", "plane-l-shape", "plane-penalised"])
def test_the_distance_of_one_layer_is_that_of_the_shallow_network(name: str) -> None:
    for seed in range(3):
        shallow = rational_network(5, seed)
        network = DeepNetwork([shallow.hidden_weights], [shallow.hidden_biases], shallow.output_weights)
        distance = exact_gradient(plane_problems[name], network).distance
        assert distance == pytest.approx(clearance(plane_problems[name], shallow), rel=1e-12)


@pytest.mark.parametrize(("said", "network"), DEGENERATE.values(), ids=DEGENERATE)
def test_the_distance_says_how_near_such_a_place_is(said: str, network: DeepNetwork) -> None:
    for gap in (1e-3, 1e-6):
        biases = [list(b) for b in network.hidden_biases]
        # The bias by which each of them is degenerate.
        layer = 0 if "neuron 1 of hidden layer 0" in said else -1
        biases[layer][-1] = biases[layer][-1] + Fraction(gap)
        near = DeepNetwork(network.hidden_weights, biases, network.output_weights)
        distance = exact_gradient(FREE["plane-polynomial"], near).distance
        # By |∇z| of one to three.
        assert gap / 3 < distance <= gap


def test_silent_neurons_may_coincide_and_lines_between_trapezoids_count() -> None:
    silent = DeepNetwork([[[1, 1], [2, 2]], [[1, 0]]], [["-1/2", -1], ["1/5"]], [1])
    problem = FREE["plane-triangle"]
    found = exact_gradient(problem, silent).total.ravel()
    # Of 30 digits the square of a step of 10⁻¹⁰ is left, far below float64.
    other = differences(problem, silent, None, 30).astype(float)
    assert np.abs(found - other).max() < 1e-12 * np.abs(found).max()
    # y = 1 is where two trapezoids meet, and no edge.
    level = DeepNetwork([[[0, 1], [1, "1/3"]]], [[-1, "-2/5"]], [1, "1/2"])
    shallow = PlaneNetwork([[0, 1], [1, "1/3"]], [-1, "-2/5"], [1, "1/2"])
    domain = ((0, 0), (2, 1), (0, 2), ("1/2", 1))
    dart = PlaneProblem(source="x", distance=1, domain=domain, fluxes=dict.fromkeys(range(4), 1))
    found, right = (exact_gradient(dart, n).total.ravel() for n in (level, shallow))
    assert np.abs(found - right).max() < 1e-12 * np.linalg.norm(right)


@pytest.mark.parametrize(
    ("network", "density", "said"),
    [
        (DeepNetwork.random((2, 2)), None, "a DeepNetwork of one input does not fit plane-sine, which has two"),
        (DeepNetwork.random((2, 2), inputs=2), "u_x**2 + du", "du"),
        (DeepNetwork.random((2, 2), inputs=2), "Abs(u_x)", "is not smooth"),
    ],
)
def test_what_does_not_fit_is_refused(network: Any, density: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        exact_gradient(plane_problems["plane-sine"], network, density=density)


def test_two_inputs_fit_no_problem_in_one_and_there_are_no_hessians_yet() -> None:
    network = DeepNetwork.random((2, 2), inputs=2)
    with pytest.raises(InputError, match="of two inputs fits no problem in one"):
        exact_energy(problems["sine-2"], network)
    with pytest.raises(InputError, match="a PlaneNetwork would"):
        exact_hessian(plane_problems["plane-sine"], network)
    with pytest.raises(InputError, match="neither one nor two"):
        DeepNetwork.random((2, 2), inputs=3)
    assert DeepNetwork.random((3, 2), inputs=2).inputs == 2
    assert DeepNetwork.random((3, 2), inputs=2)(np.zeros((5, 2))).shape == (5,)
