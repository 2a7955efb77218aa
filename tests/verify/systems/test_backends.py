from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from kinkproof.verify import (
    PlaneNetwork,
    RitzProblem,
    ShallowNetwork,
    exact_gradient,
    plane_problems,
    problems,
    quadrature_gradient,
)
from kinkproof.verify.discrete.neuron import neuron_fields as derived_fields
from kinkproof.verify.discrete.plane_points import plane_points
from kinkproof.verify.discrete.quadrature import grid
from kinkproof.verify.statement.blocks import BLOCKS
from kinkproof.verify.systems import hips_autograd, jax_transforms, pytorch
from kinkproof.verify.systems.discovery import discover
from kinkproof.verify.systems.method import Method
from kinkproof.verify.systems.summation import NUMPY, Library, blocks, data_functions, tangent_block

# torch.compile costs its compiler's time and runs in `nox -s verify`; the others are cheap.
FLOAT32 = {"sine-2", "two-materials", "natural", "penalised-ends"}
KINDS = FLOAT32 | {"point-load", "robin", "foundation", "periodic", "tabulated", "singular-load", "singular-inside"}
METHODS = [m for m in discover() if m.name != "torch.compile"]


def test_all_three_systems_are_installed_and_asked() -> None:
    assert [m.label for m in METHODS if m.gradient is None] == []
    assert {s: sum(m.system == s for m in METHODS) for s in ("torch", "jax", "autograd")} == {
        "torch": 5,
        "jax": 5,
        "autograd": 3,
    }


def jax_marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow if name in KINDS else pytest.mark.long]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        # JAX compiles anew for each problem: slow on some that stand for all kinds, long on the others.
        pytest.param(n, m, id=f"{n}-{m.label}", marks=jax_marks(n) if m.system == "jax" else [])
        for n in problems
        for m in METHODS
    ],
)
def test_a_system_gives_the_derivative_of_the_sum_or_of_the_integral(name: str, method: Method) -> None:
    problem, network = problems[name], ShallowNetwork.random(7, seed=3)
    mesh = grid("midpoint", 300, problem.domain)
    assert method.gradient is not None
    if method.conforming:
        expected = exact_gradient(problem, network)
    else:
        expected = quadrature_gradient(problem, network, "midpoint", 300)
    # Compiling takes JAX its time: float32 on a problem of each kind.
    for precision, tolerance in (("float64", 1e-12), ("float32", 1e-4))[: 2 if name in FLOAT32 else 1]:
        energy, found = method.gradient(problem, network.ravel(), mesh, precision)
        scale = np.abs(expected.total.ravel()).max()
        error = np.abs(found - expected.total.ravel()).max() / scale
        assert error <= tolerance
        # Float32 that is float64 in disguise would hide what float32 costs.
        assert error > 1e-9 or precision == "float64"
        assert energy == pytest.approx(expected.energy, rel=tolerance, abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.label)
def test_a_branch_that_is_infinite_elsewhere_spoils_no_derivative(method: Method) -> None:
    # Outside its own piece each branch is the root of a negative number.
    roots = "Piecewise((2 - sqrt(2/5 - x), x < 2/5), (2 + sqrt(x - 2/5), True))"
    problem, network = RitzProblem(coefficient=roots, source="1"), ShallowNetwork.random(5, seed=1)
    assert method.gradient is not None
    _, found = method.gradient(problem, network.ravel(), grid("midpoint", 300), "float64")
    if not method.conforming:
        expected = quadrature_gradient(problem, network, "midpoint", 300).total.ravel()
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
    else:
        # The root's slope at the interface leaves Gauss some digits short.
        np.testing.assert_allclose(found, exact_gradient(problem, network).total.ravel(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("library", [pytorch.LIBRARY, jax_transforms.LIBRARY, hips_autograd.LIBRARY, NUMPY])
def test_functions_that_few_libraries_know_reach_all(library: Library) -> None:
    problem = RitzProblem(source="sec(x) + erf(x) + cot(x + 1) + csc(x + 1) + sign(x - 1/3)")
    x = np.array([0.25, 0.75])
    expected = [
        1 / math.cos(t) + math.erf(t) + 1 / math.tan(t + 1) + 1 / math.sin(t + 1) + math.copysign(1, t - 1 / 3)
        for t in x
    ]
    found = data_functions(problem, library)["source"](library.array(x, "float32"))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


@pytest.mark.slow
def test_jax_leaves_the_users_precision_alone() -> None:
    import jax
    import jax.numpy as jnp

    line = (problems["polynomial"], ShallowNetwork.random(3, seed=0).ravel(), grid("midpoint", 10))
    square = plane_problems["plane-polynomial"]
    plane = (square, PlaneNetwork.random(3, seed=0).ravel(), plane_points(square, "midpoint", 9))
    for method in jax_transforms.methods():
        assert method.gradient is not None
        asked: Callable[..., object] = method.gradient
        arguments = line if method.inputs == 1 else plane
        asked(*arguments, "float64")
        assert jnp.ones(1).dtype == "float32"
        with jax.enable_x64(True):
            asked(*arguments, "float32")
            assert jnp.ones(1).dtype == "float64"


def test_torch_keeps_the_users_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for method in pytorch.methods():
            if method.gradient and method.name.startswith("forward"):
                method.gradient(problems["polynomial"], np.ones(9), grid("midpoint", 10), "float64")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("width", [1, 20, 1_000])
def test_forward_mode_of_wide_networks_stays_within_a_laptops_memory(width: int) -> None:
    assert 1 <= tangent_block(3 * width) <= 2**29 / (3 * width * width * 8)


@pytest.mark.parametrize("size", [1, 7, 10, 64])
def test_blocks_add_up_to_the_whole(size: int) -> None:
    nodes, weights, data = np.arange(10) + 0.5, np.arange(10) + 1.0, np.arange(10) ** 2
    cut = blocks([nodes, weights, data], size)
    assert {len(a) for part in cut for a in part} == {size}
    whole = [np.concatenate(parts) for parts in zip(*cut, strict=True)]
    assert whole[1].sum() == weights.sum()
    assert (whole[1] * whole[0] * whole[2]).sum() == (weights * nodes * data).sum()
    assert whole[0].max() == nodes.max()


@pytest.mark.slow
@pytest.mark.parametrize("neuron_fields", [pytorch.neuron_fields, jax_transforms.neuron_fields])
def test_one_neuron_differs_only_by_the_spike(neuron_fields: Callable[..., tuple[np.ndarray, ...]]) -> None:
    problem, mesh = problems["sine-2"], grid("midpoint", 50)
    w, b, c = 1.0, -0.4, 1.0
    exact = derived_fields(problem, w, b, c, mesh)
    slope, parameter, mixed = neuron_fields(problem, np.array([w, b, c]), mesh.nodes)
    np.testing.assert_allclose(exact.spatial_gradient, slope, atol=1e-14)
    for k, name in enumerate(BLOCKS):
        np.testing.assert_allclose(exact.parameter_gradients[name], parameter[k], atol=1e-14)
        missing = exact.mixed_gradients[name] - mixed[k]
        # D·c·w δ(z) for the bias, times x for the weight, nothing for the output weight; D(0.4) = 0.24.
        integral = (missing * mesh.weights).sum()
        assert integral == pytest.approx((0.4 * 0.24, 0.24, 0.0)[k], rel=0.05, abs=1e-13)
        assert (np.abs(missing) > 1e-12).sum() == (1, 1, 0)[k]
