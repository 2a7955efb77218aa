"""Piecewise linear networks in exact rational arithmetic, a neuron at a time: the slow and certain way."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import torch

# σ on each side of its breakpoints, in ascending order: slope and offset.
PIECES: dict[str, tuple[list[Fraction], list[tuple[Any, Any]]]] = {
    "relu": ([Fraction(0)], [(0, 0), (1, 0)]),
    "leaky-relu": ([Fraction(0)], [(Fraction(1, 128), 0), (1, 0)]),
    "hard-tanh": ([Fraction(-1), Fraction(1)], [(0, -1), (1, 0), (0, 1)]),
}
# Weights and biases of each layer, the output layer too.
Layers = list[tuple[list[list[Any]], list[Any]]]


def layers_of(model: torch.nn.Sequential, number: Callable[[float], Any] = Fraction) -> Layers:
    """The floats of a model as exact numbers."""
    return [
        ([[number(w) for w in row] for row in m.weight.tolist()], [number(b) for b in m.bias.tolist()])
        for m in model
        if isinstance(m, torch.nn.Linear)
    ]


def rational_pieces(
    layers: Layers, activation: str, domain: tuple[int, int], number: Callable[[float], Any] = Fraction
) -> tuple[list[tuple[Any, int, int]], list[Any], list[tuple[Any, Any]]]:
    """Breaks (place, layer, neuron) ascending; edges of the linear pieces; slope and offset of the network on each."""
    breakpoints, pieces = PIECES[activation]
    edges = [number(e) for e in domain]
    # Of each interval between edges: the lines that enter the layer.
    lines: list[list[tuple[Any, Any]]] = [[(number(1), number(0))]]
    found: list[tuple[Any, int, int]] = []
    for layer, (weights, biases) in enumerate(layers):
        new_edges, new_lines = [edges[0]], []
        for (left, right), inputs in zip(pairwise(edges), lines, strict=True):
            z = [
                (sum(w * a for w, (a, _) in zip(row, inputs, strict=True)),
                 sum(w * g for w, (_, g) in zip(row, inputs, strict=True)) + b)
                for row, b in zip(weights, biases, strict=True)
            ]  # fmt: skip
            if layer == len(layers) - 1:
                new_edges.append(right)
                new_lines.append(z)
                continue
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
                    a, g = pieces[sum(slope * middle + offset > p for p in breakpoints)]
                    outputs.append((a * slope, a * offset + g))
                new_edges.append(stop)
                new_lines.append(outputs)
        edges, lines = new_edges, new_lines
    return sorted(found), edges, [line[0] for line in lines]


def network(seed: int, widths: tuple[int, ...], activation: str = "relu") -> torch.nn.Sequential:
    """A random network whose breaks fall inside (0, 1) often, as a user would write it."""
    made = {"relu": torch.nn.ReLU, "leaky-relu": lambda: torch.nn.LeakyReLU(1 / 128), "hard-tanh": torch.nn.Hardtanh}
    generator = torch.Generator().manual_seed(seed)
    modules: list[torch.nn.Module] = []
    for inputs, width in pairwise((1, *widths, 1)):
        linear = torch.nn.Linear(inputs, width).double()
        with torch.no_grad():
            scale = 2 if len(modules) < 2 * len(widths) else 1
            linear.weight.copy_(torch.randn(width, inputs, generator=generator, dtype=torch.float64))
            linear.weight.mul_(scale / inputs**0.5)
            linear.bias.copy_(torch.randn(width, generator=generator, dtype=torch.float64))
        modules += [linear, made[activation]()]
    return torch.nn.Sequential(*modules[:-1])


def random_widths(seed: int) -> tuple[int, ...]:
    """One to four layers of 1 to 32 neurons."""
    generator = np.random.default_rng(seed)
    return tuple(int(n) for n in generator.integers(1, 33, size=generator.integers(1, 5)))
