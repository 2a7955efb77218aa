"""The exact gradient on a polygon, in two parts: with the kink lines held still, and what their motion adds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ..errors import Degeneracy, NondifferentiableError
from ..showing import gradient_table
from ..statement.blocks import PlaneBlocks
from ..statement.plane import PlaneProblem, require_network
from ..statement.plane_network import PlaneNetwork
from ..values import Value
from .degeneracies import clearance, degeneracies
from .energy import GUARD_DIGITS, energy_of, refined, require_rational
from .functions import PlaneFunctions, plane_functions
from .pairs import PairIntegrals, forces
from .rule import Rule, rule
from .segments import Motion

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class PlaneGradient(Value):
    """Exact gradient of the energy on a polygon, total = bulk + dirac.

    Attributes:
        bulk: the integral of ∂L/∂θ with the kink lines held still; what autodiff on points tends to.
        dirac: what the motion of the lines adds, Σ ∫ ⟦L⟧ ∂z/∂θ ÷ |w| ds over them (MATH 10).
        total: the derivative of the energy.
        energy: the energy itself.
        route: "polynomial": exact but for rounding, or "quadrature"; "points" for what a program gets on points.
        error_estimate: absolute error of the integrals; 0 for polynomials.
        distance: to the nearest place where the energy has no derivative: how far two lines are from coinciding in the
            polygon, or a line from an edge on which D does not vanish, and √(w² + b²) of a neuron.
    """

    bulk: PlaneBlocks
    dirac: PlaneBlocks
    total: PlaneBlocks
    energy: Any
    route: str
    error_estimate: float
    distance: float

    def _repr_html_(self) -> str:
        return gradient_table(self)


def plane_gradient(problem: PlaneProblem, network: PlaneNetwork, digits: int | None = None) -> PlaneGradient:
    """`exact_gradient` on a polygon; see there."""
    require_network(network, problem)
    distance = clearance(problem, network)
    refuse_degenerate(problem, network, distance)
    if digits is None:
        return _assembled(problem, network, "float", distance)
    with mpmath.workdps(digits + GUARD_DIGITS):
        found = _assembled(problem, network, "mpf", distance)
    with mpmath.workdps(digits):
        bulk, dirac, total = (b.map(lambda v: +v) for b in (found.bulk, found.dirac, found.total))
        return PlaneGradient(bulk, dirac, total, +found.energy, found.route, found.error_estimate, distance)


def rational_gradient(problem: PlaneProblem, network: PlaneNetwork) -> PlaneGradient:
    """The gradient in Fractions, where all data are polynomials with rational coefficients.

    Raises:
        InputError: they are not.
        NondifferentiableError: there is no derivative here.
    """
    require_network(network, problem)
    require_rational(problem)
    distance = clearance(problem, network)
    refuse_degenerate(problem, network, distance)
    return _assembled(problem, network, "rational", distance)


def _assembled(
    problem: PlaneProblem, network: PlaneNetwork, numbers: str, distance: float, motion: Motion | None = None
) -> PlaneGradient:
    def wanted(functions: PlaneFunctions, pairs: PairIntegrals, _: Rule) -> Array:
        w_b_c = local_parameters(network, functions, numbers)
        return np.concatenate([[energy_of(pairs)], *(p.ravel() for p in parts(functions, pairs, *w_b_c, numbers))])

    found = refined(problem, network, numbers, wanted, motion)
    energy, rest = found.values[0], found.values[1:]
    bulk, dirac = np.split(rest, 2)
    blocks = [PlaneBlocks.from_vector(v) for v in (bulk, dirac, bulk + dirac)]
    return PlaneGradient(blocks[0], blocks[1], blocks[2], energy, found.route, found.error_estimate, distance)


def local_parameters(network: PlaneNetwork, functions: PlaneFunctions, numbers: str) -> tuple[Array, Array]:
    """w and b about the centre, (N, 3), and c."""
    kind, (x, y) = rule(numbers, 2), functions.centre
    rows = network.rationals
    return kind.array([(p, q, b + p * x + q * y) for p, q, b, _ in rows]), kind.array([r[3] for r in rows])


def parts(
    functions: PlaneFunctions, pairs: PairIntegrals, lines: Array, outer: Array, numbers: str
) -> tuple[Array, Array]:
    """Bulk and Dirac part, both (4N,), from the integrals; by the problem's own x and y, not those about the centre."""
    force = forces(pairs)
    bulk = outer[:, None] * force
    # On its own line a neuron is half there: δ·H sifts to the mean of the sides.
    dirac = outer[:, None] * line_forces(pairs, Fraction(1, 2) if numbers == "rational" else 0.5)
    x, y = map(rule(numbers, 2).number, functions.centre)
    out = []
    for part, last in ((bulk, (lines * force).sum(axis=1)), (dirac, 0 * outer)):
        weights = np.stack([part[:, 0] + x * part[:, 2], part[:, 1] + y * part[:, 2]], axis=-1)
        out.append(PlaneBlocks(weights, part[:, 2], last).ravel())
    return out[0], out[1]


def line_forces(pairs: PairIntegrals, own_share: Any) -> Array:
    """The Dirac terms over c, (N, 3), with a neuron on its own line as much as its share says."""
    line, own = pairs.line.copy(), np.arange(len(pairs.line))
    line[own, own] = line[own, own] * own_share
    return np.asarray(np.einsum("ijsp,js->ip", line, pairs.steps) + pairs.line_lift)


def refuse_degenerate(problem: PlaneProblem, network: PlaneNetwork, distance: float, derivative: int = 1) -> None:
    """Raise `NondifferentiableError` if the derivative does not exist."""
    found = degeneracies(problem, network, distance, derivative)
    if not found:
        return
    what = "derivative" if derivative == 1 else "Hessian"
    listed = "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
    message = f"the energy has no {what} here ({listed})"
    if derivative == 2:
        raise NondifferentiableError(f"{message}; move the named neurons apart", found)
    left, right = one_sided_gradients(problem, network, found)
    message += "; the one-sided ones are .left and .right of this error"
    raise NondifferentiableError(message, found, left, right)


def one_sided_gradients(
    problem: PlaneProblem, network: PlaneNetwork, found: tuple[Degeneracy, ...]
) -> tuple[PlaneBlocks, PlaneBlocks]:
    """Derivative of the energy in each parameter from below and from above, float64.

    Along a ray the energy is smooth, so each is one component of the ordinary formula with what coincides taken apart
    as the ray takes it apart. Only neurons of the degenerate places need it.
    """
    (x, y), one, none = plane_functions(problem).centre, Fraction(1), Fraction(0)
    directions = ((one, none, x), (none, one, y), (none, none, one))
    plain = _assembled(problem, network, "float", 0.0).total.ravel()
    left, right = plain.copy(), plain.copy()
    for i in sorted({i for d in found for i in d.neurons}):
        for k, direction in enumerate(directions):
            component = 2 * i + k if k < 2 else 2 * network.width + i
            for vector, sign in ((left, -1), (right, 1)):
                moved = _assembled(problem, network, "float", 0.0, Motion(i, direction, sign))
                vector[component] = moved.total.ravel()[component]
    return PlaneBlocks.from_vector(left), PlaneBlocks.from_vector(right)
