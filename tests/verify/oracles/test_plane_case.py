"""Cases in the plane: what `data` gives, which forms are taken, which faults are named."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from kinkproof.verify.oracles import load
from kinkproof.verify.oracles.plane_case import PlaneCase
from kinkproof.verify.oracles.polygon_case import PLANE_DATA
from kinkproof.verify.plane.corners import corner_gradient
from kinkproof.verify.plane.scanlines import scanline_gradient
from kinkproof.verify.statement.blocks import BLOCKS

from .conftest import network_of, problem_of

PACK = load("plane")
CASE: Any = PACK["l-shape-width-3"]
TOTAL = CASE.gradient.total
N = CASE.width


def test_a_case_has_the_shapes_of_two_inputs() -> None:
    assert isinstance(CASE, PlaneCase)
    assert repr(CASE) == "PlaneCase('plane/l-shape-width-3')"
    assert CASE.hidden_weights.shape == (3, 2)
    assert CASE.hidden_biases.shape == CASE.output_weights.shape == (3,)
    assert CASE.size == len(CASE.exact_parameters) == len(CASE.tolerance) == 12
    assert CASE.domain.tolist() == [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
    assert [CASE.component(k) for k in (1, 6, 11)] == ["hidden_weights[0, 1]", "hidden_biases[0]", "output_weights[2]"]


@pytest.mark.parametrize("library", [np, torch], ids=["NumPy", "torch"])
@pytest.mark.parametrize("name", ["l-shape-width-3", "exponential-width-1", "anisotropic-width-2", "penalised-width-3"])
def test_data_are_those_of_the_problem(name: str, library: Any) -> None:
    case: Any = PACK[name]
    problem: Any = problem_of(case)
    x, y = (library.asarray(v, dtype=library.float64) for v in ([0.25, 0.5, 0.75], [0.5, 0.125, 0.25]))
    found = case.data(x, y, library)
    assert tuple(found) == PLANE_DATA
    (xx, xy), (_, yy) = problem.coefficient
    wanted, symbols = [xx, xy, yy, problem.source], problem.coordinates
    for e in (problem.distance, problem.lift):
        wanted += [e, *(sympy.diff(e, v) for v in symbols)]
    for e, value in zip(wanted, found.values(), strict=True):
        at = [float(e.subs(dict(zip(symbols, p, strict=True)))) for p in zip(x.tolist(), y.tolist(), strict=True)]
        # Some operations of numbers of the size of one.
        np.testing.assert_allclose(np.asarray(value), at, rtol=1e-14, atol=1e-14)


def test_the_density_is_the_integrand_and_edges_say_what_holds_on_them() -> None:
    x, y, one = np.array([0.5]), np.array([0.25]), np.ones(1)
    d = CASE.data(x, y)
    wanted = (d["coefficient_xx"] * 9 + d["coefficient_yy"] * 4) / 2 - d["source"] * 1
    np.testing.assert_allclose(CASE.energy_density(x, y, one, 3 * one, 2 * one), wanted, rtol=1e-15)
    assert (CASE.edges[0].kind, CASE.edges[0].value) == ("flux", "-y**2 - y")
    assert CASE.edge_value(CASE.edges[0], x, y) == -0.25 - 0.0625
    held: Any = PACK["penalised-width-3"]
    assert [e.kind for e in held.edges] == ["essential"]
    assert held.edges[0].start.tolist() == [2, 0]
    assert held.penalty == float(problem_of(held).penalty)


@pytest.mark.parametrize(
    "gradient",
    [
        TOTAL,
        TOTAL.ravel(),
        TOTAL.ravel().tolist(),
        {n: getattr(TOTAL, n) for n in BLOCKS},
        [getattr(TOTAL, n) for n in BLOCKS],
        [torch.tensor(getattr(TOTAL, n)) for n in BLOCKS],
    ],
    ids=["blocks", "vector", "list", "mapping", "three arrays", "three tensors"],
)
def test_gradients_come_in_all_usual_forms(gradient: Any) -> None:
    CASE.check(gradient)


@pytest.mark.parametrize(
    ("gradient", "said"),
    [
        (TOTAL.ravel()[:-1], r"shape \(11,\) does not fit; \(12,\), or blocks of \(3, 2\)"),
        ([TOTAL.hidden_biases] * 3, r"hidden_weights: shape \(3,\)"),
        ({"hidden_weights": 1}, "hidden_biases is missing"),
        ("text", "no array of real numbers"),
    ],
)
def test_what_is_no_gradient_of_this_network_is_said_in_one_sentence(gradient: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        CASE.check(gradient)
    assert "\n" not in str(caught.value)


def _dirac(scale: Any) -> Any:
    parts, factors = CASE.gradient, [s[:, None] if n == 0 else s for n, s in enumerate([scale] * 3)]
    return [b + f * d for b, d, f in zip(*([getattr(p, n) for n in BLOCKS] for p in (parts.bulk, parts.dirac)), factors,
                                         strict=True)]  # fmt: skip


def _one_sided(sides: Any) -> Any:
    stored = CASE._plane_blocks(CASE.record["gradient"]["own_jump"])
    sides = np.array(sides)
    return [t + (s if t.ndim == 1 else s[:, None]) * j for t, j, s in
            zip(*([getattr(p, n) for n in BLOCKS] for p in (TOTAL, stored)), [sides] * 3, strict=True)]  # fmt: skip


W, B, C = (getattr(TOTAL, n) for n in BLOCKS)
BULK = CASE.gradient.bulk
FAULTS = [
    (BULK, "equals the bulk: Dirac terms missing"),
    (_one_sided([1, 1, 1]), "taken on one side"),
    (_one_sided([1, -1, 1]), "taken on one side"),
    (-TOTAL.ravel(), "sign flipped"),
    ([W[:, ::-1], B, C], "axes swapped: "),
    ([BULK.hidden_weights[:, ::-1], BULK.hidden_biases, C], "axes swapped: .*, and Dirac terms missing"),
    ([BULK.hidden_weights + CASE.gradient.dirac.hidden_weights[:, ::-1], B, C], "axes swapped in the Dirac terms"),
    ([W.T, B, C], "transposed: hidden weights axis by axis"),
    (np.column_stack([W, B, C]).ravel(), "transposed: neuron by neuron"),
    (np.concatenate([B, W.ravel(), C]), "blocks swapped: their order is hidden_biases, hidden_weights"),
    (_dirac(-np.ones(N)), "the Dirac terms have the wrong sign"),
    (_dirac(2 * np.ones(N)), "the Dirac terms are twice"),
    (_dirac(np.ones(N) / 2), "the Dirac terms are half"),
    (_dirac(np.hypot(*CASE.hidden_weights.T)), r"lack the factor 1/\|w\|"),
    (TOTAL.ravel() * 4, "scaled by the constant 4"),
    (TOTAL.ravel().astype(np.float32), "float32 precision"),
]


@pytest.mark.parametrize(("gradient", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_a_known_fault_is_named(gradient: Any, said: str) -> None:
    with pytest.raises(AssertionError) as caught:
        CASE.check(gradient)
    assert re.search(f"diagnosis: .*{said}", str(caught.value))


def test_an_unknown_fault_is_not_given_a_name() -> None:
    with pytest.raises(AssertionError, match="none of the known faults fits"):
        CASE.check(TOTAL.ravel() + np.random.default_rng(0).normal(size=12))


@pytest.mark.parametrize("case", PACK, ids=lambda c: c.id)
def test_both_further_derivations_pass_in_float64_with_room(case: Any) -> None:
    problem: Any = problem_of(case)
    network: Any = network_of(case)
    for route in (corner_gradient, scanline_gradient):
        energy, gradient = route(problem, network, points=16)
        case.check(gradient)
        case.check_energy(energy)
        assert (np.abs(gradient.ravel() - case.gradient.total.ravel()) / case.tolerance).max() < 0.5


def test_a_plane_case_needs_neither_sympy_nor_mpmath() -> None:
    code = (
        "from kinkproof.verify.oracles import load\n"
        "case = load('plane')['sine-width-2']\n"
        "case.check(case.gradient.total); case.check_energy(case.energy)\n"
        "case.data(case.hidden_biases, case.hidden_biases)\n"
        "import sys\n"
        "print(*({'sympy', 'mpmath', 'torch', 'scipy', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
