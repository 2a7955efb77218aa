"""The two ways of saying no: input that makes no sense, and a place where the energy has no derivative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class InputError(ValueError):
    """Input that cannot be used; the message is one sentence naming the value and what would be right."""


@dataclass(frozen=True)
class Degeneracy:
    """A place where the energy is only one-sidedly differentiable, or how far away it is.

    Attributes:
        kind: "coincident kinks", "kink on the end of the domain", "kink on an interface",
            "kink on a point load" or "dead neuron"; in the plane
            "coincident kink lines", "kink line on an edge", and for Hessians "kink line through a corner" and "kink
            lines crossing on an edge".
        neurons: whose kinks they are.
        position: x, or (x, y) on the line, `None` for a dead neuron (w = b = 0), which has no kink.
        distance: `|Δx|` to the place; for a dead neuron √(w² + b²). 0 means: right there.
        index: which network of a batch.
        layers: of a deep network, from 0: the layer of each of the neurons.
    """

    kind: str
    neurons: tuple[int, ...]
    position: Any
    distance: float
    index: tuple[int, ...] = ()
    layers: tuple[int, ...] = ()

    def __str__(self) -> str:
        who = f"neuron{'s' if len(self.neurons) > 1 else ''} {' and '.join(map(str, self.neurons))}"
        if self.layers:
            pairs = zip(self.neurons, self.layers, strict=True)
            who = " and ".join(f"neuron {i} of hidden layer {k}" for i, k in pairs)
        where = "" if self.position is None else _place(self.position)
        batch = f" of network {self.index}" if self.index else ""
        return f"{self.kind}: {who}{batch}{where}"


def _place(position: Any) -> str:
    if isinstance(position, tuple):
        return f" at ({', '.join(f'{v:.12g}' for v in position)})"
    return f" at x = {position:.12g}"


class NondifferentiableError(ArithmeticError):
    """The energy has no derivative at these parameters, only one-sided ones.

    Attributes:
        degeneracies: what coincides, with neurons and position (an empty tuple never occurs).
        left: derivative of the energy in each parameter from below, as `Blocks`, of two inputs and several layers as
            `Tensors`; `None` where a Hessian was asked for, and where there are too many to be had in half a minute.
        right: the same from above.
    """

    def __init__(self, message: str, degeneracies: tuple[Degeneracy, ...], left: Any = None, right: Any = None) -> None:
        super().__init__(message)
        self.degeneracies = degeneracies
        self.left = left
        self.right = right
