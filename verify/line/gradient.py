"""The exact gradient of the energy, in two parts: with the kinks held still, and what their motion adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ..errors import Degeneracy, NondifferentiableError
from ..showing import gradient_table
from ..statement.blocks import BLOCKS, Blocks
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem
from ..values import Value
from .energy import GUARD_DIGITS, Sweep, lebesgue_sweep, point_terms, single, working_digits
from .kinks import Arrangement, arrange_exact, by_position
from .moments import Moments

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Gradient(Value):
    """Exact gradient of the energy, total = bulk + dirac.

    Attributes:
        bulk: the integral of ∂L/∂θ with the kinks held still; what autodiff on a fixed grid tends to.
        dirac: what the motion of the kinks adds, the sifted Dirac terms of Eq. (8).
        total: the derivative of the energy.
        energy: the energy itself, (...).
        route: "antiderivative" or "quadrature": how the integrals were found.
        error_estimate: absolute error of those integrals; 0 for closed forms.
        distance: to the nearest place where the energy has no derivative, (...): `|Δx|`, for dead neurons √(w² + b²).
    """

    bulk: Blocks
    dirac: Blocks
    total: Blocks
    energy: Any
    route: str
    error_estimate: float
    distance: Any

    def _repr_html_(self) -> str:
        return gradient_table(self)


def line_gradient(problem: RitzProblem, network: ShallowNetwork, digits: int | None = None) -> Gradient:
    """`exact_gradient` for one hidden layer; see there."""
    if digits is None:
        return _differentiable(problem, network, False)
    with mpmath.workdps(working_digits(digits)):
        found = _differentiable(problem, single(network), True)
    with mpmath.workdps(digits):
        bulk, dirac, total = (b.map(lambda v: +v) for b in (found.bulk, found.dirac, found.total))
        rest = (found.route, found.error_estimate, found.distance)
        return Gradient(bulk, dirac, total, +found.energy, *rest)


def _differentiable(problem: RitzProblem, network: ShallowNetwork, exact: bool) -> Gradient:
    """The gradient, or the refusal to give one."""
    swept, table, parameters = lebesgue_sweep(problem, network, exact, derivative=1)
    refuse_degenerate(problem, network, swept.arrangement)
    return _assemble(problem, swept, table, parameters)


def _assemble(problem: RitzProblem, swept: Sweep, table: Moments, parameters: tuple[Array, Array, Array]) -> Gradient:
    w, b, c = parameters
    forces = swept.forces()
    terms = point_terms(problem, w, b, c, swept.arrangement)
    bulk = np.empty((3, *w.shape), dtype=w.dtype)
    bulk[:2] = c * forces
    bulk[2] = w * forces[0] + b * forces[1]
    energy = swept.energy()
    if terms is not None:
        bulk, energy = bulk + terms.forces, energy + terms.energy
    dirac = dirac_terms(swept, table, parameters)
    # A closed form is as exact as rounding; a numerical integral carries its own estimate, in units of the energy.
    error = float(table.error_estimate.sum()) if table.route == "quadrature" else 0.0
    parts = (Blocks(*bulk), Blocks(*dirac), Blocks(*(bulk + dirac)))
    return Gradient(*parts, np.asarray(energy)[()], table.route, error, swept.arrangement.distance)


def dirac_terms(swept: Sweep, table: Moments, parameters: tuple[Array, Array, Array]) -> Array:
    """The derived Dirac terms at all kinks inside the domain, (3, ..., N); 0 for neurons without one."""
    w, _, c = parameters
    arrangement = swept.arrangement
    order = arrangement.order
    # Half of the kinks and more may lie outside.
    placed: Any = np.nonzero(by_position(arrangement.inside, order))
    beyond: Any = (*placed[:-1], placed[-1] + 1)
    at: Any = (*placed[:-1], order[placed])
    slope_left, intercept_left = (v[placed] for v in swept.affine)
    slope_right = swept.slope[beyond]
    x, weights, outputs = arrangement.positions[at], w[at], c[at]
    # The neuron itself vanishes at its kink, so the network's value there is that of the others; its own slope c·w is
    # in one of the two one-sided slopes.
    value = slope_left * x + intercept_left
    other_slope = (slope_left + slope_right - outputs * weights) / 2
    out = np.zeros((3, *w.shape)) if w.dtype == float else np.stack([0 * w] * 3)
    out[(slice(None), *at)] = table.dirac(x, weights, outputs, value, other_slope, arrangement.sides[at])
    return out


def refuse_degenerate(
    problem: RitzProblem, network: ShallowNetwork, arrangement: Arrangement, derivative: int = 1
) -> None:
    """Raise `NondifferentiableError` if the derivative that the arrangement was asked for does not exist."""
    found = arrangement.degeneracies
    if not found:
        return
    what = "derivative" if derivative == 1 else "Hessian"
    listed = "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
    message = f"the energy has no {what} here ({listed})"
    if derivative == 2 or network.batch:
        raise NondifferentiableError(f"{message}; move the named neurons apart", found)
    try:
        left, right = one_sided_gradients(problem, network, found)
    except ZeroDivisionError:
        raise NondifferentiableError(f"{message}; κ is infinite there, and so are one-sided ones", found) from None
    message += "; the one-sided ones are .left and .right of this error"
    raise NondifferentiableError(message, found, left, right)


def one_sided_gradients(
    problem: RitzProblem, network: ShallowNetwork, found: tuple[Degeneracy, ...], digits: int | None = None
) -> tuple[Blocks, Blocks]:
    """Derivative of the energy in each parameter from below and from above, float64 or mpmath numbers.

    Along a ray the energy is smooth, so each is one component of the ordinary formula with the ties between kinks
    broken as the ray breaks them. Only neurons of the degenerate places need it.
    """
    involved = sorted({i for d in found for i in d.neurons})
    with mpmath.workdps((digits or 15) + GUARD_DIGITS):
        plain = gradient_at_working_precision(problem, network, arrange_exact(problem, network))
        left, right = plain.copy(), plain.copy()
        for i in involved:
            for k, block in enumerate(BLOCKS[:2]):
                for vector, sign in ((left, -1), (right, 1)):
                    arrangement = arrange_exact(problem, network, (i, block, sign))
                    component = k * network.width + i
                    vector[component] = gradient_at_working_precision(problem, network, arrangement)[component]
    if digits is None:
        return Blocks.from_vector(left.astype(float)), Blocks.from_vector(right.astype(float))
    with mpmath.workdps(digits):
        return Blocks.from_vector(+left), Blocks.from_vector(+right)


def gradient_at_working_precision(
    problem: RitzProblem, network: ShallowNetwork, arrangement: Arrangement | None = None
) -> Array:
    """The whole gradient (3N,) of one network at mpmath's present precision; by default in its own arrangement."""
    swept, table, parameters = lebesgue_sweep(problem, network, exact=True, arrangement=arrangement)
    return _assemble(problem, swept, table, parameters).total.ravel()
