from __future__ import annotations

import json
from pathlib import Path

import pytest
from kinkproof.reports.command.root import app
from kinkproof.reports.command.tables import audit_tables
from kinkproof.verify import problems
from kinkproof.verify.systems import discovery, elsewhere, pytorch, study
from kinkproof.verify.systems.findings import Audit
from kinkproof.verify.systems.method import Method
from typer.testing import CliRunner

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--source", "y"], "unknown symbol y"),
        (["--source", "__import__('os').system('true')"], "not allowed"),
        (["--source", "1/(x-1/2)"], "pole at x = 1/2"),
        (["--coefficient", "x-1/2"], "must be positive"),
        (["--source", "1", "--distance", "1"], "Dirichlet end"),
        (["--source", "1", "--solution", "x*(1-x)"], "does not solve"),
        (["--source", "1", "--flux", "1"], "END=VALUE"),
        (["--source", "1", "--load", "1/2"], "PLACE=LOAD"),
        (["--source", "1", "--load", "2=1"], "--load: x = 2 is not inside the domain"),
        (["--problem", "sine-3"], "did you mean"),
        (["--problem", "sine-2", "--source", "1"], "both state one"),
        (["--problem", "absent.py:mine"], "no file absent.py"),
        (["--source", "1", "--essential", "0=0", "--penalty", "-1"], "--penalty: -1"),
        (["--source", "1", "--domain", "2", "1"], "must be less than"),
        (["--width", "0"], "width: 0"),
        (["--seed", "-1"], "seed: -1"),
        (["--rule", "simpson"], "simpson"),
        (["--picture", "finding.jpg"], ".svg"),
        (["--unknown"], "--unknown"),
    ],
)
def test_bad_input_ends_with_code_2_one_sentence_and_no_file(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = RUNNER.invoke(app, ["audit", "--save", str(tmp_path / "out"), *arguments])
    assert done.exit_code == 2
    assert named in done.output
    assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    done = RUNNER.invoke(app, ["audit", "--save", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "a folder would be right" in done.output


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ways of asking torch, so that a run takes seconds; the table itself is that of the full audit."""
    first, *_, split, plane, _ = pytorch.methods()
    monkeypatch.setattr(pytorch, "methods", lambda: (first, split, plane))
    everyone = discovery.backends()
    monkeypatch.setattr(discovery, "backends", lambda: tuple(e for e in everyone if e.name == "torch"))


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_an_audit_prints_its_table_and_writes_both_files(tmp_path: Path) -> None:
    out, picture = tmp_path / "out", tmp_path / "finding.png"
    done = RUNNER.invoke(app, ["audit", "--width", "5", "--save", str(out), "--picture", str(picture)])
    assert done.exit_code == 0, done.output
    for text in ("inconsistent", "exact", "50 digits", "All verdicts are the expected ones"):
        assert text in done.output
    assert sorted(p.name for p in out.iterdir()) == ["audit.json", "discrepancy.html", "discrepancy.pdf"]
    found = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert found["passed"] is True
    assert [r["verdict"] for r in (m["total"] for m in found["plane"]["methods"][:3])] == [
        "inconsistent",
        "inconsistent",
        "consistent",
    ]
    assert "In the plane: “plane-sine”" in done.output
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_json_goes_to_stdout_alone_for_a_users_own_problem() -> None:
    arguments = ["--coefficient", "1 + x", "--source", "1", "--essential", "0=0", "--flux", "1=1/2", "--distance", "1"]
    arguments += ["--load", "1/3=2"]
    done = RUNNER.invoke(app, ["audit", "--width", "5", "--json", *arguments])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["problem"]["coefficient"] == "x + 1"
    assert found["problem"]["fluxes"] == {"1": "1/2"}
    assert found["problem"]["loads"] == {"1/3": "2"}
    assert found["plane"]["passed"] is True


@pytest.mark.usefixtures("quick")
def test_the_plane_problem_is_chosen_or_left_out() -> None:
    done = RUNNER.invoke(app, ["audit", "--width", "3", "--json", "--plane", "none"])
    assert json.loads(done.stdout)["plane"] is None
    other = RUNNER.invoke(app, ["audit", "--width", "3", "--plane", "plane-triangel"])
    assert other.exit_code == 2
    assert "did you mean 'plane-triangle'?" in other.output


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_an_unexpected_verdict_ends_with_code_1_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_MOST_GROWTH", 1e-9)
    done = RUNNER.invoke(app, ["audit", "--width", "5"])
    assert done.exit_code == 1
    assert "unexpected:" in done.output


@pytest.mark.usefixtures("quick")
def test_disagreeing_derivations_end_with_code_1_and_judge_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("kinkproof.verify.line.crosscheck.REQUIRED_DIGITS", 60)
    done = RUNNER.invoke(app, ["audit", "--width", "3", "--save", str(tmp_path)])
    assert done.exit_code == 1
    assert "nothing was judged" in done.output
    assert [p.name for p in tmp_path.iterdir()] == ["audit.json"]


@pytest.mark.slow
def test_an_audit_that_judged_nobody_ends_with_code_2_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(name: str) -> Method:
        return Method("", None, system=name, unavailable=f"not installed: pip install 'kinkproof[{name}]'")

    absentees = (absent("torch"), absent("jax"))
    monkeypatch.setattr(elsewhere, "discover_with", lambda _, names, inputs=1: absentees if inputs == 1 else ())
    for command in (["audit", "--save", str(tmp_path), "--processes", "1"], ["audit", "--json"]):
        done = RUNNER.invoke(app, [*command, "--width", "3"])
        assert done.exit_code == 2, done.output
        assert done.stderr.count("kinkproof: audit: no AD system was judged") == 1
        # Whatever is missing, one command ends it.
        assert done.stderr.endswith("none of torch, jax is installed: pip install 'kinkproof[torch,jax]'\n")
        assert "expected ones" not in done.output


def test_no_processes_at_all_are_refused() -> None:
    done = RUNNER.invoke(app, ["audit", "--processes", "0"])
    assert done.exit_code == 2
    assert "at least one would be right" in done.stderr


def test_derive_and_problems_print_all_there_is() -> None:
    done = RUNNER.invoke(app, ["derive"])
    assert done.exit_code == 0
    assert done.output.count(r"\tag") == 15
    rows = json.loads(RUNNER.invoke(app, ["derive", "--json"]).stdout)
    assert [r["number"] for r in rows][:4] == ["5", "5", "5", "6"]
    listed = RUNNER.invoke(app, ["problems"])
    assert all(name in listed.output for name in problems)
    assert set(json.loads(RUNNER.invoke(app, ["problems", "--json"]).stdout)) == set(problems)


def test_a_problem_can_be_an_object_in_the_users_own_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text('from kinkproof.verify import RitzProblem\nmine = RitzProblem(source="exp(x)")\nother = 3\n')
    done = RUNNER.invoke(app, ["derive", "--problem", f"{file}:mine", "--json"])
    assert done.exit_code == 0, done.output
    wrong = RUNNER.invoke(app, ["derive", "--problem", f"{file}:other"])
    assert wrong.exit_code == 2
    assert "other in" in wrong.output
    assert "a RitzProblem would be right" in wrong.output


def test_the_table_shows_every_row(paper_audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    audit_tables(paper_audit, None)
    printed = capsys.readouterr().out
    for row in paper_audit.rows:
        assert row.method in printed
        assert row.system in printed
    assert "…" not in printed
