"""A model and a density in JAX, at one point: breaks, fields and the density on chosen sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...verify.errors import InputError
from .breaks import Tape, Value, evaluate
from .installed import jax, jnp

# A number of points that is hardly a number of inputs.
SEVERAL = 7


@dataclass(frozen=True, eq=False)
class Functions:
    """A model and a density, read at one point.

    Attributes:
        model: its jaxpr, in the parameters and x (d,), to u (m,).
        density: the jaxpr of the density, in x (d,), u (m,) and du (m, d).
        own: how many breaks are the model's.
        depths: of each break.
        curved: whether breaks are to be looked for on a grid, too.
        dtype: of x.
        arrays: the parameters.
        factors: of each break, see `Tape`; none where they do not tell all.
        torn: which of the model's breaks are comparisons or signs.
    """

    model: Any
    density: Any
    own: int
    depths: tuple[int, ...]
    curved: bool
    dtype: Any
    arrays: Sequence[jax.Array]
    factors: tuple[float, ...] = ()
    torn: tuple[int, ...] = ()

    def _model(self, parameters: Any, x: jax.Array, tape: Tape) -> jax.Array:
        leaves = [Value(leaf) for leaf in jax.tree.leaves(parameters)]
        (u,) = evaluate(self.model, [*leaves, Value(x, 0)], tape)
        return jnp.asarray(u.array)

    def _density(self, x: jax.Array, u: jax.Array, du: jax.Array, tape: Tape) -> jax.Array:
        # A break in x alone does not move.
        (found,) = evaluate(self.density, [Value(x), Value(u, 0, False), Value(du, 0, False)], tape)
        return jnp.asarray(found.array)

    def z(self, parameters: Any, x: jax.Array) -> jax.Array:
        """Of every break, (K,)."""
        tape = Tape()
        if len(self.depths) == self.own:
            self._model(parameters, x, tape)
            return tape.column
        u, back, z = jax.vjp(lambda y: self._noted(parameters, y), x, has_aux=True)
        self._density(x, u, _jacobian(back, u), tape)
        return jnp.concatenate([z.astype(self.dtype), tape.column])

    def _noted(self, parameters: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        tape = Tape()
        u = self._model(parameters, x, tape)
        return u, tape.column

    def value(self, parameters: Any, x: jax.Array) -> jax.Array:
        """u (m,)."""
        return self._model(parameters, x, Tape())

    def sides(self, parameters: Any, x: jax.Array, column: jax.Array) -> tuple[jax.Array, ...]:
        """L where z of a break is positive, and where it is negative, at a place where it is nought; z, and ∇z (d,).

        From one evaluation: ∇u on the other side is known from what the break itself gives, ∂u/∂h times what its slope
        gains there.
        """
        factors = jnp.asarray(self.factors, self.dtype)

        def of(y: jax.Array, push: jax.Array) -> tuple[jax.Array, jax.Array]:
            tape = Tape(push=push)
            u = self._model(parameters, y, tape)
            return u, tape.column

        (u, z), back = jax.vjp(of, x, jnp.zeros(len(factors), self.dtype))
        slope, gain = jax.vmap(lambda row: back((row, jnp.zeros_like(z))))(jnp.eye(len(u), dtype=u.dtype))
        normal, _ = back((jnp.zeros_like(u), jnp.zeros_like(z).at[column].set(1)))
        bend = (factors[column] * gain[:, column])[:, None] * normal
        on = z[column] > 0
        above = self._density(x, u, slope + jnp.where(on, 0, bend), Tape())
        below = self._density(x, u, slope - jnp.where(on, bend, 0), Tape())
        return above, below, z[column], normal

    def energy(self, parameters: Any, x: jax.Array, pattern: jax.Array) -> jax.Array:
        """The density at x with every break on the side that the pattern says (K,)."""
        u, back = jax.vjp(lambda y: self._model(parameters, y, Tape(pattern[: self.own])), x)
        return self._density(x, u, _jacobian(back, u), Tape(pattern[self.own :]))


def _shaped(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.eval_shape(lambda: jnp.zeros(shape, dtype))


def _jacobian(back: Any, u: jax.Array) -> jax.Array:
    return jnp.asarray(jax.vmap(lambda row: back(row)[0])(jnp.eye(len(u), dtype=u.dtype)))


def read(energy: Callable[..., Any], model: Callable[..., Any], parameters: Any, inputs: int) -> Functions:
    """Look at a model and a density.

    Raises:
        InputError: shapes that do not fit, or an operation that cannot be read.
    """
    # A module of equinox holds functions, too.
    leaves, structure = jax.tree.flatten(parameters)
    places = [k for k, leaf in enumerate(leaves) if hasattr(leaf, "dtype")]
    arrays = [leaves[k] for k in places]
    floats = [leaf.dtype for leaf in arrays if jnp.issubdtype(leaf.dtype, jnp.floating)]
    if not floats:
        raise InputError("parameters: hold no array of floating-point numbers; a pytree of such arrays would be right")
    dtype = jnp.result_type(*floats)

    def of_arrays(arrays: Sequence[jax.Array], x: jax.Array) -> Any:
        given = dict(zip(places, arrays, strict=True))
        return model(jax.tree.unflatten(structure, [given.get(k, leaf) for k, leaf in enumerate(leaves)]), x)

    at, scalar = _at_a_point(of_arrays, arrays, inputs, dtype)
    point = _shaped((inputs,), dtype)
    jaxpr, shape = jax.make_jaxpr(at, return_shape=True)(arrays, point)
    u, outputs = shape, shape.shape[0]

    def density(x: jax.Array, u: jax.Array, du: jax.Array) -> jax.Array:
        x = x if inputs > 1 else x[0]
        du = du if inputs > 1 else du[:, 0]
        u, du = (u[0], du[0]) if scalar else (u, du)
        found = energy(x[None], u[None], du[None])
        if jnp.shape(found) != (1,):
            raise InputError(
                f"energy: gives shape {jnp.shape(found)} for one point; one number a point, (n,), would be right"
            )
        return jnp.asarray(found)[0]

    slope = _shaped((outputs, inputs), u.dtype)
    written = jax.make_jaxpr(density)(point, u, slope)
    found: list[Tape] = [Tape(), Tape()]
    blank = Functions(jaxpr, written, 0, (), False, dtype, arrays)
    jax.eval_shape(lambda p, x: blank._model(p, x, found[0]), arrays, point)
    jax.eval_shape(lambda x, u, du: blank._density(x, u, du, found[1]), point, u, slope)
    last = max(found[0].depths, default=0)
    factors = tuple(found[0].factors) if found[0].bent and not found[1].depths else ()
    depths = (*found[0].depths, *(last + depth for depth in found[1].depths))
    return Functions(
        jaxpr,
        written,
        len(found[0].depths),
        depths,
        found[0].curved or bool(found[1].depths),
        dtype,
        arrays,
        factors,
        tuple(found[0].torn),
    )


def _at_a_point(
    model: Callable[..., Any], parameters: Any, inputs: int, dtype: Any
) -> tuple[Callable[[Any, jax.Array], jax.Array], bool]:
    """The model as a function of one point with a vector for u, and whether it has no axis of outputs."""
    shapes = [(SEVERAL, inputs), (inputs,)]
    shapes = [(SEVERAL,), *shapes, ()] if inputs == 1 else shapes
    tried = ""
    for shape in shapes:
        try:
            out = jax.eval_shape(model, parameters, _shaped(shape, dtype))
            found = out.shape
        except InputError:
            raise
        except Exception as error:  # a model may fail on a shape in any way
            tried = tried or str(error).split("\n")[0]
            continue
        many = shape[:1] == (SEVERAL,)
        if (many and (found[:1] != (SEVERAL,) or len(found) > 2)) or (not many and len(found) > 1):
            continue
        scalar = len(found) == (1 if many else 0) or found[-1] == 1
        inner = shape[1:] if many else shape

        def at(parameters: Any, x: jax.Array, inner: Any = inner, many: bool = many) -> jax.Array:
            x = x.reshape(inner)
            return jnp.asarray(model(parameters, x[None])[0] if many else model(parameters, x)).reshape(-1)

        return at, scalar
    raise InputError(
        f"model: takes neither x of shape (n, {inputs}) nor of one point ({inputs},) to u of (n,) or (n, m)"
        + (f" ({tried})" if tried else "") + "; model(parameters, x) would be right"
    )  # fmt: skip
