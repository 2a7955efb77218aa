"""A second derivation of the gradient of a deep plane network: along lines of one slope, split by marching (MATH 1).

On each line the network is one of one input: its pieces are found layer by layer in rounded numbers, and give the bulk
and ⟦L⟧ ∂z/∂θ ÷ |∂z/∂ξ| where a pre-activation vanishes. Of the regions nothing is taken but the heights of their
corners, between which the outer integral is smooth, and a slope that no kink line has; were they wrong, it would not
come out.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ...statement.deep_network import DeepNetwork
from ...statement.plane import PlaneProblem, X, Y
from ..checking import array, functions, nodes_and_weights, number
from ..scanlines import SLOPES
from .energy import SLOPE_X, SLOPE_Y, VALUE, plane_integrand
from .regions import Region, plane_regions

Array = NDArray[Any]
# Corners so near to each other are one, of an edge or a line that is all but level.
_NEAR = 1e-13


def line_gradient(
    problem: PlaneProblem, network: DeepNetwork, density: Any = None, points: int = 12, digits: int | None = None
) -> tuple[Any, Array]:
    """Energy and gradient (P,); float64, or mpmath numbers of some digits.

    Args:
        problem: whose data are smooth.
        network: of two inputs, away from degenerate places.
        density: in place of the problem's integrand.
        points: of Gauss in each piece and between each two heights.
        digits: None for float64.
    """
    with mpmath.workdps((digits or 15) + 15):
        exact = digits is not None
        regions = plane_regions(network, problem.domain)
        slope = _slope(regions)
        lines = _Lines(problem, network, density, points, exact, number(slope, exact))
        energy, gradient = 0 * lines.nodes[0], 0 * lines.nodes[0] + np.zeros(len(network.ravel()))
        # (ξ, η) ↦ (ξ, η + slope·ξ): area is kept, and lines of constant η are taken.
        heights = sorted({y - slope * x for region in regions for x, y in region.corners})
        for low, high in pairwise(array(heights, exact)):
            if high - low < _NEAR and not exact:
                continue
            for s, w in zip(lines.nodes, lines.weights, strict=True):
                of_line = lines.across(low + (high - low) * s)
                energy += w * (high - low) * of_line[0]
                gradient += w * (high - low) * of_line[1]
        for k in lines.integrand.edges:
            of_edge = lines.on_edge(k)
            energy, gradient = energy + of_edge[0], gradient + of_edge[1]
        return energy, gradient


def _slope(regions: list[Region]) -> Fraction:
    """Of lines along which no kink line runs."""
    along = {r.preactivations[k][i][:2] for r in regions for units in r.units for k, i in units}
    return next(m for m in SLOPES if all(p + m * q for p, q in along))


class _Lines:
    """Straight ways through one network; kept as a class for what all of them share."""

    def __init__(
        self, problem: PlaneProblem, network: DeepNetwork, density: Any, points: int, exact: bool, slope: Any
    ) -> None:
        self.direction = np.array([1 + 0 * slope, slope])
        self.integrand, self.exact = plane_integrand(problem, density), exact
        found = self.integrand.density
        data = [e for f in (problem.distance, problem.lift) for e in (f, sympy.diff(f, X), sympy.diff(f, Y))]
        by = [found, *(sympy.diff(found, v) for v in (VALUE, SLOPE_X, SLOPE_Y))]
        self.data = functions(data, exact)
        self.density = functions(by, exact, (X, Y, VALUE, SLOPE_X, SLOPE_Y))
        self.edges = [array(edge, exact) for edge in problem.domain.edges]
        self.nodes, self.weights = nodes_and_weights(points, exact)
        self.tensors = network.rational.map(lambda t: array(t, exact))
        bias = self.tensors.output_bias
        self.bias = 0.0 if bias is None else bias.item()

    def across(self, eta: Any) -> tuple[Any, Array]:
        """∫ L dξ along a line, and its derivatives by all parameters."""
        met = []
        for edge in self.edges:
            (a, b), (c, d) = ((x, y - self.direction[1] * x) for x, y in edge)
            if (b > eta) != (d > eta):
                met.append(a + (eta - b) * (c - a) / (d - b))
        met.sort()
        energy, gradient = 0 * eta, 0 * self.tensors.ravel()
        for left, right in zip(met[::2], met[1::2], strict=True):
            start, onward = left * self.direction, (right - left) * self.direction
            start[1] += eta
            crossings = self.marched(start, onward)
            ends = [0 * eta, *(t for t, _, _ in crossings), 0 * eta + 1]
            for a, b in pairwise(ends):
                at, dx = start + (a + (b - a) * self.nodes)[:, None] * onward, (b - a) * self.weights * onward[0]
                inside = start + (a + b) / 2 * onward
                value, by_u, by_x, by_y, d, d_x, d_y = self.along(at, inside)
                energy += (dx * value).sum()
                by_n = by_u * d + by_x * d_x + by_y * d_y
                gradient += self.backward(at, inside, dx * by_n, dx * by_x * d, dx * by_y * d)
            for k, (t, layer, neuron) in enumerate(crossings, 1):
                place, sides = start + t * onward, [start + (ends[m] + t) / 2 * onward for m in (k - 1, k + 1)]
                before, after = (self.along(place[None], s)[0][0] for s in sides)
                gradient += (before - after) * self.motion(place, layer, neuron, sides[0])
        return energy, gradient

    def on_edge(self, edge: int) -> tuple[Any, Array]:
        """The term of an edge: u has no jump, and kinks may move along it as they like."""
        start, end = self.edges[edge]
        onward = end - start
        length = mpmath.sqrt((onward**2).sum()) if self.exact else np.hypot(*onward)
        terms = functions(list(self.integrand.edge_terms(edge)), self.exact)
        energy, gradient = 0 * length, 0 * self.tensors.ravel()
        for a, b in pairwise([0 * length, *(t for t, _, _ in self.marched(start, onward)), 0 * length + 1]):
            at, ds = start + (a + (b - a) * self.nodes)[:, None] * onward, (b - a) * self.weights * length
            inside = start + (a + b) / 2 * onward
            d, _, _, lift, _, _ = self.data(*at.T)
            h, _, _ = self.states(at, inside)[-1]
            u, (square, linear, constant) = lift + d * (h @ self.tensors.output_weights + self.bias), terms(*at.T)
            energy += (ds * (square * u * u / 2 + linear * u + constant)).sum()
            gradient += self.backward(at, inside, ds * (square * u + linear) * d, 0 * ds, 0 * ds)
        return energy, gradient

    def states(self, x: Array, inside: Array) -> list[tuple[Array, Array, Array]]:
        """(h, slopes (n, 2, m), which are active (m,)) of each layer at x (n, 2), by the signs at `inside` (2,)."""
        h, seen = x, inside
        slopes = np.broadcast_to(np.eye(2), (len(x), 2, 2))
        out: list[tuple[Array, Array, Array]] = [(h, slopes, np.ones(2))]
        for w, b in zip(self.tensors.hidden_weights, self.tensors.hidden_biases, strict=True):
            on = np.where(w @ seen + b > 0, 1, 0)
            h, seen, slopes = on * (h @ w.T + b), on * (w @ seen + b), on * (slopes @ w.T)
            out.append((h, slopes, on))
        return out

    def along(self, x: Array, inside: Array) -> list[Array]:
        """L, L_u, L_{u_x}, L_{u_y}, D and its slopes."""
        h, slopes, _ = self.states(x, inside)[-1]
        n, s = h @ self.tensors.output_weights + self.bias, slopes @ self.tensors.output_weights
        d, d_x, d_y, lift, l_x, l_y = self.data(*x.T)
        u, u_x, u_y = lift + d * n, l_x + d_x * n + d * s[:, 0], l_y + d_y * n + d * s[:, 1]
        return [*self.density(*x.T, u, u_x, u_y), d, d_x, d_y]

    def marched(self, start: Array, onward: Array) -> list[tuple[Any, int, int]]:
        """(share of the way, layer, neuron) where a pre-activation vanishes, in order; found layer by layer."""
        crossings: list[tuple[Any, int, int]] = []
        for k, (w, b) in enumerate(zip(self.tensors.hidden_weights, self.tensors.hidden_biases, strict=True)):
            new = []
            for a, c in pairwise([0 * start[0], *(t for t, _, _ in crossings), 0 * start[0] + 1]):
                ends = np.array([start + a * onward, start + c * onward])
                h = self.states(ends, start + (a + c) / 2 * onward)[k][0]
                for i, (p, q) in enumerate((h @ w.T + b).T):
                    if p * q < 0:
                        new.append((a + p / (p - q) * (c - a), k, i))
            crossings = sorted([*crossings, *new])
        return crossings

    def backward(self, x: Array, inside: Array, by_n: Array, by_x: Array, by_y: Array) -> Array:
        """What derivatives by the network's value and slopes are by its parameters, summed up."""
        passed = self.states(x, inside)
        h, slopes, _ = passed[-1]
        out = [by_n @ h + by_x @ slopes[:, 0] + by_y @ slopes[:, 1]]
        c = self.tensors.output_weights
        dh, ds = np.outer(by_n, c), np.stack([np.outer(by_x, c), np.outer(by_y, c)], axis=1)
        for k in reversed(range(len(self.tensors.hidden_weights))):
            h, slopes, on = (*passed[k][:2], passed[k + 1][2])
            dz, dt = on * dh, on * ds
            by_weight = dz.T @ h + sum(dt[:, m].T @ slopes[:, m] for m in range(2))
            out = [by_weight.ravel(), dz.sum(axis=0), *out]
            dh, ds = dz @ self.tensors.hidden_weights[k], dt @ self.tensors.hidden_weights[k]
        return np.concatenate(out if self.tensors.output_bias is None else [*out, [by_n.sum()]])

    def motion(self, place: Array, layer: int, neuron: int, inside: Array) -> Array:
        """dξ/dθ of a place where a pre-activation vanishes: −∂z/∂θ ÷ ∂z/∂ξ."""
        passed = self.states(place[None], inside)
        slope = self.direction @ passed[layer][1][0] @ self.tensors.hidden_weights[layer][neuron]
        named: dict[str, Any] = {n: 0 * t for n, t in self.tensors.named().items()}
        dz = np.arange(len(self.tensors.hidden_biases[layer])) == neuron
        for k in reversed(range(layer + 1)):
            named[f"hidden_weights.{k}"] = np.outer(dz, passed[k][0][0])
            named[f"hidden_biases.{k}"] = dz + 0 * self.tensors.hidden_biases[k]
            dz = passed[k][2] * (dz @ self.tensors.hidden_weights[k])
        out: Array = np.concatenate([np.ravel(t) for t in named.values()]) / -slope
        return out
