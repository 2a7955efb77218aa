"""Breaks of piecewise linear networks in exact rational arithmetic, a neuron at a time: the slow and certain way."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch

# σ: (z, on which side of its breakpoints) → slope and offset; breakpoints in ascending order.
PIECES = {
    "relu": ([Fraction(0)], [(0, 0), (1, 0)]),
    "leaky-relu": ([Fraction(0)], [(Fraction(1, 128), 0), (1, 0)]),
    "hard-tanh": ([Fraction(-1), Fraction(1)], [(0, -1), (1, 0), (0, 1)]),
    "abs": ([Fraction(0)], [(-1, 0), (1, 0)]),
}
Line = tuple[Fraction, Fraction]  # slope and offset: slope·x + offset


def rational_breaks(
    layers: list[tuple[np.ndarray, np.ndarray]], activation: str, domain: tuple[int, int]
) -> list[tuple[Fraction, int, int]]:
    """(place, layer, neuron) ascending, for hidden layers (weights, biases) with float entries taken as exact."""
    breakpoints, pieces = PIECES[activation]
    edges = [Fraction(e) for e in domain]
    # Of each interval between edges: the lines that enter the layer.
    lines: list[list[Line]] = [[(Fraction(1), Fraction(0))]]
    found: list[tuple[Fraction, int, int]] = []
    for layer, (weights, biases) in enumerate(layers):
        rows = [[Fraction(float(w)) for w in row] for row in weights]
        offsets = [Fraction(float(b)) for b in biases]
        new_edges, new_lines = [edges[0]], []
        for (left, right), inputs in zip(pairwise(edges), lines, strict=True):
            z = [
                (sum(w * a for w, (a, _) in zip(row, inputs, strict=True)),
                 sum(w * g for w, (_, g) in zip(row, inputs, strict=True)) + b)
                for row, b in zip(rows, offsets, strict=True)
            ]  # fmt: skip
            marks = {right}
            for neuron, (slope, offset) in enumerate(z):
                for point in breakpoints:
                    if slope and left < (place := (point - offset) / slope) < right:
                        found.append((place, layer, neuron))
                        marks.add(place)
            for start, stop in pairwise([left, *sorted(marks)]):
                middle = (start + stop) / 2
                outputs = []
                for slope, offset in z:
                    value = slope * middle + offset
                    a, g = pieces[sum(value > p for p in breakpoints)]
                    outputs.append((a * slope, a * offset + g))
                new_edges.append(stop)
                new_lines.append(outputs)
        edges, lines = new_edges, new_lines
    return sorted(found)


def network(seed: int, widths: tuple[int, ...], activation: str = "relu") -> torch.nn.Sequential:
    """A random network whose breaks fall inside (0, 1) often, as a user would write it."""
    made = {"relu": torch.nn.ReLU, "leaky-relu": lambda: torch.nn.LeakyReLU(1 / 128), "hard-tanh": torch.nn.Hardtanh}
    generator = torch.Generator().manual_seed(seed)
    modules: list[torch.nn.Module] = []
    inputs = 1
    for width in widths:
        linear = torch.nn.Linear(inputs, width).double()
        with torch.no_grad():
            linear.weight.copy_(torch.randn(width, inputs, generator=generator, dtype=torch.float64) * 2 / inputs**0.5)
            linear.bias.copy_(torch.randn(width, generator=generator, dtype=torch.float64))
        modules += [linear, made[activation]()]
        inputs = width
    last = torch.nn.Linear(inputs, 1).double()
    with torch.no_grad():
        last.weight.copy_(torch.randn(1, inputs, generator=generator, dtype=torch.float64) / inputs**0.5)
        last.bias.copy_(torch.randn(1, generator=generator, dtype=torch.float64))
    return torch.nn.Sequential(*modules, last)


def hidden_layers(model: torch.nn.Sequential) -> list[tuple[np.ndarray, np.ndarray]]:
    linear = [m for m in model if isinstance(m, torch.nn.Linear)][:-1]
    return [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in linear]


def random_widths(seed: int) -> tuple[int, ...]:
    """One to four layers of 1 to 32 neurons."""
    generator = np.random.default_rng(seed)
    return tuple(int(n) for n in generator.integers(1, 33, size=generator.integers(1, 5)))
