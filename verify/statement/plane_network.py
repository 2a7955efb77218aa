"""One-hidden-layer ReLU networks of two inputs whose parameters are exact numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..values import Value
from .blocks import BLOCKS, split_by_neurons
from .network import exact_array, rational_array

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class PlaneNetwork(Value):
    """(x, y) ↦ Σᵢ cᵢ max(0, wᵢ₁ x + wᵢ₂ y + bᵢ) with exact parameters, as `ShallowNetwork` in one input.

    Args:
        hidden_weights: w, shape (N, 2).
        hidden_biases: b, shape (N,).
        output_weights: c, shape (N,).

    Raises:
        InputError: shapes that do not fit, empty, not finite, or not numbers.

    Examples:
        >>> PlaneNetwork([[1, 0], [1, "1/3"]], ["-1/4", 1], [1, 2]).width
        2
    """

    hidden_weights: Any
    hidden_biases: Any
    output_weights: Any

    def __post_init__(self) -> None:
        for name in BLOCKS:
            object.__setattr__(self, name, exact_array(getattr(self, name), name))
        shapes = {name: getattr(self, name).shape for name in BLOCKS}
        width = shapes["hidden_biases"][-1] if shapes["hidden_biases"] else 0
        if not width or list(shapes.values()) != [(width, 2), (width,), (width,)]:
            listed = ", ".join(f"{n} {s}" for n, s in shapes.items())
            raise InputError(f"network: the shapes {listed} do not fit; (N, 2), (N,) and (N,) would be right")

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, which makes the blocks read-only.
        return type(self), tuple(getattr(self, n) for n in BLOCKS)

    @classmethod
    def from_vector(cls, parameters: Array) -> Self:
        """The inverse of `ravel`: (4N,) → network."""
        return cls(*split_by_neurons(parameters, "network"))

    @classmethod
    def random(cls, width: int, seed: int) -> Self:
        """Weights and biases uniform in (−1, 1), output weights in ±1/√N."""
        generator = np.random.default_rng(seed)
        w, b, c = generator.uniform(-1, 1, (width, 2)), *generator.uniform(-1, 1, (2, width))
        return cls(w, b, c / np.sqrt(width))

    @property
    def width(self) -> int:
        """N, the number of neurons."""
        return len(self.hidden_biases)

    @cached_property
    def rationals(self) -> tuple[tuple[Fraction, Fraction, Fraction, Fraction], ...]:
        """(w₁, w₂, b, c) of each neuron as Fractions."""
        w, b, c = (rational_array(getattr(self, n)) for n in BLOCKS)
        return tuple((Fraction(p), Fraction(q), Fraction(r), Fraction(s)) for (p, q), r, s in zip(w, b, c, strict=True))

    def ravel(self) -> Array:
        """(4N,) float64: hidden weights row by row, hidden biases, output weights."""
        return np.concatenate([np.asarray(getattr(self, n), dtype=float).ravel() for n in BLOCKS])
