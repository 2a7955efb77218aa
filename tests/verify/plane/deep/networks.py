"""Deep plane networks whose kink lines cross the domains in every layer."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
from kinkproof.verify import DeepNetwork


def crossing_network(widths: tuple[int, ...], seed: int, output_bias: bool = False) -> DeepNetwork:
    """Of small decimals; each neuron's pre-activation vanishes at a place inside the unit square and the triangle."""
    draw = Random(f"deep plane {widths} {seed}")

    def hundredths(least: int, most: int) -> Fraction:
        return Fraction(draw.choice((-1, 1)) * draw.randint(least, most), 100)

    layers: list[tuple[Any, Any]] = []
    inputs = 2
    for n in widths:
        weights = np.array([[hundredths(30, 150) for _ in range(inputs)] for _ in range(n)], dtype=object)
        biases = []
        for row in weights:
            h = np.array([Fraction(draw.randint(10, 45), 100) for _ in range(2)], dtype=object)
            for w, b in layers:
                h = np.array([max(z, Fraction(0)) for z in w @ h + b], dtype=object)
            # A hundredth beside, so that no other line runs through the same place.
            biases.append(-(row @ h) + Fraction(draw.randint(1, 5), 100))
        layers.append((weights, np.array(biases, dtype=object)))
        inputs = n
    output = [hundredths(20, 100) for _ in range(inputs)]
    bias = Fraction(1, 3) if output_bias else None
    return DeepNetwork([w for w, _ in layers], [b for _, b in layers], output, bias)
