"""Cells of all kinds of models with straight kinks, against lines; and models that have none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kinkproof.verify.models.judging.density import bind
from kinkproof.verify.models.space import plane
from kinkproof.verify.models.space.domains import Polygon, as_domain
from kinkproof.verify.models.space.exact import exact_side
from kinkproof.verify.models.space.faces import whole
from kinkproof.verify.models.space.fields import prepare
from kinkproof.verify.models.space.lines import searched
from torch import Tensor, nn

from .test_audit import SQUARE, Field, bar


class Residual(Field):
    """A skip around a layer, and one from the input."""

    def __init__(self) -> None:
        super().__init__(2, 6, 6, seed=3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.net[1](self.net[0](x))
        h = h + torch.relu(self.net[2](h))
        return (4 * x * (1 - x)).prod(1) * (self.net[4](h)[:, 0] + x[:, 0])


class Largest(Field):
    """Max-out: the largest of several planes, and a leaky layer after it."""

    def __init__(self) -> None:
        super().__init__(2, 9, seed=2)
        torch.manual_seed(7)
        self.next = nn.Linear(3, 4).double()

    def forward(self, x: Tensor) -> Tensor:
        h = self.net[0](x).reshape(len(x), 3, 3).amax(2)
        return (4 * x * (1 - x)).prod(1) * nn.functional.leaky_relu(self.next(h), 0.2).sum(1)


class Dense(Field):
    """The first layer's activations are taken up again behind the stack."""

    def __init__(self) -> None:
        super().__init__(2, 5, 5, seed=3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.net[0](x))
        return (4 * x * (1 - x)).prod(1) * (self.net[4](torch.relu(self.net[2](h)))[:, 0] + h.sum(1))


class Two(Field):
    """Two networks, one of them clamped."""

    def __init__(self) -> None:
        super().__init__(2, 4, seed=5)
        self.other = Field(2, 3, activation=nn.Hardtanh, seed=6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + (4 * x * (1 - x)).prod(1) * self.other.net(x)[:, 0].clamp(-0.2, 0.3)


def found_in(model: nn.Module, domain: Any = SQUARE) -> Any:
    where = as_domain(domain)
    return exact_side(prepare(model, where, None), bind(bar), whole(where))


@pytest.mark.parametrize("model", [Residual(), Largest(), Dense(), Two(), Field(2, 6, activation=nn.ReLU6, seed=2)])
def test_models_whose_kinks_are_straight_agree_with_lines_to_1e_9(model: nn.Module) -> None:
    found = found_in(model)
    assert found.how.endswith("cells")
    # Far more than the routes may differ by.
    assert float(found.dirac.norm()) > 1e-5 * float(found.bulk.norm())
    assert found.routes[0].tolerance == 1e-9
    assert all(r.passed for r in found.routes), found.routes


def test_polygons_with_holes_are_cut_too() -> None:
    plate = Polygon([(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)], [[(0.1, 0.1), (0.3, 0.1), (0.3, 0.3)]])
    found = found_in(Field(2, 8, seed=4), plate)
    assert found.how.endswith("cells")
    assert found.routes[0].tolerance == 1e-9
    assert all(r.passed for r in found.routes)


def test_kinks_that_bend_are_left_to_lines() -> None:
    class Bent(Field):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.tanh())

    found = found_in(Bent(2, 5, seed=4))
    assert found.how.endswith("along each axis")
    assert all(r.passed for r in found.routes)


def test_a_stack_is_told_cell_by_cell_and_nothing_else_is() -> None:
    def told(model: nn.Module) -> int:
        where = as_domain(SQUARE)
        prepared, face = prepare(model, where, None), whole(where)
        what = searched(prepared, bind(bar), face)
        cells = plane.cells_of(prepared, what, face)
        assert cells is not None
        return plane._told(prepared, what, face, cells).length

    # Linear, activation, linear, activation, linear.
    assert told(Field(2, 5, 5, seed=3)) == 5
    assert told(Dense()) == 0
    assert told(Two()) == 0
