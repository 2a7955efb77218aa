"""Ways of asking torch for the parameter gradient of a Ritz energy: six in one input, two in the plane."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from ..bending.quadrature import beam_data
from ..bending.statement import BeamProblem
from ..discrete.plane_points import PlanePoints
from ..discrete.quadrature import Grid
from ..statement.plane import PlaneProblem
from ..statement.problem import RitzProblem
from .method import Array, GradientFunction, Method, PlaneGradientFunction, Unavailable
from .plane_summation import edge_energy, plane_field_integral, plane_grid_energy
from .summation import (
    Library,
    field,
    field_integral,
    grid_energy,
    integral,
    node_data,
    point_energy,
    split_energy,
    tangent_block,
)

Energy = Callable[[Tensor], Tensor]


def _array(values: Any, precision: str) -> Tensor:
    return torch.tensor(values, dtype=getattr(torch, precision))


LIBRARY = Library("torch", torch.relu, torch.where, torch.cat, _array)


def methods() -> tuple[Method, ...]:
    """All ways of asking that this file knows, with those that cannot run here marked."""
    compiler = "" if shutil.which("c++") or shutil.which("g++") else "torch.compile needs a C++ compiler; none is here"
    return (
        Method("autograd, u′ by autograd", _asking(_autograd, _by_autograd)),
        Method("autograd, u′ by hand", _asking(_autograd, _by_hand)),
        Method("torch.func.grad", _asking(_functional, _by_hand)),
        Method("forward mode (jacfwd)", _forward, cost=14.0),
        Method("torch.compile", None if compiler else _asking(_autograd, _compiled), unavailable=compiler, cost=15.0),
        Method("autograd, kink-split quadrature", _split, conforming=True),
        Method("autograd, ∇u by autograd", _in_the_plane(_plane_by_autograd), inputs=2),
        Method("autograd, ∇u by hand", _in_the_plane(_plane_by_hand), inputs=2),
    )


def _asking(
    ask: Callable[[Energy, Tensor], tuple[Tensor, Tensor]], energy: Callable[[RitzProblem, Grid, str], Energy]
) -> GradientFunction:
    """A method on a fixed grid: nodes and weights are constants."""

    def gradient(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
        with _one_thread():
            return _numbers(*ask(energy(problem, grid, precision), _array(parameters, precision)))

    return gradient


@contextmanager
def _one_thread() -> Iterator[None]:
    """How many threads share a sum shows in its last bits, and at small steps they wait for each other.

    The user's number is put back.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _numbers(energy: Tensor, gradient: Tensor) -> tuple[float, Array]:
    return float(energy.detach()), gradient.detach().to(torch.float64).numpy()


def _autograd(energy: Energy, theta: Tensor) -> tuple[Tensor, Tensor]:
    theta = theta.requires_grad_()
    value = energy(theta)
    return value, torch.autograd.grad(value, theta)[0]


def _functional(energy: Energy, theta: Tensor) -> tuple[Tensor, Tensor]:
    gradient, value = torch.func.grad_and_value(energy)(theta)
    return value, gradient


def _by_hand(problem: RitzProblem, grid: Grid, precision: str) -> Energy:
    return grid_energy(problem, grid, torch.relu, partial(_array, precision=precision))


def _by_autograd(problem: RitzProblem, grid: Grid, precision: str) -> Energy:
    """With û′ from a second autograd pass, as the paper and most Deep Ritz codes have it."""
    array = partial(_array, precision=precision)
    nodes, weights = array(grid.nodes).requires_grad_(), array(grid.weights)

    def slope(u: Energy, x: Tensor) -> tuple[Tensor, Tensor]:
        values = u(x)
        return values, torch.autograd.grad(values.sum(), x, create_graph=True)[0]

    def energy(theta: Tensor) -> Tensor:
        total = field_integral(problem, LIBRARY, theta, nodes, weights, slope)
        return total + point_energy(problem, theta, torch.relu, array)  # type: ignore[no-any-return]

    return energy


def _compiled(problem: RitzProblem, grid: Grid, precision: str) -> Energy:
    # The problem's data are constants to it: what is compiled is what a training step repeats.
    constants = _constants(problem, grid, precision)

    def energy(theta: Tensor) -> Tensor:
        try:
            value = _compiled_integral()(theta, *constants)
        except RuntimeError as error:
            # A compiler without Python's headers, say: found out only by compiling.
            raise Unavailable(f"torch.compile failed: {str(error).strip().splitlines()[0]}") from None
        return value + point_energy(problem, theta, torch.relu, partial(_array, precision=precision))  # type: ignore[no-any-return]

    return energy


def _constants(problem: RitzProblem, grid: Grid, precision: str) -> list[Tensor]:
    return [_array(a, precision) for a in (grid.nodes, grid.weights, *node_data(problem, grid.nodes))]


def _forward(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
    """Block by block: the 3N tangents of a node stay in the processor's cache."""
    theta = _array(parameters, precision)

    def twice(t: Tensor, *arrays: Tensor) -> tuple[Tensor, Tensor]:
        value = integral(t, *arrays, relu=torch.relu)
        return value, value

    def ends(t: Tensor) -> tuple[Tensor, Tensor]:
        value = point_energy(problem, t, torch.relu, partial(_array, precision=precision)) + 0 * t.sum()
        return value, value

    arrays = _constants(problem, grid, precision)
    block = tangent_block(len(parameters))
    parts = [[a[k : k + block] for a in arrays] for k in range(0, len(grid.nodes), block)]
    with _one_thread():
        pairs = [torch.func.jacfwd(twice, has_aux=True)(theta, *part) for part in parts]
        pairs.append(torch.func.jacfwd(ends, has_aux=True)(theta))
    gradients, energies = zip(*pairs, strict=True)
    return _numbers(torch.stack(energies).sum(), torch.stack(gradients).sum(0))


def _in_the_plane(energy: Callable[[PlaneProblem, PlanePoints, str], Energy]) -> PlaneGradientFunction:
    def gradient(problem: PlaneProblem, parameters: Array, points: PlanePoints, precision: str) -> tuple[float, Array]:
        with _one_thread():
            return _numbers(*_autograd(energy(problem, points, precision), _array(parameters, precision)))

    return gradient


def _plane_by_hand(problem: PlaneProblem, points: PlanePoints, precision: str) -> Energy:
    return plane_grid_energy(problem, points, torch.relu, partial(_array, precision=precision))


def _plane_by_autograd(problem: PlaneProblem, points: PlanePoints, precision: str) -> Energy:
    array = partial(_array, precision=precision)
    nodes, weights = array(points.nodes).requires_grad_(), array(points.weights)

    def slopes(u: Energy, place: Tensor) -> tuple[Tensor, Tensor]:
        values = u(place)
        return values, torch.autograd.grad(values.sum(), place, create_graph=True)[0]

    def energy(theta: Tensor) -> Tensor:
        total = plane_field_integral(problem, LIBRARY, theta, nodes, weights, slopes)
        return total + edge_energy(problem, points, theta, torch.relu, array)  # type: ignore[no-any-return]

    return energy


def bending(problem: BeamProblem, power: int) -> GradientFunction:
    """Of a beam: N, N′ and N″ at the nodes by autograd, ReLU raised to a power."""

    def gradient(_: object, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
        array = partial(_array, precision=precision)
        x = array(grid.nodes).requires_grad_()
        stiffness, source, d, d_1, d_2, lift, lift_2 = (array(v) for v in beam_data(problem, grid.nodes))

        def energy(theta: Tensor) -> Tensor:
            w, b, c = theta.reshape(3, -1)
            n = torch.relu(x[:, None] * w + b) ** power @ c
            (n_1,) = torch.autograd.grad(n.sum(), x, create_graph=True)
            (n_2,) = torch.autograd.grad(n_1.sum(), x, create_graph=True)
            bend = lift_2 + d_2 * n + 2 * d_1 * n_1 + d * n_2
            density: Tensor = stiffness * bend**2 / 2 - source * (lift + d * n)
            return (array(grid.weights) * density).sum()

        with _one_thread():
            return _numbers(*_autograd(energy, array(parameters)))

    return gradient


@cache
def _compiled_integral() -> Callable[..., Tensor]:
    # One graph for all grid sizes: a refinement study would otherwise compile anew at each. Which instructions the
    # processor has is found out by compiling a dozen programs, and a header compiled beforehand pays from a dozen
    # kernels on: neither has a part in how torch.compile differentiates. Older releases lack these switches.
    wanted = {"cpp.vec_isa_ok": False, "cpp_cache_precompile_headers": False}
    known = set(torch._inductor.list_options())
    options: dict[str, Any] = {name: value for name, value in wanted.items() if name in known}
    return torch.compile(partial(integral, relu=torch.relu), dynamic=True, options=options)


def _split(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
    """Gauss points on the pieces between the kinks; the grid is not used."""
    del grid
    return _numbers(*_autograd(split_energy(problem, LIBRARY, parameters, precision), _array(parameters, precision)))


def neuron_fields(problem: RitzProblem, parameters: Array, x: Array) -> tuple[Array, Array, Array]:
    """û′ (n,), ∂û/∂θ (3, n) and ∂û′/∂θ (3, n) of a one-neuron network by autograd alone: what figure 3 compares."""
    theta, nodes = _array(parameters, "float64"), _array(x, "float64")
    place: Callable[[Tensor, Tensor], Tensor] = partial(field, problem, LIBRARY)
    slope = torch.func.grad(place, argnums=1)
    at_nodes = (None, 0)
    return (
        torch.func.vmap(slope, at_nodes)(theta, nodes).numpy(),
        torch.func.vmap(torch.func.grad(place), at_nodes)(theta, nodes).T.numpy(),
        torch.func.vmap(torch.func.grad(slope), at_nodes)(theta, nodes).T.numpy(),
    )
