"""The three blocks of a network's parameters, in one input and in two: a number for each parameter; NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..values import Value

Array = NDArray[Any]
BLOCKS = ("hidden_weights", "hidden_biases", "output_weights")


@dataclass(frozen=True, eq=False)
class Blocks(Value):
    """One number for each parameter, in the network's three blocks, each (..., N)."""

    hidden_weights: Array
    hidden_biases: Array
    output_weights: Array

    def ravel(self) -> Array:
        """(..., 3N): hidden weights, hidden biases, output weights."""
        return np.concatenate([getattr(self, n) for n in BLOCKS], axis=-1)

    @classmethod
    def from_vector(cls, vector: Array) -> Self:
        """The inverse of `ravel`.

        Raises:
            InputError: the last dimension is not three blocks of one length.
        """
        vector = np.asarray(vector)
        if not vector.ndim or vector.shape[-1] % 3:
            raise InputError(f"gradient: shape {vector.shape} is not three blocks; (..., 3N) would be right")
        return cls(*np.split(vector, 3, axis=-1))

    def map(self, function: Callable[[Array], Array]) -> Self:
        """Apply a function to each block."""
        return type(self)(*(function(getattr(self, n)) for n in BLOCKS))


@dataclass(frozen=True, eq=False)
class PlaneBlocks(Blocks):
    """One number for each parameter: hidden weights (N, 2), hidden biases (N,) and output weights (N,)."""

    def ravel(self) -> Array:
        """(4N,): hidden weights row by row, hidden biases, output weights."""
        return np.concatenate([np.ravel(getattr(self, n)) for n in BLOCKS])

    @classmethod
    def from_vector(cls, vector: Array) -> Self:
        """The inverse of `ravel`.

        Raises:
            InputError: the vector is not (4N,).
        """
        return cls(*split_by_neurons(vector, "gradient"))


def split_by_neurons(vector: Any, what: str) -> tuple[Array, Array, Array]:
    """(4N,) → hidden weights (N, 2), hidden biases (N,) and output weights (N,).

    Raises:
        InputError: the vector is not (4N,).
    """
    array = np.asarray(vector)
    if array.ndim != 1 or not len(array) or len(array) % 4:
        raise InputError(f"{what}: shape {array.shape} is not that of four numbers a neuron; (4N,) would be right")
    width = len(array) // 4
    return array[: 2 * width].reshape(width, 2), array[2 * width : 3 * width], array[3 * width :]
