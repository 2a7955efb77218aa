"""Every diagnosis is hit by its planted fault and by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kinkproof.verify import ShallowNetwork, exact_gradient, problems, quadrature_gradient
from kinkproof.verify.oracles import Case, load, packs
from kinkproof.verify.oracles.comparison import layouts
from numpy.typing import NDArray

from .conftest import network_of, problem_of

Array = NDArray[Any]


def _nearest(case: Case) -> Array:
    # Each kink on a side of its own.
    jump = np.concatenate(
        [_floats(case.record["gradient"]["own_jump"][n]) for n in case.record["gradient"]["own_jump"]]
    )
    signs = np.tile(np.random.default_rng(case.width).choice([-1.0, 1.0], case.width), 3)
    return np.asarray(case.gradient.total.ravel() + signs * jump)


def _floats(numbers: dict[str, list[str]]) -> Array:
    return np.array([float(t) for t in numbers["decimal"]])


def _laid_out(which: int) -> Callable[[Case], Array]:
    def fault(case: Case) -> Array:
        _, order = list(layouts(case.width))[which]
        out = np.empty(3 * case.width)
        out[order] = case.gradient.total.ravel()
        return out

    return fault


def _bulk_by_neuron(case: Case) -> Array:
    return case.gradient.bulk.ravel().reshape(3, -1).T.ravel()


FAULTS: dict[str, Callable[[Case], Array]] = {
    "equals the bulk: Dirac terms missing": lambda case: case.gradient.bulk.ravel(),
    "equals the nearest-node rule (Eq. 10)": _nearest,
    "sign flipped": lambda case: -case.gradient.total.ravel(),
    "blocks swapped: their order is hidden_weights, output_weights, hidden_biases": _laid_out(0),
    "blocks swapped: their order is hidden_biases, hidden_weights, output_weights": _laid_out(1),
    "blocks swapped: their order is hidden_biases, output_weights, hidden_weights": _laid_out(2),
    "blocks swapped: their order is output_weights, hidden_weights, hidden_biases": _laid_out(3),
    "blocks swapped: their order is output_weights, hidden_biases, hidden_weights": _laid_out(4),
    "transposed: neuron by neuron instead of block by block": _laid_out(5),
    "transposed: neuron by neuron instead of block by block, and Dirac terms missing": _bulk_by_neuron,
    "the Dirac terms have the wrong sign": lambda case: case.gradient.bulk.ravel() - case.gradient.dirac.ravel(),
    "the Dirac terms are twice": lambda case: case.gradient.bulk.ravel() + 2 * case.gradient.dirac.ravel(),
    "scaled by the constant 0.5": lambda case: case.gradient.total.ravel() / 2,
    "scaled by the constant 200": lambda case: case.gradient.total.ravel() * 200,
    "float32 precision": lambda case: case.gradient.total.ravel().astype(np.float32),
}
# Two neurons and more: of one neuron, the nearest-node rule gives nothing or twice the Dirac term, which are other
# faults' gradients as well.
CASES = [c for n in ("paper", "coefficients", "wide") for c in packs[n] if c.width > 1]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str, case: Case) -> None:
    with pytest.raises(AssertionError) as caught:
        case.check(FAULTS[fault](case))
    assert str(caught.value).splitlines()[-1].startswith(f"  diagnosis: {fault}")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_an_unknown_fault_gets_no_name(case: Case) -> None:
    total = case.gradient.total.ravel()
    generator = np.random.default_rng(0)
    for size in (1e-9, 1e-4, 1.0):
        noise = size * np.linalg.norm(total) * generator.standard_normal(total.shape)
        with pytest.raises(AssertionError, match="none of the known faults"):
            case.check(total + noise)
    one = total.copy()
    one[-1] += 1e-3 * np.abs(total).max()
    with pytest.raises(AssertionError, match="none of the known faults"):
        case.check(one)


@pytest.mark.parametrize("name", ["sine-2-near-solution-8", "sine-2-sine-distance-width-3"])
@pytest.mark.parametrize(("delta", "fault"), [(None, "Dirac terms missing"), ("nearest", "nearest-node rule")])
def test_programs_on_a_grid_are_seen_through(name: str, delta: str | None, fault: str) -> None:
    case = load("paper")[name]
    for points in (1_000, 10_000):
        found = quadrature_gradient(problem_of(case), network_of(case), "midpoint", points, delta)
        with pytest.raises(AssertionError, match=f"diagnosis: equals the .*{fault}"):
            case.check(found.total)


def test_200_correct_gradients_raise_no_alarm(standalone: ModuleType) -> None:
    problem = problems["sine-2"]
    for seed in range(200):
        network = ShallowNetwork.random(1 + seed % 32, seed=seed)
        reference = standalone.reference(*network.floats)
        standalone.check_gradient(reference, exact_gradient(problem, network).total)


def test_layouts_say_where_each_component_went() -> None:
    total = np.array([["w0", "w1"], ["b0", "b1"], ["c0", "c1"]]).ravel()
    found = {}
    for how, order in layouts(2):
        out = np.empty(6, dtype="U2")
        out[order] = total
        found[how.rpartition("is ")[2]] = "".join(out)
    assert found["hidden_biases, output_weights, hidden_weights"] == "b0b1c0c1w0w1"
    assert found["transposed: neuron by neuron instead of block by block"] == "w0b0c0w1b1c1"
    assert len(found) == 6
