"""The energy as a program has it, a sum over nodes: written once, in what the arrays of all AD systems can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
import sympy

from ..discrete.quadrature import Grid
from ..statement.expressions import NUMPY_MODULES, X
from ..statement.problem import RitzProblem
from .method import Array, Unavailable

# Gauss points a piece for the kink-split rule: exact to rounding for the named problems' data between two kinks.
_PIECE_ORDER = 24
# The Gauss point next to a pole lies at (1/700)^q of the piece's length: float64 keeps four digits of it.
_LARGEST_POWER = 4
# SymPy's printers for arrays do not know these.
_RECIPROCALS = {sympy.sec: sympy.cos, sympy.csc: sympy.sin, sympy.cot: sympy.tan}


@dataclass(frozen=True, eq=False)
class Library:
    """An AD system's arrays, beyond the operators and methods that all arrays share.

    Attributes:
        modules: where `sympy.lambdify` finds the elementary functions.
        relu: max(0, z), elementwise.
        where: selection by a mask.
        concatenate: of a list of vectors.
        array: NumPy values and a precision → an array of the system.
    """

    modules: Any
    relu: Callable[[Any], Any]
    where: Callable[[Any, Any, Any], Any]
    concatenate: Callable[[list[Any]], Any]
    array: Callable[[Any, str], Any]


def _plain_array(values: Any, precision: str) -> Array:
    return np.asarray(values, dtype=precision)


NUMPY = Library(NUMPY_MODULES, lambda z: np.maximum(z, 0), np.where, np.concatenate, _plain_array)


def grid_energy(
    problem: RitzProblem, grid: Grid, relu: Callable[[Any], Any], array: Callable[[Any], Any] = np.asarray
) -> Callable[[Any], Any]:
    """Σ weight · (½κû′² + ½ρû² − f û) and the end terms, as a function of (3N,) that an AD system can take.

    Args:
        problem: gives κ, ρ, f, D, lift and ends.
        grid: nodes and weights, constants of the sum.
        relu: the AD system's own max(0, z).
        array: NumPy values → constants that go together with the system's arrays.
    """
    constants = [array(a) for a in (grid.nodes, grid.weights, *node_data(problem, grid.nodes))]

    def energy(theta: Any) -> Any:
        return integral(theta, *constants, relu=relu) + point_energy(problem, theta, relu, array)

    return energy


def integral(
    theta: Any,
    nodes: Any,
    weights: Any,
    kappa: Any,
    source: Any,
    distance: Any,
    distance_slope: Any,
    lift: Any,
    lift_slope: Any,
    reaction: Any = None,
    *,
    relu: Callable[[Any], Any],
) -> Any:
    """Σ weight · (½κû′² + ½ρû² − f û) with û′ by Eq. (6) and H(z) as z > 0; `theta` is (3N,), the others (n,)."""
    w, b, c = theta.reshape(3, -1)
    z = nodes[:, None] * w + b
    network = relu(z) @ c
    # H(z) as numbers of the type of the nodes: a product of matrices, of which forward mode has 3N tangents at a time.
    active = (z > 0) * (0 * nodes + 1)[:, None]
    slope = lift_slope + distance_slope * network + distance * (active @ (c * w))
    u = lift + distance * network
    return (weights * _density(kappa, slope, reaction, source, u)).sum()


def _density(kappa: Any, slope: Any, reaction: Any, source: Any, u: Any) -> Any:
    density = kappa * slope**2 / 2 - source * u
    return density if reaction is None else density + reaction * u**2 / 2


def field_integral(
    problem: RitzProblem,
    library: Library,
    theta: Any,
    nodes: Any,
    weights: Any,
    slope: Callable[[Callable[[Any], Any], Any], tuple[Any, Any]],
) -> Any:
    """The same with û and û′ at the nodes as `slope(field, nodes)` has them by automatic differentiation."""
    functions = data_functions(problem, library)
    u, gradient = slope(lambda x: field(problem, library, theta, x), nodes)
    kappa, source, *_ = (function(nodes) for function in functions.values())
    reaction = functions["reaction"](nodes) if "reaction" in functions else None
    return (weights * _density(kappa, gradient, reaction, source, u)).sum()


def field(problem: RitzProblem, library: Library, theta: Any, x: Any) -> Any:
    """û = lift + D · network at x of any shape."""
    w, b, c = theta.reshape(3, -1)
    functions = data_functions(problem, library)
    return functions["lift"](x) + functions["distance"](x) * (library.relu(x[..., None] * w + b) @ c)


def point_energy(
    problem: RitzProblem, theta: Any, relu: Callable[[Any], Any], array: Callable[[Any], Any] = np.asarray
) -> Any:
    """Point loads, flux, Robin, penalty and periodic terms of the parameters (3N,)."""
    terms = problem.point_terms
    if not terms:
        return 0.0
    named = [(k, sign, float(place)) for k, term in enumerate(terms) for sign, place in term.places]
    places = np.array([place for *_, place in named])
    _, _, distance, _, lift, *_ = map(array, node_data(problem, places))
    w, b, c = theta.reshape(3, -1)
    u = lift + distance * (relu(array(places)[:, None] * w + b) @ c)
    total = 0.0
    for k, term in enumerate(terms):
        value = sum(sign * u[row] for row, (which, sign, _) in enumerate(named) if which == k)
        total = total + float(term.pull) * value + float(term.stiffness) * (value - float(term.wanted)) ** 2 / 2
    return total


def split_energy(problem: RitzProblem, library: Library, parameters: Array, precision: str) -> Callable[[Any], Any]:
    """The energy on Gauss points between the kinks, whose nodes and weights carry the gradient (MATH 3).

    Args:
        problem: gives the data and the interfaces, at which the rule splits too.
        library: of the AD system.
        parameters: (3N,), at which it will be differentiated: they say which kinks lie inside, and in what order.
        precision: in which the system computes.
    """

    def array(values: Any) -> Any:
        return library.array(values, precision)

    powers = _smoothing_powers(problem, precision)
    between = [(a + b) / 2 for a, b in pairwise(powers)]
    marks = np.array([*(float(e) for e in (*problem.domain, *problem.interfaces)), *between])
    w, b, _ = parameters.reshape(3, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        kinks = -b / w
    inside = np.flatnonzero((kinks > marks[0]) & (kinks < marks[1]))
    places = np.concatenate([marks, kinks[inside]])
    order = np.argsort(places, kind="stable")
    node, weight = map(array, np.polynomial.legendre.leggauss(_PIECE_ORDER))
    along = [array(a) for a in _along(places[order], powers)]

    def energy(theta: Any) -> Any:
        w, b, _ = theta.reshape(3, -1)
        ends = library.concatenate([array(marks), -b[inside] / w[inside]])[order]
        half, middle = (ends[1:] - ends[:-1])[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
        nodes, weights = middle + half * node, half * weight
        if powers:
            nodes, weights = _crowded(library, ends, along, node, weight)
        nodes, weights = nodes.reshape(-1), weights.reshape(-1)
        data = (function(nodes) for function in data_functions(problem, library).values())
        ends_value = point_energy(problem, theta, library.relu, array)
        return integral(theta, nodes, weights, *data, relu=library.relu) + ends_value

    return energy


def _smoothing_powers(problem: RitzProblem, precision: str) -> dict[float, int]:
    """Pole → q of x = pole ± t^q, see `RitzProblem.smoothing`.

    Raises:
        Unavailable: no power smooths the data that keeps enough digits of the distance.
    """
    for pole, q in problem.smoothing.items():
        if not 0 < q <= _LARGEST_POWER:
            raise Unavailable(f"no change of variable smooths the data at x = {pole} for Gauss points on pieces")
        if precision == "float32" and pole != 0:
            raise Unavailable(f"float32 keeps too few digits of the distance to x = {pole}, where data are infinite")
    return {float(pole): q for pole, q in problem.smoothing.items()}


def _along(ends: Array, powers: dict[float, int]) -> tuple[Array, ...]:
    """Of each piece: p, ±1 and q of x = p ± t^q, in which Gauss points are taken; which of its ends are p, 1 or 0.

    Only pieces that are longer than their distance to a pole need it; of the others q is 1.
    """
    pole, sign, power = np.zeros(len(ends) - 1), np.ones(len(ends) - 1), np.ones(len(ends) - 1)
    for place, q in powers.items():
        away = ends - place
        near = np.minimum(np.abs(away[1:]), np.abs(away[:-1])) < np.diff(ends)
        pole[near], power[near] = place, q
        sign[near] = np.sign((away[1:] + away[:-1])[near])
    return pole, sign, power, *(1.0 * ((e == pole) & (power > 1)) for e in (ends[:-1], ends[1:]))


def _crowded(library: Library, ends: Any, along: list[Any], node: Any, weight: Any) -> tuple[Any, Any]:
    """Nodes and weights on the pieces, (pieces, points), in the t of `_along`."""
    pole, sign, power, *on = along

    def root(end: Any, here: Any) -> Any:
        # It has no derivative on the pole, where nothing moves.
        away = library.where(here > 0, 1 + 0 * pole, sign * (end - pole))
        return library.where(here > 0, 0 * pole, away ** (1 / power))[:, None]

    start, stop = root(ends[:-1], on[0]), root(ends[1:], on[1])
    t, slope = (start + stop) / 2 + (stop - start) / 2 * node, sign[:, None] * power[:, None]
    nodes = pole[:, None] + sign[:, None] * t ** power[:, None]
    return nodes, slope * t ** (power[:, None] - 1) * (stop - start) / 2 * weight


def node_data(problem: RitzProblem, nodes: Array) -> tuple[Array, ...]:
    """κ, f, D, D′, lift, lift′, and ρ if it is not 0, at nodes (n,), in NumPy: constants beside the parameters."""
    return tuple(function(nodes) for function in data_functions(problem, NUMPY).values())


@cache
def data_functions(problem: RitzProblem, library: Library) -> dict[str, Callable[[Any], Any]]:
    """κ, f, D, D′, lift, lift′, and ρ where there is one, as functions of the library's arrays: differentiable."""
    d, lift = problem.distance, problem.lift
    expressions = {
        "coefficient": problem.coefficient,
        "source": problem.source,
        "distance": d,
        "distance_slope": sympy.diff(d, X),
        "lift": lift,
        "lift_slope": sympy.diff(lift, X),
    } | ({} if problem.reaction == 0 else {"reaction": problem.reaction})
    return {n: _function(e, library, problem.domain) for n, e in expressions.items()}


def _function(expression: Any, library: Library, domain: tuple[Any, Any]) -> Callable[[Any], Any]:
    """A SymPy expression as a function; a piecewise one by selection among its branches."""
    if not isinstance(expression, sympy.Piecewise):
        smooth = smooth_function(expression, library)
        return lambda x: smooth(x) + 0 * x
    # Canonical pieces are x < number (see `piecewise.canonical`).
    limits = [float(e) for e in (domain[0], *(c.rhs for _, c in expression.args[:-1]), domain[1])]
    branches = [smooth_function(e, library) for e, _ in expression.args]
    parts = [(function, a, b) for function, (a, b) in zip(branches, pairwise(limits), strict=True)]

    def evaluate(x: Any) -> Any:
        out = 0 * x
        for k, (function, a, b) in enumerate(parts):
            here = (x >= (a if k else -inf)) & (x < (b if k + 1 < len(parts) else inf))
            # Elsewhere the branch is asked at its middle: infinite there, it would spoil derivatives, masked or not.
            out = library.where(here, function(library.where(here, x, (a + b) / 2)), out)
        return out

    return evaluate


def smooth_function(expression: Any, library: Library, symbols: tuple[Any, ...] = (X,)) -> Callable[..., Any]:
    """A SymPy expression without pieces as a function of the library's arrays, one for each symbol."""
    for reciprocal, known in _RECIPROCALS.items():
        expression = expression.replace(reciprocal, lambda z, known=known: 1 / known(z))
    # As floats: the torch printer would hand torch.pow and torch.sqrt constants such as π², which they refuse.
    function: Callable[..., Any] = sympy.lambdify(symbols, sympy.N(expression, 17), library.modules)
    return function


def tangent_block(parameters: int) -> int:
    """How many nodes forward mode takes at a time: with 3N tangents of N neurons each they fit a processor's cache."""
    return min(max(1_000_000 * 3 // parameters**2, 16), 1024)


def blocks(arrays: Iterable[Array], size: int) -> list[list[Array]]:
    """Nodes (n,) or (n, 2), weights and data (n,) cut into blocks of one size, for systems that compile for each size.

    The last block is filled up with copies of its last node at weight 0, which add nothing to the sum.
    """
    nodes, weights, *data = arrays
    cuts = range(0, len(nodes), size)

    def cut(values: Array, start: int, filling: str) -> Array:
        part = values[start : start + size]
        missing = ((0, size - len(part)), *[(0, 0)] * (part.ndim - 1))
        return np.pad(part, missing) if filling == "zero" else np.pad(part, missing, mode="edge")

    return [[cut(nodes, s, "edge"), cut(weights, s, "zero"), *(cut(d, s, "edge") for d in data)] for s in cuts]
