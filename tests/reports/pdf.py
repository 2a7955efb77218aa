"""What every report must be: bookmarked, numbered, its fonts embedded."""

from __future__ import annotations

from pathlib import Path

from kinkproof.reports.pages.style import PAGE, Page
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pypdf import PdfReader

# Where `write_pdf` begins a caption, in shares of the page's height.
CAPTION = 0.138


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
