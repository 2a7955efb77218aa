from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from kinkproof.verify import DeepNetwork, RitzProblem, ShallowNetwork, exact_hessian, problems
from kinkproof.verify.deep.gradient import gradient_at_working_precision
from kinkproof.verify.exact import hessian_parts

from .networks import FREE, QUARTIC, STATEMENTS, WIDE, two_layers


@pytest.mark.parametrize("problem", STATEMENTS, ids=lambda p: p.name)
def test_one_layer_is_the_closed_form_of_one_layer(problem: RitzProblem) -> None:
    shallow = ShallowNetwork.random(5, seed=3)
    expected, found = (hessian_parts(problem, n, 40) for n in (shallow, DeepNetwork.from_shallow(shallow)))
    with mpmath.workdps(40):
        for part in ("bulk", "dirac", "total"):
            assert np.abs(getattr(expected, part) - getattr(found, part)).max() < mpmath.mpf(10) ** -33


CASES: list[tuple[RitzProblem, DeepNetwork, Any]] = [
    (problems["sine-2"], two_layers(), None),
    (FREE, two_layers(), QUARTIC),
    (WIDE, DeepNetwork.random((2, 3, 2), seed=5, output_bias=True), None),
    (problems["penalised-ends"], DeepNetwork.random((3, 2), seed=2, output_bias=True), None),
    (problems["sine-2"], two_layers(), "sqrt(1 + du**2) - x*u"),
]


def _difference_rows(problem: RitzProblem, network: DeepNetwork, density: Any, rows: range) -> Any:
    step = Fraction(1, 10**30)
    with mpmath.workdps(120):
        out = []
        for k in rows:
            sides = []
            for sign in (1, -1):
                vector = network.rational.ravel()
                vector[k] += sign * step
                moved = DeepNetwork.from_vector(vector, network.widths, network.output_bias is not None)
                sides.append(gradient_at_working_precision(problem, moved, density))
            out.append((sides[0] - sides[1]) * mpmath.mpf(10) ** 30 / 2)
        return np.array(out)


NAMES = ["sine", "quartic", "wide", "ends", "surface"]


@pytest.mark.parametrize(
    ("problem", "network", "density"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.long] * (name == "surface"))
        for name, case in zip(NAMES, CASES, strict=True)
    ],
)
def test_it_is_the_derivative_of_the_gradient(problem: RitzProblem, network: DeepNetwork, density: Any) -> None:
    # 120 digits of a density are many Gauss points: there some rows, of each layer at least one.
    rows = range(0, len(network.ravel()), 1 if density is None else 7)
    reference = _difference_rows(problem, network, density, rows)
    parts = hessian_parts(problem, network, 50, density)
    with mpmath.workdps(60):
        largest = np.abs(reference).max()
        assert np.abs(parts.total[rows] - reference).max() < largest * mpmath.mpf(10) ** -44
        assert np.abs(parts.total - parts.total.T).max() < largest * mpmath.mpf(10) ** -48
        # What autodiff has of it is not the whole.
        assert np.abs(parts.bulk[rows] - reference).max() > largest / 1000
    expected = parts.total.astype(float)
    # Ten times what was seen.
    few = exact_hessian(problem, network, density=density)
    np.testing.assert_allclose(few, expected, atol=1e-13 * np.abs(expected).max())


def test_a_kink_free_network_has_a_bulk_alone() -> None:
    parts = hessian_parts(problems["sine-2"], DeepNetwork([[1], [[1]]], [[1], [1]], [1]))
    assert not parts.dirac.any()
    assert parts.bulk.any()
