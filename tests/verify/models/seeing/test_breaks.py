from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from kinkproof.verify import InputError
from kinkproof.verify.models.seeing.breaks import attach, find_breaks
from kinkproof.verify.models.seeing.trace import trace
from torch import Tensor, nn

from .rational import layers_of, network, random_widths, rational_pieces

# Sums of up to 32 terms in up to four layers, divided by slopes that may be small.
PLACE = 1e-9


def compare_with_rational_search(seed: int, widths: tuple[int, ...], activation: str, factor: float = 1.0) -> int:
    model = network(seed, widths, activation)
    exact, _, _ = rational_pieces(layers_of(model), activation, (0, 1))
    with torch.no_grad():
        model[2 * len(widths) - 2].bias *= factor
    breaks = find_breaks(model, (0, 1))
    assert len(breaks) == len(exact)
    np.testing.assert_allclose(breaks.places.numpy(), np.array([float(p) for p, _, _ in exact]), rtol=0, atol=PLACE)
    assert list(zip(breaks.layers.tolist(), breaks.neurons.tolist(), strict=True)) == [e[1:] for e in exact]
    assert bool(breaks.exact.all())
    return len(exact)


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "hard-tanh"])
@pytest.mark.parametrize("widths", [(1,), (20,), (7, 5), (6, 5, 4), (4, 4, 4, 4)])
def test_no_kink_is_missed(widths: tuple[int, ...], activation: str) -> None:
    counts = [compare_with_rational_search(seed, widths, activation) for seed in range(3)]
    assert sum(counts) > 0


@pytest.mark.long
def test_no_kink_is_missed_in_200_networks() -> None:
    total = sum(compare_with_rational_search(seed, random_widths(seed), "relu") for seed in range(200))
    assert total > 2000


def test_the_comparison_notices_another_bias() -> None:
    with pytest.raises(AssertionError):
        compare_with_rational_search(0, (6, 5), "relu", factor=1.001)


# Each as somebody may write it, with breaks of z = 2x − 1 (or as said) known by hand.
def z(x: Tensor) -> Tensor:
    return 2 * x - 1


@pytest.mark.parametrize(
    ("function", "places", "operation"),
    [
        (lambda x: F.relu(z(x)), [0.5], "relu"),
        (lambda x: torch.relu_(z(x)), [0.5], "relu"),
        (lambda x: z(x).relu(), [0.5], "relu"),
        (lambda x: F.relu(x.sub_(0.25)), [0.25], "relu"),
        (lambda x: F.relu(z(x), inplace=True), [0.5], "relu"),
        (lambda x: z(x).clamp(min=-0.5, max=0.5), [0.25, 0.75], "clamp"),
        (lambda x: torch.clamp(z(x), torch.tensor(-0.5)), [0.25], "clamp"),
        (lambda x: z(x).clamp_min(0.5), [0.75], "clamp"),
        (lambda x: F.leaky_relu(z(x), 0.1), [0.5], "leaky_relu"),
        (lambda x: F.threshold(z(x), 0.2, 0.2), [0.6], "threshold"),
        (lambda x: F.relu6(z(x) * 12), [0.5, 0.75], "relu6"),
        (lambda x: F.hardtanh(z(x), -0.5, 0.5), [0.25, 0.75], "hardtanh"),
        (lambda x: F.hardsigmoid(z(x) * 6), [0.25, 0.75], "hardsigmoid"),
        (lambda x: F.hardswish(z(x) * 6), [0.25, 0.75], "hardswish"),
        (lambda x: F.elu(z(x)), [0.5], "elu"),
        (lambda x: F.softshrink(z(x)), [0.25, 0.75], "softshrink"),
        (lambda x: F.prelu(z(x), torch.tensor([0.3], dtype=x.dtype)), [0.5], "prelu"),
        (lambda x: abs(z(x)), [0.5], "abs"),
        (lambda x: z(x).abs_(), [0.5], "abs"),
        (lambda x: torch.maximum(x, 1 - x), [0.5], "max"),
        (lambda x: torch.min(x, other=1 - x), [0.5], "min"),
        (lambda x: torch.cat([x, 1 - x, 0.75 + 0 * x], -1).max(dim=-1).values, [0.25, 0.5, 0.75], "max"),
        (lambda x: torch.cat([x, 1 - x], -1).amax(-1, keepdim=True), [0.5], "max"),
        (lambda x: torch.where(x > 0.3, x, 0.3), [0.3], "comparison"),
        (lambda x: (x > 0.3) * (x - 0.3), [0.3], "comparison"),
        (lambda x: torch.sign(z(x)) * z(x), [0.5], "sign"),
    ],
)
def test_operations_are_known_in_all_forms(function, places: list[float], operation: str) -> None:
    breaks = find_breaks(function, (0, 1))
    torch.testing.assert_close(breaks.places, torch.tensor(places, dtype=torch.float64), rtol=0, atol=1e-15)
    assert set(breaks.operations) == {operation}
    assert bool(breaks.exact.all())


class Squeezed(nn.Module):
    """Both ways of writing an activation, and a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(1, 3)
        self.middle = nn.Linear(3, 3)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.first(x))
        return self.act(self.middle(h)).sum(-1) + F.relu(x[..., 0] - 0.5)


def test_breaks_say_where_they_come_from() -> None:
    torch.manual_seed(3)
    model = Squeezed().double()
    breaks = find_breaks(model, (-3, 3))
    layers = breaks.layers.tolist()
    assert [breaks.names[layers.index(k)] for k in range(3)] == ["act", "act, call 2", "relu call 1"]


def test_a_function_around_a_module_says_where_in_the_module() -> None:
    model = network(0, (10, 10))
    breaks = find_breaks(lambda x: x * (1 - x) * model(x), (0, 1))
    assert set(breaks.names) == {"1", "3"}
    assert breaks.trace.dtype == torch.float64
    model.float()
    assert find_breaks(lambda x: x * model(x), (0, 1)).trace.dtype == torch.float32


def test_what_is_done_to_parameters_alone_does_not_matter() -> None:
    model = nn.utils.parametrizations.weight_norm(network(0, (10, 10))[0])
    whole = nn.Sequential(model, nn.ReLU(), nn.Linear(10, 1)).double()
    breaks = find_breaks(lambda x: whole(x) + F.relu(whole[0].bias).sum(), (0, 1))
    assert breaks.unknown == ()
    assert set(breaks.names) == {"1"}


def test_what_a_model_does_out_of_sight_is_found_in_the_slopes() -> None:
    weight = torch.tensor(3.0, dtype=torch.float64)

    def function(x: Tensor) -> Tensor:
        return torch.vmap(lambda t: F.relu(weight * t - 1).sum())(x)

    breaks = find_breaks(function, (0, 1))
    assert breaks.unknown == ("torch.vmap",)
    torch.testing.assert_close(breaks.places, torch.tensor([1 / 3], dtype=torch.float64), rtol=0, atol=1e-15)


def test_what_is_not_linear_is_bracketed_and_refined() -> None:
    def function(x: Tensor) -> Tensor:
        return F.relu(torch.cos(40 * x)) + F.relu((x - 0.3) ** 2 - 1e-10) + F.relu(x - 0.7)

    breaks = find_breaks(function, (0, 1))
    waves = (np.arange(13) + 0.5) * np.pi / 40
    expected = np.sort([*waves[waves < 1], 0.3 - 1e-5, 0.3 + 1e-5, 0.7])
    np.testing.assert_allclose(breaks.places.numpy(), expected, rtol=0, atol=1e-11)
    assert int(breaks.exact.sum()) == 1


class Own(torch.autograd.Function):
    """|z| by an operation that cannot be looked into."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.from_numpy(np.abs(x.detach().numpy()))

    @staticmethod
    def backward(ctx, up):
        (x,) = ctx.saved_tensors
        return up * torch.from_numpy(np.where(x.detach().numpy() > 0, 1.0, -1.0))


class Torn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return torch.from_numpy(np.floor(x.detach().numpy()))

    @staticmethod
    def backward(ctx, up: Tensor) -> Tensor:
        return 0 * up


@pytest.mark.parametrize(
    ("function", "places"),
    [
        (lambda x: Own.apply(torch.tanh(3 * x - 1)), [1 / 3]),
        (lambda x: torch.sqrt((x - 0.1234) ** 2), [0.1234]),
        (lambda x: torch.hypot(x - 0.75, 0 * x), [0.75]),
        (lambda x: torch.sqrt(torch.sin(200 * math.pi * x) ** 2), list(np.arange(1, 200) / 200)),
    ],
)
def test_breaks_of_unknown_operations_are_found_in_the_slopes(function, places: list[float]) -> None:
    breaks = find_breaks(function, (0, 1))
    assert breaks.unknown
    np.testing.assert_allclose(breaks.places.numpy(), places, rtol=0, atol=1e-14)
    assert set(breaks.operations) == {"unknown"}
    assert not breaks.exact.any()


@pytest.mark.parametrize(
    ("function", "operation", "places"),
    [
        (lambda x: torch.floor(4 * x) * torch.sin(x), "floor", [0.25, 0.5, 0.75]),
        (lambda x: x - torch.round(x * 200) / 200, "round", list((np.arange(200) + 0.5) / 200)),
        (lambda x: torch.frac(1000 * x - 0.5), "frac", list((np.arange(1000) + 0.5) / 1000)),
        (lambda x: torch.remainder(x, 0.3), "remainder", [0.3, 0.6, 0.9]),
        (lambda x: torch.fmod(x, 0.3), "remainder", [0.3, 0.6, 0.9]),
        (lambda x: (x + 0.1) % 0.3, "remainder", [0.2, 0.5, 0.8]),
        (lambda x: F.smooth_l1_loss(3 * x, 0 * x + 1, reduction="none", beta=0.5), "smooth_l1_loss", [1 / 6, 0.5]),
        (lambda x: F.huber_loss(3 * x, 0 * x + 1, reduction="none", delta=0.5), "huber_loss", [1 / 6, 0.5]),
    ],
)
def test_whole_numbers_and_losses_break_where_they_should(function, operation: str, places: list[float]) -> None:
    breaks = find_breaks(function, (0, 1))
    assert not breaks.unknown
    np.testing.assert_allclose(breaks.places.numpy(), places, rtol=0, atol=1e-14)
    assert set(breaks.operations) == {operation}


def test_behind_a_jump_no_kink_is_seen_where_nothing_vanishes() -> None:
    # On both sides of x = 1 the pre-activation is far from zero, with different signs.
    breaks = find_breaks(lambda x: F.relu(torch.remainder(x, 1.0) - 0.25), (0.1, 2.9))
    np.testing.assert_allclose(breaks.places.numpy(), [0.25, 1, 1.25, 2, 2.25], rtol=0, atol=1e-14)
    curved = find_breaks(lambda x: F.relu(torch.sin(torch.remainder(x, 1.0)) - 0.25), (0.1, 2.9))
    inner = np.arcsin(0.25)
    np.testing.assert_allclose(curved.places.numpy(), [inner, 1, 1 + inner, 2, 2 + inner], rtol=0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(("frequency", "seed"), [(40, 0), (150, 1), (400, 2), (900, 3)])
def test_no_kink_of_oscillating_features_is_missed(frequency: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    waves = frequency * torch.randn(8, generator=generator, dtype=torch.float64)
    mixing = torch.randn(16, 12, generator=generator, dtype=torch.float64)

    def features(x: Tensor) -> Tensor:
        z = x * waves
        return torch.cat([z.sin(), z.cos()], -1) @ mixing

    breaks = find_breaks(lambda x: F.relu(features(x)).sum(-1, keepdim=True), (0, 1))
    assert breaks.settled
    # By another way: signs on so many points that the fastest wave has some ten thousand of them.
    x = torch.linspace(0, 1, 4_000_001, dtype=torch.float64)
    signs = torch.cat([(features(part[:, None]) > 0) for part in x.split(200_000)])
    assert len(breaks) == int((signs[1:] ^ signs[:-1]).sum())


def test_a_search_that_finds_more_at_every_look_says_so() -> None:
    breaks = find_breaks(lambda x: F.relu(torch.sin(1e9 * x)), (0, 1))
    assert not breaks.settled


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Softplus, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Mish])
def test_a_smooth_model_has_no_breaks(activation) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 20), activation(), nn.Linear(20, 20), activation(), nn.Linear(20, 1)).double()
    breaks = find_breaks(model, (0, 1))
    assert len(breaks) == 0
    assert breaks.unknown == ()
    # An operation that is not on the list of smooth ones is looked at and found smooth.
    steep = find_breaks(lambda x: torch.sqrt(1e-6 + (x - 0.3) ** 2) + model(x), (0, 1))
    assert steep.unknown == ("sqrt",)
    assert len(steep) == 0


@pytest.mark.parametrize(("seed", "widths"), [(0, (5,)), (0, (4, 3)), (4, (4, 4, 3))])
def test_attached_positions_move_as_the_breaks_do(seed: int, widths: tuple[int, ...]) -> None:
    model = network(seed, widths)

    def function(x: Tensor) -> Tensor:
        return F.relu(x * (1.2 - x) * model(x) + 0.01) + Own.apply(model(x) - 0.1)

    check_motion(function, list(model.parameters()))


def check_motion(function, parameters: list[Tensor]) -> None:
    breaks = find_breaks(function, (0, 1))
    assert len(breaks) > 2
    places = attach(function, breaks)
    torch.testing.assert_close(places.detach(), breaks.places, rtol=0, atol=0)
    torch.manual_seed(0)
    direction = [torch.randn_like(p) for p in parameters]
    weights = torch.randn(len(places), dtype=torch.float64)
    found = torch.autograd.grad(weights @ places, parameters, allow_unused=True)
    slope = sum(float((g * d).sum()) for g, d in zip(found, direction, strict=True) if g is not None)
    # Central differences: truncation 1e-10, rounding of places 1e-15 / 1e-5.
    step, moved = 1e-5, []
    for sign in (-1, 1):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += sign * step * d
            moved.append(find_breaks(function, (0, 1)).places)
            for p, d in zip(parameters, direction, strict=True):
                p -= sign * step * d
    difference = float(weights @ (moved[1] - moved[0])) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-6, abs=1e-6)


def test_a_value_that_jumps_does_not_tell_how_it_moves() -> None:
    def function(x: Tensor) -> Tensor:
        return Torn.apply(4 * x + 0.1)

    with pytest.raises(InputError, match=r"its value jumps at x = 0\.225"):
        attach(function, find_breaks(function, (0, 1)))


class Mixing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) / x.max()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.5), nn.Linear(4, 1)), "model.eval\\(\\) where there is dropout"),
        (nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)), "batch normalisation"),
        (Mixing(), "depends on which other points"),
        (nn.Linear(2, 1), "neither as \\(n, 1\\) nor as \\(n,\\)"),
        (nn.Linear(1, 2), "one number a point"),
        (lambda x: torch.log(x - 0.5), "not finite at x = "),
        (lambda x: x.tolist(), "it returns list"),
    ],
)
def test_what_is_no_function_of_one_point_is_said(function, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_breaks(function, (0, 1))


def test_the_order_of_sums_may_depend_on_the_points_even_where_what_is_left_of_them_is_small() -> None:
    def cancelling(x: Tensor, rounding: float) -> Tensor:
        one = F.relu(x - 0.5) + 1
        return one - one * (1 - 1e-6) + rounding * len(x)

    # A sum of a few thousand numbers of size 1 has a rounding of 1e-14; u is 1e-6.
    assert len(find_breaks(lambda x: cancelling(x, 1e-14), (0, 1))) == 1
    with pytest.raises(InputError, match="depends on which other points"):
        find_breaks(lambda x: cancelling(x, 1e-11), (0, 1))


@pytest.mark.parametrize("domain", [(1, 0), (0, float("inf")), 3, (0, 1, 2)])
def test_what_is_no_domain_is_said(domain) -> None:
    with pytest.raises(InputError, match="domain: "):
        find_breaks(nn.Linear(1, 1), domain)


def test_shapes_and_types_are_those_of_the_model() -> None:
    w, b = torch.randn(6), torch.randn(6)

    def flat(x: Tensor) -> Tensor:
        return F.relu(w[:, None] * x + b[:, None]).sum(0)

    flat_breaks = find_breaks(flat, (-1, 1))
    assert flat_breaks.trace.column is False
    assert flat_breaks.trace.dtype == torch.float32
    kinks = (-b / w).double()
    expected = kinks[(kinks > -1) & (kinks < 1)].sort().values
    torch.testing.assert_close(flat_breaks.places, expected, rtol=1e-5, atol=1e-6)
    assert attach(flat, flat_breaks).dtype == torch.float32


def test_thousands_of_breaks() -> None:
    wide = nn.Sequential(nn.Linear(1, 3000), nn.ReLU(), nn.Linear(3000, 1)).double()
    with torch.no_grad():
        wide[0].bias.copy_(-wide[0].weight[:, 0] * torch.linspace(0.01, 0.99, 3000, dtype=torch.float64))
    assert len(find_breaks(wide, (0, 1))) == 3000


class Padded(nn.Module):
    """A block of Deep Ritz: the input, padded with zeros, is added to what the layer makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.pad(x, (0, 7))
        return self.last(F.relu(self.inner(h)) + h)


def test_padding_keeps_a_model_piecewise_linear_and_normalisation_is_smooth() -> None:
    torch.manual_seed(0)
    padded = trace(Padded().double(), (0.0, 1.0))
    assert padded.straight
    assert not padded.unknown
    normal = nn.Sequential(nn.Linear(1, 8), nn.RMSNorm(8), nn.ReLU(), nn.Linear(8, 1)).double()
    assert not trace(normal, (0.0, 1.0)).unknown
    both = trace(lambda x: torch.where((x > 0.2) & (x < 0.7), x, 2 * x), (0.0, 1.0))
    assert not both.unknown
    assert len(both.calls) == 2
