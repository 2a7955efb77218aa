"""What the regions of a deep network give in numbers: affine pieces, sensitivities, kinks; float64 or mpmath.

Every layer's weights and biases are one matrix acting on (outputs of the layer before, 1), the output layer included.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.expressions import to_mpf
from ..statement.tensors import Tensors
from .regions import Affine, LinearRegions

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class MovingKinks:
    """The kinks whose motion the energy feels; K of them.

    Attributes:
        position: ξ, (K,).
        left: the region left of each, (K,).
        layer: of each, (K,).
        slope: ∂z/∂x, (K,).
        bend: ⟦a⟧, the jump of the network's slope, (K,).
        ratio: ⟦a⟧ ÷ ∂z/∂x, (K,).
        inputs: by layer: what it takes in at ξ, a 1 for the bias at the end, (K, nₖ₋₁ + 1).
        sensitivities: by layer: ∂z/∂(its pre-activations), (K, nₖ); the output layer has none.
    """

    position: Array
    left: Array
    layer: Array
    slope: Array
    bend: Array
    ratio: Array
    inputs: tuple[Array, ...]
    sensitivities: tuple[Array, ...]

    def sum(self, factor: Array) -> tuple[Array, ...]:
        """Σ over the kinks of factor · ∂z/∂θ, layer by layer, (nₖ, nₖ₋₁ + 1); zero for the output layer."""
        return tuple(s.T @ (factor[:, None] * h) for s, h in zip(self.sensitivities, self.inputs, strict=True))


@dataclass(frozen=True, eq=False)
class Expansion:
    """The network on its R regions.

    Attributes:
        marks: ends of the regions, (R + 1,).
        slope: a, (R,).
        intercept: g, (R,).
        inputs: by layer, the output layer included: (A, B) of what it takes in, A x + B, (R, nₖ₋₁ + 1) each; the last
            column is the constant 1.
        sensitivities: by layer, the output layer included: ∂network/∂(its pre-activations), (R, nₖ).
        weights: by layer, the output layer included, (nₖ, nₖ₋₁).
        kinks: those that move the energy.
        output_bias: is c₀ a parameter?
    """

    marks: Array
    slope: Array
    intercept: Array
    inputs: tuple[tuple[Array, Array], ...]
    sensitivities: tuple[Array, ...]
    weights: tuple[Array, ...]
    kinks: MovingKinks
    output_bias: bool

    def sum(self, by_slope: Array, by_intercept: Array) -> tuple[Array, ...]:
        """Σ over the regions of F_a ∂a/∂θ + F_g ∂g/∂θ, layer by layer, (nₖ, nₖ₋₁ + 1)."""
        return tuple(
            d.T @ (by_slope[:, None] * a + by_intercept[:, None] * b)
            for d, (a, b) in zip(self.sensitivities, self.inputs, strict=True)
        )

    def tensors(self, layers: tuple[Array, ...]) -> Tensors:
        """Matrices (nₖ, nₖ₋₁ + 1) of all layers → one number for each parameter; missing output layer: zeros."""
        hidden = layers[: len(self.sensitivities) - 1]
        last = layers[-1] if len(layers) > len(hidden) else 0 * self.inputs[-1][0][:1]
        bias = last[0, -1:].reshape(()) if self.output_bias else None
        return Tensors(tuple(m[:, :-1] for m in hidden), tuple(m[:, -1] for m in hidden), last[0, :-1], bias)

    def rows(self, sensitivities: tuple[Array, ...], inputs: tuple[Array, ...]) -> Array:
        """Sensitivities (M, nₖ) times inputs (M, nₖ₋₁ + 1) of each layer → derivatives by all parameters, (M, P).

        Where the output layer is missing, its parameters' derivatives are zero.
        """
        out = []
        for d, h in zip(sensitivities, inputs, strict=True):
            products = d[:, :, None] * h[:, None, :]
            out += [products[:, :, :-1].reshape(len(d), -1), products[:, :, -1]]
        if len(inputs) < len(self.sensitivities):
            zero = 0 * out[0][:, :1]
            out += [np.repeat(zero, self.inputs[-1][0].shape[1] - 1, axis=1), zero]
        flat = np.concatenate(out, axis=1)
        return flat if self.output_bias else flat[:, :-1]


def expand(regions: LinearRegions, domain: tuple[sympy.Expr, sympy.Expr], exact: bool) -> Expansion:
    """Numbers of one type for regions, each rounded once from the exact one; sensitivities by products of matrices.

    Args:
        regions: of a network on the domain.
        domain: its ends as the problem has them, for an irrational one is only nearly a mark.
        exact: mpmath numbers at the present precision instead of float64.
    """
    number = to_mpf if exact else float
    marks = _numbers([number(domain[0]), *(number(m) for m in regions.marks[1:-1]), number(domain[1])], exact)
    network = regions.network.rational if exact else regions.network.floats
    weights = [_numbers(w, exact) for w in (*network.hidden_weights, network.output_weights[None])]
    one = np.full((regions.count, 1), number(Fraction(1)), dtype=object if exact else float)
    inputs = []
    for affine in regions.outputs:
        a, b = (_rounded(v, affine.denominator, exact).T for v in (affine.slopes, affine.intercepts))
        inputs.append((np.concatenate([a, 0 * one], axis=1), np.concatenate([b, one], axis=1)))
    a, g = (_rounded(v, regions.value.denominator, exact)[0] for v in (regions.value.slopes, regions.value.intercepts))
    sensitivities = [one]
    for w, mask in zip(weights[:0:-1], regions.masks[::-1], strict=True):
        sensitivities.insert(0, np.where(mask.T, sensitivities[0] @ w, 0 * one))
    kinks = _moving(regions, weights, inputs, exact)
    has_bias = regions.network.output_bias is not None
    return Expansion(marks, a, g, tuple(inputs), tuple(sensitivities), tuple(weights), kinks, has_bias)


def _moving(
    regions: LinearRegions, weights: list[Array], inputs: list[tuple[Array, Array]], exact: bool
) -> MovingKinks:
    kinks = regions.moving
    number = to_mpf if exact else float
    left = np.array([k.mark - 1 for k in kinks], dtype=int)
    layer = np.array([k.layer for k in kinks], dtype=int)
    neuron = np.array([k.neuron for k in kinks], dtype=int)
    position = _numbers([number(k.position) for k in kinks], exact)
    slopes = [k.slope for k in kinks if k.slope is not None]
    bends = [_bend(regions.value, k.mark) for k in kinks]
    ratios = [b / s for b, s in zip(bends, slopes, strict=True)]
    sensitivities: list[Array] = []
    carried = np.zeros((len(kinks), regions.network.widths[-1]), dtype=object if exact else float)
    if exact:
        carried = carried + mpmath.mpf(0)
    for k in reversed(range(regions.network.depth)):
        if sensitivities:
            carried = np.where(regions.masks[k].T[left], sensitivities[0] @ weights[k + 1], 0 * weights[k + 1][:1])
        own = np.flatnonzero(layer == k)
        carried[own, neuron[own]] = number(Fraction(1))
        sensitivities.insert(0, carried)
    taken = [a[left] * position[:, None] + b[left] for a, b in inputs[:-1]]
    slope, bend, ratio = (_numbers([number(v) for v in values], exact) for values in (slopes, bends, ratios))
    return MovingKinks(position, left, layer, slope, bend, ratio, tuple(taken), tuple(sensitivities))


def _bend(value: Affine, mark: int) -> Fraction:
    return Fraction(value.slopes[0, mark] - value.slopes[0, mark - 1], value.denominator)


def _numbers(values: Any, exact: bool) -> Array:
    """An array of float64 or mpmath numbers of floats, Fractions or mpmath numbers."""
    if not exact:
        return np.asarray(values, dtype=float)
    array = np.asarray(values, dtype=object)
    out = np.empty(array.shape, dtype=object)
    for index, v in np.ndenumerate(array):
        out[index] = to_mpf(v) if isinstance(v, Fraction) else v
    return out


def _rounded(numerators: Array, denominator: int, exact: bool) -> Array:
    if not exact:
        # Python divides whole numbers of any length to the nearest float64.
        return np.asarray(numerators / denominator, dtype=float)
    out = np.empty(numerators.shape, dtype=object)
    for index, v in np.ndenumerate(numerators):
        out[index] = mpmath.mpf(v) / denominator
    return out
