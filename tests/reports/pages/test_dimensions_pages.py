from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kinkproof.reports import dimensions_report, dimensions_study
from kinkproof.reports.data import dimensions
from kinkproof.reports.data.cache import Cache
from kinkproof.reports.data.dimensions import CASES, SEEDS, STEPS, DimensionsStudy, compared
from kinkproof.reports.pages import dimensions_pages
from kinkproof.solver import BoxRun
from kinkproof.solver.training.checks import verdict

from ..pdf import assert_pages_are_full_and_readable, assert_whole_report, report_of

# Trains networks of several inputs.
pytestmark = pytest.mark.slow

FEW = {n: CASES[n] for n in ("square, deep", "cube, shallow")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dimensions")


@pytest.fixture(scope="module")
def study(folder: Path) -> DimensionsStudy:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dimensions, "CASES", FEW)
        return dimensions_study(steps=4, seeds=2, cache=Cache(folder / "cache"))


def test_pages_are_full_and_readable(study: DimensionsStudy) -> None:
    assert_pages_are_full_and_readable(report_of(dimensions_pages, dimensions_report, study))


def with_gaps(runs: Mapping[str, BoxRun], wrong: float, right: float) -> dict[str, BoxRun]:
    """As if these had been the gaps of all seeds."""
    least = runs["relu-exact"].problem.minimum_energy()
    out = dict(runs)
    for label, gap in (("relu-autodiff", wrong), ("relu-exact", right)):
        run = runs[label]
        share = np.full_like(run.gradient_error, np.sqrt(gap))
        out[label] = replace(run, energy=np.full_like(run.energy, least + gap), gradient_error=share)
    return out


def test_a_report_of_a_first_look_has_a_page_a_case_and_no_verdicts(study: DimensionsStudy, tmp_path: Path) -> None:
    texts = assert_whole_report(dimensions_report(study, tmp_path / "d.pdf"), len(FEW) + 3)
    assert "First look: 4 of 4,000 steps, 2 of 8 seeds" in texts[0]
    assert not any("BORNE OUT" in t or "borne out" in t for t in texts)
    assert "plane z = ½" in texts[3]
    again = dimensions_report(study, tmp_path / "again.pdf")
    assert again.read_bytes() == (tmp_path / "d.pdf").read_bytes()


def test_a_whole_study_shows_its_verdicts(study: DimensionsStudy, tmp_path: Path) -> None:
    whole = replace(
        study,
        settings={**study.settings, "steps": STEPS, "seeds": SEEDS},
        runs={
            "square, deep": with_gaps(study.runs["square, deep"], 0.01, 0.002),
            "cube, shallow": with_gaps(study.runs["cube, shallow"], 0.01, 0.02),
        },
    )
    assert whole.first_look == ""
    texts = assert_whole_report(dimensions_report(whole, tmp_path / "d.pdf"), len(FEW) + 3)
    assert "BORNE OUT" in texts[2]
    assert "NOT BORNE OUT" in texts[3]


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [(0.01, 0.0024, "borne out"), (0.01, 0.004, "borne out in part"), (0.01, 0.011, "not borne out")],
)
def test_verdicts_follow_from_the_runs(study: DimensionsStudy, wrong: float, right: float, said: str) -> None:
    checks = compared(with_gaps(study.runs["square, deep"], wrong, right))
    assert verdict(checks) == said
    assert f"{right:.3g}" in checks[0].sentence


def nothing(*given: object, **named: object) -> None:
    raise AssertionError("it was computed again")


def test_what_was_computed_is_recalled(study: DimensionsStudy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dimensions, "CASES", FEW)
    monkeypatch.setattr(dimensions, "fit_box", nothing)
    monkeypatch.setattr(dimensions, "step_times", nothing)
    again = dimensions_study(steps=4, seeds=2, cache=Cache(folder / "cache"))
    assert again == study


def test_the_three_runs_start_from_the_same_gap_but_for_the_activation(study: DimensionsStudy) -> None:
    for runs in study.runs.values():
        first = {label: run.gap_history[0] for label, run in runs.items()}
        np.testing.assert_array_equal(first["relu-autodiff"], first["relu-exact"])
        assert (first["tanh-autodiff"] != first["relu-exact"]).all()
