"""Models written in JAX under audit: JAX's own gradient against the exact one of the same function told in torch."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import audit
from kinkproof.verify.errors import InputError
from torch import nn

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402

DOMAIN = (0.0, 1.0)


def network(seed: int = 0, width: int = 8, dtype: str = "float64") -> dict[str, Any]:
    """Two layers; JAX is told their precision by their arrays."""
    generator = np.random.default_rng(seed)
    shapes = {"w": (1, width), "b": (width,), "v": (width, width), "c": (width,), "out": (width, 1)}
    with jax.enable_x64(dtype == "float64"):
        return {n: jnp.asarray(generator.uniform(-1, 1, s), dtype) for n, s in shapes.items()}


def model(p: Any, x: Any, activation: Any = jax.nn.relu) -> Any:
    h = activation(activation(x @ p["w"] + p["b"]) @ p["v"] + p["c"])
    return x * (1 - x) * (h @ p["out"])


def bar(x: Any, u: Any, du: Any) -> Any:
    return du**2 / 2 - jnp.pi**2 * jnp.sin(jnp.pi * x) * u


class Bar(nn.Module):
    """The same network in torch."""

    def __init__(self, p: Any) -> None:
        super().__init__()
        for name, array in p.items():
            self.register_parameter(name, nn.Parameter(torch.from_numpy(np.array(array))))

    def forward(self, x: Any) -> Any:
        h = torch.relu(torch.relu(x @ self.w + self.b) @ self.v + self.c)
        return x * (1 - x) * (h @ self.out)


def shallow(p: Any, x: Any) -> Any:
    return x * (1 - x) * (jax.nn.relu(x * p["w"][0] + p["b"]) @ p["c"])


def loss(p: Any, n: int) -> Any:
    x = (jnp.arange(n) + 0.5) / n
    u, du = jax.vmap(jax.value_and_grad(partial(shallow, p)))(x)
    return bar(x, u, du).mean()


@pytest.mark.slow
def test_exact_gradient_and_verdict_are_those_of_the_same_network_in_torch() -> None:
    p = network()
    found, same = (
        audit(model, bar, DOMAIN, parameters=p),
        audit(Bar(p), lambda x, u, du: du**2 / 2 - torch.pi**2 * torch.sin(torch.pi * x) * u, DOMAIN),
    )
    assert found.verdict == same.verdict == "inconsistent"
    # JAX flattens dicts in the order of their names.
    order = [list(p).index(n) for n in sorted(p)]
    bounds = np.cumsum([0, *(int(np.prod(a.shape)) for a in p.values())])
    ours = np.concatenate([np.arange(bounds[k], bounds[k + 1]) for k in order])
    for mine, theirs in ((found.bulk, same.bulk), (found.dirac, same.dirac), (found.autodiff, same.autodiff)):
        # Sums over some hundred Gauss points in another order.
        assert np.abs(mine - theirs[ours]).max() <= 1e-13 * np.abs(theirs).max()
    assert found.operations == same.operations


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_smooth_network_raises_no_alarm(dtype: str) -> None:
    assert audit(partial(model, activation=jnp.tanh), bar, parameters=network(1, dtype=dtype)).passed


@pytest.mark.slow
def test_the_printed_summand_is_the_missing_part() -> None:
    p = network(2)
    found = audit(model, bar, parameters=p)

    def value(own: Any) -> Any:
        names = {"value": 0.0, "model": model, "parameters": own, "bar": bar}
        exec(found.remedy, names)
        return names["value"]

    with jax.enable_x64(True):
        added = jax.jit(jax.grad(value))(p)
    row = np.concatenate([np.ravel(added[n]) for n in sorted(p)])
    assert np.abs(row - found.dirac).max() <= 1e-12 * np.abs(found.dirac).max()
    assert np.abs(row).max() > 1e-3


@pytest.mark.slow
def test_a_whole_loss() -> None:
    p = {n: a for n, a in network(3).items() if n in ("w", "b", "c")}
    found = audit(shallow, bar, parameters=p, loss=loss)
    assert found.verdict == "inconsistent"
    # A model of one number at a time.
    assert "jax.vmap(model, (None, 0))" in found.remedy


@pytest.mark.long
def test_points_drawn_anew_by_the_user() -> None:
    p = network(3)
    drawn = np.random.default_rng(0)

    def anew(n: int) -> Any:
        return jnp.asarray(drawn.uniform(size=n)), jnp.full(n, 1 / n)

    found = audit(model, bar, parameters=p, quadrature=anew)
    assert found.verdict == "inconsistent"
    assert found.draws > 0


@pytest.mark.slow
def test_a_loss_of_the_scripts_own_parameters_is_refused() -> None:
    p = network(4)
    with pytest.raises(InputError, match=r"^loss: it does not depend on the parameters that it is given"):
        audit(shallow, bar, parameters=p, loss=lambda own, n: loss(p, n))


@pytest.mark.slow
def test_ends_parameters_of_the_density_and_trees_of_any_depth() -> None:
    p = {"net": network(5), "stiffness": [jnp.asarray(2.0)]}

    def whole(own: Any, x: Any) -> Any:
        return model(own["net"], x[:, None])[:, 0] + own["stiffness"][0] * x

    def density(x: Any, u: Any, du: Any, parameters: Any) -> Any:
        return parameters["stiffness"][0] * du**2 / 2

    def nitsche(u: Any, du: Any) -> Any:
        return u[1] * du[1] - u[0] * du[0] + 10 * (u**2).sum()

    found = audit(whole, density, parameters=p, ends=nitsche)
    assert found.verdict == "inconsistent"
    assert "stiffness.0" in [t.name for t in found.tensors]
    assert "parameters=parameters" in found.remedy


def test_the_strong_form_is_told_that_it_is_blind() -> None:
    found = audit(model, lambda x, u, du, ddu: (ddu + jnp.sin(x)) ** 2, parameters=network())
    assert found.verdict == "inconsistent"
    assert "jnp.tanh" in found.remedy


def test_a_wrong_rule_of_differentiation_is_found() -> None:
    @jax.custom_jvp
    def bent(x: Any) -> Any:
        return jnp.tanh(x)

    # The planted fault: tanh′ is 1 − tanh².
    bent.defjvp(lambda primals, tangents: (bent(primals[0]), (1 - bent(primals[0])) * tangents[0]))
    with pytest.raises(InputError, match=r"^model: at x = 0.618034 JAX has u′ = .* its operations give .*custom_jvp"):
        audit(partial(model, activation=bent), bar, parameters=network(7))


@pytest.mark.long
def test_equinox_and_flax_modules() -> None:
    equinox, linen = pytest.importorskip("equinox"), pytest.importorskip("flax.linen")
    net = equinox.nn.MLP(1, 1, 8, 2, activation=jax.nn.relu, key=jax.random.key(1))
    found = audit(net, bar)
    assert found.verdict == "inconsistent"
    assert found.tensors[0].name == "layers.0.weight"
    assert "lambda model, x: jax.vmap(model)(x), model" in found.remedy
    dense = linen.Sequential([linen.Dense(8), jnp.tanh, linen.Dense(1)])
    weights = dense.init(jax.random.key(0), jnp.zeros((1, 1)))
    assert audit(dense.apply, bar, parameters=weights).passed


def square(p: Any, x: Any) -> Any:
    h = jax.nn.relu(x @ p["w"] + p["b"])
    return (4 * x * (1 - x)).prod(-1) * (h @ p["c"])


def plate(x: Any, u: Any, du: Any) -> Any:
    return (du**2).sum(1) / 2 - 10 * jnp.sin(jnp.pi * x).prod(1) * u


def of_two(width: int = 6) -> dict[str, Any]:
    generator = np.random.default_rng(1)
    shapes = {"w": (2, width), "b": (width,), "c": (width,)}
    with jax.enable_x64(True):
        return {n: jnp.asarray(generator.uniform(-1, 1, s)) for n, s in shapes.items()}


class Square(nn.Module):
    """The same in torch."""

    def __init__(self, p: Any) -> None:
        super().__init__()
        for name in sorted(p):
            self.register_parameter(name, nn.Parameter(torch.from_numpy(np.array(p[name]))))

    def forward(self, x: Any) -> Any:
        return (4 * x * (1 - x)).prod(-1) * (torch.relu(x @ self.w + self.b) @ self.c)


@pytest.mark.slow
def test_several_inputs() -> None:
    p, box = of_two(), ((0.0, 1.0), (0.0, 1.0))
    found = audit(square, plate, box, parameters=p)
    assert found.verdict == "inconsistent"
    assert "dirac_term(plate, model, parameters, ((0.0, 1.0), (0.0, 1.0)), key)" in found.remedy
    same = audit(Square(p), lambda x, u, du: (du**2).sum(1) / 2 - 10 * torch.sin(torch.pi * x).prod(1) * u, box)
    for mine, theirs in ((found.bulk, same.bulk), (found.dirac, same.dirac), (found.autodiff, same.autodiff)):
        # Sums over some ten thousand points on the same lines, in another order.
        assert np.abs(mine - theirs).max() <= 1e-11 * np.abs(theirs).max()
    smooth = audit(lambda p, x: jnp.tanh(x @ p["w"] + p["b"]) @ p["c"], plate, box, parameters=p, rule="sobol")
    assert smooth.verdict == "consistent"


@pytest.mark.long
def test_losses_of_several_integrals_are_those_of_the_same_network_in_torch() -> None:
    p = network(3)
    mass = [(lambda x, u, du: u**2, None), (lambda x, u, du: du**2, (0.2, 0.7)), (lambda x, u, du: u, [0.3, 0.6])]
    found = audit(model, bar, DOMAIN, parameters=p, terms=mass, loss_of=lambda a, b, c, d: a / jnp.sqrt(1 + b) + c * d)

    def in_torch(x: Any, u: Any, du: Any) -> Any:
        return du**2 / 2 - torch.pi**2 * torch.sin(torch.pi * x) * u

    # JAX has the keys of a dictionary in order.
    twin, made = Bar(dict(sorted(p.items()))), lambda a, b, c, d: a / torch.sqrt(1 + b) + c * d
    same = audit(twin, in_torch, DOMAIN, terms=mass, loss_of=made)
    assert found.verdict == same.verdict == "inconsistent"
    assert [i.verdict for i in found.integrals] == [i.verdict for i in same.integrals]
    for mine, theirs in ((found.bulk, same.bulk), (found.dirac, same.dirac), (found.autodiff, same.autodiff)):
        assert np.abs(mine - theirs).max() <= 1e-11 * np.abs(theirs).max()
    assert "the loss is made of several integrals" in found.remedy


@pytest.mark.slow
def test_terms_on_the_sides_of_a_square() -> None:
    p, box = of_two(), ((0.0, 1.0), (0.0, 1.0))

    def free(p: Any, x: Any) -> Any:
        return jax.nn.relu(x @ p["w"] + p["b"]) @ p["c"]

    class Free(Square):
        def forward(self, x: Any) -> Any:
            return torch.relu(x @ self.w + self.b) @ self.c

    terms = [(lambda x, u, du: 10 * u**2 + du[:, 0] ** 2, ((0, 1), 0))]
    found = audit(free, plate, box, parameters=p, terms=terms)
    load = lambda x, u, du: (du**2).sum(1) / 2 - 10 * torch.sin(torch.pi * x).prod(1) * u  # noqa: E731
    same = audit(Free(p), load, box, terms=terms)
    assert found.verdict == same.verdict == "inconsistent"
    for mine, theirs in ((found.bulk, same.bulk), (found.dirac, same.dirac), (found.autodiff, same.autodiff)):
        assert np.abs(mine - theirs).max() <= 1e-11 * np.abs(theirs).max()


@pytest.mark.long
def test_several_outputs_and_one_point_at_a_time() -> None:
    p = of_two()

    def of_one(p: Any, x: Any) -> Any:
        bump = (4 * x * (1 - x)).prod()
        h = jax.nn.relu(x @ p["w"] + p["b"])
        return bump * jnp.stack([h @ p["c"], h[:3].sum()])

    def pulled(x: Any, u: Any, du: Any) -> Any:
        return (du**2).sum((1, 2)) / 2 + du[:, 0, 0] * du[:, 1, 1] / 2 - x[:, 0] * u[:, 1]

    assert audit(of_one, pulled, ((0, 1), (0, 1)), parameters=p).verdict == "inconsistent"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda p, x: jnp.outer(x[:, 0], x[:, 0]) + p["b"][0], r"^model: it returns shape \(7, 7\) for 7 points"),
        (lambda p, x: jax.lax.top_k(x @ p["w"], 1)[0], r"^model: lax.top_k"),
        (lambda p, x: (x @ p["w"]).mean() + x, r"^model: its value at a point depends on the other points"),
        (lambda p, x: jnp.where(x @ p["w"] > 0.1, 1.0, 0.0) @ p["out"] + x * p["c"][0], "jump"),
    ],
)
def test_models_that_cannot_be_judged_are_refused_in_a_sentence(function: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        audit(function, bar, parameters=network(8))
