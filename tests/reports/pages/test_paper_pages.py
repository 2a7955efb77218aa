from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kinkproof.reports import paper_report, paper_study
from kinkproof.reports.command.training_tables import findings_table
from kinkproof.reports.data.cache import Cache
from kinkproof.reports.data.paper import PaperStudy
from kinkproof.reports.layout.blocks import Code, Text
from kinkproof.reports.layout.style import look
from kinkproof.reports.pages import paper_pages
from kinkproof.reports.pages.neuron_page import compare_neuron, neuron_figure, neuron_page
from kinkproof.reports.pages.paper_finding import finding_of
from kinkproof.reports.pages.paper_pages import _beyond, _figures, findings
from kinkproof.reports.pages.training_figures import training_page
from kinkproof.solver.studies.experiments import CONVERGED
from kinkproof.solver.training.checks import verdict
from kinkproof.verify import InputError, problems
from kinkproof.verify.systems.findings import Audit
from kinkproof.verify.systems.row import OWN

from ..pdf import assert_pages_are_full_and_readable, assert_whole_report, lowest_label, report_of

# Trains for every figure.
pytestmark = pytest.mark.slow

PAGES = 17


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paper")


@pytest.fixture(scope="module")
def study(folder: Path, paper_audit: Audit) -> PaperStudy:
    with pytest.MonkeyPatch.context() as patch:
        # The session's own audit is as good as a new one.
        patch.setattr("kinkproof.reports.data.paper.audit_study", lambda *_, **__: paper_audit)
        return paper_study(steps=50, seeds=2, resolution=11, cache=Cache(folder / "cache"))


def converged(study: PaperStudy) -> PaperStudy:
    """As if these few epochs were all that it takes."""
    return replace(study, settings={**study.settings, "steps": CONVERGED})


def test_the_report_is_whole_and_has_the_figures_in_order(study: PaperStudy, folder: Path) -> None:
    texts = assert_whole_report(paper_report(converged(study), folder / "paper.pdf"), PAGES)
    found = findings(converged(study))
    assert [f.figure for f in found] == list(range(1, 9))
    for finding, text in zip(found, texts[2:10], strict=True):
        assert f"Figure {finding.figure}:" in text
        assert str(finding.verdict).upper() in text
        words = " ".join(text.split())
        assert finding.claim in words
        assert all(check.sentence in words for check in finding.checks)
        assert finding.claim.split(",")[0] in " ".join(texts[1].split())
    for text in texts:
        assert "first look" not in text.lower()
    for text in texts[10:13]:
        assert "Beyond the paper" in text


@pytest.mark.parametrize("quick", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_first_look_says_so_on_every_page_and_has_no_verdicts(
    study: PaperStudy, folder: Path, quick: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    short = study if not quick else replace(study, settings={**study.settings, "quick": True, "steps": CONVERGED})
    for text in assert_whole_report(paper_report(short, folder / "first.pdf"), PAGES):
        words = " ".join(text.split())
        assert f"First look: {'coarse and short' if quick else '50 of 10,000 epochs'}, no verdicts" in words
        for said in ("borne out", "BORNE OUT", "✓", "✗", "does not converge either", "Of the gap of autodiff"):
            assert said not in words
    assert {f.verdict for f in findings(short)} == {None}
    findings_table(findings(short), short.first_look)
    printed = capsys.readouterr().out
    assert printed.startswith("First look: ")
    assert "borne out" not in printed


def test_every_run_is_kept_and_made_once(study: PaperStudy, folder: Path) -> None:
    runs = [p for p in (folder / "cache").iterdir() if p.name.startswith("run-")]
    # Figures share runs: thirteen of the paper's, two of the deltas', two of the gap chart's, three of the landscapes'.
    assert len(runs) == 20


def test_the_figures_show_the_runs(study: PaperStudy) -> None:
    outcome = study.outcomes["figure-4"]
    axes = training_page("t", outcome.claim, outcome.checks, outcome.runs, "c").figure.axes
    drawn = [np.asarray(line.get_ydata()) for line in axes[0].get_lines()]
    for line, run in zip(drawn, outcome.runs.values(), strict=True):
        np.testing.assert_array_equal(line, np.median(run.gap_history, 1))
    fields = [np.asarray(line.get_ydata()) for line in axes[1].get_lines()]
    x = np.asarray(axes[1].get_lines()[0].get_xdata())
    for line, run in zip(fields[1:], outcome.runs.values(), strict=True):
        assert any(np.array_equal(line, row) for row in run.field(x))


def test_verdicts_follow_the_data(study: PaperStudy) -> None:
    study = converged(study)
    scans = study.landscape.scans
    noisy = dict(scans) | {("relu", "exact"): scans["relu", "quadrature"]}
    by_noise = {f.figure: f.verdict for f in findings(replace(study, landscape=replace(study.landscape, scans=noisy)))}
    smooth = dict(scans) | {("relu", "quadrature"): scans["relu", "exact"]}
    no_noise = {f.figure: f.verdict for f in findings(replace(study, landscape=replace(study.landscape, scans=smooth)))}
    # At eleven points along a side nothing is ten times as rough as a parabola.
    assert by_noise[7] == no_noise[7] == "not borne out"
    rough, fine = dict(scans), np.linspace(-1, 1, 201)
    bowl = fine[:, None] ** 2 + fine**2
    noise = 0.1 * np.random.default_rng(0).normal(size=bowl.shape)
    for scan, values in {
        ("relu", "quadrature"): bowl + noise, ("relu", "exact"): bowl, ("relu2", "quadrature"): bowl + noise,
    }.items():  # fmt: skip
        rough[scan] = replace(scans[scan], values=np.stack([values] * 9), first=fine, second=fine)
    found = findings(replace(study, landscape=replace(study.landscape, scans=rough)))
    assert [f.verdict for f in found if f.figure in (7, 8)] == ["borne out in part", "not borne out"]


def test_a_spike_in_autodiff_would_be_seen() -> None:
    compared = compare_neuron(problems["sine-2"], ["torch"])
    assert [c.holds for c in compared.checks] == [True, True]
    analytic = tuple(values for _, values in compared.panels)
    assert [c.holds for c in replace(compared, autodiff=analytic).checks] == [True, False]
    assert "only the mixed gradient differs" in neuron_page(compared).title
    refuted = neuron_page(replace(compared, autodiff=analytic))
    assert "only" not in refuted.title.lower()
    assert "Not so: The mixed gradients" in refuted.caption
    off = (compared.autodiff[0] + 1e-6, *compared.autodiff[1:])
    assert [c.holds for c in replace(compared, autodiff=off).checks] == [False, False]
    drawn = [np.asarray(line.get_ydata()) for ax in neuron_figure(compared).axes for line in ax.get_lines()]
    assert all(any(np.array_equal(values, line) for line in drawn) for values in (*analytic, *compared.autodiff))


def test_what_was_not_compared_is_not_borne_out(study: PaperStudy) -> None:
    assert verdict([]) == "not borne out"
    assert verdict(compare_neuron(problems["sine-2"], []).checks) == "not borne out"
    own = tuple(r for r in study.audit.rows if r.system == OWN)
    without = replace(converged(study), audit=replace(study.audit, rows=own))
    assert {f.figure: f.verdict for f in findings(without)}[3] == "not borne out"


def test_titles_claim_nothing_that_the_data_refute(study: PaperStudy) -> None:
    study = converged(study)
    assert _beyond(study)[0].title == "Beyond the paper: its nearest-node delta does not converge either"
    mean = next(r for r in study.audit.rows if r.delta == "mean")
    rows = tuple(replace(mean, delta="nearest") if r.delta == "nearest" else r for r in study.audit.rows)
    converging = replace(study, audit=replace(study.audit, rows=rows))
    page = _beyond(converging)[0]
    assert page.title == "Beyond the paper: error against grid"
    assert "stop at a fixed error" not in page.caption


def test_no_label_reaches_into_a_claim(study: PaperStudy) -> None:
    with look():
        for page in _figures(study, findings(study))[-2:]:
            assert lowest_label(page) > max(block.y for block in page.blocks if isinstance(block, Text))


def test_pages_are_full_and_readable(study: PaperStudy) -> None:
    assert_pages_are_full_and_readable(report_of(paper_pages, paper_report, converged(study)))
    first_look = report_of(paper_pages, paper_report, study)
    # What a first look changes stands on the first pages; the others carry its stamp, as these do.
    assert_pages_are_full_and_readable(replace(first_look, pages=first_look.pages[:2]))


def test_the_first_page_is_the_finding(study: PaperStudy) -> None:
    first = finding_of(converged(study))
    gaps = [float(np.median(study.gradients[f"relu-{g}"].energy_gap)) for g in ("autodiff", "exact")]
    said = " ".join(block.text for block in first.blocks if isinstance(block, Text | Code))
    assert f"{gaps[0]:.3g} → {gaps[1]:.3g}" in said
    assert 'optimizer="varpro"' in said
    # After fifty epochs the gradient has not made half the gap; a quick run says nothing of the kind.
    assert "not most of the failure" in said or "does not mend it" in said
    looked = " ".join(block.text for block in finding_of(study).blocks if isinstance(block, Text | Code))
    assert "says nothing about the paper" in looked
    assert "failure" not in looked


def test_settings_that_make_no_sense_are_refused(paper_audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinkproof.reports.data.paper.audit_study", lambda *_, **__: paper_audit)
    with pytest.raises(InputError, match="seeds"):
        paper_study(seeds=0)
