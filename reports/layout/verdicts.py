"""The table of verdicts, as every report draws it."""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import Table
from .pdf import LEFT
from .style import BLUE, GREEN, GREY, RED

COLOURS = {
    "exact": GREEN,
    "consistent": BLUE,
    "not run": GREY,
    **dict.fromkeys(("inconsistent", "failed", "none"), RED),
}


def verdict_table(
    heads: Sequence[str],
    cells: Sequence[Sequence[str]],
    verdicts: Sequence[str],
    widths: Sequence[float],
    align: str,
    *,
    bold: Sequence[int] = (),
    top: float = 0.905,
    bottom: float = 0.19,
    most: float = 0.05,
) -> Table:
    """A table over the page.

    Args:
        heads: names of the columns; the one called "verdict" is coloured.
        cells: text of each row, as many as there are heads.
        verdicts: of each row, a key of `COLOURS`.
        widths: of the columns, in shares of the page's width.
        align: "l" or "r" for each column.
        bold: rows to be set in bold.
        top: where it begins, in shares of the page's height.
        bottom: where the room for it ends; few rows are set further apart.
        most: how far at most.
    """
    judged = list(heads).index("verdict")
    colours = {(r, judged): COLOURS[verdict] for r, verdict in enumerate(verdicts)}
    heavy = {(r, c) for r in range(len(cells)) for c in (0, judged)}
    heavy |= {(r, c) for r in bold for c in range(len(heads))}
    # The heads take a row, too.
    step = min(most, (top - bottom) / (len(cells) + 1.2))
    size = min(12.5, 11 * step / 0.034)
    return Table(heads, cells, LEFT, top, widths, align, size, step, colours, frozenset(heavy))
