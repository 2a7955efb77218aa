"""The audit: does a program's gradient tend to the gradient of the integral as its grid is refined?"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from .backends import Method, Unavailable
from .backends.answer import answer
from .backends.discovery import backends, describe, discover
from .blocks import BLOCKS
from .crosscheck import REQUIRED_DIGITS, Agreement, crosscheck
from .errors import InputError, NondifferentiableError
from .expressions import NUMPY_MODULES, X
from .gradient import Gradient, exact_gradient
from .network import ShallowNetwork
from .problem import RitzProblem
from .quadrature import Grid, grid, quadrature_gradient

Array = NDArray[Any]

SCHEMA_VERSION = 1
# The system's name of our own quadratures.
OWN = "kinkproof"
POINTS = (100, 1_000, 10_000, 100_000)
WIDTH = 20
# What rounding may leave of an exact gradient. float64: sums of 10⁵ terms lose three to four digits of sixteen, the
# rest is margin. float32: the same of seven and a half.
ROUNDING = {"float64": 1e-10, "float32": 1e-4}
# A kink lies luckily in its cell on one grid and unluckily on the next. The largest error over four neighbouring
# grids takes that luck out, so that one neuron suffices for a verdict.
_FAMILY = (1.0, 1.1, 1.2, 1.3)
# Error × n keeps its size where the error has order 1 (kinks anywhere in their cells) and grows tenfold from decade to
# decade where it stands still: the geometric mean of the two decides.
_MOST_GROWTH = 10**0.5


@dataclass(frozen=True)
class Study:
    """Relative errors for one block of parameters (or all), the fitted order, and the verdict.

    Attributes:
        errors: for each n, the largest over the grids of n to 1.3 n points.
        order: slope of the fit through those above rounding, None with fewer than two.
        verdict: "exact", "consistent" or "inconsistent"; see `study`.
    """

    errors: tuple[float, ...]
    order: float | None
    verdict: str


@dataclass(frozen=True)
class Row:
    """What the audit found for one method in one precision.

    Attributes:
        system: the AD system, "kinkproof" for our own quadratures.
        method: its name, "" for a system that could not be asked at all.
        precision: "float64" or "float32", "" where nothing was run.
        total: the study over all parameters, `None` where there is none.
        blocks: the same for each block.
        expected: verdict over all parameters that theory predicts for this problem and network.
        expected_blocks: likewise by block.
        reason: why.
        attribution: |missing − Dirac part| / |Dirac part| at the finest grid, for an inconsistent method.
        unavailable: why the method could not be run here, else "".
        failed: what went wrong when it was run, else "".
        conforming: does its quadrature follow the kinks?
        delta: the discrete delta it uses, if any.
    """

    system: str
    method: str
    precision: str
    total: Study | None
    blocks: dict[str, Study]
    expected: str
    expected_blocks: dict[str, str]
    reason: str
    attribution: float | None
    unavailable: str = ""
    failed: str = ""
    conforming: bool = False
    delta: str | None = None

    @property
    def label(self) -> str:
        """System, method and precision, for messages."""
        return ", ".join(p for p in (": ".join(q for q in (self.system, self.method) if q), self.precision) if p)

    @property
    def as_expected(self) -> bool:
        """Do all verdicts equal the expected ones? What is not installed is held against nobody, a failure is."""
        if self.total is None:
            return not self.failed
        pairs = [(self.total.verdict, self.expected)]
        pairs += [(s.verdict, self.expected_blocks[n]) for n, s in self.blocks.items()]
        # Rounding on every grid, where a vanishing error was expected, is no surprise but a coarse precision.
        return all(found == wanted or (found, wanted) == ("exact", "consistent") for found, wanted in pairs)


@dataclass(frozen=True)
class Audit:
    """The outcome of `audit`; `passed` if the routes agree and every verdict is as expected."""

    problem: RitzProblem
    network: ShallowNetwork
    rule: str
    points: tuple[int, ...]
    exact: Gradient
    agreements: tuple[Agreement, ...]
    rows: tuple[Row, ...]
    dirac_shares: dict[str, float]

    @property
    def routes_agree(self) -> bool:
        """Do the independent derivations agree? If not, no method was judged."""
        return all(a.passed for a in self.agreements)

    @property
    def judged_systems(self) -> tuple[str, ...]:
        """The AD systems of which at least one method was judged."""
        return tuple(dict.fromkeys(r.system for r in self.rows if r.total is not None and r.system != OWN))

    @property
    def passed(self) -> bool:
        """Routes agree and every verdict is as expected."""
        return self.routes_agree and all(r.as_expected for r in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Every number of the audit, ready for JSON."""
        p, g = self.problem, self.exact
        return {
            "schema_version": SCHEMA_VERSION,
            "versions": versions(),
            "problem": {
                "name": p.name,
                **{n: str(getattr(p, n)) for n in ("coefficient", "source", "distance", "lift", "solution")},
                "fluxes": {str(k): str(v) for k, v in p.fluxes.items()},
                "essential": {str(k): str(v) for k, v in p.essential.items()},
                "penalty": str(p.penalty),
                "domain": [str(e) for e in p.domain],
            },
            "network": {n: [str(v) for v in self.network.rational(n)] for n in BLOCKS},
            "rule": self.rule,
            "points": list(self.points),
            "crosscheck": {
                "required_digits": REQUIRED_DIGITS,
                "routes": [
                    {"routes": list(a.routes), "digits": a.digits, "parameter": a.parameter} for a in self.agreements
                ],
            },
            "exact": {
                "energy": float(g.energy),
                "route": g.route,
                "error_estimate": g.error_estimate,
                "distance_to_degeneracy": float(g.distance) if np.isfinite(g.distance) else None,
                **{part: getattr(g, part).ravel().tolist() for part in ("bulk", "dirac", "total")},
            },
            "dirac_shares": self.dirac_shares,
            "methods": [_row_dict(r) for r in self.rows],
            "passed": self.passed,
        }


def _row_dict(row: Row) -> dict[str, Any]:
    def numbers(s: Study) -> dict[str, Any]:
        errors = [e if np.isfinite(e) else None for e in s.errors]
        return {"errors": errors, "order": s.order, "verdict": s.verdict}

    return {
        "system": row.system,
        "method": row.method,
        "precision": row.precision,
        "unavailable": row.unavailable,
        "failed": row.failed,
        "conforming": row.conforming,
        "delta": row.delta,
        "total": numbers(row.total) if row.total else None,
        "blocks": {n: numbers(s) for n, s in row.blocks.items()},
        "expected": row.expected,
        "expected_blocks": row.expected_blocks,
        "reason": row.reason,
        "attribution": row.attribution,
        "as_expected": row.as_expected,
    }


def versions() -> dict[str, str]:
    """Of everything that computes or draws."""
    out = {"python": platform.python_version()}
    computing = ("kinkproof", "numpy", "sympy", "mpmath", "scipy", "torch", "jax", "jaxlib", "autograd")
    showing = ("matplotlib", "pypdf")
    for name in dict.fromkeys([*computing, *showing, *(e.dist.name for e in backends() if e.dist is not None)]):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def audit(
    problem: RitzProblem,
    network: ShallowNetwork | None = None,
    methods: Iterable[Method] | None = None,
    points: tuple[int, ...] = POINTS,
    rule: str = "midpoint",
    progress: Callable[[str], None] = lambda what: None,
) -> Audit:
    """Cross-check the exact gradient, then judge every method by a refinement study.

    Args:
        problem: whose energy is differentiated.
        network: at whose parameters; by default the seeded random network of `WIDTH` neurons.
        methods: whom to judge; by default all that `backends.discovery.discover` finds. Our own quadratures are
            always added.
        points: at least three grid sizes, ascending, a decade apart for the verdict's bound to fit.
        rule: quadrature rule of the fixed grids.
        progress: called with the name of each step before it starts.

    Raises:
        InputError: too few grids, or a batch of networks.
        NondifferentiableError: the energy has no gradient at this network.
    """
    if len(points) < 3 or any(a >= b for a, b in pairwise(points)):
        raise InputError(f"points: {points} does not refine; at least three ascending numbers would be right")
    network = ShallowNetwork.random(WIDTH, seed=0) if network is None else network
    if network.batch:
        raise InputError(f"network: an audit takes one network, not a batch of shape {network.batch}")
    chosen = discover() if methods is None else tuple(methods)
    grids = [family(rule, n, problem.domain) for n in points]
    progress("exact gradient")
    exact = exact_gradient(problem, network)
    progress("cross-check by two other routes")
    agreements = crosscheck(problem, network)
    rows: list[Row] = []
    if all(a.passed for a in agreements):
        for method in (*chosen, *_own_methods(rule)):
            for precision in method.precisions if method.gradient else ("",):
                progress(", ".join(p for p in (method.label, precision) if p))
                rows.append(judge(problem, network, exact, method, precision, grids))
    shares = {"at this network": _share(exact)}
    if problem.solution is not None and network.width >= 3:
        # An equidistant kink may fall on an interface, where there is no gradient to compare with.
        with suppress(NondifferentiableError):
            shares["near the solution"] = _share(exact_gradient(problem, near_solution(problem, network.width)))
    return Audit(problem, network, rule, tuple(points), exact, agreements, tuple(rows), shares)


def _share(gradient: Gradient) -> float:
    # A network that is silent on the whole domain has no gradient at all, hence nothing of it to miss.
    return float(np.linalg.norm(gradient.dirac.ravel()) / (np.linalg.norm(gradient.total.ravel()) or 1.0))


def _own_methods(rule: str) -> tuple[Method, ...]:
    """The three discrete deltas, in closed form: what any program gets that follows them."""

    def method(delta: str | None, name: str) -> Method:
        def gradient(problem: RitzProblem, parameters: Array, mesh: Grid, precision: str) -> tuple[float, Array]:
            found = quadrature_gradient(problem, ShallowNetwork.from_vector(parameters), rule, len(mesh.nodes), delta)
            return float(found.energy), found.total.ravel()

        return Method(name, gradient, delta=delta, precisions=("float64",), system=OWN)

    return (
        method(None, "no delta"),
        method("nearest", "nearest-node delta, Eq. (10)"),
        method("mean", "mean delta"),
    )


def family(rule: str, points: int, domain: tuple[Any, Any]) -> list[Grid]:
    """Neighbouring grids of `points` to 1.3 `points` nodes, the first with exactly `points`."""
    # Multiples of five suit every rule.
    sizes = dict.fromkeys([points, *(5 * max(1, round(points * f / 5)) for f in _FAMILY[1:])])
    return [grid(rule, n, domain) for n in sizes]


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
    expected, expected_blocks, reason = _expectation(exact, method, precision)
    blank = Row(
        method.system, method.name, precision, None, {}, expected, expected_blocks, reason, None,
        method.unavailable, method.failed, method.conforming, method.delta,
    )  # fmt: skip
    if method.gradient is None:
        return blank
    vector = network.ravel()
    try:
        found = _gradients(problem, vector, method, precision, grids)
    except Unavailable as why:
        return replace(blank, unavailable=str(why))
    except Exception as error:
        if method.system == OWN:
            raise
        if isinstance(error, InputError):
            return replace(blank, failed=str(error))
        # Whatever another's program raises is its row's finding, and no reason to withhold the other rows.
        return replace(blank, failed=describe(error))
    sizes = [len(of_n[0].nodes) for of_n in grids]
    target = exact.total.ravel()
    n = network.width
    blocks = {}
    for k, name in enumerate(BLOCKS):
        part = slice(k * n, (k + 1) * n)
        blocks[name] = study([[f[part] for f in of_n] for of_n in found], target[part], sizes, precision)
    total = study(found, target, sizes, precision)
    attribution = None
    dirac = exact.dirac.ravel()
    if total.verdict == "inconsistent" and np.any(dirac):
        attribution = float(np.linalg.norm(target - found[-1][0] - dirac) / np.linalg.norm(dirac))
    return replace(blank, total=total, blocks=blocks, attribution=attribution)


def _gradients(
    problem: RitzProblem, vector: Array, method: Method, precision: str, grids: list[list[Grid]]
) -> list[list[Array]]:
    found: list[list[Array]] = []
    for of_n in grids:
        # A conforming rule makes its own nodes: one grid of each family says it all.
        chosen = of_n[:1] if method.conforming else of_n
        found.append([answer(method, problem, vector, g, precision) for g in chosen])
    return found


def study(found: list[list[Array]], target: Array, sizes: list[int], precision: str) -> Study:
    """Relative errors over the grids → order and verdict.

    `exact`: rounding only, on every grid. `consistent`: the error vanishes under refinement. `inconsistent`: it does
    not.

    Args:
        found: for each n the gradients (K,) on its family of grids.
        target: the exact gradient, (K,).
        sizes: n, ascending.
        precision: in which the gradients were computed.
    """
    scale = float(np.linalg.norm(target)) or 1.0
    errors = [max(float(np.linalg.norm(f - target)) for f in of_n) / scale for of_n in found]
    rounding = ROUNDING[precision]
    if not np.isfinite(np.concatenate([f for of_n in found for f in of_n])).all():
        return Study(tuple(errors), None, "inconsistent")
    if max(errors) <= rounding:
        return Study(tuple(errors), None, "exact")
    # Errors that have reached rounding fall no further and would bend the fit.
    above = [(n, e) for n, e in zip(sizes, errors, strict=True) if e > rounding]
    order = None
    if len(above) > 1:
        logarithms = np.log(np.array(above))
        order = float(-np.polyfit(logarithms[:, 0], logarithms[:, 1], 1)[0])
    scaled = [n * e for n, e in zip(sizes, errors, strict=True)]
    vanishes = errors[-1] <= rounding or scaled[-1] <= _MOST_GROWTH * max(scaled[:-1])
    return Study(tuple(errors), order, "consistent" if vanishes else "inconsistent")


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
    total = "inconsistent" if "inconsistent" in blocks.values() else "consistent"
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
    values = target(places) + 0 * places
    slopes = np.diff(values) / np.diff(knots)
    w = np.ones(width)
    b = np.concatenate([[1.0 - left], [1.0 - left], -knots[1:-1]])
    w[1] = 0.0
    c = np.concatenate([[slopes[0], values[0] / b[1] - slopes[0] / b[1]], np.diff(slopes)])
    return ShallowNetwork(w, b, c)
