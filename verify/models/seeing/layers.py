"""Models whose breaks all lie in a plain stack of linear layers and piecewise linear activations, told from one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .operations import breakpoints
from .trace import Function, Trace

Array = NDArray[Any]

# Elementwise and piecewise linear, by breakpoints that `operations` knows.
ACTIVATIONS = frozenset(
    "relu leaky_relu prelu abs absolute hardtanh relu6 hardsigmoid clamp clamp_min clamp_max".split()  # noqa: SIM905
)
# Of these with one breakpoint at 0 and the slope 1 above it; at 0 itself torch takes the slope below.
_RECTIFIERS = frozenset(("relu", "leaky_relu"))


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer and the activation after it.

    Attributes:
        weight: (N, M), a parameter of the model itself.
        bias: (N,), likewise, or None.
        breaks: pre-activations (…, N) → what changes its sign, one tensor (…, N) a breakpoint.
        activation: pre-activations → activations.
        branches: number of breakpoints.
        operation: the activation's name.
    """

    weight: Tensor
    bias: Tensor | None
    breaks: Callable[[Tensor], list[Tensor]]
    activation: Callable[[Tensor], Tensor]
    branches: int
    operation: str

    @property
    def rectifies(self) -> bool:
        """Has it the slope 1 above 0 and another one, of no parameter, below?"""
        return self.operation in _RECTIFIERS

    @torch.no_grad()
    def slope_below(self) -> float:
        """Of an activation that rectifies that below 0."""
        return 0.0 if self.operation == "relu" else -float(self.activation(-torch.ones(1)))

    def arrays(self) -> tuple[Array, Array | None]:
        """The parameters as they are now, without a copy where they lie in the processor's memory."""
        bias = None if self.bias is None else self.bias.detach().cpu().numpy()
        return self.weight.detach().cpu().numpy(), bias

    def before(self, h: Array) -> Array:
        """Pre-activations (n, N) of what the layer is given, (n, M)."""
        weight, bias = self.arrays()
        z: Array = h @ weight.T
        if bias is not None:
            z += bias
        return z

    def after(self, z: Array) -> Array:
        """Activations (n, N) of pre-activations."""
        if self.operation == "relu":
            found: Array = np.maximum(z, 0)
            return found
        found = self.activation(torch.from_numpy(z).to(self.weight.device)).cpu().numpy()
        return found

    def broken(self, z: Array) -> Array:
        """What changes its sign, (n, branches · N)."""
        if self.rectifies:
            return z
        parts = self.breaks(torch.from_numpy(z).to(self.weight.device))
        found: Array = _joined(parts).cpu().numpy()
        return found


def layers_of(function: Function, points: Tensor, seen: Trace) -> tuple[Layer, ...] | None:
    """The stack that starts at x and holds all breaking calls of a model, or None if they do not lie in one.

    What the model does with the stack's last activations, and with x besides, is smooth and may be anything: a linear
    layer, the product with a distance function, a lift.

    Args:
        function: the model.
        points: as it takes them.
        seen: its trace.
    """
    if seen.unknown:
        return None
    follow = _Following(points)
    with torch.no_grad(), follow:
        value = function(points)
    if not follow.layers or len(follow.layers) != len(seen.calls):
        return None
    # What takes something from between the operations of a layer may have missed it.
    replay = Replay(follow.layers, points, follow.known)
    with torch.no_grad(), replay:
        again = function(points)
    return tuple(follow.layers) if replay.whole and torch.equal(again, value) else None


class _Following(TorchFunctionMode):
    """Follows x through linear layers and activations, as long as one takes up what the other gave."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self.known: list[tuple[Tensor, Tensor]] = []
        self._at = x
        self._linear: tuple[Tensor, Tensor | None] | None = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = str(getattr(func, "__name__", "")).strip("_")
        first = args[0] if args else kwargs.get("input")
        if first is not self._at:
            return func(*args, **kwargs)
        if name == "linear":
            result = func(*args, **kwargs)
            given = dict(zip(("weight", "bias"), args[1:], strict=False)) | kwargs
            weight, bias = given["weight"], given.get("bias")
            if self._linear is None and _own(weight) and (bias is None or _own(bias)):
                self._linear, self._at = (weight, bias), result
            return result
        if name in ACTIVATIONS and self._linear is not None and _still(args[1:], kwargs):
            rest = {k: v for k, v in kwargs.items() if k not in ("input", "inplace")}
            more = args[1:]
            found = breakpoints(name, first, *more, **rest)

            def activation(z: Tensor) -> Tensor:
                # It may work in place.
                value: Tensor = func(z.clone(), *more, **kwargs)
                return value

            self.layers.append(
                Layer(*self._linear, lambda z: breakpoints(name, z, *more, **rest), activation, len(found), name)
            )
            z = self._at.clone()
            self._linear, self._at = None, func(*args, **kwargs)
            self.known.append((z, self._at))
            return self._at
        return func(*args, **kwargs)


class Replay(TorchFunctionMode):
    """Runs a model without its stack of layers, whose pre-activations and activations are handed to it as known.

    Args:
        layers: the stack.
        x: as the model is called with it.
        known: of each layer its pre-activations and activations.
    """

    def __init__(self, layers: Sequence[Layer], x: Tensor, known: Sequence[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self._layers, self._known = layers, known
        self._at, self._next, self._linear = x, 0, False

    @property
    def whole(self) -> bool:
        """Was all of the stack met, with the parameters that it had?"""
        return self._next == len(self._layers)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Make one call, or give what it is known to give."""
        kwargs = kwargs or {}
        if self._next < len(self._layers) and (args[0] if args else kwargs.get("input")) is self._at:
            name = str(getattr(func, "__name__", "")).strip("_")
            layer, (z, h) = self._layers[self._next], self._known[self._next]
            if name == "linear" and not self._linear:
                given = (*args[1:], kwargs.get("weight"), kwargs.get("bias"))
                if any(g is layer.weight for g in given):
                    self._linear, self._at = True, z
                    return z
            elif name == layer.operation and self._linear:
                self._linear, self._at, self._next = False, h, self._next + 1
                return h
        return func(*args, **kwargs)


def _own(tensor: Any) -> bool:
    return isinstance(tensor, torch.nn.Parameter)


def _still(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    return all(not isinstance(a, Tensor) or _own(a) for a in (*args, *(v for k, v in kwargs.items() if k != "input")))


@torch.no_grad()
def layered_zeros(layers: tuple[Layer, ...], start: Array, end: Array) -> tuple[Array, Array, Array, tuple[int, ...]]:
    """Where pre-activations change their signs along segments: layer by layer, and how many in each.

    Between the breaks of earlier layers they are linear, so that their values there tell what lies between. In
    NumPy, whose calls on a few lines take a fraction of torch's.

    Args:
        layers: from `layers_of`.
        start: of the segments, (R, d) float64.
        end: of them, (R, d).

    Returns:
        segment, place on it from 0 to 1, branch and unit, each (K,); of each layer how many of these.
    """
    count = len(start)
    # Pre-activations at all segments' ends, and later at the breaks found so far, too; in order along each segment.
    every = np.arange(2 * count)
    rows, shares = every // 2, every % 2.0
    ends = np.empty((2 * count, start.shape[1]))
    ends[::2], ends[1::2] = start, end
    # In the model's own type.
    z = layers[0].before(ends.astype(layers[0].arrays()[0].dtype))
    broken = layers[0].broken(z)
    found: list[tuple[Array, Array, Array]] = []
    row, place, column = rows[:0], shares[:0], rows[:0]
    for k, layer in enumerate(layers):
        apart = broken[:-1] * broken[1:] < 0
        apart &= (rows[:-1] == rows[1:])[:, None]
        mark, column = apart.nonzero()
        before, after = broken[mark, column].astype(float), broken[mark + 1, column].astype(float)
        share = before / (before - after)
        row, place = rows[mark], shares[mark] + share * (shares[mark + 1] - shares[mark])
        found.append((row, place, column))
        if k == len(layers) - 1:
            break
        # What is linear between two marks need not be evaluated there.
        first = z[mark]
        new = first + share.astype(z.dtype)[:, None] * (z[mark + 1] - first)
        rows, shares = np.concatenate([rows, row]), np.concatenate([shares, place])
        order = (2 * rows + shares).argsort(kind="stable")
        rows, shares = rows[order], shares[order]
        z = layers[k + 1].before(layer.after(np.concatenate([z, new])[order]))
        broken = layers[k + 1].broken(z)
    counts = tuple(len(r) for r, _, _ in found)
    if len(found) > 1:
        row, place, column = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return row, place, column, counts


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def layered(layers: tuple[Layer, ...], x: Tensor, columns: Tensor, counts: Sequence[int]) -> Tensor:
    """One pre-activation at each point, (K,), with graph.

    Args:
        layers: from `layers_of`.
        x: (K, d), first those points where one of the first layer is wanted, then those of the second, ….
        columns: which branch and unit, (K,).
        counts: how many points belong to each layer.
    """
    out: list[Tensor] = []
    h, left = x, columns
    for count, layer in zip(counts, layers, strict=True):
        if not len(h):
            break
        z = torch.nn.functional.linear(h, layer.weight, layer.bias)
        out.append(_joined(layer.breaks(z[:count])).gather(1, left[:count, None])[:, 0])
        h, left = layer.activation(z[count:]), left[count:]
    return torch.cat(out) if out else x.new_zeros(0)
