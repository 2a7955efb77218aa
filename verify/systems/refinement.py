"""The audit: does a program's gradient tend to the gradient of the integral as its grid is refined?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ..choices import Delta, Rule
from ..discrete.quadrature import Grid, quadrature_gradient
from ..errors import InputError, NondifferentiableError
from ..exact import exact_gradient
from ..line.crosscheck import crosscheck
from ..line.gradient import Gradient
from ..statement.blocks import BLOCKS
from ..statement.expressions import NUMPY_MODULES, X
from ..statement.network import ShallowNetwork, require_shallow
from ..statement.problem import RitzProblem
from .elsewhere import answers_of, discover_with
from .examination import Answers, answers, blank_row, examined
from .findings import Audit
from .method import Method, require_inputs
from .row import OWN, Row
from .study import ROUNDING, family

Array = NDArray[Any]

POINTS = (100, 1_000, 10_000, 100_000)
WIDTH = 20


def audit_systems(
    problem: RitzProblem,
    network: ShallowNetwork | None = None,
    methods: Iterable[Method] | None = None,
    points: tuple[int, ...] = POINTS,
    rule: Rule = "midpoint",
    progress: Callable[[str], None] = lambda what: None,
    executor: Executor | None = None,
) -> Audit:
    """Cross-check the exact gradient, then judge every method by a refinement study.

    Args:
        problem: whose energy is differentiated.
        network: at whose parameters; by default the seeded random network of `WIDTH` neurons.
        methods: whom to judge; by default all that `backends.discovery.discover` finds. Our own quadratures are
            always added.
        points: at least three grid sizes, ascending, a decade apart for the verdict's bound to fit.
        rule: quadrature rule of the fixed grids.
        progress: called with the name of each step before it starts; of those that other processes do when it is done.
        executor: of processes, which ask the methods that they can find, `discover_with(executor)`, while this one
            cross-checks; by default all is done here. The rows are the same, to the last bit.

    Raises:
        InputError: too few grids, something that is no executor, or a batch of networks.
        NondifferentiableError: the energy has no gradient at this network.
    """
    if len(points) < 3 or any(a >= b for a, b in pairwise(points)):
        raise InputError(f"points: {points} does not refine; at least three ascending numbers would be right")
    network = ShallowNetwork.random(WIDTH, seed=0) if network is None else network
    require_shallow(network)
    if network.batch:
        raise InputError(f"network: an audit takes one network, not a batch of shape {network.batch}")
    # What no rule has is refused before anything is asked.
    _families(rule, tuple(points), problem.domain)
    chosen = discover_with(executor) if methods is None else require_inputs(methods, 1)
    asked = [(m, m.precisions if m.gradient else ("",)) for m in (*chosen, *_own_methods(rule))]
    question = (problem, network.ravel(), rule, tuple(points))
    rows: dict[int, list[Row]] = {}
    with answers_of(executor, asked, _line_answers, question, progress) as taken:
        progress("exact gradient")
        exact = exact_gradient(problem, network)
        progress("cross-check by two other routes")
        agreements = crosscheck(problem, network)
        if all(a.passed for a in agreements):
            for k, given in taken():
                method, precisions = asked[k]
                rows[k] = [_row(exact, method, p, g, list(points)) for p, g in zip(precisions, given, strict=True)]
    shares = {"at this network": _share(exact)}
    if problem.solution is not None and network.width >= 3:
        # An equidistant kink may fall on an interface, where there is no gradient to compare with.
        with suppress(NondifferentiableError):
            shares["near the solution"] = _share(exact_gradient(problem, near_solution(problem, network.width)))
    in_order = tuple(row for k in sorted(rows) for row in rows[k])
    return Audit(problem, network, rule, tuple(points), exact, agreements, in_order, shares)


def _line_answers(
    method: Method, precision: str, problem: RitzProblem, vector: Array, rule: Rule, points: tuple[int, ...]
) -> Answers:
    return answers(method, precision, problem, vector, _families(rule, points, problem.domain))


@lru_cache(maxsize=1)
def _families(rule: Rule, points: tuple[int, ...], domain: tuple[Any, Any]) -> list[list[Grid]]:
    return [family(rule, n, domain) for n in points]


def _share(gradient: Gradient) -> float:
    # A network that is silent on the whole domain has no gradient at all, hence nothing of it to miss.
    return float(np.linalg.norm(gradient.dirac.ravel()) / (np.linalg.norm(gradient.total.ravel()) or 1.0))


def _own_methods(rule: Rule) -> tuple[Method, ...]:
    """The three discrete deltas, in closed form: what any program gets that follows them."""

    def method(delta: Delta | None, name: str) -> Method:
        def gradient(problem: RitzProblem, parameters: Array, mesh: Grid, precision: str) -> tuple[float, Array]:
            found = quadrature_gradient(problem, ShallowNetwork.from_vector(parameters), rule, len(mesh.nodes), delta)
            return float(found.energy), found.total.ravel()

        return Method(name, gradient, delta=delta, precisions=("float64",), system=OWN)

    return (
        method(None, "no delta"),
        method("nearest", "nearest-node delta, Eq. (10)"),
        method("mean", "mean delta"),
    )


def judge(
    problem: RitzProblem,
    network: ShallowNetwork,
    exact: Gradient,
    method: Method,
    precision: str,
    grids: list[list[Grid]],
) -> Row:
    """Run one method over the families of grids and compare with the exact gradient.

    A method that cannot be run, fails or returns something else than an energy and a gradient is reported, not
    judged.

    Raises:
        InputError: our own quadrature refuses the request, a rule with a node on a pole of the source for instance.
    """
    given = answers(method, precision, problem, network.ravel(), grids)
    return _row(exact, method, precision, given, [len(of_n[0].nodes) for of_n in grids])


def _row(exact: Gradient, method: Method, precision: str, given: Answers, sizes: list[int]) -> Row:
    expected, expected_blocks, reason = _expectation(exact, method, precision)
    blank = replace(blank_row(method, precision), expected=expected, expected_blocks=expected_blocks, reason=reason)
    return examined(blank, given, exact, sizes)


def _expectation(exact: Gradient, method: Method, precision: str) -> tuple[str, dict[str, str], str]:
    """The verdicts that theory predicts, with the reason (MATH 1–3)."""
    if method.conforming:
        return "exact", dict.fromkeys(BLOCKS, "exact"), "nodes and weights move with the kinks, so autodiff sees them"
    if method.delta == "mean":
        why = "the Dirac terms, with the mean of the one-sided limits of û′, are added"
        return "consistent", dict.fromkeys(BLOCKS, "consistent"), why
    # A block without Dirac part has nothing to miss; the output weights never have one.
    missing = {
        n: float(np.linalg.norm(getattr(exact.dirac, n)) / (np.linalg.norm(getattr(exact.total, n)) or 1.0))
        for n in BLOCKS
    }
    blocks = {n: "inconsistent" if m > ROUNDING[precision or "float64"] else "consistent" for n, m in missing.items()}
    # Of the whole gradient it can be less than this precision shows, where it is much of its own block.
    whole = float(np.linalg.norm(exact.dirac.ravel()) / (np.linalg.norm(exact.total.ravel()) or 1.0))
    total = "inconsistent" if whole > ROUNDING[precision or "float64"] else "consistent"
    if method.delta == "nearest":
        return total, blocks, "û′ at the nearest node is one-sided; the mean is needed"
    return total, blocks, "right for the discrete sum; the limit of its derivative lacks the Dirac terms"


def near_solution(problem: RitzProblem, width: int) -> ShallowNetwork:
    """The network whose product with D interpolates the known solution at equidistant kinks.

    Raises:
        InputError: no solution is known, or fewer than three neurons.
    """
    if problem.solution is None or width < 3:
        raise InputError(f"near_solution: {problem.name} needs a known solution and three neurons, got width {width}")
    left, right = (float(e) for e in problem.domain)
    knots = np.linspace(left, right, width)
    # D may vanish at the ends, where (u − lift)/D is a limit; a thousandth of a cell inside serves.
    inset = 1e-3 * (right - left) / width
    places = np.clip(knots, left + inset, right - inset)
    target = sympy.lambdify(X, (problem.solution - problem.lift) / problem.distance, NUMPY_MODULES)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Branches are asked beyond their ends too, where broken powers are no numbers.
        values = target(places) + 0 * places
    slopes = np.diff(values) / np.diff(knots)
    w = np.ones(width)
    b = np.concatenate([[1.0 - left], [1.0 - left], -knots[1:-1]])
    w[1] = 0.0
    c = np.concatenate([[slopes[0], values[0] / b[1] - slopes[0] / b[1]], np.diff(slopes)])
    return ShallowNetwork(w, b, c)
