from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from kinkproof.reports.command.tables import audit_tables
from kinkproof.reports.layout.blocks import Table
from kinkproof.reports.pages.plane_page import plane_page
from kinkproof.verify import (
    InputError,
    PlaneNetwork,
    PlaneProblem,
    ShallowNetwork,
    audit,
    exact_gradient,
    plane_problems,
    problems,
)
from kinkproof.verify.choices import Delta
from kinkproof.verify.discrete.plane_points import PlanePoints, plane_points
from kinkproof.verify.discrete.plane_quadrature import delta_on, sum_on
from kinkproof.verify.statement.blocks import BLOCKS
from kinkproof.verify.systems import plane_refinement
from kinkproof.verify.systems.audit_record import read_audit
from kinkproof.verify.systems.discovery import discover
from kinkproof.verify.systems.examination import answer
from kinkproof.verify.systems.method import Method
from kinkproof.verify.systems.plane_findings import PlaneAudit
from kinkproof.verify.systems.plane_refinement import near_minimum
from kinkproof.verify.systems.row import Row
from kinkproof.verify.systems.study import Bound, growth
from numpy.typing import NDArray

Array = NDArray[Any]
SINE = plane_problems["plane-sine"]
ASKED = discover(inputs=2)


@pytest.fixture(scope="module")
def found() -> PlaneAudit:
    """The audit that the command makes."""
    return audit(SINE, methods=ASKED)


def verdicts(rows: tuple[Row, ...], start: str) -> dict[str, str]:
    """Of our own rows of one kind of points, by their delta."""
    return {
        row.method.removeprefix(f"{start}: "): row.total.verdict
        for row in rows
        if row.total is not None and row.method.startswith(f"{start}:")
    }


def test_every_system_lacks_the_dirac_part_on_lines_and_nothing_else(found: PlaneAudit) -> None:
    assert found.passed
    assert found.judged_systems == ("autograd", "jax", "torch")
    asked = [r for r in found.rows if r.system != "kinkproof"]
    assert len(asked) == len(ASKED)
    for row in asked:
        assert row.total is not None
        assert row.total.verdict == row.expected == "inconsistent"
        by_block = {n: s.verdict for n, s in row.blocks.items()}
        assert by_block == dict(zip(BLOCKS, ("inconsistent", "inconsistent", "consistent"), strict=True))
        # What 40,000 midpoints leave of the right gradient, a thousandth of the Dirac part.
        assert row.attribution is not None
        assert row.attribution <= 5e-3
        assert row.total.errors[-1] == pytest.approx(found.dirac_share, rel=0.05)


def test_the_mean_converges_on_all_points_and_the_nearest_node_where_lines_cross_rows_anywhere(
    found: PlaneAudit,
) -> None:
    told = {"no delta": "inconsistent", "nearest-node delta": "consistent", "mean delta": "consistent"}
    for points in ("midpoints", "random points", "quasi-random points"):
        assert verdicts(found.rows, points) == told
    assert verdicts(found.rows, "midpoints, lines along rows") == told | {"nearest-node delta": "inconsistent"}


@pytest.mark.parametrize("method", ASKED, ids=lambda m: m.label)
@pytest.mark.parametrize("name", ["plane-sine", "plane-l-shape", "plane-penalised"])
def test_a_system_gives_the_derivative_of_our_sum(name: str, method: Method) -> None:
    problem, net = plane_problems[name], PlaneNetwork.random(5, seed=3)
    mesh = plane_points(problem, "random", 150, seed=1)
    energy, expected = sum_on(problem, net, mesh)
    # Each type's rounding, in a sum of 150 terms and of penalties of a thousand times their size.
    for precision, rounding in (("float64", 1e-12), ("float32", 2e-5)):
        gradient = answer(method, problem, net.ravel(), mesh, precision)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=rounding * np.abs(expected).max())
        assert method.gradient is not None
        asked: Callable[..., Any] = method.gradient
        assert asked(problem, net.ravel(), mesh, precision)[0] == pytest.approx(energy, rel=rounding * 10)


def planted(make: Callable[[PlaneProblem, PlaneNetwork, PlanePoints], Array], delta: Delta | None = None) -> Method:
    def gradient(problem: PlaneProblem, vector: Array, mesh: PlanePoints, precision: str) -> tuple[float, Array]:
        return 0.0, make(problem, PlaneNetwork.from_vector(vector), mesh)

    return Method("planted", gradient, delta=delta, precisions=("float64",), system="planted", inputs=2)


def row_of(method: Method) -> Row:
    rows = audit(SINE, near_minimum(SINE, 4, seed=1), [method], points=(400, 4_000, 40_000)).rows
    assert rows[0].total is not None
    return rows[0]


def with_dirac(factor: float) -> Method:
    """A system that adds the derived term along lines, times a factor."""
    return planted(lambda p, n, mesh: sum_on(p, n, mesh)[1] + factor * delta_on(p, n, mesh, "mean"), "mean")


def test_a_system_that_adds_the_right_term_is_consistent() -> None:
    row = row_of(with_dirac(1))
    assert row.total is not None
    assert row.total.verdict == "consistent"
    assert row.as_expected


@pytest.mark.parametrize(("factor", "off"), [(-1, 1.0), (0.5, 0.5), (2, 2.0), (0.9, 0.9)])
def test_a_term_of_the_wrong_sign_or_size_is_inconsistent_and_not_as_expected(factor: float, off: float) -> None:
    row = row_of(with_dirac(factor))
    assert row.total is not None
    assert row.total.verdict == "inconsistent"
    assert not row.as_expected
    # What it lacks is 1 − factor of the Dirac part, which is told as how far that is from the whole of it.
    assert row.attribution == pytest.approx(off, rel=0.05)


def test_one_sided_and_swapped_answers_are_inconsistent() -> None:
    def one_sided(problem: PlaneProblem, net: PlaneNetwork, mesh: PlanePoints) -> Array:
        # The neuron counts as fully active on its own line: once more the half that the mean has of it.
        w, b, c = net.hidden_weights, net.hidden_biases, net.output_weights
        halves = [delta_on(problem, PlaneNetwork(w[[i]], b[[i]], c[[i]]), mesh, "mean") for i in range(net.width)]
        out = sum_on(problem, net, mesh)[1] + delta_on(problem, net, mesh, "mean")
        for i, half in enumerate(halves):
            out[[2 * i, 2 * i + 1, 2 * net.width + i]] += half[:3]
        return out

    def swapped(problem: PlaneProblem, net: PlaneNetwork, mesh: PlanePoints) -> Array:
        right = exact_gradient(problem, net).total
        return np.concatenate([right.hidden_weights[:, ::-1].ravel(), right.hidden_biases, right.output_weights])

    for method in (planted(one_sided, "mean"), planted(swapped)):
        row = row_of(method)
        assert row.total is not None
        assert row.total.verdict == "inconsistent"
        assert row.blocks["hidden_weights"].verdict == "inconsistent"


def test_a_system_that_had_learnt_about_lines_is_reported() -> None:
    row = row_of(planted(lambda p, n, mesh: exact_gradient(p, n).total.ravel()))
    assert row.total is not None
    assert row.total.verdict == "exact"
    assert not row.as_expected


def test_what_a_foreign_program_raises_is_its_own_rows_finding() -> None:
    def broken(problem: PlaneProblem, net: PlaneNetwork, mesh: PlanePoints) -> Array:
        raise RuntimeError("no such kernel")

    result = audit(SINE, near_minimum(SINE, 3, seed=1), [planted(broken), planted(lambda p, n, m: np.zeros(3))])
    assert "no such kernel" in result.rows[0].failed
    assert "a gradient of shape (3,)" in result.rows[1].failed
    assert not result.passed
    assert len(result.rows) == 2 + 12


def test_disagreeing_derivations_stop_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = plane_refinement.scanline_gradient

    def off(*arguments: Any, **options: Any) -> Any:
        energy, gradient = honest(*arguments, **options)
        return energy, gradient.map(lambda v: v * (1 + 1e-8))

    monkeypatch.setattr(plane_refinement, "scanline_gradient", off)
    result = audit(SINE, near_minimum(SINE, 3, seed=1), [])
    assert not result.routes_agree
    assert result.rows == ()
    assert not result.passed


def test_output_weights_near_the_minimum_have_no_slope_left() -> None:
    for name in ("plane-sine", "plane-l-shape", "plane-exponential"):
        gradient = exact_gradient(plane_problems[name], near_minimum(plane_problems[name], 5, seed=2))
        # A linear system of five unknowns, and integrals to 1e-14 of energies of order one.
        assert np.abs(gradient.total.output_weights).max() <= 1e-9
        assert np.linalg.norm(gradient.dirac.ravel()) >= 0.1 * np.linalg.norm(gradient.total.ravel())


def test_methods_of_another_number_of_inputs_are_refused() -> None:
    line, plane = discover(["autograd"])[0], discover(["autograd"], inputs=2)[0]
    with pytest.raises(InputError, match="takes problems of 1 input; discover\\(inputs=2\\)"):
        audit(SINE, methods=[line])
    with pytest.raises(InputError, match="takes problems of 2 inputs; discover\\(inputs=1\\)"):
        audit(problems["sine-2"], methods=[plane])
    with pytest.raises(InputError, match="inputs: 3 is no number of inputs"):
        Method("three", None, inputs=3)
    with pytest.raises(InputError, match="does not refine"):
        audit(SINE, methods=[], points=(400, 4_000))
    with pytest.raises(InputError, match="does not fit plane-sine"):
        audit(SINE, ShallowNetwork.random(2, seed=0), [])


@pytest.mark.parametrize(
    ("errors", "order", "vanishes"),
    [
        ((1.0, 0.3, 0.1), 0.5, True),
        ((1.0, 1.0, 1.0), 0.5, False),
        ((1.0, 0.1, 0.1), 0.5, False),
        # n^(-1/4) over two decades, with luck and without; and what stands still.
        ((1.0, 0.8, 0.4), 0.25, True),
        ((1.0, 0.3, 0.32), 0.25, True),
        ((1.0, 0.9, 0.9), 0.25, False),
        ((0.0, 0.0, 1.0), 0.5, False),
    ],
)
def test_growth_tells_slow_convergence_from_none(errors: tuple[float, ...], order: float, vanishes: bool) -> None:
    bound = Bound(order, -2 if order == 0.5 else 0)
    assert (growth(list(errors), [400, 4_000, 40_000], bound) <= 1) == vanishes


@pytest.mark.slow
def test_an_audit_of_both_comes_back_from_its_json_and_is_shown(
    found: PlaneAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = audit(problems["sine-2"], ShallowNetwork.random(3, seed=0), [], points=(100, 1_000, 10_000))
    both = replace(alone, plane=found)
    text = json.dumps(both.as_dict(), allow_nan=False)
    again = read_audit(text)
    assert json.dumps(again.as_dict()) == text
    assert again.plane is not None
    assert again.plane.problem == SINE
    assert again.plane.rows == found.rows
    assert "plane-sine, 10 neurons" in repr(found)
    assert "midpoints: mean delta" in found._repr_html_()
    audit_tables(again, None)
    printed = capsys.readouterr().out
    assert all(row.method in printed for row in found.rows)
    assert "In the plane: “plane-sine”, 10 neurons" in printed
    assert f"Dirac part / whole gradient, in the plane: {found.dirac_share:.3g}" in printed
    assert "go on by p/q of a cell" in " ".join(printed.split())
    (table,) = plane_page(found).blocks
    assert isinstance(table, Table)
    assert len(table.rows) == len(found.rows)
    # One audit alone that came out otherwise is enough for both to fail, and for the page to say no story.
    spoilt = replace(found, rows=(replace(found.rows[0], expected="exact"), *found.rows[1:]))
    assert both.passed
    assert not replace(both, plane=spoilt).passed
    assert "comes to the mean" in plane_page(found).caption
    assert "comes to the mean" not in plane_page(spoilt).caption


def test_edges_come_back_from_json() -> None:
    problem = plane_problems["plane-l-shape"]
    made = audit(problem, near_minimum(problem, 2, seed=1), [], points=(100, 200, 400))
    both = replace(audit(problems["sine-2"], ShallowNetwork.random(2, seed=0), [], points=(100, 200, 400)), plane=made)
    again = read_audit(json.dumps(both.as_dict()))
    assert again.plane is not None
    assert again.plane.problem == problem
    assert again.as_dict() == both.as_dict()
