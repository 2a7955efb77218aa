from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
from kinkproof.reports.command.fit import Figure
from kinkproof.reports.command.oracles import Language
from kinkproof.reports.command.root import app
from kinkproof.solver.networks import choices
from kinkproof.solver.studies.experiments import EXPERIMENTS
from kinkproof.verify.choices import Rule
from kinkproof.verify.oracles.standalone.generation import LANGUAGES
from typer.testing import CliRunner

RUNNER = CliRunner()
CLOSED = [
    ("fit", "--activation", choices.Activation),
    ("fit", "--gradient", choices.Gradient),
    ("fit", "--energy", choices.EnergyForm),
    ("fit", "--schedule", choices.ScheduleName),
    ("fit", "--optimizer", choices.Optimizer),
    ("fit", "--rule", choices.FitRule),
    ("fit", "--initial", choices.Initial),
    ("fit", "--dtype", choices.Precision),
    ("fit", "--preset", Figure),
    ("audit", "--rule", Rule),
    ("report discrepancy", "--rule", Rule),
    ("report landscape", "--rule", Rule),
    ("oracles generate", "--language", Language),
]


@pytest.mark.parametrize(("command", "option", "literal"), CLOSED)
def test_a_closed_choice_is_listed_completed_and_checked_before_anything_is_imported(
    command: str, option: str, literal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = " ".join(RUNNER.invoke(app, [*command.split(), "--help"], env={"COLUMNS": "500"}).output.split())
    for name in get_args(literal):
        assert name in listed
    # Without torch the sentence about a name is still the one about the name.
    monkeypatch.setitem(sys.modules, "torch", None)
    done = RUNNER.invoke(app, [*command.split(), option, "nope"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"kinkproof: {option}: 'nope' is unknown; one of {get_args(literal)[0]}, ")
    typed = f"kinkproof {command} {option} "
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split())), "_KINKPROOF_COMPLETE": "complete_bash"}
    shown = RUNNER.invoke(app, [], env=words, prog_name="kinkproof")
    assert set(get_args(literal)) <= set(shown.output.split()), shown.output


def test_what_the_command_lists_is_what_there_is() -> None:
    assert get_args(Figure) == tuple(EXPERIMENTS)
    assert get_args(Language) == tuple(LANGUAGES)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("fit --activation RELU", "did you mean 'relu'?"),
        ("fit --start regresion", "did you mean 'regression'?"),
        ("fit --start absent.npz", "regression, or a run that --save wrote, would be right"),
        ("fit --preset figure1", "did you mean 'figure-1'?"),
        ("fit --lr 1e-2", "--learning-rate"),
        ("solve --source sin2x", "did you mean 'sin(2*x)'?"),
        ("derive --source x^2", "did you mean 'x**2'?"),
        ("audit --backend torhc", "did you mean 'torch'?"),
        ("oracles show papr", "did you mean 'paper'?"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(
    arguments: str, meant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    done = RUNNER.invoke(app, arguments.split())
    assert done.exit_code == 2
    assert meant in done.stderr


def test_no_hint_is_better_than_one_that_is_far_off() -> None:
    done = RUNNER.invoke(app, ["solve", "--problem", "nope"])
    assert done.exit_code == 2
    assert "did you mean" not in done.stderr
    assert "one of sine-2, sine-6" in done.stderr


def test_the_command_has_a_version_short_help_and_says_its_exit_codes() -> None:
    assert RUNNER.invoke(app, ["--version"]).output == f"kinkproof {version('kinkproof')}\n"
    for command in ([], ["fit"], ["report", "paper"], ["oracles", "show"]):
        done = RUNNER.invoke(app, [*command, "-h"])
        assert done.exit_code == 0
        assert "Usage:" in done.output
    said = " ".join(RUNNER.invoke(app, ["-h"]).output.split())
    assert "0 as expected, 1 a check failed, 2 bad input, 130 interrupted" in said
    assert "--install-completion" in said


def test_verify_is_another_name_of_audit() -> None:
    for name in ("audit", "verify"):
        done = RUNNER.invoke(app, [name, "--problem", "sine2"])
        assert done.exit_code == 2
        assert done.stderr == "kinkproof: --problem: 'sine2' is not a named problem; did you mean 'sine-2'?\n"


def test_quiet_leaves_files_json_and_errors(tmp_path: Path) -> None:
    saved = tmp_path / "best.json"
    done = RUNNER.invoke(app, ["solve", "--width", "2", "--quiet", "--save", str(saved)])
    assert (done.exit_code, done.output) == (0, "")
    assert saved.is_file()
    done = RUNNER.invoke(app, ["solve", "--width", "2", "-q", "--json"])
    assert done.stdout == saved.read_text(encoding="utf-8")
    done = RUNNER.invoke(app, ["solve", "--width", "0", "--quiet"])
    assert done.exit_code == 2
    assert done.stderr.startswith("kinkproof: --width: 0")
    done = RUNNER.invoke(app, ["fit", "--width", "2", "--steps", "1", "-q"])
    assert (done.exit_code, done.output) == (0, "")


def test_an_interrupted_run_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "kept.npz"
    from kinkproof.solver.training import training

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    # After the checkpoint of the start was written.
    monkeypatch.setattr(training, "_step", interrupted)
    command = ["fit", "--width", "2", "--steps", "5", "--checkpoint", str(kept)]
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 130
    assert done.stderr == f"kinkproof: interrupted; the same command with --resume goes on from {kept}\n"
    monkeypatch.undo()
    assert RUNNER.invoke(app, [*command, "--resume"]).exit_code == 0
    monkeypatch.setattr(training, "_step", interrupted)
    done = RUNNER.invoke(app, ["fit", "--width", "2", "--steps", "5"])
    assert (done.exit_code, done.stderr) == (130, "kinkproof: interrupted\n")


def test_an_interrupted_report_says_where_it_goes_on_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        os.makedirs(tmp_path / "cache")
        raise KeyboardInterrupt

    monkeypatch.setattr("kinkproof.reports.data.paper.paper_study", interrupted)
    done = RUNNER.invoke(app, ["report", "paper", "--quick", "-o", str(tmp_path / "paper.pdf")])
    assert done.exit_code == 130
    said = f"interrupted; the same command goes on from what is kept in {tmp_path / 'cache'}"
    assert said in done.stderr
