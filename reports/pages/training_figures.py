"""Figures of training runs: energy on the way, solution fields, and the claim that they bear out or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...solver.boxes.runs import BoxRun
from ...solver.data.statement import data
from ...solver.training.checks import Check, verdict
from ...solver.training.runs import Run
from ...solver.training.starts import DESCRIPTIONS
from ..data.autodiff_end import autodiff_end
from ..layout.blocks import Block, Column, Text
from ..layout.page import Page
from ..layout.pdf import LEFT, RIGHT
from ..layout.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, QUIET, RED, SKY

Array = NDArray[Any]

# Of every run of the reports: what it is called, its colour and its line: dashes, so that curves that lie on one
# another are all seen.
Line = str | tuple[float, tuple[float, ...]]
LOOKS: dict[str, tuple[str, str, Line]] = {
    "relu-autodiff": ("ReLU, autodiff", RED, "-"),
    "relu-dirac-nearest": ("ReLU, nearest-node delta (10)", PURPLE, (0, (9, 3))),
    "relu-finite-difference": ("ReLU, finite differences", ORANGE, (0, (6, 2, 1.5, 2))),
    "relu-dirac-mean": ("ReLU, mean delta", SKY, (0, (4, 4))),
    "relu-exact": ("ReLU, exact gradient", BLUE, (0, (1.5, 1.5))),
    "relu-regression": ("ReLU, regression", GREEN, "--"),
    "relu-autodiff-after-regression": ("ReLU, regression, then autodiff", PURPLE, "-"),
    "relu-exact-after-regression": ("ReLU, regression, then exact", BLUE, (0, (6, 2))),
    "relu-exact-lbfgs-after-regression": ("ReLU, regression, then exact, L-BFGS", SKY, (0, (2, 2))),
    "relu2-autodiff": ("ReLU², autodiff", ORANGE, (0, (6, 2))),
    "tanh-autodiff": ("tanh, autodiff", GREY, (0, (6, 2, 1.5, 2))),
}
VERDICT_COLOURS = {"borne out": GREEN, "borne out in part": ORANGE, "not borne out": RED}
_FIELD_POINTS = 1001


def training_page(
    title: str, claim: str, checks: Iterable[Check], runs: Mapping[str, Run], caption: str, judged: bool = True
) -> Page:
    """Energy gaps on the way beside the solution fields; below them the claim, its checks and the verdict.

    Args:
        title: of the page and its bookmark.
        claim: the paper's, "" where it makes none.
        checks: computed from the runs.
        runs: label, one of `LOOKS`, → run; all of the same problem.
        caption: what to see, in a sentence.
        judged: are the runs long enough for a verdict?
    """
    figure = Figure()
    axes = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    figure.subplots_adjust(left=0.1, right=0.975, top=0.88, bottom=0.53, wspace=0.27)
    history_axes(axes[0], runs)
    field_axes(axes[1], axes[2], runs)
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.525, 0.472), ncols=4, fontsize=11)
    starts = {run.settings.initial: None for run in runs.values() if run.settings.energy != "misfit"}
    caption += f" Start: {'; '.join(DESCRIPTIONS[start] for start in starts)}."
    limit = autodiff_end(runs["relu-autodiff"].ritz_problem) if "relu-autodiff" in runs else None
    if limit is not None:
        caption += f" Computed without training: {limit.sentence}."
    lost = [f"{LOOKS[n][0]}: {int(r.diverged.sum())} of {len(r.stops)}" for n, r in runs.items() if r.diverged.any()]
    if lost:
        caption += f"\nNetworks that met NaN or inf and are shown as they last were: {'; '.join(lost)}."
    return Page(title, caption, figure, claim_blocks(claim, checks, top=0.39, judged=judged))


def history_axes(axes: Axes, runs: Mapping[str, Run]) -> None:
    """Energy gap (exact integral) against epochs: the median over the seeds as a line, all of them as a band."""
    for label, run in runs.items():
        name, colour, line = LOOKS[label]
        gap = run.gap_history
        if run.settings.energy == "misfit":
            # It does not minimise the energy: only where it ends is of interest here.
            axes.axhline(float(np.median(gap[-1])), color=colour, linestyle=line, label=name)
            continue
        steps = run.history.steps
        axes.fill_between(steps, gap.min(1), gap.max(1), color=colour, alpha=0.13, linewidth=0)
        axes.plot(steps, np.median(gap, 1), color=colour, linestyle=line, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("epochs")
    axes.set_ylabel(r"energy gap $\Pi(\hat u) - \Pi(u)$")
    seeds = max(len(r.stops) for r in runs.values())
    axes.set_title(f"Median of {seeds} seeds, band least to greatest")


def field_axes(axes: Axes, errors: Axes, runs: Mapping[str, Run]) -> None:
    """The field of each run's network of median gap over the solution, and how far it is from it."""
    problem = next(iter(runs.values())).problem
    left, right = (float(e) for e in problem.domain)
    x = np.linspace(left, right, _FIELD_POINTS)
    solution = data(problem, "solution")(torch.as_tensor(x)).numpy()
    axes.plot(x, solution, color=BLACK, linewidth=3.4, alpha=0.35, label="solution")
    for label, run in runs.items():
        name, colour, line = LOOKS[label]
        field = run.field(x)[median_member(run)]
        axes.plot(x, field, color=colour, linestyle=line, linewidth=1.4, label=name)
        errors.plot(x, field - solution, color=colour, linestyle=line, linewidth=1.2)
    for ax in (axes, errors):
        ax.set_xlabel("$x$")
    axes.set_title(r"Field $\hat u$ at the median gap")
    errors.set_title(r"Its error $\hat u - u$")


def median_member(run: Run | BoxRun) -> int:
    """Which network has the median gap (the lower of two)."""
    order = np.argsort(run.energy_gap)
    return int(order[(len(order) - 1) // 2])


def claim_blocks(
    claim: str, checks: Iterable[Check], top: float, judged: bool = True, besides: str = "Not in the paper:"
) -> tuple[Block, ...]:
    """The claim with its verdict, and each check with its mark, from `top` downwards.

    What this project adds to the paper's own claim is set apart and does not enter the verdict. Of a first look, which
    is not judged, there are the checks' numbers alone.
    """
    checks = tuple(checks)
    column = Column(LEFT, top, RIGHT - LEFT)

    def beside(mark: Text, x: float, text: str, size: float) -> None:
        said = Text(text, x, column.y, RIGHT - x, size)
        column.blocks.append(mark)
        column.add(said, 0.004)

    if claim:
        found = verdict(checks) if judged else "first look"
        mark = Text(found.upper(), LEFT, column.y, 0.17, 12, bold=True, colour=VERDICT_COLOURS.get(found, GREY))
        beside(mark, 0.22, f"Claim: {claim}", 12.5)
        column.y -= 0.004
    for own in (False, True):
        part = [c for c in checks if c.papers != own]
        if own and part and claim:
            column.text(besides, 11, 0.004, colour=QUIET)
        for check in part:
            sign, colour = ("?", GREY) if not judged else ("✓", GREEN) if check.holds else ("✗", RED)
            beside(Text(sign, LEFT, column.y, 0.02, 12, colour=colour), 0.07, check.sentence, 11.5)
    return tuple(column.blocks)
