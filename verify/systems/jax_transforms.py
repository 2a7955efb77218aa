"""Ways of asking JAX for the parameter gradient of a Ritz energy: five in one input, one in the plane.

Float64 is switched on by the context manager `jax.enable_x64`, for the length of one call and this thread only: the
user's own setting is left as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

from ..discrete.plane_points import PlanePoints
from ..discrete.quadrature import Grid
from ..statement.plane import PlaneProblem
from ..statement.problem import RitzProblem
from .method import Array, GradientFunction, Method
from .plane_summation import edge_data, edge_integral, plane_field_integral
from .summation import (
    Library,
    blocks,
    field,
    field_integral,
    integral,
    node_data,
    point_energy,
    split_energy,
    tangent_block,
)

Integral = Callable[..., Any]
# JAX compiles for each size of arrays anew. The sum over the nodes is therefore taken block by block, all of one size:
# large, as each block costs Python's time, but for forward mode.
_BLOCK = 32768


def _array(values: Any, precision: str) -> jax.Array:
    return jnp.asarray(np.asarray(values, dtype=precision))


LIBRARY = Library([{"erf": erf}, "jax"], jax.nn.relu, jnp.where, jnp.concatenate, _array)


def methods() -> tuple[Method, ...]:
    """All ways of asking that this file knows."""
    return (
        Method("jit, u′ by grad", _asking(_jit, _by_grad), cost=2.0),
        Method("grad, u′ by hand", _asking(jax.value_and_grad, _by_hand), cost=4.0),
        Method("jit, u′ by hand", _asking(_jit, _by_hand)),
        Method("jacfwd, u′ by hand", _asking(_jit_forward, _by_hand, tangent_block), cost=3.0),
        Method("jit, kink-split quadrature", _split, conforming=True),
        Method("jit, ∇u by grad", _in_the_plane, inputs=2),
    )


def _asking(
    ask: Callable[[Integral], Callable[..., tuple[Any, Any]]],
    prepare: Callable[[RitzProblem], Integral],
    block: Callable[[int], int] = lambda parameters: _BLOCK,
) -> GradientFunction:
    """A method on a fixed grid: nodes, weights and data are constants."""

    def gradient(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
        with jax.enable_x64(precision == "float64"):
            theta = _array(parameters, precision)
            asked = ask(prepare(problem))
            size = block(len(parameters))
            arrays = (grid.nodes, grid.weights, *node_data(problem, grid.nodes))
            return _added([*_by_blocks(asked, theta, arrays, size, precision), _ends(problem, theta, precision)])

    return gradient


def _by_blocks(
    asked: Callable[..., tuple[Any, Any]], theta: Any, arrays: Any, size: int, precision: str
) -> list[tuple[Any, Any]]:
    """Energy and gradient of each block of nodes."""
    return [asked(theta, *(_array(a, precision) for a in part)) for part in blocks(arrays, size)]


def _added(parts: list[tuple[Any, Any]]) -> tuple[float, Array]:
    # The derivative of a sum is the sum of its terms' derivatives; added in the precision of the study.
    energies, gradients = zip(*parts, strict=True)
    return _numbers(sum(energies), sum(gradients))


def _numbers(energy: Any, gradient: Any) -> tuple[float, Array]:
    return float(energy), np.asarray(gradient, dtype=np.float64)


def _ends(problem: RitzProblem, theta: Any, precision: str) -> tuple[Any, Any]:
    array = partial(_array, precision=precision)
    return jax.value_and_grad(lambda t: point_energy(problem, t, jax.nn.relu, array) + 0 * t.sum())(theta)


@cache
def _jit(function: Integral) -> Callable[..., tuple[Any, Any]]:
    return jax.jit(jax.value_and_grad(function))


@cache
def _jit_forward(function: Integral) -> Callable[..., tuple[Any, Any]]:
    def twice(*arguments: Any) -> tuple[Any, Any]:
        value = function(*arguments)
        return value, value

    forward = jax.jit(jax.jacfwd(twice, has_aux=True))
    return lambda *arguments: forward(*arguments)[::-1]


_INTEGRAL = partial(integral, relu=jax.nn.relu)
_EDGES = partial(edge_integral, relu=jax.nn.relu)


def _by_hand(problem: RitzProblem) -> Integral:
    return _INTEGRAL


@cache
def _by_grad(problem: RitzProblem) -> Integral:
    """With û′ by `grad` at each node."""

    def slope(u: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        return jax.vmap(jax.value_and_grad(u))(x)

    def total(theta: Any, nodes: Any, weights: Any, *data: Any) -> Any:
        return field_integral(problem, LIBRARY, theta, nodes, weights, slope)

    return total


def _split(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
    """Gauss points on the pieces between the kinks; the grid is not used."""
    del grid
    with jax.enable_x64(precision == "float64"):
        return _numbers(*_split_asked(problem, tuple(parameters), precision)(_array(parameters, precision)))


def _in_the_plane(problem: PlaneProblem, parameters: Array, points: PlanePoints, precision: str) -> tuple[float, Array]:
    """With ∇û by `grad` at each node."""
    with jax.enable_x64(precision == "float64"):
        theta = _array(parameters, precision)
        parts = _by_blocks(_jit(_plane_by_grad(problem)), theta, (points.nodes, points.weights), _BLOCK, precision)
        if points.edges:
            parts += _by_blocks(_jit(_EDGES), theta, edge_data(problem, points), _BLOCK, precision)
        return _added(parts)


@cache
def _plane_by_grad(problem: PlaneProblem) -> Integral:
    def slopes(u: Callable[[Any], Any], place: Any) -> tuple[Any, Any]:
        return jax.vmap(jax.value_and_grad(u))(place)

    def total(theta: Any, nodes: Any, weights: Any) -> Any:
        return plane_field_integral(problem, LIBRARY, theta, nodes, weights, slopes)

    return total


@lru_cache(maxsize=4)
def _split_asked(problem: RitzProblem, parameters: tuple[float, ...], precision: str) -> Callable[..., tuple[Any, Any]]:
    # A study asks at the same parameters for each of its grids: compiled once.
    return jax.jit(jax.value_and_grad(split_energy(problem, LIBRARY, np.array(parameters), precision)))


def neuron_fields(problem: RitzProblem, parameters: Array, x: Array) -> tuple[Array, Array, Array]:
    """û′ (n,), ∂û/∂θ (3, n) and ∂û′/∂θ (3, n) of a one-neuron network by JAX alone: what figure 3 compares."""
    place = partial(field, problem, LIBRARY)
    slope = jax.grad(place, argnums=1)
    with jax.enable_x64(True):
        theta, nodes = _array(parameters, "float64"), _array(x, "float64")
        mapped = [jax.vmap(f, (None, 0))(theta, nodes).T for f in (slope, jax.grad(place), jax.grad(slope))]
        return tuple(np.asarray(m) for m in mapped)  # type: ignore[return-value]
