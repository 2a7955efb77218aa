from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from kinkproof.verify import (
    InputError,
    NondifferentiableError,
    RitzProblem,
    ShallowNetwork,
    exact_energy,
    exact_gradient,
    exact_hessian,
    problems,
)
from kinkproof.verify.line.crosscheck import agreement, difference_gradient, pattern_gradient
from kinkproof.verify.line.gradient import Blocks
from kinkproof.verify.statement.blocks import BLOCKS


def relative_error(found: np.ndarray, reference: np.ndarray) -> float:
    # A network that is silent on the whole domain has gradient 0, which must be met exactly up to the bound.
    return float(np.linalg.norm(found - reference) / (np.linalg.norm(reference) or 1.0))


def check_against_differences(name: str, network: ShallowNetwork) -> None:
    reference = difference_gradient(problems[name], network)
    precise = exact_gradient(problems[name], network, digits=50).total.ravel()
    largest = max(abs(v) for v in reference)
    with mpmath.workdps(60):
        assert max(abs(a - b) for a, b in zip(precise, reference, strict=True)) <= largest * mpmath.mpf(10) ** -40
    # 1e-12 is the promise for float64; in practice a few roundings are lost.
    assert relative_error(exact_gradient(problems[name], network).total.ravel(), reference.astype(float)) < 1e-12


@pytest.mark.parametrize("name", list(problems))
@pytest.mark.parametrize("width", [1, 4])
def test_float64_and_50_digits_meet_the_difference_reference(name: str, width: int) -> None:
    network = ShallowNetwork.random(width, seed=width)
    check_against_differences(name, network)


@pytest.mark.parametrize("name", ["sine-2", "sine-6-sine-distance", "two-materials", "natural"])
@pytest.mark.parametrize("share", [1e-1, 1e-2, 1e-3])
def test_a_neuron_that_is_active_next_to_an_end_only_keeps_its_digits(name: str, share: float) -> None:
    # The gradient falls with a power of the active length; F(ξ) − F(end) would keep the absolute error instead.
    for network in (ShallowNetwork([-0.7], [0.7 * share], [0.6]), ShallowNetwork([0.7], [-0.7 * (1 - share)], [0.6])):
        check_against_differences(name, network)


@pytest.mark.long
@pytest.mark.parametrize("index", range(200))
def test_200_random_networks_over_all_named_problems(index: int) -> None:
    name = list(problems)[index % len(problems)]
    width = 1 + (7 * index) % 32
    check_against_differences(name, ShallowNetwork.random(width, seed=1000 + index))


@pytest.mark.parametrize("name", ["sine-2", "two-materials", "natural", "penalised-ends", "foundation", "periodic"])
def test_batches_are_what_their_members_are(name: str) -> None:
    batch = ShallowNetwork.random(5, seed=2, batch=(2, 3))
    gradients, energies = exact_gradient(problems[name], batch), exact_energy(problems[name], batch)
    hessians = exact_hessian(problems[name], batch)
    for index in np.ndindex(2, 3):
        one = exact_gradient(problems[name], batch.member(index))
        assert energies[index] == gradients.energy[index] == pytest.approx(one.energy, rel=1e-14)
        assert gradients.distance[index] == one.distance
        for part in ("bulk", "dirac", "total"):
            both = (getattr(gradients, part).ravel()[index], getattr(one, part).ravel())
            np.testing.assert_allclose(*both, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(
            hessians[index], exact_hessian(problems[name], batch.member(index)), rtol=1e-12, atol=1e-14
        )


def test_bulk_and_dirac_make_the_total_and_output_weights_have_no_dirac_part() -> None:
    gradient = exact_gradient(problems["sine-2"], ShallowNetwork.random(20, seed=0))
    assert not gradient.dirac.output_weights.any()
    assert gradient.dirac.hidden_biases.any()
    np.testing.assert_array_equal(gradient.total.ravel(), gradient.bulk.ravel() + gradient.dirac.ravel())


def test_kinks_outside_the_domain_and_weightless_neurons_have_no_dirac_part() -> None:
    network = ShallowNetwork([1, 1, 0, -1], [2, -3, 1, -1], [1, 1, 1, 1])
    gradient = exact_gradient(problems["sine-2"], network)
    assert not gradient.dirac.ravel().any()
    reference = pattern_gradient(problems["sine-2"], network)
    assert reference is not None
    np.testing.assert_allclose(gradient.total.ravel(), reference.astype(float), rtol=1e-12, atol=1e-13)


def test_two_kinks_in_one_rounding_are_ordered_exactly() -> None:
    # −b/w is the same float64 for both; the exact quotients differ by 10⁻²⁵. Swapping them would move the gradient by
    # the full slope step.
    apart = "0.3000000000000000000000001"
    network = ShallowNetwork([1, 1], ["-0.3", f"-{apart}"], [1, -3])
    reference = difference_gradient(problems["sine-2"], network)
    precise = exact_gradient(problems["sine-2"], network, digits=50).total.ravel()
    assert relative_error(precise.astype(float), reference.astype(float)) < 1e-14


def one_sided_differences(problem: RitzProblem, network: ShallowNetwork, sign: int) -> np.ndarray:
    """Richardson-extrapolated one-sided differences of the exact energy at 40 digits, error about step²."""
    out = []
    parameters = [v for n in BLOCKS for v in network.rational(n)]
    base = exact_energy(problem, network, digits=40)
    for k in range(len(parameters)):
        values = []
        for scale in (1, 2):
            from fractions import Fraction

            moved = list(parameters)
            moved[k] += Fraction(sign * scale, 10**10)
            n = network.width
            there = ShallowNetwork(*(moved[i * n : (i + 1) * n] for i in range(3)))
            values.append((exact_energy(problem, there, digits=40) - base) * 10**10 * sign / scale)
        out.append(float(2 * values[0] - values[1]))
    return np.array(out)


DEGENERATE = {
    "coincident": ("sine-2", ShallowNetwork([1, -2, 1], ["-1/3", "2/3", "-1/2"], [1, 2, -1]), "coincident kinks"),
    "three at once": ("natural", ShallowNetwork([1, -2, 3], ["-1/3", "2/3", -1], [1, 2, -1]), "coincident kinks"),
    "on an end": ("penalised-ends", ShallowNetwork([1, 1], [0, "-1/2"], [2, 1]), "end of the domain"),
    "on a natural end": ("natural", ShallowNetwork([-2, 1], [2, "-1/2"], [2, 1]), "end of the domain"),
    "on an interface": ("two-materials", ShallowNetwork([2, 1], [-1, "-1/4"], [2, 1]), "interface"),
    "on a point load": ("point-load", ShallowNetwork([3, -2], [-1, "1/2"], [2, 1]), "point load"),
    "two on a point load": ("point-load", ShallowNetwork([3, -6], [-1, 2], [2, 1]), "point load"),
    "dead beside a load": ("point-load", ShallowNetwork([0, 1], [0, "-1/4"], [2, 1]), "dead neuron"),
    "dead": ("sine-2", ShallowNetwork([0, 1], [0, "-1/4"], [2, 1]), "dead neuron"),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_places_are_refused_with_both_one_sided_derivatives(case: str) -> None:
    name, network, kind = DEGENERATE[case]
    with pytest.raises(NondifferentiableError, match=kind) as caught:
        exact_gradient(problems[name], network)
    error = caught.value
    assert error.degeneracies[0].distance == 0
    assert error.left is not None
    assert error.right is not None
    for side, sign in ((error.left, -1), (error.right, 1)):
        # Step 10⁻¹⁰ leaves 10⁻²⁰ after extrapolation; float64 rounding is what remains.
        np.testing.assert_allclose(
            side.ravel(), one_sided_differences(problems[name], network, sign), rtol=1e-12, atol=1e-12
        )
    assert not np.allclose(error.left.ravel(), error.right.ravel())


@pytest.mark.parametrize(
    "stated",
    [
        {"coefficient": "1/sqrt(x)", "source": "1"},
        pytest.param({"source": "Abs(x - 1/3)**(-1/3)"}, marks=pytest.mark.long),
        pytest.param(
            {"source": "1/sqrt(Abs(x - 1/3))", "distance": "1", "robin": {0: (1, 0), 1: (2, 1)}}, marks=pytest.mark.long
        ),
        pytest.param({"coefficient": "Abs(x - 1/3)**(-1/3)", "source": "x"}, marks=pytest.mark.long),
    ],
    ids=["coefficient at an end", "source inside", "stronger source inside", "coefficient inside"],
)
def test_data_that_grow_without_bound_keep_the_digits(stated: dict[str, Any]) -> None:
    problem = RitzProblem(**stated)
    network = ShallowNetwork([1, -2], ["-0.27", "0.91"], [1, "1/3"])
    digits = exact_gradient(problem, network, digits=50).total.ravel()
    assert agreement(digits, difference_gradient(problem, network), ("exact", "differences")).passed
    # Some roundings more than for bounded data: antiderivatives are differences of roots.
    assert relative_error(exact_gradient(problem, network).total.ravel(), digits.astype(float)) < 1e-13


@pytest.mark.slow
def test_where_the_coefficient_is_infinite_one_sided_derivatives_are_not_given() -> None:
    with pytest.raises(NondifferentiableError, match="κ is infinite there") as caught:
        exact_gradient(RitzProblem(coefficient="Abs(x - 1/3)**(-1/3)", source="x"), ShallowNetwork([3], [-1], [1]))
    assert caught.value.left is None


def test_degenerate_looks_that_are_not_have_a_gradient() -> None:
    # A silent neuron, a kink on an end where D vanishes, a zero weight with a bias, coincident kinks where D = 0.
    for network in (
        ShallowNetwork([1, -2], ["-1/3", "2/3"], [1, 0]),
        ShallowNetwork([1, 1], [0, "-1/2"], [2, 1]),
        ShallowNetwork([0, 1], ["1/2", "-1/2"], [2, 1]),
        ShallowNetwork([0, 1], [0, "-1/2"], [0, 1]),
    ):
        gradient = exact_gradient(problems["sine-2"], network)
        assert np.isfinite(gradient.total.ravel()).all()


def test_the_batch_member_without_derivative_is_named() -> None:
    batch = ShallowNetwork([[1.0, 2.0], [1.0, 2.0]], [[-0.5, -0.5], [-0.5, -1.0]], [[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(NondifferentiableError, match=r"network \(1,\)"):
        exact_gradient(problems["sine-2"], batch)


def test_being_close_is_reported_as_a_distance() -> None:
    network = ShallowNetwork([1, 1, 1], ["-0.3", "-0.3001", "-0.7"], [1, 1, 1])
    assert exact_gradient(problems["sine-2"], network).distance == pytest.approx(1e-4)
    near_end = ShallowNetwork([1, 1], ["-0.001", "-0.7"], [1, 1])
    assert exact_gradient(problems["penalised-ends"], near_end).distance == pytest.approx(1e-3)
    # Where D vanishes at the end, a kink close to it is harmless.
    assert exact_gradient(problems["sine-2"], near_end).distance == pytest.approx(0.699)


def test_digits_take_one_network() -> None:
    with pytest.raises(InputError, match="batch"):
        exact_gradient(problems["sine-2"], ShallowNetwork.random(2, seed=0, batch=(2,)), digits=30)


def test_blocks_refuse_what_is_not_three_blocks() -> None:
    with pytest.raises(InputError, match="three blocks"):
        Blocks.from_vector(np.zeros(4))


@pytest.mark.parametrize("name", list(problems))
def test_the_hessian_is_the_derivative_of_the_gradient(name: str) -> None:
    network = ShallowNetwork.random(4, seed=8)
    hessian = exact_hessian(problems[name], network)
    n = network.width
    from fractions import Fraction

    parameters = [v for block in BLOCKS for v in network.rational(block)]
    for k in range(3 * n):
        rows = []
        for sign in (1, -1):
            moved = list(parameters)
            moved[k] += Fraction(sign, 10**15)
            there = ShallowNetwork(*(moved[i * n : (i + 1) * n] for i in range(3)))
            rows.append(exact_gradient(problems[name], there, digits=50).total.ravel())
        # Central differences with step 10⁻¹⁵ are good to 10⁻³⁰; float64 rounding of the Hessian is what remains.
        column = ((rows[0] - rows[1]) * 10**15 / 2).astype(float)
        np.testing.assert_allclose(hessian[:, k], column, rtol=1e-9, atol=1e-11 * np.abs(hessian).max())
    assert np.abs(hessian - hessian.T).max() <= 1e-15 * np.abs(hessian).max()


def test_a_hessian_is_refused_where_a_kink_meets_an_end() -> None:
    network = ShallowNetwork([1, 1], [0, "-1/2"], [2, 1])
    assert exact_gradient(problems["sine-2"], network).total is not None
    with pytest.raises(NondifferentiableError, match="no Hessian here"):
        exact_hessian(problems["sine-2"], network)
