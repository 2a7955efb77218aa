from __future__ import annotations

import numpy as np
import pytest
from kinkproof.solver import regress
from kinkproof.solver.landscapes.lines import random_lines
from kinkproof.solver.landscapes.roughness import variation
from kinkproof.verify import InputError, ShallowNetwork, exact_energy, problems

SINE = problems["sine-2"]


def test_variation_is_one_of_a_slope_two_of_a_valley_and_more_of_what_is_rough() -> None:
    x = np.linspace(-1, 1, 101)
    rough = x**2 + np.where(np.arange(101) % 2, 0.1, 0)
    found = variation([x, -3 * x + 7, x**2, np.full(101, 2.5), rough])
    np.testing.assert_allclose(found[:4], [1, 1, 2, 1], rtol=1e-12)
    # Up and down by 0.1 a hundred times, less what the slope undoes, over a range of 1.05.
    assert 8 < found[4] < 10
    # No units: neither of the energy nor of the place.
    np.testing.assert_allclose(variation(5 * rough - 3), found[4], rtol=1e-12)


def test_lines_go_through_the_network_and_have_the_oracles_energies() -> None:
    network = ShallowNetwork.random(5, seed=2)
    scan = random_lines(SINE, network, "exact", lines=3, radius=0.2, resolution=11, seed=4)
    assert scan.values.shape == (3, 11)
    assert scan.axis[[0, 5, 10]].tolist() == [-0.2, 0.0, 0.2]
    np.testing.assert_allclose(scan.values[:, 5], float(exact_energy(SINE, network)), rtol=1e-12)
    # The same directions, drawn here.
    directions = np.random.default_rng(4).standard_normal((3, 15))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    end = ShallowNetwork.from_vector(network.ravel() - 0.2 * directions[1])
    assert scan.values[1, 0] == pytest.approx(float(exact_energy(SINE, end)), rel=1e-12)


@pytest.mark.slow
def test_the_published_measure_too_says_that_the_noise_is_the_grids() -> None:
    fitted = regress(SINE, 20, seeds=[0])
    grid, exact = (random_lines(SINE, fitted, energy, lines=40) for energy in ("quadrature", "exact"))
    # Measured: 8.4 (1.9) and 1.93 (0.07) on 100 lines.
    assert grid.mean > 4
    assert exact.mean < 2.05
    assert exact.deviation < 0.2 < grid.deviation


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"lines": 0}, "lines: 0 are none"),
        ({"resolution": 1}, "resolution: 1 are none"),
        ({"radius": -1}, "radius: -1 is no length"),
        ({"energy": "weak"}, "one of quadrature, exact"),
    ],
)
def test_senseless_lines_are_refused(said: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        random_lines(SINE, ShallowNetwork.random(3, seed=0), **said)  # type: ignore[arg-type]
