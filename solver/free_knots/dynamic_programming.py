"""The best kinks among the points of a fine grid, by dynamic programming: a reference that no local minimum stops.

The cost of an element is that of the line through the solution's own values of v at its two knots; at a free end of
the domain the best value is taken. For κ = D = 1 these are the best nodal values and the optimum over the grid is
exact; else they are to leading order, which is what a start for Newton and a check of its minimum need.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..data.polynomials import gauss
from ..data.strong_solution import StrongSolution
from .density import kink_density
from .hat_functions import GAUSS_POINTS

Array = NDArray[np.float64]

# Grid points to a kink, within limits: the cost grows with their square.
_POINTS_PER_KINK = 8
_FEWEST, _MOST = 160, 520
# Sums of costs that differ by less than this share are equal.
_EQUAL = 1e-12
# Beyond this many kinks the grid would be too coarse to say anything.
MOST_KINKS = _MOST // _POINTS_PER_KINK - 1


def global_kinks(solution: StrongSolution, count: int) -> Array:
    """The kinks, (count,), of least cost among grid points; O(count · points²).

    Args:
        solution: of the problem.
        count: at most `MOST_KINKS`, at least 1.
    """
    grid = _grid(solution, min(max(_POINTS_PER_KINK * (count + 1), _FEWEST), _MOST))
    cost = _costs(solution, grid)
    best, origins = cost[0], []
    for _ in range(count):
        # The last element ends in each grid point: where did it begin?
        total = best[:, None] + cost
        # Of what rounding alone tells apart the first.
        origin = np.argmax(total <= total.min(axis=0) * (1 + _EQUAL), axis=0)
        origins.append(origin)
        best = total[origin, np.arange(len(grid))]
    place, chosen = len(grid) - 1, []
    for origin in reversed(origins):
        place = origin[place]
        chosen.append(grid[place])
    return np.array(chosen[::-1])


def _grid(solution: StrongSolution, points: int) -> Array:
    """Half of the points by the density of good kinks, half uniform, and the walls."""
    left, right = solution.domain
    by_density = kink_density(solution).equidistributed(points // 2)
    grid = np.unique(np.concatenate([by_density, np.linspace(left, right, points - points // 2), solution.walls]))
    # Neighbours that only rounding tells apart make no element.
    keep = np.concatenate([[True], np.diff(grid) > 1e-14 * np.maximum(np.abs(grid[1:]), 1e-300)])
    return grid[keep & (grid >= left) & (grid <= right)]


def _costs(solution: StrongSolution, grid: Array) -> Array:
    """½∫κ(T[v] − target)² for the line v between each pair of grid points, (M, M); inf where the pair is no element."""
    nodes, weights = gauss(GAUSS_POINTS)
    width = np.diff(grid)
    x = grid[:-1, None] + width[:, None] * (nodes + 1) / 2
    data = solution.at(x.ravel())
    weight = (weights * width[:, None] / 2).ravel() * data.coefficient
    target = data.flux / data.coefficient
    values, free = _values(solution, grid)
    cells = len(width)
    out = np.full((len(grid), len(grid)), np.inf)
    for i in range(cells):
        rest = slice(i * len(nodes), None)
        distance, slope, w = data.distance[rest], data.distance_slope[rest], weight[rest]
        # v = α + β·(x − tᵢ): least squares in (α, β), relative to the element's own left knot.
        first = slope
        second = slope * (x.ravel()[rest] - grid[i]) + distance
        terms = np.stack([first * first, first * second, second * second])
        if free[i]:
            rows = np.stack([*terms, first * target[rest], second * target[rest], target[rest] ** 2])
        else:
            known = target[rest] - first * values[i]
            rows = np.stack([*terms, first * known, second * known, known**2])
        sums = np.cumsum((rows * w).reshape(6, cells - i, len(nodes)).sum(axis=-1), axis=-1)
        out[i, i + 1 :] = _least_costs(sums, values[i + 1 :] - values[i], values[i + 1 :], free, i, grid)
    return out


def _least_costs(sums: Array, differences: Array, ends: Array, free: NDArray[np.bool_], i: int, grid: Array) -> Array:
    """Cost of the elements from grid point i, their free end values chosen best, (M − 1 − i,)."""
    aa, ab, bb, a, b, constant = sums
    length = grid[i + 1 :] - grid[i]
    with np.errstate(divide="ignore", invalid="ignore"):
        if not free[i]:
            slope = np.where(free[i + 1 :], b / bb, differences / length)
            cost = (bb * slope**2 - 2 * b * slope + constant) / 2
        else:
            # α is free; β follows from the value at the right knot, v = end + β'(x − t_j), α = end − β·length.
            p = ab - aa * length
            curvature = bb - 2 * ab * length + aa * length**2
            load = b - a * length - ends * p
            slope = load / curvature
            cost = (curvature * slope**2 - 2 * load * slope) / 2 + (aa * ends**2 - 2 * a * ends + constant) / 2
    return np.where(np.isfinite(cost), np.maximum(cost, 0.0), np.inf)


def _values(solution: StrongSolution, grid: Array) -> tuple[Array, NDArray[np.bool_]]:
    """v of the solution at the grid points, and where it is free to be chosen: at ends that nothing holds."""
    values, distance = solution.value_at(grid), solution.at(grid).distance
    # A zero of D inside the domain: v there is the mean of its neighbours.
    zero = np.abs(distance) <= 1e-12 * np.abs(distance).max()
    v = np.divide(values, distance, out=np.zeros_like(values), where=~zero)
    v[zero] = np.interp(grid[zero], grid[~zero], v[~zero])
    free = np.zeros(len(grid), dtype=bool)
    for end, held, (spring, rest) in zip((0, -1), solution.held, solution.springs, strict=True):
        # A Robin end pulls towards the solution's own value.
        free[end] = held is None and not spring
        v[end] = rest if spring else 0.0 if held is None else held
    return v, free
