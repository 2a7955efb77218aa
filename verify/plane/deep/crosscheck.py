"""A second derivation of the gradient of a deep plane network: along level lines, each split by marching (MATH 1).

On each line the network is one of one input: its pieces are found layer by layer in floating point, and give the bulk
and ⟦L⟧ ∂z/∂θ ÷ |∂z/∂x| where a pre-activation vanishes. Of the regions nothing is taken but the heights of their
corners, between which the outer integral is smooth; were they wrong, it would not come out.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ...statement.deep_network import DeepNetwork
from ...statement.expressions import NUMPY_MODULES
from ...statement.plane import PlaneProblem, X, Y
from .energy import SLOPE_X, SLOPE_Y, VALUE, plane_integrand
from .regions import plane_regions

Array = NDArray[Any]
# Corners so near to each other are one but for rounding; pieces of lines so short are none.
_NEAR = 1e-13


def level_gradient(
    problem: PlaneProblem, network: DeepNetwork, density: Any = None, points: int = 12
) -> tuple[float, Array]:
    """Energy and gradient (P,) in float64, where no edge of the polygon has a flux or an essential value.

    Args:
        problem: whose data are smooth.
        network: of two inputs, away from degenerate places.
        density: in place of the problem's integrand.
        points: of Gauss in each piece and between each two heights.
    """
    corners = [p for region in plane_regions(network, problem.domain) for p in region.corners]
    heights = np.unique(np.array([float(y) for _, y in corners]))
    heights = heights[np.concatenate([[True], np.diff(heights) > _NEAR])]
    nodes, weights = np.polynomial.legendre.leggauss(points)
    line = _Line(problem, network, density, points)
    energy, gradient = 0.0, np.zeros(len(network.ravel()))
    for low, high in pairwise(heights):
        for s, w in zip(nodes, weights, strict=True):
            of_line = line.at((low + high) / 2 + (high - low) / 2 * s)
            energy += w * (high - low) / 2 * of_line[0]
            gradient += w * (high - low) / 2 * of_line[1]
    return energy, gradient


class _Line:
    """Level lines of one network; kept as a class for what all of them share."""

    def __init__(self, problem: PlaneProblem, network: DeepNetwork, density: Any, points: int) -> None:
        found = plane_integrand(problem, density).density
        data = [e for f in (problem.distance, problem.lift) for e in (f, sympy.diff(f, X), sympy.diff(f, Y))]
        by = [found, *(sympy.diff(found, v) for v in (VALUE, SLOPE_X, SLOPE_Y))]
        self.data = sympy.lambdify((X, Y), data, NUMPY_MODULES)
        self.density = sympy.lambdify((X, Y, VALUE, SLOPE_X, SLOPE_Y), by, NUMPY_MODULES)
        self.edges = [[[float(v) for v in p] for p in edge] for edge in problem.domain.edges]
        nodes, weights = np.polynomial.legendre.leggauss(points)
        self.nodes, self.weights, self.tensors = (nodes + 1) / 2, weights / 2, network.floats

    def at(self, y: float) -> tuple[float, Array]:
        """∫ along a line, and its derivatives by all parameters."""
        met = sorted(a + (y - b) * (c - a) / (d - b) for (a, b), (c, d) in self.edges if (b > y) != (d > y))
        energy: Any = 0.0
        gradient = np.zeros(sum(t.size for t in self.tensors.named().values()))
        for left, right in zip(met[::2], met[1::2], strict=True):
            ends, crossings = self.marched(left, right, y)
            for a, b in pairwise(ends):
                x, dx = a + (b - a) * self.nodes, (b - a) * self.weights
                value, by_u, by_x, by_y, d, d_x, d_y = self.along(x, y, np.full(len(x), (a + b) / 2))
                energy += dx @ value
                of_value = by_u * d + by_x * d_x + by_y * d_y
                gradient += self.backward(x, y, (a + b) / 2, dx * of_value, dx * by_x * d, dx * by_y * d)
            for place, layer, neuron in crossings:
                k = int(np.searchsorted(ends, place - _NEAR))
                sides = [(ends[k - 1] + place) / 2, (ends[k + 1] + place) / 2]
                before, after = (self.along(np.array([place]), y, np.array([s]))[0][0] for s in sides)
                gradient += (before - after) * self.motion(place, y, layer, neuron, sides[0])
        return energy, gradient

    def states(self, x: Array, y: float, inside: Array) -> list[tuple[Array, Array, Array]]:
        """(h, slopes (n, 2, m), which are active) of each layer at x, by the signs at `inside`."""
        h, seen = np.stack([x, 0 * x + y], axis=1), np.stack([inside, 0 * inside + y], axis=1)
        slopes = np.broadcast_to(np.eye(2), (len(x), 2, 2))
        out: list[tuple[Array, Array, Array]] = [(h, slopes, np.ones((len(x), 2)))]
        for w, b in zip(self.tensors.hidden_weights, self.tensors.hidden_biases, strict=True):
            on = (seen @ w.T + b > 0) * 1.0
            h, seen, slopes = on * (h @ w.T + b), on * (seen @ w.T + b), on[:, None] * (slopes @ w.T)
            out.append((h, slopes, on))
        return out

    def along(self, x: Array, y: float, inside: Array) -> list[Array]:
        """L, L_u, L_{u_x}, L_{u_y}, D and its slopes."""
        h, slopes, _ = self.states(x, y, inside)[-1]
        bias = 0.0 if self.tensors.output_bias is None else float(self.tensors.output_bias)
        n, s = h @ self.tensors.output_weights + bias, slopes @ self.tensors.output_weights
        d, d_x, d_y, lift, l_x, l_y = (v + 0 * x for v in self.data(x, y))
        u, u_x, u_y = lift + d * n, l_x + d_x * n + d * s[:, 0], l_y + d_y * n + d * s[:, 1]
        return [*(v + 0 * x for v in self.density(x, y, u, u_x, u_y)), d, d_x, d_y]

    def marched(self, left: float, right: float, y: float) -> tuple[list[float], list[tuple[float, int, int]]]:
        """Ends of the linear pieces, and where which pre-activation vanishes, layer by layer."""
        ends, crossings = [left, right], []
        for k, (w, b) in enumerate(zip(self.tensors.hidden_weights, self.tensors.hidden_biases, strict=True)):
            new = []
            for a, c in pairwise(ends):
                middle = np.full(2, (a + c) / 2)
                h = self.states(np.array([a, c]), y, middle)[k][0]
                for i, (p, q) in enumerate((h @ w.T + b).T):
                    if p * q < 0:
                        new.append((a + p / (p - q) * (c - a), k, i))
            crossings += new
            ends = sorted([*ends, *(place for place, _, _ in new)])
        return ends, crossings

    def backward(self, x: Array, y: float, inside: float, by_n: Array, by_x: Array, by_y: Array) -> Array:
        """What derivatives by the network's value and slopes are by its parameters, summed up."""
        passed = self.states(x, y, np.full(len(x), inside))
        h, slopes, _ = passed[-1]
        out = [by_n @ h + by_x @ slopes[:, 0] + by_y @ slopes[:, 1]]
        c = self.tensors.output_weights
        dh, ds = np.outer(by_n, c), np.stack([np.outer(by_x, c), np.outer(by_y, c)], axis=1)
        for k in reversed(range(len(self.tensors.hidden_weights))):
            h, slopes, on = (*passed[k][:2], passed[k + 1][2])
            dz, dt = on * dh, on[:, None] * ds
            by_weight = dz.T @ h + np.einsum("nam,nal->ml", dt, slopes)
            out = [by_weight.ravel(), dz.sum(axis=0), *out]
            dh, ds = dz @ self.tensors.hidden_weights[k], dt @ self.tensors.hidden_weights[k]
        return np.concatenate(out if self.tensors.output_bias is None else [*out, [by_n.sum()]])

    def motion(self, place: float, y: float, layer: int, neuron: int, inside: float) -> Array:
        """dx/dθ of a place where a pre-activation vanishes: −∂z/∂θ ÷ ∂z/∂x."""
        passed = self.states(np.array([place]), y, np.array([inside]))
        w = self.tensors.hidden_weights[layer][neuron]
        slope = passed[layer][1][0, 0] @ w
        named: dict[str, Any] = {n: np.zeros(t.shape) for n, t in self.tensors.named().items()}
        dz = np.zeros(len(self.tensors.hidden_biases[layer]))
        dz[neuron] = 1.0
        for k in reversed(range(layer + 1)):
            named[f"hidden_weights.{k}"] = np.outer(dz, passed[k][0][0])
            named[f"hidden_biases.{k}"] = dz
            dz = passed[k][2][0] * (dz @ self.tensors.hidden_weights[k])
        out: Array = np.concatenate([t.ravel() for t in named.values()]) / -slope
        return out
