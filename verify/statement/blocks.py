"""The three blocks of a network's parameters, and one number for each parameter; NumPy only."""

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
