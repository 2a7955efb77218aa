"""Poles of known powers, at points, on lines and planes: which of them make an integral infinite."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kinkproof.verify.models.space.cutting.poles import pole


@pytest.mark.parametrize(
    ("inputs", "sizes", "start", "power", "infinite"),
    [
        (1, lambda x: 1 / x[:, 0], [0.01], 1, True),
        (1, lambda x: x[:, 0] ** -0.5, [0.01], 0.5, False),
        (1, lambda x: (x[:, 0] - 0.3) ** -2, [0.31], 2, True),
        (1, lambda x: x[:, 0] ** 2, [0.01], 0, False),
        (2, lambda x: 1 / x[:, 0], [0.01, 0.5], 1, True),
        (2, lambda x: 1 / (x[:, 0] - 2 * x[:, 1] + 0.1).abs(), [0.4, 0.25], 1, True),
        (2, lambda x: x[:, 0] ** -0.5, [0.01, 0.5], 0.5, False),
        (2, lambda x: 1 / x.norm(dim=1), [0.01, 0.01], 1, False),
        (2, lambda x: 1 / x.square().sum(1), [0.01, 0.01], 2, True),
        (3, lambda x: 1 / x[:, 0], [0.01, 0.5, 0.5], 1, True),
        (3, lambda x: x.norm(dim=1) ** -2, [0.01, 0.01, 0.01], 2, False),
        (3, lambda x: x.norm(dim=1) ** -3, [0.01, 0.01, 0.01], 3, True),
    ],
)
def test_the_power_and_whether_the_integral_is_infinite(
    inputs: int, sizes: Any, start: list[float], power: float, infinite: bool
) -> None:
    box = torch.tensor([[0.0, 1.0]] * inputs, dtype=torch.float64)
    found = pole(sizes, torch.tensor(start, dtype=torch.float64), box)
    assert abs(found.power - power) < 0.02
    assert found.infinite == infinite
