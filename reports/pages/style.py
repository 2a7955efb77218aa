"""One look for all figures and pages."""

from __future__ import annotations

import io
import logging
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from pypdf import PdfReader, PdfWriter

from ...verify.errors import InputError
from ...verify.files import write_whole

# Okabe and Ito (2008): colours that stay apart under all common colour-vision deficiencies.
BLACK, ORANGE, GREEN, BLUE, RED = "#000000", "#E69F00", "#009E73", "#0072B2", "#D55E00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#777777"
# Logarithmic axes show what is zero, or rounding of rounding, here.
LEAST = 1e-17
PAGE = (11.69, 8.27)  # A4, landscape, inches
# Characters of a caption's line; four lines fit below the figure.
_CAPTION_WIDTH = 142
_STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType: text in the PDF can be searched and copied
    "mathtext.fontset": "dejavusans",
    "figure.dpi": 100,
    "svg.hashsalt": "kinkproof",
}


@dataclass(frozen=True)
class Page:
    """One page: its bookmark and headline, its caption in a sentence or two, its figure."""

    title: str
    caption: str
    figure: Figure


@contextmanager
def look() -> Iterator[None]:
    """The project's settings, whatever the user's matplotlibrc says."""
    # fontTools remarks on the (correct, constant) dates inside the embedded fonts whenever it makes a subset.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def creation_date() -> dict[str, str]:
    """What the metadata say of the date: SOURCE_DATE_EPOCH, seconds since 1970 in UTC, or nothing.

    Raises:
        InputError: it is no such number.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return {}
    try:
        if not (epoch.isascii() and epoch.isdigit()):
            raise ValueError
        return {"/CreationDate": datetime.fromtimestamp(int(epoch), UTC).strftime("D:%Y%m%d%H%M%SZ")}
    except (ValueError, OverflowError, OSError):
        raise InputError(
            f"SOURCE_DATE_EPOCH: {epoch!r} is no date; whole seconds since 1970 such as 1735689600 would be right"
        ) from None


def write_pdf(path: Path, pages: list[Page], title: str, subject: str, stamp: str = "") -> None:
    """A vector PDF with headlines, captions, page numbers, bookmarks and metadata; the same pages, the same bytes.

    No date is stored unless SOURCE_DATE_EPOCH gives one.

    Args:
        path: the file.
        pages: in their order.
        title: for the metadata.
        subject: likewise.
        stamp: what every page says above its headline.

    Raises:
        InputError: the path cannot be written, or SOURCE_DATE_EPOCH is no date.
    """
    buffer = io.BytesIO()
    with look(), PdfPages(buffer, metadata={"CreationDate": None, "Producer": None, "Creator": None}) as pdf:
        for number, page in enumerate(pages, 1):
            figure = page.figure
            figure.set_size_inches(*PAGE)
            figure.text(0.05, 0.945, page.title, fontsize=17, weight="bold", va="center")
            caption = "\n".join(textwrap.fill(line, _CAPTION_WIDTH) for line in page.caption.split("\n"))
            figure.text(0.05, 0.138, caption, fontsize=10.5, va="top", linespacing=1.35)
            figure.text(0.95, 0.982, stamp, fontsize=10.5, weight="bold", ha="right", va="center", color=ORANGE)
            figure.text(0.95, 0.018, f"{number} / {len(pages)}", fontsize=9, ha="right", color="#555555")
            figure.text(0.05, 0.018, "kinkproof", fontsize=9, color="#555555")
            # mplot3d fills up faces of fewer corners with whatever the memory holds, and reckons with that before it is
            # masked; whether it overflows says nothing.
            with np.errstate(over="ignore"):
                pdf.savefig(figure)
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(buffer.getvalue())))
    named = {"/Title": title, "/Subject": subject, "/Author": "kinkproof", "/Producer": "kinkproof"}
    writer.metadata = named | creation_date()
    for number, page in enumerate(pages):
        writer.add_outline_item(title=page.title, page_number=number)
    out = io.BytesIO()
    writer.write(out)
    write_whole(path, out.getvalue())
