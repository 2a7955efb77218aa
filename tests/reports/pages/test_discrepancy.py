from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kinkproof.reports import discrepancy_report
from kinkproof.reports.layout.blocks import Code
from kinkproof.reports.pages import discrepancy
from kinkproof.reports.pages.difference_page import difference_sweep
from kinkproof.reports.pages.discrepancy import _missing, errors_page, finding_picture
from kinkproof.verify import InputError, ShallowNetwork, problems
from kinkproof.verify.systems.findings import Audit
from kinkproof.verify.systems.refinement import audit_systems
from pypdf import PdfReader

from ..pdf import assert_pages_are_full_and_readable, report_of

PAGES = 9


@pytest.fixture(scope="module")
def report(paper_audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return discrepancy_report(paper_audit, tmp_path_factory.mktemp("report") / "discrepancy.pdf")


def test_pages_bookmarks_and_metadata(report: Path) -> None:
    reader = PdfReader(report)
    assert len(reader.pages) == PAGES
    bookmarks = [item["/Title"] for item in reader.outline]
    assert len(bookmarks) == PAGES
    assert [reader.get_destination_page_number(item) for item in reader.outline] == list(range(PAGES))
    assert reader.metadata is not None
    assert "sine-2" in str(reader.metadata.title)
    for number, (page, title) in enumerate(zip(reader.pages, bookmarks, strict=True), 1):
        text = page.extract_text()
        assert title in text
        assert f"{number} / {PAGES}" in text


def test_the_numbers_of_the_audit_are_on_the_page(report: Path, paper_audit: Audit) -> None:
    texts = {p: PdfReader(report).pages[k].extract_text() for k, p in enumerate(("float64", "float32"), 1)}
    for row in paper_audit.rows:
        text = texts[row.precision]
        assert row.total is not None
        assert row.method in text
        assert row.system in text
        for error in row.total.errors:
            assert f"{error:.1e}" in text
        assert row.total.verdict in text
    settings = PdfReader(report).pages[-1].extract_text()
    assert "4*pi**2*sin(2*pi*x)" in settings
    assert "2.13.0" in settings or "torch" in settings


@pytest.mark.slow
def test_pages_are_full_and_readable(paper_audit: Audit) -> None:
    assert_pages_are_full_and_readable(report_of(discrepancy, discrepancy_report, paper_audit))


def test_the_first_page_is_the_finding(report: Path, paper_audit: Audit) -> None:
    first = " ".join(PdfReader(report).pages[0].extract_text().split())
    near = paper_audit.dirac_shares["near the solution"]
    assert f"near the solution it misses {near:.3g} times the whole gradient" in first
    assert f"{near:.3g} ×" in first
    assert "integrate(energy, model, domain)" in first
    # Active everywhere: nothing is missing, and nothing is advised.
    straight = own_audit(ShallowNetwork(hidden_weights=[1], hidden_biases=[1], output_weights=[1]))
    said = report_of(discrepancy, discrepancy_report, straight).pages[0].blocks
    assert not any(isinstance(block, Code) for block in said)


def test_every_font_is_embedded(report: Path) -> None:
    fonts = 0
    for page in PdfReader(report).pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index, union-attr]
            found = font.get_object()
            descendants = found.get("/DescendantFonts")
            holder = descendants[0].get_object() if descendants is not None else found
            if found["/Subtype"] == "/Type3":
                continue
            descriptor = holder["/FontDescriptor"].get_object()
            assert "/FontFile2" in descriptor or "/FontFile3" in descriptor
            fonts += 1
    assert fonts > 0


def test_figures_show_the_audit_and_not_something_like_it(paper_audit: Audit) -> None:
    axes = errors_page(paper_audit).figure.axes[0]
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.get_lines()}
    drawn = [list(line.get_ydata()) for line in axes.get_lines()]
    for row in paper_audit.rows:
        if row.precision == "float64" and row.total and row.method != "no delta":
            assert list(row.total.errors) in drawn
    assert {"autodiff: autograd, jax, torch", "kink-split quadrature: autograd, jax, torch", "mean delta"} <= set(lines)
    bars = [p.get_height() for p in _missing(paper_audit).figure.axes[0].patches]
    np.testing.assert_allclose(bars, paper_audit.exact.dirac.hidden_weights)


def own_audit(network: ShallowNetwork) -> Audit:
    return audit_systems(problems["sine-2"], network, (), (100, 300, 1_000))


def test_a_caption_tells_what_the_audit_found(paper_audit: Audit) -> None:
    assert "stop at a fixed error" in errors_page(paper_audit).caption
    # Active everywhere: no kink inside the domain, nothing is missing, and no error stands still.
    straight = own_audit(ShallowNetwork(hidden_weights=[1], hidden_biases=[1], output_weights=[1]))
    page = errors_page(straight)
    assert "stop at a fixed error" not in page.caption
    assert "nearest-node delta, Eq. (10): consistent" in page.caption


@pytest.mark.slow
def test_a_silent_network_has_a_report(tmp_path: Path) -> None:
    # Its gradient is zero, and so is every error: there is no relative one.
    silent = own_audit(ShallowNetwork(hidden_weights=[1], hidden_biases=[-2], output_weights=[1]))
    sweep = difference_sweep(silent)
    assert not sweep.errors.any()
    assert not sweep.autodiff.any()
    reader = PdfReader(discrepancy_report(silent, tmp_path / "silent.pdf"))
    assert all("nan" not in page.extract_text() for page in reader.pages[:-1])


@pytest.mark.slow
def test_the_same_audit_gives_the_same_bytes(report: Path, paper_audit: Audit, tmp_path: Path) -> None:
    again = discrepancy_report(paper_audit, tmp_path / "again.pdf")
    assert again.read_bytes() == report.read_bytes()
    pictures = [finding_picture(paper_audit, tmp_path / f"{k}.svg").read_bytes() for k in range(2)]
    assert pictures[0] == pictures[1]


def one_page(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report has its errors alone: what is asked is how it is written."""
    monkeypatch.setattr(discrepancy, "compare_neuron", lambda *_: None)
    for part in ("_finding", "neuron_page", "_missing", "_equations", "_settings"):
        monkeypatch.setattr(discrepancy, part, lambda *_: errors_page(audit))
    for part in ("_verdicts", "_differences"):
        monkeypatch.setattr(discrepancy, part, lambda *_: [])


@pytest.mark.slow
def test_source_date_epoch_sets_the_date(paper_audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_page(paper_audit, monkeypatch)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    metadata = PdfReader(discrepancy_report(paper_audit, tmp_path / "dated.pdf")).metadata
    assert metadata is not None
    assert metadata["/CreationDate"] == "D:19700101000000Z"


@pytest.mark.slow
def test_a_report_is_written_whole_or_not_at_all(
    paper_audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_page(paper_audit, monkeypatch)
    target = tmp_path / "report.pdf"
    target.write_bytes(b"before")
    monkeypatch.setattr("kinkproof.verify.files.os.replace", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        discrepancy_report(paper_audit, target)
    assert [p.name for p in tmp_path.iterdir()] == ["report.pdf"]
    assert target.read_bytes() == b"before"


def _interrupt(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_paths_that_cannot_be_written_are_named(paper_audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        discrepancy_report(paper_audit, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        discrepancy_report(paper_audit, tmp_path / "file" / "report.pdf")
    with pytest.raises(InputError, match=r"\.svg"):
        finding_picture(paper_audit, tmp_path / "finding.jpg")
