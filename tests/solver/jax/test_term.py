"""The term for JAX against energies that NumPy integrates, whose difference quotients hold all of the gradient."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from kinkproof.solver import Polygon as InTorch
from kinkproof.solver.jax import DiracSample, Polygon, dirac_sample, dirac_term
from kinkproof.solver.jax import term as module
from kinkproof.solver.jax.crossings import axis_lines
from kinkproof.verify.errors import InputError

from ..mending import reference

# Of x (n, d), u (n, m), ∇u (n, m, d), in NumPy and JAX.
DENSITIES: dict[str, Callable[..., Any]] = {
    "Dirichlet": lambda x, u, du: (du**2).sum((1, 2)) / 2 - x[:, 0] ** 2 * u.sum(1),
    "quartic": lambda x, u, du: (1 + u[:, 0] ** 2) * (du**2).sum((1, 2)) / 2 + (du**2).sum((1, 2)) ** 2 / 20,
    "cubic": lambda x, u, du: u[:, 0] ** 3 * (du**2).sum((1, 2)) + x[:, 0] * du[:, 0, 0] ** 3,
}


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


class Case:
    """u = D·N on the unit cube."""

    def __init__(self, inputs: int, widths: tuple[int, ...], outputs: int, density: str, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.inputs, self.outputs, self.density = inputs, outputs, DENSITIES[density]
        sizes = (inputs, *widths, outputs)
        self.layers = [
            (random.uniform(-1, 1, (b, a)) * 2 / a**0.5, random.uniform(-1, 1, b)) for a, b in pairwise(sizes)
        ]
        # So that each unit of the first layer has its kink inside.
        weight = self.layers[0][0]
        self.layers[0] = (weight, -(weight * random.random(weight.shape)).sum(1))
        self.theta, self.restore = jax.flatten_util.ravel_pytree(self.layers)
        self.box: Any = (0, 1) if inputs == 1 else ((0, 1),) * inputs

    def model(self, theta: jax.Array, x: jax.Array) -> jax.Array:
        h = x = x.reshape(len(x), self.inputs)
        *hidden, (last, shift) = self.restore(theta)
        for w, b in hidden:
            h = jax.nn.relu(h @ w.T + b)
        u = jnp.prod(4 * x * (1 - x), 1)[:, None] * (h @ last.T + shift)
        return u[:, 0] if self.outputs == 1 else u

    def energy(self, x: Any, u: Any, du: Any) -> Any:
        n = len(x)
        return self.density(x.reshape(n, -1), u.reshape(n, -1), du.reshape(n, self.outputs, self.inputs))

    def draws(self, times: int, **options: Any) -> np.ndarray[Any, Any]:
        slope = jax.grad(lambda t, key: dirac_term(self.energy, self.model, t, self.box, key, **options))
        keys = jax.random.split(jax.random.key(1), times)
        return np.asarray(jax.jit(lambda t: jax.lax.map(lambda key: slope(t, key), keys))(self.theta))

    def nodes(self, theta: np.ndarray[Any, Any]) -> reference.Nodes:
        layers = self.restore(theta)
        if self.inputs == 2:
            return reference.cells(layers, 10)
        return reference.along(layers, reference.Grid() if self.inputs == 1 else reference.lattice(1500, 0), 10)

    def bulk(self) -> np.ndarray[Any, Any]:
        nodes = self.nodes(np.asarray(self.theta))
        x, weights = jnp.asarray(nodes.x.reshape(-1, self.inputs)), jnp.asarray(nodes.weights.ravel())

        def whole(theta: jax.Array) -> jax.Array:
            u, back = jax.vjp(lambda y: self.model(theta, y).reshape(len(y), -1), x)
            rows = [back(jnp.zeros_like(u).at[:, k].set(1))[0] for k in range(self.outputs)]
            return weights @ self.energy(x, u, jnp.stack(rows, 1))

        return np.asarray(jax.grad(whole)(self.theta))

    def quotient(self, direction: np.ndarray[Any, Any], step: float) -> float:
        """Of the energy along a direction, to the sixth order."""

        def energy(t: float) -> float:
            theta = np.asarray(self.theta) + t * step * direction
            layers = [(np.asarray(w), np.asarray(b)) for w, b in self.restore(theta)]
            return self.nodes(theta).energy(layers, self.density)

        return sum(c * (energy(k) - energy(-k)) for k, c in ((1, 45), (2, -9), (3, 1))) / (60 * step)


@pytest.mark.slow
@pytest.mark.parametrize(("widths", "outputs", "density", "seed"),
    [((5,), 1, "Dirichlet", 0),
     # Compiling what is deeper takes most of the time.
     pytest.param((4, 3), 2, "quartic", 1, marks=pytest.mark.long),
     pytest.param((3, 3, 3), 1, "cubic", 2, marks=pytest.mark.long)])  # fmt: skip
def test_in_one_input_it_is_exact_and_draws_nothing(
    widths: tuple[int, ...], outputs: int, density: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(1, widths, outputs, density, seed)
    term, bulk = case.draws(1)[0], case.bulk()
    random = np.random.default_rng(seed)
    for _ in range(3):
        v = random.standard_normal(len(term)) / len(term) ** 0.5
        # Small against the distances of kinks; rounding of the energy over it is some 1e-12 of the gradient.
        wanted = case.quotient(v, 3e-4)
        size = np.linalg.norm(bulk)
        assert abs((term + bulk) @ v - wanted) <= 2e-11 * size
        assert abs(bulk @ v - wanted) > 1e-6 * size
    # Both sides of L taken on one: the fault is seen.
    right = module._coefficients
    monkeypatch.setattr(module, "_coefficients", lambda *given: 0.3 * right(*given))
    assert abs((case.draws(1)[0] + bulk) @ v - wanted) > 1e-6 * size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "widths", "outputs", "density", "seed"),
    [
        (2, (6,), 1, "Dirichlet", 0),
        pytest.param(2, (5, 4), 2, "quartic", 1, marks=pytest.mark.long),
        pytest.param(2, (4, 4, 4), 1, "cubic", 2, marks=pytest.mark.long),
    ],
)
def test_in_the_plane_its_mean_is_what_autodiff_leaves_out(
    inputs: int, widths: tuple[int, ...], outputs: int, density: str, seed: int
) -> None:
    case = Case(inputs, widths, outputs, density, seed)
    draws = case.draws(300)
    mean = draws.mean(0)
    v = mean / np.linalg.norm(mean)
    error = (draws @ v).std(ddof=1) / len(draws) ** 0.5
    # So small a standard error that plain autodiff, which leaves out all of it, is far outside.
    assert error <= 0.02 * np.linalg.norm(mean)
    missing = case.quotient(v, 1e-4) - case.bulk() @ v
    assert abs(mean @ v - missing) <= 4 * error
    assert abs(missing) > 4 * error


@pytest.mark.slow
def test_where_room_runs_out_for_all_lines_together_each_is_searched_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(2, (4, 3), 1, "Dirichlet", 4)

    def asked() -> tuple[int, int, np.ndarray[Any, Any]]:
        def term(theta: jax.Array) -> tuple[jax.Array, DiracSample]:
            found = dirac_sample(case.energy, case.model, theta, case.box, jax.random.key(1))
            return found.term, found

        gradient, found = jax.jit(jax.grad(term, has_aux=True))(case.theta)
        return int(found.crossings), int(found.unseen), np.asarray(gradient)

    monkeypatch.setattr(module, "_rooms", lambda *_: [400, 400])
    met, unseen, together = asked()
    # No room for the first layer's, but in all for all of them.
    monkeypatch.setattr(module, "_rooms", lambda *_: [1, 799])
    again, still, alone = asked()
    assert 20 < met == again <= 800
    assert (unseen, still) == (0, 0)
    # Rounding; what lies behind the first layer was met all the same.
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12 * np.abs(alone).max())


def test_on_the_faces_of_a_cube_lines_stand_at_the_places_of_fibonaccis_lattice() -> None:
    lines = axis_lines(np.array([[0.0, 1.0]] * 3), 5, jax.random.key(0), np.dtype("float64"))
    golden = (1 + 5**0.5) / 2
    for k, (first, second) in enumerate([(1, 2), (0, 2), (0, 1)]):
        steps = np.diff(np.asarray(lines.start)[5 * k : 5 * k + 5], axis=0) % 1
        np.testing.assert_allclose(steps[:, first], 1 / 5, rtol=1e-12)
        np.testing.assert_allclose(steps[:, second], 1 / golden, rtol=1e-12)


@pytest.mark.long
def test_a_few_crossings_stand_for_all() -> None:
    case = Case(2, (6, 5), 1, "Dirichlet", 3)
    all_of_them, few = case.draws(200), case.draws(1500, crossings=24)
    mean = all_of_them.mean(0)
    v = mean / np.linalg.norm(mean)
    errors = [(d @ v).std() / len(d) ** 0.5 for d in (all_of_them, few)]
    assert abs(few.mean(0) @ v - mean @ v) <= 4 * np.hypot(*errors)
    assert errors[1] <= 0.05 * np.linalg.norm(mean)


@pytest.mark.long
def test_in_space_behind_two_layers_it_is_what_autodiff_leaves_out() -> None:
    case = Case(3, (4, 4), 1, "Dirichlet", 7)
    draws = case.draws(400)
    mean = draws.mean(0)
    v = mean / np.linalg.norm(mean)
    error = (draws @ v).std(ddof=1) / len(draws) ** 0.5
    assert error <= 0.02 * np.linalg.norm(mean)
    missing = case.quotient(v, 1e-4) - case.bulk() @ v
    # The reference is a sum over 1,500 lines itself: 3e-4 of the term from one lattice to the next was seen in torch.
    assert abs(mean @ v - missing) <= 4 * np.hypot(error, 1e-3 * np.linalg.norm(mean))
    assert abs(missing) > 4 * error


SHAPES: list[tuple[int, tuple[int, ...], int]] = [
    (2, (8,), 1), (2, (5, 4), 1), (2, (5, 4), 2), (2, (4, 4, 4), 1), (2, (9,), 2),
    (1, (8,), 1), (1, (5, 4), 2), (3, (6,), 1), (1, (4, 4, 4), 1), (3, (5, 4), 1),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("k", range(40))
def test_forty_random_models(k: int) -> None:
    case = Case(*SHAPES[k % 10], list(DENSITIES)[(k + k // 10) % 3], seed=100 + k)
    draws = case.draws(1 if case.inputs == 1 else 200)
    mean = draws.mean(0)
    v = mean / np.linalg.norm(mean)
    # In one input two kinks of one model lie within 1e-4 of each other, and may not pass in a difference.
    missing = case.quotient(v, 1e-6 if case.inputs == 1 else 1e-4) - case.bulk() @ v
    # Rounding of the energy over the difference quotient's step; in several inputs four standard errors.
    error = 1e-6 if case.inputs == 1 else (draws @ v).std(ddof=1) / len(draws) ** 0.5
    if case.inputs == 3:
        error = np.hypot(error, 1e-3 * np.linalg.norm(mean))
    assert error <= 0.02 * np.linalg.norm(mean)
    assert abs(mean @ v - missing) <= 4 * error
    assert abs(missing) > 4 * error


@pytest.mark.long
@pytest.mark.parametrize(
    "shape", [(2, (6,), 1), (2, (5, 4), 2), (3, (4, 4), 1)], ids=lambda s: f"{s[0]}-D {s[1]} {s[2]}"
)
def test_from_one_side_with_its_bend_and_from_both_sides_it_is_the_same(
    shape: tuple[int, tuple[int, ...], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(*shape, "quartic", 11)
    one_sided = case.draws(2)
    read = module.read
    monkeypatch.setattr(module, "read", lambda *given: dataclasses.replace(read(*given), factors=()))
    both = case.draws(2)
    # Rounding of the crossings' places.
    np.testing.assert_allclose(one_sided, both, rtol=0, atol=1e-9 * np.linalg.norm(both))
    assert np.linalg.norm(both) > 0


L_SHAPE = Polygon([(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)])


class ByArray:
    """The same domain as libraries have it that know nothing of JAX."""

    bbox = np.zeros(2), np.ones(2)

    def inside(self, x: Any) -> Any:
        x = np.asarray(x)
        return ((x > 0) & (x < 1)).all(1) & ((x[:, 0] < 0.5) | (x[:, 1] < 0.5))


def test_the_same_points_lie_inside_as_in_torch() -> None:
    corners, hole = [(0, 0), (2, 0.3), (1.4, 2), (0.6, 0.9)], [(0.8, 0.5), (1.2, 0.5), (1, 0.8)]
    x = np.random.default_rng(0).random((500, 2)) * 2
    here, there = Polygon(corners, [hole]), InTorch(corners, [hole])
    found = np.asarray(here.inside(jnp.asarray(x)))
    assert (found == there.inside(torch.tensor(x)).numpy()).all()
    assert here.area == pytest.approx(there.volume, rel=1e-12)
    assert 0 < found.sum() < len(x)


@pytest.mark.long
def test_a_domain_in_numpy_is_asked_from_within_a_compiled_step() -> None:
    case = Case(2, (5,), 1, "Dirichlet", 4)
    found = []
    for domain in (L_SHAPE, ByArray()):
        case.box = domain
        found.append(case.draws(3))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-12)
    assert np.linalg.norm(found[0]) > 0


@pytest.mark.long
def test_on_an_l_shape_it_is_what_autodiff_leaves_out_there(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(2, (7,), 1, "Dirichlet", 9)
    case.box = L_SHAPE
    draws = case.draws(300)
    parts = reference.SQUARE * [1, 0.5], reference.SQUARE * 0.5 + [0, 0.5]
    monkeypatch.setattr(reference, "cells", functools.partial(reference.cells, start=parts))
    mean = draws.mean(0)
    v = mean / np.linalg.norm(mean)
    error = (draws @ v).std(ddof=1) / len(draws) ** 0.5
    missing = case.quotient(v, 1e-4) - case.bulk() @ v
    assert error <= 0.02 * np.linalg.norm(mean)
    assert abs(mean @ v - missing) <= 4 * error
    assert abs(missing) > 4 * error


@pytest.mark.long
def test_max_pooling_is_the_maximum_of_its_windows_and_a_scan_its_layers() -> None:
    random = np.random.default_rng(2)
    p = {"w": jnp.asarray(random.normal(size=(1, 6))), "b": jnp.asarray(random.normal(size=6)),
         "s": jnp.asarray(random.normal(size=(2, 3, 3))), "v": jnp.asarray(random.normal(size=3))}  # fmt: skip

    def pooled(h: Any) -> Any:
        return jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 2), (1, 2), "VALID")

    def paired(h: Any) -> Any:
        return jnp.maximum(h[:, ::2], h[:, 1::2])

    def scanned(h: Any, s: Any) -> Any:
        return jax.lax.scan(lambda h, w: (jax.nn.relu(h @ w + 0.1), None), h, s)[0]

    def unrolled(h: Any, s: Any) -> Any:
        return jax.nn.relu(jax.nn.relu(h @ s[0] + 0.1) @ s[1] + 0.1)

    def gradient(pool: Any, deep: Any) -> Any:
        def model(p: Any, x: Any) -> Any:
            return deep(pool(x[:, None] @ p["w"] + p["b"]), p["s"]) @ p["v"]

        slope = jax.jit(jax.grad(lambda p: dirac_term(one, model, p, (-1, 1))))
        return jax.flatten_util.ravel_pytree(slope(p))[0]

    first, second = np.asarray(gradient(pooled, scanned)), np.asarray(gradient(paired, unrolled))
    # Rounding of the crossings' places.
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-10 * np.linalg.norm(second))
    assert np.linalg.norm(second) > 0.1


@pytest.mark.long
@pytest.mark.parametrize("compiled", [True, False])
def test_a_comparison_that_makes_u_jump_is_refused(compiled: bool) -> None:
    def slope(model: Any) -> Any:
        found = jax.grad(lambda p: dirac_term(one, model, p, (0, 1)))
        return (jax.jit(found) if compiled else found)(jnp.array([1.3, -0.6]))

    with pytest.raises(InputError, match="model: u itself jumps where a comparison changes, as at x = "):
        slope(lambda p, x: jnp.where(p[0] * x + p[1] > 0, 1.0, x))
    # Two comparisons at one place, whose jumps cancel.
    assert slope(lambda p, x: (x > 0.5) * (x - 0.5) * p[0] + (x <= 0.5) * (0.5 - x) * p[1]) is not None


def test_without_jax_it_is_said_how_to_get_it() -> None:
    code = "import sys; sys.modules['jax'] = None; from kinkproof.solver.jax import Polygon"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: JAX is not installed; pip install 'kinkproof[jax]' would be right"
    )


def one(x: Any, u: Any, du: Any) -> Any:
    return du**2 / 2 - u


@pytest.mark.long
@pytest.mark.parametrize(
    "break_of",
    [
        lambda z: jax.nn.relu(z),
        lambda z: jax.nn.relu(z) - 0.0 * jax.nn.relu(-z),
        lambda z: jnp.where(z > 0, z, 0.0),
        lambda z: (z + jnp.abs(z)) / 2,
        lambda z: -jnp.minimum(-z, 0),
        lambda z: jnp.clip(z, 0, 50),
        lambda z: jnp.stack([z, 0 * z]).max(0),
        lambda z: z * (1 + jnp.sign(z)) / 2,
        lambda z: jax.jit(jax.nn.leaky_relu)(z, 0.0),
    ],
)
def test_each_way_of_writing_a_kink_is_the_same_kink(break_of: Callable[[Any], Any]) -> None:
    p = {"w": jnp.array([2.0, -1.5]), "b": jnp.array([-0.6, 1.2]), "v": jnp.array([0.7, -1.1])}
    found = jax.grad(
        lambda p: dirac_term(one, lambda p, x: break_of(jnp.outer(x, p["w"]) + p["b"]) @ p["v"], p, (0, 1))
    )(p)
    # At 0.3 and 0.8: ½ of u′² to the right less that to the left is −⟦L⟧ dξ/db, dξ/db = −1 ÷ w.
    slopes = [-1.5 * -1.1, 1.4 + 1.65, 1.4]
    wanted = [(slopes[1] ** 2 - slopes[0] ** 2) / 2 / 2.0, (slopes[2] ** 2 - slopes[1] ** 2) / 2 / -1.5]
    assert np.asarray(found["b"]) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.slow
def test_what_is_smooth_has_no_term_though_it_is_written_with_max_and_abs() -> None:
    p = jnp.array([2.0, -0.6])
    for smooth in (jnp.tanh, jax.nn.softplus, jnp.square):
        found = jax.grad(lambda p, f=smooth: dirac_term(one, lambda p, x: f(p[0] * x + p[1]), p, (0, 1)))(p)
        assert np.abs(np.asarray(found)).max() <= 1e-13


@pytest.mark.slow
def test_a_kink_behind_curved_features_is_found() -> None:
    # sin 3x = t at ξ = asin(t) ÷ 3: ⟦L⟧ = ½ (3 cos 3ξ)², and dξ/dt = 1 ÷ (3 cos 3ξ), twice with both signs.
    found = jax.grad(lambda t: dirac_term(one, lambda t, x: jax.nn.relu(jnp.sin(3 * x) - t), t, (0, 1)))(jnp.array(0.5))
    assert float(found) == pytest.approx(-2 * 0.5 * 3 * np.cos(np.arcsin(0.5)), rel=1e-12)


@pytest.mark.slow
def test_a_density_that_jumps_where_u_passes_a_level_counts() -> None:
    def energy(x: Any, u: Any, du: Any) -> Any:
        return jnp.where(u > 0.5, 2.0, 1.0) * du**2

    # u = a x passes ½ at ξ = 1 ÷ 2a: the energy is a² (2 − ξ), and what autodiff leaves out a² ÷ 2a².
    found = jax.grad(lambda a: dirac_term(energy, lambda a, x: a * x, a, (0, 1)))(jnp.array(0.9))
    assert float(found) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.slow
def test_a_whole_step_compiles_in_single_precision() -> None:
    case = Case(2, (6, 5), 1, "Dirichlet", 5)
    with jax.enable_x64(False):
        theta = jnp.asarray(np.asarray(case.theta), "float32")
        layers = [(jnp.asarray(w, "float32"), jnp.asarray(b, "float32")) for w, b in case.layers]
        case.restore = jax.flatten_util.ravel_pytree(layers)[1]
        step = jax.jit(jax.value_and_grad(lambda t, key: dirac_term(case.energy, case.model, t, case.box, key)))
        value, slope = step(theta, jax.random.key(0))
        again = step(theta, jax.random.key(0))[1]
    assert float(value) == 0
    assert slope.dtype == "float32"
    assert bool((slope == again).all())
    assert float(jnp.linalg.norm(slope)) > 0


@pytest.mark.long
def test_modules_of_other_libraries_are_taken() -> None:
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")
    net = eqx.nn.MLP(2, "scalar", 5, 2, key=jax.random.key(0))
    box = ((0, 1), (0, 1))

    def term(net: Any) -> Any:
        return dirac_term(lambda x, u, du: (du**2).sum(1), lambda net, x: net(x), net, box, jax.random.key(1))

    found = eqx.filter_grad(term)(net)
    assert any(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(found) if eqx.is_array(leaf))


@pytest.mark.long
def test_modules_of_flax_are_taken() -> None:
    nn = pytest.importorskip("flax.linen", reason="flax is not installed")
    net = nn.Sequential([nn.Dense(7), nn.relu, nn.Dense(1)])
    p = net.init(jax.random.key(0), jnp.ones((1, 2)))
    found = jax.grad(lambda p: dirac_term(
        lambda x, u, du: (du**2).sum(1), net.apply, p, ((-1, 1), (-1, 1)), jax.random.key(1)))(p)  # fmt: skip
    assert any(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"domain": (1, 0)}, "domain: (1, 0) is no box"),
        ({"domain": ((0, 1), (0, 1)), "key": None}, "key: None"),
        ({"lines": 0}, "lines: 0 is no number"),
        ({"crossings": 1.5}, "crossings: 1.5 is no number"),
        ({"parameters": {}}, "parameters: hold no array"),
        ({"energy": lambda x, u, du: (u**2).sum()}, "energy: gives shape ()"),
        ({"model": lambda p, x: jnp.floor(p * x)}, "model: floor"),
        ({"model": lambda p, x: jnp.where(p * x > 0.5, 1.0, x)}, "model: u itself jumps"),
        ({"model": lambda p, x: jnp.ones((3, 3, 3))}, "model: takes neither"),
        ({"model": lambda p, x: jax.lax.while_loop(lambda y: y.sum() < 1, lambda y: y + p, x)}, "model: lax.while"),
    ],
)
def test_bad_input_is_said_in_one_sentence(options: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"energy": one, "model": lambda p, x: jax.nn.relu(p * x - 0.5), "domain": (0, 1)}
    given |= {"parameters": jnp.array(1.0)} | options
    with pytest.raises(InputError) as caught:
        dirac_sample(**given)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
