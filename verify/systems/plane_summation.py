"""The energy on points of a polygon as a program has it: written once, in what the arrays of all AD systems can do."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy

from ..discrete.plane_points import PlanePoints
from ..statement.plane import PlaneProblem, X, Y
from .method import Array
from .summation import NUMPY, Library, smooth_function

_SYMBOLS = (X, Y)


def plane_grid_energy(
    problem: PlaneProblem, points: PlanePoints, relu: Callable[[Any], Any], array: Callable[[Any], Any] = np.asarray
) -> Callable[[Any], Any]:
    """Σ weight · (½∇û·κ∇û − f û) and the terms on named edges, as a function of the parameters (4N,).

    ∇û is written out, with H(z) as z > 0.

    Args:
        problem: gives κ, f, D, lift and edges.
        points: nodes and weights, constants of the sum.
        relu: the AD system's own max(0, z).
        array: NumPy values → constants that go together with the system's arrays.
    """
    data = {n: f(*points.nodes.T) for n, f in plane_data(problem, NUMPY).items()}
    nodes, weights, constants = array(points.nodes), array(points.weights), {n: array(v) for n, v in data.items()}

    def energy(theta: Any) -> Any:
        w, b, c = blocks_of(theta)
        z = nodes @ w.T + b
        network, active = relu(z) @ c, (z > 0) * c
        slopes = []
        for k, name in enumerate("xy"):
            inner = (active * w[:, k]).sum(-1)
            slopes.append(constants[f"lift_{name}"] + constants[f"distance_{name}"] * network
                          + constants["distance"] * inner)  # fmt: skip
        u = constants["lift"] + constants["distance"] * network
        return (weights * density(constants, u, slopes[0], slopes[1])).sum() + edge_energy(
            problem, points, theta, relu, array
        )

    return energy


def plane_field_integral(
    problem: PlaneProblem,
    library: Library,
    theta: Any,
    nodes: Any,
    weights: Any,
    gradient: Callable[[Callable[[Any], Any], Any], tuple[Any, Any]],
) -> Any:
    """The sum over the nodes with û (n,) and ∇û (n, 2) as `gradient(field, nodes)` has them by AD."""
    u, slopes = gradient(lambda place: plane_field(problem, library, theta, place), nodes)
    functions = plane_data(problem, library)
    x, y = nodes[:, 0], nodes[:, 1]
    constants = {n: functions[n](x, y) for n in ("kappa11", "kappa12", "kappa22", "source")}
    return (weights * density(constants, u, slopes[:, 0], slopes[:, 1])).sum()


def plane_field(problem: PlaneProblem, library: Library, theta: Any, place: Any) -> Any:
    """û = lift + D · network at places (..., 2)."""
    w, b, c = blocks_of(theta)
    functions = plane_data(problem, library)
    x, y = place[..., 0], place[..., 1]
    return functions["lift"](x, y) + functions["distance"](x, y) * (library.relu(place @ w.T + b) @ c)


def edge_energy(
    problem: PlaneProblem,
    points: PlanePoints,
    theta: Any,
    relu: Callable[[Any], Any],
    array: Callable[[Any], Any] = np.asarray,
) -> Any:
    """Flux and penalty terms of the parameters (4N,), on the edges' own points."""
    if not points.edges:
        return 0.0
    return edge_integral(theta, *map(array, edge_data(problem, points)), relu=relu)


def edge_integral(
    theta: Any,
    nodes: Any,
    weights: Any,
    pull: Any,
    stiffness: Any,
    wanted: Any,
    lift: Any,
    distance: Any,
    *,
    relu: Callable[[Any], Any],
) -> Any:
    """Σ weight · (pull û + ½ stiffness (û − wanted)²); `theta` is (4N,), `nodes` (k, 2), the others (k,)."""
    w, b, c = blocks_of(theta)
    u = lift + distance * (relu(nodes @ w.T + b) @ c)
    return (weights * (pull * u + stiffness * (u - wanted) ** 2 / 2)).sum()


def edge_data(problem: PlaneProblem, points: PlanePoints) -> list[Array]:
    """What `edge_integral` takes, of all named edges' points; a flux pulls by its negative."""
    functions, parts = plane_data(problem, NUMPY), []
    for on in points.edges:
        flux, wanted = (named.get(on.edge, sympy.Integer(0)) for named in (problem.fluxes, problem.essential))
        stiffness = float(problem.penalty) if on.edge in problem.essential else 0.0
        x, y = on.nodes.T
        pull, value = (_filled(smooth_function(e, NUMPY, _SYMBOLS))(x, y) for e in (flux, wanted))
        rest = (-pull, stiffness + 0 * x, value, functions["lift"](x, y), functions["distance"](x, y))
        parts.append((on.nodes, on.weights, *rest))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def density(data: dict[str, Any], u: Any, u_x: Any, u_y: Any) -> Any:
    """½∇û·κ∇û − f û, elementwise."""
    flux_x, flux_y = data["kappa11"] * u_x + data["kappa12"] * u_y, data["kappa12"] * u_x + data["kappa22"] * u_y
    return (flux_x * u_x + flux_y * u_y) / 2 - data["source"] * u


def blocks_of(theta: Any) -> tuple[Any, Any, Any]:
    """w (N, 2), b and c (N,) of the parameters (4N,)."""
    width = theta.shape[0] // 4
    return theta[: 2 * width].reshape(width, 2), theta[2 * width : 3 * width], theta[3 * width :]


@cache
def plane_data(problem: PlaneProblem, library: Library) -> dict[str, Callable[[Any, Any], Any]]:
    """κ, f, D, lift and the slopes of the last two, as functions of the library's arrays x and y."""
    (k11, k12), (_, k22) = problem.coefficient
    named = {"kappa11": k11, "kappa12": k12, "kappa22": k22, "source": problem.source}
    for name, e in (("distance", problem.distance), ("lift", problem.lift)):
        named |= {name: e, f"{name}_x": sympy.diff(e, X), f"{name}_y": sympy.diff(e, Y)}
    return {n: _filled(smooth_function(e, library, _SYMBOLS)) for n, e in named.items()}


def _filled(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    # A constant is a number to SymPy; here it has the shape of x.
    return lambda x, y: function(x, y) + 0 * x
