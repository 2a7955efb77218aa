"""ReLU networks of any depth, one or two inputs, one output, whose parameters are exact numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..values import Value
from .network import ShallowNetwork, checked_seed, exact_array, no_network, rational_array
from .tensors import Tensors

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class DeepNetwork(Value):
    """x ↦ c·σ(W⁽ᴸ⁾ … σ(W⁽¹⁾ x + b⁽¹⁾) … + b⁽ᴸ⁾) + c₀ with σ = max(0, ·), and exact parameters.

    A float is taken for the rational number that it is; text such as ``"1/3"`` and decimals in text are read exactly.

    Args:
        hidden_weights: one matrix a layer, (nₖ, nₖ₋₁); of one input the first may be (n₁,), of two it is (n₁, 2).
        hidden_biases: one vector a layer, (nₖ,).
        output_weights: c, (n_L,) or (1, n_L).
        output_bias: c₀, one number; None: there is none, and it is no parameter.

    Raises:
        InputError: no layers, shapes that do not fit, not finite, or not numbers.

    Examples:
        >>> network = DeepNetwork([[1, -1], [["1/3", 2]]], [[0, 1], ["-1/4"]], [1])
        >>> network.widths, network.ravel().shape
        ((2, 1), (8,))
    """

    hidden_weights: Sequence[Any]
    hidden_biases: Sequence[Any]
    output_weights: Any
    output_bias: Any = None

    def __post_init__(self) -> None:
        weights, biases = (_sequence(v, n) for v, n in ((self.hidden_weights, "weights"), (self.hidden_biases, "bias")))
        if not weights or len(weights) != len(biases):
            raise InputError(
                f"network: {len(weights)} weight matrices and {len(biases)} bias vectors are no layers; as many of "
                "one as of the other, and at least one, would be right"
            )
        inputs, layers = 1, []
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            weight, bias = exact_array(w, f"hidden_weights[{k}]"), exact_array(b, f"hidden_biases[{k}]")
            if k == 0 and weight.ndim == 1:
                weight = weight[:, None]
            elif k == 0 and weight.ndim == 2 and weight.shape[1] == 2:
                inputs = 2
            if weight.ndim != 2 or weight.shape[1] != inputs or not len(weight):
                raise InputError(
                    f"hidden_weights[{k}]: shape {weight.shape} does not fit; (n, {inputs}) would be right"
                )
            if bias.shape != weight.shape[:1]:
                raise InputError(
                    f"hidden_biases[{k}]: shape {bias.shape} does not fit; ({len(weight)},) would be right"
                )
            layers.append((weight, bias))
            inputs = len(weight)
        output = exact_array(self.output_weights, "output_weights")
        output = output[0] if output.ndim == 2 and len(output) == 1 else output
        if output.shape != (inputs,):
            raise InputError(f"output_weights: shape {output.shape} does not fit; ({inputs},) would be right")
        # Frozen: written once, here.
        object.__setattr__(self, "hidden_weights", tuple(w for w, _ in layers))
        object.__setattr__(self, "hidden_biases", tuple(b for _, b in layers))
        object.__setattr__(self, "output_weights", output)
        if self.output_bias is not None:
            shift = exact_array(self.output_bias, "output_bias")
            if shift.size != 1:
                raise InputError(f"output_bias: shape {shift.shape} does not fit; one number would be right")
            object.__setattr__(self, "output_bias", shift.reshape(()))

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, which makes the tensors read-only.
        return type(self), tuple(getattr(self, f.name) for f in fields(self))

    @classmethod
    def from_parameters(cls, parameters: Sequence[Any]) -> Self:
        """From tensors in the order of a chain of linear layers: W⁽¹⁾, b⁽¹⁾, …, W⁽ᴸ⁾, b⁽ᴸ⁾, c and perhaps c₀."""
        listed = _sequence(parameters, "parameters")
        if len(listed) < 3:
            raise InputError(f"parameters: {len(listed)} tensors are no network; W, b, …, c (and c₀) would be right")
        layers = (len(listed) - 1) // 2
        bias = listed[-1] if len(listed) % 2 == 0 else None
        return cls(listed[0 : 2 * layers : 2], listed[1 : 2 * layers : 2], listed[2 * layers], bias)

    @classmethod
    def from_vector(cls, vector: Any, widths: Sequence[int], output_bias: bool = False, inputs: int = 1) -> Self:
        """The inverse of `ravel`."""
        return cls.from_tensors(Tensors.from_vector(vector, widths, output_bias, inputs))

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """From one number for each parameter."""
        return cls(tensors.hidden_weights, tensors.hidden_biases, tensors.output_weights, tensors.output_bias)

    @classmethod
    def from_shallow(cls, network: ShallowNetwork) -> Self:
        """The same function, as one hidden layer.

        Raises:
            InputError: a batch.
        """
        if network.batch:
            raise InputError(f"network: a batch of shape {network.batch} is not one network; one of it would be right")
        return cls([network.hidden_weights], [network.hidden_biases], network.output_weights)

    @classmethod
    def random(cls, widths: int | Sequence[int], seed: int = 0, output_bias: bool = False, inputs: int = 1) -> Self:
        """First weights and all biases uniform in (−1, 1), all other weights in ±1/√(inputs), as the solver starts."""
        listed = (widths,) if isinstance(widths, int) else tuple(widths)
        if not listed or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in listed):
            raise InputError(f"widths: {widths!r} are no layers; whole numbers from 1 on, at least one, would be right")
        if inputs not in (1, 2):
            raise InputError(f"inputs: {inputs!r} is neither one nor two; 1 or 2 would be right")
        generator = np.random.default_rng(checked_seed(seed))
        weights, biases = [], []
        for n, m in zip(listed, (inputs, *listed[:-1]), strict=True):
            weights.append(generator.uniform(-1, 1, (n, m)) / np.sqrt(m))
            biases.append(generator.uniform(-1, 1, n))
        output = generator.uniform(-1, 1, listed[-1]) / np.sqrt(listed[-1])
        return cls(weights, biases, output, generator.uniform(-1, 1) if output_bias else None)

    @property
    def widths(self) -> tuple[int, ...]:
        """(n₁, …, n_L)."""
        return tuple(len(b) for b in self.hidden_biases)

    @property
    def inputs(self) -> int:
        """One or two."""
        return int(self.hidden_weights[0].shape[1])

    @property
    def depth(self) -> int:
        """L, the number of hidden layers."""
        return len(self.hidden_biases)

    @property
    def tensors(self) -> Tensors:
        """The parameters as they are kept, float64 or Fractions."""
        return Tensors(tuple(self.hidden_weights), tuple(self.hidden_biases), self.output_weights, self.output_bias)

    @cached_property
    def floats(self) -> Tensors:
        """The parameters in float64."""
        return self.tensors.map(lambda t: np.asarray(t, dtype=np.float64))

    @cached_property
    def rational(self) -> Tensors:
        """The parameters as Fractions."""
        return self.tensors.map(rational_array)

    def ravel(self) -> Array:
        """(P,) float64 in the order of `Tensors.ravel`."""
        return self.floats.ravel()

    def __call__(self, x: Any) -> Any:
        """The value at a place, in exact arithmetic if the place is a Fraction; of two inputs at places (..., 2)."""
        kept = self.rational if isinstance(x, Fraction) else self.floats
        h = np.asarray(x)[..., None] if self.inputs == 1 else np.asarray(x)
        for w, b in zip(kept.hidden_weights, kept.hidden_biases, strict=True):
            h = np.maximum(h @ w.T + b, 0)
        out = h @ kept.output_weights
        return out if kept.output_bias is None else out + kept.output_bias


def _sequence(values: Any, what: str) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        raise InputError(f"network: {what} {values!r} are not one for each layer; a list of arrays is right") from None


def deepened(network: Any) -> DeepNetwork:
    """A network of either kind as one of any depth.

    Raises:
        InputError: neither, or a batch.
    """
    if isinstance(network, ShallowNetwork):
        return DeepNetwork.from_shallow(network)
    if not isinstance(network, DeepNetwork):
        raise no_network(network)
    if network.inputs != 1:
        raise InputError("network: a DeepNetwork of two inputs fits no problem in one; a PlaneProblem would be right")
    return network


def deepened_plane(network: Any, problem: Any) -> DeepNetwork:
    """A network of two inputs as one of any depth.

    Raises:
        InputError: something else.
    """
    from .plane_network import PlaneNetwork

    if isinstance(network, PlaneNetwork):
        return DeepNetwork([network.hidden_weights], [network.hidden_biases], network.output_weights)
    if not isinstance(network, DeepNetwork) or network.inputs != 2:
        one = isinstance(network, DeepNetwork)
        what = "a DeepNetwork of one input" if one else f"a {type(network).__name__}"
        raise InputError(
            f"network: {what} does not fit {problem.name}, which has two; a PlaneNetwork or a DeepNetwork of two would"
        )
    return network
