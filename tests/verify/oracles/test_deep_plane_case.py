"""Cases of two inputs and several hidden layers: what they hold, what `check` accepts and refuses, in which words."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import DeepNetwork, InputError, exact_gradient, plane_problems
from kinkproof.verify.oracles import generate, load
from kinkproof.verify.oracles.deep_plane_case import DeepPlaneCase
from kinkproof.verify.plane.deep.crosscheck import line_gradient
from kinkproof.verify.plane.deep.regions import plane_regions
from kinkproof.verify.statement.tensors import Tensors

from .conftest import network_of, problem_of

PACK = load("plane-deep")
CASE: Any = PACK["l-shape-widths-3-2"]
TOTAL, BULK, DIRAC = (getattr(CASE.gradient, n).ravel() for n in ("total", "bulk", "dirac"))


def test_the_pack_has_two_and_three_layers_and_lines_of_each_count() -> None:
    assert {len(c.widths) for c in PACK} == {2, 3}
    assert len({str(c.problem) for c in PACK}) >= 5
    assert sum("density" in c.record for c in PACK) == 1
    for case in PACK:
        assert isinstance(case, DeepPlaneCase)
        assert case.distance > 1e-2
        parts = case.gradient
        # Lines of later layers count, else a program could do without them.
        for part in (parts.first_layer.ravel(), parts.dirac.ravel() - parts.first_layer.ravel()):
            assert np.abs(part).max() > 100 * case.tolerance.max()


def test_a_case_says_what_its_network_and_its_polygon_are() -> None:
    assert repr(CASE) == "DeepPlaneCase('plane-deep/l-shape-widths-3-2')"
    (first, biases), (second, _) = CASE.layers
    assert (first.shape, biases.shape, second.shape, CASE.output_weights.shape) == ((3, 2), (3,), (2, 3), (2,))
    assert (CASE.size, len(CASE.exact_parameters), len(CASE.tolerance)) == (19, 19, 19)
    assert CASE.domain.tolist() == [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
    assert [e.kind for e in CASE.edges] == ["flux"] * 4
    assert CASE.component(1) == "hidden_weights.0[0, 1]"
    x, y = np.array([0.5]), np.array([0.25])
    assert CASE.data(x, y)["distance"] == 0.125
    quartic: Any = PACK["quartic-widths-3-2"]
    assert quartic.energy_density(x, y, 2 * x, 2 * x, 0 * x) == pytest.approx(0.5 + 0.1 + 1 / 3 - 0.25)
    bias: Any = PACK["penalised-widths-2-2"]
    assert bias.output_bias == bias.parameters.ravel()[-1]


def _swapped(tensors: Tensors) -> Any:
    weights = (tensors.hidden_weights[0][:, ::-1], *tensors.hidden_weights[1:])
    return Tensors(weights, tensors.hidden_biases, tensors.output_weights, tensors.output_bias).ravel()


def _without_norm(case: Any) -> Any:
    """ds in place of ds/|∇z|, by regions of its own making."""
    network, problem = network_of(case), problem_of(case)
    out = np.zeros(case.size)
    for r, edge, (layer, neuron) in _kink_edges(network, problem):
        slope = np.hypot(*(float(v) for v in r.preactivations[layer][neuron][:2]))
        out += (slope - 1) * _moved_by(case, network, r, edge, layer, neuron)
    return case.gradient.total.ravel() + out


def _kink_edges(network: Any, problem: Any) -> Any:
    for r in plane_regions(network, problem.domain):
        for k, (units, outer) in enumerate(zip(r.units, r.outer, strict=True)):
            for unit in units if outer < 0 else ():
                yield r, k, unit


def _moved_by(case: Any, network: Any, region: Any, edge: int, layer: int, neuron: int) -> Any:
    """±∫ L ∂z/∂θ ds/|∇z| along an edge of a region, ∂z/∂θ by torch."""
    ends = np.array([[float(v) for v in region.corners[m % len(region.corners)]] for m in (edge, edge + 1)])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    at = torch.tensor(ends[0] + (nodes[:, None] + 1) / 2 * (ends[1] - ends[0]))
    tensors = [torch.tensor(t, requires_grad=True) for t in case.parameters.named().values()]
    maps = _affine(tensors, region, len(case.widths))
    z = maps[layer][neuron]
    ds = np.hypot(*(ends[1] - ends[0])) * weights / 2 / float(torch.hypot(z[0], z[1]).detach())
    value = _density(case, at, maps[-1][0]).detach() * torch.tensor(ds)
    if not region.active[layer][neuron]:
        value = -value
    found = torch.autograd.grad((value * (at @ z[:2] + z[2])).sum(), tensors, allow_unused=True)
    return np.concatenate([np.zeros(t.shape).ravel() if g is None else g.numpy().ravel()
                           for g, t in zip(found, tensors, strict=True)])  # fmt: skip


def _affine(tensors: Any, region: Any, layers: int) -> list[Any]:
    """(n, 3) of each layer's pre-activations and of the output, as functions of the parameters."""
    h, out = torch.eye(3, dtype=torch.float64)[:2], []
    one = torch.eye(3, dtype=torch.float64)[2]
    for k in range(layers):
        z = tensors[2 * k] @ h + tensors[2 * k + 1][:, None] * one
        out.append(z)
        h = torch.tensor(region.active[k], dtype=torch.float64)[:, None] * z
    last = (tensors[2 * layers] @ h)[None]
    return [*out, last + tensors[-1] * one if len(tensors) % 2 == 0 else last]


def _density(case: Any, at: Any, q: Any) -> Any:
    d = case.data(*at.T, torch)
    n = at @ q[:2] + q[2]
    u = d["lift"] + d["distance"] * n
    u_x = d["lift_x"] + d["distance_x"] * n + d["distance"] * q[0]
    u_y = d["lift_y"] + d["distance_y"] * n + d["distance"] * q[1]
    return case.energy_density(*at.T, u, u_x, u_y, torch)


def through_corners(case: Any, points: int) -> tuple[float, Any]:
    """Another derivation in another library: regions whose corners depend on the parameters, torch's autograd."""
    network, problem = network_of(case), problem_of(case)
    tensors = [torch.tensor(t, requires_grad=True) for t in case.parameters.named().values()]
    nodes, weights = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(points))
    s, w = (nodes + 1) / 2, weights / 2
    second, third = (v.ravel() for v in torch.meshgrid(s, s, indexing="ij"))
    third, weight = third * (1 - second), torch.outer(w * (1 - s), w).ravel()
    energy = torch.zeros((), dtype=torch.float64)
    for r in plane_regions(network, problem.domain):  # type: ignore[arg-type, union-attr]
        maps = _affine(tensors, r, len(case.widths))
        fixed = torch.tensor([[float(v) for v in p] for p in r.corners], dtype=torch.float64)
        lines = []
        for k, units in enumerate(r.units):
            (a, b), (c, d) = fixed[k], fixed[(k + 1) % len(fixed)]
            still = torch.stack([b - d, c - a, a * d - b * c])
            lines.append(maps[units[0][0]][units[0][1]] if units and r.outer[k] < 0 else still)
        corners = []
        for k, (before, after) in enumerate(zip(lines[-1:] + lines[:-1], lines, strict=True)):
            cross = torch.linalg.cross(before, after)
            # Between two parts of one straight side there is a corner that stands still.
            corners.append(cross[:2] / cross[2] if cross[2] else fixed[k])
        for p, q in pairwise(corners[1:]):
            one, other = p - corners[0], q - corners[0]
            at = corners[0] + torch.outer(second, one) + torch.outer(third, other)
            area = one[0] * other[1] - one[1] * other[0]
            energy = energy + area * (weight * _density(case, at, maps[-1][0])).sum()
        for k, outer in enumerate(r.outer):
            for edge in case.edges:
                if outer >= 0 and np.array_equal(case.domain[outer], edge.start):
                    a, b = corners[k], corners[(k + 1) % len(corners)]
                    at, ds = a + torch.outer(s, b - a), w * torch.linalg.norm(b - a)
                    d = case.data(*at.T, torch)
                    u = d["lift"] + d["distance"] * (at @ maps[-1][0][:2] + maps[-1][0][2])
                    value = case.edge_value(edge, *at.T, torch)
                    term = -value * u if edge.kind == "flux" else case.penalty / 2 * (u - value) ** 2
                    energy = energy + (ds * term).sum()
    gradient = torch.autograd.grad(energy, tensors)
    return float(energy.detach()), [g.numpy() for g in gradient]


@pytest.mark.parametrize("case", PACK, ids=lambda c: c.id)
def test_two_other_derivations_pass_in_float64_with_room(case: Any) -> None:
    problem: Any = problem_of(case)
    network: Any = network_of(case)
    # Of degree twelve at most, or sines.
    points = 16 if "sine" in case.id else 7
    one = line_gradient(problem, network, case.record.get("density"), points)
    for energy, gradient in (one, through_corners(case, points)):
        case.check(gradient)
        case.check_energy(energy)
        found = np.concatenate([np.ravel(g) for g in gradient])
        assert (np.abs(found - case.gradient.total.ravel()) / case.tolerance).max() < 0.5


FIRST = CASE.gradient.first_layer.ravel()
FAULTS = [
    (BULK, "equals the bulk: Dirac terms missing"),
    (BULK + FIRST, "the Dirac terms of the kinks of the second and later layers are missing"),
    (TOTAL - FIRST, "the Dirac terms of the kinks of the first layer are missing"),
    (BULK - DIRAC, "the Dirac terms have the wrong sign"),
    (BULK + 2 * DIRAC, "the Dirac terms are twice"),
    (BULK + DIRAC / 2, "the Dirac terms are half"),
    (-TOTAL, "sign flipped"),
    (_swapped(CASE.gradient.total), "axes swapped: "),
    (_swapped(CASE.gradient.bulk), "axes swapped: .*, and Dirac terms missing"),
    (BULK + _swapped(CASE.gradient.dirac), "axes swapped in the Dirac terms of the first layer"),
    (_without_norm(CASE), r"lack the factor 1/\|∇z\|"),
    (3 * TOTAL, "scaled by the constant 3"),
    (TOTAL.astype(np.float32), "float32 precision"),
]


@pytest.mark.parametrize(("gradient", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_a_known_fault_is_named(gradient: Any, said: str) -> None:
    with pytest.raises(AssertionError) as caught:
        CASE.check(gradient)
    assert re.search(f"diagnosis: .*{said}", str(caught.value))


@pytest.mark.parametrize(("name", "side"), [("l-shape-widths-3-2", "active"), ("anisotropic-widths-4-3", "inactive")])
def test_the_flux_taken_on_one_side_is_named(name: str, side: str) -> None:
    # q·⟦∇u⟧ with q on one side; of a quadratic density ⟦L⟧ is that with the mean of both.
    case: Any = PACK[name]
    network, problem = network_of(case), problem_of(case)
    (xx, xy), (_, yy) = ([float(v) for v in row] for row in problem.coefficient)  # type: ignore[union-attr]
    own = np.zeros(case.size)
    for r, k, (layer, neuron) in _kink_edges(network, problem):
        if not r.active[layer][neuron]:
            continue
        z = [float(v) for v in r.preactivations[layer][neuron]]
        ear = _hears(case, r, layer, neuron)
        half = ear**2 * (xx * z[0] ** 2 + 2 * xy * z[0] * z[1] + yy * z[1] ** 2) / 2
        own += half * _squared(case, r, k, layer, neuron)
    with pytest.raises(AssertionError, match=f"∇u on a kink line is taken on the {side} side, not as the mean"):
        case.check(case.gradient.total.ravel() + (own if side == "active" else -own))


def _hears(case: Any, region: Any, layer: int, neuron: int) -> float:
    """∂N/∂h."""
    back = case.output_weights
    for k in reversed(range(layer + 1, len(case.widths))):
        back = (back * np.array(region.active[k])) @ case.hidden_weights[k]
    return float(back[neuron])


def _squared(case: Any, region: Any, edge: int, layer: int, neuron: int) -> Any:
    """∫ D² ∂z/∂θ ds/|∇z| along an edge."""

    class Squared:
        def __getattr__(self, name: str) -> Any:
            return getattr(case, name)

        def energy_density(self, x: Any, y: Any, *_: Any) -> Any:
            return case.data(x, y, torch)["distance"] ** 2

    return _moved_by(Squared(), None, region, edge, layer, neuron)


def test_an_unknown_fault_is_not_given_a_name() -> None:
    with pytest.raises(AssertionError, match="none of the known faults fits"):
        CASE.check(TOTAL + np.random.default_rng(0).normal(size=CASE.size))


def test_loading_needs_numpy_alone() -> None:
    code = (
        "from kinkproof.verify.oracles import load\n"
        "case = load('plane-deep')['quartic-widths-3-2']\n"
        "case.check(case.gradient.total); case.check_energy(case.energy)\n"
        "x = case.hidden_biases[0]; case.data(x, x); case.energy_density(x, x, x, x, x)\n"
        "import sys\n"
        "print(*({'sympy', 'mpmath', 'torch', 'scipy', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# 50 digits, by three derivations.
@pytest.mark.slow
def test_a_pack_of_ones_own_takes_deep_networks_of_two_inputs(tmp_path: Path) -> None:
    network = DeepNetwork([[[1, "-1/2"]], [[2]]], [["-1/5"], ["-1/7"]], [1])
    (path,) = generate(plane_problems["plane-polynomial"], tmp_path / "mine.json", {"one": network})
    (case,) = load(path)
    assert isinstance(case, DeepPlaneCase)
    case.check(exact_gradient(plane_problems["plane-polynomial"], network).total)
    with pytest.raises(ValueError, match="has no Hessian"):
        case.check_hessian(np.zeros((6, 6)))
    coincident = DeepNetwork([[[1, 1], [2, 2]]], [["-1/2", -1]], [1, 1])
    with pytest.raises(InputError, match=r"the case bad: .*\(coincident kink lines"):
        generate(plane_problems["plane-polynomial"], tmp_path / "other.json", {"bad": coincident})
