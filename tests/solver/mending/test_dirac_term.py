"""The term against energies integrated by other means, whose difference quotients hold all of the gradient."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import ConformingQuadrature, Polygon, dirac_sample, dirac_term, integrate, term_noise
from kinkproof.solver.mending import dirac_term as module
from kinkproof.solver.mending import rectifiers, sampling
from kinkproof.verify.errors import InputError
from torch import Tensor

from . import reference

# Of three densities: x (n, d), u (n, m), ∇u (n, m, d) and NumPy or torch → (n,).
DENSITIES: dict[str, Callable[..., Any]] = {
    "Dirichlet": lambda x, u, du, at: (du**2).sum((1, 2)) / 2 - at.sin(3 * x[:, 0]) * u.sum(1),
    "quartic": lambda x, u, du, at: (
        (1 + u[:, 0] ** 2) * (du**2).sum((1, 2)) / 2 + (du**2).sum((1, 2)) ** 2 / 20 - u.sum(1)
    ),
    "jump in u": lambda x, u, du, at: at.where(u[:, 0] > 0.2, 2.0, 1.0) * (du**2).sum((1, 2)) / 2,
    "area": lambda x, u, du, at: at.sqrt(1 + (du**2).sum((1, 2))) + x[:, 0] * du[:, 0, 0] ** 3 / 10,
}


@dataclass
class Case:
    """A model D·N on the unit cube, with a density."""

    inputs: int
    widths: tuple[int, ...]
    outputs: int
    density: str
    seed: int
    level: float | None = None
    polygons: tuple[reference.Array, ...] = (reference.SQUARE,)
    domain: Any = None

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        sizes = (self.inputs, *self.widths, self.outputs)
        modules: list[torch.nn.Module] = []
        for fan_in, fan_out in pairwise(sizes):
            linear = torch.nn.Linear(fan_in, fan_out).double()
            for p in linear.parameters():
                p.data = (2 * torch.rand(p.shape, generator=generator, dtype=p.dtype) - 1) * 2 / fan_in**0.5
            modules += [linear, torch.nn.ReLU()]
        # So that each unit of the first layer has its kink inside.
        first = modules[0]
        assert isinstance(first, torch.nn.Linear)
        places = torch.rand(first.weight.shape, generator=generator, dtype=torch.float64)
        first.bias.data = -(first.weight.data * places).sum(1)
        self.network = torch.nn.Sequential(*modules[:-1])
        self.parameters = list(self.network.parameters())
        self.theta = torch.cat([p.detach().flatten() for p in self.parameters]).numpy()
        self.domain = self.domain or ((0, 1) if self.inputs == 1 else ((0, 1),) * self.inputs)

    def model(self, x: Tensor) -> Tensor:
        found: Tensor = self.network(x)
        if self.level is None:
            found = 4**self.inputs * (x * (1 - x)).prod(1, keepdim=True) * found
        return found[:, 0] if self.outputs == 1 else found

    def energy(self, x: Tensor, u: Tensor, du: Tensor) -> Tensor:
        n = len(x)
        found: Tensor = DENSITIES[self.density](
            x.reshape(n, -1), u.reshape(n, -1), du.reshape(n, self.outputs, self.inputs), torch
        )
        return found

    def flat(self, value: Tensor) -> reference.Array:
        """The gradient of a number in all parameters."""
        found = torch.autograd.grad(value, self.parameters, allow_unused=True, materialize_grads=True)
        out: reference.Array = torch.cat([g.flatten() for g in found]).numpy()
        return out

    def drawn(self, times: int, **options: Any) -> reference.Array:
        """The term's gradient, drawn so many times."""
        generator = torch.Generator().manual_seed(self.seed)
        term = [dirac_term(self.energy, self.model, self.domain, generator=generator, **options) for _ in range(times)]
        return np.stack([self.flat(t) for t in term])

    def layers(self, theta: reference.Array) -> reference.Parameters:
        tensors, start = [], 0
        for p in self.parameters:
            tensors.append(theta[start : start + p.numel()].reshape(p.shape))
            start += p.numel()
        return list(zip(tensors[::2], tensors[1::2], strict=True))

    def nodes(self, theta: reference.Array, shift: int) -> reference.Nodes:
        layers = self.layers(theta)
        if self.inputs == 2:
            return reference.cells(layers, 16, self.polygons, self.level)
        grid = reference.Grid() if self.inputs == 1 else reference.lattice(1500, shift)
        return reference.along(layers, grid, 8)

    def missing(self, directions: reference.Array, shift: int = 0) -> reference.Array:
        """What autodiff leaves out along each of some directions (k, P)."""
        nodes = self.nodes(self.theta, shift)
        x = torch.tensor(nodes.x.reshape(-1, self.inputs)).requires_grad_()
        u = self.model(x).reshape(len(x), -1)
        du = torch.stack([torch.autograd.grad(c.sum(), x, create_graph=True)[0] for c in u.T], 1)
        bulk = self.flat((torch.tensor(nodes.weights.ravel()) * self.energy(x, u, du)).sum())

        def energy(theta: reference.Array) -> float:
            nodes = self.nodes(theta, shift)
            return nodes.energy(self.layers(theta), lambda x, u, du: DENSITIES[self.density](x, u, du, np))

        # Small against the distances of kinks; its square times a third derivative is the error, and in one input,
        # where the term is exact, rounding over it.
        step = 1e-4 if self.inputs > 1 else 1e-6
        whole = [(energy(self.theta + step * v) - energy(self.theta - step * v)) / (2 * step) for v in directions]
        return np.array(whole) - directions @ bulk


def compared(case: Case, times: int, **options: Any) -> tuple[float, float, float]:
    """Of the term's mean its largest distance from the reference in standard errors, these over the term; how far
    autodiff alone is off in the same standard errors."""
    draws = case.drawn(times, **options)
    mean = draws.mean(0)
    random = np.random.default_rng(case.seed).standard_normal((2, len(mean))) / len(mean) ** 0.5
    size = float(np.linalg.norm(mean))
    directions = np.concatenate([mean[None] / size, random])
    errors = (draws @ directions.T).std(0, ddof=1) / times**0.5
    if case.inputs < 3:
        missing = case.missing(directions)
    else:
        # In three inputs the reference is a sum over lines itself, eight times, with a standard error of its own.
        several = np.array([case.missing(directions, shift) for shift in range(8)])
        missing = several.mean(0)
        errors = np.hypot(errors, several.std(0, ddof=1) / 8**0.5)
    off = np.abs(mean @ directions.T - missing) / errors
    return float(off.max()), float(errors[0] / size), float(abs(missing[0]) / errors[0])


def noise(case: Case, draws: int) -> float:
    """The term's standard deviation from draw to draw over that of the gradient at 1,000 random points."""
    generator = torch.Generator().manual_seed(case.seed)
    rows = []
    for _ in range(draws):
        x = torch.rand(1000, case.inputs, generator=generator, dtype=torch.float64, requires_grad=True)
        u = case.model(x).reshape(1000, -1)
        du = torch.stack([torch.autograd.grad(c.sum(), x, create_graph=True)[0] for c in u.T], 1)
        rows.append(case.flat(case.energy(x, u, du).mean()))
    return float((case.drawn(draws).var(0).sum() / np.var(rows, axis=0).sum()) ** 0.5)


SMOOTH = ["Dirichlet", "quartic", "area"]
SHAPES: list[tuple[int, tuple[int, ...], int]] = [
    (2, (10,), 1), (2, (7, 6), 1), (2, (6, 5), 2), (2, (5, 5, 5), 1), (2, (12,), 2),
    (1, (8,), 1), (1, (6, 5), 2), (3, (6,), 1), (1, (5, 5, 5), 1), (3, (5, 5), 1),
]  # fmt: skip
# Three densities over ten shapes. The network of seed 23 is dead in its last layer all over.
CASES = [Case(*SHAPES[k % 10], SMOOTH[(k + k // 10) % 3], seed=k if k != 23 else 63) for k in range(40)]
DEAD = Case(*SHAPES[3], "quartic", seed=23)
L_SHAPE = Polygon([(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)])
LOWER, UPPER = reference.SQUARE * [1, 0.5], reference.SQUARE * 0.5 + [0, 0.5]
SPECIAL = [
    Case(2, (6, 5), 1, "jump in u", seed=3, level=0.2),
    Case(2, (9,), 1, "Dirichlet", seed=1, polygons=(LOWER, UPPER), domain=L_SHAPE),
]


def named(case: Case) -> str:
    """Of a test."""
    return f"{case.inputs}-D {case.widths} {case.outputs} {case.density} {case.seed}"


@pytest.mark.parametrize("case", [*CASES[:3], *SPECIAL], ids=named)
def test_the_mean_of_the_term_is_what_autodiff_leaves_out(case: Case) -> None:
    off, error, alone = compared(case, 60)
    # Three comparisons a model at 4 standard errors: 2 in 10,000 by chance.
    assert off < 4
    assert error < 0.02
    assert alone > 4


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=named)
def test_forty_models(case: Case) -> None:
    if case.inputs == 1:
        term = case.drawn(1)[0]
        size = float(np.linalg.norm(term))
        # Rounding of the energy over the difference quotient's step; 6e-7 of the term was seen.
        assert case.missing(term[None] / size)[0] == pytest.approx(size, rel=1e-5)
        assert size > 0
        return
    off, error, alone = compared(case, 100)
    # A hundred comparisons at 4 standard errors: one in 160 runs by chance, and seeds are fixed.
    assert off < 4
    assert error < 0.02
    assert alone > 4
    assert noise(case, 60) < 0.25


@pytest.mark.parametrize("case", [CASES[0], CASES[3]], ids=named)
def test_lines_make_little_noise_next_to_points(case: Case) -> None:
    # A standard deviation of 30 draws is known to an eighth; 0.02 to 0.15 were seen.
    assert noise(case, 30) < 0.25


@pytest.mark.parametrize("density", SMOOTH)
@pytest.mark.parametrize("outputs", [1, 2])
def test_in_one_input_it_is_exact(density: str, outputs: int) -> None:
    case = Case(1, (7, 5), outputs, density, seed=3)
    term = case.drawn(1)[0]
    direction = term / np.linalg.norm(term)
    missing = case.missing(direction[None])
    # Rounding of the energy over the difference quotient's step.
    assert missing[0] == pytest.approx(term @ direction, rel=1e-7)


@pytest.mark.parametrize("density", ["Dirichlet", "quartic", "area", "jump in u"])
def test_in_one_input_it_is_what_integrate_adds(density: str) -> None:
    case = Case(1, (9, 8), 1, density, seed=4)

    def model(x: Tensor) -> Tensor:
        return case.model(x[:, None])

    whole = case.flat(integrate(case.energy, model, (0, 1), order=24))
    x, weights = (t.detach() for t in ConformingQuadrature(order=24, density=case.energy)(model, (0, 1)))
    x.requires_grad_()
    u = model(x)
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    bulk = case.flat((weights * case.energy(x, u, du)).sum())
    term = dirac_term(case.energy, model, (0, 1))
    assert term == 0
    # Rounding of the sums.
    np.testing.assert_allclose(bulk + case.flat(term), whole, rtol=0, atol=1e-12 * np.linalg.norm(whole))
    assert np.linalg.norm(whole - bulk) > 1e-3 * np.linalg.norm(whole)


def _sign(found: reference.Array, *_: Any) -> reference.Array:
    return -found


def _no_weight(found: reference.Array, normals: reference.Array, crossings: Any) -> reference.Array:
    return found * (normals**2).sum(1) / (normals * crossings.direction.numpy()).sum(1) ** 2


@pytest.mark.parametrize("fault", [_sign, _no_weight])
def test_a_wrong_sign_and_a_missing_weight_are_caught(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = rectifiers.Bends.weights
    monkeypatch.setattr(rectifiers.Bends, "weights", lambda b, l, c, *s: fault(right(b, l, c, *s), b.normals, c))
    assert compared(CASES[0], 60)[0] > 4


@pytest.mark.parametrize("way", ["bends", "coefficients"])
def test_both_sides_on_one_side_are_caught(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(sampling, way)

    def beside(fields: Any, *given: Any) -> Any:
        # False position leaves a bracket of which the middle is no zero: here it is a hundred steps aside.
        crossings = next(g for g in given if hasattr(g, "place"))
        crossings.place.add_(1e-6 * crossings.direction)
        return right(fields, *given)

    monkeypatch.setattr(sampling, way, beside)
    if way == "coefficients":
        monkeypatch.setattr(module, "rectified", lambda *_: False)
    with pytest.raises(InputError, match="its own pre-activations do not"):
        CASES[0].drawn(1)


def _leaky(case: Case) -> Case:
    """The same network, some of its activations leaky, some at work in place."""
    modules = list(case.network)
    modules[1] = torch.nn.LeakyReLU(0.2)
    modules[3::2] = [torch.nn.ReLU(inplace=True) for _ in modules[3::2]]
    out = copy.copy(case)
    out.network = torch.nn.Sequential(*modules)
    out.parameters = list(out.network.parameters())
    return out


@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[3], _leaky(CASES[3])], ids=named)
def test_from_one_side_with_its_bend_and_from_both_sides_it_is_the_same(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    one = case.flat(dirac_term(case.energy, case.model, case.domain, generator=generators[0]))
    monkeypatch.setattr(module, "rectified", lambda *_: False)
    other = case.flat(dirac_term(case.energy, case.model, case.domain, generator=generators[1]))
    # Rounding of ∇u over the step of 4e-10 at which both sides are seen.
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * np.linalg.norm(other))
    assert np.linalg.norm(other) > 0


class _Between(torch.nn.Module):
    """Takes something from between its layers, which a ReLU may overwrite."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second, self.last = (torch.nn.Linear(n, m).double() for n, m in ((2, 7), (7, 6), (6, 1)))
        self.way = way

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.first(x)
        early = z.tanh()
        h = torch.relu(z) if self.way == "beside" else torch.relu_(z)
        second = self.second(z if self.way == "by another name" else h)
        more = (h * early).sum(1, keepdim=True) + second.sin().sum(1, keepdim=True)
        out: torch.Tensor = self.last(torch.relu(second)) * (1 + more)
        return out * (x * (1 - x)).prod(1, keepdim=True)


@pytest.mark.parametrize("way", ["beside", "in place", "by another name"])
def test_what_a_model_takes_from_between_its_layers_is_counted(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = _Between(way)
    parameters = list(net.parameters())

    def energy(x: torch.Tensor, u: torch.Tensor, du: torch.Tensor) -> torch.Tensor:
        return (du**2).sum(1) / 2 - u

    def gradient() -> torch.Tensor:
        term = dirac_term(energy, net, ((0, 1), (0, 1)), lines=30, generator=torch.Generator().manual_seed(0))
        found = torch.autograd.grad(term, parameters, allow_unused=True, materialize_grads=True)
        return torch.cat([g.flatten() for g in found])

    one = gradient()
    monkeypatch.setattr(module, "rectified", lambda *_: False)
    other = gradient()
    # Rounding of ∇u over the step of 4e-10 at which both sides are seen.
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6 * float(other.norm()))
    assert float(other.norm()) > 0


def test_another_layer_of_the_same_shape_is_noticed() -> None:
    layers = [torch.nn.Linear(2, 7).double(), torch.nn.Linear(7, 1).double()]

    def model(x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = layers[1](torch.relu(layers[0](x)))[:, 0]
        return found

    def energy(x: torch.Tensor, u: torch.Tensor, du: torch.Tensor) -> torch.Tensor:
        return (du**2).sum(1) / 2

    def gradients() -> list[torch.Tensor | None]:
        term = dirac_term(energy, model, ((-1, 1), (-1, 1)), generator=torch.Generator().manual_seed(0))
        return list(torch.autograd.grad(term, layers[0].weight, allow_unused=True))

    (first,) = gradients()
    layers[0] = torch.nn.Linear(2, 7).double()
    (second,) = gradients()
    assert first is not None
    assert second is not None
    assert bool(second.any())
    assert not torch.equal(first, second)


def test_a_frozen_layer_gets_no_gradient() -> None:
    case = copy.deepcopy(CASES[1])
    case.network[0].weight.requires_grad_(False)
    dirac_term(case.energy, case.model, case.domain).backward()
    assert case.parameters[0].grad is None
    assert case.parameters[1].grad.any()


def test_kinks_that_do_not_show_add_nothing() -> None:
    # Both sides are seen a step of 4e-10 aside of the kink, between which ∇u changes by as much.
    assert np.linalg.norm(DEAD.drawn(1)) < 1e-7
    assert DEAD.missing(np.eye(len(DEAD.theta))[:3]) == pytest.approx(0, abs=1e-10)


def test_a_smooth_model_has_a_reason_for_nothing() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    found = dirac_sample(CASES[0].energy, network, CASES[0].domain)
    found.term.backward()
    assert found.reason == "the model has no operation that breaks smoothness"
    relu = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()).double()
    relu[0].weight.data, relu[0].bias.data = torch.ones(1, 2).double(), torch.ones(1).double()
    found = dirac_sample(CASES[0].energy, relu, CASES[0].domain)
    assert found.reason.startswith("none of 64 lines meets a kink")
    found = dirac_sample(lambda x, u, du: u, CASES[0].model, CASES[0].domain)
    assert found.reason.startswith(f"at none of {found.crossings} crossings of lines with kinks does the density jump")


def test_a_model_that_was_replaced_where_nobody_can_see_it_is_looked_at_again() -> None:
    first, second = CASES[0], Case(2, (8,), 1, "Dirichlet", seed=91)
    models = [first.model]

    def model(x: Tensor) -> Tensor:
        return models[0](x)

    assert first.flat(dirac_term(first.energy, model, first.domain)).any()
    models[0] = second.model
    found = second.flat(dirac_term(first.energy, model, first.domain, generator=torch.Generator().manual_seed(91)))
    # The first try has used up numbers of the generator: two draws of the same mean.
    mean = second.drawn(20).mean(0)
    assert np.linalg.norm(found - mean) < 0.2 * np.linalg.norm(mean)


def test_a_model_that_names_a_global_network_is_seen() -> None:
    case, other = CASES[0], Case(2, (8,), 1, "Dirichlet", seed=91)
    # As in a script, where the network is no variable that the function closes over.
    names: dict[str, Any] = {"net": case.network}
    exec("model = lambda x: 16 * (x * (1 - x)).prod(1, keepdim=True) * net(x)", names)
    for at in (case, other):
        names["net"] = at.network
        term = dirac_term(at.energy, names["model"], at.domain, generator=torch.Generator().manual_seed(at.seed))
        # The same draw, found by another text.
        np.testing.assert_allclose(at.flat(term), at.drawn(1)[0], rtol=0, atol=1e-9)


def test_more_than_memory_holds_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CASES[1].drawn(1)
    monkeypatch.setattr(sampling, "_HELD", 16)
    # Rounding of z, 1e-16, over the step of 4e-10 at which it is seen.
    np.testing.assert_allclose(CASES[1].drawn(1), whole, rtol=0, atol=1e-7)


def test_a_compiled_model_and_a_compiled_loss_go_with_it() -> None:
    case = CASES[0]
    model = torch.compile(case.model, backend="eager")
    whole = torch.compile(lambda x: case.model(x).square().mean(), backend="eager")
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    term = dirac_term(case.energy, model, case.domain, generator=torch.Generator().manual_seed(case.seed))
    alone = case.flat(case.model(x).square().mean())
    np.testing.assert_allclose(case.flat(whole(x) + term), alone + case.drawn(1)[0], rtol=0, atol=1e-9)


def test_parameters_by_name_stacked_and_under_torch_func() -> None:
    case = CASES[1]
    module = torch.nn.Sequential(*case.network, torch.nn.Flatten(0))

    def term(parameters: Any) -> Tensor:
        generator = torch.Generator().manual_seed(5)
        return dirac_term(case.energy, module, case.domain, generator=generator, parameters=parameters)

    names = dict(module.named_parameters())
    own = case.flat(term(None))
    assert np.linalg.norm(own) > 0
    detached = {n: p.detach() for n, p in names.items()}
    found = torch.func.grad(term)(detached)
    # The search by layers and the search that serves any model find the same places to rounding.
    np.testing.assert_allclose(np.concatenate([found[n].numpy().ravel() for n in names]), own, rtol=0, atol=1e-6)
    two = {n: torch.stack([p, p]).requires_grad_() for n, p in detached.items()}
    several = term(two)
    assert several.shape == (2,)
    (first,) = torch.autograd.grad(several[0], [two["0.weight"]])
    assert not first[1].any()
    assert first[0].any()


def test_a_model_of_any_operations_by_the_search_that_serves_all() -> None:
    case = CASES[1]
    hidden, last = case.network[:4], case.network[4]

    def same(x: Tensor) -> Tensor:
        # A maximum and a product where the layers have an activation: no plain stack any more.
        z = hidden[2](torch.maximum(hidden[0](x * 1.0), torch.zeros(())))
        found: Tensor = 16 * (x * (1 - x)).prod(1) * last((z + z.abs()) / 2)[:, 0]
        return found

    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    one, other = (
        case.flat(dirac_term(case.energy, model, case.domain, generator=g))
        for model, g in zip((case.model, same), generators, strict=True)
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * np.linalg.norm(one))


def test_single_precision_is_single_precision() -> None:
    case = CASES[0]
    network = copy.deepcopy(case.network).float()

    def model(x: Tensor) -> Tensor:
        found: Tensor = 16 * (x * (1 - x)).prod(1) * network(x)[:, 0]
        return found

    term = dirac_term(case.energy, model, case.domain, generator=torch.Generator().manual_seed(case.seed))
    assert term.dtype == torch.float32
    rough = torch.cat([g.flatten() for g in torch.autograd.grad(term, list(network.parameters())[:2])]).numpy()
    fine = case.drawn(1)[0][: len(rough)]
    # A step of 7e-5 at which z has roundings of 1e-7: some thousandths.
    assert np.linalg.norm(rough - fine) < 0.02 * np.linalg.norm(fine)


def test_second_derivatives_of_models_without_corners() -> None:
    """L = ½|∇∇u|² of a layer of ReLU²: constant in each cell, so that the energy is known exactly."""
    case = CASES[0]
    weight, bias = (p.detach().clone().requires_grad_() for p in case.parameters[:2])
    outer = case.parameters[2].detach()[0]

    def model(x: Tensor) -> Tensor:
        return torch.relu(x @ weight.T + bias) ** 2 @ outer

    def energy(x: Tensor, u: Tensor, du: Tensor, ddu: Tensor) -> Tensor:
        return (ddu**2).sum((1, 2)) / 2

    generator = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(60):
        term = dirac_term(energy, model, case.domain, generator=generator)
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(term, [weight, bias])]).numpy())
    draws = np.stack(rows)
    v = draws.mean(0) / np.linalg.norm(draws.mean(0))

    def exact(w: reference.Array, b: reference.Array, still: tuple[reference.Array, ...]) -> float:
        """½∫|∇∇u|² on cells of (w, b), with second derivatives of `still`."""
        nodes = reference.cells([(w, b), (np.ones((1, len(w))), np.zeros(1))], 1)
        on = nodes.inside @ w.T + b > 0
        hessian = 2 * np.einsum("nk,k,ki,kj->nij", on, outer.numpy(), *still)
        return float(((hessian**2).sum((1, 2)) / 2 * nodes.weights.sum(1)).sum())

    w, b = weight.detach().numpy(), bias.detach().numpy()
    step = 1e-4
    # With the second derivatives held still, only the cells move: that is the term, and nothing else.
    both = [exact(w + s * step * v[:-10].reshape(w.shape), b + s * step * v[-10:], (w, w)) for s in (1, -1)]
    errors = (draws @ v).std(ddof=1) / 60**0.5
    assert abs((both[0] - both[1]) / (2 * step) - draws.mean(0) @ v) < 4 * errors
    assert errors < 0.02 * np.linalg.norm(draws.mean(0))


class Parabola(torch.nn.Module):
    """u = a |x|²."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor(0.9, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * (x.reshape(len(x), -1) ** 2).sum(1)


def bending(x: Tensor, u: Tensor, du: Tensor, ddu: Tensor) -> Tensor:
    """½|∇∇u|², twice that where u > 0.1."""
    return torch.where(u > 0.1, 2.0, 1.0) * (ddu.reshape(len(x), -1) ** 2).sum(1) / 2


def stretching(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return torch.where(u > 0.1, 2.0, 1.0) * (du.reshape(len(x), -1) ** 2).sum(1) / 2


def test_a_density_of_second_derivatives_that_jumps() -> None:
    model = Parabola()
    # |∇∇u|² is 4a² d, the level lies at r² = 0.1 ÷ a: what moves are a length r, and a quarter disc of area π r² ÷ 4.
    (along,) = torch.autograd.grad(dirac_term(bending, model, (0, 1)), model.a)
    assert float(along) == pytest.approx(0.9 * (0.1 / 0.9) ** 0.5, rel=1e-9)
    generator = torch.Generator().manual_seed(0)
    draws = [
        float(torch.autograd.grad(dirac_term(bending, model, ((0, 1),) * 2, generator=generator), model.a)[0])
        for _ in range(16)
    ]
    error = np.std(draws, ddof=1) / 16**0.5
    assert abs(np.mean(draws) - 0.1 * np.pi) < 4 * error
    assert error < 0.02 * np.mean(draws)


@pytest.mark.parametrize("energy", [stretching, bending])
def test_a_density_that_jumps_within_torch_func(energy: Any) -> None:
    # A copy that nobody has looked at yet: the first look is the one within.
    energy = type(energy)(energy.__code__.replace(co_name="copied"), globals())
    model = Parabola()

    def term(parameters: Any) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        return dirac_term(energy, model, ((0, 1), (0, 1)), generator=generator, parameters=parameters)

    within = torch.func.grad(term)({"a": model.a.detach()})["a"]
    (plain,) = torch.autograd.grad(term(None), model.a)
    # Rounding of L over the step at which both sides are seen.
    assert float(within) == pytest.approx(float(plain), rel=1e-5)
    assert float(plain) > 0.01


def test_the_noise_is_measured_and_the_number_of_lines_was_tried() -> None:
    case = CASES[1]
    module = torch.nn.Sequential(*case.network, torch.nn.Flatten(0))
    found = term_noise(case.energy, module, case.domain, lines=4, draws=16)
    assert found.enough is not None
    assert found.enough > 4
    assert found.at_enough <= found.points / 10 < found.term
    assert f"with {found.enough} lines" in str(found)


def test_integrate_in_the_plane() -> None:
    case = CASES[0]
    generator = torch.Generator().manual_seed(0)
    drawn = [integrate(case.energy, case.model, case.domain, generator=generator) for _ in range(30)]
    exact = case.nodes(case.theta, 0).energy(
        case.layers(case.theta), lambda x, u, du: DENSITIES[case.density](x, u, du, np)
    )
    values = np.array([float(d.detach()) for d in drawn])
    assert abs(values.mean() - exact) < 4 * values.std(ddof=1) / 30**0.5
    gradients = np.stack([case.flat(d) for d in drawn])
    v = gradients.mean(0) / np.linalg.norm(gradients.mean(0))

    def energy(theta: reference.Array) -> float:
        return case.nodes(theta, 0).energy(case.layers(theta), lambda x, u, du: DENSITIES[case.density](x, u, du, np))

    quotient = (energy(case.theta + 1e-4 * v) - energy(case.theta - 1e-4 * v)) / 2e-4
    assert abs(quotient - gradients.mean(0) @ v) < 4 * (gradients @ v).std(ddof=1) / 30**0.5
    square = torch.rand(64, 2, generator=generator, dtype=torch.float64)
    mine = integrate(case.energy, case.model, case.domain, points=square)
    assert torch.isfinite(mine)
    with pytest.raises(InputError, match="order, interfaces and quadratures are for one input"):
        integrate(case.energy, case.model, case.domain, order=3)
    with pytest.raises(InputError, match="they do not all lie in"):
        integrate(case.energy, case.model, case.domain, points=2 * square)


def test_the_same_seed_gives_the_same_numbers_and_the_value_is_nil() -> None:
    first, second = (CASES[1].drawn(2) for _ in range(2))
    assert (first == second).all()
    assert (first[0] != first[1]).any()
    assert dirac_term(CASES[1].energy, CASES[1].model, CASES[1].domain) == 0


def test_fewer_crossings_keep_the_mean() -> None:
    off, _, alone = compared(CASES[0], 300, crossings=10)
    assert off < 4
    assert alone > 4


@pytest.mark.parametrize(
    ("energy", "model", "domain", "said"),
    [
        (lambda x, u, du: (du**2).sum(), None, None, r"density: .* it gives \(\); \(\d+,\), one number a point"),
        (lambda x, u, du: (du**2).sum(1) / u.max(), None, None, "depends on which other points"),
        (lambda x, u, du: du[:, 2], None, None, r"density: for x \(\d+, 2\), u \(\d+,\), du \(\d+, 2\) it fails"),
        (None, lambda x: x.sum(), None, r"model: for x of shape \(5, 2\) it returns shape \(\)"),
        (None, None, ((0, 1),) * 3, r"model: it does not take x of shape \(5, 3\)"),
        (None, None, ((0, 1), (1, 1)), "domain: .* is empty or unbounded"),
        (None, lambda x: x.relu()[:, 0] / x.relu().max(), None, "which other points"),
        (None, lambda x: (x[:, 0] > 0.5) * x[:, 1], None, r"model: u itself jumps at x = \(0.5, "),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(energy: Any, model: Any, domain: Any, said: str) -> None:
    case = CASES[0]
    with pytest.raises(InputError, match=said):
        dirac_term(energy or case.energy, model or case.network, domain or case.domain)
