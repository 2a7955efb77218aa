"""The exact energy of a deep network, region by region, with the derivatives by slope and intercept that follow."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import mpmath
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


@dataclass(frozen=True)
class Spring:
    """A term pull·u + ½ stiffness·(u − wanted)² of the ends.

    Attributes:
        energy: its value.
        pull: its derivative by u.
        stiffness: its second one.
        directions: for each place of the term its region, x, and the derivative of u by the intercept there, which is
            ±D; both ends may lie in one region.
    """

    energy: Any
    pull: Any
    stiffness: Any
    directions: tuple[tuple[int, Any, Any], ...]


@dataclass(frozen=True, eq=False)
class Swept:
    """An energy and its derivatives by what the network is on each region.

    Attributes:
        regions: exact.
        expansion: their numbers.
        integrand: what was integrated.
        energy: with the terms of the ends.
        forces: ∂E/∂a and ∂E/∂g of each region, (2, R).
        curvature: ∂²E/∂(a, g)² of each region, aa, ag and gg, (3, R), or empty; without the ends.
        error_estimate: absolute, of the integrals.
        springs: the terms of the ends.
    """

    regions: LinearRegions
    expansion: Expansion
    integrand: Integrand
    energy: Any
    forces: Array
    curvature: Array
    error_estimate: float
    springs: tuple[Spring, ...]


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
    springs: list[Spring] = []
    if isinstance(problem, RitzProblem):
        for term in problem.point_terms:
            spring = _spring(problem, term, regions, a, g, exact)
            energy = energy + spring.energy
            for which, x, by_intercept in spring.directions:
                forces[1, which] += spring.pull * by_intercept
                forces[0, which] += spring.pull * by_intercept * x
            springs.append(spring)
    return Swept(regions, expansion, integrand, energy, forces, curvature, error, tuple(springs))


def _region_of(regions: LinearRegions, place: sympy.Expr) -> int:
    """In which region an end or a point load lies: nothing is rounded."""
    return bisect_left(regions.marks, 0, 1, regions.count, key=lambda mark: compare(mark, place)) - 1


def _spring(problem: RitzProblem, term: PointTerm, regions: LinearRegions, a: Array, g: Array, exact: bool) -> Spring:
    number = to_mpf if exact else float
    u: Any = 0
    directions = []
    for sign, end in term.places:
        which = _region_of(regions, end)
        x, distance, lift = (number(e) for e in (end, problem.distance.subs(X, end), problem.lift.subs(X, end)))
        u += sign * (lift + distance * (a[which] * x + g[which]))
        directions.append((which, x, sign * distance))
    pull, stiffness, off = number(term.pull), number(term.stiffness), u - number(term.wanted)
    return Spring(pull * u + stiffness * off**2 / 2, pull + stiffness * off, stiffness, tuple(directions))


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
