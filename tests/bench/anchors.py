"""Other ways to the energy and gradient of sine-2 on 1,000 points, the data at the nodes computed beforehand."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from tests.bench.timing import Call

Array = np.ndarray[Any, Any]

POINTS = 1000
NODES = (np.arange(POINTS) + 0.5) / POINTS
# D, D′ and f of sine-2.
DISTANCE, SLOPE, SOURCE = NODES * (1 - NODES), 1 - 2 * NODES, 4 * np.pi**2 * np.sin(2 * np.pi * NODES)


def torch_by_autograd(vector: Array) -> Call:
    """u′ by a second pass of autograd, as Deep Ritz codes have it."""
    x, source = torch.tensor(NODES, requires_grad=True), torch.tensor(SOURCE)

    def ask() -> tuple[Any, Any]:
        theta = torch.tensor(vector, requires_grad=True)
        w, b, c = theta.chunk(3)
        u = x * (1 - x) * (torch.relu(x[:, None] * w + b) @ c)
        slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        energy = (slope**2 / 2 - source * u).mean()
        return float(energy.detach()), torch.autograd.grad(energy, theta)[0].numpy()

    return ask


def _torch_energy(theta: torch.Tensor, x: Any, distance: Any, rise: Any, source: Any) -> torch.Tensor:
    w, b, c = theta.chunk(3)
    z = x[:, None] * w + b
    network, slope = torch.relu(z) @ c, (z > 0).to(z.dtype) @ (c * w)
    return ((rise * network + distance * slope) ** 2 / 2 - source * distance * network).mean()


def torch_by_hand(vector: Array, compiled: bool = False) -> Call:
    """u′ written out; eager, or compiled."""
    data = [torch.tensor(a) for a in (NODES, DISTANCE, SLOPE, SOURCE)]
    integral = torch.compile(_torch_energy) if compiled else _torch_energy

    def ask() -> tuple[Any, Any]:
        theta = torch.tensor(vector, requires_grad=True)
        energy = integral(theta, *data)
        return float(energy.detach()), torch.autograd.grad(energy, theta)[0].numpy()

    return ask


def jax_jit(vector: Array) -> Call:
    """The same, compiled by JAX in float64."""

    def integral(theta: jax.Array) -> jax.Array:
        w, b, c = jnp.split(theta, 3)
        z = NODES[:, None] * w + b
        network, slope = jnp.maximum(z, 0) @ c, (z > 0) @ (c * w)
        return jnp.mean((SLOPE * network + DISTANCE * slope) ** 2 / 2 - SOURCE * DISTANCE * network)

    compiled = jax.jit(jax.value_and_grad(integral))

    def ask() -> tuple[Any, Any]:
        with jax.enable_x64(True):
            energy, gradient = compiled(jnp.asarray(vector))
            return float(energy), np.asarray(gradient)

    return ask


def numpy_by_hand(vector: Array) -> Call:
    """Energy and gradient written out in NumPy."""
    loads = SOURCE * DISTANCE

    def ask() -> tuple[Any, Any]:
        w, b, c = np.split(vector, 3)
        z = NODES[:, None] * w + b
        active = (z > 0).astype(float)
        z *= active
        network, steps = z @ c, c * w
        slope = SLOPE * network + DISTANCE * (active @ steps)
        by_network, by_slope = (slope * SLOPE - loads) / POINTS, slope * DISTANCE / POINTS
        onto = by_network @ active, (by_network * NODES) @ active, by_slope @ active
        gradient = np.concatenate([c * (onto[1] + onto[2]), c * onto[0], by_network @ z + w * onto[2]])
        return float((slope**2 / 2 - loads * network).mean()), gradient

    return ask
