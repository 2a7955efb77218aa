from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from kinkproof.solver import ConformingQuadrature, integrate
from kinkproof.verify import DeepNetwork, Density, InputError, exact_gradient
from kinkproof.verify.models.seeing.integrand import value_and_slope
from torch import Tensor, nn

from ...verify.models.seeing.rational import layers_of, network, random_widths
from ..rational_energy import density, rational_energy, rational_slope

# What is demanded. Rounding of sums over some hundred pieces, of energies near cancellation.
WANTED = 1e-9


def by_hand(model: nn.Module, quadrature: ConformingQuadrature, detach: bool = False) -> Tensor:
    """The energy as a user writes it, u′ by autograd; `detach` is the usual idiom, with the rule's nodes."""
    x, weights = quadrature(model, (0, 1))
    if detach:
        x = x.detach().requires_grad_()
    u = model(x[:, None])[:, 0]
    slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    return (weights * density(x, u, slope)).sum()


def error(model: nn.Sequential, energy: Tensor, activation: str, number=Fraction) -> float:
    """Largest departure of the gradient from the rational reference along two directions, relative to its norm."""
    gradient = torch.autograd.grad(energy, list(model.parameters()))
    norm = float(sum((g**2).sum() for g in gradient)) ** 0.5
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for _ in range(2):
        direction = [torch.randn(g.shape, generator=generator, dtype=torch.float64) for g in gradient]
        length = float(sum((d**2).sum() for d in direction)) ** 0.5
        direction = [d / length for d in direction]
        found = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True))
        worst = max(worst, abs(found - rational_slope(model, direction, activation, number)))
    return worst / norm


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "hard-tanh"])
@pytest.mark.parametrize("widths", [(8,), (5, 4), (4, 4, 3), (3, 4, 3, 3)])
def test_plain_autograd_gives_the_exact_gradient(widths: tuple[int, ...], activation: str) -> None:
    model = network(11, widths, activation)
    energy = integrate(density, model, (0, 1))
    exact = float(rational_energy(layers_of(model), activation))
    # Rounding of a sum of some dozen terms.
    assert energy.item() == pytest.approx(exact, rel=1e-13)
    assert error(model, energy, activation) < 1e-13
    assert error(model, by_hand(model, ConformingQuadrature(order=4)), activation) < 1e-13


def test_activations_in_place_are_seen_before_they_overwrite() -> None:
    model = network(11, (5, 4))
    expected = torch.autograd.grad(integrate(density, model, (0, 1)), list(model.parameters()))
    model[1], model[3] = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
    for energy in (integrate(density, model, (0, 1)), by_hand(model, ConformingQuadrature())):
        for a, b in zip(torch.autograd.grad(energy, list(model.parameters())), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_detached_nodes_lose_the_dirac_terms_again() -> None:
    model = network(11, (5, 4))
    assert error(model, by_hand(model, ConformingQuadrature()), "relu") < WANTED
    detached = by_hand(model, ConformingQuadrature(), detach=True)
    with pytest.warns(UserWarning, match="reaches the weights of the conforming rule but not its nodes"):
        assert error(model, detached, "relu") > 1e-2
    # Both detached is the usual fixed rule, of which nobody expects more.
    x, weights = (a.detach() for a in ConformingQuadrature()(model, (0, 1)))
    u, slope = value_and_slope(lambda t: model(t[:, None])[:, 0], x)
    assert error(model, (weights * density(x, u, slope)).sum(), "relu") > 1e-2


@pytest.mark.long
def test_200_random_networks() -> None:
    number = pytest.importorskip("gmpy2").mpq
    errors = []
    for seed in range(200):
        model = network(seed, random_widths(seed))
        errors.append(error(model, integrate(density, model, (0, 1)), "relu", number))
    assert max(errors) < WANTED


def test_without_gradients_and_without_x() -> None:
    model = network(11, (5, 4))
    with torch.no_grad():
        energy = integrate(density, model, (0, 1))
    assert not energy.requires_grad
    assert energy.item() == integrate(density, model, (0, 1)).item()
    level = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    still = integrate(lambda x, u, slope: x * u**2 + slope, lambda x: level.expand(x.shape), (0, 1))
    assert still.item() == pytest.approx(2.0, rel=1e-14)
    assert torch.autograd.grad(still, level)[0].item() == pytest.approx(2.0, rel=1e-14)


def test_second_derivatives_of_a_piecewise_linear_model_are_exact() -> None:
    model = network(11, (5, 4))
    parameters = list(model.parameters())
    torch.manual_seed(0)
    direction = [torch.randn_like(p) for p in parameters]

    def slope(graph: bool) -> Tensor:
        gradient = torch.autograd.grad(integrate(density, model, (0, 1)), parameters, create_graph=graph)
        return sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))

    second = torch.autograd.grad(slope(graph=True), parameters, allow_unused=True)
    found = sum(float((s * d).sum()) for s, d in zip(second, direction, strict=True) if s is not None)
    # Central differences of exact gradients: truncation 1e-9, rounding 1e-15 / 1e-5.
    step, values = 1e-5, []
    for sign in (1, -1):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += sign * step * d
        values.append(slope(graph=False).item())
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p -= sign * step * d
    assert found == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


def test_a_network_without_biases_breaks_at_zero_and_stays_there() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(1, 6, bias=False), nn.ReLU(), nn.Linear(6, 6, bias=False), nn.ReLU(), nn.Linear(6, 1)]
    model = nn.Sequential(*layers).double()
    # All breaks coincide, but the energy has a derivative, since none moves: that on either side added up.
    whole = torch.autograd.grad(integrate(density, model, (-1, 1)), list(model.parameters()))
    parts = integrate(density, model, (-1, 0)) + integrate(density, model, (0, 1))
    for a, b in zip(whole, torch.autograd.grad(parts, list(model.parameters())), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_a_jump_that_does_not_move_is_an_interface() -> None:
    model = network(11, (5, 4))

    def layered(x: Tensor) -> Tensor:
        # A root hides where it breaks.
        return model(x) * (1 + torch.sqrt((torch.floor(2 * x + 1) - 1) ** 2))

    parts = [integrate(density, lambda x, k=k: k * model(x), d) for k, d in ((1, (0, 0.5)), (2, (0.5, 1)))]
    assert integrate(density, layered, (0, 1), interfaces=[0.5]).item() == pytest.approx(sum(parts).item(), rel=1e-12)


def test_unknown_operations_are_not_searched_in_stacked_models() -> None:
    models = [nn.Sequential(network(seed, (6, 5)), Rooted()) for seed in range(3)]
    parameters, _ = torch.func.stack_module_state(models)
    with pytest.raises(InputError, match=r"sqrt may break smoothness .* one model at a time"):
        integrate(density, models[0], (0, 1), parameters=parameters)


class Rooted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(x**2 + 1)


def test_interfaces_split_the_pieces_too() -> None:
    model = network(3, (5, 4))

    def stiff(x: Tensor, u: Tensor, slope: Tensor) -> Tensor:
        return torch.where(x < 1 / 3, 1.0, 10.0) * slope**2 / 2 - u

    whole = integrate(stiff, model, (0, 1), interfaces=(1 / 3,))
    parts = [integrate(lambda x, u, s, k=k: k * s**2 / 2 - u, model, d) for k, d in ((1, (0, 1 / 3)), (10, (1 / 3, 1)))]
    assert whole.item() == pytest.approx(sum(parts).item(), rel=1e-13)
    gradients = [torch.autograd.grad(e, list(model.parameters())) for e in (whole, sum(parts))]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)
    # The comparison is seen, and the interface found.
    assert integrate(stiff, model, (0, 1)).item() == pytest.approx(whole.item(), rel=1e-13)

    def hidden(x: Tensor, u: Tensor, slope: Tensor) -> Tensor:
        stiffness = torch.from_numpy(np.where(x.detach().numpy() < 1 / 3, 1.0, 10.0))
        return stiffness * slope**2 / 2 - u

    # What torch does not see, interfaces= has to say: without it a piece straddles the place.
    assert integrate(hidden, model, (0, 1)).item() != pytest.approx(whole.item(), rel=1e-6)
    assert integrate(hidden, model, (0, 1), interfaces=(1 / 3,)).item() == pytest.approx(whole.item(), rel=1e-13)


def test_a_smooth_model_is_integrated_as_it_is() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1)).double()
    x, weights = ConformingQuadrature(order=8)(model, (0, 1))
    assert x.requires_grad
    assert x.shape == weights.shape == (128,)
    fine = [torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(60)]
    points, shares = ((1 + fine[0]) / 2).requires_grad_(), fine[1] / 2
    u, slope = value_and_slope(lambda t: model(t[:, None])[:, 0], points)
    expected = torch.autograd.grad((shares * density(points, u, slope)).sum(), list(model.parameters()))
    found = torch.autograd.grad(integrate(density, model, (0, 1)), list(model.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    found = torch.autograd.grad(by_hand(model, ConformingQuadrature(order=8)), list(model.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


class Bar(nn.Module):
    """D·network, with smooth layers before the kinks and an operation that torch does not know."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.inner = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 1)).double()
        with torch.no_grad():
            self.inner[0].weight.mul_(4)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.inner(x)
        return x * (1 - x) * inner + torch.sqrt((inner - 0.1) ** 2)


def test_what_is_not_piecewise_linear_is_followed_too() -> None:
    model = Bar()
    kinks = len(ConformingQuadrature(order=1)(model, (0, 1))[0]) - 1
    assert kinks >= 3
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(integrate(density, model, (0, 1), order=20), parameters)
    torch.manual_seed(1)
    direction = [torch.randn_like(p) for p in parameters]
    # Central differences of the converged integral: truncation 1e-9, rounding 1e-15 / 1e-5.
    step, values = 1e-5, []
    for sign in (1, -1):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += sign * step * d
            values.append(integrate(density, model, (0, 1), order=20).item())
            for p, d in zip(parameters, direction, strict=True):
                p -= sign * step * d
    found = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True))
    assert found == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-7)


def stacked_models() -> tuple[list[nn.Sequential], dict[str, Tensor]]:
    models = [network(seed, (6, 5)) for seed in range(5)]
    parameters, _ = torch.func.stack_module_state(models)
    return models, parameters


def test_stacked_models_are_integrated_together() -> None:
    models, parameters = stacked_models()
    x, weights = ConformingQuadrature(order=3)(models[0], (0, 1), parameters)
    assert x.shape == weights.shape
    assert len(x) == 5
    # Padding: pieces of no length at the right end.
    assert (weights.sum(1) - 1).abs().max() < 1e-14
    together = integrate(density, models[0], (0, 1), parameters=parameters)
    found = torch.autograd.grad(together.sum(), list(parameters.values()))
    for row, model in enumerate(models):
        alone = integrate(density, model, (0, 1))
        assert together[row].item() == pytest.approx(alone.item(), rel=1e-12)
        for a, b in zip(found, torch.autograd.grad(alone, list(model.parameters())), strict=True):
            torch.testing.assert_close(a[row], b, rtol=1e-11, atol=1e-13)


def test_transforms_of_torch_func() -> None:
    model = network(0, (6, 5))
    names = [name for name, _ in model.named_parameters()]
    expected = torch.autograd.grad(integrate(density, model, (0, 1)), list(model.parameters()))
    own = {name: p.detach() for name, p in model.named_parameters()}

    def energy(parameters: dict[str, Tensor]) -> Tensor:
        return integrate(density, model, (0, 1), parameters=parameters)

    for transform in (torch.func.grad, torch.func.jacrev, torch.func.jacfwd):
        found = transform(energy)(own)
        for name, gradient in zip(names, expected, strict=True):
            torch.testing.assert_close(found[name], gradient, rtol=1e-11, atol=1e-13)
    models, parameters = stacked_models()
    together = torch.func.grad(lambda p: integrate(density, models[0], (0, 1), parameters=p).sum())(
        {name: p.detach() for name, p in parameters.items()}
    )
    for name, gradient in zip(names, expected, strict=True):
        torch.testing.assert_close(together[name][0], gradient, rtol=1e-11, atol=1e-13)
    with pytest.raises(InputError, match=r"under torch\.vmap no breaks can be searched for"):
        torch.vmap(lambda p: integrate(density, models[0], (0, 1), parameters=p))(parameters)


# Dynamo looks at `.grad` of what crosses the graph break.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_models_and_steps() -> None:
    model = network(0, (6, 5))
    expected = torch.autograd.grad(integrate(density, model, (0, 1)), list(model.parameters()))
    whole = torch.compile(lambda: 2 * integrate(density, model, (0, 1)), backend="eager")()
    part = integrate(density, torch.compile(model, backend="aot_eager"), (0, 1))
    for energy, factor in ((whole, 2), (part, 1)):
        found = torch.autograd.grad(energy, list(model.parameters()))
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, factor * b, rtol=1e-12, atol=1e-14)


def test_single_precision() -> None:
    model = network(0, (6, 5))
    expected = torch.autograd.grad(integrate(density, model, (0, 1)), list(model.parameters()))
    energy = integrate(density, model.float(), (0, 1))
    assert energy.dtype == torch.float32
    for a, b in zip(torch.autograd.grad(energy, list(model.parameters())), expected, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=1e-4)


def test_points_are_a_budget() -> None:
    model = network(0, (10, 10))
    counts = {n: len(ConformingQuadrature(points=n)(model, (0, 1))[0]) for n in (5, 100, 1000)}
    pieces = len(ConformingQuadrature(order=1)(model, (0, 1))[0])
    assert counts[5] == 2 * pieces
    for n in (100, 1000):
        assert abs(counts[n] - n) <= pieces


def test_a_model_that_changes_is_looked_at_again() -> None:
    model = network(0, (6, 5))
    before = len(ConformingQuadrature(order=1)(model, (0, 1))[0])
    assert before == 4
    model[1] = nn.Tanh()
    model[3] = nn.Softplus()
    assert len(ConformingQuadrature(order=1)(model, (0, 1))[0]) == 16
    model[1] = nn.Hardtanh(-0.1, 0.1)
    z = [(w, b) for w, b in zip(model[0].weight[:, 0].tolist(), model[0].bias.tolist(), strict=True)]
    breaks = sum(0 < (p - b) / w < 1 for w, b in z for p in (-0.1, 0.1))
    assert len(ConformingQuadrature(order=1)(model, (0, 1))[0]) == breaks + 1 > 1


def test_densities_may_see_the_parameters() -> None:
    model = network(0, (5,))

    def ridge(x: Tensor, u: Tensor, slope: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        return density(x, u, slope) + parameters["0.bias"].square().sum()

    extra = integrate(ridge, model, (0, 1)) - integrate(density, model, (0, 1))
    assert extra.item() == pytest.approx(model[0].bias.square().sum().item(), rel=1e-12)


MODEL = network(0, (5,))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: ConformingQuadrature(order=0), "order: 0 is no number of points"),
        (lambda: ConformingQuadrature(points=2.5), "points: 2.5"),
        (lambda: ConformingQuadrature(order=3, points=9), "contradict"),
        (lambda: ConformingQuadrature(interfaces=(2,))(MODEL, (0, 1)), "interfaces: 2 does not lie inside"),
        (lambda: integrate(lambda x, u, s: u.sum(), MODEL, (0, 1)).backward(), "one number a point"),
        (lambda: integrate(lambda x, u, s: 1, MODEL, (0, 1)), "density: it returns int"),
        (lambda: integrate(lambda x, u, s: u.detach() ** 2, MODEL, (0, 1)), "cut off from u"),
        (lambda: integrate(density, MODEL, (0, 1), order=3, quadrature=ConformingQuadrature()), "either it or these"),
        (lambda: integrate(density, MODEL, (0, 1), parameters={"w": torch.ones(1)}), "none called 'w'"),
        (lambda: integrate(density, MODEL, (0, 1), parameters={"0.bias": torch.ones(2)}), "0.bias has shape"),
        (lambda: integrate(density, lambda x: x, (0, 1), parameters={}), "no torch.nn.Module"),
        (lambda: integrate(density, lambda x: x.detach(), (0, 1)), "cut off from x"),
    ],
)
def test_bad_input_is_said_in_a_sentence(wrong, message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()


def exact_reference(model: nn.Sequential, digits: int | None = None) -> list[float]:
    """The gradient by `verify`'s jump formula, in the order of the model's own parameters."""
    linear = [m for m in model if isinstance(m, nn.Linear)]
    weights, biases = ([getattr(m, name).tolist() for m in linear] for name in ("weight", "bias"))
    exact = DeepNetwork(weights[:-1], biases[:-1], weights[-1][0], biases[-1][0])
    total = exact_gradient(Density("du**2/2 + du**4/8 + u**3/4 - x**2*u"), exact, digits=digits).total
    rows = [a for pair in zip(total.hidden_weights, total.hidden_biases, strict=True) for a in pair]
    rows += [total.output_weights, total.output_bias]
    return [float(v) for a in rows for v in np.ravel(a)]


def departure(model: nn.Sequential, digits: int | None = None) -> float:
    gradient = torch.autograd.grad(integrate(density, model, (0, 1)), list(model.parameters()))
    found = torch.cat([g.flatten() for g in gradient]).numpy()
    return float(np.linalg.norm(found - exact_reference(model, digits)) / np.linalg.norm(found))


@pytest.mark.parametrize("widths", [(6,), (5, 4), (4, 3, 3)])
def test_all_components_are_those_of_the_jump_formula_at_50_digits(widths: tuple[int, ...]) -> None:
    assert departure(network(11, widths), digits=50) < 1e-13


@pytest.mark.long
def test_200_random_networks_against_the_jump_formula() -> None:
    assert max(departure(network(seed, random_widths(seed))) for seed in range(200)) < WANTED
