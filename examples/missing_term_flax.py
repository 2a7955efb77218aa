"""The same term in JAX with flax, within a compiled step. `python missing_term_flax.py [STEPS]`"""

import sys
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from kinkproof.solver.jax import dirac_term

jax.config.update("jax_enable_x64", True)
SQUARE = ((0, 1), (0, 1))


class Ritz(nn.Module):
    """16 x(1 − x) y(1 − y) times a network, which vanishes on the boundary."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = nn.relu(nn.Dense(40, param_dtype=jnp.float64, bias_init=nn.initializers.uniform(1.0))(x) - 0.5)
        return 16 * (x * (1 - x)).prod(-1) * nn.Dense(1, param_dtype=jnp.float64)(hidden)[..., 0]


def energy(x: jax.Array, u: jax.Array, du: jax.Array) -> jax.Array:
    """−Δu = 2π² sin πx sin πy."""
    return (du**2).sum(1) / 2 - 2 * jnp.pi**2 * jnp.sin(jnp.pi * x).prod(1) * u


def train(steps: int, with_term: bool) -> float:
    """Relative error of ∇u at the end, in L²."""
    model = Ritz()
    parameters = model.init(jax.random.key(0), jnp.zeros((1, 2)))
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, steps))

    def slope(parameters: Any, x: jax.Array) -> jax.Array:
        return jax.vmap(jax.grad(lambda point: model.apply(parameters, point)))(x)

    def loss(parameters: Any, key: jax.Array) -> jax.Array:
        points, lines = jax.random.split(key)
        x = jax.random.uniform(points, (500, 2), jnp.float64)
        mean = energy(x, model.apply(parameters, x), slope(parameters, x)).mean()
        return mean + dirac_term(energy, model.apply, parameters, SQUARE, lines) if with_term else mean

    @jax.jit
    def step(parameters: Any, state: Any, key: jax.Array) -> Any:
        updates, state = optimizer.update(jax.grad(loss)(parameters, key), state)
        return optax.apply_updates(parameters, updates), state

    state = optimizer.init(parameters)
    for key in jax.random.split(jax.random.key(1), steps):
        parameters, state = step(parameters, state, key)
    x = jax.random.uniform(jax.random.key(2), (20_000, 2), jnp.float64)
    wanted = jnp.pi * jnp.cos(jnp.pi * x) * jnp.sin(jnp.pi * x)[:, ::-1]
    return float(jnp.linalg.norm(slope(parameters, x) - wanted) / jnp.linalg.norm(wanted))


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    for with_term in (False, True):
        print(f"{'with' if with_term else 'without'} the term: error of the gradient {train(steps, with_term):.4f}")
