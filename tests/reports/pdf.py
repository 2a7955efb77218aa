"""What every report must be: bookmarked, numbered, its fonts embedded, its pages full, its text readable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kinkproof.reports.layout.page import Page, Report
from kinkproof.reports.layout.pdf import lay_out
from kinkproof.reports.layout.style import PAGE, contrast, look
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text
from pypdf import PdfReader


def lowest_label(page: Page) -> float:
    """Where the lowest of all axes of a page ends, its labels included, in shares of the page's height."""
    page.figure.set_size_inches(*PAGE)
    canvas = FigureCanvasAgg(page.figure)
    canvas.draw()
    boxes = [axes.get_tightbbox(canvas.get_renderer()) for axes in page.figure.axes]
    return min(float(box.y0) for box in boxes if box is not None) / page.figure.bbox.height


def assert_whole_report(path: Path, pages: int) -> list[str]:
    """Returns the text of each page."""
    reader = PdfReader(path)
    assert len(reader.pages) == pages
    bookmarks = [item["/Title"] for item in reader.outline]
    assert [reader.get_destination_page_number(item) for item in reader.outline] == list(range(pages))
    assert reader.metadata is not None
    assert reader.metadata.title
    texts = [page.extract_text() for page in reader.pages]
    for number, (text, title) in enumerate(zip(texts, bookmarks, strict=True), 1):
        assert title in text
        assert f"{number} / {pages}" in text
    assert "Settings and versions" in texts[-1]
    for name in ("torch", "numpy", "python"):
        assert name in texts[-1]
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index, union-attr]
            found = font.get_object()
            descendants = found.get("/DescendantFonts")
            holder = descendants[0].get_object() if descendants is not None else found
            # A Type 3 font is its own drawing.
            if found["/Subtype"] != "/Type3":
                descriptor = holder["/FontDescriptor"].get_object()
                assert "/FontFile2" in descriptor or "/FontFile3" in descriptor
    return texts


# Cells of a page, across and down, and the share of them that must not be blank.
_CELLS, _FULL = (12, 8), 0.4
# Letters of neighbouring lines may touch: pixels at so many dots an inch.
_DOTS, _TOUCH = 80, 2


def report_of(module: ModuleType, write: Callable[[Any, Path], object], study: Any) -> Report:
    """The report that a function would write, with its figures."""
    kept: list[Report] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_report", lambda path, report: kept.append(report))
        write(study, Path("report.pdf"))
    return kept[0]


def assert_pages_are_full_and_readable(report: Report) -> None:
    """No page more than 60 % blank, no text too pale, on other text or over the edge; as `write_pdf` draws it."""
    with look():
        for number, page in enumerate(report.pages, 1):
            drawn = lay_out(page, report, number)
            canvas = FigureCanvasAgg(page.figure)
            page.figure.set_dpi(_DOTS)
            canvas.draw()
            for text in page.figure.findobj(Text):
                assert contrast(to_hex(text.get_color())) >= 4.5, (page.title, text)
            share = blank((np.asarray(canvas.buffer_rgba())[:, :, :3] < 250).any(2))
            assert share <= 1 - _FULL, f"{page.title}: {share:.0%} blank"
            edges = page.figure.bbox
            boxes = [(a.get_text(), a.get_window_extent()) for a in drawn if isinstance(a, Text) and a.get_text()]
            for k, (text, box) in enumerate(boxes):
                assert min(box.x0, box.y0, edges.x1 - box.x1, edges.y1 - box.y1) >= 0, (page.title, text)
                for other, below in boxes[:k]:
                    wide = min(box.x1, below.x1) - max(box.x0, below.x0)
                    high = min(box.y1, below.y1) - max(box.y0, below.y0)
                    assert min(wide, high) <= _TOUCH, (page.title, text, other)
            for artist in drawn:
                artist.remove()


def blank(inked: np.ndarray[Any, Any]) -> float:
    """Share of the page's cells in which nothing is."""
    rows = np.array_split(inked, _CELLS[1])
    cells = [cell.any() for row in rows for cell in np.array_split(row, _CELLS[0], axis=1)]
    return 1 - sum(cells) / len(cells)
