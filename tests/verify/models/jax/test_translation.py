"""Functions of JAX told in torch: the same numbers, for any number of points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify.errors import InputError

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402
from kinkproof.verify.models.jax.translation import Translation  # noqa: E402
from kinkproof.verify.models.seeing.operations import Interception  # noqa: E402


@jax.custom_jvp
def cubed(x: Any) -> Any:
    return x**3


cubed.defjvp(lambda primals, tangents: (primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]))

# Of x (n, 2); what a network, a distance or a density may be made of.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **{
        name: getattr(jax.nn, name)
        for name in (
            "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "soft_sign",
            "hard_tanh", "hard_sigmoid", "hard_silu", "squareplus", "log_softmax", "standardize", "glu", "sigmoid",
        )
    },
    **{name: getattr(jnp, name) for name in ("sinc", "cbrt", "sign", "floor", "round", "exp2", "arctan", "square")},
    "max of a row": lambda x: jnp.max(x, 1),
    "softmax": lambda x: jax.nn.softmax(x)[:, 0],
    "norm": lambda x: jnp.linalg.norm(x, axis=1),
    "where": lambda x: jnp.where(x < 0.5, 1, x),
    "stop_gradient": lambda x: jax.lax.stop_gradient(x) * x,
    "stack": lambda x: jnp.stack([x[:, 0], x[:, 1]], 1),
    "interp": lambda x: jnp.interp(x[:, 0], jnp.array([0, 0.5, 1]), jnp.array([0, 1, 0])),
    "other order": lambda x: x[:, jnp.array([1, 0])],
    "cumsum": lambda x: jnp.cumsum(x, 1),
    "reversed": lambda x: x[:, ::-1],
    "roll": lambda x: jnp.roll(x, 1, 1),
    "pad": lambda x: jnp.pad(x, ((0, 0), (1, 2))),
    "tile": lambda x: jnp.tile(x, (1, 2)),
    "set": lambda x: x.at[:, 0].set(1.5),
    "powers": lambda x: jnp.abs(x) ** 1.5 + x**3,
    "mod": lambda x: jnp.mod(x, 0.3),
    "clip": lambda x: jnp.clip(x, -1, 0.5),
    "piecewise": lambda x: jnp.piecewise(x, [x < 0, x >= 0], [lambda x: -x, lambda x: x**2]),
    "einsum": lambda x: jnp.einsum("ni,nj->nij", x, x),
    "fori_loop": lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y * x + 1, x),
    "while_loop": lambda x: jax.lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * x), (0, x))[1],
    "scan": lambda x: jax.lax.scan(lambda c, w: (c + w * x, None), x, jnp.array([1.0, 2.0]))[0],
    "scan backwards": lambda x: jax.lax.scan(lambda c, w: (c * w, c), x, jnp.array([1.0, 2.0]), reverse=True)[1],
    "cond": lambda x: jax.lax.cond(True, lambda y: y, lambda y: -y, x),
    "polynomial": lambda x: jnp.polyval(jnp.array([1.0, 2, 3]), x),
    "random features": lambda x: jnp.sin(x @ jax.random.normal(jax.random.key(0), (2, 5))),
    "sort": lambda x: jnp.sort(x, 1),
    "heaviside": lambda x: jnp.heaviside(x, 0.5),
    "variance": lambda x: x.var(1),
    "logsumexp": lambda x: jax.nn.logsumexp(x, 1),
    "argmax": lambda x: jnp.take_along_axis(x, jnp.argmax(x, 1)[:, None], 1),
    "arctan2": lambda x: jnp.arctan2(x[:, 0], x[:, 1]),
    "custom_jvp": cubed,
    "vmap": jax.vmap(lambda row: jnp.dot(row, row)),
    "grad": lambda x: jax.vmap(jax.grad(lambda row: (jnp.tanh(row) ** 2).sum()))(x),
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(x) * 2),
    "every other point": lambda x: x * x[::2].shape[0] / len(x),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_numbers_are_those_of_jax_for_any_number_of_points(name: str) -> None:
    function = FUNCTIONS[name]
    told = Translation(function, "model", function)
    generator = np.random.default_rng(1)
    for points in (4, 7):
        x = generator.standard_normal((points, 2))
        with jax.enable_x64(True):
            wanted = np.asarray(function(jnp.asarray(x)))
        found = told(torch.from_numpy(x))
        assert found.shape == wanted.shape
        # Both round each operation once; some twenty of them.
        assert np.abs(found.numpy() - wanted).max() <= 1e-14 * (1 + np.abs(wanted).max())


def test_a_function_is_read_once_for_all_numbers_of_points() -> None:
    read = 0

    def model(x: Any) -> Any:
        nonlocal read
        read += 1
        return jnp.tanh(x) @ jnp.ones((2, 3))

    told = Translation(model, "model", model)
    for points in (3, 5, 8):
        assert told(torch.ones(points, 2, dtype=torch.float64)).shape == (points, 3)
    assert read == 2


def test_activations_keep_their_names_and_only_they() -> None:
    @jax.jit
    def relu(x: Any) -> Any:
        return jnp.maximum(x, 0) + jnp.minimum(x, 0) / 2

    for function, wanted in ((jax.nn.relu, ["relu"]), (relu, ["maximum", "minimum"])):
        seen: list[str] = []
        with Interception(lambda name, _: seen.append(name)):  # noqa: B023
            Translation(function, "model", function)(torch.randn(5, 2, dtype=torch.float64))
        assert seen == wanted


def test_derivatives_go_through_and_not_where_they_are_stopped() -> None:
    def model(x: Any) -> Any:
        return jnp.sin(x) * jax.lax.stop_gradient(x)

    x = torch.tensor([[0.3, 0.7]], dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(Translation(model, "model", model)(x).sum(), x)
    assert torch.allclose(found, x * x.cos(), rtol=1e-15)


def test_what_torch_has_not_is_named() -> None:
    def model(x: Any) -> Any:
        return jax.lax.top_k(x, 1)[0]

    with pytest.raises(InputError, match=r"^model: lax.top_k of values that depend on x .*test_translation.py:\d+"):
        Translation(model, "model", model)(torch.ones(3, 2))


def test_what_jax_cannot_trace_is_refused_with_its_line() -> None:
    def model(x: Any) -> Any:
        return x if x[0, 0] > 0 else -x

    with pytest.raises(InputError, match=r"^model: JAX cannot trace it \(TracerBoolConversionError.*test_translation"):
        Translation(model, "model", model)(torch.ones(3, 2))
