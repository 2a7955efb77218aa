"""Losses of several integrals on faces, edges and points, against energies that other code sums up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver.mending import rectifiers
from kinkproof.verify import Polygon, Region, Segment, audit
from kinkproof.verify.errors import InputError
from kinkproof.verify.models.space import sampled
from kinkproof.verify.models.space.domains import as_domain
from kinkproof.verify.models.space.fields import prepare
from kinkproof.verify.models.space.terms import exact_terms, looked_at, stated_in_space
from torch import Tensor, nn

from tests.solver.mending import reference

from .test_audit import CUBE, SQUARE, Field, bar, bar_by_numpy


def steep(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return (du**2).sum(1) / 2 + u * x[:, 0]


def steep_by_numpy(x: Any, u: Any, du: Any) -> Any:
    return (du[:, 0] ** 2).sum(1) / 2 + u[:, 0] * x[:, 0]


def known(model: nn.Module, domain: Any, density: Any, terms: Any, loss_of: Any = None) -> Any:
    where = as_domain(domain)
    composed = stated_in_space(density, terms, loss_of, where, domain)
    return exact_terms(*looked_at(composed, prepare(model, where, None)))


def gradient_by_differences(model: Field, energy: Any, step: float = 1e-4) -> np.ndarray[Any, Any]:
    """Fourth-order differences by each parameter."""
    base = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in model.net if isinstance(m, nn.Linear)]
    row = []
    for k, pair in enumerate(base):
        for which, array in enumerate(pair):
            for index in np.ndindex(array.shape):
                e = []
                for change in (-2, -1, 1, 2):
                    moved = [(w.copy(), b.copy()) for w, b in base]
                    moved[k][which][index] += change * step
                    e.append(energy(moved))
                row.append((e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * step))
    return np.array(row)


@pytest.mark.parametrize(("inputs", "others"), [(2, [0.3]), (3, [0.3, 0.6])])
def test_an_edge_has_the_gradient_of_the_energy_along_it(inputs: int, others: list[float]) -> None:
    model = Field(inputs, 6, seed=inputs - 1)
    line = reference.Grid(np.array([others]))

    def energy(parameters: Any) -> float:
        return reference.along(parameters, line, 9).energy(parameters, steep_by_numpy)

    wanted = gradient_by_differences(model, energy)
    domain = (SQUARE, CUBE)[inputs - 2]
    exact = known(model, domain, None, [(steep, ((0, 1), *others))]).whole
    # Rounding of the energies over steps of 1e-4.
    assert np.linalg.norm((exact.bulk + exact.dirac).numpy() - wanted) <= 1e-8 * np.linalg.norm(wanted)
    assert float(exact.dirac.norm()) > 1e-3 * np.linalg.norm(wanted)
    same = known(model, domain, None, [(steep, Segment((0, *others), (1, *others)))]).whole
    assert torch.allclose(same.bulk + same.dirac, exact.bulk + exact.dirac, rtol=1e-9, atol=1e-11)


def test_a_function_of_integrals_over_the_domain_an_edge_and_points_has_its_gradient() -> None:
    model = Field(2, 5, seed=1)
    line, points = reference.Grid(np.array([[0.4]])), torch.tensor([[0.3, 0.2], [0.5, 0.7]]).double()

    def loss(a: Any, b: Any, c: Any) -> Any:
        return a * b + c**2

    def energy(parameters: Any) -> float:
        a = reference.cells(parameters, 7).energy(parameters, bar_by_numpy)
        b = reference.along(parameters, line, 9).energy(parameters, steep_by_numpy)
        slope, shift = reference.affine(parameters, points.numpy())[-1]
        d, _ = reference.distance(points.numpy())
        return float(loss(a, b, (d * ((slope[:, 0] * points.numpy()).sum(1) + shift[:, 0])).mean()))

    wanted = gradient_by_differences(model, energy)
    terms = [(steep, ((0, 1), 0.4)), (lambda x, u, du: u, points)]
    found = known(model, SQUARE, bar, terms, loss)
    assert np.linalg.norm((found.whole.bulk + found.whole.dirac).numpy() - wanted) <= 1e-7 * np.linalg.norm(wanted)
    assert all(r.passed for r in found.whole.routes)
    assert found.weights == pytest.approx((found.sides[1].energy, found.sides[0].energy, 2 * found.sides[2].energy))


@pytest.mark.slow
def test_boundaries_and_faces_add_up() -> None:
    def length(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return 1 + 0 * u

    triangle = Polygon([(0, 0), (3, 0), (0, 4)])
    cases = ((SQUARE, 4.0), (triangle, 12.0), (((0, 1), (0, 2), (0, 3)), 22.0))
    for domain, size in cases:
        side = known(Field(3 if size == 22 else 2, 3), domain, None, [(length, "boundary")]).whole
        assert side.energy == pytest.approx(size, rel=1e-12)
    corner = Polygon([(0, 0), (0.3, 0), (0, 0.4)])
    part = known(Field(2, 3), SQUARE, None, [(length, ((0.5, 1), (0, 0.5))), (length, corner)])
    assert [s.energy for s in part.sides] == pytest.approx([0.25, 0.06])


def heat(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    """Of t and x: a residual in least squares."""
    return (du[:, 1] - du[:, 0]) ** 2


def start(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return (u - torch.sin(math.pi * x[:, 0])) ** 2 + du[:, 0] ** 2


class Free(Field):
    """N alone."""

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[:, 0]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["midpoint", "random"])
def test_a_loss_in_space_and_time_is_refuted_in_its_initial_term_too(rule: str) -> None:
    terms = [(start, ((0, 1), 0)), (lambda x, u, du: u**2, (0, (0, 1)))]
    found = audit(Free(2, 8, seed=4), heat, SQUARE, rule=rule, terms=terms)
    assert found.verdict == "inconsistent"
    assert [i.verdict for i in found.integrals] == ["inconsistent", "inconsistent", "consistent"]
    assert "integrals[1] = integrals[1] + dirac_term(start, model, ((0.0, 1.0), 0.0))\nloss = sum" in found.remedy
    assert audit(Free(2, 8, activation=nn.Tanh), heat, SQUARE, rule=rule, terms=terms).verdict == "consistent"


def test_a_whole_loss_of_several_terms_is_judged_and_one_summand_printed() -> None:
    def loss(model: nn.Module, n: int) -> Tensor:
        x = torch.rand(n, 2, dtype=torch.float64, requires_grad=True)
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        side = torch.stack([torch.rand(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)], 1)
        return bar(x, u, du).mean() + 10 * (model(side) ** 2).mean()

    terms = [(lambda x, u, du: 10 * u**2, ((0, 1), 0))]
    found = audit(Free(2, 8, seed=4), bar, SQUARE, terms=terms, loss=loss)
    assert found.verdict == "inconsistent"
    assert found.remedy.startswith("# Added to the integral of bar over the domain")
    assert "dirac_term(bar, model, ((0.0, 1.0), (0.0, 1.0)))" in found.remedy


def test_the_summands_of_several_integrals_executed_as_printed_are_what_is_missing() -> None:
    model, points = Free(3, 6, seed=4), torch.tensor([[0.3, 0.2, 0.6]]).double()
    terms = [
        (steep, ((0, 1), 0.3, 0.5)),
        (steep, Segment((0, 0, 0), (1, 0.5, 0.25))),
        (steep, ((0.25, 0.75), 1, (0, 1))),
        (lambda x, u, du: u**2, points),
    ]

    def loss_of(a: Any, b: Any, c: Any, d: Any) -> Any:
        return a * b + c + d

    found = audit(model, None, CUBE, terms=terms, loss_of=loss_of)
    assert found.verdict == "inconsistent"
    assert "dirac_term(steep, model, Segment((0.0, 0.0, 0.0), (1.0, 0.5, 0.25)))" in found.remedy
    exact = known(model, CUBE, None, terms, loss_of)
    rows = []
    for seed in range(40):
        torch.manual_seed(seed)
        integrals = [torch.tensor(s.energy, requires_grad=True).double() for s in exact.sides]
        names: dict[str, Any] = {"model": model, "steep": steep, "loss_of": loss_of, "integrals": integrals}
        exec(found.remedy, names)
        row = torch.autograd.grad(names["loss"], list(model.parameters()), allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([g.flatten() for g in row]))
    off = torch.stack(rows).mean(0) - exact.whole.dirac
    error = (torch.stack(rows).var(0).sum() / 40 + exact.whole.dirac_variance.sum()).sqrt()
    assert off.norm() < 4 * error + 1e-6 * exact.whole.dirac.norm()
    assert error < 0.05 * exact.whole.dirac.norm()


def test_a_summand_that_is_wrong_on_an_edge_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = rectifiers.Bends.weights

    def planted(self: Any, density: Any, crossings: Any, size: float, tangents: Any = None) -> Any:
        # A fault on edges alone, by a thousandth.
        return weights(self, density, crossings, size, tangents) * (1 if tangents is None else 1.001)

    monkeypatch.setattr(rectifiers.Bends, "weights", planted)
    found = audit(Free(2, 8, seed=4), heat, SQUARE, terms=[(start, ((0, 1), 0))])
    assert (
        "No remedy is known that was found right on this model: dirac_term is 0.001 of the missing part of start off"
        in found.remedy
    )


def test_an_error_on_an_edge_alone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = sampled._jumps
    # The planted fault: ⟦L⟧ is a tenth too large along lines; the cells of the domain know nothing of it.
    monkeypatch.setattr(sampled, "_jumps", lambda values, pieces: 1.1 * jumps(values, pieces))
    found = audit(Free(2, 8, seed=4), heat, SQUARE, terms=[(start, ((0, 1), 0))])
    assert found.verdict == "none"
    assert "jumps over kink surfaces over (0, 1) × {0}" in found.reason


DISC = Region(lambda x: (x - 0.5).norm(dim=1) - 0.4, SQUARE)


@pytest.mark.parametrize(
    ("domain", "terms", "message"),
    [
        (SQUARE, [(bar, ((0, 1), 2))], r"^terms: the piece of number 0 has the point \(0, 2\), outside the domain"),
        (
            SQUARE,
            [(bar, [(0.5, 0.5), (0.5, -0.5)])],
            r"has the point \(0.5, -0.5\), outside the domain; one in its clos",
        ),
        (Polygon([(0, 0), (1, 0), (0, 1)]), [(bar, Segment((0, 0), (1, 1)))], r"has the point \(1, 1\), outside"),
        (DISC, [(bar, (0.0, 0.0))], r"has the point \(0, 0\), outside the domain"),
        (DISC, [(bar, "boundary")], "^terms: a Region does not tell its boundary; a box or a Polygon"),
        (SQUARE, [(bar, ((1, 0), 0))], r"^terms: the piece \(\(1, 0\), 0\) of number 0 is empty; ascending ends"),
        (SQUARE, [(bar, "side")], "^terms: number 0 has the piece 'side'; a number or a pair for each input"),
        (SQUARE, [(bar, (0, 0, 0))], r"^terms: number 0 has the piece \(0, 0, 0\)"),
        (SQUARE, [(bar, Segment((0, 0), (0, 0)))], "is no segment; two different points"),
        (SQUARE, [bar], "^terms: number 0 is no density with a piece"),
        (SQUARE, bar, "^terms: function is no list"),
    ],
)
def test_pieces_that_are_none_are_refused_in_a_sentence(domain: Any, terms: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        audit(Field(2, 4), bar, domain, terms=terms)


def test_points_of_ones_own_and_nothing_integrated_are_refused() -> None:
    with pytest.raises(InputError, match=r"^quadrature: its points lie in the domain, and terms are on pieces of it"):
        audit(Field(2, 4), bar, SQUARE, terms=[(bar, ((0, 1), 0))], quadrature=lambda n: (torch.rand(n, 2), 1 / n))
    with pytest.raises(InputError, match=r"^terms: nothing is integrated"):
        audit(Field(2, 4), None, SQUARE, terms=[(bar, (0, 0))])
