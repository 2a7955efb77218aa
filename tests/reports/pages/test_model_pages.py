from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from kinkproof.reports import model_report
from kinkproof.reports.layout.blocks import Text
from kinkproof.reports.layout.style import PAGE, look
from kinkproof.reports.pages import model_pages
from kinkproof.reports.pages.model_pages import _finding, _kinks, _missing
from kinkproof.verify import InputError, audit
from kinkproof.verify.models.telling.model_findings import ModelAudit
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pypdf import PdfReader

from ..pdf import assert_pages_are_full_and_readable, report_of

EXAMPLES = Path(__file__).parents[3] / "examples"
PAGES = 5


@pytest.fixture(scope="module")
def bar() -> ModelAudit:
    found = runpy.run_path(str(EXAMPLES / "hyperelastic_bar.py"))
    return audit(found["model"], found["energy"], found["domain"], ends=found["ends"])


@pytest.fixture(scope="module")
def report(bar: ModelAudit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_report(bar, tmp_path_factory.mktemp("report") / "bar.pdf")


@pytest.mark.slow
def test_pages_bookmarks_and_numbers(report: Path, bar: ModelAudit) -> None:
    reader = PdfReader(report)
    assert len(reader.pages) == PAGES
    bookmarks = [item["/Title"] for item in reader.outline]
    texts = [page.extract_text() for page in reader.pages]
    for number, (text, title) in enumerate(zip(texts, bookmarks, strict=True), 1):
        assert title in text
        assert f"{number} / {PAGES}" in text
    for found in bar.findings:
        assert found.name in texts[1]
        assert found.verdict in texts[1]
        for error in found.study.errors:
            assert f"{error:.1e}" in texts[1]
    assert bar.total is not None
    for offender in bar.total.offenders:
        assert offender.label in texts[3]
    pasted = " ".join(texts[2].split())
    for line in bar.remedy.splitlines():
        # A comment that goes on in the next line begins anew there.
        assert line.startswith("#") or line in pasted
    assert "gradcheck passes" in texts[1]
    assert "float64" in texts[4]
    assert "torch" in texts[4]


def test_figures_show_the_audit(bar: ModelAudit) -> None:
    dots = _missing(bar).figure.axes[0].get_lines()[-1]
    chosen = np.argsort(-np.abs(bar.dirac), kind="stable")
    np.testing.assert_array_equal(np.asarray(dots.get_xdata()), bar.dirac[chosen])
    lacking = bar.bulk + bar.dirac - bar.autodiff
    np.testing.assert_array_equal(np.asarray(dots.get_ydata()), lacking[chosen])
    stems = _kinks(bar).figure.axes[2].collections[0].get_segments()
    np.testing.assert_allclose([s[0][0] for s in stems], bar.kinks)
    np.testing.assert_allclose([s[1][1] for s in stems], np.abs(bar.heights))


@pytest.mark.slow
def test_the_same_audit_gives_the_same_bytes(report: Path, bar: ModelAudit, tmp_path: Path) -> None:
    assert model_report(bar, tmp_path / "again.pdf").read_bytes() == report.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("example", ["monte_carlo", "tanh"])
def test_reports_of_draws_and_of_what_passes(example: str, tmp_path: Path) -> None:
    found = runpy.run_path(str(EXAMPLES / f"{example}.py"))
    result = audit(found["model"], found["energy"], found["domain"], quadrature=found.get("quadrature"))
    texts = [p.extract_text() for p in PdfReader(model_report(result, tmp_path / "it.pdf")).pages]
    # What passes has nothing missing, and tanh no kinks: no page without content.
    assert len(texts) == (3 if result.passed else PAGES)
    assert ("is right" in texts[0]) == result.passed
    assert ("integrate(" in texts[0]) != result.passed
    assert_pages_are_full_and_readable(report_of(model_pages, model_report, result))


@pytest.mark.slow
def test_a_deep_model_whose_small_parts_are_wrong_is_told_as_such() -> None:
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = [torch.nn.Linear(1, 8)]
    for _ in range(12):
        layers += [torch.nn.ReLU(), torch.nn.Linear(8, 8)]
    model = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Linear(8, 1)).double()
    found = audit(model, lambda x, u, du: du**2 / 2 + u**2 / 2 - torch.cos(3 * x) * u, (-1, 1))
    assert (found.verdict, found.total and found.total.verdict) == ("inconsistent", "consistent")
    shown = report_of(model_pages, model_report, found)
    wrong = sum(t.verdict == "inconsistent" for t in found.tensors)
    lead = next(block for block in shown.pages[0].blocks if isinstance(block, Text) and block.role == "lead")
    assert lead.text.startswith(f"In {wrong} of {len(found.tensors)} tensors")
    assert_pages_are_full_and_readable(shown)


def test_no_verdict_has_a_report_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinkproof.verify.models.model_audit.ROUTES", 0.0)
    found = runpy.run_path(str(EXAMPLES / "tanh.py"))
    result = audit(found["model"], found["energy"], found["domain"])
    assert result.verdict == "none"
    texts = [p.extract_text() for p in PdfReader(model_report(result, tmp_path / "it.pdf")).pages]
    assert len(texts) == 2
    assert "no verdict" in texts[0]
    assert "DISAGREE" in texts[0]


def test_a_path_that_cannot_be_written_is_named(bar: ModelAudit, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        model_report(bar, tmp_path)


@pytest.mark.slow
def test_long_names_stay_where_they_belong() -> None:
    class ModelWithANameThatIsLongerThanMostOfTheOnesThatOneSees(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            layers = torch.nn.Linear(1, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)
            self.a_rather_long_name_of_the_network_inside = torch.nn.Sequential(*layers).double()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.a_rather_long_name_of_the_network_inside(x)  # type: ignore[no-any-return]

    found = audit(ModelWithANameThatIsLongerThanMostOfTheOnesThatOneSees(), lambda x, u, du: du**2 / 2 - u, (-1, 1))
    with look():
        first = _finding(found)
        kinks = _kinks(found).figure
        assert first.title.endswith("midpoint rule: inconsistent")
        # The titles of other pages are about as long.
        assert len(first.title) <= 62
        # As it is written; with fine pixels, so that the letters have the widths that they have in a PDF.
        kinks.set_size_inches(*PAGE)
        kinks.set_dpi(300)
        FigureCanvasAgg(kinks).draw()
        legend = kinks.axes[0].get_legend()
        assert legend is not None
        box = legend.get_window_extent()
        assert box.x0 > 0
        assert box.x1 < kinks.bbox.x1
    assert_pages_are_full_and_readable(report_of(model_pages, model_report, found))


@pytest.mark.slow
def test_each_of_several_outputs_has_its_curve(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(1, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).double()
    found = audit(net, lambda x, u, du: (du**2).sum(1) / 2 - u[:, 2], (-1, 1))
    curves = [[line for line in axes.lines if len(line.get_xdata()) > 2] for axes in _kinks(found).figure.axes]
    assert [len(c) for c in curves[:2]] == [3, 3]
    np.testing.assert_array_equal(curves[1][2].get_ydata(), found.profile[6])
    assert model_report(found, tmp_path / "outputs.pdf").exists()
