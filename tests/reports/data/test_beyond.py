"""Medians with bands, questions judged by their runs, and nothing trained twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kinkproof.reports.data import beyond, judgements
from kinkproof.reports.data.beyond import Answer, Arm, beyond_study, median_band
from kinkproof.reports.data.cache import Cache
from kinkproof.reports.data.questions import QUESTIONS
from kinkproof.solver.studies.trials import Row

BY_NAME = {q.name: q for q in QUESTIONS}


def row(gap: float, seed: int = 0, kinks: int | None = 2) -> Row:
    return {"energy_gap": gap, "seed": seed, "kinks_inside": kinks, "effective_kinks": kinks,
            "kink_places": None if kinks is None else [0.25, 0.75]}  # fmt: skip


def test_the_band_of_a_median_covers_nine_samples_of_ten() -> None:
    random = np.random.default_rng(1)
    samples = random.normal(size=(400, 40))
    bands = np.array([median_band(s) for s in samples])
    covered = ((bands[:, 0] <= 0) & (bands[:, 1] >= 0)).mean()
    # Of 400 samples 90 % ± 1.5 %; the bootstrap of a median of 40 is itself off by some percent.
    assert 0.85 < covered < 0.96
    assert median_band(samples[0]) == median_band(samples[0][::-1].copy())


def test_an_arm_counts_what_is_on_a_plateau_of_its_own() -> None:
    arm = Arm.of("x", [row(g, k) for k, g in enumerate([1.0, 1.1, 1.2, 9.0, 9.001, 9.002])])
    assert (arm.seeds, arm.median, arm.least, arm.greatest, arm.high) == (6, 5.1, 1.0, 9.002, 3)
    assert [str(p) for p in arm.plateaux] == ["3 at 9"]
    assert arm.places == (0.25, 0.75)
    smooth = Arm.of("tanh", [row(1.0, 0, None)])
    assert (smooth.inside, smooth.effective, smooth.places) == (None, None, ())


NEAREST = ("variable_projection__L_BFGS", "damped_block_Newton", "r_adaptive_mesh__ADAM")


def found(name: str, **gaps: float) -> dict[str, list[Row]]:
    """Runs in which each arm ends at 0.2, but for those that are named; spaces and the like as underscores."""
    return {
        label: [row(gaps.get("".join(c if c.isalnum() else "_" for c in label), 0.2), k) for k in range(4)]
        for label in BY_NAME[name].arms
    }


@pytest.mark.parametrize(
    ("name", "holds", "fails"),
    [
        ("Other points", {}, {"stratified__anew": 0.1}),
        ("Finer grids", {}, {"n___∞": 0.1, "100_000_midpoints": 0.1}),
        ("The integrand", {"kinks_rounded_off": 0.06, "exact": 0.05}, {"200_adaptive_cells": 0.1}),
        ("The integrand", {"kinks_rounded_off": 0.06, "exact": 0.05}, {"kinks_rounded_off": 0.15}),
        ("Nearest methods", dict.fromkeys(NEAREST, 0.0064), {"damped_block_Newton": 0.0075}),
        ("Width", {}, {"500_neurons__autodiff": 0.1}),
        ("Depth", {"10_10__exact": 0.1, "10_10_10__exact": 0.1}, {"10_10__exact": 0.3}),
        ("Precision", {}, {"float32__exact": 0.3}),
        ("Strong form", {"ReLU__strong_form": 9.0, "tanh__strong_form": 0.1}, {"tanh__strong_form": 5.0}),
        ("Activations", {"relu": 0.3}, {"sin": 0.3}),
        ("Regression first", {"regression__exact": 0.01}, {"regression__autodiff": 0.1}),
        ("Main conclusion", {"tanh__autodiff": 0.001}, {"tanh__autodiff": 0.2}),
    ],
)
def test_verdicts_follow_the_runs(name: str, holds: dict[str, float], fails: dict[str, float]) -> None:
    question = BY_NAME[name]

    def verdict(gaps: dict[str, float]) -> str | None:
        return Answer(question, (), tuple(question.judge(found(name, **gaps))), True).verdict

    assert verdict(holds) == "borne out"
    assert verdict(holds | fails) != "borne out"
    assert Answer(question, (), (), False).verdict is None


@pytest.mark.slow
def test_what_questions_share_is_trained_once_and_kept(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [BY_NAME["Main conclusion"], BY_NAME["Regression first"]]
    seen: list[str] = []
    monkeypatch.setattr(beyond, "gram_study", lambda *_: None)
    monkeypatch.setattr(judgements, "_solved", lambda: (0.0063, 1.0))
    asked: dict[str, Any] = {"steps": 3, "seeds": 2, "questions": chosen, "cache": Cache(tmp_path)}
    study = beyond_study(**asked, progress=seen.append)
    # Eight arms, of which ReLU with autodiff is in both.
    assert "trainings: 7 of 7" in seen
    assert study.first_look == "First look: 3 of 10,000 steps, 2 seeds, no verdicts"
    assert [a.verdict for a in study.answers] == [None, None]
    first, second = (answer.arms[0] for answer in study.answers)
    assert first.median == second.median
    monkeypatch.setattr("kinkproof.solver.studies.sweeps._rows_of", None)
    assert beyond_study(**asked).answers[0].arms == study.answers[0].arms
