"""A report as a PDF: vector graphics, text that can be searched, bookmarks, the same bytes for the same pages."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from pypdf import PdfReader, PdfWriter

from ...verify.files import write_whole
from .blocks import Text, line_height
from .page import Page, Report, creation_date
from .style import ORANGE, PAGE, QUIET, look

# Edges of what is written, in shares of the page; where a caption begins, unless it is so long that it begins above.
LEFT, RIGHT, CAPTION = 0.05, 0.95, 0.138
_CAPTION_SIZE, _FOOT = 11.5, 0.036


def write_pdf(path: Path, report: Report) -> None:
    """Write the pages with headlines, captions, feet, bookmarks and metadata.

    No date is stored unless SOURCE_DATE_EPOCH gives one.

    Raises:
        InputError: the path cannot be written, or SOURCE_DATE_EPOCH is no date.
    """
    buffer = io.BytesIO()
    with look(), PdfPages(buffer, metadata={"CreationDate": None, "Producer": None, "Creator": None}) as pdf:
        for number, page in enumerate(report.pages, 1):
            drawn = lay_out(page, report, number)
            # mplot3d fills up faces of fewer corners with whatever the memory holds, and reckons with that before it is
            # masked; whether it overflows says nothing.
            with np.errstate(over="ignore"):
                pdf.savefig(page.figure)
            for artist in drawn:
                artist.remove()
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(buffer.getvalue())))
    named = {"/Title": report.title, "/Subject": report.subject, "/Author": "kinkproof", "/Producer": "kinkproof"}
    day = creation_date()
    writer.metadata = named | ({} if day is None else {"/CreationDate": day.strftime("D:%Y%m%d%H%M%SZ")})
    for number, page in enumerate(report.pages):
        writer.add_outline_item(title=page.title, page_number=number)
    out = io.BytesIO()
    writer.write(out)
    write_whole(path, out.getvalue())


def lay_out(page: Page, report: Report, number: int) -> list[Any]:
    """Put a page's text and its frame into its figure; returns what was added.

    Args:
        page: one of the report's.
        report: gives stamp, foot and the number of pages.
        number: of the page, from 1 on.
    """
    figure = page.figure
    figure.set_size_inches(*PAGE)
    width = RIGHT - LEFT
    caption = Text(page.caption, LEFT, CAPTION, width, _CAPTION_SIZE)
    # A long caption begins higher, not further down: below it stands the foot.
    top = max(CAPTION, _FOOT + 0.012 + len(caption.lines) * line_height(_CAPTION_SIZE))
    blocks = [
        Text(page.title, LEFT, 0.962, width, 18, bold=True),
        Text(page.caption, LEFT, top, width, _CAPTION_SIZE),
        Text(report.stamp, RIGHT, 0.995, width, 11, bold=True, colour=ORANGE, right=True),
        Text(report.foot, LEFT, _FOOT, 0.85, 9, colour=QUIET),
        Text(f"{number} / {len(report.pages)}", RIGHT, _FOOT, 0.1, 9, colour=QUIET, right=True),
    ]
    return [artist for block in (*blocks, *page.blocks) for artist in block.draw(figure)]
