"""Piecewise linear models told by their lines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.verify import audit
from kinkproof.verify.models.judging import exact_side
from kinkproof.verify.models.judging.preparation import prepare
from kinkproof.verify.models.judging.straight import Lines, as_lines, on_lines
from kinkproof.verify.models.seeing.breaks import find_breaks
from torch import nn

from tests.verify.models.random_models import density, kinked, network

DOMAIN = (-1.0, 1.0)


def of_outputs(outputs: int) -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(1, 7), nn.ReLU(), nn.Linear(7, 5), nn.LeakyReLU(), nn.Linear(5, outputs)).double()


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_lines_are_the_model(outputs: int) -> None:
    model = prepare(of_outputs(outputs), DOMAIN)
    told = as_lines(model, find_breaks(model.alone, DOMAIN).places, DOMAIN)
    assert isinstance(told.function, Lines)
    x = torch.linspace(*DOMAIN, 501, dtype=torch.float64)
    for own, seen in zip(told.fields(x)[:2], model.fields(x)[:2], strict=True):
        np.testing.assert_allclose(own.detach(), seen.detach(), rtol=0, atol=1e-14)


def test_a_model_with_a_kink_between_is_not_told_by_lines() -> None:
    model = prepare(of_outputs(1), DOMAIN)
    places = find_breaks(model.alone, DOMAIN).places
    for k in range(len(places)):
        assert as_lines(model, places[torch.arange(len(places)) != k], DOMAIN) is model
    smooth = prepare(nn.Sequential(nn.Linear(1, 5), nn.Tanh(), nn.Linear(5, 1)).double(), DOMAIN)
    assert as_lines(smooth, places, DOMAIN) is smooth


@pytest.mark.parametrize("outputs", [1, 3])
def test_on_lines_has_the_models_gradient(outputs: int) -> None:
    model = prepare(of_outputs(outputs), DOMAIN)
    edges = torch.cat([torch.tensor([-1.0]).double(), find_breaks(model.alone, DOMAIN).places, torch.tensor([1.0])])
    shares = torch.tensor([0.1, 0.6, 0.9], dtype=torch.float64)
    x = edges[:-1, None] + edges.diff()[:, None] * shares
    for place in (0.5, 0.3):
        u, du = on_lines(model, x, torch.lerp(edges[:-1], edges[1:], place))
        v, dv, _ = model.fields(x.reshape(-1))
        assert u.shape == v.shape
        mine, theirs = ((a**3 + a * b**2).sum() for a, b in ((u, du), (v, dv)))
        wanted = model.gradient(theirs)
        np.testing.assert_allclose(model.gradient(mine), wanted, rtol=0, atol=1e-13 * float(wanted.norm()))


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_an_audit_by_lines_finds_what_one_by_all_nodes_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    by_lines = audit(network(seed), density)
    monkeypatch.setattr(exact_side, "told_by_lines", lambda model, located: model)
    by_nodes = audit(network(seed), density)
    size = np.linalg.norm(by_nodes.bulk)
    for own, other in ((by_lines.bulk, by_nodes.bulk), (by_lines.dirac, by_nodes.dirac)):
        np.testing.assert_allclose(own, other, rtol=0, atol=1e-12 * size)


@pytest.mark.long
def test_10000_kinks_are_audited() -> None:
    found = audit(kinked(10_000), density)
    assert len(found.kinks) == 10_000
    assert found.routes_agree
    assert found.verdict == "inconsistent"
