"""What the missing term costs in a compiled step of JAX."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from kinkproof.solver.jax import dirac_term

from tests.bench.timing import compare, heading

NETWORKS: list[tuple[int, tuple[int, ...]]] = [(2, (40,)), (2, (64, 64)), (3, (64, 64, 64))]


def parameters(inputs: int, widths: tuple[int, ...], dtype: str) -> list[tuple[jax.Array, jax.Array]]:
    """As torch starts them: evenly within 1 ÷ √fan-in."""
    random = np.random.default_rng(0)
    out = []
    for a, b in pairwise((inputs, *widths, 1)):
        w, c = (random.uniform(-1, 1, size) / a**0.5 for size in ((a, b), (b,)))
        out.append((jnp.asarray(w, dtype), jnp.asarray(c, dtype)))
    return out


def model(p: Any, x: jax.Array) -> jax.Array:
    h = x
    for w, b in p[:-1]:
        h = jax.nn.relu(h @ w + b)
    distance: jax.Array = 4 ** x.shape[1] * jnp.prod(x * (1 - x), 1)
    return distance * (h @ p[-1][0] + p[-1][1])[:, 0]


def energy(x: jax.Array, u: jax.Array, du: jax.Array) -> jax.Array:
    return jnp.sum(du**2, 1) / 2 - jnp.sin(3 * x[:, 0]) * u


def at_points(p: Any, key: jax.Array, inputs: int) -> jax.Array:
    x = jax.random.uniform(key, (1000, inputs), p[0][0].dtype)
    u, back = jax.vjp(lambda y: model(p, y), x)
    return jnp.mean(energy(x, u, back(jnp.ones_like(u))[0]))


def rows() -> None:
    """A compiled step with the term over the plain one."""
    heading("Compiled step of JAX with dirac_term ÷ plain step (u, ∇u by autodiff, 1,000 points)")
    for dtype in ("float64", "float32"):
        for inputs, widths in NETWORKS:
            with jax.enable_x64(dtype == "float64"):
                p, key = parameters(inputs, widths, dtype), jax.random.key(0)
                box = ((0, 1),) * inputs

                def loss(p: Any, key: jax.Array, inputs: int = inputs, box: Any = box) -> jax.Array:
                    found: jax.Array = at_points(p, key, inputs) + dirac_term(energy, model, p, box, key)
                    return found

                plain = jax.jit(jax.value_and_grad(lambda p, key, d=inputs: at_points(p, key, d)))
                mended = jax.jit(jax.value_and_grad(loss))
                jax.block_until_ready((plain(p, key), mended(p, key)))
                compare(
                    f"{inputs}-D {'-'.join(map(str, widths))}, {dtype}",
                    lambda f=mended, p=p, key=key: jax.block_until_ready(f(p, key)),
                    lambda f=plain, p=p, key=key: jax.block_until_ready(f(p, key)),
                    "≤ 1.5",
                )
