from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kinkproof.verify import InputError, audit
from kinkproof.verify.models.judging.preparation import prepare
from torch import Tensor, nn

HERE = __file__


def bar(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
    return du**2 / 2 - u


def net(*last: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(1, 8), nn.ReLU(), *last, nn.Linear(8, 1)).double()


class Own(nn.Module):
    """A model of the user's whose forward does what a test wants."""

    def __init__(self, act: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.act = nn.Linear(1, 8), nn.Linear(8, 1), act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self, x)


def raising(m: Any, x: Tensor) -> Tensor:
    raise ValueError("no good")


def not_a_number(m: Any, x: Tensor) -> Tensor:
    return torch.log(m.last(torch.relu(m.first(x))) - 100)


def in_place(m: Any, x: Tensor) -> Tensor:
    h = torch.tanh(m.first(x))
    h += 1
    return m.last(h)


def detached(m: Any, x: Tensor) -> Tensor:
    return m.last(torch.relu(m.first(x)).detach())


def half_detached(m: Any, x: Tensor) -> Tensor:
    return m.last(torch.relu(m.first(9 * x - 4).detach())) + x * m.last.bias


def stepping(m: Any, x: Tensor) -> Tensor:
    return m.last((m.first(3 * x) > 0).to(x.dtype) + m.first(x))


def casting(m: Any, x: Tensor) -> Tensor:
    return m.last(torch.relu(m.first(x))).float()


def line(function: Any, text: str) -> str:
    lines, first = inspect.getsourcelines(function)
    return f"{HERE}:{first + next(k for k, l in enumerate(lines) if text in l)}"


@pytest.mark.parametrize(
    ("model", "said", "where"),
    [
        (lambda: nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)), "one number in and one or m out", ""),
        (lambda: nn.Sequential(nn.Linear(1, 8), nn.Unflatten(1, (2, 4))), r"returns shape \(7, 2, 4\)", ""),
        (lambda: nn.ReLU(), "no parameters", ""),
        (lambda: net(nn.Dropout()), "call to call, since 2 is dropout in training mode; model.eval()", ""),
        (lambda: net(nn.BatchNorm1d(8)), "depends on the other points of the batch", ""),
        (lambda: Own(raising), "ValueError: no good", line(raising, "raise ValueError")),
        (lambda: Own(not_a_number), "it is nan at x = ", line(Own.forward, "def forward")),
        (lambda: Own(in_place), "in-place operation overwrites", line(in_place, "torch.tanh")),
        (lambda: Own(detached), "u′ is zero everywhere as autograd sees it", line(Own.forward, "def forward")),
        (lambda: Own(half_detached), "derivative in x is .* by differences", line(Own.forward, "def forward")),
        (lambda: Own(casting), "it returns float32", line(Own.forward, "def forward")),
        (lambda: Own(stepping), "u itself jumps at x = ", ""),
    ],
)
def test_a_model_that_cannot_be_judged_is_refused_with_the_line(
    model: Callable[[], nn.Module], said: str, where: str
) -> None:
    torch.manual_seed(0)
    with pytest.raises(InputError, match=said) as caught:
        audit(model(), bar)
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)
    # What would be right is said too.
    assert "right" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"domain": (1, 0)}, r"domain: \(1, 0\) is no interval"),
        ({"domain": "ab"}, "domain: 'ab' is no pair"),
        ({"points": 2}, "points: 2 does not refine"),
        ({"points": (10, 5, 20)}, "does not refine"),
        ({"rule": "simpson"}, "simpson"),
        ({"loss": lambda m, n: 0, "quadrature": lambda n: 0}, "one of the two"),
        ({"loss": lambda m: 0}, "fewer than two arguments"),
        ({"loss": lambda m, n: 1.0}, "loss: it returns float"),
        ({"loss": lambda m, n: m(torch.zeros(n, 1)) @ torch.ones(3, 3)}, "loss: for 100 points it raises RuntimeError"),
        ({"loss": lambda m, n: torch.zeros(())}, "loss: .*does not depend on the parameters"),
        ({"quadrature": lambda n: 3}, "quadrature: for 100 points it raises TypeError"),
        ({"quadrature": lambda n: (torch.full((n,), 2.0), torch.ones(n))}, "node 2 lies outside"),
        ({"quadrature": lambda n: (torch.zeros(n), torch.ones(3))}, "100 nodes and 3 weights"),
        ({"quadrature": lambda n: (torch.rand(n).requires_grad_(), torch.ones(n) / n)}, "carry gradients.*loss= with"),
        ({"ends": lambda u: u}, r"ends: it returns shape \(2,\)"),
        ({"parameters": {"w": torch.ones(1)}}, "leaving parameters= out"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(InputError, match=said):
        audit(net(), bar, **options)


@pytest.mark.parametrize("parameters", [None, {}, [1], {"w": "text"}, {"w": torch.ones(2, dtype=torch.long)}])
def test_a_function_needs_a_dict_of_tensors(parameters: Any) -> None:
    with pytest.raises(InputError, match=r"parameters: .*a dict such as"):
        prepare(lambda p, x: x * p["w"], (0, 1), parameters)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be called"):
        prepare(3, (0, 1))  # type: ignore[arg-type]


def test_a_model_that_is_not_defined_beyond_the_domain_is_searched_inside() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    with torch.no_grad():
        plain[0].weight.fill_(1)
        plain[0].bias.copy_(-torch.linspace(0.01, 0.9, 8))
    ended = Own(lambda m, x: x**2 * torch.sqrt(x) * m.plain(x) + 0 * m.last.bias).double()
    ended.add_module("plain", plain)
    found = audit(ended, bar)
    assert len(found.kinks) == 8
    assert found.routes_agree


@torch.no_grad()
def test_a_caller_without_gradients_gets_its_audit() -> None:
    assert audit(net(), bar).routes_agree


def test_half_precision_is_judged_in_single() -> None:
    found = audit(net().half(), bar, loss=lambda m, n: _mean(m, n))
    assert found.routes_agree
    assert any("float16" in n and "judged in float32" in n for n in found.notes)


def _mean(model: nn.Module, n: int) -> Tensor:
    x = ((torch.arange(n) + 0.5) / n).reshape(-1, 1).requires_grad_()
    u = model(x)
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return bar(x, u, du).mean()


def test_shapes_of_points_are_found_out() -> None:
    w = {"w": torch.ones(3, dtype=torch.float64)}
    flat = prepare(lambda p, x: p["w"].sum() * x[:, None].sum(-1) if x.ndim == 1 else 1 / 0, (0, 1), w)
    column = prepare(lambda p, x: (x * p["w"]).sum(-1), (0, 1), w)
    assert (flat.column, column.column) == (False, True)
    x = torch.tensor([0.5, 0.25], dtype=torch.float64)
    assert flat.value(x).tolist() == column.value(x).tolist() == [1.5, 0.75]


@pytest.mark.slow
def test_activations_in_place_a_compiled_model_and_statistics_that_are_frozen_are_fine() -> None:
    torch.manual_seed(0)
    plain = net()
    with torch.no_grad():
        plain[0].weight.fill_(1)
        plain[0].bias.copy_(-torch.linspace(0.05, 0.9, 8))
    expected = audit(plain, bar)
    assert expected.verdict == "inconsistent"
    inplace = nn.Sequential(plain[0], nn.ReLU(inplace=True), plain[2])
    for model in (inplace, torch.compile(plain)):
        found = audit(model, bar)
        assert abs(found.dirac - expected.dirac).max() <= 1e-12
    assert audit(net(nn.BatchNorm1d(8)).eval(), bar).routes_agree


class Cast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.float())


class Answering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"displacement": self.net(given["position"])}


class Locked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
        self.lock = threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.jit.script(net(nn.ReLU())), "it is scripted, which hides its operations"),
        (lambda: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(1)), "its layer '0' is lazy"),
        (Locked, r"cannot be copied \(TypeError: cannot pickle '_thread.lock' object\)"),
        (Cast, r"in float64 it mixes types of numbers .*x\.to\(weight\.dtype\) in place of x\.float\(\)"),
        (Answering, r'lambda x: model\(\{"position": x\}\)\["displacement"\] it would be right'),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_cannot_be_looked_at_is_refused_in_a_sentence(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        prepare(make(), (0, 1))


def test_the_advice_for_a_model_of_dicts_works() -> None:
    model = Answering().double()
    found = prepare(lambda x: model({"position": x})["displacement"], (0, 1))
    assert len(found.parameters) == 4


def test_a_tensor_as_a_plain_attribute_is_cast_with_the_model() -> None:
    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.waves = torch.linspace(1, 5, 8)[None]
            self.net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.net(torch.sin(x @ self.waves))

    model = Features()
    found = prepare(model, (0, 1))
    x = torch.rand(5, dtype=torch.float64)
    torch.testing.assert_close(found.value(x).float(), model(x[:, None].float())[:, 0], rtol=1e-5, atol=1e-6)
    assert model.waves.dtype == torch.float32


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_old_weight_norm_is_copied_after_a_step_of_training() -> None:
    model = nn.Sequential(
        torch.nn.utils.weight_norm(nn.Linear(1, 8)), nn.ReLU(), torch.nn.utils.weight_norm(nn.Linear(8, 1))
    )
    model(torch.rand(3, 1)).sum().backward()
    found = prepare(model, (0, 1))
    assert "0.weight_g" in found.parameters
    x = torch.rand(5, dtype=torch.float64)
    torch.testing.assert_close(found.value(x).float(), model(x[:, None].float())[:, 0], rtol=1e-5, atol=1e-6)
