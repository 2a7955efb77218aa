from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from kinkproof.solver import energy_and_gradient
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, exact_gradient, problems, tabulated
from kinkproof.verify.line.crosscheck import agreement, difference_gradient
from kinkproof.verify.statement.expressions import X
from scipy.interpolate import CubicSpline

PLACES, VALUES = [0, 0.25, 0.5, 0.8, 1], [1, 1.5, "1/3", 2, 1]


def test_numbers_are_read_as_written_and_lines_go_through_them() -> None:
    table = RitzProblem(coefficient=tabulated(PLACES, VALUES)).coefficient
    places = [sympy.Rational(str(x)) for x in PLACES]
    assert [table.subs(X, x) for x in places] == [sympy.Rational(v) for v in (1, "3/2", "1/3", 2, 1)]
    assert [condition.rhs for _, condition in table.args[:-1]] == places[1:-1]
    assert table.subs(X, sympy.Rational(9, 10)) == sympy.Rational(3, 2)


def test_the_named_problem_is_a_table() -> None:
    source = tabulated(np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 0.0]))
    assert RitzProblem(source=source, solution=problems["tabulated"].solution) == problems["tabulated"]


def test_two_rows_of_one_place_are_a_jump() -> None:
    stated = RitzProblem(coefficient=tabulated([0, "1/3", "1/3", 1], [1, 1, 10, 10])).coefficient
    assert stated == RitzProblem(coefficient="Piecewise((1, x < 1/3), (10, True))").coefficient


def test_cubics_are_those_of_the_natural_spline() -> None:
    values = [float(sympy.Rational(v)) for v in VALUES]
    spline = CubicSpline(PLACES, values, bc_type="natural")
    table = RitzProblem(source=tabulated(PLACES, VALUES, "cubic")).source
    function, x = sympy.lambdify(X, table), np.linspace(0, 1, 101)
    # Two solutions of a well-conditioned system in float64, values of order one.
    np.testing.assert_allclose([function(v) for v in x], spline(x), rtol=0, atol=1e-14)
    # Values and first derivatives meet exactly, whatever the slopes were rounded to.
    for place, (left, _), (right, _) in zip(PLACES[1:-1], table.args, table.args[1:], strict=False):
        here = sympy.Rational(str(place))
        assert left.subs(X, here) == right.subs(X, here)
        assert sympy.diff(left - right, X).subs(X, here) == 0


@pytest.mark.parametrize(
    "content", ["0,1\n0.25,1.5\n0.5,1/3\n0.8,2\n1,1\n", "x, kappa\n\n0, 1\n.25,1.5\n5e-1,1/3\n0.8,2,note\n1,1"]
)
def test_a_csv_file_says_the_same(content: str, tmp_path: Path) -> None:
    path = tmp_path / "kappa.csv"
    path.write_text(content, encoding="utf-8")
    assert tabulated(path) == tabulated(str(path)) == tabulated(PLACES, VALUES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_two_derivations_agree_and_float64_keeps_the_digits(kind: str) -> None:
    # Ten pieces: from eight on polynomials are integrated without a check by quadrature.
    x = np.linspace(0, 1, 11).round(2)
    source, coefficient = np.sin(7 * x).round(4), (1 + x**2 * (1 - x)).round(4)
    problem = RitzProblem(source=tabulated(x, source, kind), coefficient=tabulated(x, coefficient, "linear"))
    network = ShallowNetwork([1, -2, 3], ["-0.27", "0.91", "-2.53"], [1, "1/3", -2])
    found, digits = exact_gradient(problem, network), exact_gradient(problem, network, digits=50).total.ravel()
    assert found.route == "antiderivative"
    some = [0, 4, 8]
    assert agreement(digits[some], difference_gradient(problem, network, some), ("exact", "differences")).passed
    expected = digits.astype(float)
    # Some roundings of the largest component, here and by the solver's own tables.
    for gradient in (found.total.ravel(), energy_and_gradient(problem, network.ravel())[1]):
        assert np.abs(gradient - expected).max() <= 1e-14 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([0, 1], [1]), "2 places and 1 values"),
        (([0], [1]), "1 rows"),
        ((range(300), range(300)), "300 rows"),
        (([0, 2, 1], [1, 2, 3]), "x = 1 in row 3 follows 2"),
        (([0, 1, 1], [1, 2, 3]), "x = 1 in row 3 follows 1"),
        (([0, 0.5, 0.5, 1], [1, 2, 3, 4], "cubic"), "row 3 follows 1/2"),
        (([0, 1], [1, float("nan")]), "not a finite number"),
        (([0, 1], [1, "y"]), "unknown symbol"),
        (([0, 1], [1, 2], "quintic"), "kind: 'quintic'"),
        (("absent.csv",), "absent.csv cannot be read"),
        (("absent.csv", [1]), "second column"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(arguments: tuple[Any, ...], named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        tabulated(*arguments)
    assert "\n" not in str(caught.value)


def test_a_row_that_is_no_two_numbers_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("x,f\n0,1\n1,high\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"row 2 of .*f\.csv, '1,high', is no two numbers"):
        tabulated(path)


def test_a_table_must_reach_over_the_domain() -> None:
    with pytest.raises(InputError, match=r"has no branch for x = 0\.1"):
        RitzProblem(source=tabulated([0.2, 1], [1, 2]))
