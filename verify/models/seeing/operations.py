"""The operations of torch that break smoothness, each where a pre-activation less a breakpoint changes its sign."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# The arguments of a call → pre-activation minus breakpoint, one tensor a breakpoint, all of one shape.
Branches = Callable[..., list[Tensor]]


def _at_zero(z: Tensor, *_: Any, **__: Any) -> list[Tensor]:
    return [z]


def _threshold(z: Tensor, threshold: float, *_: Any, **__: Any) -> list[Tensor]:
    return [z - threshold]


def _hard_tanh(z: Tensor, min_val: float = -1.0, max_val: float = 1.0, *_: Any, **__: Any) -> list[Tensor]:
    return [z - min_val, z - max_val]


def _relu6(z: Tensor, *_: Any, **__: Any) -> list[Tensor]:
    return [z, z - 6]


def _hard_sigmoid(z: Tensor, *_: Any, **__: Any) -> list[Tensor]:
    return [z + 3, z - 3]


def _shrink(z: Tensor, lambd: float = 0.5, *_: Any, **__: Any) -> list[Tensor]:
    return [z + lambd, z - lambd]


def _clamp(z: Tensor, min: Any = None, max: Any = None, **_: Any) -> list[Tensor]:
    return [z - limit for limit in (min, max) if limit is not None]


def _clamp_one(z: Tensor, *limit: Any, **named: Any) -> list[Tensor]:
    return [z - a for a in (*limit, *named.values())]


def _whole(z: Tensor, *_: Any, **__: Any) -> list[Tensor]:
    """What jumps at whole numbers: a function that changes its sign there, and is as smooth as its argument."""
    return [(math.pi * z).sin()]


def _half(z: Tensor, *_: Any, **__: Any) -> list[Tensor]:
    return [(math.pi * z).cos()]


def _multiples(a: Any, b: Any = None, **named: Any) -> list[Tensor]:
    quotient = a / named.get("other", b)
    return [(math.pi * quotient).sin()] if isinstance(quotient, Tensor) else []


def _departure(a: Tensor, b: Tensor, *_: Any, beta: float = 1.0, delta: float | None = None, **__: Any) -> list[Tensor]:
    """Huber's loss changes from a parabola to straight lines where |a − b| is beta."""
    width = beta if delta is None else delta
    return [a - b - width, a - b + width]


def _difference(a: Tensor, b: Tensor, *_: Any, **__: Any) -> list[Tensor]:
    return [a - b]


def _two(a: Any, b: Any = None, **named: Any) -> list[Tensor]:
    difference = a - (named.get("other", b))
    return [difference] if isinstance(difference, Tensor) else []


def _extreme(z: Tensor, *arguments: Any, **named: Any) -> list[Tensor]:
    """`max` of two tensors, or of one along a dimension; over everything it mixes points: noticed elsewhere."""
    if isinstance(other := named.get("other", arguments[0] if arguments else None), Tensor):
        return [z - other]
    along = named.get("dim", arguments[0] if arguments else None)
    return [] if along is None else _pairs(z, along)


def _pairs(z: Tensor, along: int | tuple[int, ...]) -> list[Tensor]:
    """Any two candidates of a maximum: it changes hands only where two are equal."""
    dims = (along,) if isinstance(along, int) else tuple(along)
    moved = z.movedim(dims, tuple(range(-len(dims), 0))).flatten(-len(dims))
    i, j = torch.triu_indices(moved.shape[-1], moved.shape[-1], offset=1, device=z.device)
    return [moved[..., i] - moved[..., j]]


_BREAKING: dict[str, Branches] = {
    **dict.fromkeys(
        ("relu", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "softsign", "abs", "absolute"), _at_zero
    ),
    **dict.fromkeys(("sign", "sgn", "heaviside"), _at_zero),
    **dict.fromkeys(("hardsigmoid", "hardswish"), _hard_sigmoid),
    **dict.fromkeys(("softshrink", "hardshrink"), _shrink),
    **dict.fromkeys(("clamp", "clip"), _clamp),
    **dict.fromkeys(("clamp_min", "clamp_max"), _clamp_one),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin", "gt", "ge", "lt", "le"), _two),
    **dict.fromkeys(("greater", "greater_equal", "less", "less_equal"), _two),
    **dict.fromkeys(("max", "min", "amax", "amin"), _extreme),
    **dict.fromkeys(("floor", "ceil", "trunc", "fix", "frac"), _whole),
    **dict.fromkeys(("remainder", "fmod", "floor_divide", "mod", "rmod", "floordiv"), _multiples),
    **dict.fromkeys(("smooth_l1_loss", "huber_loss"), _departure),
    "round": _half,
    "l1_loss": _difference,
    "threshold": _threshold,
    "hardtanh": _hard_tanh,
    "relu6": _relu6,
}
# How they are called in a report; the rest is called as in torch.
_CALLED = {
    **dict.fromkeys(("gt", "ge", "lt", "le", "greater", "greater_equal", "less", "less_equal"), "comparison"),
    **dict.fromkeys(("maximum", "fmax", "amax"), "max"),
    **dict.fromkeys(("minimum", "fmin", "amin"), "min"),
    **dict.fromkeys(("clip", "clamp_min", "clamp_max"), "clamp"),
    **dict.fromkeys(("fmod", "mod", "rmod"), "remainder"),
    "absolute": "abs",
    "sgn": "sign",
    "fix": "trunc",
}
# After these a value may jump where they break; after the others it bends.
TEARING = {
    *("comparison", "sign", "heaviside", "hardshrink", "threshold"),
    *("floor", "ceil", "trunc", "frac", "round", "remainder", "floor_divide", "floordiv"),
}

# Smooth where they are defined, or without numbers in them. What is neither here nor above may hide a break.
_SMOOTH = frozenset(
    # A list of quoted names would take a hundred lines.
    """
    linear bilinear matmul mm bmm mv addmm addmv addbmm baddbmm dot inner outer einsum tensordot conv1d vecdot
    add sub mul div true_divide neg negative positive radd rsub rmul rdiv rtruediv truediv subtract multiply divide
    iadd isub imul itruediv idiv rmatmul addcmul addcdiv lerp square reciprocal sum mean prod cumsum
    tanh sigmoid exp exp2 expm1 log log1p sin cos sinh cosh atan arctan asinh arcsinh erf erfc sinc
    tan atanh arctanh log2 log10 pad rms_norm mse_loss scaled_dot_product_attention
    softplus gelu silu mish logsigmoid log_sigmoid softmax log_softmax softmin logsumexp logaddexp tanhshrink
    layer_norm group_norm batch_norm dropout alpha_dropout feature_alpha_dropout
    get set getitem setitem index index_select gather take select narrow unbind split chunk tensor_split
    cat concat concatenate stack hstack vstack column_stack dstack reshape view view_as reshape_as expand expand_as
    broadcast_to broadcast_tensors squeeze unsqueeze flatten unflatten ravel movedim moveaxis transpose swapaxes permute
    t contiguous clone detach repeat tile flip roll diag diagonal adjoint meshgrid
    size dim ndimension numel nelement stride len shape is_floating_point is_complex type dtype device requires_grad
    requires_grad_ to double float type_as as_tensor tensor where masked_fill logical_and logical_or logical_not bool
    logical_xor and or xor invert bitwise_and bitwise_or bitwise_xor bitwise_not isclose nan_to_num backward retain_grad
    zeros_like ones_like full_like empty_like new_zeros new_ones new_tensor new_full new_empty zeros ones full empty
    linspace arange eye isfinite isnan all any item tolist format repr hash iter zero fill copy eq ne
    """.split()  # noqa: SIM905
)


def understood(name: str, arguments: tuple[Any, ...]) -> bool:
    """Is this an operation that breaks nothing where it is finite, or whose breakpoints are known? Whole powers are."""
    if name in ("pow", "ipow"):
        exponent = arguments[1] if len(arguments) > 1 else None
        return isinstance(exponent, int | float) and exponent == int(exponent)
    return name in _SMOOTH or name in _BREAKING


# Smooth but where the argument touches the edge of what they take, as √(z²) does at z = 0 without a change of sign.
ROOTS = {"sqrt", "rsqrt", "pow", "ipow", "norm", "hypot", "asin", "arcsin", "acos", "arccos", "acosh", "arccosh"}

# Keep what is piecewise linear in x so, if all but one of their arguments do not depend on x.
_LINEAR = frozenset(
    """
    linear matmul mm mv mul div truediv rmul
    add sub neg negative positive radd rsub iadd isub subtract sum mean
    relu leaky_relu prelu abs absolute clamp clip clamp_min clamp_max hardtanh relu6 hardsigmoid softshrink
    maximum minimum max min amax amin dropout
    get getitem select narrow cat concat stack hstack reshape view expand squeeze unsqueeze flatten unflatten
    transpose permute t movedim contiguous clone size dim pad
    """.split()  # noqa: SIM905
)
_PRODUCTS = frozenset(("matmul", "mm", "mv", "mul", "div", "truediv", "rmul"))


def linear(name: str, arguments: tuple[Any, ...]) -> bool:
    """Is this an operation that is known to keep what is piecewise linear so?

    Of a product all factors but one must be numbers or parameters of a module; others may depend on x.
    """
    if name not in _LINEAR:
        return False
    return name not in _PRODUCTS or sum(map(_varying, arguments[:2])) < 2


def _varying(argument: Any) -> bool:
    return isinstance(argument, Tensor) and not isinstance(argument, torch.nn.Parameter)


def breakpoints(name: str, *arguments: Any, **named: Any) -> list[Tensor]:
    """What changes its sign in a breaking operation, one tensor a breakpoint."""
    return _BREAKING[name](*arguments, **named)


def called(name: str) -> str:
    """The operation as a report names it."""
    return _CALLED.get(name, name)


class Interception(TorchFunctionMode):
    """While active, every operation with known breakpoints hands what changes its sign to `take`, before it runs.

    Args:
        take: called with the operation's name and a list of tensors, one a breakpoint.
        every: called with the name and the arguments of every operation, the breaking ones too.
        made: called with what an operation gave that was taken.
    """

    def __init__(
        self,
        take: Callable[[str, list[Tensor]], None],
        every: Callable[[str, tuple[Any, ...]], None] | None = None,
        made: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__()
        self._take = take
        self._every = every
        self._made = made

    # Whether what happens is being looked at; one switch for all, as modes nest in each other.
    _looking = True

    @classmethod
    @contextmanager
    def paused(cls) -> Iterator[None]:
        """Operations are made without being looked at."""
        before, cls._looking = cls._looking, False
        try:
            yield
        finally:
            cls._looking = before

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Look at one call, then make it; torch has switched the mode off meanwhile."""
        kwargs = kwargs or {}
        if not Interception._looking:
            return func(*args, **kwargs)
        # `relu_`, `Tensor.__gt__` and `_threshold` are called like what they do.
        name = str(getattr(func, "__name__", "")).strip("_")
        if self._every is not None:
            self._every(name, (*args, *kwargs.values()))
        if name in _BREAKING and any(_real(a) for a in (*args, *kwargs.values())):
            found = _BREAKING[name](*args, **_renamed(kwargs))
            if found:
                self._take(name, found)
                if self._made is not None:
                    result = func(*args, **kwargs)
                    self._made(result)
                    return result
        return func(*args, **kwargs)


def _real(argument: Any) -> bool:
    return isinstance(argument, Tensor) and argument.is_floating_point()


def _renamed(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a call as the functions above name them; `input=` is the first everywhere."""
    return {("z" if key == "input" else key): value for key, value in kwargs.items()}
