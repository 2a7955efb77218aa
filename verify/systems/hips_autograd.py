"""Ways of asking HIPS autograd for the parameter gradient of a Ritz energy: three in one input, two in the plane.

It has no types of its own: float32 arrays in, float32 all through.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.scipy.special import erf

from ..discrete.plane_points import PlanePoints
from ..discrete.quadrature import Grid
from ..statement.plane import PlaneProblem
from ..statement.problem import RitzProblem
from .method import Array, GradientFunction, Method, PlaneGradientFunction
from .plane_summation import edge_energy, plane_field_integral, plane_grid_energy
from .summation import Library, field_integral, grid_energy, point_energy, split_energy

Energy = Callable[[Any], Any]


def _relu(z: Any) -> Any:
    return anp.maximum(z, 0)


def _array(values: Any, precision: str) -> Array:
    return np.asarray(values, dtype=precision)


LIBRARY = Library([vars(anp) | {"erf": erf}, "numpy"], _relu, anp.where, anp.concatenate, _array)


def methods() -> tuple[Method, ...]:
    """All ways of asking that this file knows."""
    return (
        Method("grad, u′ by elementwise_grad", _asking(_by_grad)),
        Method("grad, u′ by hand", _asking(_by_hand)),
        Method("grad, kink-split quadrature", _asking(_split), conforming=True),
        Method("grad, ∇u by elementwise_grad", _in_the_plane(_plane_by_grad), inputs=2),
        Method("grad, ∇u by hand", _in_the_plane(_plane_by_hand), inputs=2),
    )


def _asking(energy: Callable[[RitzProblem, Array, Grid, str], Energy]) -> GradientFunction:
    def gradient(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> tuple[float, Array]:
        value, found = autograd.value_and_grad(energy(problem, parameters, grid, precision))(
            _array(parameters, precision)
        )
        return float(value), found

    return gradient


def _by_hand(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> Energy:
    return grid_energy(problem, grid, _relu, partial(_array, precision=precision))


def _by_grad(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> Energy:
    array = partial(_array, precision=precision)
    nodes, weights = array(grid.nodes), array(grid.weights)

    def slope(u: Energy, x: Any) -> tuple[Any, Any]:
        return u(x), autograd.elementwise_grad(u)(x)

    def energy(theta: Any) -> Any:
        total = field_integral(problem, LIBRARY, theta, nodes, weights, slope)
        return total + point_energy(problem, theta, _relu, array)

    return energy


def _split(problem: RitzProblem, parameters: Array, grid: Grid, precision: str) -> Energy:
    """Gauss points on the pieces between the kinks; the grid is not used."""
    return split_energy(problem, LIBRARY, parameters, precision)


def _in_the_plane(energy: Callable[[PlaneProblem, PlanePoints, str], Energy]) -> PlaneGradientFunction:
    def gradient(problem: PlaneProblem, parameters: Array, points: PlanePoints, precision: str) -> tuple[float, Array]:
        value, found = autograd.value_and_grad(energy(problem, points, precision))(_array(parameters, precision))
        return float(value), found

    return gradient


def _plane_by_hand(problem: PlaneProblem, points: PlanePoints, precision: str) -> Energy:
    return plane_grid_energy(problem, points, _relu, partial(_array, precision=precision))


def _plane_by_grad(problem: PlaneProblem, points: PlanePoints, precision: str) -> Energy:
    array = partial(_array, precision=precision)
    nodes, weights = array(points.nodes), array(points.weights)

    def slopes(u: Energy, place: Any) -> tuple[Any, Any]:
        return u(place), autograd.elementwise_grad(u)(place)

    def energy(theta: Any) -> Any:
        total = plane_field_integral(problem, LIBRARY, theta, nodes, weights, slopes)
        return total + edge_energy(problem, points, theta, _relu, array)

    return energy
