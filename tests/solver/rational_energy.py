"""Energies of piecewise linear networks as exact rational numbers, and their derivatives by central differences."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..verify.models.seeing.rational import Layers, layers_of, rational_pieces


def density(x: Tensor, u: Tensor, slope: Tensor) -> Tensor:
    """L = ½u′² + ⅛u′⁴ + ¼u³ − x²u."""
    return slope**2 / 2 + slope**4 / 8 + u**3 / 4 - x**2 * u


def rational_energy(layers: Layers, activation: str, number: Callable[[float], Any] = Fraction) -> Any:
    """∫₀¹ L dx, exactly."""
    _, edges, lines = rational_pieces(layers, activation, (0, 1), number)
    total = number(0)
    for (left, right), (a, g) in zip(pairwise(edges), lines, strict=True):
        length, u, v = right - left, a * left + g, a * right + g
        # u³ is of degree 3: Simpson's rule is exact. x²u: by its antiderivative.
        cubes = length * (u**3 + 4 * ((u + v) / 2) ** 3 + v**3) / 6
        load = a * (right**4 - left**4) / 4 + g * (right**3 - left**3) / 3
        total += length * (a**2 / 2 + a**4 / 8) + cubes / 4 - load
    return total


def rational_slope(
    model: torch.nn.Sequential, direction: list[Tensor], activation: str, number: Callable[[float], Any] = Fraction
) -> float:
    """Derivative of the energy along a direction of the parameters, by exact values at ±2⁻⁶⁰ of it.

    The error is 2⁻¹²⁰ times the third derivative, as long as no two breaks are that close.
    """
    step = number(1) / 2**60
    layers = layers_of(model, number)
    along = [[number(d) for d in tensor.reshape(-1).tolist()] for tensor in direction]
    values = []
    for sign in (1, -1):
        moved: Layers = []
        for k, (weights, biases) in enumerate(layers):
            rows, columns = len(weights), len(weights[0])
            dw, db = along[2 * k], along[2 * k + 1]
            moved.append(
                (
                    [[weights[i][j] + sign * step * dw[i * columns + j] for j in range(columns)] for i in range(rows)],
                    [biases[i] + sign * step * db[i] for i in range(rows)],
                )
            )
        values.append(rational_energy(moved, activation, number))
    return float((values[0] - values[1]) / (2 * step))
