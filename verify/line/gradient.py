"""The exact gradient of the energy, in two parts: with the kinks held still, and what their motion adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, overload

import mpmath
import numpy as np
from numpy.typing import NDArray

from ..errors import NondifferentiableError
from ..statement.blocks import BLOCKS, Blocks
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem
from .energy import GUARD_DIGITS, Sweep, end_terms, lebesgue_sweep, single
from .kinks import Arrangement, Degeneracy, arrange_exact, clearance, degeneracies
from .moments import Moments

if TYPE_CHECKING:
    from ..deep.gradient import DeepGradient
    from ..statement.deep_network import DeepNetwork
    from ..statement.density import Density

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Gradient:
    """Exact gradient of the energy, total = bulk + dirac.

    Attributes:
        bulk: the integral of ∂L/∂θ with the kinks held still; what autodiff on a fixed grid tends to.
        dirac: what the motion of the kinks adds, the sifted Dirac terms of Eq. (8).
        total: the derivative of the energy.
        energy: the energy itself, (...).
        route: "antiderivative" or "quadrature": how the integrals were found.
        error_estimate: absolute error of those integrals; 0 for closed forms.
        distance: to the nearest place where the energy has no derivative, (...): |Δx|, for dead neurons √(w² + b²).
    """

    bulk: Blocks
    dirac: Blocks
    total: Blocks
    energy: Any
    route: str
    error_estimate: float
    distance: Any


@overload
def exact_gradient(
    problem: RitzProblem, network: ShallowNetwork, digits: int | None = None, density: None = None
) -> Gradient: ...


@overload
def exact_gradient(
    problem: RitzProblem | Density, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> DeepGradient: ...


@overload
def exact_gradient(
    problem: RitzProblem | Density, network: ShallowNetwork, digits: int | None = None, density: Any = ...
) -> Gradient | DeepGradient: ...


def exact_gradient(
    problem: RitzProblem | Density,
    network: ShallowNetwork | DeepNetwork,
    digits: int | None = None,
    density: Any = None,
) -> Gradient | DeepGradient:
    """The exact gradient of `exact_energy` in all parameters; Eqs. (5)–(9) with the Dirac terms sifted.

    For a `DeepNetwork`, or with `density=`, by the jump formula of MATH 1.

    Args:
        problem: gives κ, f, D, lift and ends; or a `Density` that is a statement of its own.
        network: of one hidden layer, any width N and batch shape (...), or one `DeepNetwork`.
        digits: None for float64, else the number of digits of mpmath numbers (no batch).
        density: see `exact_energy`.

    Returns:
        A `Gradient` of three blocks, or a `DeepGradient` whose parts are `Tensors`.

    Raises:
        NondifferentiableError: there is no derivative here; carries the two one-sided ones.

    Examples:
        >>> from kinkproof.verify import problems
        >>> g = exact_gradient(problems["sine-2"], ShallowNetwork([1.0, -2.0], [-0.25, 1.5], [0.5, 0.25]))
        >>> bool(np.allclose(g.total.ravel(), (g.bulk.ravel() + g.dirac.ravel())))
        True
    """
    if density is not None or not isinstance(network, ShallowNetwork) or not isinstance(problem, RitzProblem):
        # Imported here: one hidden layer needs none of it.
        from ..deep.gradient import deep_gradient
        from ..statement.deep_network import deepened

        return deep_gradient(problem, deepened(network), digits, density)
    if digits is None:
        swept, table, parameters = lebesgue_sweep(problem, network)
        distance = clearance(problem, network, swept.arrangement)
        refuse_degenerate(problem, network, distance)
        return _assemble(problem, swept, table, parameters, distance)
    with mpmath.workdps(digits + GUARD_DIGITS):
        swept, table, parameters = lebesgue_sweep(problem, single(network), exact=True)
        distance = clearance(problem, network, swept.arrangement)
        refuse_degenerate(problem, network, distance)
        found = _assemble(problem, swept, table, parameters, distance)
    with mpmath.workdps(digits):
        bulk, dirac, total = (b.map(lambda v: +v) for b in (found.bulk, found.dirac, found.total))
        return Gradient(bulk, dirac, total, +found.energy, found.route, found.error_estimate, distance)


def _assemble(
    problem: RitzProblem, swept: Sweep, table: Moments, parameters: tuple[Array, Array, Array], distance: Any
) -> Gradient:
    w, b, c = parameters
    by_slope, by_intercept = swept.forces()
    ends = end_terms(problem, w, b, c, swept.arrangement)
    bulk = np.stack([c * by_slope, c * by_intercept, w * by_slope + b * by_intercept])
    energy = swept.energy()
    if ends is not None:
        bulk, energy = bulk + ends.forces, energy + ends.energy
    dirac = dirac_terms(swept, table, parameters)
    # A closed form is as exact as rounding; a numerical integral carries its own estimate, in units of the energy.
    error = float(table.error_estimate.sum()) if table.route == "quadrature" else 0.0
    parts = (Blocks(*bulk), Blocks(*dirac), Blocks(*(bulk + dirac)))
    return Gradient(*parts, np.asarray(energy)[()], table.route, error, distance)


def dirac_terms(swept: Sweep, table: Moments, parameters: tuple[Array, Array, Array]) -> Array:
    """The derived Dirac terms at all kinks inside the domain, (3, ..., N); 0 for neurons without one."""
    w, _, c = parameters
    arrangement = swept.arrangement
    x = arrangement.positions
    slope_left, slope_right = swept.at_kinks(swept.slope)
    intercept_left, _ = swept.at_kinks(swept.intercept)
    # The neuron itself vanishes at its kink, so the network's value there is that of the others; its own slope c·w is
    # in one of the two one-sided slopes.
    value = slope_left * x + intercept_left
    inside = arrangement.inside
    other_slope = (slope_left + slope_right - c * w) / 2
    # A neuron without weight has no kink; any number but zero keeps its |w| harmless.
    weights = np.where(inside, w, 1 + 0 * w)
    terms = table.dirac(x, weights, c, value, other_slope, arrangement.sides)
    return np.asarray(np.where(inside, terms, 0 * terms))


def refuse_degenerate(problem: RitzProblem, network: ShallowNetwork, distance: Any, order: int = 1) -> None:
    """Raise `NondifferentiableError` if a derivative of this order does not exist."""
    found = degeneracies(problem, network, np.asarray(distance), order)
    if found:
        _refuse(problem, network, found, order)


def _refuse(problem: RitzProblem, network: ShallowNetwork, found: tuple[Degeneracy, ...], order: int) -> NoReturn:
    what = "derivative" if order == 1 else "Hessian"
    listed = "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
    message = f"the energy has no {what} here ({listed})"
    if order == 2 or network.batch:
        raise NondifferentiableError(f"{message}; move the named neurons apart", found)
    left, right = one_sided_gradients(problem, network, found)
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
    return _assemble(problem, swept, table, parameters, 0.0).total.ravel()
