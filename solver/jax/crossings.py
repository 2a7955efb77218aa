"""Lines along the axes of a box, and where they cross breaks: as many as a compiled step has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .functions import Functions
from .installed import jax, jnp

# Where breaks are curved along a line, two crossings of one break that lie closer than this part of it are not seen.
CELLS = 32
# Halvings of a bracket around a crossing of a curved break, in float64 and float32 to the last digits of the line.
HALVINGS = {"float64": 48, "float32": 20}


@dataclass(frozen=True)
class Lines:
    """Lines along axes, s in (0, 1).

    Attributes:
        start: (L, d).
        direction: (L, d), as long as the box.
        weight: (L,) volume ÷ (ℓₖ mₖ).
    """

    start: jax.Array
    direction: jax.Array
    weight: jax.Array


def axis_lines(box: np.ndarray[Any, Any], count: int, key: jax.Array | None, dtype: Any) -> Lines:
    """So many along each axis, at the places of a lattice shifted at random; in one input the box itself."""
    inputs, sides = len(box), box[:, 1] - box[:, 0]
    if inputs == 1:
        return Lines(jnp.asarray(box[:, :1].T, dtype), jnp.asarray(sides[None], dtype), jnp.ones(1, dtype))
    # The first side is filled at whole parts, the others at multiples of irrational numbers: in two sides that is
    # Fibonacci's lattice.
    ratio = max(np.roots([1.0, *[0.0] * max(inputs - 3, 0), -1.0, -1.0]).real)
    step = np.array([1 / count, *(1 / ratio**k for k in range(1, inputs - 1))])
    shift = jax.random.uniform(jnp.asarray(key), (inputs, 1, inputs - 1), dtype)
    places = (jnp.asarray(np.arange(count)[:, None] * step, dtype) + shift) % 1
    starts, directions = [], []
    for k in range(inputs):
        others = [j for j in range(inputs) if j != k]
        start = jnp.zeros((count, inputs), dtype).at[:, others].set(places[k])
        starts.append(box[:, 0].astype(dtype) + start * sides.astype(dtype))
        directions.append(np.tile(np.eye(inputs)[k] * sides, (count, 1)))
    weight = np.repeat(sides.prod() / sides / count, count)
    return Lines(jnp.concatenate(starts), jnp.asarray(np.concatenate(directions), dtype), jnp.asarray(weight, dtype))


@dataclass(frozen=True)
class Crossings:
    """Places where lines cross breaks; unused room has the weight 0.

    Attributes:
        x: (C, d).
        direction: (C, d), of the line.
        column: (C,) which break.
        weight: (C,) of the line, times how many crossings each stands for.
        met: how many there were.
        unseen: how many had no room while the breaks behind them were looked for; more than 0 is a bias.
    """

    x: jax.Array
    direction: jax.Array
    column: jax.Array
    weight: jax.Array
    met: jax.Array
    unseen: jax.Array


def _changes(z: jax.Array) -> jax.Array:
    return (z[:-1] > 0) != (z[1:] > 0)


def _roots(s: jax.Array, z: jax.Array, at: jax.Array, column: jax.Array) -> jax.Array:
    """Where the chord over a bracket is nought."""
    low, high = z[at, column], z[at + 1, column]
    part = low / jnp.where(low == high, 1, low - high)
    return s[at] + (s[at + 1] - s[at]) * jnp.clip(part, 0, 1)


def crossings(functions: Functions, lines: Lines, rooms: Sequence[int], key: jax.Array | None) -> Crossings:
    """Where lines cross breaks; of more places than there is room for some, with the weight that keeps the mean.

    Breaks that lie behind others are linear between those: they are found one depth after the other.

    Args:
        functions: whose breaks.
        lines: which.
        rooms: for breaks of each depth, on all lines together, or one number for all.
        key: of random numbers.
    """
    if len(rooms) == 1 or functions.curved:
        return _on_each_line(functions, lines, sum(rooms), key)
    found, fit = _together(functions, lines, rooms)

    def in_order(chosen: Crossings) -> tuple[jax.Array, ...]:
        # Both ways have to give the same types.
        return tuple(
            a if jnp.issubdtype(a.dtype, jnp.floating) else a.astype(int)
            for a in (getattr(chosen, f.name) for f in fields(Crossings))
        )

    def thorough() -> tuple[jax.Array, ...]:
        return in_order(_on_each_line(functions, lines, sum(rooms), key))

    return Crossings(*jax.lax.cond(fit, lambda: in_order(found), thorough))


def _together(functions: Functions, lines: Lines, rooms: Sequence[int]) -> tuple[Crossings, jax.Array]:
    """All crossings, and whether there was room for them; marks of all lines are kept in one list."""
    depths, count = np.array(functions.depths), len(lines.start)
    arrays = [jax.lax.stop_gradient(a) for a in functions.arrays]
    line, s = jnp.repeat(jnp.arange(count), 2), jnp.tile(jnp.arange(2, dtype=functions.dtype), count)
    found: list[tuple[jax.Array, ...]] = []
    met, fit = jnp.zeros((), int), jnp.ones((), bool)
    for depth, room in enumerate(rooms, 1):
        columns = np.flatnonzero(depths == depth)
        places = lines.start[line] + s[:, None] * lines.direction[line]
        z = jax.vmap(lambda x: functions.z(arrays, x))(places)
        # A slice lets the compiler leave out what lies behind it.
        whole = len(columns) == columns[-1] + 1 - columns[0]
        z = z[:, columns[0] : columns[-1] + 1] if whole else z[:, columns]
        changes = _changes(z) & (line[:-1] == line[1:])[:, None]
        at, which = jnp.nonzero(changes, size=room, fill_value=-1)
        used, at = at >= 0, jnp.maximum(at, 0)
        # Room that is not used is at the end of the last line.
        new = jnp.where(used, line[at], count - 1), jnp.where(used, _roots(s, z, at, which), 1)
        found.append((*new, jnp.asarray(columns)[which], used))
        line, s = jax.lax.sort((jnp.concatenate([line, new[0]]), jnp.concatenate([s, new[1]])), num_keys=2)
        met, fit = met + changes.sum(), fit & (changes.sum() <= room)
    line, t, column, used = (jnp.concatenate(parts) for parts in zip(*found, strict=True))
    start, direction = lines.start[line], lines.direction[line]
    weight = jnp.where(used, lines.weight[line], 0).astype(functions.dtype)
    return Crossings(start + t[:, None] * direction, direction, column, weight, met, jnp.zeros((), int)), fit


def _on_each_line(functions: Functions, lines: Lines, room: int, key: jax.Array | None) -> Crossings:
    """Of all crossings `room` at most, at random; whatever lies behind others has room on each line by itself."""
    depths = np.array(functions.depths)
    arrays = [jax.lax.stop_gradient(a) for a in functions.arrays]
    grid = jnp.linspace(0, 1, (CELLS if functions.curved else 1) + 1, dtype=functions.dtype)

    def z_of(start: jax.Array, direction: jax.Array, s: jax.Array) -> jax.Array:
        return jax.vmap(lambda t: functions.z(arrays, start + t * direction))(s)

    def pieces(start: jax.Array, direction: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        s, unseen = grid, jnp.zeros((), int)
        z = z_of(start, direction, s)
        for depth in range(1, int(depths.max(initial=1))):
            columns = np.flatnonzero(depths <= depth)
            most = len(columns) if not functions.curved else 2 * len(columns)
            changes = _changes(z[:, columns])
            at, which = jnp.nonzero(changes, size=most, fill_value=-1)
            column = jnp.asarray(columns)[which]
            more = jnp.where(at < 0, 1, _roots(s, z, jnp.maximum(at, 0), column))
            unseen += jnp.maximum(changes.sum() - most, 0)
            s = jnp.sort(jnp.concatenate([grid, more]))
            z = z_of(start, direction, s)
        return s, z, unseen

    s, z, unseen = jax.vmap(pieces)(lines.start, lines.direction)
    changes = (z[:, :-1] > 0) != (z[:, 1:] > 0)
    running = jnp.cumsum(changes.ravel())
    met = running[-1]
    shift = 0.5 if key is None else jax.random.uniform(key, (), functions.dtype)
    places = jnp.arange(room)
    # More than there is room for: at even steps through all of them, from a random place on.
    sampled = ((places + shift) * (met / room)).astype(int)
    rank = jnp.where(met <= room, places, sampled)
    flat = jnp.minimum(jnp.searchsorted(running, rank + 1), len(running) - 1)
    line, at, column = jnp.unravel_index(flat, changes.shape)
    start, direction = lines.start[line], lines.direction[line]
    t = jax.vmap(_roots)(s[line], z[line], at, column)
    weight = jnp.where(places < met, lines.weight[line] * jnp.maximum(1, met / room), 0).astype(functions.dtype)
    if functions.curved:
        t, true = _halved(functions, arrays, start, direction, column, s[line, at], s[line, at + 1])
        weight = jnp.where(true, weight, 0)
    return Crossings(start + t[:, None] * direction, direction, column, weight, met, unseen.sum())


def _halved(
    functions: Functions, arrays: Any, start: jax.Array, direction: jax.Array, column: jax.Array, low: Any, high: Any
) -> tuple[jax.Array, jax.Array]:
    """Roots by bisection; where z jumps instead of passing through nought, that is no break of its own."""

    def z_at(s: jax.Array) -> jax.Array:
        z = jax.vmap(lambda x: functions.z(arrays, x))(start + s[:, None] * direction)
        return jnp.take_along_axis(z, column[:, None], 1)[:, 0]

    first, last = z_at(low), z_at(high)

    def halve(_: int, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bracket
        middle = (low + high) / 2
        left = (z_at(middle) > 0) == (first > 0)
        return jnp.where(left, middle, low), jnp.where(left, high, middle)

    low, high = jax.lax.fori_loop(0, HALVINGS[str(jnp.dtype(functions.dtype))], halve, (low, high))
    # Over the last bracket z that passes through changes by rounding alone.
    true = jnp.abs(z_at(low) - z_at(high)) <= 1e-3 * jnp.abs(first - last)
    return (low + high) / 2, true
