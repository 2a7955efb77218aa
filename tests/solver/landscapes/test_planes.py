from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinkproof.solver import Plane, chosen_plane, fit, landscape, path_plane, random_plane
from kinkproof.verify import InputError, ShallowNetwork, problems
from numpy.typing import NDArray

SINE = problems["sine-2"]
NETWORK = ShallowNetwork.random(6, seed=0)


def rescaled(network: ShallowNetwork, factors: NDArray[Any]) -> ShallowNetwork:
    w, b, c = network.floats
    return ShallowNetwork(w * factors, b * factors, c / factors)


def test_random_directions_are_as_long_as_the_network_in_each_of_its_parts() -> None:
    plane = random_plane(NETWORK, seed=3)
    for direction in (plane.first, plane.second):
        w, b, c = np.split(direction, 3)
        theta_w, theta_b, theta_c = NETWORK.floats
        np.testing.assert_allclose(np.hypot(w, b), np.hypot(theta_w, theta_b), rtol=1e-14)
        np.testing.assert_allclose(np.abs(c), np.abs(theta_c), rtol=1e-14)
    again, other = random_plane(NETWORK, seed=3), random_plane(NETWORK, seed=4)
    assert np.array_equal(plane.first, again.first)
    assert not np.array_equal(plane.first, other.first)


def test_a_factor_between_hidden_and_output_weights_leaves_the_landscape_alone() -> None:
    # Powers of 2 are exact; ReLU is homogeneous. This is what the normalisation is for (Li et al. 2018).
    other = rescaled(NETWORK, 2.0 ** np.array([3, -2, 0, 5, 1, -4]))
    first, second = (
        landscape(SINE, n, random_plane(n, seed=1), resolution=9, energy="exact") for n in (NETWORK, other)
    )
    np.testing.assert_allclose(first.values, second.values, rtol=1e-12)
    unnormalised = np.random.default_rng(1).standard_normal((2, 18))
    first, second = (landscape(SINE, n, chosen_plane(*unnormalised), resolution=9) for n in (NETWORK, other))
    assert not np.allclose(first.values, second.values, rtol=1e-2)


def test_each_neuron_of_a_deep_network_is_a_part() -> None:
    run = fit(SINE, (3, 2), steps=1, seeds=[0])
    plane = random_plane(run, seed=0)
    first, second = (run.settings.architecture.split(_tensor(v)) for v in (plane.first, run.parameters[0]))
    for mine, own in zip(first[0], second[0], strict=True):
        sizes = [(layer.weights**2).sum(-1) + layer.biases**2 for layer in (mine, own)]
        np.testing.assert_allclose(sizes[0], sizes[1], rtol=1e-13)
    np.testing.assert_allclose(first[1].abs(), second[1].abs(), rtol=1e-13)


def _tensor(vector: NDArray[Any]) -> Any:
    import torch

    return torch.tensor(vector)


def test_the_plane_of_a_path_holds_what_of_it_lies_in_two_dimensions() -> None:
    generator = np.random.default_rng(0)
    first, second = np.linalg.qr(generator.standard_normal((9, 2)))[0].T
    centre = generator.standard_normal(9)
    along, across = np.linspace(3, 0, 20), np.sin(np.linspace(0, np.pi, 20))
    path = centre + along[:, None] * first + across[:, None] * second
    plane = path_plane(path)
    assert plane.path is not None
    assert plane.label == "principal components of the path, 100.0% of it"
    np.testing.assert_allclose(plane.path[-1], [0, 0], atol=1e-14)
    # Nothing is lost, and it is the plane that the path was made in.
    np.testing.assert_allclose(centre + plane.path @ np.stack([plane.first, plane.second]), path, atol=1e-13)
    # The first component carries most of it.
    assert (plane.path[:, 0] ** 2).sum() > 5 * (plane.path[:, 1] ** 2).sum()


def test_a_run_its_file_and_a_checkpoint_give_the_same_plane(tmp_path: Path) -> None:
    run = fit(SINE, 6, steps=60, record=5, seeds=range(2), checkpoint=tmp_path / "run.checkpoint")
    run.save(tmp_path / "run.npz")
    planes = [
        path_plane(source, member=1)
        for source in (run, tmp_path / "run.npz", str(tmp_path / "run.checkpoint"), run.history.parameters[:, 1])
    ]
    for plane in planes[1:]:
        assert np.array_equal(plane.first, planes[0].first)
        assert np.array_equal(plane.path, planes[0].path)  # type: ignore[arg-type]
    # The energy in the plane at the path's end is the run's.
    found = landscape(SINE, run.parameters[1], planes[0], resolution=3)
    assert found.values[0, 1, 1] == pytest.approx(run.history.quadrature[-1, 1], rel=1e-13)


def test_a_path_elsewhere_may_be_seen_from_another_centre() -> None:
    path = np.random.default_rng(2).standard_normal((5, 9))
    plane = path_plane(path, centre=path[0])
    assert plane.path is not None
    np.testing.assert_allclose(plane.path[0], [0, 0], atol=1e-15)


RUN_PATH = np.arange(24.0).reshape(4, 1, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chosen_plane([1, 0, 2], [2, 0, 4]), "linearly dependent and span a line"),
        (lambda: chosen_plane([1e-200, 0, 0], [0, 1e200, 0]), ""),
        (lambda: chosen_plane([1, 0, 2], [1, 0, 2 + 1e-13]), "linearly dependent"),
        (lambda: chosen_plane([1, 0], [1, 0, 1]), "directions of 2 and 3 numbers span nothing"),
        (lambda: chosen_plane([0, 0], [1, 0]), "its first direction is zero"),
        (lambda: chosen_plane([1, 0], [np.inf, 0]), "its second direction is not finite"),
        (lambda: chosen_plane([[1, 0]], [1, 0]), r"its first direction has shape \(1, 2\)"),
        (lambda: chosen_plane(["a", "b"], [1, 0]), "its first direction is no row of numbers"),
        (lambda: random_plane(NETWORK, seed=-1), "seed: -1 is no seed"),
        (lambda: random_plane(NETWORK, seed=0.5), "seed: 0.5 is no seed"),  # type: ignore[arg-type]
        (lambda: random_plane([1.0, 2.0]), "network: 2 parameters are not three blocks"),
        (lambda: random_plane(np.zeros(6)), "its first direction is zero"),
        (lambda: path_plane(RUN_PATH), "its 4 points lie on one line with the centre and span no plane"),
        (lambda: path_plane(RUN_PATH, member=1), "the run has no network 1; 0 to 0 would be right"),
        (lambda: path_plane(np.zeros(5)), r"path: shape \(5,\) is no path"),
        (lambda: path_plane(np.full((5, 3), np.nan)), "path: its parameters are not finite"),
        (lambda: path_plane([[1.0], [1.0, 2.0]]), "path: no rows of numbers"),
        (lambda: path_plane(np.eye(3), centre=[1.0]), r"centre: shape \(1,\) is not on the path"),
        (lambda: path_plane(np.eye(3), centre="here"), r"centre: 'here' is no row of numbers"),
        (lambda: path_plane(np.eye(3), centre=[0, np.nan, 0]), "centre: its parameters are not finite"),
        (lambda: path_plane("nowhere.npz"), "nowhere.npz: there is no such file"),
    ],
)
def test_what_spans_no_plane_is_refused(call: Any, message: str) -> None:
    if not message:
        # Whatever their lengths: independent is independent.
        assert isinstance(call(), Plane)
        return
    with pytest.raises(InputError, match=message):
        call()
