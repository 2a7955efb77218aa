from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from kinkproof.reports.command.root import app
from kinkproof.reports.data.gap import (
    AUTODIFF,
    DIFFERENCES,
    EXACT,
    LABELS,
    LIMIT,
    PROJECTED,
    SOLVED,
    SPREAD,
    TANH,
    gap_table,
)
from kinkproof.reports.layout.style import look
from kinkproof.reports.pages.gap_page import gap_page
from kinkproof.solver import fit, solve
from kinkproof.verify import InputError, ShallowNetwork, exact_energy, problems
from pypdf import PdfReader
from typer.testing import CliRunner

RUNNER = CliRunner()


def test_a_network_is_printed_with_its_certificate() -> None:
    done = RUNNER.invoke(app, ["solve", "--width", "8"])
    assert done.exit_code == 0, done.output
    for text in (
        "8 neurons, 8 kinks",
        "energy gap",
        "best with 8 free kinks",
        "limit for 9 pieces",
        "✓",
        "of this width",
    ):
        assert text in done.output
    assert "✗" not in done.output


def test_what_is_not_stationary_is_not_called_a_local_minimum() -> None:
    done = RUNNER.invoke(app, ["solve", "--max-iterations", "1"])
    assert done.exit_code == 1
    assert "not stationary" in done.output
    assert "local minimum" not in done.output


def test_json_holds_the_network_whose_energy_it_says(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["solve", "-p", "natural", "--kinks", "6", "--json", "--save", str(tmp_path / "n.json")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "n.json").read_text(encoding="utf-8"))
    assert found["kinks"] == 6
    assert found["certificate"]["failures"] == []
    network = ShallowNetwork(*(np.array(v) for v in found["network"].values()))
    gap = float(exact_energy(problems["natural"], network)) - problems["natural"].minimum_energy()
    assert gap == pytest.approx(found["energy_gap"], rel=1e-9)


def test_without_kinks_the_json_has_no_infinity() -> None:
    done = RUNNER.invoke(app, ["solve", "--kinks", "0", "--json"])
    assert json.loads(done.stdout)["certificate"]["smallest_curvature"] is None


@pytest.mark.slow
def test_a_convergence_table_has_a_line_a_width_and_the_orders() -> None:
    done = RUNNER.invoke(app, ["solve", "--widths", "8,16 32"])
    assert done.exit_code == 0, done.output
    assert "Order over all widths, least squares: 1.8" in done.output
    rows = json.loads(RUNNER.invoke(app, ["solve", "--widths", "8,16", "--json"]).stdout)
    assert [r["width"] for r in rows["rows"]] == [8, 16]
    assert rows["rows"][0]["order"] is None
    assert rows["rows"][1]["order"] == pytest.approx(rows["order"])


def test_what_is_not_certified_ends_with_code_1_and_says_why() -> None:
    done = RUNNER.invoke(app, ["solve", "--max-iterations", "1"])
    assert done.exit_code == 1
    assert "✗" in done.output
    assert "not stationary" in done.output
    assert "the best so far" in done.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--width", "0"], "width: 0"),
        (["--width", "5", "--kinks", "4"], "one of --width, --kinks, --tolerance"),
        (["--widths", "8,x"], "16,32,64"),
        (["--widths", "16,8"], "do not ascend"),
        (["--widths", "8,16", "--width", "3"], "one of --width, --kinks"),
        (["--tolerance", "1e-30"], "rounding"),
        (["--seed", "-1"], "seed: -1"),
        (["--max-iterations", "0"], "--max-iterations: 0"),
        (["--source", "x**(-1.6)"], "not finite"),
        (["--save", "."], "directory"),
        (["--chart", "."], "directory"),
        (["--chart", "a.pdf", "--widths", "8,16"], "of one width"),
        (["--chart", "a.pdf", "--source", "1"], "known solution"),
        (["--chart", "a.pdf", "-p", "penalised-ends"], "not comparable"),
        (["--chart", "a.pdf", "--steps", "0"], "steps: 0"),
        (["--chart", "a.pdf", "--seeds", "0"], "seeds"),
        (["--steps", "20"], "--steps: it does nothing where nothing is trained"),
        (["--seeds", "2"], "--seeds: it does nothing where"),
        (["--widths", "8,16", "--seed", "0"], "--seed: it does nothing in a table"),
        (["--widths", "8,16", "--max-iterations", "200"], "--max-iterations: it does nothing"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_sentence(arguments: list[str], named: str) -> None:
    done = RUNNER.invoke(app, ["solve", *arguments])
    assert done.exit_code == 2
    assert named in done.output
    assert "Traceback" not in done.output


TRAINED = {AUTODIFF: [0.2, 0.21, 0.22], DIFFERENCES: [0.1], EXACT: [0.05, 0.06, 0.4], SPREAD: [0.02, 0.03, 0.04],
           PROJECTED: 0.0065, TANH: 0.0005}  # fmt: skip


def test_the_shares_of_the_gap_add_up_to_the_whole() -> None:
    table = gap_table("sine-2", solve(problems["sine-2"], 20), TRAINED)
    assert list(table.gaps) == list(LABELS)
    assert sum(table.shares.values()) == pytest.approx(1)
    assert table.shares["gradient"] == pytest.approx((0.21 - 0.06) / 0.21)
    assert table.shares["start"] == pytest.approx((0.06 - 0.03) / 0.21)
    assert table.shares["optimiser"] == pytest.approx((0.03 - table.median(SOLVED)) / 0.21)
    assert table.shares["ReLU"] == pytest.approx(table.median(SOLVED) / 0.21)
    assert json.loads(json.dumps(table.as_dict()))["gaps"][TANH] == [0.0005]


def test_the_chart_draws_the_tables_numbers() -> None:
    table = gap_table("sine-2", solve(problems["sine-2"], 20), TRAINED)
    with look():
        page = gap_page(table)
    (axes,) = page.figure.axes
    drawn = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in axes.lines])
    for label in LABELS:
        assert np.isin(table.gaps[label], drawn).all()
        assert table.median(label) in drawn
    assert [t.get_text() for t in axes.get_yticklabels()] == list(LABELS)
    assert "71% go with the exact gradient" in page.caption


def test_the_chart_is_made_of_runs_of_its_own(tmp_path: Path) -> None:
    chart = tmp_path / "gap.pdf"
    arguments = ["--width", "8", "--chart", str(chart), "--steps", "20", "--seeds", "2", "--json"]
    done = RUNNER.invoke(app, ["solve", *arguments])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    table = found["chart"]
    assert (table["steps"], table["seeds"]) == (20, 2)
    assert list(table["gaps"]) == list(LABELS)
    assert table["gaps"][SOLVED] == [found["energy_gap"]]
    for label, (activation, gradient) in {AUTODIFF: ("relu", "autodiff"), TANH: ("tanh", "autodiff")}.items():
        run = fit(problems["sine-2"], 8, activation, gradient, steps=20, seeds=range(2))
        assert table["gaps"][label] == pytest.approx(run.energy_gap.tolist())
    spread = fit(problems["sine-2"], 8, gradient="exact", initial="even", steps=20, seeds=range(2))
    assert table["gaps"][SPREAD] == pytest.approx(spread.energy_gap.tolist())
    text = PdfReader(chart).pages[0].extract_text()
    assert "Where the energy gap goes" in text
    assert all(label in text for label in LABELS)


def test_what_was_not_trained_is_left_out_and_said() -> None:
    table = gap_table("sine-2", solve(problems["sine-2"], 20), {AUTODIFF: 0.2})
    assert list(table.gaps) == [AUTODIFF, SOLVED, LIMIT]
    with look():
        assert "need runs" in gap_page(table).caption


def test_gaps_that_are_none_are_refused() -> None:
    best = solve(problems["sine-2"], 20)
    with pytest.raises(InputError, match="unknown"):
        gap_table("sine-2", best, {"sigmoid": 0.1})
    with pytest.raises(InputError, match="positive"):
        gap_table("sine-2", best, {TANH: [0.1, -0.1]})
