"""Whether u itself jumps where a comparison makes it break, so that it has no energy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...verify.errors import InputError
from .crossings import HALVINGS
from .functions import Functions
from .installed import Tracer, jax, jnp

# Segments through the domain on which each comparison is looked for.
SEGMENTS = 64
# Sets of random parameters, where they have no numbers: not in each of them does a comparison change in the domain.
GUESSES = 16
# Between two points that halving has brought together, u differs by less than this part of its size, unless it jumps.
LEAPS = {"float64": 1e-6, "float32": 1e-2}


def continuous(functions: Functions, box: np.ndarray[Any, Any]) -> None:
    """Refuse a model that jumps where one of its comparisons, or a sign, changes.

    Within a compiled step the parameters have no numbers; then it is looked at with random ones.

    Args:
        functions: the model.
        box: (d, 2).

    Raises:
        InputError: it jumps.
    """
    if not functions.torn:
        return
    random = np.random.default_rng(0)
    known = not any(isinstance(a, Tracer) for a in functions.arrays)

    def numbers(array: Any) -> Any:
        if known or not isinstance(array, Tracer):
            return jnp.broadcast_to(array, (1 if known else GUESSES, *array.shape))
        shape = (GUESSES, *array.shape)
        floats = jnp.issubdtype(array.dtype, jnp.floating)
        return np.asarray(random.standard_normal(shape) if floats else np.zeros(shape), array.dtype)

    given = [numbers(a) for a in functions.arrays]
    ends = box[:, 0] + random.random((2, SEGMENTS, len(box))) * (box[:, 1] - box[:, 0])
    kind = np.dtype(functions.dtype).name
    columns = np.array(functions.torn)
    with jax.ensure_compile_time_eval():
        start, end = (jnp.asarray(e, functions.dtype) for e in ends)
        together = jax.jit(jax.vmap(lambda p: _brought_together(functions, p, columns, start, end, kind)))
        low, first, second, size = (np.asarray(a) for a in together(given))
    apart = np.abs(first - second).max(2)
    leaps = apart > LEAPS[kind] * size[:, None]
    if leaps.any():
        place = ", ".join(f"{c:.4g}" for c in low[leaps][0])
        raise InputError(
            f"model: u itself jumps where a comparison changes, as at x = ({place}), so that it has no energy; a "
            "continuous model would be right"
        )


def _brought_together(
    functions: Functions, arrays: Any, columns: np.ndarray[Any, Any], low: jax.Array, high: jax.Array, kind: str
) -> tuple[jax.Array, ...]:
    """For each column a place (K, d) where its comparison changes, if there is one, u (K, m) beside it, its size."""

    def z_at(x: jax.Array) -> jax.Array:
        return jax.vmap(lambda p: functions.z(arrays, p))(x)[:, columns]

    differ = (z_at(low) > 0) != (z_at(high) > 0)
    which = jnp.argmax(differ, 0)
    everywhere = jnp.abs(jax.vmap(lambda p: functions.value(arrays, p))(low)).max()
    low, high = low[which], jnp.where(differ.any(0)[:, None], high[which], low[which])

    def own(x: jax.Array) -> jax.Array:
        return jnp.asarray(jnp.diagonal(z_at(x)) > 0)

    sides = own(low)

    def halve(_: int, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bracket
        middle = (low + high) / 2
        same = (own(middle) == sides)[:, None]
        return jnp.where(same, middle, low), jnp.where(same, high, middle)

    low, high = jax.lax.fori_loop(0, HALVINGS[kind], halve, (low, high))
    first, second = (jax.vmap(lambda p: functions.value(arrays, p))(x) for x in (low, high))
    return low, first, second, everywhere
