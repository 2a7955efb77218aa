from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kinkproof.verify import InputError, RitzProblem, ShallowNetwork, audit, exact_gradient, problems
from kinkproof.verify.discrete.quadrature import Grid, quadrature_gradient
from kinkproof.verify.statement.blocks import BLOCKS
from kinkproof.verify.systems.findings import Audit
from kinkproof.verify.systems.method import Method, Unavailable
from kinkproof.verify.systems.refinement import judge, near_solution
from kinkproof.verify.systems.study import family, study
from numpy.typing import NDArray

from tests.faults import FAULTS

Array = NDArray[Any]
GRIDS = [family("midpoint", n, (0, 1)) for n in (100, 1_000, 10_000)]


def constant(make: Callable[[RitzProblem, ShallowNetwork], Array]) -> Method:
    def gradient(problem: RitzProblem, vector: Array, mesh: Grid, precision: str) -> tuple[float, Array]:
        return 0.0, make(problem, ShallowNetwork.from_vector(vector))

    return Method("planted", gradient, conforming=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_inconsistent(fault: str) -> None:
    problem, network = problems["sine-2"], ShallowNetwork.random(20, seed=0)
    exact = exact_gradient(problem, network)
    method = constant(lambda p, n: FAULTS[fault](exact_gradient(p, n), p, n))
    row = judge(problem, network, exact, method, "float64", GRIDS)
    assert row.total is not None
    assert row.total.verdict == "inconsistent"
    assert not row.as_expected


def test_200_correct_gradients_are_exact() -> None:
    method = constant(lambda p, n: exact_gradient(p, n).total.ravel())
    for seed in range(200):
        problem = problems[list(problems)[seed % len(problems)]]
        network = ShallowNetwork.random(1 + seed % 32, seed=seed)
        row = judge(problem, network, exact_gradient(problem, network), method, "float64", GRIDS)
        assert row.total is not None
        assert row.total.verdict == "exact"
        assert row.as_expected


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((1e-11, 1e-12, 1e-13), "exact"),
        ((1e-2, 1e-3, 1e-4), "consistent"),
        ((1e-2, 1e-4, 1e-6), "consistent"),
        ((1e-4, 1e-8, 1e-12), "consistent"),
        ((3e-3, 3e-3, 3e-3), "inconsistent"),
        ((1e-2, 1e-3, 9e-4), "inconsistent"),
        ((1e-6, 1e-4, 1e-2), "inconsistent"),
        ((float("nan"),) * 3, "inconsistent"),
    ],
)
def test_the_verdict_follows_the_errors(errors: tuple[float, ...], verdict: str) -> None:
    target = np.array([3.0, 4.0])
    found = [[target * (1 + e)] for e in errors]
    assert study(found, target, [100, 1_000, 10_000], "float64").verdict == verdict


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2, *(pytest.param(n, marks=pytest.mark.long) for n in (3, 5))])
def test_few_neurons_suffice_for_the_verdict_of_every_delta(width: int) -> None:
    # With one kink the error on a single grid is a matter of luck; 25 seeds and no false verdict.
    for seed in range(25):
        network = ShallowNetwork.random(width, seed=seed)
        result = audit(problems["sine-2"], network, [], points=(100, 1_000, 10_000, 100_000))
        assert result.passed, [(r.method, r.total) for r in result.rows if not r.as_expected]


def test_autodiff_on_a_fixed_grid_lacks_the_dirac_part_and_nothing_else(paper_audit: Audit) -> None:
    assert paper_audit.passed
    assert paper_audit.routes_agree
    fixed = [r for r in paper_audit.rows if r.system != "kinkproof" and not r.conforming]
    assert {s: sum(r.system == s for r in fixed) for s in paper_audit.judged_systems} == {
        "autograd": 4,
        "jax": 4,
        "torch": 6,
    }
    for row in fixed:
        assert row.total is not None
        assert row.total.verdict == "inconsistent"
        verdicts = {n: s.verdict for n, s in row.blocks.items()}
        assert verdicts == dict(zip(BLOCKS, ("inconsistent", "inconsistent", "consistent"), strict=True))
        if row.precision == "float64":
            assert row.attribution is not None
            assert row.attribution <= 1e-3


def test_the_deltas_and_the_split_rule(paper_audit: Audit) -> None:
    verdicts = {(r.delta, r.precision): r.total for r in paper_audit.rows if r.delta}
    assert verdicts["nearest", "float64"].verdict == "inconsistent"
    assert verdicts["mean", "float64"].verdict == "consistent"
    splits = [r.total for r in paper_audit.rows if r.conforming and r.precision == "float64"]
    assert len(splits) == 3
    for split in splits:
        assert split is not None
        assert split.verdict == "exact"
        assert max(split.errors) <= 1e-10


def test_an_unexpected_verdict_fails_the_audit() -> None:
    # A torch that had learnt about kinks would be reported, not passed over.
    right = constant(lambda p, n: exact_gradient(p, n).total.ravel())
    learned = Method("autograd, u′ by autograd", right.gradient)
    result = audit(problems["sine-2"], ShallowNetwork.random(5, seed=0), [learned], points=(100, 1_000, 10_000))
    assert not result.passed


def test_of_a_gradient_that_a_penalty_makes_large_float32_shows_no_missing_part() -> None:
    def rounded(problem: RitzProblem, vector: Array, mesh: Grid, precision: str) -> tuple[float, Array]:
        found = quadrature_gradient(problem, ShallowNetwork.from_vector(vector), "midpoint", len(mesh.nodes))
        return float(found.energy), found.total.ravel().astype(precision).astype(float)

    held = RitzProblem(source="1", distance=1, essential={0: 0, 1: 0}, penalty=500)
    result = audit(held, ShallowNetwork.random(3), [Method("on a grid", rounded)], points=(100, 1000, 10000))
    verdicts = {row.precision: row for row in result.rows if row.method == "on a grid"}
    # Of the whole gradient the Dirac part is 9e-5, less than sums in float32 leave; of the biases' it is more.
    assert {p: r.expected for p, r in verdicts.items()} == {"float64": "inconsistent", "float32": "consistent"}
    assert verdicts["float32"].expected_blocks["hidden_biases"] == "inconsistent"
    assert result.passed


def test_disagreeing_routes_stop_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinkproof.verify.line import crosscheck

    honest = crosscheck.difference_gradient
    monkeypatch.setattr(crosscheck, "difference_gradient", lambda p, n: honest(p, n) * (1 + 1e-20))
    result = audit(problems["polynomial"], ShallowNetwork.random(3, seed=0), [], points=(10, 100, 1_000))
    assert not result.passed
    assert result.rows == ()


def test_an_unavailable_method_is_shown_with_its_reason() -> None:
    method = Method("absent", None, unavailable="no compiler is here")
    result = audit(problems["polynomial"], ShallowNetwork.random(3, seed=0), [method], points=(100, 1_000, 10_000))
    row = result.rows[0]
    assert (row.total, row.unavailable) == (None, "no compiler is here")
    assert result.passed


def test_a_method_that_fails_to_compile_is_shown_and_not_judged() -> None:
    def gradient(problem: RitzProblem, vector: Array, mesh: Grid, precision: str) -> tuple[float, Array]:
        raise Unavailable("torch.compile failed: no Python.h")

    result = audit(problems["polynomial"], ShallowNetwork.random(3, seed=0), [Method("compiled", gradient)])
    assert [r.precision for r in result.rows[:2]] == ["float64", "float32"]
    assert [r.unavailable for r in result.rows[:2]] == ["torch.compile failed: no Python.h"] * 2
    assert result.rows[0].total is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda v: (0.0, v[:-1]), "it returned a gradient of shape (8,) on 10 points; (9,) would be right"),
        (lambda v: v, "it returned ndarray on 10 points; a pair (energy, gradient) would be right"),
        (lambda v: (0.0, v, v), "it returned 3 values on 10 points"),
        (lambda v: (0.0, np.where(v == v[4], np.nan, v)), "it returned nan for parameter 4 on 10 points"),
        (lambda v: (float("inf"), v), "it returned the energy inf on 10 points"),
        (lambda v: (v, v), "it returned an energy of shape (9,) on 10 points"),
        (lambda v: ("low", v), "it returned str and ndarray on 10 points"),
        (lambda v: (0.0, v * 1j), "it returned float and ndarray on 10 points"),
        (lambda v: (0.0, [v, [1]]), "it returned float and list on 10 points"),
        (lambda v: 1 // 0, "ZeroDivisionError: integer division or modulo by zero (test_refinement.py, line"),
    ],
)
def test_a_method_that_answers_nonsense_fails_alone(answer: Callable[[Array], Any], said: str) -> None:
    broken = Method("broken", lambda p, v, m, precision: answer(v), system="mine")
    honest = constant(lambda p, n: exact_gradient(p, n).total.ravel())
    network = ShallowNetwork.random(3, seed=0)
    result = audit(problems["polynomial"], network, [broken, honest], points=(10, 100, 1_000))
    assert [r.failed.startswith(said) for r in result.rows] == [True, True, *[False] * 5], result.rows[0].failed
    assert result.rows[0].label == "mine: broken, float64"
    assert [r.as_expected for r in result.rows[:3]] == [False, False, True]
    assert not result.passed
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["methods"][0]["failed"].startswith(said)


def test_a_method_that_overwrites_its_parameters_spoils_no_later_grid() -> None:
    seen: list[Array] = []

    def spoils(problem: RitzProblem, vector: Array, mesh: Grid, precision: str) -> tuple[float, Array]:
        seen.append(vector.copy())
        vector[:] = 0
        return 0.0, vector

    network = ShallowNetwork.random(3, seed=0)
    audit(problems["polynomial"], network, [Method("spoils", spoils)], points=(10, 100, 1_000))
    assert len(seen) == 2 * sum(len(family("midpoint", n, (0, 1))) for n in (10, 100, 1_000))
    assert all((v == network.ravel()).all() for v in seen)


def test_what_our_own_quadrature_refuses_is_bad_input_and_no_finding() -> None:
    def refuses(problem: RitzProblem, vector: Array, mesh: Grid, precision: str) -> tuple[float, Array]:
        raise InputError("midpoint would be right")

    problem, network = problems["polynomial"], ShallowNetwork.random(3, seed=0)
    exact = exact_gradient(problem, network)
    with pytest.raises(InputError, match="midpoint"):
        judge(problem, network, exact, Method("own", refuses, system="kinkproof"), "float64", GRIDS)
    assert judge(problem, network, exact, Method("foreign", refuses), "float64", GRIDS).failed


def test_without_kinks_nothing_is_missing() -> None:
    network = ShallowNetwork([1, -1], [2, 3], [1, 1])
    from kinkproof.verify.systems.pytorch import methods

    result = audit(problems["sine-2"], network, methods()[:1], points=(100, 1_000, 10_000))
    assert result.rows[0].expected == "consistent"
    assert result.passed


def test_the_json_holds_every_number(paper_audit: Audit) -> None:
    text = json.dumps(paper_audit.as_dict(), allow_nan=False)
    again = json.loads(text)
    assert again["schema_version"] == 1
    assert len(again["methods"]) == len(paper_audit.rows)
    assert again["versions"]["torch"].startswith("2.")
    assert again["exact"]["total"] == paper_audit.exact.total.ravel().tolist()


def test_near_the_solution_the_dirac_part_dominates(paper_audit: Audit) -> None:
    assert paper_audit.dirac_shares["near the solution"] > 10
    network = near_solution(problems["sine-2"], 20)
    assert network.width == 20


def test_bad_requests_are_refused() -> None:
    with pytest.raises(InputError, match="refine"):
        audit(problems["sine-2"], points=(100, 50, 10))
    with pytest.raises(InputError, match="batch"):
        audit(problems["sine-2"], ShallowNetwork.random(2, seed=0, batch=(2,)))
    with pytest.raises(InputError, match="known solution"):
        near_solution(RitzProblem(source="1"), 10)
