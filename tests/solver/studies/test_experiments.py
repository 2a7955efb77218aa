from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from kinkproof.solver.studies.experiments import EXPERIMENTS, Outcome, run_experiment
from kinkproof.solver.training.checks import verdict
from kinkproof.verify import InputError


@cache
def small(name: str) -> Outcome:
    return run_experiment(name, steps=60, seeds=range(2), width=8, points=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_runs_is_saved_and_judged_anew_from_its_files(name: str, tmp_path: Path) -> None:
    outcome = small(name)
    place = outcome.save(tmp_path)
    assert place == tmp_path / name
    assert sorted(p.name for p in place.iterdir()) == sorted([*(f"{r}.npz" for r in outcome.runs), "outcome.json"])
    back = Outcome.load(place)
    assert back.as_dict() == outcome.as_dict()
    assert json.loads((place / "outcome.json").read_text(encoding="utf-8")) == outcome.as_dict()
    assert any(c.papers for c in outcome.checks)


def test_all_runs_start_from_the_same_parameters() -> None:
    runs = small("figure-6").runs
    starts = [r.history.parameters[0] for r in runs.values()]
    assert all(np.array_equal(s, starts[0]) for s in starts)
    after = small("figure-5").runs
    fitted = after["relu-regression"].parameters
    assert all(np.array_equal(r.history.parameters[0], fitted) for n, r in after.items() if "-after-" in n)


def judged(name: str, **exchanged: str) -> tuple[str, list[bool]]:
    """The verdict with some runs put in the place of others: label_with_underscores=label."""
    from kinkproof.solver.studies.experiments import _experiment

    outcome = small(name)
    runs = dict(outcome.runs) | {k.replace("_", "-"): outcome.runs[v] for k, v in exchanged.items()}
    checks = tuple(_experiment(name).judge(runs))
    found = Outcome(name, outcome.claim, runs, checks)
    # After so few epochs it is a first look; what its verdict would be follows from the checks alone.
    assert found.first_look
    assert found.verdict is None
    return verdict(checks), [c.holds for c in checks]


def test_a_verdict_follows_the_data() -> None:
    # After 60 steps ReLU is near where it started: the claim fails or holds as the runs in its places do.
    assert judged("figure-1", relu_autodiff="relu-regression", tanh_autodiff="relu-regression") == (
        "not borne out",
        [False, False, False, False, False],
    )
    found, held = judged("figure-1", tanh_autodiff="relu-regression")
    assert (found, held[:3]) == ("borne out", [True, True, True])
    found, held = judged("figure-1", relu_regression="relu-autodiff", tanh_autodiff="relu-autodiff")
    assert found == "not borne out"


def test_no_rise_and_no_fall_are_told_apart() -> None:
    assert judged("figure-5", relu_autodiff_after_regression="relu-regression")[1][0] is False
    assert judged("figure-5", relu_exact_lbfgs_after_regression="relu-autodiff-after-regression")[1][3] is False
    assert judged("figure-6", relu_finite_difference="relu-autodiff")[0] == "not borne out"


def test_an_unknown_figure_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one of figure-1, figure-2, figure-4, figure-5, figure-6"):
        run_experiment("figure-3")
    with pytest.raises(InputError, match="there is no such file"):
        Outcome.load(tmp_path / "figure-1")


@pytest.mark.long
def test_the_papers_runs_at_full_length() -> None:
    """The figures that the README states: k = 2, width 20, 10,000 epochs, 16 seeds, medians. Some minutes."""
    median = {}
    for name in ("figure-1", "figure-4", "figure-5", "figure-6"):
        outcome = run_experiment(name)
        median |= {label: float(np.median(run.energy_gap)) for label, run in outcome.runs.items()}
        assert not any(run.diverged.any() for run in outcome.runs.values())
        # ReLU² is better than ReLU, not as good as tanh; the field of finite differences is not smoother.
        assert outcome.verdict == ("borne out in part" if name in ("figure-4", "figure-6") else "borne out")
        if name == "figure-5":
            assert all(c.holds for c in outcome.checks)
    assert median["relu-autodiff"] >= 3 * median["relu-exact"]
    assert median["tanh-autodiff"] <= 0.002
    assert median["relu2-autodiff"] <= 0.06
    assert median["relu-finite-difference"] <= 2 * median["relu-exact"]


def test_runs_of_different_makes_are_not_judged_together(tmp_path: Path) -> None:
    run_experiment("figure-6", steps=3, seeds=range(2), width=4, folder=tmp_path)
    with pytest.raises(InputError, match="holds files already"):
        run_experiment("figure-6", steps=3, seeds=range(2), width=4, folder=tmp_path)
    run_experiment("figure-6", steps=3, seeds=range(3), width=4, folder=tmp_path / "other")
    label = next(p for p in (tmp_path / "figure-6").glob("*.npz")).name
    (tmp_path / "other" / "figure-6" / label).replace(tmp_path / "figure-6" / label)
    with pytest.raises(InputError, match="different seeds or widths"):
        Outcome.load(tmp_path / "figure-6")
