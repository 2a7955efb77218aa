"""A report as one HTML file: the same figures as SVG, text and tables as such, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
import io
import re
from html import escape
from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure

from ...verify.files import write_whole
from .blocks import Block, Text
from .page import Page, Report
from .style import BLACK, ORANGE, PAGE, QUIET, ink, look

# Surfaces and contours consist of so many facets and corners that they are pictures within the SVG: dots an inch.
_DOTS = 150
# A browser shall fetch and run nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CSS = f"""
body {{ font-family: "STIX Two Text", "STIXGeneral", "Times New Roman", serif; color: {BLACK}; background: #fff;
  max-width: 70rem; margin: 2rem auto; padding: 0 1.5rem; line-height: 1.4; font-size: 1.05rem; }}
h1 {{ font-size: 1.7rem; }} h2 {{ font-size: 1.35rem; margin-top: 0; }}
section {{ border-top: 1px solid #ccc; padding: 1.5rem 0; }}
img {{ max-width: 100%; height: auto; }}
.pair {{ display: flex; flex-wrap: wrap; gap: 0 2rem; align-items: flex-start; }} .pair > div {{ flex: 1 1 20rem; }}
table {{ border-collapse: collapse; margin: 0.8rem 0; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.15rem 0.7rem; border-bottom: 1px solid #ddd; vertical-align: baseline; }}
pre {{ background: #f4f4f4; border: 1px solid #ccc; padding: 0.7rem; overflow-x: auto; font-size: 0.85rem; }}
.lead {{ font-size: 1.3rem; }}
.row {{ display: flex; gap: 1rem; margin: 0.4rem 0; }} .row p {{ margin: 0; }}
.row > div:first-child {{ white-space: nowrap; }}
.number {{ font-size: 2.2rem; margin: 0.6rem 0 0; }} .number + .text {{ margin-top: 0; }}
.stamp {{ font-weight: bold; }}
nav, footer, .quiet {{ color: {QUIET}; }} nav a {{ color: #0058A3; }}
""".strip()


def write_html(path: Path, report: Report) -> None:
    """Write the pages, one below the other; the same pages, the same bytes.

    Raises:
        InputError: the path cannot be written, or SOURCE_DATE_EPOCH is no date.
    """
    stamp = f'<p class="stamp" style="color:{ink(ORANGE)}">{escape(report.stamp)}</p>' if report.stamp else ""
    links = " · ".join(f'<a href="#page-{k}">{escape(page.title)}</a>' for k, page in enumerate(report.pages, 1))
    head = [
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="description" content="{escape(report.subject)}">', '<meta name="generator" content="kinkproof">',
        f"<title>{escape(report.title)}</title>", f"<style>{_CSS}</style>", "</head>", "<body>",
        f"<h1>{escape(report.title)}</h1>", stamp, f"<nav>{links}</nav>",
    ]  # fmt: skip
    with look():
        sections = [_section(page, number) for number, page in enumerate(report.pages, 1)]
    foot = [f"<footer>{escape(report.foot)}</footer>", "</body>", "</html>", ""]
    write_whole(path, "\n".join(part for part in [*head, *sections, *foot] if part).encode() + b"\n")


def _section(page: Page, number: int) -> str:
    out = [f'<section id="page-{number}">', f"<h2>{escape(page.title)}</h2>"]
    blocks = list(page.blocks)
    # What leads stands above the figure, as on paper.
    out += [block.html() for block in blocks if getattr(block, "role", "") == "lead"]
    beside = _lines([block for block in blocks if getattr(block, "role", "") != "lead"])
    if page.figure.axes or page.figure.texts:
        drawn = f'<img alt="{escape(page.title)}" src="{picture(page.figure)}">'
        # Beside the figure where it leaves room, else below it.
        out += ['<div class="pair">', drawn, "<div>", *beside, "</div>", "</div>"] if beside else [drawn]
    else:
        out += beside
    caption = escape(page.caption).replace("\n", "<br>")
    return "\n".join([*out, f"<p>{caption}</p>" if caption else "", "</section>"])


def _lines(blocks: list[Block]) -> list[str]:
    """The blocks one after the other; text that stands beside other text on paper does so here."""
    out = []
    for _, group in groupby(blocks, lambda block: block.y if isinstance(block, Text) else id(block)):
        side_by_side = list(group)
        if len(side_by_side) == 1:
            out.append(side_by_side[0].html())
        else:
            cells = " ".join(f"<div>{block.html()}</div>" for block in side_by_side)
            out.append(f'<div class="row">{cells}</div>')
    return out


def picture(figure: Figure) -> str:
    """The figure as an SVG that is its own address; letters are outlines, so that it looks the same everywhere."""
    figure.set_size_inches(*PAGE)
    heavy = [c for axes in figure.axes for c in axes.collections if axes.name == "3d" or isinstance(c, ContourSet)]
    for collection in heavy:
        collection.set_rasterized(True)
    buffer = io.BytesIO()
    with np.errstate(over="ignore"):
        # No date and no names of others in it.
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.05, dpi=_DOTS, metadata=nothing)
    for collection in heavy:
        collection.set_rasterized(False)
    # The document type names a page of the W3C, which a browser does not need.
    drawn = re.sub(rb"<!DOCTYPE[^>]*>\s*", b"", buffer.getvalue())
    return "data:image/svg+xml;base64," + base64.b64encode(drawn).decode()
