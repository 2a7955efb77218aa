"""The table of verdicts, as every report draws it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from .style import BLUE, GREEN, GREY, RED

COLOURS = {
    "exact": GREEN,
    "consistent": BLUE,
    "not run": GREY,
    **dict.fromkeys(("inconsistent", "failed", "none"), RED),
}


def draw_verdicts(
    figure: Figure,
    heads: Sequence[str],
    cells: Sequence[Sequence[str]],
    verdicts: Sequence[str],
    widths: Sequence[float],
    *,
    bold: Sequence[int] = (),
    bottom: float = 0.14,
    height: float = 1.05,
) -> None:
    """Draw a table over the page.

    Args:
        figure: the page's figure.
        heads: names of the columns; the one called "verdict" is coloured.
        cells: text of each row, as many as there are heads.
        verdicts: of each row, a key of `COLOURS`.
        widths: of the columns, as shares of the table's width.
        bold: rows to be set in bold.
        bottom: where the caption's room ends, as a share of the page.
        height: of a row, in units of matplotlib's.
    """
    axes = figure.add_axes((0.05, bottom, 0.9, 0.91 - bottom))
    axes.axis("off")
    table = axes.table(
        [list(row) for row in cells], colLabels=list(heads), colWidths=list(widths), loc="upper center",
        cellLoc="left", edges="horizontal",
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(9.5)
    table.scale(1, height)
    judged = list(heads).index("verdict")
    for (line, column), cell in table.get_celld().items():
        cell.set_edgecolor("#CCCCCC")
        if line == 0 or column in (0, judged) or line - 1 in bold:
            cell.get_text().set_fontweight("bold")
        if line and column == judged:
            cell.get_text().set_color(COLOURS[verdicts[line - 1]])
