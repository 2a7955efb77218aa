"""The equidistributing density of kinks, (κ(D(u/D)″)²)^⅓, and the limit it implies (MATH 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...verify.values import Value
from ..data.panels import Half
from ..data.polynomials import gauss
from ..data.strong_solution import StrongSolution

Array = NDArray[np.float64]

# Cells to a panel: between their limits the mass is interpolated linearly.
_CELLS = 32
_GAUSS_POINTS = 4


@dataclass(frozen=True, eq=False)
class KinkDensity(Value):
    """How many kinks a good network has where.

    Attributes:
        places: limits of cells, ascending, (M + 1,).
        mass: integral of the density from the left end to each, (M + 1,).
    """

    places: Array
    mass: Array

    @property
    def total(self) -> float:
        """∫(κ(D(u/D)″)²)^⅓ dx."""
        return float(self.mass[-1])

    def limit(self, elements: int) -> float:
        """½·(1/12n²)(∫(κ(D(u/D)″)²)^⅓)³: to leading order the least energy gap of n pieces."""
        return float(self.total**3 / (24 * elements**2))

    def equidistributed(self, count: int) -> Array:
        """Kinks that cut the mass into count + 1 equal parts, (count,)."""
        return self.place(np.arange(1, count + 1) / (count + 1))

    def place(self, shares: Array) -> Array:
        """Where the mass from the left end is the given share of the whole."""
        if not self.total > 0:
            return np.asarray(self.places[0] + (self.places[-1] - self.places[0]) * shares)
        return np.asarray(np.interp(shares * self.total, self.mass, self.places))


@lru_cache(maxsize=64)
def kink_density(solution: StrongSolution) -> KinkDensity:
    """Integrate the density over cells, singular ends included; once per problem, then from memory."""
    places: list[Array] = []
    masses: list[Array] = []
    for half in solution.halves:
        limits, cells = _cell_masses(half)
        x = half.origin + half.sign * limits
        places.append(x[:: half.sign][:-1])
        masses.append(cells[:: half.sign])
    mass = np.concatenate([[0.0], np.cumsum(np.concatenate(masses))])
    return KinkDensity(np.concatenate([*places, [solution.domain[1]]]), mass)


def _cell_masses(half: Half) -> tuple[Array, Array]:
    """Limits of cells in s, (M + 1,), and the mass of each, (M,)."""
    shares = np.arange(_CELLS) / _CELLS
    limits = np.append((half.edges[:-1, None] + np.diff(half.edges)[:, None] * shares).ravel(), half.edges[-1])
    panel = np.repeat(np.arange(len(half.edges) - 1), _CELLS)
    nodes, weights = gauss(_GAUSS_POINTS)
    width = np.diff(limits)[:, None]
    s = limits[:-1, None] + width * (nodes + 1) / 2
    data, slopes = half.evaluate(s, panel), half.evaluate_slopes(s, panel)
    target = data.flux / data.coefficient
    # W = u − lift = D·v, so D·v″ = W″ − 2D′v′ − D″v. A zero of D inside the domain makes no sense of v there.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = half.value(s, panel) / data.distance
        slope = (target - data.distance_slope * value) / data.distance
        bend = slopes.target - 2 * data.distance_slope * slope - slopes.distance_slope * value
        density = np.cbrt(data.coefficient * bend**2)
    density = np.where(np.isfinite(density), density, 0.0)
    return limits, (density @ weights) * width[:, 0] / 2
