"""Where a function written in JAX breaks: its jaxpr read, its breaks' z noted, its sides chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ...verify.errors import InputError
from .installed import core, jax, jnp

INLINED = {"jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "checkpoint", "remat2", "core_call"}
COMPARISONS = {"gt": 1, "ge": 1, "lt": -1, "le": -1}
STEPS = {"floor", "ceil", "round", "rem"}
# Of arguments linear in x along a line these are linear again, between breaks.
LINEAR = {
    "add", "sub", "neg", "add_any", "broadcast_in_dim", "reshape", "transpose", "squeeze", "slice", "concatenate",
    "reduce_sum", "convert_element_type", "copy", "copy_p", "dynamic_slice", "gather", "rev", "pad", "expand_dims",
    "select_n", "stop_gradient", "split", "cumsum",
}  # fmt: skip
SUMS = {"dot_general", "conv_general_dilated"}
BILINEAR = {"mul", *SUMS}


@dataclass
class Tape:
    """What is met while a jaxpr is evaluated.

    Attributes:
        pattern: (K,) which side each break is on; `None`: that of its own z.
        push: (K,) added to what each break gives; `None`: nothing.
        z: of each break, flat; positive on one side, negative on the other.
        depths: how many breaks lie before each, itself included.
        curved: whether some z is not linear between the breaks before it.
        factors: what the slope of each break gains where its z becomes positive, as a multiple of ∇z.
        bent: whether that is known of all, and no two of them break at the same place.
        torn: which of them are comparisons or signs, after which a value may jump.
    """

    pattern: jax.Array | None = None
    push: jax.Array | None = None
    z: list[jax.Array] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    curved: bool = False
    factors: list[float] = field(default_factory=list)
    bent: bool = True
    torn: list[int] = field(default_factory=list)

    def side(self, z: jax.Array, value: Value, factor: float | None = None) -> jax.Array:
        """Where z counts as positive."""
        start, size = len(self.depths), prod(z.shape)
        # Of relu(z) and relu(−z), or of abs(relu(z)), one is not seen to break without the other.
        self.bent &= factor is not None and value.mixed and value.depth + 1 not in self.depths
        self.factors += [factor or 0.0] * size
        self.torn += range(start, start + size) if factor is None else ()
        self.z.append(z.ravel())
        self.depths += [value.depth + 1] * size
        self.curved |= not value.linear
        return z > 0 if self.pattern is None else self.pattern[start : start + size].reshape(z.shape)

    def pushed(self, array: jax.Array) -> jax.Array:
        """What the last break gives."""
        size = prod(array.shape)
        return array if self.push is None else array + self.push[len(self.depths) - size :][:size].reshape(array.shape)

    @property
    def column(self) -> jax.Array:
        """All z, (K,)."""
        return jnp.concatenate(self.z) if self.z else jnp.zeros(0)


@dataclass(frozen=True)
class Value:
    """An array, with the number of breaks before it (-1: it does not depend on x), and whether it is linear between.

    It is mixed if since the last break a matrix has made sums of it, so that it is not nought where that break is.
    """

    array: Any
    depth: int = -1
    linear: bool = True
    mixed: bool = True


def evaluate(closed: Any, arguments: Sequence[Value], tape: Tape) -> list[Value]:
    """The outputs of a closed jaxpr, its breaks noted on the tape.

    Raises:
        InputError: an operation that depends on x and jumps, or whose breaks cannot be read.
    """
    jaxpr, consts = (closed.jaxpr, closed.consts) if isinstance(closed, core.ClosedJaxpr) else (closed, [])
    held: dict[Any, Value] = {}

    def read(atom: Any) -> Value:
        return Value(atom.val) if isinstance(atom, core.Literal) else held[atom]

    held.update(zip(jaxpr.constvars, map(Value, consts), strict=True))
    held.update(zip(jaxpr.invars, arguments, strict=True))
    for equation in jaxpr.eqns:
        given = [read(a) for a in equation.invars]
        held.update(zip(equation.outvars, _applied(equation, given, tape), strict=True))
    return [read(a) for a in jaxpr.outvars]


def _applied(equation: Any, given: list[Value], tape: Tape) -> list[Value]:
    name, params = equation.primitive.name, equation.params
    if name in INLINED:
        inner = params["jaxpr"] if "jaxpr" in params else params["call_jaxpr"]
        return evaluate(inner, given, tape)
    depends = [v for v in given if v.depth >= 0]
    if not depends:
        return _plain(equation, given, -1, True, True)
    depth, linear = max(v.depth for v in depends), all(v.linear for v in depends)
    mixed = all(v.mixed for v in depends)
    whole = Value(None, depth, linear, mixed)
    floats = jnp.issubdtype(jnp.result_type(given[0].array), jnp.floating)
    out = Value(None, depth + 1, linear)

    def bear(array: Any) -> list[Value]:
        return [Value(array, out.depth, linear, mixed=False)]

    if name == "scan":
        return _unrolled(params, given, tape)
    if name in ("cond", "while"):
        raise InputError(f"model: lax.{name} of x is not read; jnp.where or a loop of fixed length would be right")
    if name in STEPS and floats:
        raise InputError(f"model: {name} of a value that depends on x jumps; a continuous function would be right")
    arrays = [v.array for v in given]
    if name in ("max", "min") and floats:
        a, b = jnp.broadcast_arrays(*arrays)
        first = tape.side(a - b, whole, 1 if name == "max" else -1)
        return bear(tape.pushed(jnp.where(first, a, b) if name == "max" else jnp.where(first, b, a)))
    if name == "abs" and floats:
        return bear(tape.pushed(jnp.where(tape.side(arrays[0], whole, 2), arrays[0], -arrays[0])))
    if name == "sign" and floats:
        return bear(jnp.where(tape.side(arrays[0], whole), 1, -1).astype(arrays[0].dtype))
    if name == "clamp" and floats:
        low, x, high = jnp.broadcast_arrays(*arrays)
        x = tape.pushed(jnp.where(tape.side(x - low, whole, 1), x, low))
        # The two bounds are apart.
        return bear(tape.pushed(jnp.where(tape.side(x - high, out, -1), high, x)))
    if name in COMPARISONS and floats:
        a, b = jnp.broadcast_arrays(*arrays)
        return bear(tape.side(COMPARISONS[name] * (a - b), whole))
    if name in ("reduce_max", "reduce_min"):
        return bear(_largest(arrays[0], params["axes"], 1 if name == "reduce_max" else -1, tape, whole))
    if name in ("reduce_window_max", "reduce_window_min"):
        return bear(_window(arrays[0], params, 1 if name.endswith("max") else -1, tape, whole))
    if name in ("sort", "argmax", "argmin", "cummax", "cummin", "top_k") and floats:
        raise InputError(f"model: {name} of values that depend on x is not read; jnp.maximum would be right")
    if name in BILINEAR:
        linear &= sum(v.depth >= 0 for v in given) == 1
    elif name == "div":
        linear &= given[1].depth < 0
    elif name == "integer_pow":
        linear &= params["y"] == 1
    else:
        linear &= name in LINEAR
    return _plain(equation, given, depth, linear, mixed or name in SUMS)


def _plain(equation: Any, given: list[Value], depth: int, linear: bool, mixed: bool) -> list[Value]:
    found = equation.primitive.bind(*(v.array for v in given), **equation.params)
    found = found if equation.primitive.multiple_results else [found]
    return [Value(array, depth, linear, mixed) for array in found]


def _unrolled(params: dict[str, Any], given: list[Value], tape: Tape) -> list[Value]:
    fixed, carried = params["num_consts"], params["num_carry"]
    constants, carry, rows = given[:fixed], given[fixed : fixed + carried], given[fixed + carried :]
    steps = range(params["length"])
    kept: dict[int, list[Value]] = {}
    for k in reversed(steps) if params["reverse"] else steps:
        row = [Value(v.array[k], v.depth, v.linear, v.mixed) for v in rows]
        found = evaluate(params["jaxpr"], [*constants, *carry, *row], tape)
        carry, kept[k] = found[:carried], found[carried:]
    stacked = [
        Value(
            jnp.stack([v.array for v in values]),
            max(v.depth for v in values),
            all(v.linear for v in values),
            all(v.mixed for v in values),
        )
        for values in zip(*(kept[k] for k in steps), strict=True)
    ]
    return [*carry, *stacked]


def _largest(x: jax.Array, axes: Sequence[int], sign: int, tape: Tape, value: Value) -> jax.Array:
    """The largest along axes, one after the other: each comparison is a break."""
    order = [a for a in range(x.ndim) if a not in axes] + list(axes)
    kept = x.ndim - len(axes)
    flat = jnp.transpose(x, order).reshape(*(x.shape[a] for a in order[:kept]), -1)
    best = flat[..., 0]
    for k in range(1, flat.shape[-1]):
        best = tape.pushed(jnp.where(tape.side(sign * (best - flat[..., k]), value, sign), best, flat[..., k]))
        value = Value(None, value.depth + 1, value.linear, value.mixed)
    return best


def _window(x: jax.Array, params: dict[str, Any], sign: int, tape: Tape, value: Value) -> jax.Array:
    """Max-pooling: the windows' entries side by side, the largest of each."""
    if any(d != 1 for d in (*params["base_dilation"], *params["window_dilation"])) or any(
        p != (0, 0) for p in params["padding"]
    ):
        raise InputError("model: max-pooling with padding or dilation is not read; windows without would be right")
    windows, strides = params["window_dimensions"], params["window_strides"]
    ends = [(n - w) // s + 1 for n, w, s in zip(x.shape, windows, strides, strict=True)]
    entries = [
        jax.lax.slice(x, at, [a + (e - 1) * s + 1 for a, e, s in zip(at, ends, strides, strict=True)], strides)
        for at in _places(windows)
    ]
    return _largest(jnp.stack(entries, -1), [x.ndim], sign, tape, value)


def _places(sizes: Sequence[int]) -> list[list[int]]:
    out: list[list[int]] = [[]]
    for size in sizes:
        out = [[*head, k] for head in out for k in range(size)]
    return out
