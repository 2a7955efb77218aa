"""Energies on planes against energies one by one; what a landscape's figures and files hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import Landscape, chosen_plane, eigenplanes, fit, landscape, path_plane, regress, spectrum
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.gradients import exact_energy as integral
from kinkproof.solver.networks.gradients import objective
from kinkproof.verify import InputError, ShallowNetwork, exact_energy, problems
from numpy.typing import NDArray

SINE = problems["sine-2"]
NETWORK = ShallowNetwork.random(6, seed=0)
PLANE = chosen_plane(np.eye(18)[2], np.eye(18)[7] + np.eye(18)[15])


def points_of(found: Landscape, plane: int) -> NDArray[np.float64]:
    """θ at all grid points, (resolution², P), by the definition."""
    rows = [
        found.centre + a * found.planes[plane].first + b * found.planes[plane].second
        for a in found.first
        for b in found.second
    ]
    return np.array(rows)


@pytest.mark.parametrize("name", problems)
def test_values_are_the_energies_of_the_networks_there(name: str) -> None:
    for energy in ("quadrature", "exact"):
        found = landscape(problems[name], NETWORK, resolution=5, radius=0.7, energy=energy, points=60)
        theta = points_of(found, 4)
        if energy == "quadrature":
            one = objective(problems[name], Architecture.of(6, "relu"), points=60).energy
            expected = np.array([float(one(torch.tensor(t)[None])) for t in theta])
        else:
            expected = np.asarray(exact_energy(problems[name], ShallowNetwork.from_vector(theta)))
        np.testing.assert_allclose(found.values[4].ravel(), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("width", "activation"),
    [(5, "leaky-relu"), (5, "relu2"), (5, "tanh"), (5, "swish"), ((4, 3), "relu"), ((4, 3), "gelu")],
)
@pytest.mark.parametrize("energy", ["quadrature", "exact"])
def test_for_every_kind_of_network(width: Any, activation: str, energy: str) -> None:
    run = fit(SINE, width, activation, steps=1, seeds=[2])
    size = run.settings.architecture.parameters
    plane = chosen_plane(np.eye(size)[1], np.eye(size)[-1])
    found = landscape(SINE, run, plane, resolution=4, energy=energy, points=50)
    theta = torch.tensor(points_of(found, 0))
    if energy == "exact":
        one = integral(SINE, run.settings.architecture).energy
    else:
        one = objective(SINE, run.settings.architecture, points=50).energy
    np.testing.assert_allclose(found.values[0].ravel(), one(theta), rtol=1e-11, atol=1e-11)
    assert found.activation == activation
    assert found.rule == {
        ("quadrature", activation): "midpoint",
        ("exact", "relu"): "conforming",
        ("exact", "leaky-relu"): "closed form",
        ("exact", "relu2"): "closed form",
    }.get((energy, activation), "gauss-legendre")


def test_the_middle_is_the_centre_and_the_sides_are_the_radius() -> None:
    found = landscape(SINE, NETWORK, PLANE, radius=0.3, resolution=7)
    assert found.first[3] == found.second[3] == 0
    assert found.first[0] == -0.3
    assert found.first[-1] == 0.3
    assert np.array_equal(found.first, -found.first[::-1])
    assert np.array_equal(found.centre, NETWORK.ravel())
    assert found.settings == {"width": [6], "radius": 0.3, "resolution": 7}


def test_planes_may_be_pairs_planes_or_the_nine() -> None:
    nine = landscape(SINE, NETWORK, resolution=3)
    planes = eigenplanes(spectrum(SINE, NETWORK))
    assert [p.eigenvalues for p in nine.planes] == [p.eigenvalues for p in planes]
    mixed = landscape(SINE, NETWORK, [(1, 4), PLANE, (0, 3)], resolution=3)
    assert [p.label for p in mixed.planes] == ["eigenvectors 2 and 5", "chosen directions", "eigenvectors 1 and 4"]
    assert np.array_equal(mixed.values[0], nine.values[4])
    assert np.array_equal(mixed.values[2], nine.values[0])
    # A degenerate place has no eigenvectors, but an energy.
    degenerate = ShallowNetwork([1.0, 1.0], [-0.5, -0.5], [1.0, 1.0])
    assert np.isfinite(landscape(SINE, degenerate, chosen_plane(np.eye(6)[0], np.eye(6)[1]), resolution=3).values).all()


def test_a_saved_landscape_comes_back_whole_and_the_same_bytes_are_written(tmp_path: Path) -> None:
    run = fit(SINE, 6, steps=30, record=5, seeds=[0])
    found = landscape(SINE, run, [(0, 1), path_plane(run)], resolution=5)
    first, second = found.save(tmp_path / "a.npz"), found.save(tmp_path / "b.npz")
    assert first.read_bytes() == second.read_bytes()
    with np.load(first, allow_pickle=False) as stored:
        assert all(stored[n].dtype != object for n in stored.files)
        assert np.array_equal(stored["roughness"], found.roughness)
        assert stored["directions"].shape == (2, 2, 18)
    back = Landscape.load(first)
    for name in ("problem", "activation", "energy", "rule", "points", "settings", "versions"):
        assert getattr(back, name) == getattr(found, name)
    for name in ("centre", "first", "second", "values"):
        assert np.array_equal(getattr(back, name), getattr(found, name))
    for mine, theirs in zip(found.planes, back.planes, strict=True):
        assert (mine.label, mine.eigenvalues) == (theirs.label, theirs.eigenvalues)
        assert np.array_equal(mine.first, theirs.first)
        assert np.array_equal(mine.second, theirs.second)
        assert (mine.path is None) == (theirs.path is None)
    assert np.array_equal(back.planes[1].path, found.planes[1].path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"a\.npz is a landscape; a run would be right"):
        path_plane(first)
    with pytest.raises(InputError, match="is a run; a landscape would be right"):
        Landscape.load(run.save(tmp_path / "run.npz"))
    with pytest.raises(InputError, match="cannot be written"):
        found.save(first / "below.npz")


@pytest.mark.slow
def test_at_the_regression_fit_the_noise_is_the_fixed_grids() -> None:
    run = regress(SINE, 20, seeds=[0])
    planes = eigenplanes(spectrum(SINE, run))
    grid, finer, exact = (
        landscape(SINE, run, planes, energy=e, points=n)
        for e, n in (("quadrature", 200), ("quadrature", 800), ("exact", 200))
    )
    # Measured: 7e-3 to 4e-2 against 8e-4 to 1.5e-3, where a parabola has 8e-4.
    assert (grid.roughness > 5 * exact.roughness).all()
    assert (exact.roughness < 2.5 * exact.parabola_roughness).all()
    # Without the curvature, measured: 5e-3 to 3e-2 against 4e-5 to 3e-4, a hundredth.
    assert (exact.noise < 0.05 * grid.noise).all()
    # With a grid four times as fine it is a fraction of it: ReLU has not changed.
    assert (finer.roughness < 0.6 * grid.roughness).all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"resolution": 1}, "resolution: 1 points make no line; a whole number from 2 on would be right"),
        ({"resolution": 10.0}, "resolution: 10.0 points make no line"),
        ({"resolution": True}, "resolution: True points"),
        ({"resolution": -5}, "resolution: -5 points"),
        ({"radius": 0}, "radius: 0 is no size of a plane; a positive number such as 1.0 would be right"),
        ({"radius": -1.0}, "radius: -1.0"),
        ({"radius": float("nan")}, "radius: nan"),
        ({"radius": float("inf")}, "radius: inf"),
        ({"radius": "1"}, "radius: '1'"),
        ({"planes": [(0, 18)]}, "planes: 18 is beyond the spectrum of 18 eigenvectors; 0 to 17 would be right"),
        ({"planes": []}, "planes: there are none"),
        ({"planes": 3}, "planes: 3 are none"),
        ({"planes": chosen_plane([1, 0, 0], [0, 1, 0])}, "directions have 3 numbers, the network 18 parameters"),
        ({"energy": "strong"}, "energy: 'strong' is unknown; one of quadrature, exact would be right"),
        ({"energy": None}, "energy: None is no name"),
        ({"rule": "simpson"}, "rule: 'simpson' is unknown; one of midpoint"),
        ({"rule": ["midpoint"]}, r"rule: \['midpoint'\] is no name"),
        ({"rule": "gauss-legendre", "points": 201}, "points: 201 is not a multiple of 5"),
        ({"points": 0}, "points: 0 is too few for midpoint"),
        ({"points": [200]}, r"points: \[200\] is no number of nodes"),
        ({"activation": "cube"}, "activation: 'cube' is unknown"),
        ({"memory": 1000}, "memory: 1000 bytes do not hold one tile of networks; at least"),
        ({"memory": "1 GiB"}, "memory: '1 GiB' bytes"),
        ({"executor": 4}, "executor: 4 is none; a concurrent.futures.ProcessPoolExecutor"),
        ({"resume": True}, "resume: there is no checkpoint to go on from"),
        ({"checkpoint": "/proc/nowhere/c.npz"}, "/proc/nowhere/c.npz cannot be written"),
        ({"checkpoint": "nowhere.npz", "resume": True}, "nowhere.npz: there is no such file; a landscape checkpoint"),
    ],
)
def test_bad_input_is_said_in_a_sentence(more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        landscape(SINE, NETWORK, **({"planes": PLANE, "resolution": 3} | more))


def test_a_neuron_has_too_few_eigenvectors_for_the_nine_planes() -> None:
    network = ShallowNetwork(hidden_weights=[1], hidden_biases=["-1/3"], output_weights=[1])
    with pytest.raises(InputError, match=r"take 6 eigenvectors, and the network has 3 parameters; pairs of your own"):
        landscape(SINE, network, resolution=3)
    assert landscape(SINE, network, [(0, 1)], resolution=3).values.shape == (1, 3, 3)


def test_a_resolution_beyond_the_memory_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = np.zeros

    def no_memory(shape: Any, *more: Any, **named: Any) -> Any:
        # Some systems promise any memory, and end who uses it.
        if np.prod(shape) > 1e12:
            raise MemoryError("Unable to allocate 7.28 TiB")
        return zeros(shape, *more, **named)

    monkeypatch.setattr(np, "zeros", no_memory)
    with pytest.raises(InputError, match=r"resolution: 1000001 is too fine \(Unable to allocate .*\); such as 101"):
        landscape(SINE, NETWORK, PLANE, resolution=1_000_001)
