"""What `check` accepts, what it refuses, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import exact_energy, exact_gradient, exact_hessian, quadrature_gradient
from kinkproof.verify.exact import hessian_parts
from kinkproof.verify.line.gradient import one_sided_gradients
from kinkproof.verify.line.kinks import arrange
from kinkproof.verify.oracles import Case, load, packs
from kinkproof.verify.oracles.case import DATA
from kinkproof.verify.statement.blocks import BLOCKS
from kinkproof.verify.statement.expressions import X

from .conftest import network_of, problem_of

CASE = load("paper")["sine-2-width-8"]
TOTAL = CASE.gradient.total.ravel()
DEGENERATE = [c for c in load("degenerate") if not c.differentiable]


@pytest.mark.parametrize(
    "gradient",
    [
        TOTAL,
        TOTAL.tolist(),
        TOTAL.reshape(3, -1),
        CASE.gradient.total,
        {n: getattr(CASE.gradient.total, n) for n in BLOCKS},
        list(TOTAL.reshape(3, -1)),
        torch.tensor(TOTAL),
        [torch.tensor(v) for v in TOTAL.reshape(3, -1)],
    ],
    ids=["vector", "list", "matrix", "blocks", "mapping", "three arrays", "tensor", "three tensors"],
)
def test_gradients_come_in_all_usual_forms(gradient: Any) -> None:
    CASE.check(gradient)


@pytest.mark.parametrize(
    ("gradient", "said"),
    [
        (TOTAL[:-1], r"shape \(23,\) does not fit; \(24,\)"),
        (TOTAL.reshape(8, 3), r"shape \(8, 3\)"),
        (0.0, r"shape \(\)"),
        ("text", "no array of real numbers"),
        ([[1.0], [1.0, 2.0], [3.0]], "no array of real numbers"),
        (TOTAL * 1j, "no array of real numbers"),
        (torch.tensor(TOTAL, requires_grad=True), "detach"),
        ({"hidden_weights": TOTAL[:8]}, "hidden_biases is missing"),
    ],
)
def test_what_is_no_gradient_of_this_network_is_said_in_one_sentence(gradient: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        CASE.check(gradient)
    assert "\n" not in str(caught.value)
    assert "right" in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_component_that_is_not_finite_is_named(value: float) -> None:
    found = TOTAL.copy()
    found[9] = found[10] = value
    with pytest.raises(AssertionError, match=rf"hidden_biases\[1\] is {value}, and 1 more are not finite"):
        CASE.check(found)


def test_the_report_names_index_values_ratio_and_count() -> None:
    found = TOTAL.copy()
    found[17] *= 1 + 1e-9
    with pytest.raises(AssertionError) as caught:
        CASE.check(found)
    head, line, diagnosis = str(caught.value).splitlines()
    assert head == "gradient of paper/sine-2-width-8: 1 of 24 components are off"
    assert line.startswith(f"  output_weights[1]: {found[17]:.17g} instead of {TOTAL[17]:.17g}, error")
    assert line.endswith("tolerances")
    assert diagnosis.startswith("  diagnosis: none of the known faults fits")
    # A program that integrates numerically asks for less.
    CASE.check(found, relative_tolerance=1e-8)
    with pytest.raises(AssertionError):
        CASE.check(found, relative_tolerance=1e-12)


@pytest.mark.parametrize("share", [float("nan"), float("inf"), 0.0, -1e-6])
def test_a_tolerance_that_allows_everything_or_nothing_is_refused(share: float) -> None:
    for check, wrong in ((CASE.check, TOTAL + 1), (CASE.check_energy, 5.0), (CASE.check_hessian, np.zeros((24, 24)))):
        with pytest.raises(ValueError, match="relative_tolerance"):
            check(wrong, relative_tolerance=share)


def test_trusted_values_cannot_be_changed_for_the_next_test() -> None:
    wide = load("wide")["sine-2-width-32"]
    arrays = [CASE.tolerance, CASE.hessian, CASE.hidden_weights, CASE.gradient.total.hidden_biases]
    for array in [*arrays, wide.hessian_directions, wide.hessian_products]:
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_a_fault_that_explains_only_most_of_it_says_how_much() -> None:
    with pytest.raises(AssertionError, match=r"Dirac terms missing.*\(92% of the deviation\)"):
        CASE.check(CASE.gradient.bulk.ravel() + 0.07 * CASE.gradient.dirac.ravel())
    with pytest.raises(AssertionError) as caught:
        CASE.check(CASE.gradient.bulk)
    assert "% of the deviation" not in str(caught.value)


def test_energies_are_held_against_the_trusted_one() -> None:
    energy = exact_energy(problem_of(CASE), network_of(CASE))
    CASE.check_energy(energy)
    CASE.check_energy(torch.tensor(energy))
    CASE.check_energy(energy * (1 + 1e-6), relative_tolerance=1e-5)
    faults = {-1: "sign flipped", 2: "twice what it should be", 0.5: "half of what it should be", 1.1: "none of"}
    for factor, fault in faults.items():
        with pytest.raises(AssertionError, match=f"energy of paper/sine-2-width-8(.|\n)*diagnosis: {fault}"):
            CASE.check_energy(factor * energy)
    with pytest.raises(AssertionError, match="float32 precision"):
        CASE.check_energy(np.float32(energy))
    with pytest.raises(AssertionError, match="energy is nan"):
        CASE.check_energy(float("nan"))
    CASE.check_energy(np.array([energy]))
    for wrong in ("low", energy + 3j, None, [energy, energy]):
        with pytest.raises(ValueError, match="one number would be right"):
            CASE.check_energy(wrong)


def test_hessians_are_held_against_the_trusted_one() -> None:
    problem, network = problem_of(CASE), network_of(CASE)
    hessian = exact_hessian(problem, network)
    CASE.check_hessian(hessian)
    order = np.arange(24).reshape(8, 3).T.ravel()
    transposed = np.empty_like(hessian)
    transposed[np.ix_(order, order)] = hessian
    faults = {
        "equals the bulk": hessian_parts(problem, network).bulk,
        "sign flipped": -hessian,
        "transposed": transposed,
        "blocks swapped": np.block([[hessian[8:16, 8:16], hessian[8:16, :8], hessian[8:16, 16:]],
                                    [hessian[:8, 8:16], hessian[:8, :8], hessian[:8, 16:]],
                                    [hessian[16:, 8:16], hessian[16:, :8], hessian[16:, 16:]]]),
        "one triangle is empty": np.triu(hessian),
        "scaled by the constant 2": 2 * hessian,
        "float32 precision": hessian.astype(np.float32),
    }  # fmt: skip
    for fault, wrong in faults.items():
        with pytest.raises(AssertionError, match=f"diagnosis: {fault}"):
            CASE.check_hessian(wrong)
    with pytest.raises(ValueError, match=r"shape \(24,\) does not fit; \(24, 24\) would be right"):
        CASE.check_hessian(hessian[0])


def test_wide_hessians_are_held_against_products() -> None:
    case = load("wide")["sine-2-width-32"]
    hessian = exact_hessian(problem_of(case), network_of(case))
    assert case.hessian is None
    directions = case.hessian_directions
    assert directions is not None
    case.check_hessian(hessian)
    case.check_hessian(directions @ hessian)
    hessian[3, 70] += 1e-9 * np.abs(hessian).max()
    with pytest.raises(AssertionError, match=r"\[., 3\]"):
        case.check_hessian(hessian)
    with pytest.raises(ValueError, match=r"\(2, 96\) would be right"):
        case.check_hessian(hessian[:1])


@pytest.mark.parametrize("case", DEGENERATE, ids=lambda c: c.id)
def test_where_there_is_no_gradient_one_sided_values_bound_what_is_right(case: Case) -> None:
    problem, network = problem_of(case), network_of(case)
    found = arrange(problem, network, derivative=1).degeneracies
    left, right = (side.ravel() for side in one_sided_gradients(problem, network, found))
    np.testing.assert_array_less(np.abs(left - case.one_sided[0].ravel()), case.tolerance)
    case.check(left)
    case.check(right)
    case.check((left + right) / 2)
    case.check(None)
    apart = np.flatnonzero(np.abs(left - right) > 1e-6)
    assert apart.size
    beyond = right + (right - left) / 10
    with pytest.raises(AssertionError, match="outside of both"):
        case.check(beyond)
    with pytest.raises(ValueError, match="no gradient here"):
        _ = case.gradient
    with pytest.raises(ValueError, match="has no Hessian"):
        case.check_hessian(np.zeros((3 * case.width,) * 2))


def test_no_gradient_is_wrong_where_there_is_one() -> None:
    with pytest.raises(AssertionError, match="the energy has one here"):
        CASE.check(None)


@pytest.mark.parametrize("case", load("quadrature"), ids=lambda c: c.id)
def test_grid_cases_are_what_this_grid_gives(case: Case) -> None:
    problem, network, grid = problem_of(case), network_of(case), case.record["grid"]
    found = {
        delta: quadrature_gradient(problem, network, grid["rule"], grid["points"], name)
        for delta, name in (("autodiff", None), ("nearest", "nearest"), ("mean", "mean"))
    }
    case.check(found[case.delta].total)
    case.check_energy(found[case.delta].energy)
    assert case.nodes is not None
    assert case.weights is not None
    assert case.weights.sum() == pytest.approx(case.domain[1] - case.domain[0])
    for delta, gradient in found.items():
        if np.abs(gradient.total.ravel() - found[case.delta].total.ravel()).max() > 1e-6:
            with pytest.raises(AssertionError, match=f"equals the gradient of the delta “{delta}”"):
                case.check(gradient.total)
    with pytest.raises(AssertionError, match="equals the gradient of the exact integral"):
        case.check(exact_gradient(problem, network).total)


@pytest.mark.parametrize("case", [c for n in ("coefficients", "paper") for c in packs[n]], ids=lambda c: c.id)
def test_a_cases_formulas_are_evaluated_without_sympy(case: Case) -> None:
    problem = problem_of(case)
    left, right = case.domain
    # Inside, off every interface.
    x = left + (right - left) * (np.arange(40) + 0.31) / 40.1
    found = case.data(x)
    assert set(found) == set(DATA)
    expressions = {n: getattr(problem, n) for n in ("coefficient", "source", "distance", "lift")}
    expressions |= {f"{n}_slope": expressions[n].diff(X) for n in ("distance", "lift")}
    for name, expression in expressions.items():
        expected = [float(expression.subs(X, v)) for v in x]
        np.testing.assert_allclose(found[name], expected, rtol=1e-13, atol=1e-13)
    tensors = case.data(torch.tensor(x), torch)
    for name in DATA:
        np.testing.assert_allclose(tensors[name].numpy(), found[name], rtol=1e-13, atol=1e-13)
