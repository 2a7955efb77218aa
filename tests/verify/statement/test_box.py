from __future__ import annotations

import math
from typing import Any

import pytest
import sympy
from kinkproof.verify import BoxProblem, InputError, box_problems

SINE = {"solution": "sin(pi*x)*sin(pi*y)", "domain": ((0, 1), (0, 1))}


@pytest.mark.parametrize(("name", "inputs"), [("sine-line", 1), ("sine-square", 2), ("sine-cube", 3)])
def test_the_sines_have_the_energy_that_is_known_by_hand(name: str, inputs: int) -> None:
    problem = box_problems[name]
    # −½ ∫ dπ² Π sin² = −dπ²/2^(d+1).
    assert problem.minimum_energy() == pytest.approx(-inputs * math.pi**2 / 2 ** (inputs + 1), rel=1e-13)
    factors = [sympy.sin(sympy.pi * s) for s in problem.coordinates]
    assert problem.source == inputs * sympy.pi**2 * sympy.prod(factors)
    assert problem.distance == sympy.prod(4 * s * (1 - s) for s in problem.coordinates)


@pytest.mark.parametrize("name", list(box_problems))
def test_a_statement_is_plain_data_that_gives_the_same_problem(name: str) -> None:
    problem = box_problems[name]
    again = BoxProblem(**problem.statement())
    assert again == problem
    assert hash(again) == hash(problem)
    assert again.minimum_energy() == pytest.approx(problem.minimum_energy(), rel=1e-14)


def test_a_wrong_source_is_refused() -> None:
    with pytest.raises(InputError, match=r"solution: it does not solve .* the residual is"):
        BoxProblem(source="pi**2*sin(pi*x)*sin(pi*y)", **SINE)
    plate = box_problems["two-material-plate"].statement()
    with pytest.raises(InputError, match="does not solve"):
        BoxProblem(**{**plate, "coefficient": "Piecewise((1, x < 1/2), (9, True))"})


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({}, "source: there is none, and no solution"),
        ({"solution": "x*y"}, r"solution: it is .* at \(1, .*\); on faces it must be 0"),
        ({"source": "1", "distance": "x*(1-x)"}, "distance: it is .* on faces it must be 0"),
        ({"source": "1", "coefficient": "x - 1/2"}, "coefficient: it is .*; it must be positive"),
        ({"source": "log(x - 1/2)"}, "source: it is .*; a finite real value is needed"),
        ({"source": "1", "domain": (0, 1)}, "domain: .* is no box of one to three sides"),
        ({"source": "1", "domain": ((0, 1),) * 4}, "domain: .* is no box of one to three sides"),
        ({"source": "1", "domain": ((0, 1), (1, 1))}, r"domain: the side \(1, 1\) is empty"),
        ({"source": "1", "without": [((0, "1/2"), (0, "1/2"))]}, "distance: there is none, and of a box that lacks"),
        ({"source": "1", "without": [((0, 2), (0, 1))]}, "without: .* does not lie in the domain"),
        ({"source": "1", "without": 3}, "without: 3 is no list of boxes"),
        ({"source": "1", "lame": (1, 1)}, "source: '1' is not one expression for each of 2 displacements"),
        ({"source": ("1", "0"), "lame": (1, 0)}, "lame: λ = 1, μ = 0; .* μ must be positive"),
        ({"source": ("1", "0"), "lame": 1}, "lame: 1 is no pair of numbers"),
        ({"source": ("1", "0"), "lame": (1, 1), "coefficient": 2}, "coefficient: 2, of an elastic body"),
        ({"source": "z"}, "source: unknown symbol z; x, y, pi and E are known"),
        ({"source": "__import__('os')"}, "source: __import__ is not a known function"),
    ],
)
def test_what_does_not_fit_together_is_said_in_one_sentence(statement: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        BoxProblem(**statement)


def test_what_does_not_vanish_on_the_faces_of_a_cut_is_refused() -> None:
    cut = box_problems["l-shape"].statement()
    with pytest.raises(InputError, match=r"distance: it is .* at \((0, 0\.|0\.\d+, 0)"):
        BoxProblem(**{**cut, "distance": "(1-x**2)*(1-y**2)"})
    with pytest.raises(InputError, match=r"solution: it does not solve .* the residual"):
        BoxProblem(**{**cut, "source": cut["source"] + "+1/1000"})


def test_the_elastic_square_has_the_energy_that_is_known_by_hand() -> None:
    # ∫ (∇·u)² = 5π²/16 and ∫ |ε|² = 9π²/16 with λ = μ = 1; the least energy is minus what is stored.
    assert box_problems["elastic-square"].minimum_energy() == pytest.approx(-23 * math.pi**2 / 32, rel=1e-13)
    wrong = box_problems["elastic-square"].statement()
    with pytest.raises(InputError, match="does not solve ∇·σ"):
        BoxProblem(**{**wrong, "lame": (1, 2)})


def test_parts_of_a_box_fill_it_but_for_what_is_cut_out() -> None:
    cuts = [((0, "1/3"), (0, "1/2")), (("1/4", 1), ("1/4", "3/4"))]
    distance = "0"
    problem = BoxProblem(source="1", distance=distance, without=cuts)
    # 1/6 and 3/8, of which 1/12 · 1/4 is in both.
    assert problem.volume == pytest.approx(1 - 1 / 6 - 3 / 8 + 1 / 48, rel=1e-14)
    assert problem.inside((0.1, 0.6))
    assert not problem.inside((0.3, 0.3))


def test_a_name_that_is_nearly_right_is_guessed_and_a_missing_solution_is_said() -> None:
    with pytest.raises(InputError, match="did you mean 'sine-square'"):
        _ = box_problems["sine-squares"]
    with pytest.raises(InputError, match="no known solution"):
        BoxProblem(source="1").minimum_energy()
