"""The report “beyond the paper”: a verdict on what a referee asks, with medians, bands, kinks and where they sit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, LogLocator

from ...verify.statement.named import problems
from ..data.beyond import PROBLEM, Answer, Arm, BeyondStudy
from ..data.gram import ARMS, REDUCED, GramStudy
from ..layout.blocks import Block, Table, Text
from ..layout.page import Page, Report
from ..layout.pdf import LEFT, RIGHT
from ..layout.settings_page import settings_page
from ..layout.style import BLACK, BLUE, GREY, QUIET, RED, look
from ..layout.writing import require_report_path, write_report
from .training_figures import VERDICT_COLOURS, claim_blocks

_HEADS = ("", "seeds", "median\ngap", "band of\nthe median", "least –\ngreatest", "plateaux", "high",
          "kinks\ninside", "effective\nkinks", "where these sit")  # fmt: skip
_WIDTHS = (0.2, 0.035, 0.062, 0.118, 0.125, 0.165, 0.035, 0.045, 0.055, 0.09)
# Of a long list of plateaux the fullest.
_PLATEAUX = 2
# More places than this say no more.
_PLACES = 3
# Rows that fit a page beside the checks; where the figure below them begins, and how high it must be to show anything.
_ROWS = 16
_FLOOR, _LEAST = 0.235, 0.09
# Of a row's label in that figure, in shares of the page's height, and of one in small print.
_LABEL, _SMALL_LABEL = 0.022, 0.0155
_CITED = (
    "Nearest published methods: damped block Newton for shallow Ritz (Cai, Doktorova, Falgout, Herrera 2024, arXiv "
    "2404.17750) and the r-adaptive rFEM-NN (Aballay and others 2025, arXiv 2504.21160): the page of that name; "
    "adaptive quadrature for Deep Ritz (Liu, Cai, arXiv 2305.15257): “the integrand”; stochastic integration (Taylor, "
    "Pardo, arXiv 2504.11976): “other points”; energy natural gradients (Müller, Zeinhofer, arXiv 2302.13163): the "
    "page on Gram matrices; plateaux of training (Ainsworth, Shin, arXiv 2007.07213): where autodiff ends is one that "
    "no width leaves; a roughness index (Wu, Jian, Du, Chen, Zhou, arXiv 2103.11069): the landscape report."
)


def beyond_report(study: BeyondStudy, path: str | Path) -> Path:
    """Write the report of one study.

    Args:
        study: what `beyond_study` returned; all numbers shown come from it.
        path: the file to write, .pdf or .html.

    Raises:
        InputError: the path cannot be written, or ends in something else.
    """
    path = require_report_path(path)
    given = study.settings
    with look():
        pages = [
            _verdicts(study),
            *(page for answer in study.answers for page in _pages(answer)),
            gram_page(study.gram),
        ]
        pages.append(settings_page(problems[PROBLEM], [(k, v) for k, v in given.items() if k != "problem"], _CITED))
    title = "Beyond the paper: what a referee asks"
    subject = "what arXiv 2512.11184 leaves open, from real runs, each question with its verdict"
    about = (
        f"problem {PROBLEM}, {given['width']} neurons, {given['points']} midpoints, up to {given['seeds']} seeds, "
        f"{given['steps']:,} steps, unless a table says otherwise"
    )
    write_report(path, Report(title, subject, pages, about, study.first_look))
    return path


def _verdicts(study: BeyondStudy) -> Page:
    """Each question's claim with its verdict."""
    blocks: list[Block] = []
    # The last claim may need two lines above the caption.
    step = min(0.07, 0.7 / max(1, len(study.answers)))
    for k, answer in enumerate(study.answers):
        y = 0.885 - k * step
        found = answer.verdict or "first look"
        blocks.append(Text(answer.question.name, LEFT, y, 0.18, 13, bold=True))
        blocks.append(Text(found, 0.24, y, 0.15, 13, bold=True, colour=VERDICT_COLOURS.get(found, GREY)))
        held = [c.holds for c in answer.checks if c.papers]
        if answer.judged:
            blocks.append(Text(f"{sum(held)} of {len(held)}", 0.385, y, 0.06, 12.5, colour=QUIET))
        blocks.append(Text(answer.question.claim, 0.445, y, RIGHT - 0.445, 13))
    caption = (
        "Each claim is taken apart into checks that are computed from runs; the verdict counts those that hold. "
        "Training starts from w, b uniform in (−1, 1), c in ±1/√N, unless a table says “spread” (a kink in each of "
        "equal cells, facing right and left in turn) or “regression” (fitted to the solution first)."
    )
    return Page("Beyond the paper: what a referee asks", caption, Figure(), tuple(blocks))


def _pages(answer: Answer) -> list[Page]:
    """The table of one question, its checks, and every network as a dot; long tables on several pages."""
    rows = math.ceil(len(answer.arms) / math.ceil(len(answer.arms) / _ROWS))
    parts = [answer.arms[k : k + rows] for k in range(0, len(answer.arms), rows)]
    caption = (
        "Energy gap of the exact integral; band: nine of ten medians of resamples of the seeds; plateaux: the fullest, "
        "networks within 0.2 % of a neighbour; high: networks above four times the lower quartile; effective kinks: "
        "clusters at which û′ jumps by 1 % of its largest jump, of the network of median gap where they sit. Start: w, "
        f"b uniform in (−1, 1), c in ±1/√N, unless said otherwise. {answer.question.note}"
    ).rstrip()
    pages = []
    for number, arms in enumerate(parts, 1):
        # Long tables are set closer, so that the figure has room.
        step = 0.026 if len(arms) <= 10 else 0.0215
        table = Table(_HEADS, [_cells(arm) for arm in arms], LEFT, 0.905, _WIDTHS, "lrrrrrrrrl", 9.5, step)
        blocks: list[Block] = [table]
        if number == len(parts):
            blocks += claim_blocks(
                answer.question.claim, answer.checks, table.bottom - 0.025, answer.judged, besides="Besides:"
            )
        figure, room = Figure(), min(block.bottom for block in blocks) - 0.03 - _FLOOR
        if room > max(_LEAST, _SMALL_LABEL * len(arms)):
            _dots(figure.add_axes((0.3, _FLOOR, 0.65, room)), arms, 10 if room > _LABEL * len(arms) else 8)
        title = answer.question.name + (f" ({number} of {len(parts)})" if len(parts) > 1 else "")
        pages.append(Page(title, caption, figure, tuple(blocks)))
    return pages


def _dots(axes: Axes, arms: Sequence[Arm], fontsize: float) -> None:
    for k, arm in enumerate(arms):
        axes.plot(arm.gaps, [k] * len(arm.gaps), "o", color=BLUE, alpha=0.45, markersize=4.5, markeredgewidth=0)
        axes.plot(arm.median, k, "|", color=BLACK, markersize=13, markeredgewidth=2)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    if 3 < high / low < 200:
        # Between one decade and two Matplotlib labels so many ticks that they touch.
        axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.xaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf)))
    axes.set_yticks(range(len(arms)), [arm.label for arm in arms], fontsize=fontsize)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel("energy gap: a dot a seed, a bar the median")
    axes.grid(visible=False, axis="y")


def _cells(arm: Arm) -> list[str]:
    def count(value: float | None) -> str:
        return "–" if value is None else f"{value:g}"

    places = " ".join(f"{x:.3f}" for x in arm.places) if len(arm.places) <= _PLACES else "spread"
    plateaux = ", ".join(map(str, arm.plateaux[:_PLATEAUX])) or "–"
    low, high = arm.band
    return [
        arm.label, str(arm.seeds), f"{arm.median:.3g}", f"{low:.3g} – {high:.3g}",
        f"{arm.least:.3g} – {arm.greatest:.3g}", plateaux, str(arm.high or "–"), count(arm.inside),
        count(arm.effective), places or "–",
    ]  # fmt: skip


def gram_page(study: GramStudy) -> Page:
    """The entry that is infinite, and descents with what can stand in its place."""
    figure = Figure()
    axes = figure.add_axes((0.09, 0.55, 0.34, 0.33))
    axes.plot(study.epsilon, study.norms, "o", color=RED, label="of one neuron's bias")
    axes.plot(study.epsilon, study.coefficient / study.epsilon, color=BLACK, linewidth=1, label="κD²c²|w| ÷ ε")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("step ε in b")
    axes.set_title("The energy's Gram entry, before the limit")
    axes.legend(loc="best", fontsize=10.5)
    dots = figure.add_axes((0.76, 0.55, 0.21, 0.33))
    rows = []
    for k, label in enumerate([*ARMS, REDUCED]):
        gaps = np.sort(study.gaps[label])
        dots.plot(gaps, np.full(len(gaps), k), "o", color=BLUE, alpha=0.5, markersize=4, markeredgewidth=0)
        rows.append([label, f"{np.median(gaps):.3g}", f"{gaps[0]:.3g}", f"{gaps[-1]:.3g}"])
    dots.set_xscale("log")
    dots.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=8.5)
    dots.set_ylim(len(rows) - 0.5, -0.5)
    dots.set_xlabel("energy gap, a dot a seed")
    table = Table(("natural gradient descent", "median gap", "least", "greatest"), rows, LEFT, 0.445,
                  (0.48, 0.12, 0.1, 0.1), "lrrr", 10.5, 0.028)  # fmt: skip
    seeds = len(next(iter(study.gaps.values())))
    caption = (
        "G = ∫κ ∂û′ ∂û′ dx is infinite for ReLU: ∂û/∂b = D c H(wx + b) has a step. Autodiff builds the bulk, without "
        "it, which is the H¹ Gram matrix of the continuous parts. L²: ∫ ∂û ∂û dx. Broken H¹: the bulk and κ⟦∂û⟧²N/|Ω| "
        f"at the kinks, as discontinuous Galerkin methods weigh jumps. {seeds} seeds, {study.steps:,} steps at most, "
        "each of the length and damping that lower the exact energy most; start w, b uniform in (−1, 1), or spread."
    )
    return Page("Natural gradients: the energy's Gram matrix is infinite", caption, figure, (table,))
