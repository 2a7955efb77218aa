from __future__ import annotations

import numpy as np
import pytest
from kinkproof.solver.landscapes.roughness import noise, roughness


def test_roughness_is_mean_second_difference_over_range() -> None:
    # By the definition, one line after the other.
    values = np.random.default_rng(0).standard_normal((2, 5, 5))
    expected = []
    for surface in values:
        lines = [*surface, *surface.T]
        expected.append(np.mean([np.mean(np.abs(v[2:] - 2 * v[1:-1] + v[:-2])) / (v.max() - v.min()) for v in lines]))
    np.testing.assert_allclose(roughness(values), expected, rtol=1e-14)


def test_roughness_of_surfaces_that_one_knows() -> None:
    side = np.linspace(-1, 1, 101)
    flat = np.full((101, 101), 3.7)
    assert roughness(flat) == 0
    # Rounding of a constant is no noise.
    assert roughness(flat + 4e-16 * np.random.default_rng(0).standard_normal(flat.shape)) == 0
    assert roughness(np.zeros((4, 5, 5))).tolist() == [0.0] * 4
    # Planes have no second difference but rounding; parabolas 8/(n − 1)², whatever their size.
    assert roughness(side[:, None] + 2 * side) < 1e-14
    np.testing.assert_allclose(roughness(1e6 * (side[:, None] ** 2 + 3 * side**2)), 8 / 100**2, rtol=1e-9)
    noisy = side[:, None] ** 2 + side**2 + 0.1 * np.random.default_rng(0).standard_normal((101, 101))
    assert roughness(noisy) > 100 * 8 / 100**2
    # Which direction is called the first does not matter, nor do factors and shifts.
    wavy = np.sin(20 * side)[:, None] + side
    assert roughness(wavy) == roughness(wavy.T) == pytest.approx(roughness(5 - 3 * wavy))
    # Between 0 and 4, which alternating signs reach.
    assert roughness((-1.0) ** np.add.outer(range(9), range(9))) == 2.0
    assert np.isnan(roughness(np.zeros((2, 2))))


def test_noise_is_what_cancels_between_neighbours() -> None:
    values = np.random.default_rng(0).standard_normal((7, 7))
    expected = []
    for line in [*values, *values.T]:
        d = np.diff(line, 2)
        parts = [
            (abs(d[k - 1]) + 2 * abs(d[k]) + abs(d[k + 1])) / 4 - abs(d[k - 1] + 2 * d[k] + d[k + 1]) / 4
            for k in range(1, 4)
        ]
        expected.append(np.mean(parts) / np.ptp(line))
    assert noise(values) == pytest.approx(np.mean(expected), rel=1e-13)


def test_noise_leaves_out_curvature_and_keeps_jumps() -> None:
    side = np.linspace(-1, 1, 101)
    assert noise(side[:, None] ** 2 + 3 * side**2) < 1e-14
    # Convex with kinks: rough, not noisy.
    kinked = np.abs(side - 0.3)[:, None] + np.abs(side + 0.5)
    assert roughness(kinked) > 1e-4
    assert noise(kinked) < 1e-14
    # Inflection points alone.
    wave = np.sin(6 * side)[:, None] + np.cos(6 * side)
    assert noise(wave) < 0.02 * roughness(wave)
    jump = np.broadcast_to((side > 0.105).astype(float), (101, 101)) + 1e-3 * side[:, None]
    assert noise(jump) == pytest.approx(roughness(jump) / 2, rel=0.05)
    random = np.random.default_rng(0).standard_normal((101, 101))
    # E|d| = √(2·6/π); the smoothed one is (1, 0, −2, 0, 1)/4, so that 1 − ¼ is left, less what edges do.
    assert noise(random) == pytest.approx(0.75 * roughness(random), rel=0.02)
    assert noise(np.full((9, 9), 2.0)) == 0
    assert np.isnan(noise(np.zeros((4, 4))))


def test_infinite_energies_are_not_smoothed_over() -> None:
    values = np.zeros((9, 9))
    values[3, 4] = np.inf
    assert np.isnan(roughness(values))
    assert np.isnan(noise(values))
