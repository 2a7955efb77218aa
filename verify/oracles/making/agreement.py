"""Before a value goes into a pack: the digits to which independent derivations of it agree."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...exact import exact_energy
from ...line.crosscheck import agreement, difference_gradient, pattern_gradient, piecewise_energy
from ...line.gradient import gradient_at_working_precision
from ...statement.blocks import BLOCKS, Blocks
from ...statement.expressions import to_mpf
from ...statement.network import ShallowNetwork
from ...statement.problem import RitzProblem

Array = NDArray[Any]

# A value with fewer agreed digits does not go into a pack.
REQUIRED_DIGITS = 40
# One-sided differences leave an error of about the step, two-sided ones its square; 140 digits leave 80 to either.
STEP = Fraction(1, 10**60)
DIFFERENCE_DIGITS = 140
# Both routes cost O(N²) and more: from here on SymPy would take minutes for the activation pattern, and differences are
# taken of a sample of the parameters, with a stride that meets all blocks and no pattern of them.
_WIDEST_WHOLE = 64
_STRIDE = 13


def gradient_agreement(problem: RitzProblem, network: ShallowNetwork, gradient: Array, smooth: bool) -> dict[str, int]:
    """Route → digits on which it agrees with the gradient (3N,), relative to the largest component.

    Args:
        problem: whose energy it is.
        network: where.
        gradient: mpmath numbers.
        smooth: does a Hessian exist here? If not, kinks coincide, and the activation pattern is none of its own.

    Raises:
        InputError: fewer than `REQUIRED_DIGITS`.
    """
    if network.width > _WIDEST_WHOLE:
        sample = range(0, len(gradient), _STRIDE)
        route = f"50-digit differences of each {_STRIDE}th parameter"
        return {route: agreed_digits(gradient[sample], difference_gradient(problem, network, sample), route)}
    found = {"50-digit differences": difference_gradient(problem, network)}
    if smooth:
        pattern = pattern_gradient(problem, network)
        if pattern is not None:
            found["activation pattern"] = pattern
    return {route: agreed_digits(gradient, other, route) for route, other in found.items()}


def energy_agreement(problem: RitzProblem, network: ShallowNetwork, energy: Any) -> dict[str, int]:
    """The same for the energy, against Gauss points on the pieces."""
    other = np.array([piecewise_energy(problem, network)], dtype=object)
    return {"Gauss points on the pieces": agreed_digits(np.array([energy], dtype=object), other, "Gauss points")}


def product_agreement(
    problem: RitzProblem, network: ShallowNetwork, directions: list[list[int]], products: Array
) -> dict[str, int]:
    """The same for the Hessian times directions (K, 3N), against central differences of the gradient."""
    with mpmath.workdps(DIFFERENCE_DIGITS):
        step = to_mpf(STEP)
        others = []
        for direction in directions:
            ahead, behind = (gradient_at_working_precision(problem, _moved(network, direction, s)) for s in (1, -1))
            others.append((ahead - behind) / (2 * step))
    route = "differences of the gradient"
    return {route: agreed_digits(products.ravel(), np.concatenate(others), route)}


def one_sided_agreement(problem: RitzProblem, network: ShallowNetwork, sides: tuple[Blocks, Blocks]) -> dict[str, int]:
    """The same for one-sided derivatives, against one-sided differences of the energy."""
    size = 3 * network.width
    here = exact_energy(problem, network, digits=DIFFERENCE_DIGITS)
    with mpmath.workdps(DIFFERENCE_DIGITS):
        step, others = to_mpf(STEP), []
        for sign in (-1, 1):
            for direction in unit_directions(size):
                there = exact_energy(problem, _moved(network, direction, sign), digits=DIFFERENCE_DIGITS)
                others.append((there - here) / (sign * step))
    route = "one-sided differences of the energy"
    return {route: agreed_digits(np.concatenate([s.ravel() for s in sides]), np.array(others, dtype=object), route)}


def unit_directions(size: int) -> Iterator[list[int]]:
    """Each parameter by itself."""
    for k in range(size):
        yield [int(k == j) for j in range(size)]


def _moved(network: ShallowNetwork, direction: list[int], sign: int) -> ShallowNetwork:
    """θ ± step·direction, exactly."""
    theta = np.concatenate([network.rational(n) for n in BLOCKS])
    there = [v + sign * d * STEP for v, d in zip(theta, direction, strict=True)]
    return ShallowNetwork(*(there[k * network.width : (k + 1) * network.width] for k in range(3)))


def agreed_digits(value: Array, reference: Array, route: str) -> int:
    """Digits on which two routes agree, relative to the largest component; refused if they are too few."""
    # Rounded down: a pack must not claim a digit more than there is.
    digits = int(agreement(value, reference, ("", route)).digits)
    if digits < REQUIRED_DIGITS:
        raise InputError(
            f"oracle: {route} agree to {digits} digits only; at least {REQUIRED_DIGITS} are needed for a pack"
        )
    return digits
