"""The exact energy of a plane network: half planes in pairs, by rules that are exact, or refined until they agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import InputError
from ..statement.plane import PlaneProblem, X, Y, require_network
from ..statement.plane_network import PlaneNetwork
from .functions import PAIR, PlaneFunctions, plane_functions
from .pairs import PairIntegrals, pair_integrals
from .rule import Rule, rule
from .segments import Motion

Array = NDArray[Any]

# Digits carried beyond those asked for.
GUARD_DIGITS = 20
# Gauss points of each rule tried where the data are no polynomials: in float64, and for each digit.
_POINTS = (12, 18, 27, 40, 60, 90, 135, 200)
_SHARES = (0.65, 0.8, 1.2, 1.8, 2.7, 4.0)
# Two rules that agree so far in float64 agree to rounding; apart by more than the second the last two are no answer.
_SETTLED, _UNSETTLED = 2e-14, 1e-8


@dataclass(frozen=True, eq=False)
class Refined:
    """Sums from one rule, or from the last of several.

    Attributes:
        pairs: the integrals by the last rule.
        values: what was made of them.
        route: "polynomial", exact but for rounding, or "quadrature".
        error_estimate: of `values`: the greatest difference of the last two rules; 0 for polynomials.
    """

    pairs: PairIntegrals
    values: Array
    route: str
    error_estimate: float


def refined(
    problem: PlaneProblem,
    network: PlaneNetwork,
    numbers: str,
    wanted: Callable[[PlaneFunctions, PairIntegrals, Rule], Array],
    motion: Motion | None = None,
) -> Refined:
    """Sums of pair integrals, by as many points as the data need.

    Args:
        problem: whose data are integrated.
        network: of N neurons.
        numbers: see `rule.NUMBERS`; "mpf" at the present precision.
        wanted: makes an array of the integrals, and of more by the rule that was used along lines.
        motion: see `pair_integrals`.

    Raises:
        InputError: the rules do not come together.
    """
    functions = plane_functions(problem)
    if functions.degree is not None:
        # Gauss points are exact to twice their number.
        along = rule(numbers, functions.degree + 1)
        across = along if numbers == "rational" else rule(numbers, functions.degree // 2 + 1)
        pairs = pair_integrals(functions, network, along, across, motion)
        return Refined(pairs, wanted(functions, pairs, along), "polynomial", 0.0)
    if numbers == "rational":
        raise InputError(f"{problem.name}: data that are no polynomials have no rational integrals; digits= would do")
    settled = _SETTLED if numbers == "float" else mpmath.mpf(10) ** (GUARD_DIGITS - 4 - mpmath.mp.dps)
    previous, apart, scale = None, np.inf, 0.0
    tried = _POINTS if numbers == "float" else [int(share * mpmath.mp.dps) for share in _SHARES]
    for points in tried:
        along = rule(numbers, points)
        pairs = pair_integrals(functions, network, along, along, motion)
        values = wanted(functions, pairs, along)
        if previous is not None:
            apart, scale = np.abs(values - previous).max(), np.abs(values).max()
            # The last rule in float64 need not be that near.
            if apart <= (_UNSETTLED if numbers == "float" and points == tried[-1] else settled) * scale:
                return Refined(pairs, values, "quadrature", float(apart))
        previous = values
    raise InputError(
        f"{problem.name}: its integrals do not settle, {tried[-1]} points each way leave {float(apart):.1e}; "
        "data that are smooth on the closed polygon would be right"
    )


def energy_of(pairs: PairIntegrals) -> Any:
    """½ Σ q·A q + Σ A₀·q + L₀."""
    linear = pairs.single + np.einsum("ijrs,js->ir", pairs.shared[..., PAIR], pairs.steps) / 2
    return (pairs.steps * linear).sum() + pairs.constant


def plane_energy(problem: PlaneProblem, network: PlaneNetwork, digits: int | None = None) -> Any:
    """`exact_energy` on a polygon; see there."""
    require_network(network, problem)

    def wanted(_: PlaneFunctions, pairs: PairIntegrals, __: Rule) -> Array:
        return np.array([energy_of(pairs)])

    if digits is None:
        return np.float64(refined(problem, network, "float", wanted).values[0])
    with mpmath.workdps(digits + GUARD_DIGITS):
        value = refined(problem, network, "mpf", wanted).values[0]
    with mpmath.workdps(digits):
        return +value


def rational_energy(problem: PlaneProblem, network: PlaneNetwork) -> Fraction:
    """The energy as the rational number that it is where all data are polynomials with rational coefficients.

    Raises:
        InputError: they are not.
    """
    require_network(network, problem)
    require_rational(problem)
    found = refined(problem, network, "rational", lambda _, pairs, __: np.array([energy_of(pairs)], dtype=object))
    return Fraction(found.values[0])


def require_rational(problem: PlaneProblem) -> None:
    """Raise `InputError` unless the integrals of a problem are rational."""
    edges = [e for _, family in plane_functions(problem).edges for e in family.expressions]
    rational = problem.polynomial and not any(e.has(sympy.Pow) and _irrational(e) for e in edges)
    if not rational:
        raise InputError(
            f"{problem.name}: its energy is not rational; polynomials with rational coefficients, and named edges of "
            "rational length, would make it so"
        )


def _irrational(expression: Any) -> bool:
    """Has a polynomial coefficients that are not rational?"""
    return not all(c.is_Rational for c in sympy.Poly(expression, X, Y).coeffs())
