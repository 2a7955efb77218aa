"""Rules on triangles and segments against integrals in closed form, and what is too rough for any rule."""

from __future__ import annotations

import math

import pytest
import torch
from kinkproof.verify.errors import InputError
from kinkproof.verify.models.space.cutting.simplices import _ORDERS, _rule, converged
from torch import Tensor

TRIANGLE = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)


@pytest.mark.parametrize("order", _ORDERS)
def test_rules_are_exact_to_degree_2n_less_1_and_not_beyond(order: int) -> None:
    share, weight = _rule(2, order)

    def off(a: int, b: int) -> float:
        exact = 2 * math.factorial(a) * math.factorial(b) / math.factorial(a + b + 2)
        return abs(float((weight * share[:, 0] ** a * share[:, 1] ** b).sum()) / exact - 1)

    most = 2 * order - 1
    assert max(off(a, most - a) for a in range(most + 1)) < 1e-13
    assert off(2 * order, 0) > 1e-13


def test_an_oscillation_is_split_until_it_is_integrated() -> None:
    def rows(x: Tensor, _: Tensor) -> Tensor:
        return torch.stack([(40 * x[:, 1]).sin() * (3 * x[:, 0]).exp(), torch.ones(len(x)).double()])

    square = torch.cat([TRIANGLE, 1 - TRIANGLE])
    nodes = converged(square, rows)
    found = (rows(nodes.x, nodes.owner) * nodes.weight).sum(1)
    assert abs(float(found[0]) - (math.e**3 - 1) / 3 * (1 - math.cos(40)) / 40) < 1e-9
    assert abs(float(found[1]) - 1) < 1e-14
    # What each simplex gets is its own.
    assert abs(float(nodes.weight[nodes.owner == 0].sum()) - 0.5) < 1e-14


def test_segments_have_their_length() -> None:
    nodes = converged(torch.tensor([[[0.0, 0.0], [3.0, 4.0]]]).double(), lambda x, _: x[:, :1].T)
    assert abs(float((nodes.x[:, 0] * nodes.weight).sum()) - 7.5) < 1e-14


def test_a_pole_is_refused() -> None:
    with pytest.raises(InputError, match="it is not smooth near x"):
        converged(TRIANGLE, lambda x, _: 1 / (x[:, :1].T + x[:, 1:].T) ** 2)
