"""One oracle case of a network with several hidden layers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.tensors import Tensors
from .case import Case, floats, frozen
from .deep_comparison import as_deep_vector, diagnose_deep_gradient, diagnose_deep_hessian

Array = NDArray[Any]


@dataclass(frozen=True)
class DeepParts:
    """Exact gradient, total = bulk + dirac; `Tensors` of float64 each.

    Attributes:
        bulk: with the kinks held still.
        dirac: what the motion of the kinks adds.
        total: the derivative of the energy.
        first_layer: the share of `dirac` that is due to kinks of the first hidden layer.
    """

    bulk: Tensors
    dirac: Tensors
    total: Tensors
    first_layer: Tensors


@dataclass(frozen=True, eq=False, repr=False)
class DeepCase(Case):
    """A problem, a network of L hidden layers and trusted values; vectors are in the order of `Tensors.ravel`.

    Where a `Case` has three blocks (N,), this has tensors; the rest is the same.
    """

    @cached_property
    def parameters(self) -> Any:
        """The network, as `Tensors` of float64."""
        stored = self.record["network"]
        weights = tuple(np.stack([floats(row) for row in k["weights"]["exact"]]) for k in stored["layers"])
        biases = tuple(floats(k["biases"]["exact"]) for k in stored["layers"])
        bias = floats([stored["output_bias"]["exact"]]).reshape(()) if "output_bias" in stored else None
        tensors = Tensors(weights, biases, floats(stored["output_weights"]["exact"]), bias)
        return tensors.map(frozen)

    @property
    def layers(self) -> tuple[tuple[Array, Array], ...]:
        """Weights (nₖ, nₖ₋₁) and biases (nₖ,) of each hidden layer."""
        return tuple(zip(self.parameters.hidden_weights, self.parameters.hidden_biases, strict=True))

    @property
    def hidden_weights(self) -> Any:
        """One matrix a layer, (nₖ, nₖ₋₁)."""
        return self.parameters.hidden_weights

    @property
    def hidden_biases(self) -> Any:
        """One vector a layer, (nₖ,)."""
        return self.parameters.hidden_biases

    @property
    def output_bias(self) -> float | None:
        """The number added last, or None: the network has none."""
        bias = self.parameters.output_bias
        return None if bias is None else float(bias)

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer."""
        return tuple(len(k["biases"]["exact"]) for k in self.record["network"]["layers"])

    @property
    def width(self) -> int:
        """Neurons of the widest layer."""
        return max(self.widths)

    @property
    def size(self) -> int:
        """P, how many parameters there are."""
        return len(self.parameters.ravel())

    @property
    def exact_parameters(self) -> list[str]:
        """As they were given, in the order of a gradient's components."""
        stored, out = self.record["network"], []
        for layer in stored["layers"]:
            out += [text for row in layer["weights"]["exact"] for text in row] + layer["biases"]["exact"]
        out += stored["output_weights"]["exact"]
        return out + ([stored["output_bias"]["exact"]] if "output_bias" in stored else [])

    def component(self, index: int) -> str:
        """How a component of a gradient is called, such as ``hidden_weights.1[2, 0]``."""
        return str(self.parameters.component(index))

    @property
    def density(self) -> str:
        """The integrand as text in x, u and du (for u′)."""
        return str(self.record["density"]) if "density" in self.record else super().density

    @cached_property
    def gradient(self) -> Any:
        """The exact gradient in its parts, `DeepParts`."""
        names = ("bulk", "dirac", "total", "dirac_of_first_layer")
        return DeepParts(*(self._tensors(self.record["gradient"][n]["decimal"]) for n in names))

    @cached_property
    def tolerance(self) -> Array:
        """(P,) absolute, for a gradient computed in float64; see the pack's provenance for how it was found."""
        stored = self.record["tolerance"]["gradient"]
        return frozen(np.repeat([float(stored[n]) for n in self._named()], [t.size for t in self._named().values()]))

    def _named(self) -> dict[str, Array]:
        named: dict[str, Array] = self.parameters.named()
        return named

    def _tensors(self, texts: list[str]) -> Tensors:
        inputs = self.hidden_weights[0].shape[1]
        return Tensors.from_vector(floats(texts), self.widths, self.output_bias is not None, inputs)

    def _vector(self, gradient: Any) -> Array:
        return as_deep_vector(gradient, self.parameters)

    def _largest(self, values: Array) -> Array:
        sizes = [t.size for t in self._named().values()]
        return np.repeat(np.maximum.reduceat(values, np.cumsum([0, *sizes[:-1]])), sizes)

    def _diagnosis(self, found: Array, tolerance: Array) -> str:
        parts = self.gradient
        return diagnose_deep_gradient(found, parts.total, parts.bulk, parts.dirac, parts.first_layer, tolerance)

    def _hessian_diagnosis(self, found: Array, expected: Array, tolerance: Array) -> str:
        return diagnose_deep_hessian(found, expected, self._hessian("bulk"), tolerance)
