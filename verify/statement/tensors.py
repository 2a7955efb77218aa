"""One number for each parameter of a deep network, tensor by tensor; NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..values import Value

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Tensors(Value):
    """One number for each parameter, L hidden layers of n₁, …, n_L neurons.

    Attributes:
        hidden_weights: L arrays, (nₖ, nₖ₋₁) with n₀ the number of inputs, one or two.
        hidden_biases: L arrays, (nₖ,).
        output_weights: (n_L,).
        output_bias: (), or None: the network has none.
    """

    hidden_weights: tuple[Array, ...]
    hidden_biases: tuple[Array, ...]
    output_weights: Array
    output_bias: Array | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """(n₁, …, n_L)."""
        return tuple(len(b) for b in self.hidden_biases)

    def named(self) -> dict[str, Array]:
        """Name → tensor in the order of `ravel`: ``hidden_weights.0``, ``hidden_biases.0``, …, ``output_weights``."""
        out: dict[str, Array] = {}
        for k, (weights, biases) in enumerate(zip(self.hidden_weights, self.hidden_biases, strict=True)):
            out |= {f"hidden_weights.{k}": weights, f"hidden_biases.{k}": biases}
        out["output_weights"] = self.output_weights
        return out if self.output_bias is None else out | {"output_bias": self.output_bias}

    def ravel(self) -> Array:
        """(P,): each layer's weights row by row and its biases, then the output weights, then the output bias if any.

        The order of `torch.nn.utils.parameters_to_vector` for a chain of `Linear` layers.
        """
        return np.concatenate([np.ravel(t) for t in self.named().values()])

    def component(self, index: int) -> str:
        """How a component of `ravel` is called, such as ``hidden_weights.1[2, 0]``."""
        for name, tensor in self.named().items():
            if index < tensor.size:
                place = ", ".join(map(str, np.unravel_index(index, tensor.shape)))
                return f"{name}[{place}]" if place else name
            index -= tensor.size
        raise IndexError(index)

    def map(self, function: Callable[[Array], Array]) -> Self:
        """Apply a function to each tensor."""
        bias = None if self.output_bias is None else function(self.output_bias)
        weights, biases = (tuple(function(t) for t in ts) for ts in (self.hidden_weights, self.hidden_biases))
        return type(self)(weights, biases, function(self.output_weights), bias)

    @classmethod
    def from_vector(cls, vector: Any, widths: Sequence[int], output_bias: bool = False, inputs: int = 1) -> Self:
        """The inverse of `ravel`.

        Raises:
            InputError: another number of components than these widths have parameters.
        """
        array, sources = np.asarray(vector), (inputs, *widths[:-1])
        sizes = [size for n, m in zip(widths, sources, strict=True) for size in (n * m, n)]
        sizes += [widths[-1]] + [1] * output_bias
        if array.shape != (sum(sizes),):
            raise InputError(f"parameters: shape {array.shape} does not fit; ({sum(sizes)},) would be right")
        parts = np.split(array, np.cumsum(sizes)[:-1])
        weights = tuple(p.reshape(n, m) for p, n, m in zip(parts[0::2], widths, sources, strict=False))
        bias = parts[-1].reshape(()) if output_bias else None
        return cls(weights, tuple(parts[1 : 2 * len(widths) : 2]), parts[2 * len(widths)], bias)
