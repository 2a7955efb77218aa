"""JAX's primitive operations in torch: the same numbers, by operations whose breaks the search knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from jax import lax
from torch import Tensor
from torch.nn import functional

Parameters = Mapping[str, Any]
# Parameters of an equation and its operands → its result.
Operation = Callable[..., Tensor]

# What an equation does to each number.
_EACH: dict[str, Callable[..., Tensor]] = {
    **{n: getattr(torch, n) for n in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh")},
    **{n: getattr(torch, n) for n in ("atanh", "tanh", "exp", "exp2", "expm1", "log", "log1p", "sqrt", "rsqrt")},
    **{n: getattr(torch, n) for n in ("square", "neg", "abs", "sign", "floor", "ceil", "erf", "erfc", "lgamma")},
    **{n: getattr(torch, n) for n in ("digamma", "atan2", "pow", "gt", "ge", "lt", "le", "eq", "ne", "add", "sub")},
    "add_any": torch.add,
    "and": torch.bitwise_and,
    "copy": torch.clone,
    "copy_p": torch.clone,
    "erf_inv": torch.erfinv,
    "is_finite": torch.isfinite,
    "le_to": torch.le,
    "logistic": torch.sigmoid,
    "lt_to": torch.lt,
    "max": torch.maximum,
    "min": torch.minimum,
    "mul": torch.mul,
    "not": torch.bitwise_not,
    "or": torch.bitwise_or,
    "rem": torch.fmod,
    "stop_gradient": torch.detach,
    "xor": torch.bitwise_xor,
}


def _cbrt(_: Parameters, x: Tensor) -> Tensor:
    return x.sign() * x.abs() ** (1 / 3)


def _clamp(_: Parameters, low: Tensor, x: Tensor, high: Tensor) -> Tensor:
    return torch.clamp(x, min=low, max=high)


def _divide(_: Parameters, a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _round(_: Parameters, x: Tensor) -> Tensor:
    # Halves are rounded in two ways, which single points do not show.
    return torch.round(x)


def _power(parameters: Parameters, x: Tensor) -> Tensor:
    return torch.pow(x, parameters["y"])


def _choose(_: Parameters, which: Tensor, *cases: Tensor) -> Tensor:
    if which.dtype == torch.bool:
        return torch.where(which, cases[1], cases[0])
    found = cases[0]
    for k, case in enumerate(cases[1:], 1):
        found = torch.where(which >= k, case, found)
    return found


def _product(parameters: Parameters, a: Tensor, b: Tensor) -> Tensor:
    """Contract and batch any axes, as one product of matrices."""
    (of_a, of_b), (batch_a, batch_b) = parameters["dimension_numbers"]
    free_a = [k for k in range(a.ndim) if k not in (*of_a, *batch_a)]
    free_b = [k for k in range(b.ndim) if k not in (*of_b, *batch_b)]
    batch = [a.shape[k] for k in batch_a]
    outer = [[a.shape[k] for k in free_a], [b.shape[k] for k in free_b]]
    summed = prod(a.shape[k] for k in of_a)
    left = a.permute(*batch_a, *free_a, *of_a).reshape(*batch, prod(outer[0]), summed)
    right = b.permute(*batch_b, *of_b, *free_b).reshape(*batch, summed, prod(outer[1]))
    return torch.matmul(left, right).reshape(*batch, *outer[0], *outer[1])


def _broadcast(parameters: Parameters, x: Tensor, *_: Any) -> Tensor:
    shape, axes = parameters["shape"], parameters["broadcast_dimensions"]
    own = [1] * len(shape)
    for axis, extent in zip(axes, x.shape, strict=True):
        own[axis] = extent
    return x.reshape(own).expand(*shape)


def _slice(parameters: Parameters, x: Tensor) -> Tensor:
    starts, stops = parameters["start_indices"], parameters["limit_indices"]
    steps = parameters["strides"] or (1,) * x.ndim
    return x[tuple(slice(*s) for s in zip(starts, stops, steps, strict=True))]


def _along(function: Callable[..., Tensor]) -> Operation:
    """A reduction along axes; along none it is nothing."""
    return lambda parameters, x: function(x, dim=tuple(parameters["axes"])) if parameters["axes"] else x


def _multiplied(parameters: Parameters, x: Tensor) -> Tensor:
    for axis in sorted(parameters["axes"], reverse=True):
        x = torch.prod(x, dim=axis)
    return x


def _first(function: Callable[..., Tensor]) -> Operation:
    return lambda parameters, x: function(x, dim=parameters["axes"][0])


def _running(function: Callable[..., Any]) -> Operation:
    """What is carried along an axis; torch's extremes come with their places."""

    def run(parameters: Parameters, x: Tensor) -> Tensor:
        axis = parameters["axis"]
        found = function(x.flip(axis) if parameters["reverse"] else x, dim=axis)
        values: Tensor = found if isinstance(found, Tensor) else found[0]
        return values.flip(axis) if parameters["reverse"] else values

    return run


def _cast(parameters: Parameters, x: Tensor) -> Tensor:
    """To whole numbers or truth values; a float stays in the precision in which all is told."""
    new = np.dtype(parameters["new_dtype"])
    if jnp.issubdtype(new, jnp.floating):
        return x if x.is_floating_point() else x.double()
    return x.bool() if new == np.bool_ else x.trunc().long() if x.is_floating_point() else x.long()


_OPERATIONS: dict[str, Operation] = {
    "argmax": _first(torch.argmax),
    "argmin": _first(torch.argmin),
    "broadcast_in_dim": _broadcast,
    "cbrt": _cbrt,
    "clamp": _clamp,
    "concatenate": lambda parameters, *parts: torch.cat(parts, dim=parameters["dimension"]),
    "convert_element_type": _cast,
    "cumlogsumexp": _running(torch.logcumsumexp),
    "cummax": _running(torch.cummax),
    "cummin": _running(torch.cummin),
    "cumprod": _running(torch.cumprod),
    "cumsum": _running(torch.cumsum),
    "div": _divide,
    "dot_general": _product,
    "integer_pow": _power,
    "reduce_and": _along(torch.all),
    "reduce_max": _along(torch.amax),
    "reduce_min": _along(torch.amin),
    "reduce_or": _along(torch.any),
    "reduce_precision": lambda parameters, x: x,
    "reduce_prod": _multiplied,
    "reduce_sum": _along(torch.sum),
    "reshape": lambda parameters, x, *_: x.reshape(*parameters["new_sizes"]),
    "rev": lambda parameters, x: x.flip(*parameters["dimensions"]),
    "round": _round,
    "select_n": _choose,
    "slice": _slice,
    "squeeze": lambda parameters, x: x.squeeze(tuple(parameters["dimensions"])),
    "stack": lambda parameters, *parts: torch.stack(parts, dim=parameters["axis"]),
    "tile": lambda parameters, x: x.tile(tuple(parameters["reps"])),
    "transpose": lambda parameters, x: x.permute(*parameters["permutation"]),
}
# Of these the first operands hold numbers to move, so many; the others say where to.
_MOVING = {"gather": 1, "dynamic_slice": 1, "pad": 2, "dynamic_update_slice": 2, "scatter": 2}
_PRIMITIVES = {
    "gather": lax.gather_p,
    "dynamic_slice": lax.dynamic_slice_p,
    "pad": lax.pad_p,
    "dynamic_update_slice": lax.dynamic_update_slice_p,
    "scatter": lax.scatter_p,
}

# Compositions that torch has as one, with the names by which their breaks, or that they have none, are known.
COMPOSITIONS: dict[str, Callable[..., Tensor]] = {
    "celu": lambda x, alpha=1.0: functional.celu(x, float(alpha)),
    "elu": lambda x, alpha=1.0: functional.elu(x, float(alpha)),
    "gelu": functional.gelu,
    "hard_tanh": functional.hardtanh,
    "leaky_relu": lambda x, slope=0.01: functional.leaky_relu(x, float(slope)),
    "log_softmax": lambda x: functional.log_softmax(x, dim=-1),
    "logaddexp": torch.logaddexp,
    "mish": functional.mish,
    "relu": torch.relu,
    "relu6": functional.relu6,
    "selu": functional.selu,
    "silu": functional.silu,
    "softmax": lambda x: functional.softmax(x, dim=-1),
    "softplus": functional.softplus,
}


def known(name: str) -> bool:
    """Is this a primitive that torch has?"""
    return name in _EACH or name in _OPERATIONS or name in _MOVING


def apply(name: str, parameters: Parameters, operands: Sequence[Tensor]) -> Tensor:
    """One equation.

    Args:
        name: of a primitive that is known.
        parameters: of its equation.
        operands: tensors, of the shapes that JAX has.
    """
    if name in _MOVING:
        return _moved(name, parameters, operands)
    if name in _EACH and name not in _OPERATIONS:
        return _EACH[name](*operands)
    return _OPERATIONS[name](parameters, *operands)


def _moved(name: str, parameters: Parameters, operands: Sequence[Tensor]) -> Tensor:
    """Numbers that only change places: JAX moves their indices, and they follow."""
    # JAX has what scatter brings as its last operand.
    holding = [0, 2] if name == "scatter" else range(_MOVING[name])
    moving = [operands[k] for k in holding]
    arguments, start = [], 0
    for k, operand in enumerate(operands):
        if k in holding:
            arguments.append(start + jnp.arange(operand.numel()).reshape(operand.shape))
            start += operand.numel()
        else:
            arguments.append(jnp.asarray(operand.detach().numpy()))
    # What is out of bounds where that is filled up is marked, to be filled up here.
    own = dict(parameters) | ({"fill_value": -1} if "fill_value" in parameters else {})
    moved = _PRIMITIVES[name].bind(*arguments, **own)
    where = torch.from_numpy(np.asarray(moved).astype(np.int64))
    taken = torch.cat([m.reshape(-1) for m in moving])[where.clamp(min=0)]
    if bool((where >= 0).all()):
        return taken
    return torch.where(where >= 0, taken, float("nan") if taken.is_floating_point() else 0)
