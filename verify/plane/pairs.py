"""Integrals over the half planes in which neurons are active, in pairs: all that a quadratic energy is made of.

Where the network is a₁x + a₂y + g the density is ½ q·A q + A₀·q + L₀ with q = (a₁, a₂, g), and q = Σ cᵢ(wᵢ, bᵢ) over
the active neurons. So the energy needs ∫ A over zᵢ > 0, zⱼ > 0, for every two neurons, and no cells at all; a third
line through a crossing changes nothing. By Green's theorem each is an integral along two lines and sides of the domain:
∫∫ A dx dy = ∮ (∫ A dx) dy, the inner one from the left side of a trapezoid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.plane_network import PlaneNetwork
from ..statement.polygon import Point
from .functions import PAIR, Family, PlaneFunctions
from .rule import Rule
from .segments import Line, Motion, Segments, exact_segments, float_segments
from .trapezoids import Trapezoid, trapezoids

Array = NDArray[Any]

# Lines whose integrals are cut together.
_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class PairIntegrals:
    """Integrals over a polygon, in coordinates about its centre; float64 or object arrays.

    Attributes:
        steps: cᵢ(wᵢ, bᵢ), what a neuron adds to (a₁, a₂, g) where it is active, (N, 3).
        shared: the six A_rs (see `functions.PAIRS`) over zᵢ > 0, zⱼ > 0, (N, N, 6).
        single: A_r over zᵢ > 0, (N, 3).
        constant: L₀ over the polygon.
        line: on zᵢ = 0, where zⱼ > 0: what q multiplies in the Dirac term over c, times x, y and 1; (N, N, 3, 3), the
            last axis x, y, 1; dt = ds/|w|. On the diagonal all along the line.
        line_lift: the same for the lift, all along the line, (N, 3).
    """

    steps: Array
    shared: Array
    single: Array
    constant: Any
    line: Array
    line_lift: Array


def pair_integrals(
    functions: PlaneFunctions, network: PlaneNetwork, rule: Rule, inner: Rule, motion: Motion | None = None
) -> PairIntegrals:
    """All of them by one rule; O(N²).

    Args:
        functions: of the problem.
        network: of N neurons.
        rule: along lines; its numbers are used.
        inner: from the left side to each of its nodes.
        motion: takes apart lines that coincide with each other or with edges.
    """
    lines = local_lines(functions, network)
    parameters = rule.array(lines)
    if motion is not None and not any(lines[motion.neuron]):
        # A dead neuron that begins to move has the line of its motion.
        p, q, r = motion.direction
        lines[motion.neuron] = (motion.sign * p, motion.sign * q, motion.sign * r)
    outer = rule.array([row[3] for row in network.rationals])
    total: list[Any] = []
    sides = [ends for ends, _ in functions.edges]
    for k, trapezoid in enumerate(trapezoids(functions.domain)):
        # The named edges are looked at once, beside the first trapezoid.
        named = sides if k == 0 else []
        found = segments_in(functions, lines, trapezoid, [trapezoid.right_side, *named], rule, motion)
        parts = list(_in_trapezoid(functions, parameters, trapezoid, found, rule, inner))
        for m, (_, edge) in enumerate(functions.edges if k == 0 else ()):
            row = len(lines) + 1 + m
            parts[:3] = [p + q for p, q in zip(parts[:3], _on_edge(edge, found, row, rule), strict=True)]
        total = parts if not total else [a + b for a, b in zip(total, parts, strict=True)]
    return PairIntegrals(parameters * outer[:, None], *total)


def local_lines(functions: PlaneFunctions, network: PlaneNetwork) -> list[Line]:
    """(w₁, w₂, b) of each neuron, about the polygon's centre."""
    (x, y), rows = functions.centre, network.rationals
    return [(p, q, b + p * x + q * y) for p, q, b, _ in rows]


def segments_in(
    functions: PlaneFunctions,
    lines: list[Line],
    trapezoid: Trapezoid,
    sides: list[tuple[Point, Point]],
    rule: Rule,
    motion: Motion | None = None,
) -> Segments:
    """The kink lines' parts in a trapezoid, then `sides`, in a rule's numbers."""
    if rule.numbers == "float":
        return float_segments(lines, trapezoid, sides, functions.size)
    found = exact_segments(lines, trapezoid, sides, motion)
    return Segments(*(rule.array(getattr(found, n)) for n in ("start", "end", "length", "low", "high")))


def _in_trapezoid(
    functions: PlaneFunctions, parameters: Array, trapezoid: Trapezoid, found: Segments, rule: Rule, inner: Rule
) -> tuple[Array, Array, Any, Array, Array]:
    count = len(parameters)
    start, end = found.start[: count + 1], found.end[: count + 1]
    # (M, n) points of each segment, and of the horizontal from the left side to each: (M, n, m).
    x, y = (start[:, None, k] + rule.nodes * (end - start)[:, None, k] for k in (0, 1))
    left = rule.number(trapezoid.left[0]) + rule.number(trapezoid.left[1]) * y
    across = left[..., None] + inner.nodes * (x - left)[..., None]
    areal = functions.areal(across, y[..., None] + 0 * across, rule.numbers) @ inner.weights
    # (M, n, 10): antiderivatives in x, times dy.
    areal = np.moveaxis(areal * (x - left) * (end - start)[:, 1, None], 0, -1)
    along = _line_functions(functions, parameters, x[:count], y[:count], found.length[:count], rule)
    values = np.concatenate([areal[:count, :, :6], along[..., :9]], axis=-1)
    # (N, N, K): on line i where j is active; some lines at a time, which a cache holds.
    rows = [slice(k, min(k + _AT_ONCE, count)) for k in range(0, count, _AT_ONCE)]
    cut = np.concatenate([(rule.upto(found.high[r]) - rule.upto(found.low[r])) @ values[r] for r in rows])
    whole = np.moveaxis(areal, 1, -1) @ rule.weights
    side_shared, side_single = _on_side(areal[count], found, count, rule)
    own = np.arange(count)
    shared = cut[..., :6] + np.swapaxes(cut[..., :6], 0, 1)
    shared[own, own] = cut[own, own, :6]
    line_lift = np.moveaxis(along[..., 9:], 1, -1) @ rule.weights
    return (
        shared + side_shared,
        whole[:count, 6:9] + side_single,
        whole[count, 9],
        cut[..., 6:].reshape(count, count, 3, 3),
        line_lift,
    )


def _line_functions(
    functions: PlaneFunctions, parameters: Array, x: Array, y: Array, length: Array, rule: Rule
) -> Array:
    """(N, n, 12): G of a₁, a₂ and g, each times x, y and 1; then that of the lift likewise."""
    values = functions.line(x, y, rule.numbers)
    by_weight = (values[k * 4 : (k + 1) * 4] * parameters[:, k, None] for k in (0, 1))
    g = sum(by_weight) * length[:, None]
    return np.stack([g[s] * v for s in range(4) for v in (x, y, 0 * x + 1)], axis=-1)


def _on_edge(family: Family, found: Segments, row: int, rule: Rule) -> tuple[Array, Array, Any]:
    """A named edge's part of `shared`, `single` and `constant`."""
    start, end = found.start[row], found.end[row]
    x, y = (start[k] + rule.nodes * (end - start)[k] for k in (0, 1))
    values = np.moveaxis(family.at(x, y, rule.numbers), 0, -1)
    return *_on_side(values, found, row, rule), rule.weights @ values[:, 9]


def _on_side(values: Array, found: Segments, row: int, rule: Rule) -> tuple[Array, Array]:
    """Of (n, 10) values on a side: the first six where two neurons are active, the next three where one is."""
    low, high = found.low[row], found.high[row]
    least, greatest = np.maximum(low[:, None], low), np.minimum(high[:, None], high)
    both = (rule.upto(greatest) - rule.upto(least)) @ values[:, :6]
    met = (greatest > least)[..., None]
    one = (rule.upto(high) - rule.upto(low)) @ values[:, 6:9]
    return np.where(met, both, 0 * both), one


def forces(pairs: PairIntegrals) -> Array:
    """∫ ∂L/∂q over zᵢ > 0, (N, 3)."""
    return np.asarray(np.einsum("ijrs,js->ir", pairs.shared[..., PAIR], pairs.steps) + pairs.single)
