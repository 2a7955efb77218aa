"""Packs made from problems and networks: every value at 50 digits, cross-checked, with a tolerance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from importlib import metadata
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ...choices import Delta, Rule
from ...discrete.quadrature import grid, quadrature_gradient
from ...errors import InputError, NondifferentiableError
from ...exact import exact_gradient, hessian_parts
from ...line.energy import energy_at_working_precision
from ...line.gradient import gradient_at_working_precision, one_sided_gradients
from ...line.hessian import HessianParts, hessian_at_working_precision
from ...statement.blocks import BLOCKS, Blocks
from ...statement.expressions import X, to_mpf
from ...statement.network import ShallowNetwork
from ...statement.problem import RitzProblem
from ..case import DELTAS
from ..pack import BLANK_CHECKSUM, SCHEMA_VERSION, checksum
from .agreement import energy_agreement, gradient_agreement, one_sided_agreement, product_agreement, unit_directions

Array = NDArray[Any]
Record = dict[str, Any]

DIGITS = 50
# A case is evaluated once more in arithmetic of so many bits each; the error in units of 2^−bits is its condition.
_BITS = (32, 36, 40, 44, 48, 53)
# The condition is that of closed forms. Sums over Gauss nodes evaluate the source, whose rounding grows with its
# frequency, some hundred times: with 24 of them on each piece, torch and HIPS autograd leave up to 30 conditions.
_MARGIN = 128
# Up to this width the Hessian is stored whole; beyond, its products with two directions.
_WIDEST_HESSIAN = 8
_DIRECTIONS = 2
# Float64 running sums over the nodes lose three or four of sixteen digits to rounding.
_GRID_DIGITS = 11


def case_record(name: str, about: str, problem: RitzProblem, network: ShallowNetwork) -> Record:
    """One case, exactly integrated: energy, gradient, Hessian, or one-sided derivatives where there is no gradient.

    Raises:
        InputError: independent derivations do not agree.
    """
    record = statement_record(name, about, problem) | _parameters(network)
    with mpmath.workdps(DIGITS):
        energy = +with_guard(lambda: energy_at_working_precision(problem, network))
    record["energy"] = number(energy)
    record["agreement"] = {"energy": energy_agreement(problem, network, energy)}
    tolerance: Record = {"energy": tolerance_of(lambda: energy_at_working_precision(problem, network))}
    try:
        gradient = exact_gradient(problem, network, digits=DIGITS)
    except NondifferentiableError as error:
        sides = one_sided_gradients(problem, network, error.degeneracies, digits=DIGITS)
        record["agreement"]["one_sided"] = one_sided_agreement(problem, network, sides)
        record["distance"] = 0.0
        record["degeneracies"] = [str(d) for d in error.degeneracies]
        record["one_sided"] = {side: _blocks(b) for side, b in zip(("left", "right"), sides, strict=True)}
        record["hessian"] = None
        record["tolerance"] = tolerance | {"gradient": _block_tolerances(problem, network)}
        return record
    distance = float(gradient.distance)
    record["distance"] = distance if np.isfinite(distance) else None
    parts = {p: _blocks(getattr(gradient, p)) for p in ("bulk", "dirac", "total")}
    record["gradient"] = parts | {"own_jump": _blocks(_own_jump(problem, network))}
    tolerance["gradient"] = _block_tolerances(problem, network)
    record["hessian"], record["agreement"]["hessian"], tolerance["hessian"] = _hessian(problem, network)
    smooth = record["hessian"] is not None
    record["agreement"]["gradient"] = gradient_agreement(problem, network, gradient.total.ravel(), smooth)
    record["tolerance"] = tolerance
    return record


def grid_record(
    name: str, about: str, problem: RitzProblem, network: ShallowNetwork, rule: Rule, points: int
) -> Record:
    """One case on a stated grid: the sum's energy, and its gradient for each discrete delta.

    Raises:
        InputError: the node-by-node sum and the running sums do not agree.
    """
    record = statement_record(name, about, problem) | _parameters(network)
    mesh = grid(rule, points, problem.domain)
    record["grid"] = {"rule": rule, "points": points, "nodes": hexes(mesh.nodes), "weights": hexes(mesh.weights)}
    exact = exact_gradient(problem, network, digits=DIGITS)
    found = {d: quadrature_gradient(problem, network, rule, points, _DELTA[d], DIGITS) for d in DELTAS}
    for delta, gradient in found.items():
        swept = quadrature_gradient(problem, network, rule, points, _DELTA[delta])
        expected = gradient.total.ravel().astype(float)
        apart = np.abs(swept.total.ravel() - expected).max() / np.abs(expected).max()
        if max(apart, abs(swept.energy / float(gradient.energy) - 1)) > 10.0**-_GRID_DIGITS:
            raise InputError(f"oracle: {name}, {delta}: the two ways of summing over the grid disagree")
    record["energy"] = number(found["autodiff"].energy)
    record["gradient"] = {
        "total": _blocks(exact.total),
        **{d: _blocks(g.total) for d, g in found.items()},
    }
    agreed = {"running sums in float64, at least": _GRID_DIGITS}
    record["agreement"] = {"energy": agreed, "gradient": agreed}
    distance = float(exact.distance)
    record["distance"] = distance if np.isfinite(distance) else None
    record["hessian"] = None
    # Of the exact integral: a sum over nodes has the same terms and no kinks to lose digits at.
    record["tolerance"] = {
        "energy": tolerance_of(lambda: energy_at_working_precision(problem, network)),
        "gradient": _block_tolerances(problem, network),
    }
    return record


_DELTA: dict[str, Delta | None] = {"autodiff": None, "nearest": "nearest", "mean": "mean"}
_ROUTE = "Eqs. (5)-(9) derived by SymPy, Dirac terms sifted, integrals in closed form or by quadrature at 70 digits"
_DEEP_ROUTE = (
    "networks of several layers: regions in whole numbers, bulk minus the jump of the density times the motion of each "
    f"kink, integrals in closed form or by Gauss points at 70 digits; others: {_ROUTE}"
)
_PLANE_ROUTE = (
    "in two inputs: Eqs. (5)-(9) derived by SymPy, Dirac terms on lines sifted, integrals over half planes in pairs by "
    "Green's theorem, exact for polynomials, else by Gauss points at 70 digits that two rules agree on"
)
_DEEP_PLANE_ROUTE = (
    "networks of two inputs and several layers: regions in whole numbers, bulk plus the jump of the density times the "
    "motion of each kink line, integrals exact for polynomials, else by Gauss points at 70 digits that two rules agree "
    f"on; others: {_PLANE_ROUTE}"
)
_BEAM_ROUTE = (
    "of fourth order: the beam's energy derived by SymPy as Eqs. (5)-(9) are, Dirac terms sifted, integrals in closed "
    "form or by quadrature at 70 digits"
)


def pack_text(name: str, about: str, records: Iterable[Record], since: str | None = None) -> str:
    """A pack's file: JSON with a case a line, the checksum put in; the same input gives the same bytes.

    Args:
        name: of the pack.
        about: what it holds.
        records: its cases.
        since: the version of kinkproof with which a pack came out that later ones make anew; by default this one.
    """
    cases = list(records)
    stored = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "about": about,
        "sha256": BLANK_CHECKSUM,
        "provenance": {
            "versions": {
                "kinkproof": since or metadata.version("kinkproof"),
                **{n: metadata.version(n) for n in ("sympy", "mpmath")},
            },
            "route": _route(cases),
            "digits": DIGITS,
            "agreement": "for each case and quantity: independent route and digits on which it agrees",
            "tolerance": f"absolute: {_MARGIN} * 2^-53 * condition, at least 2^-52 of the largest component; the "
            f"condition is the largest error of the closed forms in {', '.join(map(str, _BITS))} bits, times 2^bits; "
            "on a grid it is that of the exact integral",
            "convention": "max(0, z) has derivative 0 at z = 0; of two nodes as near to a kink the left is the nearest",
        },
    }
    names = [case["id"] for case in cases]
    if len(set(names)) < len(names):
        raise InputError(f"pack: {name} has two cases of one id; every id once would be right")
    head = json.dumps(stored, indent=1).removesuffix("\n}")
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    text = f'{head},\n "cases": [\n{lines}\n ]\n}}\n'
    return text.replace(BLANK_CHECKSUM, checksum(text.encode(), BLANK_CHECKSUM), 1)


def _route(cases: Sequence[Record]) -> str:
    """How the values of these cases were derived; a pack with several kinds of cases names the widest."""
    if any("power" in case for case in cases):
        return _BEAM_ROUTE
    if any("polygon" in case for case in cases):
        return _DEEP_PLANE_ROUTE if any("network" in case for case in cases) else _PLANE_ROUTE
    return _DEEP_ROUTE if any("network" in case for case in cases) else _ROUTE


def statement_text(problem: RitzProblem) -> Record:
    """A problem as text that the safe parser reads back to the same problem.

    Raises:
        InputError: it cannot be written so.
    """
    written: Record = {n: str(getattr(problem, n)) for n in ("coefficient", "source", "distance", "lift")}
    if problem.reaction != 0:
        written["reaction"] = str(problem.reaction)
    if problem.periodic:
        written["periodic"] = True
    # Packs that are out know neither Robin ends nor point loads, and stay as they are.
    ends: Record = {n: v for n, v in problem.places_as_text.items() if v or n in ("fluxes", "essential")}
    rest: Record = {"penalty": str(problem.penalty), "domain": tuple(str(e) for e in problem.domain)}
    solution: Record = {} if problem.solution is None else {"solution": str(problem.solution)}
    if RitzProblem(**written, **ends, **rest, **solution) != problem:
        raise InputError(f"oracle: the problem {problem.name} does not survive being written as text")
    return written | ends | rest | solution


def statement_record(name: str, about: str, problem: RitzProblem) -> Record:
    """The part of a case that its network has nothing to do with."""
    text = statement_text(problem)
    slopes = {f"{n}_slope": str(sympy.diff(getattr(problem, n), X)) for n in ("distance", "lift")}
    domain = [float(e) for e in problem.domain]
    return {"id": name, "about": about, "problem": text | slopes, "domain": domain}


def _parameters(network: ShallowNetwork) -> Record:
    if network.batch:
        raise InputError(f"oracle: a case takes one network, not a batch of shape {network.batch}")
    return {"parameters": {n: {"exact": [decimal(v) for v in network.rational(n)]} for n in BLOCKS}}


def _hessian(problem: RitzProblem, network: ShallowNetwork) -> tuple[Record | None, Record, float]:
    try:
        # Ten digits more than stored: products lose some to cancellation.
        parts = hessian_parts(problem, network, digits=DIGITS + 10)
    except NondifferentiableError:
        return None, {}, 0.0
    return hessian_record(
        parts,
        network.width <= _WIDEST_HESSIAN,
        lambda: hessian_at_working_precision(problem, network),
        lambda directions, products: product_agreement(problem, network, directions, products),
    )


def hessian_record(
    parts: HessianParts,
    whole: bool,
    evaluate: Callable[[], Array],
    agreement: Callable[[list[list[int]], Array], Record],
) -> tuple[Record, Record, float]:
    """What is stored of a Hessian, the digits on which an independent route agrees, and the tolerance.

    Args:
        parts: at more digits than are stored.
        whole: store all of it, not products with directions.
        evaluate: the Hessian at mpmath's present precision.
        agreement: (directions, products with them) → route and digits.
    """
    size = len(parts.total)
    if whole:
        agreed = agreement(list(unit_directions(size)), parts.total)
        upper = np.triu_indices(size)
        stored: Record = {"total": numbers(parts.total[upper]), "bulk": numbers(parts.bulk[upper])}
        return stored, agreed, tolerance_of(lambda: evaluate().ravel())
    # Small whole numbers without a pattern: no entry of a row can hide behind another.
    directions = [[(7 * k * k + 3 * k + 5 * d) % 11 - 5 for k in range(size)] for d in range(_DIRECTIONS)]
    matrix = np.array(directions, dtype=object).T
    with mpmath.workdps(DIGITS):
        products = (parts.total @ matrix).T
    agreed = agreement(directions, products)
    tolerance = tolerance_of(lambda: (evaluate() @ matrix).T.ravel())
    return {"directions": directions, "products": [numbers(p) for p in products]}, agreed, tolerance


def _own_jump(problem: RitzProblem, network: ShallowNetwork) -> Blocks:
    """½κD²c²|w| at each kink inside, in ∂/∂b, and ξ times it in ∂/∂w: half the neuron's own jump of û′, weighted."""
    w, b, c = (network.rational(n) for n in BLOCKS)
    out = np.full((3, network.width), mpmath.mpf(0))
    with mpmath.workdps(DIGITS):
        for i in range(network.width):
            kink = (
                -sympy.Rational(*b[i].as_integer_ratio()) / sympy.Rational(*w[i].as_integer_ratio()) if w[i] else None
            )
            if kink is not None and problem.domain[0] < kink < problem.domain[1]:
                here = (problem.coefficient * problem.distance**2 / 2).subs(X, kink)
                out[1, i] = to_mpf(here) * to_mpf(c[i] ** 2 * abs(w[i]))
                out[0, i] = to_mpf(kink) * out[1, i]
    return Blocks(*out)


def with_guard(evaluate: Callable[[], Any]) -> Any:
    """Evaluated with more digits than are stored."""
    with mpmath.workdps(DIGITS + 20):
        return evaluate()


def _block_tolerances(problem: RitzProblem, network: ShallowNetwork) -> dict[str, float]:
    condition, size = condition_of(lambda: gradient_at_working_precision(problem, network))
    by_block = condition.reshape(3, -1).max(axis=1)
    return {n: rounded_up(float(e), float(size.max())) for n, e in zip(BLOCKS, by_block, strict=True)}


def tolerance_of(evaluate: Callable[[], Any]) -> float:
    """Absolute, of the largest component of what is evaluated at mpmath's present precision."""
    condition, size = condition_of(evaluate)
    return rounded_up(float(condition.max()), float(size.max()))


def condition_of(evaluate: Callable[[], Any]) -> tuple[Array, Array]:
    """Of each component: its largest error over the precisions, in units of 2^−bits, and its absolute value."""
    with mpmath.workdps(DIGITS):
        expected = np.atleast_1d(np.array(evaluate(), dtype=object))
    worst = np.zeros(len(expected))
    for bits in _BITS:
        with mpmath.workprec(bits):
            found = np.atleast_1d(np.array(evaluate(), dtype=object))
        with mpmath.workdps(DIGITS):
            worst = np.maximum(worst, np.abs((found - expected) * mpmath.mpf(2) ** bits).astype(float))
    return worst, np.abs(expected.astype(float))


def rounded_up(condition: float, largest: float) -> float:
    """A tolerance of two significant digits."""
    value = max(_MARGIN * condition * 2.0**-53, largest * 2.0**-52)
    return 0.0 if value == 0 else float(f"{value * 1.05:.1e}")


def number(value: Any) -> Record:
    """As packs have it: 50 digits."""
    return {"decimal": mpmath.nstr(value, DIGITS)}


def numbers(values: Array) -> Record:
    """The same for a vector."""
    return {"decimal": [mpmath.nstr(v, DIGITS) for v in values]}


def _blocks(blocks: Blocks) -> Record:
    return {n: numbers(getattr(blocks, n)) for n in BLOCKS}


def hexes(values: Sequence[Any] | Array) -> list[str]:
    """Float64 numbers as C99 writes them."""
    return [float(v).hex() for v in values]


def decimal(value: Fraction) -> str:
    """An exact number as a decimal where it ends within 15 places, else as a fraction."""
    places = next((k for k in range(16) if (value * 10**k).denominator == 1), None)
    return str(value) if places is None else str(Decimal(value.numerator) / Decimal(value.denominator))
