"""JAX, or the sentence that says how to get it."""

try:
    import jax as jax
    import jax.numpy as jnp
    from jax.core import Tracer as Tracer
    from jax.extend import core as core
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("JAX is not installed; pip install 'kinkproof[jax]' would be right") from error

__all__ = ["Tracer", "core", "jax", "jnp"]
