"""Quadrature rules, discrete deltas, and the gradient that a program gets which integrates on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast, get_args, overload

import mpmath
import numpy as np
from numpy.typing import NDArray

from ..bending.statement import BeamProblem, PowerNetwork, require_power
from ..choices import Delta, PlaneRule, Rule, unknown
from ..errors import InputError
from ..line.energy import Sweep, point_terms, single, sweep, working_digits
from ..line.gradient import Gradient, dirac_terms, refuse_degenerate
from ..line.kinks import arrange
from ..line.moments import moments
from ..statement.blocks import Blocks
from ..statement.expressions import parse_number, to_mpf
from ..statement.network import ShallowNetwork, require_shallow
from ..statement.plane import PlaneProblem
from ..statement.plane_network import PlaneNetwork
from ..statement.problem import RitzProblem
from ..values import Value
from .nodewise import nodewise_gradient

if TYPE_CHECKING:
    from ..plane.gradient import PlaneGradient

Array = NDArray[Any]

RULES: tuple[Rule, ...] = get_args(Rule)
DELTAS: tuple[Delta | None, ...] = (None, *get_args(Delta))
GAUSS_ORDER = 5


@dataclass(frozen=True, eq=False)
class Grid(Value):
    """A fixed quadrature: nodes ascending and weights, both (n,)."""

    nodes: Array
    weights: Array


def grid(rule: str, points: int, domain: tuple[Any, Any] = (0, 1)) -> Grid:
    """Nodes and weights of a rule.

    Args:
        rule: "midpoint"; "endpoint-mean" (`linspace` with equal weights, as `mean()` over a grid amounts to);
            "trapezoid"; "gauss-legendre" (composite, five points a panel).
        points: how many nodes in all.
        domain: the interval.

    Raises:
        InputError: an unknown rule or a number of points that the rule does not have.

    Examples:
        >>> grid("midpoint", 4).nodes
        array([0.125, 0.375, 0.625, 0.875])
    """
    left, right = float(domain[0]), float(domain[1])
    length = right - left
    least = {"midpoint": 1, "endpoint-mean": 2, "trapezoid": 2, "gauss-legendre": GAUSS_ORDER}
    if rule not in least:
        raise unknown("rule", rule, RULES)
    if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < least[rule]:
        raise InputError(f"points: {points!r} is too few for {rule}; a whole number from {least[rule]} on is right")
    if rule == "midpoint":
        return Grid(left + length * (np.arange(points) + 0.5) / points, np.full(points, length / points))
    if rule == "gauss-legendre":
        if points % GAUSS_ORDER:
            near = points - points % GAUSS_ORDER
            raise InputError(
                f"points: {points} is not a multiple of {GAUSS_ORDER}, the points of a gauss-legendre panel; "
                f"{near} or {near + GAUSS_ORDER} would be right"
            )
        nodes, weights = np.polynomial.legendre.leggauss(GAUSS_ORDER)
        panels = points // GAUSS_ORDER
        centres = left + length * (np.arange(panels) + 0.5) / panels
        half = length / panels / 2
        return Grid((centres[:, None] + half * nodes).ravel(), np.tile(half * weights, panels))
    nodes = np.linspace(left, right, points)
    if rule == "endpoint-mean":
        return Grid(nodes, np.full(points, length / points))
    weights = np.full(points, length / (points - 1))
    weights[[0, -1]] /= 2
    return Grid(nodes, weights)


def exact_nodes(rule: str, points: int, domain: tuple[Any, Any] = (0, 1)) -> tuple[list[Any], list[Any]]:
    """The same nodes and weights as mpmath numbers of the working precision.

    Raises:
        InputError: see `grid`.
    """
    # `grid` says no to what neither can make.
    grid(rule, points, domain)
    left, right = (to_mpf(parse_number(e, "domain")) for e in domain)
    length = right - left
    if rule == "midpoint":
        nodes = [left + length * (2 * k + 1) / (2 * points) for k in range(points)]
        return nodes, [length / points] * points
    if rule == "gauss-legendre":
        # The five roots of the Legendre polynomial and their weights in closed form.
        far, near = (mpmath.sqrt(5 + s * 2 * mpmath.sqrt(mpmath.mpf(10) / 7)) / 3 for s in (1, -1))
        outer, inner = ((322 - s * 13 * mpmath.sqrt(70)) / 900 for s in (1, -1))
        half = length * GAUSS_ORDER / (2 * points)
        places = (-far, -near, mpmath.mpf(0), near, far)
        nodes = [left + half * (2 * k + 1 + t) for k in range(points // GAUSS_ORDER) for t in places]
        return nodes, [half * v for v in (outer, inner, mpmath.mpf(128) / 225, inner, outer)] * (points // GAUSS_ORDER)
    nodes = [left + length * k / (points - 1) for k in range(points)]
    if rule == "endpoint-mean":
        return nodes, [length / points] * points
    step = length / (points - 1)
    return nodes, [step / 2, *[step] * (points - 2), step / 2]


@overload
def quadrature_gradient(
    problem: PlaneProblem,
    network: PlaneNetwork,
    rule: PlaneRule = ...,
    points: int = ...,
    delta: Delta | None = ...,
    digits: None = ...,
    seed: int = ...,
) -> PlaneGradient: ...


@overload
def quadrature_gradient(
    problem: RitzProblem | BeamProblem,
    network: ShallowNetwork | PowerNetwork,
    rule: Rule = ...,
    points: int = ...,
    delta: Delta | None = ...,
    digits: int | None = ...,
) -> Gradient: ...


def quadrature_gradient(
    problem: RitzProblem | PlaneProblem | BeamProblem,
    network: ShallowNetwork | PlaneNetwork | PowerNetwork,
    rule: Rule | PlaneRule = "midpoint",
    points: int = 200,
    delta: Delta | None = None,
    digits: int | None = None,
    seed: int = 0,
) -> Gradient | PlaneGradient:
    """The gradient of the energy as integrated on a fixed grid, with a discrete delta for the Dirac terms.

    Costs O(n + N log n) for `None` and `"mean"`: running sums over the nodes take the place of the antiderivatives
    (MATH 4). At a node that is a kink, max(0, z) counts with derivative 0, as in torch. Terms at ends and of point
    loads are no integrals: −P·u(a) is taken at the load's own place, whatever the nodes, not shared among near ones.
    In the plane it costs O(nN).

    Args:
        problem: gives κ, f, D, lift and ends; or a `PlaneProblem`, or a `BeamProblem`, with û″ for û′, in O(nN).
        network: of any width N and batch shape (...); a `PlaneNetwork` in the plane, a `PowerNetwork` for a beam.
        rule: see `grid`; in the plane see `discrete.plane_points.plane_points`.
        points: see there.
        delta: `None`: the derivative of the sum, what autodiff gives. `"nearest"`: Eq. (10), 1/weight at the node
            nearest to the kink, everything else taken at that node. `"mean"`: the derived term with the mean of the
            one-sided limits of û′ at the kink. In the plane both once for each row (or column) of cells that a kink
            line crosses, see `discrete.plane_quadrature`.
        digits: None for float64, else the number of digits of mpmath numbers, node by node, O(nN) (no batch); in one
            input.
        seed: of random and quasi-random points, in the plane.

    Returns:
        A `Gradient`, or a `PlaneGradient`, whose `bulk` is the derivative of the sum and whose `dirac` the delta's.

    Raises:
        InputError: unknown rule or delta.
        NondifferentiableError: `"mean"` where kinks coincide.
    """
    if delta not in DELTAS:
        raise InputError(f"delta: {delta!r} is unknown; one of None, 'nearest', 'mean' would be right")
    if isinstance(problem, PlaneProblem):
        if digits is not None:
            raise InputError("digits: points in the plane are summed up in float64; leaving it out would be right")
        # One input needs none of it.
        from .plane_quadrature import plane_quadrature_gradient

        return plane_quadrature_gradient(problem, cast(PlaneNetwork, network), rule, points, delta, seed)
    if seed:
        raise InputError(f"seed: nothing is random in one input, and {seed} would change nothing; a PlaneProblem has "
                         "random points")  # fmt: skip
    if isinstance(problem, BeamProblem):
        if digits is not None:
            raise InputError("digits: a beam is summed over points in float64; leaving it out would be right")
        from ..bending.quadrature import beam_sum

        on = grid(rule, points, problem.domain)
        return beam_sum(problem, require_power(network), on.nodes, on.weights, delta)
    require_shallow(network)
    network = cast(ShallowNetwork, network)
    mesh = grid(rule, points, problem.domain)
    if digits is not None:
        return _exact_gradient_on_grid(problem, single(network), rule, points, delta, digits)
    swept, w, b, c = _grid_sweep(problem, network, rule, points, mesh)
    table = moments(problem)
    by_slope, by_intercept = swept.forces()
    bulk = np.stack([c * by_slope, c * by_intercept, w * by_slope + b * by_intercept])
    energy = swept.energy()
    terms = point_terms(problem, w, b, c, swept.arrangement)
    if terms is not None:
        bulk, energy = bulk + terms.forces, energy + terms.energy
    arrangement = swept.arrangement
    if delta == "mean":
        refuse_degenerate(problem, network, arrangement)
        dirac = dirac_terms(swept, table, (w, b, c))
    elif delta == "nearest":
        dirac = _nearest(problem, mesh, swept, (w, b, c))
    else:
        dirac = np.zeros_like(bulk)
    return Gradient(
        Blocks(*bulk), Blocks(*dirac), Blocks(*(bulk + dirac)), energy[()], "grid", 0.0, arrangement.distance
    )


def _exact_gradient_on_grid(
    problem: RitzProblem, network: ShallowNetwork, rule: str, points: int, delta: str | None, digits: int
) -> Gradient:
    arrangement = arrange(problem, network, derivative=1)
    if delta == "mean":
        refuse_degenerate(problem, network, arrangement)
    with mpmath.workdps(working_digits(digits)):
        try:
            found = nodewise_gradient(problem, network, *exact_nodes(rule, points, problem.domain), delta)
        except ZeroDivisionError:
            raise _on_a_pole(rule) from None
        if not mpmath.isfinite(found.energy):
            raise _on_a_pole(rule)
    with mpmath.workdps(digits):
        bulk, dirac, total = (
            Blocks(*part).map(lambda v: +v) for part in (found.bulk, found.dirac, found.bulk + found.dirac)
        )
        return Gradient(bulk, dirac, total, +found.energy, "grid", 0.0, arrangement.distance)


def _grid_sweep(
    problem: RitzProblem, network: ShallowNetwork, rule: str, points: int, mesh: Grid
) -> tuple[Sweep, Array, Array, Array]:
    w, b, c = network.floats
    sums = _node_sums(problem, rule, points)
    arrangement = arrange(problem, network, derivative=1)
    left, right = float(problem.domain[0]), float(problem.domain[1])
    x = arrangement.positions
    # A rising neuron does not see the node on its kink, nor does a falling one.
    passed = np.where(
        arrangement.orientations > 0,
        np.searchsorted(mesh.nodes, x, side="right"),
        np.searchsorted(mesh.nodes, x, side="left"),
    )
    # A neuron moved to an end because it is active (or silent) throughout includes (or excludes) a node there.
    everywhere_up = ~arrangement.inside & arrangement.active_left & (arrangement.orientations > 0) & (x == left)
    everywhere_down = ~arrangement.inside & arrangement.active_right & (arrangement.orientations < 0) & (x == right)
    passed = np.where(everywhere_up, 0, np.where(everywhere_down, points, passed))

    # On a coarse grid two kinks between the same nodes count in either order, but never backwards.
    def increments(order: Array) -> Array:
        seen = np.maximum.accumulate(np.take_along_axis(passed, order, -1), axis=-1)
        ends = (np.zeros((*seen.shape[:-1], 1), dtype=int), np.full((*seen.shape[:-1], 1), points))
        return np.diff(sums[:, np.concatenate([ends[0], seen, ends[1]], axis=-1)], axis=-1)

    return sweep(arrangement, w, b, c, increments), w, b, c


@lru_cache(maxsize=64)
def _node_sums(problem: RitzProblem, rule: str, points: int) -> Array:
    """Running sums over the nodes of weight × density coefficients, (6, n + 1); once per problem and grid."""
    mesh = grid(rule, points, problem.domain)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = moments(problem).density(mesh.nodes) * mesh.weights
        sums = np.concatenate([np.zeros((len(terms), 1)), np.cumsum(terms, axis=-1)], axis=-1)
    if not np.isfinite(sums).all():
        raise _on_a_pole(rule)
    return sums


def _on_a_pole(rule: str) -> InputError:
    return InputError(f"rule: {rule} puts a node where the source is not finite; midpoint would be right")


def _nearest(problem: RitzProblem, mesh: Grid, swept: Sweep, parameters: tuple[Array, Array, Array]) -> Array:
    """Eq. (10): the Dirac part of the integrand of Eq. (5) at the node nearest to each kink, times δ_h·weight = 1."""
    w, b, c = parameters
    inside = swept.arrangement.inside
    x = swept.arrangement.positions
    after = np.clip(np.searchsorted(mesh.nodes, x), 1, max(len(mesh.nodes) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(mesh.nodes) - 1)
    node = np.where(x - mesh.nodes[before] <= mesh.nodes[after] - x, mesh.nodes[before], mesh.nodes[after])
    z = w[..., None, :] * node[..., :, None] + b[..., None, :]
    value = (c[..., None, :] * np.maximum(z, 0)).sum(-1)
    slope = (c[..., None, :] * w[..., None, :] * (z > 0)).sum(-1)
    # `dirac` adds half of the neuron's own slope; at a node the slope is what it is, so that half is taken off.
    weights = np.where(inside, w, 1.0)
    terms = moments(problem).dirac(node, weights, c, value, slope - c * weights / 2, np.ones_like(node))
    return np.asarray(np.where(inside, terms, 0.0))
