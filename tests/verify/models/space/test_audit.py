"""Audits in several inputs: the exact side against cells cut out of the square, and verdicts on all kinds of points."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import Polygon, Region, dirac_term
from kinkproof.verify import audit
from kinkproof.verify.errors import InputError
from kinkproof.verify.models.judging.density import bind
from kinkproof.verify.models.space import exact as module
from kinkproof.verify.models.space import plane
from kinkproof.verify.models.space import sampled as along_lines
from kinkproof.verify.models.space.domains import as_domain
from kinkproof.verify.models.space.exact import ExactSide, exact_side
from kinkproof.verify.models.space.faces import whole
from kinkproof.verify.models.space.fields import prepare
from torch import Tensor, nn

from tests.solver.mending import reference

SQUARE = ((0.0, 1.0), (0.0, 1.0))
CUBE = ((0.0, 1.0),) * 3


class Field(nn.Module):
    """D·N with D = Π 4x(1 − x), for all outputs."""

    def __init__(self, inputs: int, *widths: int, outputs: int = 1, activation: Any = nn.ReLU, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        sizes = (inputs, *widths, outputs)
        for a, b in pairwise(sizes):
            layers += [nn.Linear(a, b), activation()]
        self.net = nn.Sequential(*layers[:-1]).double()
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        u = (4 * x * (1 - x)).prod(1, keepdim=True) * self.net(x)
        return u[:, 0] if self.outputs == 1 else u


class Torn(Field):
    """Twice as large on one side of a line."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * torch.where(x[:, 0] > 0.7 * x[:, 1], 1.0, 2.0)


def bar(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return (du**2).sum(1) / 2 - 10 * torch.sin(math.pi * x).prod(1) * u


def stretched(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    """Of two displacements: they pull on each other."""
    return (du**2).sum((1, 2)) / 2 + du[:, 0, 0] * du[:, 1, 1] / 2 - x[:, 0] * u[:, 1]


def exact(model: nn.Module, density: Any, domain: Any) -> ExactSide:
    where = as_domain(domain)
    return exact_side(prepare(model, where, None), bind(density), whole(where))


def by_cells(model: Field, density: Any, step: float = 1e-4) -> np.ndarray[Any, Any]:
    """∂E/∂θ by fourth-order differences of the energy summed over cells, which are cut anew at each parameter."""
    linear = [m for m in model.net if isinstance(m, nn.Linear)]
    base = [(m.weight.detach().numpy().copy(), m.bias.detach().numpy().copy()) for m in linear]

    def energy(k: int, which: int, index: Any, change: float) -> float:
        moved = [(w.copy(), b.copy()) for w, b in base]
        moved[k][which][index] += change
        return reference.cells(moved, 7).energy(moved, density)

    row = []
    for k, pair in enumerate(base):
        for which, array in enumerate(pair):
            for index in np.ndindex(array.shape):
                e = [energy(k, which, index, s * step) for s in (-2, -1, 1, 2)]
                row.append((e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * step))
    return np.array(row)


def bar_by_numpy(x: Any, u: Any, du: Any) -> Any:
    return (du[:, 0] ** 2).sum(1) / 2 - 10 * np.sin(math.pi * x).prod(1) * u[:, 0]


def stretched_by_numpy(x: Any, u: Any, du: Any) -> Any:
    return (du**2).sum((1, 2)) / 2 + du[:, 0, 0] * du[:, 1, 1] / 2 - x[:, 0] * u[:, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "density", "by_numpy"),
    [
        (Field(2, 6, seed=1), bar, bar_by_numpy),
        (Field(2, 4, 4, seed=0), bar, bar_by_numpy),
        (Field(2, 5, outputs=2, seed=3), stretched, stretched_by_numpy),
    ],
)
def test_the_gradient_is_that_of_the_energy_summed_over_cells(
    model: Field, density: Any, by_numpy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = exact(model, density, SQUARE)
    wanted = by_cells(model, by_numpy)
    total, size = (found.bulk + found.dirac).numpy(), np.linalg.norm(wanted)
    assert found.how.endswith("cells")
    # Rounding of the energies, some 1e-15 of them, over steps of 1e-4.
    assert np.linalg.norm(total - wanted) <= 1e-8 * size
    # Without what the motion of the surfaces adds it is not.
    assert np.linalg.norm(found.bulk.numpy() - wanted) > 1e-4 * size
    # The routes have to agree to 1e-9, and lines that are drawn at random give the same.
    assert found.routes[0].passed
    assert found.routes[0].tolerance == 1e-9
    monkeypatch.setattr(module, "_on_cells", lambda *_: None)
    drawn = exact(model, density, SQUARE)
    # Sixteen samples: a mean is off by more than five of its standard errors once in ten thousand times.
    assert np.linalg.norm((drawn.bulk + drawn.dirac).numpy() - total) <= 5 * drawn.error
    assert 0 < drawn.error <= 1e-3 * size


def test_an_error_in_the_jump_is_seen_by_the_other_route(monkeypatch: pytest.MonkeyPatch) -> None:
    jumps, beside = along_lines._jumps, plane._beside
    # The planted faults: ⟦L⟧ is a tenth too large.
    monkeypatch.setattr(along_lines, "_jumps", lambda values, pieces: 1.1 * jumps(values, pieces))
    found = audit(Field(3, 6, seed=5), bar, CUBE)
    assert found.verdict == "none"
    assert "jumps over kink surfaces and nodes that follow the kinks along lines disagree" in found.reason
    monkeypatch.setattr(plane, "_beside", lambda *given: 1.1 * beside(*given))
    found = audit(Field(2, 8, seed=4), bar, SQUARE)
    assert found.verdict == "none"
    assert "jumps over the edges of cells and nodes that follow the kinks along lines between" in found.reason
    assert not found.routes[1].passed


@pytest.mark.parametrize("rule", ["midpoint", "random", "sobol"])
def test_relu_is_refuted_and_tanh_is_not_on_all_kinds_of_points(rule: str) -> None:
    assert audit(Field(2, 8, activation=nn.Tanh), bar, SQUARE, rule=rule).verdict == "consistent"
    found = audit(Field(2, 8, seed=4), bar, SQUARE, rule=rule)
    assert found.verdict == "inconsistent"
    assert found.total is not None
    assert found.total.lacks is not None
    assert abs(found.total.lacks - 1) <= 5 * found.total.uncertainty
    assert [t.verdict for t in found.tensors][2:] == ["consistent", "consistent"]
    first = found.total.offenders[0]
    assert isinstance(first.place, tuple)
    assert len(first.place) == 2
    # The place lies on the surface that it is said to lie on.
    z = Field(2, 8, seed=4).net[0](torch.tensor([first.place], dtype=torch.float64))[0, first.neuron]
    assert abs(float(z.detach())) < 1e-12


def sampled(model: nn.Module, n: int) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.rand(n, 2, dtype=torch.float64, requires_grad=True)
    u = model(x)
    return x, u, torch.autograd.grad(u.sum(), x, create_graph=True)[0]


def test_the_printed_summand_makes_the_loss_right() -> None:
    model = Field(2, 8, seed=4)
    found = audit(model, bar, SQUARE, loss=lambda model, n: bar(*sampled(model, n)).mean())
    assert found.verdict == "inconsistent"

    def mended(model: nn.Module, n: int) -> Tensor:
        names: dict[str, Any] = {"value": bar(*sampled(model, n)).mean(), "model": model, "bar": bar}
        exec(found.remedy, names)
        value: Tensor = names["value"]
        return value

    assert audit(model, bar, SQUARE, loss=mended).verdict == "consistent"


@pytest.mark.slow
def test_three_inputs_and_two_outputs() -> None:
    assert audit(Field(3, 6, seed=5), bar, CUBE, rule="random").verdict == "inconsistent"
    assert audit(Field(3, 6, activation=nn.Softplus), bar, CUBE, rule="random").verdict == "consistent"
    assert audit(Field(2, 5, outputs=2, seed=3), stretched, SQUARE).verdict == "inconsistent"


@pytest.mark.slow
def test_domains_of_other_shapes_and_points_of_the_users_own() -> None:
    l_shape = Polygon([(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)])
    disc = Region(lambda x: (x - 0.5).norm(dim=1) - 0.4, SQUARE)
    for domain in (l_shape, disc):
        assert audit(Field(2, 8, seed=4), bar, domain, rule="random").verdict == "inconsistent"
    drawn = torch.rand(200_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fixed = audit(Field(2, 8, seed=4), bar, SQUARE, quadrature=lambda n: (drawn[:n], torch.full((n,), 1 / n)))
    assert fixed.verdict == "inconsistent"
    smooth = Field(2, 8, activation=nn.Tanh)
    assert audit(smooth, bar, SQUARE, quadrature=lambda n: (drawn[:n], 1 / torch.full((n,), n))).passed


def test_kinks_that_l_does_not_jump_at_and_a_stiffness_from_elsewhere() -> None:
    def rooted(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return u**2 - x[:, 1] * u

    found = audit(Field(2, 8, seed=4), rooted, SQUARE)
    assert found.verdict == "consistent"
    assert found.reason.startswith("u has kinks, but L does not jump at them")
    stiffness = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def stiff(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        return stiffness * (du**2).sum(1) / 2 - u

    assert audit(Field(2, 8, seed=4), stiff, SQUARE, rule="random").tensors[-1].name == "stiffness"


def test_a_residual_of_second_derivatives_is_judged_where_the_model_has_them() -> None:
    def residual(x: Tensor, u: Tensor, du: Tensor, ddu: Tensor) -> Tensor:
        return (ddu.diagonal(dim1=1, dim2=2).sum(1) + 1) ** 2

    assert audit(Field(2, 6, activation=nn.Tanh), residual, SQUARE, rule="random").passed
    with pytest.raises(InputError, match="second derivatives of a model with kinks"):
        audit(Field(2, 8, seed=4), residual, SQUARE)


def test_something_cut_off_is_no_fault_of_the_kinks() -> None:
    def loss(model: nn.Module, n: int) -> Tensor:
        x, u, du = sampled(model, n)
        return bar(x, u.detach(), du).mean()

    found = audit(Field(2, 8, activation=nn.Tanh), bar, SQUARE, loss=loss)
    assert found.verdict == "inconsistent"
    assert "none of it: differences of the sum contradict its gradient" in found.reason


@pytest.mark.parametrize(
    ("model", "density", "more", "message"),
    [
        (nn.Linear(3, 1).double(), bar, {}, r"^model: for x of shape \(7, 2\), one number a side of the domain"),
        (Field(2, 4), lambda x, u, du: u.mean(), {}, r"^density: it returns shape \(\) for 7 points"),
        (Field(2, 4), lambda x, u, du: u - u.mean(), {}, "^density: its value at a point depends on the other points"),
        (Field(2, 4), lambda x, u, du: u.detach() ** 2 + du[:, 0], {}, "^density: its derivative by u and du is"),
        (Field(2, 4), lambda x, u, du: u / 0, {}, r"^density: it is (inf|-inf) at x = \("),
        (Field(2, 4), bar, {"rule": "simpson"}, "^rule: 'simpson' is none in several inputs; one of midpoint, random"),
        (Field(2, 4), bar, {"ends": lambda u: u}, "^ends: in several inputs there are none"),
        (Field(2, 4), bar, {"quadrature": lambda n: (torch.rand(n), 1)}, r"^quadrature: it returns shapes \(100,\)"),
        (Field(2, 4), bar, {"quadrature": lambda n: (2 + torch.rand(n, 2), [1 / n])}, "^quadrature: its point .* lies"),
        (Field(2, 4), lambda x, u, du: 1 / (x[:, 0] * 0 + u - u), {}, "^density: it is"),
        (Field(2, 4), lambda x, u, du: du[:, 0] ** 2 / x[:, 0], {}, r"infinite: near x = \(0, .*\) .* power −1; a den"),
        (Torn(2, 4), bar, {}, r"^model: u itself jumps at x = \(.*an energy of it is infinite"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(model: Any, density: Any, more: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        audit(model, density, SQUARE, **more)


def test_a_loss_with_the_term_is_consistent_in_single_precision_too() -> None:
    model = Field(2, 8, seed=4).float()

    def loss(model: nn.Module, n: int) -> Tensor:
        x = torch.rand(n, 2, requires_grad=True)
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return bar(x, u, du).mean() + dirac_term(bar, model, SQUARE)

    assert audit(model, bar, SQUARE, loss=loss).verdict == "consistent"


def test_infinite_energies_in_three_inputs_are_recognised() -> None:
    with pytest.raises(InputError, match=r"^density: its integral is infinite: near x = \(0, "):
        audit(Field(3, 4, seed=1), lambda x, u, du: (du**2).sum(1) / x[:, 0], CUBE)
    with pytest.raises(InputError, match=r"^model: u itself jumps at x = "):
        audit(Torn(3, 4, seed=1), bar, CUBE)
