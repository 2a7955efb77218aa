"""Polygons in convex parts: areas, and which points they hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.verify.models.space.cutting.trapezoids import Array, trapezoids
from kinkproof.verify.models.space.domains import Polygon


def inside(parts: list[Array], x: Array) -> Array:
    """How many of the parts each point lies in."""
    found = np.zeros(len(x), dtype=int)
    for p in parts:
        edge, away = np.roll(p, -1, 0) - p, x[:, None] - p
        found += (edge[:, 0] * away[..., 1] - edge[:, 1] * away[..., 0] > 0).all(1)
    return found


def star(seed: int) -> Array:
    generator = np.random.default_rng(seed)
    angle = np.sort(generator.random(12)) * 2 * np.pi
    return (0.3 + generator.random(12))[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)


@pytest.mark.parametrize(
    ("corners", "holes"),
    [
        ([(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)], []),
        (
            [(0, 0), (0, 3), (3, 3), (3, 0)],
            [[(1, 1), (2, 1), (2, 2)], [(0.2, 0.2), (0.4, 0.2), (0.4, 0.4), (0.2, 0.4)]],
        ),
        (star(0), []),
        (star(1), []),
    ],
)
def test_parts_are_convex_and_hold_each_point_of_the_polygon_once(corners: Array, holes: list[Array]) -> None:
    polygon = Polygon(corners, holes)
    parts = trapezoids(*(e.numpy() for e in polygon.edges))
    low, high = polygon.box.numpy().T
    x = low + (high - low) * np.random.default_rng(0).random((2_000, 2))
    assert np.array_equal(inside(parts, x), polygon.inside(torch.from_numpy(x)).numpy().astype(int))
    area = sum((p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1)).sum() / 2 for p in parts)
    assert abs(area - polygon.volume) < 1e-13 * polygon.volume
