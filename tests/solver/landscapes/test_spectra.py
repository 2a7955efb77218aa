"""The three Hessians: exact against the oracle's, autodiff's against the oracle's bulk, differences against both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import eigenplanes, fit, plane_angles, regress, spectrum
from kinkproof.solver.landscapes.spectra import PAIRS, Spectrum
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.conforming import conforming_energy
from kinkproof.solver.networks.gradients import autodiff
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, exact_hessian, problems
from kinkproof.verify.exact import hessian_parts
from numpy.typing import NDArray

from ..statements import ALL, FRONT, ROOT, ROOT_RIGHT, names

SINE = problems["sine-2"]
# The front is left to the sums' own tests: its oracle takes SymPy half a dozen seconds.
QUICK = [p for p in ALL if p not in (ROOT, ROOT_RIGHT, FRONT)]


def relative(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("problem", QUICK, ids=names)
def test_the_exact_one_is_the_oracles_and_symmetric(problem: RitzProblem) -> None:
    batch = ShallowNetwork.random(20, seed=3, batch=(5,))
    oracle = exact_hessian(problem, batch)
    for k in range(5):
        found = spectrum(problem, batch.member((k,)))
        # What derivatives in float64 should reach at least; measured are 1e-13 and less.
        assert relative(found.hessian, oracle[k]) < 1e-9
        # The same products in another order.
        assert np.abs(found.hessian - found.hessian.T).max() < 1e-12 * np.abs(found.hessian).max()


@pytest.mark.parametrize("problem", [ROOT, ROOT_RIGHT], ids=names)
def test_where_the_source_is_infinite_at_an_end_too(problem: RitzProblem) -> None:
    network = ShallowNetwork.random(20, seed=3)
    assert relative(spectrum(problem, network).hessian, exact_hessian(problem, network)) < 1e-9


def test_a_hessian_without_the_motion_of_the_kinks_would_not_pass() -> None:
    network = ShallowNetwork.random(20, seed=3)
    parts = hessian_parts(SINE, network)
    assert relative(parts.bulk, parts.total) > 1e-3


@pytest.mark.parametrize("name", ["sine-2", "natural", "two-materials", "foundation"])
def test_autodiffs_tends_to_the_bulk_and_stays_away_from_the_exact_one(name: str) -> None:
    network = ShallowNetwork.random(6, seed=2)
    parts = hessian_parts(problems[name], network)
    errors = []
    for points in (200, 2_000, 20_000):
        found = spectrum(problems[name], network, "autodiff", points=points).hessian
        errors.append(relative(found, parts.bulk))
    # First order in 1/n: a node more or less where a kink is. At the finest grid far nearer to the bulk than the total.
    assert errors[2] < 0.05 * errors[0]
    assert errors[2] < 0.02 * relative(parts.bulk, parts.total)


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "relu2", "tanh", "swish"])
def test_the_exact_one_is_the_derivative_of_the_exact_gradient(activation: str) -> None:
    architecture = Architecture.of(5, activation)
    theta = architecture.initial([8])[0]
    found = spectrum(problems["natural"], theta.numpy(), activation=activation).hessian
    if activation in ("tanh", "swish"):
        # A quadrature with which it shares no node.
        from kinkproof.solver.data.statement import mesh
        from kinkproof.solver.networks.energies import grid_energy

        nodes = mesh(problems["natural"], "gauss-legendre", 500, torch.float64, torch.device("cpu"))
        gradient = autodiff(grid_energy(problems["natural"], architecture, nodes))
    else:
        # Through moving nodes instead of antiderivatives.
        gradient = autodiff(conforming_energy(problems["natural"], architecture))
    step = 1e-5 * torch.eye(15, dtype=torch.float64)
    quotient = (gradient(theta + step)[1] - gradient(theta - step)[1]) / 2e-5
    # ε² = 1e-10 of truncation and 1e-16/ε of rounding.
    assert relative(found, quotient.numpy()) < 1e-8


def test_also_of_relu_squared_autodiff_has_the_gradient_but_not_the_hessian() -> None:
    theta = Architecture.of(6, "relu2").initial([2])[0].numpy()
    exact = spectrum(SINE, theta, activation="relu2").hessian
    errors = [
        relative(spectrum(SINE, theta, "autodiff", "relu2", points=n).hessian, exact) for n in (500, 5_000, 50_000)
    ]
    # σ‴ = 2δ: the second derivative of û′ in a bias has a Dirac term that does not go away.
    assert errors[2] > 0.5 * errors[0] > 1e-4


def test_finite_differences_of_a_smooth_network_are_autodiffs_hessian() -> None:
    theta = Architecture.of(5, "tanh").initial([1])[0].numpy()
    found = spectrum(SINE, theta, "finite-difference", "tanh")
    assert found.step == pytest.approx(1.2e-4, rel=0.02)
    # Rounding of the energy (10 × 1e-16) over 4ε², and truncation ε²: some 1e-7 each.
    assert relative(found.hessian, spectrum(SINE, theta, "autodiff", "tanh").hessian) < 1e-6
    assert np.array_equal(found.hessian, found.hessian.T)


def test_finite_differences_that_move_kinks_over_nodes_see_them_move() -> None:
    network = ShallowNetwork.random(4, seed=6)
    exact = spectrum(SINE, network).hessian
    wide = spectrum(SINE, network, "finite-difference", points=100_000, step=3e-3)
    assert wide.step == 3e-3
    # ε′ is some hundred nodes: noise of some 1e-3, truncation of that order. Autodiff misses far more.
    assert relative(wide.hessian, exact) < 0.3 * relative(spectrum(SINE, network, "autodiff").hessian, exact)
    # With a step that moves no kink over a node they are autodiff's, as noisy as 1e-16/ε² is.
    narrow = spectrum(SINE, network, "finite-difference", points=50, step=1e-5)
    assert relative(narrow.hessian, spectrum(SINE, network, "autodiff", points=50).hessian) < 1e-4


def test_eigenvalues_descend_and_signs_are_fixed() -> None:
    found = spectrum(SINE, ShallowNetwork.random(7, seed=1))
    values, vectors = found.eigenvalues, found.eigenvectors
    assert (np.diff(values) <= 0).all()
    np.testing.assert_allclose(found.hessian @ vectors, vectors * values, atol=1e-12 * values[0])
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(21), atol=1e-13)
    assert (vectors[np.abs(vectors).argmax(0), np.arange(21)] > 0).all()


def of_vectors(vectors: NDArray[Any]) -> Spectrum:
    size = len(vectors)
    return Spectrum("exact", np.eye(size), np.arange(size, 0, -1.0), vectors)


def test_angles_between_planes_are_those_of_a_rotation() -> None:
    turned = np.eye(4)
    c, s = np.cos(0.3), np.sin(0.3)
    turned[np.ix_([1, 2], [1, 2])] = [[c, -s], [s, c]]
    np.testing.assert_allclose(plane_angles(of_vectors(np.eye(4)), of_vectors(turned)), [0.3, 0], atol=1e-15)
    np.testing.assert_allclose(plane_angles(of_vectors(np.eye(4)), of_vectors(turned), 1), [0], atol=1e-15)
    # Both in one plane, turned within it.
    np.testing.assert_allclose(plane_angles(of_vectors(np.eye(4)), of_vectors(turned), 3), [0, 0, 0], atol=1e-15)


def test_nine_planes_by_default_with_their_eigenvalues() -> None:
    found = spectrum(SINE, ShallowNetwork.random(7, seed=1))
    planes = eigenplanes(found)
    assert len(planes) == len(set(PAIRS)) == 9
    for plane, (i, j) in zip(planes, PAIRS, strict=True):
        assert plane.eigenvalues == (found.eigenvalues[i], found.eigenvalues[j])
        assert np.array_equal(plane.first, found.eigenvectors[:, i])
        assert np.array_equal(plane.second, found.eigenvectors[:, j])
        assert plane.label == f"eigenvectors {i + 1} and {j + 1}"


def test_a_run_of_one_seed_brings_its_activation() -> None:
    run = regress(SINE, 4, "relu2", steps=5, seeds=[0])
    own = spectrum(SINE, run).hessian
    assert np.array_equal(own, spectrum(SINE, run.parameters[0], activation="relu2").hessian)
    deep = fit(SINE, (4, 4), "tanh", steps=1, seeds=[0])
    exact, grid = (spectrum(SINE, deep, k).hessian for k in ("exact", "autodiff"))
    # 200 midpoints of a smooth integrand.
    assert relative(grid, exact) < 1e-3


NETWORK = ShallowNetwork.random(3, seed=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum(SINE, NETWORK, "hessian"), "kind: 'hessian' is unknown; one of exact, autodiff, finite-diff"),
        (lambda: spectrum(SINE, NETWORK, step=0.1), "step: 'exact' has none; kind='finite-difference' would be right"),
        (lambda: spectrum(SINE, NETWORK, "finite-difference", step=0.0), "step: 0.0 is no step"),
        (lambda: spectrum(SINE, NETWORK, "autodiff", rule="simpson"), "rule: 'simpson' is unknown"),
        (lambda: spectrum(SINE, NETWORK, "autodiff", points=0), "points: 0 is too few"),
        (lambda: spectrum(SINE, NETWORK, activation="cube"), "activation: 'cube' is unknown"),
        (lambda: spectrum(SINE, ShallowNetwork.random(3, 0, (2,))), r"\(2, 9\) are not those of one network"),
        (lambda: spectrum(SINE, np.zeros(7)), "network: 7 parameters are not three blocks"),
        (lambda: spectrum(SINE, np.full(9, np.nan)), "network: its parameters are not finite"),
        (lambda: spectrum(SINE, "network"), "network: str is no network"),
        (lambda: spectrum(SINE, fit(SINE, 3, steps=1)), "the run has 4 networks; one of seeds="),
        (lambda: spectrum(problems["sine-6"], fit(SINE, 3, steps=1, seeds=[0])), "the run is one of sine-2, not of"),
        (lambda: spectrum(SINE, fit(SINE, 3, steps=1, seeds=[0]), activation="tanh"), "the run's is relu, not tanh"),
        (lambda: spectrum(SINE, fit(SINE, (3, 3), steps=1, seeds=[0])), "exact Hessian is there for one hidden layer"),
        (lambda: eigenplanes(spectrum(SINE, NETWORK), [(0, 9)]), "9 is beyond the spectrum of 9 eigenvectors; 0 to 8"),
        (lambda: eigenplanes(spectrum(SINE, NETWORK), [(-1, 2)]), "-1 is beyond the spectrum"),
        (lambda: eigenplanes(spectrum(SINE, NETWORK), [(0, 1.5)]), "1.5 is beyond the spectrum"),  # type: ignore[list-item]
        (lambda: eigenplanes(spectrum(SINE, NETWORK), [(2, 2)]), r"\(2, 2\) is a line; two different eigenvectors"),
        (lambda: eigenplanes(spectrum(SINE, NETWORK), [3]), "3 is no pair"),  # type: ignore[list-item]
        (lambda: plane_angles(of_vectors(np.eye(3)), of_vectors(np.eye(4))), "of 3 and 4 parameters"),
        (lambda: plane_angles(of_vectors(np.eye(3)), of_vectors(np.eye(3)), 4), "size: 4 is no number of eigenvectors"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("kind", ["exact", "autodiff"])
def test_a_hessian_beyond_float64_is_said_in_a_sentence(kind: str) -> None:
    network = ShallowNetwork(hidden_weights=[1e300], hidden_biases=[-3e299], output_weights=[1e300])
    with pytest.raises(InputError, match=f"its {kind} Hessian leaves the range of float64"):
        spectrum(problems["sine-2"], network, kind)
