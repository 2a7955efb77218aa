"""The same report as PDF and as HTML."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from kinkproof.reports.layout.blocks import Code, Table, Text
from kinkproof.reports.layout.page import Page, Report
from kinkproof.reports.layout.style import look
from kinkproof.reports.layout.writing import require_report_path, write_report
from kinkproof.verify import InputError
from matplotlib.figure import Figure
from pypdf import PdfReader


def report() -> Report:
    with look():
        line, surface = Figure(), Figure()
        line.add_axes((0.1, 0.3, 0.8, 0.5)).plot([0, 1], [1, 0])
        side = np.linspace(-1, 1, 9)
        axes = surface.add_axes((0.1, 0.3, 0.8, 0.5), projection="3d")
        axes.plot_surface(*np.meshgrid(side, side), np.add.outer(side**2, side**2))  # type: ignore[attr-defined]
        told = (Text("The error stays < 1 however fine the grid.", 0.05, 0.9, 0.9, role="lead"),)
        table = Table(("n", "error"), [("100", "0.1")], 0.05, 0.8, (0.1, 0.1), "rr")
        pages = [
            Page("The finding", "A caption.", line, (*told, Code("loss = integrate(energy)", 0.05, 0.2, 0.5))),
            Page("A surface", "", surface),
            Page("A claim", "", Figure(), (Text("✓", 0.05, 0.8, 0.02), Text("It holds.", 0.1, 0.8, 0.8))),
            Page("A table", "Another caption.", Figure(), (table,)),
        ]
    return Report("A title & more", "a subject", pages, "problem sine-2, 20 neurons", "First look")


class Links(HTMLParser):
    """All that a browser would follow or fetch, and whether elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [str(found[k]) for k in ("src", "href", "data", "action") if k in found]
        self.ids |= {str(found["id"])} if "id" in found else set()
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_html_is_self_contained_and_well_formed(tmp_path: Path) -> None:
    write_report(tmp_path / "r.html", report())
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    seen = Links()
    seen.feed(text)
    assert seen.open == []
    for link in seen.links:
        assert link.startswith("data:image/svg+xml;base64,") or link[1:] in seen.ids
    assert "default-src 'none'" in text
    assert not re.search(r"<script|@import|url\(", text)
    pictures = [base64.b64decode(link.partition(",")[2]) for link in seen.links if link.startswith("data:")]
    # The table is one of HTML, not a picture.
    assert len(pictures) == 2
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        hrefs = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(v.startswith(("#", "data:")) for v in hrefs)
        assert b"DOCTYPE" not in picture
        # Outlines in place of letters: nothing depends on the fonts of who reads it.
        assert not list(root.iter("{http://www.w3.org/2000/svg}text"))


def test_the_html_says_what_the_pdf_says(tmp_path: Path) -> None:
    for name in ("r.html", "r.pdf"):
        write_report(tmp_path / name, report())
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    texts = " ".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages)
    for said in ("The finding", "A caption.", "however fine the grid", "loss = integrate(energy)", "A surface", "error",
                 "0.1", "First look", "problem sine-2, 20 neurons"):  # fmt: skip
        assert said in page
        assert said in " ".join(texts.split())
    assert "A title &amp; more" in page
    # What stands beside each other on paper does so here.
    assert re.search(r'class="row"><div><p[^>]*>✓</p></div> <div><p[^>]*>It holds.</p></div></div>', page)
    assert page.index("however fine") < page.index("<img") < page.index("integrate(energy)")


@pytest.mark.parametrize("name", ["r.html", "r.pdf"])
def test_the_same_report_gives_the_same_bytes_whatever_was_written_before(tmp_path: Path, name: str) -> None:
    once = report()
    for other in ("first.pdf", "first.html"):
        write_report(tmp_path / other, once)
    write_report(tmp_path / name, once)
    before = (tmp_path / name).read_bytes()
    write_report(tmp_path / name, report())
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("name", ["r.html", "r.pdf"])
def test_the_foot_says_version_settings_and_the_date_if_there_is_one(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        write_report(tmp_path / name, report())
        if name.endswith("html"):
            return (tmp_path / name).read_text(encoding="utf-8")
        return PdfReader(tmp_path / name).pages[3].extract_text()

    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert re.search(r"kinkproof \d+\.\d+\.\d+\s+·\s+problem sine-2, 20 neurons", said())
    assert "2026" not in said()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795651200")
    assert "26 November 2026" in said()


def test_another_ending_is_refused_with_one_that_would_do(tmp_path: Path) -> None:
    for name in ("r.png", "r", "r.PDFF"):
        with pytest.raises(InputError, match=r"a report ends in \.pdf or \.html; .*r\.pdf would be right"):
            require_report_path(tmp_path / name)
    assert require_report_path(tmp_path / "R.HTML").name == "R.HTML"
