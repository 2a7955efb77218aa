"""Cases of several hidden layers: what they hold, what `check` accepts and refuses, and in which words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import DeepNetwork, InputError, exact_gradient, exact_hessian, problems
from kinkproof.verify.deep import deep_crosscheck
from kinkproof.verify.exact import hessian_parts
from kinkproof.verify.oracles import generate, load
from kinkproof.verify.oracles.deep_case import DeepCase
from kinkproof.verify.oracles.formulas import evaluate

from .conftest import network_of, problem_of

PACK = load("deep")
CASE = PACK["sine-2-widths-3-2"]
TOTAL = CASE.gradient.total.ravel()
LARGE = PACK["sine-2-widths-16-16"]


def test_the_pack_has_two_to_four_layers_of_one_to_sixteen_neurons_and_other_densities() -> None:
    assert {len(c.widths) for c in PACK} == {2, 3, 4}
    assert {n for c in PACK for n in c.widths} >= {1, 2, 3, 4, 5, 16}
    assert len({c.record["density"] for c in PACK if "density" in c.record}) == 2
    assert len({json.dumps(c.problem) for c in PACK}) >= 6
    for case in PACK:
        assert isinstance(case, DeepCase)
        for routes in case.record["agreement"].values():
            assert min(routes.values(), default=50) >= 40
        parts = case.gradient
        # Kinks of later layers count, else a program could do without them.
        assert np.abs(parts.dirac.ravel() - parts.first_layer.ravel()).max() > 100 * case.tolerance.max()
        assert np.abs(parts.first_layer.ravel()).max() > 100 * case.tolerance.max()
        assert case.distance > 1e-3


def test_a_case_says_what_its_network_is() -> None:
    (first, biases), (second, _) = CASE.layers  # type: ignore[attr-defined]
    assert (first.shape, biases.shape, second.shape, CASE.output_weights.shape) == ((3, 1), (3,), (2, 3), (2,))
    assert (CASE.widths, CASE.width, CASE.size, CASE.output_bias) == ((3, 2), 3, 16, None)  # type: ignore[attr-defined]
    assert PACK["penalised-ends-widths-3-2"].output_bias is not None  # type: ignore[attr-defined]
    assert repr(CASE) == "DeepCase('deep/sine-2-widths-3-2')"
    with pytest.raises(ValueError, match="read-only"):
        CASE.hidden_weights[0][0] = 1


@pytest.mark.parametrize("case", PACK, ids=lambda c: c.id)
def test_the_stored_integrand_is_the_one_that_was_integrated(case: DeepCase) -> None:
    # The energy by Gauss points of NumPy alone, as a reader would: text, parsed and not executed.
    left, right = case.domain
    edges = np.linspace(left, right, 4001)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    half = np.diff(edges)[:, None] / 2
    x = ((edges[1:] + edges[:-1])[:, None] / 2 + half * nodes).ravel()
    value, gate = x[:, None], np.ones((len(x), 1))
    for w, b in case.layers:
        z = value @ w.T + b
        value, gate = np.maximum(z, 0), (z > 0) * (gate @ w.T)
    network, slope = value @ case.output_weights + (case.output_bias or 0.0), gate @ case.output_weights
    data = case.data(x)
    u = data["lift"] + data["distance"] * network
    du = data["lift_slope"] + data["distance_slope"] * network + data["distance"] * slope
    total = float(((half * weights).ravel() * case.energy_density(x, u, du)).sum())
    if case.problem["essential"]:
        ends = {float(k): _number(v) for k, v in case.problem["essential"].items()}
        total += sum(float(case.problem["penalty"]) / 2 * (_at(case, e) - v) ** 2 for e, v in ends.items())
    for end, flux in case.problem["fluxes"].items():
        total += (-1 if float(end) == right else 1) * _number(flux) * _at(case, float(end))
    # A kink inside a cell: its width times the jump.
    assert total == pytest.approx(case.energy, rel=1e-3, abs=1e-4)


def _number(text: str) -> float:
    return float(evaluate(text, np.zeros(1), np)[0])


def _at(case: DeepCase, end: float) -> float:
    value = np.array([end])
    for w, b in case.layers:
        value = np.maximum(w @ value + b, 0)
    data = case.data(np.array([end]))
    network = float(value @ case.output_weights) + (case.output_bias or 0.0)
    return float(data["lift"][0] + data["distance"][0] * network)


@pytest.mark.parametrize(
    "gradient",
    [
        TOTAL,
        TOTAL.tolist(),
        CASE.gradient.total,
        CASE.gradient.total.named(),
        list(CASE.gradient.total.named().values()),
        [torch.tensor(v) for v in CASE.gradient.total.named().values()],
        torch.tensor(TOTAL),
    ],
    ids=["vector", "list", "tensors", "mapping", "list of tensors", "torch list", "torch vector"],
)
def test_gradients_come_in_all_usual_forms(gradient: Any) -> None:
    CASE.check(gradient)


def test_the_gradients_of_a_torch_model_are_taken_as_they_are() -> None:
    model = torch.nn.Sequential(
        torch.nn.Linear(1, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2), torch.nn.ReLU(),
        torch.nn.Linear(2, 1, bias=False),
    ).double()  # fmt: skip
    torch.nn.utils.vector_to_parameters(torch.tensor(TOTAL), model.parameters())
    CASE.check([p.detach() for p in model.parameters()])


@pytest.mark.parametrize(
    ("gradient", "said"),
    [
        (TOTAL[:-1], r"shape \(15,\) does not fit; \(16,\), or a list of the 5 tensors"),
        (0.0, r"shape \(\)"),
        ("text", "no array of real numbers"),
        ({"hidden_weights.0": TOTAL[:3]}, "tensor hidden_biases.0 is missing"),
        ([np.zeros(2), *list(CASE.gradient.total.named().values())[1:]], r"hidden_weights.0: shape \(2,\) does not"),
        (torch.tensor(TOTAL, requires_grad=True), "detach"),
    ],
)
def test_what_is_no_gradient_of_this_network_is_said_in_one_sentence(gradient: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        CASE.check(gradient)
    assert "\n" not in str(caught.value)


def _transposed(case: Any) -> Any:
    tensors = case.gradient.total
    turned = [np.ascontiguousarray(w.T).reshape(w.shape) for w in tensors.hidden_weights]
    return np.concatenate(
        [v.ravel() for pair in zip(turned, tensors.hidden_biases, strict=True) for v in pair] + [tensors.output_weights]
    )


def _weights_first(case: Any) -> Any:
    named = case.gradient.total.named()
    return np.concatenate([named[n].ravel() for n in sorted(named, key=lambda n: "bias" in n)])


FAULTS = {
    "equals the bulk: Dirac terms missing": lambda c: c.gradient.bulk,
    "the Dirac terms of the kinks of the second and later layers are missing": lambda c: (
        c.gradient.bulk.ravel() + c.gradient.first_layer.ravel()
    ),
    "the Dirac terms of the kinks of the first layer are missing": lambda c: (
        c.gradient.total.ravel() - c.gradient.first_layer.ravel()
    ),
    "the Dirac terms have the wrong sign": lambda c: c.gradient.bulk.ravel() - c.gradient.dirac.ravel(),
    "the Dirac terms are twice what they should be": lambda c: c.gradient.bulk.ravel() + 2 * c.gradient.dirac.ravel(),
    "sign flipped": lambda c: -c.gradient.total.ravel(),
    "transposed: weight matrices column by column": _transposed,
    "tensors swapped: all weights come first": _weights_first,
    "scaled by the constant 3": lambda c: 3 * c.gradient.total.ravel(),
    "float32 precision": lambda c: c.gradient.total.ravel().astype(np.float32),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("case", [CASE, PACK["quartic-widths-3-3-3"], PACK["sine-2-widths-4-4"]], ids=lambda c: c.id)
def test_known_faults_are_named(case: DeepCase, fault: str) -> None:
    with pytest.raises(AssertionError, match=f"gradient of {case.id}: (.|\n)*diagnosis: {fault}"):
        case.check(FAULTS[fault](case))


def test_the_report_names_tensor_and_place() -> None:
    found = TOTAL.copy()
    found[8] *= 1 + 1e-9
    with pytest.raises(AssertionError) as caught:
        CASE.check(found)
    assert "hidden_weights.1[0, 2]: " in str(caught.value)
    CASE.check(found, relative_tolerance=1e-8)
    with pytest.raises(AssertionError, match="none was given"):
        CASE.check(None)
    found[8] = np.nan
    with pytest.raises(AssertionError, match=r"hidden_weights.1\[0, 2\] is nan"):
        CASE.check(found)


def test_energies_and_hessians_are_held_against_the_trusted_ones() -> None:
    CASE.check_energy(CASE.energy)
    with pytest.raises(AssertionError, match="sign flipped"):
        CASE.check_energy(-CASE.energy)
    problem, network = problem_of(CASE), network_of(CASE)
    CASE.check_hessian(exact_hessian(problem, network))
    with pytest.raises(AssertionError, match="equals the bulk: all terms from the motion"):
        CASE.check_hessian(hessian_parts(problem, network).bulk)
    with pytest.raises(AssertionError, match="one triangle is empty"):
        CASE.check_hessian(np.triu(exact_hessian(problem, network)))
    wider = PACK["sine-2-widths-4-4"]
    hessian = exact_hessian(problem_of(wider), network_of(wider))
    wider.check_hessian(hessian)
    wider.check_hessian(wider.hessian_directions @ hessian)
    with pytest.raises(AssertionError, match="sign flipped"):
        wider.check_hessian(-hessian)
    with pytest.raises(ValueError, match=r"\(32, 32\) or \(2, 32\) would be right"):
        wider.check_hessian(hessian[:3])
    with pytest.raises(ValueError, match="has no Hessian"):
        LARGE.check_hessian(np.zeros((LARGE.size, LARGE.size)))


def _conforming(case: DeepCase) -> Any:
    """Another algorithm in another library: Gauss points between the kinks that carry gradients, torch's autograd."""
    left, right = case.domain
    tensors = [torch.tensor(t, requires_grad=True) for t in case.parameters.named().values()]
    layers = len(case.widths)

    def forward(x: Any, slope: Any) -> tuple[Any, Any, list[Any]]:
        h, s, zeros = x[:, None], slope[:, None], []
        for w, b in zip(tensors[: 2 * layers : 2], tensors[1 : 2 * layers : 2], strict=True):
            z, dz = h @ w.mT + b, s @ w.mT
            zeros.append((z, dz))
            h, s = torch.relu(z), (z > 0) * dz
        bias = tensors[2 * layers + 1] if len(tensors) % 2 == 0 else 0.0
        return h @ tensors[2 * layers] + bias, s @ tensors[2 * layers], zeros

    # Where it bends: from exact arithmetic; as a function of the parameters: x − z(x) ÷ ∂z/∂x.
    found = exact_gradient(problem_of(case), network_of(case), density=case.record.get("density"))  # type: ignore[call-overload]
    marks = [torch.tensor(left, dtype=torch.float64)]
    fixed = [float(p) for p in problem_of(case).interfaces]
    placed = [(float(k.position), k) for k in found.kinks] + [(p, None) for p in fixed]
    for place, kink in sorted(placed, key=lambda p: p[0]):
        x = torch.tensor([place], dtype=torch.float64)
        if kink is None:
            marks.append(x[0])
            continue
        # z is 0 there, but its derivative by the parameters is not.
        _, _, zeros = forward(x, torch.ones_like(x))
        z, dz = (v[0, kink.neuron] for v in zeros[kink.layer])
        marks.append(x[0] - z / dz)
    marks.append(torch.tensor(right, dtype=torch.float64))
    edges = torch.stack(marks)
    nodes, weights = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(24))
    half = ((edges[1:] - edges[:-1]) / 2)[:, None]
    x = ((edges[1:] + edges[:-1]) / 2)[:, None] + half * nodes
    weight, x = (half * weights).ravel(), x.ravel()

    def field(x: Any) -> tuple[Any, Any]:
        v, s, _ = forward(x, torch.ones_like(x))
        data = case.data(x, torch)
        u = data["lift"] + data["distance"] * v
        return u, data["lift_slope"] + data["distance_slope"] * v + data["distance"] * s

    energy = (weight * case.energy_density(x, *field(x), torch)).sum()
    for end in (left, right):
        u = field(torch.tensor([end], dtype=torch.float64))[0][0]
        for name in ("fluxes", "essential"):
            for place, value in case.problem[name].items():
                if float(place) == end and name == "fluxes":
                    energy = energy + (-1 if end == right else 1) * _number(value) * u
                elif float(place) == end:
                    energy = energy + float(case.problem["penalty"]) / 2 * (u - float(value)) ** 2
    gradients = torch.autograd.grad(energy, tensors, allow_unused=True)
    filled = [torch.zeros_like(t) if g is None else g for g, t in zip(gradients, tensors, strict=True)]
    return float(energy.detach()), filled


@pytest.mark.parametrize("case", PACK, ids=lambda c: c.id)
def test_gauss_points_between_the_kinks_pass_with_room(case: DeepCase) -> None:
    # Were tolerances made for closed forms alone, right programs would fail.
    energy, gradient = _conforming(case)
    case.check_energy(energy)
    case.check(gradient)
    found = np.concatenate([g.numpy().ravel() for g in gradient])
    assert (np.abs(found - case.gradient.total.ravel()) / case.tolerance).max() < 0.5


def test_loading_needs_numpy_alone() -> None:
    code = (
        "from kinkproof.verify.oracles import load\n"
        "case = load('deep')['quartic-widths-4-3']\n"
        "case.check(case.gradient.total); case.check_energy(case.energy)\n"
        "x = case.parameters.ravel(); case.data(x); case.energy_density(x, x, x)\n"
        "case.check_hessian(case.hessian_products)\n"
        "import sys\n"
        "print(*({'sympy', 'mpmath', 'torch', 'scipy', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_pack_of_ones_own_takes_deep_networks_and_a_source_file_does_not(tmp_path: Path) -> None:
    network = DeepNetwork([[1, -1], [[1, 2]]], [["-1/3", "2/3"], ["-1/5"]], [1])
    (path,) = generate(problems["polynomial"], tmp_path / "mine.json", {"two": network})
    (case,) = load(path)
    assert case.widths == (2, 1)
    case.check(exact_gradient(problems["polynomial"], network).total)
    assert all(a.passed for a in deep_crosscheck(problems["polynomial"], network))
    for name in ("mine.py", "mine.c"):
        with pytest.raises(
            InputError, match=r"two has a network of several layers.*mine.json, would be right"
        ) as caught:
            generate(problems["polynomial"], tmp_path / name, {"two": network})
        assert "\n" not in str(caught.value)
        assert not (tmp_path / name).exists()
    degenerate = DeepNetwork([[1, -2]], [["-1/2", 1]], [1, 1])
    with pytest.raises(InputError, match="coincident kinks"):
        generate(problems["polynomial"], tmp_path / "other.json", {"bad": degenerate})
