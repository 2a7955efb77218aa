from __future__ import annotations

import math

import pytest
import torch
from kinkproof.verify import InputError
from kinkproof.verify.models.seeing.pieces import cut, legendre, stretched, to_ends
from torch import Tensor


def integral(fields: Tensor, weights: Tensor) -> float:
    return float((fields * weights).sum())


def test_breaks_become_marks_and_coincident_ones_share_one() -> None:
    places = torch.tensor([0.7, 0.2, 0.2 + 1e-14, 0.5], dtype=torch.float64)
    pieces = cut(places, (0, 1), lambda x: x[None], 1000)
    assert pieces.marks.tolist() == pytest.approx([0, 0.2, 0.5, 0.7, 1], abs=1e-12)
    assert pieces.owners.tolist() == [-1, 1, 3, 0, -1]


@pytest.mark.parametrize("points", [16, 100, 20_000])
def test_smooth_and_broken_fields_are_integrated_to_rounding(points: int) -> None:
    def fields(x: Tensor) -> Tensor:
        return torch.stack([torch.exp(40 * x), (x > 1 / 3).double(), (x - 1 / math.pi).abs()])

    pieces = cut(torch.zeros(0, dtype=torch.float64), (0, 1), fields, points)
    x, weights = pieces.nodes()
    values = fields(x.reshape(-1)).reshape(3, *x.shape)
    third = 1 / math.pi
    for value, exact in zip(values, (math.expm1(40) / 40, 2 / 3, (third**2 + (1 - third) ** 2) / 2), strict=True):
        assert integral(value, weights) == pytest.approx(exact, rel=1e-12)
    # The chunks cover every piece once.
    assert [k for s in pieces.chunks() for k in range(len(x))[s]] == list(range(len(x)))


def test_a_field_that_is_rough_everywhere_is_refused() -> None:
    nowhere = torch.zeros(0, dtype=torch.float64)
    with pytest.raises(InputError, match="not smooth near x"):
        cut(nowhere, (0, 1), lambda x: torch.sin(1e7 * x**2)[None], 20_000)


@pytest.mark.parametrize("order", [4, 8, 16])
def test_values_at_the_ends_are_those_of_the_polynomial(order: int) -> None:
    node, _ = legendre(order)
    coefficients = torch.arange(1, order + 1, dtype=torch.float64) / order
    values = torch.stack([node**k for k in range(order)], 1) @ coefficients
    left, right = to_ends(order)
    assert float(values @ right) == pytest.approx(float(coefficients.sum()), rel=1e-12)
    assert float(values @ left) == pytest.approx(float(coefficients[::2].sum() - coefficients[1::2].sum()), rel=1e-12)


def test_nodes_move_with_the_marks() -> None:
    marks = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64, requires_grad=True)
    x, weights = stretched(marks, 8)
    # d/dξ of ∫ over the left piece of x² is ξ², of the right one −ξ².
    left = (weights[0] * x[0] ** 2).sum()
    (moved,) = torch.autograd.grad(left, marks)
    assert float(moved[1]) == pytest.approx(0.25**2)
