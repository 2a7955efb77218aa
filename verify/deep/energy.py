"""The exact energy of a deep network, region by region, with the derivatives by slope and intercept that follow."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..line.energy import working_digits
from ..statement.comparison import compare
from ..statement.deep_network import DeepNetwork
from ..statement.density import Density
from ..statement.expressions import X, to_mpf
from ..statement.problem import PointTerm, RitzProblem
from .expansion import Expansion, expand
from .integrands import Integrand, integrand_of
from .regions import LinearRegions, linear_regions

Array = NDArray[Any]

# Fewer digits than float64 has would come with an error nobody asked for.


@dataclass(frozen=True, eq=False)
class Swept:
    """An energy and its derivatives by what the network is on each region.

    Attributes:
        regions: exact.
        expansion: their numbers.
        integrand: what was integrated.
        energy: with the terms of the ends.
        forces: ∂E/∂a and ∂E/∂g of each region, (2, R).
        curvature: ∂²E/∂(a, g)² of each region, aa, ag and gg, (3, R), or empty.
        error_estimate: absolute, of the integrals.
    """

    regions: LinearRegions
    expansion: Expansion
    integrand: Integrand
    energy: Any
    forces: Array
    curvature: Array
    error_estimate: float


def sweep(
    problem: RitzProblem | Density, network: DeepNetwork, density: Any = None, exact: bool = False, order: int = 1
) -> Swept:
    """Find the regions, integrate over each, add the ends; at mpmath's present precision if `exact`."""
    integrand = integrand_of(problem, density)
    regions = linear_regions(network, integrand.domain, order)
    expansion = expand(regions, integrand.domain, exact)
    a, g = expansion.slope, expansion.intercept
    found, error = integrand.over(expansion.marks, a, g, 3 if order == 1 else 6)
    energy, forces, curvature = found[0].sum(), found[1:3], found[3:]
    if isinstance(problem, RitzProblem):
        for term in problem.point_terms:
            which = _region_of(regions, term.place)
            value, pull, stiffness, x, distance = _at_a_point(problem, term, a[which], g[which], exact)
            energy = energy + value
            forces[0, which] += pull * distance * x
            forces[1, which] += pull * distance
            if order == 2:
                curvature[:, which] += stiffness * distance**2 * np.array([x * x, x, 1 + 0 * x])
    return Swept(regions, expansion, integrand, energy, forces, curvature, error)


def _region_of(regions: LinearRegions, place: sympy.Expr) -> int:
    """In which region an end or a point load lies: nothing is rounded."""
    return bisect_left(regions.marks, 0, 1, regions.count, key=lambda mark: compare(mark, place)) - 1


def _at_a_point(problem: RitzProblem, term: PointTerm, a: Any, g: Any, exact: bool) -> tuple[Any, Any, Any, Any, Any]:
    """Energy at one place, its first and second derivative by u there, the place and D there."""
    number = to_mpf if exact else float
    place = term.place
    x, distance, lift = (number(e) for e in (place, problem.distance.subs(X, place), problem.lift.subs(X, place)))
    u = lift + distance * (a * x + g)
    pull, stiffness, off = number(term.pull), number(term.stiffness), u - number(term.wanted)
    return pull * u + stiffness * off**2 / 2, pull + stiffness * off, stiffness, x, distance


def deep_energy(
    problem: RitzProblem | Density, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> Any:
    """`exact_energy` for a network of any depth; see there."""
    if digits is None:
        return float(sweep(problem, network, density).energy)
    with mpmath.workdps(working_digits(digits)):
        value = sweep(problem, network, density, exact=True).energy
    with mpmath.workdps(digits):
        return +value


def energy_at_working_precision(problem: RitzProblem | Density, network: DeepNetwork, density: Any = None) -> Any:
    """The energy at mpmath's present precision."""
    return sweep(problem, network, density, exact=True).energy
