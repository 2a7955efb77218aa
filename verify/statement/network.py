"""One-hidden-layer ReLU networks whose parameters are exact numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import InputError
from ..values import Value
from .blocks import BLOCKS
from .expressions import parse_number

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class ShallowNetwork(Value):
    """x ↦ Σᵢ cᵢ max(0, wᵢ x + bᵢ), Eq. (3), with exact parameters.

    A float is taken for the rational number that it is; text such as ``"1/3"`` and decimals in text are read exactly.

    Args:
        hidden_weights: w, shape (..., N).
        hidden_biases: b, the same shape.
        output_weights: c, the same shape.

    Raises:
        InputError: ragged, empty, not finite, or not numbers.

    Examples:
        >>> ShallowNetwork([1, -2], ["-1/4", 1], [1, "1/3"]).rational("hidden_biases")
        array([Fraction(-1, 4), Fraction(1, 1)], dtype=object)
    """

    hidden_weights: Any
    hidden_biases: Any
    output_weights: Any

    def __post_init__(self) -> None:
        for name in BLOCKS:
            object.__setattr__(self, name, exact_array(getattr(self, name), name))
        shapes = [getattr(self, name).shape for name in BLOCKS]
        if not shapes[0] == shapes[1] == shapes[2]:
            listed = ", ".join(f"{n} {s}" for n, s in zip(BLOCKS, shapes, strict=True))
            raise InputError(f"network: the blocks differ in shape ({listed}); one shape (..., N) would be right")
        shape = self.hidden_weights.shape
        if not shape or shape[-1] == 0:
            raise InputError(f"network: width 0 (shape {shape}) computes nothing; at least one neuron would be right")

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, which makes the blocks read-only.
        return type(self), tuple(getattr(self, n) for n in BLOCKS)

    @classmethod
    def from_vector(cls, parameters: Array) -> Self:
        """The inverse of `ravel`: (..., 3N) → network."""
        vector = np.asarray(parameters)
        if not vector.ndim or vector.shape[-1] % 3:
            raise InputError(f"network: {vector.shape} parameters are not three blocks; (..., 3N) would be right")
        width = vector.shape[-1] // 3
        return cls(*(vector[..., k * width : (k + 1) * width] for k in range(3)))

    @classmethod
    def random(cls, width: int, seed: int = 0, batch: tuple[int, ...] = ()) -> Self:
        """The project's initial distribution: w, b uniform in (−1, 1), c uniform in ±1/√N."""
        if isinstance(width, bool) or not isinstance(width, int | np.integer) or width < 1:
            raise InputError(f"width: {width!r} is no number of neurons; a whole number from 1 on would be right")
        generator = np.random.default_rng(checked_seed(seed))
        w, b, c = generator.uniform(-1, 1, (3, *batch, width))
        return cls(w, b, c / np.sqrt(width))

    @property
    def width(self) -> int:
        """N, the number of neurons."""
        return int(self.hidden_weights.shape[-1])

    @property
    def batch(self) -> tuple[int, ...]:
        """The leading dimensions."""
        return tuple(self.hidden_weights.shape[:-1])

    @cached_property
    def floats(self) -> tuple[Array, Array, Array]:
        """(w, b, c) in float64, each (..., N)."""
        w, b, c = (np.asarray(getattr(self, n), dtype=np.float64) for n in BLOCKS)
        return w, b, c

    def rational(self, block: str) -> Array:
        """One block as Fractions."""
        return rational_array(getattr(self, block))

    def member(self, index: tuple[int, ...]) -> ShallowNetwork:
        """One network of a batch."""
        return ShallowNetwork(*(getattr(self, n)[index] for n in BLOCKS))

    def ravel(self) -> Array:
        """(..., 3N) float64: hidden weights, hidden biases, output weights."""
        return np.concatenate(self.floats, axis=-1)


def rational_array(values: Array) -> Array:
    """What `exact_array` gives, as Fractions throughout."""
    if values.dtype == object:
        return np.asarray(values)
    flat = np.empty(values.size, dtype=object)
    flat[:] = [Fraction(v) for v in values.ravel().tolist()]
    return flat.reshape(values.shape)


def checked_seed(seed: Any) -> int:
    """Refuse what NumPy's generators refuse, in a sentence."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed: {seed!r} is none; a whole number from 0 on would be right")
    return int(seed)


def require_shallow(network: Any) -> None:
    """Refuse what is no network of one hidden layer.

    Raises:
        InputError: with what makes one of it.
    """
    if isinstance(network, ShallowNetwork):
        return
    one = "a ShallowNetwork would be right"
    raise InputError(f"network: a {type(network).__name__} is none of one hidden layer; {_instead(network, one)}")


def no_network(network: Any) -> InputError:
    """The error for what is no network of ours at all."""
    instead = _instead(network, "a ShallowNetwork or DeepNetwork would be right")
    return InputError(f"network: a {type(network).__name__} is none; {instead}")


def _instead(network: Any, other: str) -> str:
    if callable(getattr(network, "parameters", None)):
        return (
            "DeepNetwork.from_parameters(list(model.parameters())) takes a chain of linear layers with ReLU between "
            "them, audit(model, density, domain) any model"
        )
    return other


def exact_array(values: Any, name: str) -> Array:
    """Float64 array as it is, anything else as Fractions.

    Raises:
        InputError: ragged, not finite, or not numbers.
    """
    # A tensor of torch that requires gradients does not become an array by itself.
    values = values.detach().numpy(force=True) if hasattr(values, "detach") else values
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        array: Array = values.astype(np.float64)
        if not np.isfinite(array).all():
            bad = array[~np.isfinite(array)].flat[0]
            raise InputError(f"{name}: {bad} is not finite; finite numbers would be right")
        array.setflags(write=False)
        return array
    try:
        nested = np.array(values, dtype=object)
    except ValueError:
        nested = np.array([None], dtype=object)
    if any(v is None or isinstance(v, list | tuple) for v in nested.flat):
        raise InputError(f"{name}: {values!r} is ragged; rows of one length would be right")
    out = np.empty(nested.shape, dtype=object)
    for index, value in np.ndenumerate(nested):
        out[index] = _fraction(value, name)
    out.setflags(write=False)
    return out


def _fraction(value: Any, name: str) -> Fraction:
    if isinstance(value, float | np.floating):
        # Not through its decimal text: a float in a network stands for its own binary value.
        if not np.isfinite(value):
            raise InputError(f"{name}: {value} is not finite; finite numbers would be right")
        return Fraction(float(value))
    if isinstance(value, int | np.integer | Fraction) and not isinstance(value, bool):
        return Fraction(int(value)) if not isinstance(value, Fraction) else value
    number = parse_number(value, name)
    if not isinstance(number, sympy.Rational):
        raise InputError(f"{name}: {value} is not rational; an exact fraction or a float would be right")
    return Fraction(int(number.p), int(number.q))
