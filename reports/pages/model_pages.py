"""The discrepancy report for a user's own model: what autodiff misses, by tensor and by kink, and the remedy."""

from __future__ import annotations

import textwrap
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...verify.models.telling.model_findings import ModelAudit, TensorFinding
from ...verify.ranking import largest_first
from ..layout.blocks import Block, Code, Column
from ..layout.finding import FIGURE_BOX, finding_page
from ..layout.page import Page, Report
from ..layout.pdf import LEFT, RIGHT
from ..layout.settings_page import settings_page
from ..layout.style import BLACK, BLUE, FAINT, GREEN, LEAST, ORANGE, PURPLE, RED, SKY, look
from ..layout.verdicts import verdict_table
from ..layout.writing import require_report_path, write_report

# What fits on a page of the table, and in its first column.
_PAGE_ROWS, _LONGEST_NAME = 20, 32
# With more rows there is no room for the reasons below them: half of them go to the next page.
_LAST_ROWS = 12
# Likewise of the model in the title, and of a neuron where three stand side by side.
_LONGEST_MODEL, _LONGEST_LABEL = 32, 30
# Tensors drawn by name in the chart of errors, those that miss most; the others are grey.
_NAMED = 6
# Parameters drawn one by one, those with the largest Dirac terms.
_MOST_DOTS = 2_000
# Room for text ends here, in shares of the page's height.
_BOTTOM = 0.16
# A figure below a table needs the page from here on.
_ROOM = 0.55


def model_report(audit: ModelAudit, path: str | Path) -> Path:
    """Write the report of the audit of a user's model; the same audit gives the same bytes.

    Args:
        audit: what `kinkproof.verify.audit` returned for a model; nothing is computed anew.
        path: the file to write, .pdf or .html.

    Raises:
        InputError: the path cannot be written, or ends in something else.
    """
    path = require_report_path(path)
    with look():
        pages = [_finding(audit), *_verdicts(audit)]
        if audit.verdict == "inconsistent":
            pages.append(_missing(audit))
        if len(audit.kinks):
            pages.append(_kinks(audit))
        pages.append(_settings(audit))
    name = audit.settings["model"]
    points = f"{audit.draws} draws" if audit.draws else f"up to {max(audit.points, default=0):,} points"
    about = f"model {_short(name)}, domain {audit.settings['domain']}, {audit.discretisation}, {points}"
    subject = "The gradient of a user's own loss against its integral's"
    write_report(path, Report(f"Autodiff discrepancy: {name}", subject, pages, about))
    return path


def _finding(audit: ModelAudit) -> Page:
    said = {"none": "no verdict", "exact": "exact", "consistent": "consistent", "inconsistent": "inconsistent"}
    title = f"{_short(audit.settings['model'], _LONGEST_MODEL)}, {audit.discretisation}: {said[audit.verdict]}"
    figure = Figure()
    axes = figure.add_axes(FIGURE_BOX)
    total = audit.total
    if total is None:
        _route_bars(axes, audit)
        numbers = [(f"{r.error:.1e}", f"between {r.first} and {r.second}, at most {r.tolerance:.0e}")
                   for r in audit.routes if not r.passed][:2]  # fmt: skip
        sentence = f"No verdict: {audit.reason}."
        return finding_page(title, sentence, figure, numbers, " ".join(_reasons(audit)[1:]), caption=_ROUTES_CAPTION)
    caption = _error_axes(axes, audit)
    last = total.study.errors[-1]
    if audit.verdict == "inconsistent":
        wrong = [t for t in audit.tensors if t.verdict == "inconsistent"]
        worst = max(wrong or audit.tensors, key=lambda t: t.missing)
        ever = "however many draws are averaged" if audit.draws else "however fine the grid"
        whole = (_share(total.missing), "of the exact gradient is the Dirac part, which the motion of the kinks adds")
        part = (_share(worst.missing), f"of that of {_short(worst.name)}, the tensor that misses most")
        if total.verdict == "inconsistent":
            sentence = (
                "What autodiff hands the optimiser is not the gradient of the integral: it is off by "
                f"{_share(last)}, {ever}."
            )
            numbers = [whole, part]
        else:
            # Small parts of a gradient whose bulk is right.
            sentence = (
                f"In {len(wrong)} of {len(audit.tensors)} tensors what autodiff hands the optimiser is not the "
                f"gradient of the integral, {ever}; they are a small part of the whole."
            )
            numbers = [part, whole]
    else:
        sentence = f"Autodiff's gradient of this loss is right: {audit.reason}."
        what = {"exact": "what is left is rounding", "consistent": "it falls as the points become more"}
        numbers = [(f"{last:.1e}", f"relative error of the gradient with the most points; {what[audit.verdict]}")]
    cure, code = "", ""
    if audit.verdict == "inconsistent":
        cured = not audit.remedy.startswith("# No ")
        cure = "Found right on this very model:" if cured else "Nothing was found that mends it:"
        code = audit.remedy
        # Where the lines are too many for this page, they stand on the one that tells what is missing.
        if len(Code(code, 0, 0, 0.33, 8.5).lines) > _MOST_LINES:
            cure, code = "The lines to paste stand on the page “What is missing, and what to change”.", ""
    return finding_page(
        title, sentence, figure, numbers, cure, code, caption, colour=RED if audit.verdict == "inconsistent" else GREEN
    )


# Lines of code that fit beside the figure of the first page.
_MOST_LINES = 17
_ROUTES_CAPTION = (
    "The ways to the exact gradient, which share no step: how far they are from each other (bars), and what they may "
    "be (crosses). Where two disagree, nothing is judged."
)


def _route_bars(axes: Axes, audit: ModelAudit) -> None:
    places = np.arange(len(audit.routes))
    errors = [max(r.error, LEAST) if np.isfinite(r.error) else 1.0 for r in audit.routes]
    colours = [BLUE if r.passed else RED for r in audit.routes]
    axes.barh(places, errors, color=colours, height=0.5, left=LEAST)
    allowed = [max(r.tolerance, LEAST) for r in audit.routes]
    axes.plot(allowed, places, "x", color=BLACK, markersize=9, markeredgewidth=2, linestyle="none")
    axes.set_xscale("log")
    names = [f"{r.first} /\n{r.second}" for r in audit.routes]
    axes.set_yticks(places, [textwrap.fill(n, 26) for n in names], fontsize=10)
    axes.set_xlabel("difference relative to the gradient")
    axes.grid(visible=False, axis="y")
    left, bottom, width, height = FIGURE_BOX
    axes.set_position((left + 0.12, bottom, width - 0.12, height))


def _verdicts(audit: ModelAudit) -> list[Page]:
    """The table of tensors, and below it, or on a page of its own, why."""
    rows = list(audit.findings)
    if not rows:
        return []
    parts = [rows[k : k + _PAGE_ROWS] for k in range(0, len(rows), _PAGE_ROWS)]
    if len(parts[-1]) > _LAST_ROWS:
        half = (len(parts[-1]) + 1) // 2
        parts[-1:] = [parts[-1][:half], parts[-1][half:]]
    pages = [_verdict_page(audit, part, number) for number, part in enumerate(parts)]
    # Rows closer together where that leaves room for the rest.
    for step, size in ((0.05, 12.5), (0.032, 11.5)):
        last = _verdict_page(audit, parts[-1], len(parts) - 1, step)
        top = min(block.bottom for block in last.blocks) - 0.04
        # Without kinks there is no page of the field: it stands here.
        beside = not len(audit.kinks) and bool(audit.profile.size) and top > _ROOM
        below = Column(LEFT, top, 0.5 if beside else RIGHT - LEFT)
        for paragraph in _reasons(audit):
            below.text(paragraph, size, 0.014)
        if below.y < _BOTTOM:
            continue
        if beside:
            axes = last.figure.subplots(2, 1, sharex=True)
            last.figure.subplots_adjust(left=0.65, right=0.95, top=top, bottom=0.24, hspace=0.15)
            _profile(axes, audit)
            axes[1].set_xlabel("$x$")
        pages[-1] = Page(last.title, last.caption, last.figure, (*last.blocks, *below.blocks))
        return pages
    alone = Column(LEFT, 0.885, RIGHT - LEFT)
    for paragraph in _reasons(audit):
        alone.text(paragraph, 13, 0.016)
    return [*pages, Page("Why", "The exact side is evaluated in float64.", Figure(), tuple(alone.blocks))]


def _reasons(audit: ModelAudit) -> list[str]:
    """Why, what a reader should know, and what was checked first."""
    paragraphs = [_capital(f"{said}.") for said in (audit.reason, *audit.notes)]
    paragraphs += [_capital(f"{r}.") for r in audit.routes]
    if audit.gradcheck is not None:
        paragraphs.append(str(audit.gradcheck))
    return paragraphs


def _verdict_page(audit: ModelAudit, rows: list[TensorFinding], number: int, step: float = 0.05) -> Page:
    title = "Tensor by tensor" if number == 0 else "Tensor by tensor, continued"
    caption = (
        "Relative error of autodiff's gradient"
        + (", of its mean over draws." if audit.draws else ", the largest over n to 1.3 n points.")
        + " Missing: Dirac part ÷ exact; lacks: share of it that autodiff lacks. The numbers themselves: --json."
    )
    heads = ["parameter", "shape", *audit.columns, "missing", "lacks", "verdict"]
    cells = []
    for found in rows:
        name, *errors, missing, verdict = audit.row(found)
        lacks = "–" if found.lacks is None else f"{found.lacks:.3f} ± {found.uncertainty:.1g}"
        shape = "×".join(map(str, found.shape)) or "1"
        cells.append([_short(name), shape, *errors, missing, lacks, verdict])
    grids = len(audit.columns)
    widths = [0.24, 0.08, *[(0.28 if grids > 1 else 0.24) / grids] * grids, 0.08, 0.12, 0.1]
    whole = [k for k, row in enumerate(cells) if row[0] == "all"]
    verdicts = [found.verdict for found in rows]
    table = verdict_table(heads, cells, verdicts, widths, "lr" + "r" * grids + "rrl", bold=whole, most=step)
    return Page(title, caption, Figure(), (table,))


def _error_axes(axes: Axes, audit: ModelAudit) -> str:
    """Errors over the grids, or of the mean over draws, by tensor; returns what it shows in words."""
    ranked = [audit.tensors[k] for k in largest_first([t.missing for t in audit.tensors])]
    named = {t.name for t in ranked[:_NAMED]}
    looks = cycle(
        zip((ORANGE, BLUE, GREEN, PURPLE, SKY, RED), ("o", "^", "D", "v", "P", "X"), ("-", "--", "-.", ":", "--", "-."),
            strict=True)
    )  # fmt: skip
    if audit.draws:
        bars = [*ranked[:_NAMED], *([audit.total] if audit.total else [])]
        places = np.arange(len(bars))
        axes.barh(places - 0.2, [t.study.errors[0] for t in bars], height=0.38, color=RED, label="error of the mean")
        axes.barh(places + 0.2, [t.missing for t in bars], height=0.38, color=ORANGE, label="derived Dirac part")
        axes.set_xscale("log")
        axes.set_yticks(places, [_short(t.name, 16) for t in bars])
        axes.invert_yaxis()
        axes.set_xlabel("share of the exact gradient")
        axes.grid(visible=False, axis="y")
        left, bottom, width, height = FIGURE_BOX
        axes.set_position((left + 0.05, bottom, width - 0.05, height))
        axes.set_title(f"Mean over {audit.draws} draws of {audit.points[0]:,} points")
        caption = (
            "Points drawn anew at each step average the noise away, not the Dirac part: the mean gradient is off by it "
            "however many steps are taken."
        )
    else:
        for found in audit.tensors:
            label = _short(found.name) if found.name in named else None
            colour, marker, line = next(looks) if found.name in named else (FAINT, "o", "-")
            axes.loglog(audit.points, _drawn(found), color=colour, marker=marker, markersize=6, linestyle=line,
                        linewidth=1.5, label=label, zorder=3)  # fmt: skip
        if audit.total is not None:
            # Wide and below the others, which lie on it as often as not.
            axes.loglog(audit.points, _drawn(audit.total), color=BLACK, linewidth=5, alpha=0.3, label="all parameters")
            missing = audit.total.missing
            if missing > 0:
                axes.axhline(missing, color=BLACK, linestyle=":", linewidth=1.4, label="derived Dirac part of all")
        axes.set_xlabel("quadrature points $n$")
        axes.set_ylabel("relative error of the gradient")
        axes.set_title("Refining the grid")
        caption = (
            f"Relative error of autodiff's gradient against the exact one ({audit.discretisation}). What stands still "
            "under refinement is missing; what falls is the sum's own error."
            + (" Grey: further parameters." if len(audit.tensors) > _NAMED else "")
        )
    axes.legend(loc="best", fontsize=10.5)
    return caption


def _drawn(found: TensorFinding) -> list[float]:
    # A logarithm takes no zero.
    return [max(e, LEAST) for e in found.study.errors]


def _missing(audit: ModelAudit) -> Page:
    figure = Figure()
    axes = figure.add_axes((0.085, 0.25, 0.4, 0.58))
    dirac = audit.dirac
    lacking = audit.bulk + dirac - audit.autodiff
    chosen = largest_first(np.abs(dirac))[:_MOST_DOTS]
    reach = 1.1 * max(float(np.abs(dirac).max(initial=0)), float(np.abs(lacking).max(initial=0)), 1e-300)
    axes.plot([-reach, reach], [-reach, reach], color=FAINT, linewidth=1, label="all of it is lacking")
    axes.axhline(0, color=GREEN, linewidth=1, linestyle="--", label="none of it is lacking")
    axes.plot(
        dirac[chosen], lacking[chosen], color=RED, marker="o", markersize=4, linestyle="none", alpha=0.7,
        label="a parameter each",
    )  # fmt: skip
    axes.set_xlabel(r"derived Dirac part, $-\sum [L]\, d\xi/d\theta$")
    axes.set_ylabel("exact gradient − autodiff's")
    axes.ticklabel_format(axis="both", style="sci", scilimits=(-2, 3))
    axes.legend(loc="upper left")
    norm = float(np.linalg.norm(dirac))
    finest = f"the mean of {audit.draws} draws" if audit.draws else f"{audit.points[-1]:,} points"
    if norm > 0:
        off = float(np.linalg.norm(lacking - dirac)) / norm
        caption = f"What autodiff lacks on {finest} against the derived Dirac part: the two differ by {off:.1e} of it."
    else:
        caption = f"No kink adds anything to the gradient; what autodiff is off by on {finest} is the sum's own error."
    shown = f"{len(chosen):,} of {len(dirac):,} parameters, those with the largest Dirac part."
    beside = Column(0.53, 0.83, RIGHT - 0.53)
    beside.text("What to change", 14, 0.01, bold=True)
    beside.text(_capital(f"{audit.reason}."), 12, 0.02)
    beside.code(audit.remedy, 9 if len(audit.remedy.splitlines()) < 26 else 7.5)
    blocks: tuple[Block, ...] = tuple(beside.blocks)
    return Page("What is missing, and what to change", f"{caption}\n{shown}", figure, blocks)


def _surfaces(audit: ModelAudit) -> Page:
    """Where lines of a sample cross the surfaces of kinks, in the first two inputs."""
    figure = Figure()
    axes = figure.add_axes((0.085, 0.2, 0.5, 0.66))
    size = np.abs(audit.heights)
    order = np.argsort(size, kind="stable")
    dots = axes.scatter(audit.kinks[order, 0], audit.kinks[order, 1], c=size[order], cmap="viridis", s=9, linewidths=0)
    bar = figure.colorbar(dots, ax=axes)
    bar.set_label("size of the jump of $L$")
    axes.set_xlabel("$x_1$")
    axes.set_ylabel("$x_2$")
    axes.set_aspect("equal")
    axes.grid(visible=False)
    beside = Column(0.64, 0.86, RIGHT - 0.64)
    offenders = audit.total.offenders if audit.total else ()
    if offenders:
        beside.text("Most of what is missing comes from", 14, 0.01, bold=True)
    for offender, colour in zip(offenders, (RED, BLUE, GREEN), strict=False):
        assert isinstance(offender.place, tuple)
        axes.plot(*offender.place[:2], color=colour, marker="o", markersize=11, fillstyle="none", markeredgewidth=2.5,
                  linestyle="none", label=_short(offender.label, _LONGEST_LABEL))  # fmt: skip
        beside.text(f"{_capital(str(offender))}.", 12, 0.012)
    if offenders:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    further = "" if audit.kinks.shape[1] == 2 else f" Seen along the other {audit.kinks.shape[1] - 2}."
    places = f"{len(audit.kinks):,} places"
    caption = f"Where lines along the axes cross surfaces at which the slope of u jumps: {places}.{further}"
    if offenders:
        caption += " Rings: a place on each of the three surfaces whose motion adds the most to the gradient."
    return Page("The kinks, and who is to blame" if offenders else "The kinks", caption, figure, tuple(beside.blocks))


def _kinks(audit: ModelAudit) -> Page:
    if audit.kinks.ndim == 2:
        return _surfaces(audit)
    figure = Figure()
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 1.2))
    figure.subplots_adjust(left=0.09, right=0.97, top=0.87, bottom=0.22, hspace=0.25)
    _profile(axes, audit)
    axes[2].vlines(audit.kinks, 0, np.abs(audit.heights), color=ORANGE, linewidth=1.5)
    axes[2].axhline(0, color=FAINT, linewidth=0.8)
    axes[2].set_ylabel("size of the jump of $L$")
    axes[2].set_xlabel("$x$")
    offenders = audit.total.offenders if audit.total else ()
    colours = (RED, BLUE, GREEN)
    for offender, colour in zip(offenders, colours, strict=False):
        for ax in axes:
            ax.axvline(offender.place, color=colour, linewidth=0.9, linestyle="--")
        height = float(np.abs(audit.heights[np.argmin(np.abs(audit.kinks - offender.place))]))
        label = f"{_short(offender.label, _LONGEST_LABEL)}: {offender.share:.0%}"
        axes[2].plot([offender.place], [height], color=colour, marker="o", markersize=7, linestyle="none", label=label)
    if offenders:
        axes[0].legend(*axes[2].get_legend_handles_labels(), loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    operations = ", ".join(f"{count} of {name}" for name, count in audit.operations.items()) or "none"
    caption = f"Kinks inside the domain: {operations}."
    if offenders:
        caption += (
            " Marked: those whose Dirac terms are the largest, with the size of each term relative to all that is "
            "missing (terms may cancel in part, so that shares need not add up to 100 %)."
        )
    return Page("The kinks, and who is to blame" if offenders else "The kinks", caption, figure)


def _profile(axes: Any, audit: ModelAudit) -> None:
    """u and u′; where there are several outputs, a curve of its own for each."""
    x, *rows = audit.profile
    m = len(rows) // 2
    colours = [BLACK] if m == 1 else [BLACK, BLUE, ORANGE, GREEN]
    for ax, curves, name in zip(axes, (rows[:m], rows[m:]), ("$u$", "$u′$"), strict=False):
        ax.set_prop_cycle(color=colours)
        ax.plot(x, np.transpose(curves), linewidth=1.2)
        ax.set_ylabel(name)


def _settings(audit: ModelAudit) -> Page:
    return settings_page(None, audit.settings.items(), "Seeds are fixed: the same model gives the same report.")


def _share(share: float) -> str:
    """A share as a reader takes it in: per cent up to one, times above."""
    return f"{share:.2g} ×" if share >= 2 else f"{100 * share:.2g} %"


def _capital(sentence: str) -> str:
    # u, u″ and L stay what they are.
    return sentence if len(sentence.split()[0]) < 3 else sentence[:1].upper() + sentence[1:]


def _short(name: str, longest: int = _LONGEST_NAME) -> str:
    return name if len(name) <= longest else f"…{name[-longest + 1 :]}"
