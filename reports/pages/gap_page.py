"""The chart of where the energy gap goes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..data.gap import LABELS, SOLVED, TANH, GapTable
from ..layout.page import Page
from ..layout.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, QUIET, RED, SKY

_COLOURS: dict[str, str] = dict(zip(LABELS, (RED, ORANGE, BLUE, SKY, PURPLE, GREEN, BLACK, GREY), strict=True))

_NOT_JUDGED = "What is to blame for the gap is said of runs that have converged."


def gap_page(table: GapTable, judged: bool = True) -> Page:
    """The chart: a line for each way, a dot for each seed, the median as a bar and in figures.

    Args:
        table: what is drawn.
        judged: are the runs long enough to say what is to blame?
    """
    figure = Figure()
    axes = figure.add_axes((0.31, 0.26, 0.58, 0.6))
    labels = list(table.gaps)
    for row, label in enumerate(labels):
        values, colour = np.sort(table.gaps[label]), _COLOURS[label]
        # Seeds side by side where they would lie on one another; no chance in it.
        offsets = 0.22 * (np.arange(len(values)) % 3 - 1) if len(values) > 1 else np.zeros(1)
        axes.plot([values[0], values[-1]], [row, row], color=colour, linewidth=1.2, alpha=0.6)
        if len(values) > 1:
            axes.plot(values, row + offsets, "o", color=colour, markersize=5, alpha=0.55, markeredgewidth=0)
        median = table.median(label)
        axes.plot(median, row, "D" if len(values) == 1 else "|", color=colour, markersize=9 if len(values) == 1 else 26,
                  markeredgewidth=3)  # fmt: skip
        axes.text(1.02, row, f"{median:.2g}", transform=axes.get_yaxis_transform(), va="center")
    axes.set_xscale("log")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(r"energy gap $\Pi(\hat u) - \Pi(u)$")
    axes.grid(visible=False, axis="y")
    axes.text(1.02, -0.6, "median", transform=axes.get_yaxis_transform(), color=QUIET)
    seeds = max(len(v) for v in table.gaps.values())
    caption = (
        f"Problem “{table.problem}”, {table.width} neurons; dots are seeds (up to {seeds}), bars their medians; "
        "diamonds stand alone. Training starts from w, b uniform in (−1, 1), or, spread, from a kink in each of equal "
        "cells, facing right and left in turn.\n"
        f"{_sentence(table) if judged else _NOT_JUDGED} The limit is to leading order; small networks may do better."
    )
    return Page("Where the energy gap goes", caption, figure)


def _sentence(table: GapTable) -> str:
    shares = table.shares
    if not shares:
        return "Shares need runs with autodiff, and with the exact gradient from both starts."
    said = (
        f"Of the gap of autodiff {shares['gradient']:.0%} go with the exact gradient, {shares['start']:.0%} more with "
        f"the start, {shares['optimiser']:.0%} with solving instead of ADAM; {shares['ReLU']:.1%} are ReLU's own"
    )
    if TANH in table.gaps:
        ratio = table.median(SOLVED) / table.median(TANH)
        said += f", {ratio:.2g} times the gap of tanh as trained"
    return said + "."
