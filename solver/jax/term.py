"""The part of an energy's gradient that autodiff leaves out, as a summand of a loss written in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...verify.errors import InputError
from .continuity import continuous
from .crossings import Crossings, axis_lines, crossings
from .domains import sides_of
from .functions import Functions, read
from .installed import jax, jnp

# Without anything said, so many lines along each axis, fewer for more breaks.
MOST_LINES, FEWEST_LINES, UNITS = 32, 4, 480
# Places with room for each break and line, without anything said: in one input, where all are needed, more. In several
# a line meets a quarter to a third of the first layer's breaks and a sixth of the others; where there are more the
# search takes longer, and some stand for the others, at the price of noise.
ROOM_IN_FIRST, ROOM, ROOM_IN_ONE = 0.4, 0.25, 4


class DiracSample(NamedTuple):
    """One draw of the term, and what it was made of; it can leave a compiled function.

    Attributes:
        term: nil, with the gradient.
        crossings: how many places there were where lines cross breaks.
        kept: how many of them there was room for; the others are stood for, so that the mean is right.
        unseen: how many were left out where breaks behind them are looked for; more than 0 is a bias.
    """

    term: Any
    crossings: Any
    kept: Any
    unseen: Any


def dirac_term(
    energy: Callable[..., Any],
    model: Callable[..., Any],
    parameters: Any,
    domain: Any,
    key: Any = None,
    *,
    lines: int | None = None,
    crossings: int | None = None,
) -> Any:
    """Nil, with a gradient whose mean is what autodiff leaves out of that of ∫ L(x, u, ∇u) dx: add it to the loss.

        Σ_units ∫_{z=0} ⟦L⟧ ∂z/∂θ ÷ |∇z| dS,  ⟦L⟧ = L where z > 0 less L where z < 0        (MATH 10)

    sampled along lines parallel to the axes, drawn anew for each key; in one input it is exact and draws nothing. The
    breaks are read from the jaxpr, and L on their two sides is that of the two smooth functions that meet there.
    The rest of the loss must be an integral: a mean over points of the domain times its volume.

    Args:
        energy: the density L of x (n, d), u (n,) or (n, m) and du (n, d) or (n, m, d), elementwise in n, in one input
            of x (n,) and du (n,) or (n, m).
        model: (parameters, x) → u, of x (n, d), or of one point (d,).
        parameters: a pytree, as flax and equinox have them.
        domain: (a, b), ((a, b), (c, d), …), `Polygon`, or an object with `bbox` and an `inside(x)` (n, d) → (n,), in
            JAX or in NumPy, as DeepXDE's geometries have them.
        key: of random numbers; not needed in one input.
        lines: how many in all, at least one along each axis; by default 4 to 32 along each, fewer for more breaks.
        crossings: how many of the places where lines cross breaks there is room for.

    Raises:
        InputError: shapes that do not fit, a domain that is none, a model whose value itself jumps, or an operation
            whose breaks cannot be read.

    Examples:
        >>> def model(p, x):
        ...     return jax.nn.relu(x @ p["w"] + p["b"]) @ p["v"]
        >>> def energy(x, u, du):
        ...     return (du**2).sum(1) / 2 - x[:, 0] * u
        >>> p = {"w": jnp.ones((2, 3)), "b": -jnp.array([0.4, 0.9, 1.3]), "v": jnp.ones(3)}
        >>> step = jax.jit(lambda p, key: dirac_term(energy, model, p, ((0, 1), (0, 1)), key))
        >>> float(step(p, jax.random.key(0)))
        0.0
    """
    return dirac_sample(energy, model, parameters, domain, key, lines=lines, crossings=crossings).term


def dirac_sample(
    energy: Callable[..., Any],
    model: Callable[..., Any],
    parameters: Any,
    domain: Any,
    key: Any = None,
    *,
    lines: int | None = None,
    crossings: int | None = None,
) -> DiracSample:
    """The same as `dirac_term`, with what it was made of.

    Args:
        energy: see `dirac_term`.
        model: see there.
        parameters: see there.
        domain: see there.
        key: see there.
        lines: see there.
        crossings: see there.

    Raises:
        InputError: see `dirac_term`.
    """
    for name, value in (("lines", lines), ("crossings", crossings)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"{name}: {value!r} is no number of {name}; a whole number from 1 on would be right")
    box, inside = sides_of(domain)
    if len(box) > 1 and key is None:
        raise InputError("key: None, but in several inputs lines are drawn; jax.random.key(0) would be right")
    functions = read(energy, model, parameters, len(box))
    continuous(functions, box)
    breaks = len(functions.depths)
    if not breaks:
        nil = sum(jnp.sum(a) for a in functions.arrays if jnp.issubdtype(a.dtype, jnp.floating))
        return DiracSample(jax.lax.stop_gradient(nil) * 0, jnp.array(0), jnp.array(0), jnp.array(0))
    along = max(lines // len(box), 1) if lines else min(max(UNITS // breaks, FEWEST_LINES), MOST_LINES)
    drawing, choosing = (None, None) if key is None else jax.random.split(key)
    drawn = axis_lines(box, along, drawing, functions.dtype)
    rooms = [crossings] if crossings else _rooms(functions, len(box), len(drawn.weight))
    return _sampled(functions, drawn, rooms, choosing, inside)


def _rooms(functions: Functions, inputs: int, lines: int) -> list[int]:
    """For breaks of each depth, or in one input for all."""
    breaks = np.bincount(functions.depths)[1:]
    if inputs == 1:
        return [max(16, ROOM_IN_ONE * lines * int(breaks.sum()))]
    shares = np.where(np.arange(len(breaks)) == 0, ROOM_IN_FIRST, ROOM)
    return [max(16, int(n)) for n in np.ceil(breaks * lines * shares)]


def _sampled(functions: Functions, drawn: Any, rooms: list[int], key: Any, inside: Any) -> DiracSample:
    found, room = crossings(functions, drawn, rooms, key), sum(rooms)
    weight = found.weight if inside is None else jnp.where(inside(found.x), found.weight, 0)
    coefficient = jax.lax.stop_gradient(_coefficients(functions, found, weight))
    place, column = jax.lax.stop_gradient((found.x, found.column))
    z = jax.vmap(functions.z, (None, 0))(functions.arrays, place)
    z = jnp.take_along_axis(z, column[:, None], 1)[:, 0]
    term = jnp.sum(coefficient * (z - jax.lax.stop_gradient(z)))
    return DiracSample(term, found.met, jnp.minimum(found.met, room), found.unseen)


def _coefficients(functions: Functions, found: Crossings, weight: Any) -> Any:
    """⟦L⟧ |∂ₑz| ÷ |∇z|² at each crossing, times its weight.

    Breaks at the same place, such as those of relu(z) and relu(−z), change sides together and count once.
    """
    arrays = [jax.lax.stop_gradient(a) for a in functions.arrays]
    # Rounding of z along a line, with some room.
    tie = 64 * float(np.finfo(np.dtype(functions.dtype)).eps)

    def bent(x: Any, direction: Any, column: Any) -> Any:
        above, below, _, normal = functions.sides(arrays, x, column)
        return weighted(above - below, normal, direction)

    def weighted(jump: Any, normal: Any, direction: Any) -> Any:
        square = jnp.sum(normal**2)
        flux = jnp.abs(normal @ direction) / jnp.linalg.norm(direction)
        return jnp.where(square > 0, jump * flux / jnp.where(square > 0, square, 1), 0)

    def at(x: Any, direction: Any, column: Any) -> Any:
        def z_of(y: Any) -> Any:
            return functions.z(arrays, y)

        z, along = jax.jvp(z_of, (x,), (direction,))
        normal = jax.grad(lambda y: z_of(y)[column])(x)
        # z's own distance from nought, in parts of the line, is what the others' may be.
        slack = tie + 4 * jnp.abs(z[column] / jnp.where(along[column] == 0, 1, along[column]))
        tied = (jnp.abs(z) <= slack * jnp.abs(along)).at[column].set(True)
        forward = along * jnp.sign(along[column]) > 0
        above = functions.energy(arrays, x, jnp.where(tied, forward, z > 0))
        below = functions.energy(arrays, x, jnp.where(tied, ~forward, z > 0))
        first = jnp.argmax(tied) == column
        return jnp.where(first, weighted(above - below, normal, direction), 0)

    jump = jax.vmap(bent if functions.factors else at)(found.x, found.direction, found.column)
    return jnp.where(weight > 0, jump * weight, 0)
