"""The audit in the plane: AD systems on points, and which rules and discrete deltas tend to the exact gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from ..choices import Delta
from ..discrete.plane_points import PLANE_RULES, PlanePoints, plane_points
from ..discrete.plane_quadrature import crossings, delta_on, lasting_jumps, sum_on
from ..errors import InputError
from ..line.crosscheck import Agreement, agreement
from ..plane.corners import corner_gradient
from ..plane.energy import refined
from ..plane.functions import PAIR
from ..plane.gradient import PlaneGradient, local_parameters, plane_gradient
from ..plane.scanlines import scanline_gradient
from ..statement.blocks import BLOCKS
from ..statement.named_plane import plane_problems
from ..statement.plane import PlaneProblem, require_network
from ..statement.plane_network import PlaneNetwork
from .elsewhere import answers_of, discover_with
from .examination import Answers, answers, blank_row, examined
from .method import Array, Method, require_inputs
from .plane_findings import PlaneAudit
from .row import OWN, Row
from .study import ROUNDING, Bound, Study, family_sizes, growth

PLANE_POINTS = (400, 4_000, 40_000)
PLANE_WIDTH = 10
PLANE_PROBLEM = "plane-sine"
# n points have a spacing of 1/√n, and errors may fall as slowly: those of random points, of cells that a line along
# their rows cuts, of cells at edges that run across them. On which side of a line the nearest node lies is, point by
# point, a matter of chance where points are random: √n such choices for each line make half that order, which does not
# show over one decade.
_BOUNDS = {None: Bound(0.5, -2), "mean": Bound(0.5, -2), "nearest": Bound(0.25, 0)}
# Growth nearer to the verdict's bound than this factor is luck: what was found then is what was to be expected.
_CLOSE = 1.2
# Derivations in float64 must agree to this many digits of the largest component. Where training ends the gradient is a
# hundredth of what it is a sum of, which leaves some thirteen.
_REQUIRED_DIGITS = 10
# Gauss points of the two further derivations between what meets what: data of the named problems to rounding.
_CHECK_POINTS = 24
_RULES = {"midpoint": "midpoints", "random": "random points", "quasi-random": "quasi-random points"}
_DELTAS: dict[Delta | None, str] = {None: "no delta", "nearest": "nearest-node delta", "mean": "mean delta"}


def audit_plane(
    problem: PlaneProblem | None = None,
    network: PlaneNetwork | None = None,
    methods: Iterable[Method] | None = None,
    points: tuple[int, ...] = PLANE_POINTS,
    progress: Callable[[str], None] = lambda what: None,
    executor: Executor | None = None,
) -> PlaneAudit:
    """Cross-check the exact gradient on a polygon, then judge every method and our own quadratures on points.

    Args:
        problem: whose energy is differentiated; by default the named problem "plane-sine".
        network: at whose parameters; by default `near_minimum` of `PLANE_WIDTH` neurons.
        methods: whom to judge; by default all that `discover(inputs=2)` finds.
        points: at least three numbers of points, ascending, a decade apart for the verdict's bound to fit.
        progress: called with the name of each step before it starts; of those that other processes do when it is done.
        executor: of processes, which ask the methods that they can find; see `audit_systems`.

    Raises:
        InputError: too few numbers of points, something that is no executor, or a network that is no `PlaneNetwork`.
        NondifferentiableError: the energy has no gradient at this network.
    """
    if len(points) < 3 or any(a >= b for a, b in pairwise(points)):
        raise InputError(f"points: {points} does not refine; at least three ascending numbers would be right")
    problem = plane_problems[PLANE_PROBLEM] if problem is None else problem
    network = near_minimum(problem, PLANE_WIDTH, seed=0) if network is None else network
    require_network(network, problem)
    chosen = discover_with(executor, inputs=2) if methods is None else require_inputs(methods, 2)
    # One precision, the first that each has: in one input both are asked, and JAX compiles for each anew.
    first = [(m, m.precisions[:1]) for m in chosen]
    question = (problem, network.ravel(), tuple(points))
    told = _told_of_the_plane(progress)
    with answers_of(executor, first, _plane_answers, question, told) as taken:
        told("exact gradient and cross-check")
        exact = plane_gradient(problem, network)
        agreements, rows = _crosscheck(problem, network, exact), list[Row]()
        beside = along_rows(problem, network)
        if all(a.passed for a in agreements):
            asked = _Asked(problem, network, exact, points)
            for rule in PLANE_RULES:
                told(_RULES[rule])
                rows += asked.deltas(rule)
            if beside is not None:
                told("lines along the rows")
                other = _Asked(problem, beside, plane_gradient(problem, beside), points)
                rows += other.deltas("midpoint", ", lines along rows")
            floor = next(r for r in rows if r.delta == "mean")
            found = {k: asked.row(chosen[k], chosen[k].precisions[0], "midpoint", floor, g) for k, (g,) in taken()}
            rows = [*(found[k] for k in sorted(found)), *rows]
    scale = float(np.linalg.norm(exact.total.ravel())) or 1.0
    share = float(np.linalg.norm(exact.dirac.ravel())) / scale
    return PlaneAudit(problem, network, beside, tuple(points), exact, agreements, tuple(rows), share)


def _told_of_the_plane(progress: Callable[[str], None]) -> Callable[[str], None]:
    return lambda what: progress(f"the plane: {what}")


def _plane_answers(
    method: Method, precision: str, problem: PlaneProblem, vector: Array, points: tuple[int, ...]
) -> Answers:
    return answers(method, precision, problem, vector, _families(problem, "midpoint", points))


@lru_cache(maxsize=3)
def _families(problem: PlaneProblem, rule: str, points: tuple[int, ...]) -> list[list[PlanePoints]]:
    """Four neighbouring numbers of points each, random ones with a seed each."""
    return [[plane_points(problem, rule, m, seed) for seed, m in enumerate(family_sizes(n))] for n in points]


def near_minimum(problem: PlaneProblem, width: int, seed: int) -> PlaneNetwork:
    """Kink lines through random points of the polygon in random directions, and output weights of least energy.

    There training ends, and the Dirac part is many times the whole gradient.
    """
    places = plane_points(problem, "random", width, seed).nodes
    angles = np.random.default_rng((seed, width)).uniform(0, 2 * np.pi, width)
    w = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return _minimised(problem, w, -(w * places).sum(axis=1))


def along_rows(problem: PlaneProblem, network: PlaneNetwork) -> PlaneNetwork | None:
    """The network whose kink lines are parallel to the axis nearest to each, about the same place; None without any."""
    found = crossings(problem, network, plane_points(problem, "midpoint", PLANE_POINTS[0]).cells)
    kept = np.unique(found.neuron)
    if not len(kept):
        return None
    places = np.array([found.place[found.neuron == i].mean(axis=0) for i in kept])
    w = np.asarray(network.hidden_weights, dtype=float)[kept]
    turned = np.where(np.abs(w) == np.abs(w).max(axis=1, keepdims=True), w, 0.0)
    turned[turned.all(axis=1), 1] = 0.0
    return _minimised(problem, turned, -(turned * places).sum(axis=1))


def _minimised(problem: PlaneProblem, w: Array, b: Array) -> PlaneNetwork:
    """With output weights of least energy: the energy is quadratic in them."""
    network = PlaneNetwork(w, b, np.zeros(len(b)))

    def system(functions: Any, pairs: Any, _: Any) -> Array:
        lines, _ = local_parameters(network, functions, "float")
        shared = pairs.shared[..., PAIR]
        matrix = np.einsum("ir,ijrs,js->ij", lines, shared, lines)
        return np.concatenate([(lines * pairs.single).sum(axis=1), matrix.ravel()])

    force, matrix = np.split(refined(problem, network, "float", system).values, [len(b)])
    weights, *_ = np.linalg.lstsq(matrix.reshape(len(b), len(b)), -force)
    return PlaneNetwork(w, b, weights)


def _crosscheck(problem: PlaneProblem, network: PlaneNetwork, exact: PlaneGradient) -> tuple[Agreement, ...]:
    """The exact gradient against the two further derivations, all in float64."""
    out = []
    for name, route in (("corners of cells", corner_gradient), ("scan lines", scanline_gradient)):
        _, found = route(problem, network, points=_CHECK_POINTS)
        names = ("half planes in pairs", name)
        out.append(agreement(exact.total.ravel(), found.ravel(), names, _REQUIRED_DIGITS))
    return tuple(out)


class _Asked:
    """A problem and network at which several ways are asked, on families of points that are made once."""

    def __init__(
        self, problem: PlaneProblem, network: PlaneNetwork, exact: PlaneGradient, points: tuple[int, ...]
    ) -> None:
        self._problem, self._network, self._exact, self._points = problem, network, exact, points

    def deltas(self, rule: str, where: str = "") -> list[Row]:
        """Our own quadratures by one rule, with each of the discrete deltas."""
        *others, mean = _own_methods(_RULES[rule] + where)
        floor = self.row(mean, "float64", rule, None)
        return [*(self.row(m, "float64", rule, floor) for m in others), floor]

    def row(self, method: Method, precision: str, rule: str, floor: Row | None, given: Answers | None = None) -> Row:
        """What one way gives.

        Args:
            method: the way.
            precision: in which it computes.
            rule: of the points.
            floor: the row of the mean delta on the same points; None for that row itself.
            given: its answers; None asks here.
        """
        if given is None:
            given = answers(method, precision, self._problem, self._network.ravel(), self._family(rule))
        found = examined(
            blank_row(method, precision), given, self._exact, list(self._points), _BOUNDS[method.delta],
            by_the_whole=True,
        )  # fmt: skip
        lasting, reason = self._lasting(method, rule)
        whole = float(np.linalg.norm(self._exact.total.ravel())) or 1.0
        shares = {n: float(np.linalg.norm(getattr(lasting, n))) / whole for n in BLOCKS}

        def foreseen(share: float, least: Study | None, verdict: str) -> str:
            """What lasts, and beside it what these points leave of the right gradient; as found where that is close."""
            if least is None:
                return "consistent"
            errors = [float(np.hypot(share, e)) for e in least.errors]
            if errors[-1] <= ROUNDING[precision]:
                return "consistent"
            grown = growth(errors, list(self._points), _BOUNDS[method.delta])
            return verdict if 1 / _CLOSE < grown < _CLOSE else "consistent" if grown < 1 else "inconsistent"

        if found.total is None:
            return replace(found, reason=reason)
        total = foreseen(
            float(np.linalg.norm(lasting.ravel())) / whole, floor.total if floor else None, found.total.verdict
        )
        blocks = {n: foreseen(shares[n], floor.blocks[n] if floor else None, found.blocks[n].verdict) for n in BLOCKS}
        return replace(found, expected=total, expected_blocks=blocks, reason=reason)

    def _lasting(self, method: Method, rule: str) -> tuple[Any, str]:
        """What a way of asking lacks however many points there are, by block in size, and why."""
        dirac = self._exact.dirac
        if method.delta is None:
            return dirac, "right for the sum over the points; the limit of its derivative lacks the Dirac terms"
        nothing = dirac.map(lambda v: 0 * v)
        if method.delta == "mean":
            return nothing, "the Dirac terms, with the mean of the one-sided limits of ∇û, are added"
        if rule != "midpoint":
            return nothing, "points have no rows: the nearest one lies on either side of a line, and ∇û is the mean's"
        jumps = lasting_jumps(self._problem, self._network, self._family(rule)[-1][0].cells)
        if jumps.any():
            return type(dirac).from_vector(jumps), (
                "from row to row these lines go on by p/q of a cell, q odd and small: the nodes next to them are more "
                "often on one side"
            )
        return nothing, "the nodes nearest to a line lie on its two sides in turn, and ∇û is the mean's"

    def _family(self, rule: str) -> list[list[PlanePoints]]:
        return _families(self._problem, rule, tuple(self._points))


def _own_methods(prefix: str) -> tuple[Method, ...]:
    """The three discrete deltas: what any program gets that follows them."""
    # The sum over points is the same for all three.
    sums: dict[int, tuple[float, Array]] = {}

    def method(delta: Delta | None, name: str) -> Method:
        def gradient(
            problem: PlaneProblem, parameters: Array, points: PlanePoints, precision: str
        ) -> tuple[float, Array]:
            network = PlaneNetwork.from_vector(parameters)
            if id(points) not in sums:
                sums[id(points)] = sum_on(problem, network, points)
            energy, bulk = sums[id(points)]
            return energy, bulk + delta_on(problem, network, points, delta)

        return Method(f"{prefix}: {name}", gradient, delta=delta, precisions=("float64",), system=OWN, inputs=2)

    return tuple(method(delta, name) for delta, name in _DELTAS.items())
