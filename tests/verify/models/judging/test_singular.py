"""Data that grow without bound, against energies in closed form of networks that are piecewise linear."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import audit
from kinkproof.verify.errors import InputError
from kinkproof.verify.models.seeing import pieces
from torch import Tensor, nn

from ..random_models import kinked

# p of |x − a|^(−p), nil of log|x − a|, and a.
POLES = [(1 / 3, 0.3), (1 / 2, 0.0), (3 / 4, 0.3), (2 / 3, math.pi / 10), (1 / 2, 1.0), (1 / 4, 0.5), (0.0, 1 / 3)]
DEAR = [pytest.param(*case, marks=[pytest.mark.long] if k > 3 else []) for k, case in enumerate(reversed(POLES))]


def source(p: float, a: float) -> Callable[[Any], Any]:
    return lambda x: abs(x - a) ** -p if p else (x - a).abs().log()


def density(p: float, a: float) -> Callable[..., Tensor]:
    f = source(p, a)
    return lambda x, u, du: du**2 / 2 - f(x) * u


def energy(theta: np.ndarray[Any, Any], p: float, a: float) -> float:
    """∫ ½u′² − f u of u = Σ c ReLU(w x + b) + d, by antiderivatives of f and (x − a) f."""
    w, b, c = theta[:-1].reshape(3, -1)
    marks = np.concatenate([[0.0], np.sort(-b / w)[(np.sort(-b / w) > 0) & (np.sort(-b / w) < 1)], [1.0]])

    def first(s: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if p:
            return np.asarray(np.sign(s) * np.abs(s) ** (1 - p) / (1 - p))
        return np.asarray(s * np.log(np.abs(s) + (s == 0)) - s)

    def second(s: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if p:
            return np.asarray(np.abs(s) ** (2 - p) / (2 - p))
        return np.asarray(s**2 / 2 * np.log(np.abs(s) + (s == 0)) - s**2 / 4)

    middle, s = (marks[1:] + marks[:-1]) / 2, marks - a
    on = (w * middle[:, None] + b > 0) * c
    slope, shift = on @ w, on @ b + theta[-1]
    linear = slope * np.diff(second(s)) + (slope * a + shift) * np.diff(first(s))
    return float((slope**2 / 2 * np.diff(marks) - linear).sum())


@pytest.mark.slow
@pytest.mark.parametrize(("p", "a"), DEAR)
def test_energy_and_gradient_are_those_in_closed_form(p: float, a: float) -> None:
    model = kinked(6, seed=1)
    found = audit(model, density(p, a), (0, 1))
    theta = torch.cat([t.detach().flatten() for t in model.parameters()]).numpy()
    assert float(found.energy) == pytest.approx(energy(theta, p, a), rel=1e-10)
    step, row = 1e-4, []
    for k in range(len(theta)):
        moved = [theta + j * step * np.eye(len(theta))[k] for j in (-2, -1, 1, 2)]
        e = [energy(t, p, a) for t in moved]
        row.append((e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * step))
    # Differences of an energy that, at the pole, is no polynomial.
    np.testing.assert_allclose(found.bulk + found.dirac, row, rtol=0, atol=2e-9 * np.linalg.norm(row))
    assert found.routes[0].error <= 1e-9
    assert found.verdict == "inconsistent"
    assert "dirac_term(density, model, (0, 1))" in found.remedy


def smooth(p: float, a: float, seeds: int) -> None:
    for seed in range(seeds):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        assert audit(net, density(p, a), (0, 1)).verdict == "consistent", seed


@pytest.mark.slow
@pytest.mark.parametrize(("p", "a"), POLES[1:3])
def test_a_smooth_network_is_not_taken_for_wrong_since_grids_converge_slowly(p: float, a: float) -> None:
    smooth(p, a, 1)


@pytest.mark.long
@pytest.mark.parametrize(("p", "a"), POLES)
def test_ten_smooth_networks_are_not_taken_for_wrong(p: float, a: float) -> None:
    smooth(p, a, 10)


def test_a_coefficient_and_two_places_are_found_as_well() -> None:
    f, g = source(1 / 2, 0.3), source(1 / 3, 0.0)
    found = audit(kinked(), lambda x, u, du: f(x) * du**2 / 2 - g(x) * u, (0, 1))
    assert found.verdict == "inconsistent"
    assert max(r.error for r in found.routes[:2]) <= 1e-11


def test_nodes_rounded_at_the_place_are_allowed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model = kinked(6, seed=1)
    right = pieces.stretched

    def planted(marks: Tensor, order: int, crowding: Tensor | None = None) -> Any:
        # Powers of growth forgotten: then nodes near the place have the weights of where they were meant to lie.
        return right(marks, order, None if crowding is None else crowding * crowding.new_tensor([[1.0], [0.0]]))

    monkeypatch.setattr(pieces, "stretched", planted)
    assert audit(model, density(3 / 4, 0.3), (0, 1)).routes[0].error > 1e-11


class Tent(nn.Module):
    """A kink at a trainable place."""

    def __init__(self, place: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([place], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x - self.place)


def drawn(n: int) -> tuple[Tensor, float]:
    return torch.rand(n, dtype=torch.float64), 1 / n


@pytest.mark.slow
def test_what_cannot_be_judged_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r"^density: its integral is infinite: near x = 0.3 it grows like the .* −1;"):
        audit(kinked(), density(1.0, 0.3), (0, 1))
    with pytest.raises(
        InputError, match=r"power −0.9, so that its integral is finite and cannot be had .* −3/4, would"
    ):
        audit(kinked(), density(0.9, 0.3), (0, 1))
    with pytest.raises(InputError, match=r"^density: a kink of the model lies at x = 0.3, where L grows without bound"):
        audit(Tent(0.3), lambda x, u, du: abs(x - 0.3) ** -0.5 * du**2, (0, 1))
    with pytest.raises(InputError, match=r"^density: near x = 0.3 .* points drawn at random have no finite variance"):
        audit(kinked(), density(0.75, 0.3), (0, 1), quadrature=drawn)
