from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from kinkproof.reports.command.root import app
from kinkproof.solver import Run
from kinkproof.solver.training import archive
from kinkproof.verify import problems
from typer.testing import CliRunner

RUNNER = CliRunner()
SHORT = ["fit", "--steps", "30", "--seeds", "2", "--width", "6"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--activation", "rleu"], "--activation: 'rleu' is unknown; did you mean 'relu'?"),
        (["--gradient", "backprop"], "one of autodiff, finite-difference"),
        (["--gradient", "exact", "--activation", "tanh"], "no kinks"),
        (["--learning-rate", "0"], "--learning-rate: 0.0"),
        (["--difference-step", "-1"], "a positive number"),
        (["--width", "many"], "--width: 'many'"),
        (["--width", "0"], "width: 0"),
        (["--seeds", "0"], "seeds: 0"),
        (["--threads", "0"], "threads: 0"),
        (["--resume"], "--resume: there is no checkpoint to go on from; --checkpoint with its file"),
        (["--difference-step", "0.1"], "--gradient finite-difference is right"),
        (["--gradient", "exact", "--energy", "strong"], "--energy ritz or"),
        (["--lbfgs-steps", "3"], "--lbfgs-steps: 'adam' leaves no choice; --optimizer adam-lbfgs would be right"),
        (["--checkpoint-every", "10"], "--checkpoint-every: it does nothing without"),
        (["--optimizer", "lbfgs", "--learning-rate", "1e-3"], "--learning-rate: it does nothing with"),
        (["--optimizer", "lbfgs", "--schedule", "cosine"], "--schedule: it does nothing with"),
        (["--start", "run.npz"], "--seeds: it does nothing beside --start run.npz"),
        (["--quick"], "--quick: it does nothing beside --steps and --seeds"),
        (["--source", "1", "--penalty", "3"], "--penalty: it holds essential values, and there are none"),
        (["--source", "1/0"], "--source: '1/0'"),
        (["--source", "1", "--flux", "2=0"], "--flux: 2 is not an end"),
        (["--preset", "figure-9"], "one of figure-1"),
        (["--preset", "figure-1", "--problem", "sine-2"], "--problem: it does nothing beside --preset figure-1"),
        (["--preset", "figure-1", "--activation", "relu"], "--activation: it does nothing beside --preset figure-1"),
        (["--preset", "figure-1", "--width", "5,5"], "one hidden layer"),
        (["--source", "1", "--start", "regression"], "no known solution"),
    ],
)
def test_bad_input_ends_with_code_2_one_sentence_and_no_file(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = RUNNER.invoke(app, [*SHORT, *arguments])
    assert done.exit_code == 2
    assert named in done.output
    assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


def test_a_fit_prints_its_networks_and_saves_the_run(tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    done = RUNNER.invoke(app, [*SHORT, "--gradient", "exact", "--save", str(file)])
    assert done.exit_code == 0, done.output
    run = Run.load(file)
    assert run.problem == problems["sine-2"]
    for text in ("sine-2: 6 neurons, relu, exact", "median energy gap", f"{run.energy_gap[1]:.4g}", "Written:"):
        assert text in done.stdout


def test_a_place_that_cannot_be_written_is_said_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, named in ((tmp_path, "is a directory"), (tmp_path / "file" / "run.npz", "cannot be written")):
        for preset in ([], ["--preset", "figure-4"]) if place != tmp_path else ([],):
            done = RUNNER.invoke(app, ["fit", "--steps", "1000000", "--save", str(place), *preset])
            assert done.exit_code == 2
            assert named in done.output


def test_a_disk_that_is_full_at_the_end_costs_the_file_and_not_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    done = RUNNER.invoke(app, [*SHORT, "--save", str(tmp_path / "run.npz")])
    assert done.exit_code == 2
    assert "No space left" in done.stderr
    assert "median energy gap" in done.stdout
    assert not list(tmp_path.iterdir())


def test_finite_differences_say_their_step() -> None:
    done = RUNNER.invoke(app, [*SHORT, "--gradient", "finite-difference"])
    assert "times the grid spacing" in done.stdout


def test_json_goes_to_stdout_alone_for_a_users_own_problem() -> None:
    done = RUNNER.invoke(app, [*SHORT, "--source", "1", "--flux", "1=0", "--distance", "x", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert len(found["energy"]) == 2
    assert "energy_gap" not in found
    assert found["settings"]["gradient"] == "autodiff"


def test_a_saved_run_and_a_regression_are_starting_points(tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    fitted = RUNNER.invoke(app, [*SHORT, "--start", "regression", "--steps", "1", "--save", str(file), "--json"])
    assert fitted.exit_code == 0, fitted.output
    again = tmp_path / "again.npz"
    further = ["fit", "--width", "6", "--steps", "1", "--start", str(file), "--save", str(again)]
    assert RUNNER.invoke(app, further).exit_code == 0
    assert Run.load(again).history.exact[0].tolist() == json.loads(fitted.stdout)["energy"]


def test_a_start_that_is_not_there_is_said() -> None:
    done = RUNNER.invoke(app, ["fit", "--start", "absent.npz"])
    assert done.exit_code == 2
    assert "there is no file absent.npz" in done.output


def test_a_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    arguments = [*SHORT, "--checkpoint", str(file), "--checkpoint-every", "10", "--json"]
    whole = RUNNER.invoke(app, arguments)
    assert archive.read(file, "checkpoint")[0]["step"] == 30
    refused = RUNNER.invoke(app, arguments)
    assert refused.exit_code == 2
    assert "resume" in refused.output
    assert RUNNER.invoke(app, [*arguments, "--resume"]).stdout == whole.stdout


def test_divergence_ends_with_code_1_and_is_said() -> None:
    done = RUNNER.invoke(app, [*SHORT, "--learning-rate", "1e160"])
    assert done.exit_code == 1
    assert "network 0 diverged at step 1" in done.stderr
    assert "seed 1 ended early" in done.stdout


def test_the_strong_form_with_relu_is_warned_of() -> None:
    done = RUNNER.invoke(app, [*SHORT, "--energy", "strong"])
    assert done.exit_code == 0, done.output
    assert "vanishes almost everywhere" in done.stderr


def test_a_quick_preset_is_a_first_look_without_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinkproof.reports.command.fit._QUICK_STEPS", 20)
    arguments = ["fit", "--preset", "figure-4", "--quick", "--seeds", "2", "--save", str(tmp_path)]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "First look: after 20 of 10,000 epochs" in done.stdout
    for text in ("Verdict", "borne out", "✓", "✗"):
        assert text not in done.stdout
    saved = json.loads((tmp_path / "figure-4" / "outcome.json").read_text(encoding="utf-8"))
    assert (saved["first_look"], saved["verdict"]) == (True, None)
    refused = RUNNER.invoke(app, ["fit", "--preset", "figure-4", "--quick", "--steps", "10000"])
    assert refused.exit_code == 2
    assert "--quick: 10000 epochs are no first look" in refused.output


def test_a_preset_prints_claim_and_verdict_and_leaves_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As many epochs as it takes, and this many are all that it takes here.
    monkeypatch.setattr("kinkproof.solver.studies.experiments.CONVERGED", 40)
    arguments = ["fit", "--preset", "figure-4", "--steps", "40", "--seeds", "2", "--save", str(tmp_path)]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    for text in ("The paper's claim", "Verdict: ", "relu2-autodiff"):
        assert text in done.stdout
    assert "First look" not in done.stdout
    saved = json.loads((tmp_path / "figure-4" / "outcome.json").read_text(encoding="utf-8"))
    run = Run.load(tmp_path / "figure-4" / "relu2-autodiff.npz")
    assert np.median(run.energy_gap) == saved["runs"]["relu2-autodiff"]["median_gap"]


def test_threads_are_the_commands_alone() -> None:
    RUNNER.invoke(app, [*SHORT, "--steps", "1", "--threads", "2"])
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_where_autodiff_ends_is_said_for_autodiff_alone() -> None:
    for gradient, said in (("bulk", True), ("autodiff", True), ("exact", False)):
        done = RUNNER.invoke(app, ["fit", "--gradient", gradient, "--steps", "2", "--seeds", "1"])
        assert done.exit_code == 0, done.output
        text = " ".join(done.output.split())
        assert ("near x = 0.2524 and 0.7476 and stop 0.1968 above the minimum" in text) is said
        assert ("0 of 1 networks are within" in text) is said
    found = json.loads(RUNNER.invoke(app, ["fit", "--steps", "2", "--seeds", "1", "--json"]).stdout)
    gaps = [s["energy_gap"] for s in found["autodiff_limit"]]
    assert gaps == sorted(gaps)
    assert min(gaps) == pytest.approx(0.19676, rel=1e-4)
