"""The first page of every report: the finding in a sentence, a figure, the numbers that matter, the cure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from .blocks import Block, Column, Text
from .page import Page
from .pdf import LEFT, RIGHT
from .style import BLACK, RED

# Where the figure's axes lie, labels within: left, bottom, width, height, in shares of the page.
FIGURE_BOX = (0.085, 0.235, 0.475, 0.545)
_LEAD, _BESIDE = 0.895, 0.62


def finding_page(
    title: str,
    sentence: str,
    figure: Figure,
    numbers: Sequence[tuple[str, str]],
    cure: str,
    code: str = "",
    caption: str = "",
    colour: str = RED,
) -> Page:
    """A page that says what was found to whoever reads no other.

    Args:
        title: of the page and its bookmark.
        sentence: the finding.
        figure: with its axes in `FIGURE_BOX`.
        numbers: each with what it is, the one that matters first.
        cure: what to do, in a sentence or two; "" where there is nothing to do.
        code: lines to paste, if there are any.
        caption: what the figure shows, and how it was found.
        colour: of the first number.
    """
    lead = Text(sentence, LEFT, _LEAD, RIGHT - LEFT, 15, role="lead")
    beside = Column(_BESIDE, 0.785, RIGHT - _BESIDE)
    for k, (value, meaning) in enumerate(numbers):
        beside.text(value, 30 if k == 0 else 20, 0.006, bold=True, colour=colour if k == 0 else BLACK, role="number")
        beside.text(meaning, 12, 0.022)
    if cure:
        beside.text("The cure" if code else "What to do", 13, 0.006, bold=True)
        beside.text(cure, 12, 0.012)
    if code:
        beside.code(code, 8.5)
    blocks: tuple[Block, ...] = (lead, *beside.blocks)
    return Page(title, caption, figure, blocks)
