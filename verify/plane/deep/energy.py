"""The exact energy of a deep plane network: region by region, Gauss points in triangles and on the named edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ...errors import InputError
from ...statement.deep_network import DeepNetwork
from ...statement.expressions import NUMPY_MODULES, parse
from ...statement.plane import PlaneProblem, X, Y
from ..energy import GUARD_DIGITS
from ..rule import Rule, rule
from .regions import Affine, Region, Unit, plane_regions

Array = NDArray[Any]

VALUE, SLOPE_X, SLOPE_Y = sympy.symbols("u u_x u_y", real=True)
_ARGUMENTS = {"x": X, "y": Y, "u": VALUE, "u_x": SLOPE_X, "u_y": SLOPE_Y}
# Gauss points tried where the data are no polynomials: in float64, and for each digit.
_POINTS = (12, 18, 27, 40, 60)
_SHARES = (0.65, 0.8, 1.2, 1.8)
# Two rules that agree so far in float64 agree to rounding; apart by more than the second they are no answer.
_SETTLED, _UNSETTLED = 2e-14, 1e-8


@dataclass(frozen=True)
class PlaneIntegrand:
    """L(x, y, u, u_x, u_y), D and the lift, and what the named edges add.

    Attributes:
        problem: whose D, lift and edges they are.
        density: L in `VALUE`, `SLOPE_X` and `SLOPE_Y`.
    """

    problem: PlaneProblem
    density: sympy.Expr

    @cached_property
    def degree(self) -> int | None:
        """The greatest total degree on a region; None where that is no polynomial."""
        a1, a2, g = sympy.symbols("a_1 a_2 g", real=True)
        u = self.problem.lift + self.problem.distance * (a1 * X + a2 * Y + g)
        put = {VALUE: u, SLOPE_X: sympy.diff(u, X), SLOPE_Y: sympy.diff(u, Y)}
        whole = [self.density.subs(put, simultaneous=True)]
        whole += [s * u**2 + t * u for s, t, _ in map(self.edge_terms, self.edges)]
        if not all(e.is_polynomial(X, Y) for e in whole):
            return None
        return max(sympy.Poly(sympy.expand(e), X, Y).total_degree() if e != 0 else 0 for e in whole)

    @property
    def edges(self) -> tuple[int, ...]:
        """The polygon's edges with a flux or an essential value."""
        return (*self.problem.fluxes, *self.problem.essential)

    def edge_terms(self, edge: int) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
        """Per length square·u²/2 + linear·u + constant."""
        if edge in self.problem.fluxes:
            return sympy.Integer(0), -self.problem.fluxes[edge], sympy.Integer(0)
        penalty, wanted = self.problem.penalty, self.problem.essential[edge]
        return penalty, -penalty * wanted, penalty * wanted**2 / 2


@lru_cache(maxsize=64)
def plane_integrand(problem: PlaneProblem, density: Any = None) -> PlaneIntegrand:
    """Of a problem, with its own integrand or another one.

    Raises:
        InputError: what `parse` refuses; a density that is not smooth in u or its slopes.
    """
    if density is None:
        (xx, xy), (_, yy) = problem.coefficient
        flux = xx * SLOPE_X**2 + 2 * xy * SLOPE_X * SLOPE_Y + yy * SLOPE_Y**2
        return PlaneIntegrand(problem, flux / 2 - problem.source * VALUE)
    found = parse(density, "density", _ARGUMENTS)
    if found.has(sympy.Abs, sympy.Max, sympy.Min, sympy.sign, sympy.Piecewise):
        raise InputError(f"density: {found} is not smooth; a smooth one in x, y, u, u_x and u_y would be right")
    return PlaneIntegrand(problem, found)


# See `Evaluated`.
Moment = tuple[int, int, Unit, Array]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Sums over regions by one rule, in its numbers.

    Attributes:
        energies: of each region, with its named edges, (R,).
        forces: derivatives of these by (a₁, a₂, g), (R, 3).
        kink_moments: (region, its edge, unit, ±∫ L (x, y, 1) ds/|∇z|) where a pre-activation vanishes on an edge.
    """

    energies: Array
    forces: Array
    kink_moments: list[Moment]


def refined_sums(
    integrand: PlaneIntegrand,
    regions: list[Region],
    affine: list[Affine],
    numbers: str,
    wanted: Callable[[Evaluated], Array],
) -> tuple[Array, str, float]:
    """What is wanted of the sums, the route, and the greatest difference of the last two rules; 0 for polynomials.

    Raises:
        InputError: the rules do not come together.
    """
    degree = integrand.degree
    if degree is not None:
        # One degree more by the fold of a square onto a triangle, or by x and y in a moment.
        return wanted(evaluated(integrand, regions, affine, rule(numbers, (degree + 2) // 2 + 1))), "polynomial", 0.0
    settled = _SETTLED if numbers == "float" else mpmath.mpf(10) ** (GUARD_DIGITS - 4 - mpmath.mp.dps)
    previous, apart, scale = None, np.inf, 0.0
    tried = _POINTS if numbers == "float" else [int(share * mpmath.mp.dps) for share in _SHARES]
    for points in tried:
        values = wanted(evaluated(integrand, regions, affine, rule(numbers, points)))
        if previous is not None:
            apart, scale = np.abs(values - previous).max(), np.abs(values).max()
            if apart <= settled * scale:
                return values, "quadrature", float(apart)
        previous = values
    if numbers == "float" and previous is not None and apart <= _UNSETTLED * scale:
        return previous, "quadrature", float(apart)
    raise InputError(
        f"{integrand.problem.name}: its integrals do not settle, {tried[-1]} points each way leave {float(apart):.1e}; "
        "data that are smooth on the closed polygon would be right"
    )


def evaluated(integrand: PlaneIntegrand, regions: list[Region], affine: list[Affine], by: Rule) -> Evaluated:
    """All sums by one rule."""
    functions = integrand_functions(integrand, by.numbers)
    triangles = [(r, k) for r, region in enumerate(regions) for k in range(1, len(region.corners) - 1)]
    of = np.array([r for r, _ in triangles])
    corners = by.array([[regions[r].corners[m] for m in (0, k, k + 1)] for r, k in triangles])
    q = by.array(affine)
    second, third = (v.ravel() for v in np.meshgrid(by.nodes, by.nodes, indexing="ij"))
    third = third * (1 - second)
    weight = np.outer(by.weights * (1 - by.nodes), by.weights).ravel()
    x, y = (c[:, 0, None] * (1 - second - third) + c[:, 1, None] * second + c[:, 2, None] * third
            for c in (corners[..., 0], corners[..., 1]))  # fmt: skip
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    found = functions.interior(x, y, q[of]) * (area[:, None] * weight)
    sums = np.zeros((4, len(regions)), dtype=found.dtype) + 0 * area[0]
    for n, r in enumerate(of):
        sums[:, r] += found[:, n].sum(axis=-1)
    moments = []
    for r, region in enumerate(regions):
        for k, (units, outer) in enumerate(zip(region.units, region.outer, strict=True)):
            ends = by.array([region.corners[k], region.corners[(k + 1) % len(region.corners)]])
            if outer in integrand.edges:
                sums[:, r] += _on_edge(functions, outer, ends, q[r : r + 1], by)
            # On the boundary there is nothing on the other side.
            for unit in units if outer < 0 else ():
                slope = region.preactivations[unit[0]][unit[1]]
                side = 1 if region.active[unit[0]][unit[1]] else -1
                moments.append((r, k, unit, side * line_moment(functions, ends, by.array(slope), q[r : r + 1], by)))
    return Evaluated(sums[0], sums[1:].T, moments)


def _on_edge(functions: _Functions, edge: int, ends: Array, q: Array, by: Rule) -> Array:
    along = ends[1] - ends[0]
    x, y = (ends[0, m] + by.nodes[None] * along[m] for m in (0, 1))
    square = along[0] ** 2 + along[1] ** 2
    length = np.sqrt(square) if by.numbers == "float" else mpmath.sqrt(square)
    found: Array = functions.edge(edge, x, y, q)[:, 0] @ by.weights * length
    return found


def line_moment(functions: _Functions, ends: Array, slope: Array, q: Array, by: Rule) -> Array:
    """∫ L (x, y, 1) ds/|∇z| along an edge; ds/|∇z| = |dx|/|z_y| is rational."""
    along = ends[1] - ends[0]
    step = abs(along[0] / slope[1]) if abs(slope[1]) > abs(slope[0]) else abs(along[1] / slope[0])
    x, y = (ends[0, m] + by.nodes[None] * along[m] for m in (0, 1))
    weighted = functions.interior(x, y, q)[0, 0] * by.weights * step
    return np.array([(weighted * x[0]).sum(), (weighted * y[0]).sum(), weighted.sum()])


@dataclass(frozen=True, eq=False)
class _Functions:
    """A density and its derivatives as functions of arrays, see `integrand_functions`."""

    data: Callable[..., Array]
    density: Callable[..., Array]
    edges: dict[int, Callable[..., Array]]

    def interior(self, x: Array, y: Array, q: Array) -> Array:
        """(4, T, n): L, and its derivatives by a₁, a₂ and g, at points (T, n) of affine networks (T, 3)."""
        d, d_x, d_y, lift, l_x, l_y = self.data(x, y)
        a1, a2, g = (q[:, m, None] for m in range(3))
        n = a1 * x + a2 * y + g
        value, by_u, by_x, by_y = self.density(x, y, lift + d * n, l_x + d_x * n + d * a1, l_y + d_y * n + d * a2)
        by_n = by_u * d + by_x * d_x + by_y * d_y
        return np.stack([value, by_n * x + by_x * d, by_n * y + by_y * d, by_n])

    def edge(self, edge: int, x: Array, y: Array, q: Array) -> Array:
        """The same of an edge's density."""
        d, _, _, lift, _, _ = self.data(x, y)
        u = lift + d * (q[:, 0, None] * x + q[:, 1, None] * y + q[:, 2, None])
        square, linear, constant = self.edges[edge](x, y)
        by_n = (square * u + linear) * d
        return np.stack([square * u * u / 2 + linear * u + constant, by_n * x, by_n * y, by_n])


@lru_cache(maxsize=64)
def integrand_functions(integrand: PlaneIntegrand, numbers: str) -> _Functions:
    """Made once for each kind of numbers."""
    problem, density = integrand.problem, integrand.density
    data = [e for f in (problem.distance, problem.lift) for e in (f, sympy.diff(f, X), sympy.diff(f, Y))]
    by = [density, *(sympy.diff(density, v) for v in (VALUE, SLOPE_X, SLOPE_Y))]
    edges = {k: _arrays((X, Y), list(integrand.edge_terms(k)), numbers) for k in integrand.edges}
    return _Functions(_arrays((X, Y), data, numbers), _arrays(tuple(_ARGUMENTS.values()), by, numbers), edges)


def _arrays(arguments: tuple[Any, ...], expressions: list[Any], numbers: str) -> Callable[..., Array]:
    """Expressions as a function of arrays of one shape: (E, ...)."""
    made = sympy.lambdify(arguments, expressions, NUMPY_MODULES if numbers == "float" else "mpmath", cse=True)
    if numbers == "float":
        return lambda *given: np.stack([v + 0 * given[0] for v in made(*given)])

    def exact(*given: Array) -> Array:
        out = np.empty((len(expressions), given[0].size), dtype=object)
        for k, row in enumerate(zip(*(v.ravel() for v in given), strict=True)):
            out[:, k] = made(*row)
        return out.reshape(-1, *given[0].shape)

    return exact


def affine_outputs(network: DeepNetwork, regions: list[Region]) -> list[Affine]:
    """(a₁, a₂, g) of the network on each region."""
    c, bias = network.rational.output_weights, network.rational.output_bias
    out = []
    for region in regions:
        h = region.outputs
        a1, a2, g = (sum(w * v[n] for w, v in zip(c, h, strict=True)) for n in range(3))
        out.append((a1, a2, g if bias is None else g + bias.item()))
    return out


def deep_plane_energy(
    problem: PlaneProblem, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> Any:
    """`exact_energy` of a network of two inputs and any depth; see there."""
    integrand = plane_integrand(problem, density)
    regions = plane_regions(network, problem.domain)
    affine = affine_outputs(network, regions)

    def wanted(found: Evaluated) -> Array:
        return np.array([found.energies.sum()])

    if digits is None:
        return np.float64(refined_sums(integrand, regions, affine, "float", wanted)[0][0])
    with mpmath.workdps(digits + GUARD_DIGITS):
        value = refined_sums(integrand, regions, affine, "mpf", wanted)[0][0]
    with mpmath.workdps(digits):
        return +value
