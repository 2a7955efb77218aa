"""The discrepancy report for a user's own model: what autodiff misses, by tensor and by kink, and the remedy."""

from __future__ import annotations

import textwrap
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...verify.files import require_writable
from ...verify.models.telling.model_findings import ModelAudit, TensorFinding
from ...verify.ranking import largest_first
from .settings_page import settings_page
from .style import BLACK, BLUE, GREEN, ORANGE, RED, Page, look, write_pdf
from .verdict_table import draw_verdicts

# What fits on a page of the table, and in its first column.
_PAGE_ROWS, _LONGEST_NAME = 22, 26
# Likewise of the model in the title, and of a neuron where three stand side by side.
_LONGEST_MODEL, _LONGEST_LABEL = 32, 30
# Tensors drawn by name in the chart of errors, those that miss most; the others are grey.
_NAMED = 6
# Parameters drawn one by one, those with the largest Dirac terms.
_MOST_DOTS = 2_000
# Characters of running text on a line.
_LINE = 135
_GREY = "#AAAAAA"


def model_report(audit: ModelAudit, path: str | Path) -> Path:
    """Write the report of the audit of a user's model as a PDF; the same audit gives the same bytes.

    Args:
        audit: what `kinkproof.verify.audit` returned for a model; nothing is computed anew.
        path: the file to write.

    Raises:
        InputError: the path cannot be written.
    """
    path = Path(path)
    require_writable(path)
    with look():
        pages = [*_verdicts(audit)]
        if audit.findings:
            pages += [_errors(audit), _missing(audit)]
        pages += [_kinks(audit), _remedy(audit), _settings(audit)]
    name = audit.settings["model"]
    write_pdf(path, pages, f"Autodiff discrepancy: {name}", "The gradient of a user's own loss against its integral's")
    return path


def _verdicts(audit: ModelAudit) -> list[Page]:
    rows = list(audit.findings)
    parts = [rows[k : k + _PAGE_ROWS] for k in range(0, len(rows), _PAGE_ROWS)] or [[]]
    return [_verdict_page(audit, part, number) for number, part in enumerate(parts)]


def _verdict_page(audit: ModelAudit, rows: list[TensorFinding], number: int) -> Page:
    figure = Figure()
    said = {"none": "no verdict", "exact": "exact", "consistent": "consistent", "inconsistent": "inconsistent"}
    title = f"{_short(audit.settings['model'], _LONGEST_MODEL)}, {audit.discretisation}: {said[audit.verdict]}"
    caption = "\n".join(
        [
            *textwrap.wrap(_capital(f"{audit.reason}."), _LINE),
            "Relative error of autodiff's gradient"
            + (", of its mean over draws." if audit.draws else ", the largest over n to 1.3 n points.")
            + " missing: Dirac part ÷ exact; lacks: share of it that autodiff lacks.",
        ]
    )
    if not rows:
        routes = [f"{r.first} / {r.second}: {r.error:.1e}, at most {r.tolerance:.0e}" for r in audit.routes]
        figure.text(0.06, 0.8, "\n".join(["The routes to the exact gradient:", *routes]), fontsize=12, va="top")
        return Page(title, caption, figure)
    heads = ["parameter", "shape", *audit.columns, "missing", "lacks", "verdict"]
    cells = []
    for found in rows:
        name, *errors, missing, verdict = audit.row(found)
        lacks = "–" if found.lacks is None else f"{found.lacks:.3f} ± {found.uncertainty:.1g}"
        shape = "×".join(map(str, found.shape)) or "1"
        cells.append([_short(name), shape, *errors, missing, lacks, verdict])
    grids = len(audit.columns)
    widths = [0.27, 0.09, *[(0.3 if grids > 1 else 0.26) / grids] * grids, 0.09, 0.14, 0.11]
    whole = [k for k, row in enumerate(cells) if row[0] == "all"]
    verdicts = [found.verdict for found in rows]
    draw_verdicts(figure, heads, cells, verdicts, widths, bold=whole, bottom=0.17, height=1.15)
    return Page(title if number == 0 else f"{title}, continued", caption, figure)


def _errors(audit: ModelAudit) -> Page:
    figure = Figure()
    axes = figure.add_axes((0.3, 0.22, 0.45, 0.66) if audit.draws else (0.08, 0.22, 0.56, 0.66))
    ranked = [audit.tensors[k] for k in largest_first([t.missing for t in audit.tensors])]
    named = {t.name for t in ranked[:_NAMED]}
    colours = cycle([ORANGE, BLUE, GREEN, "#CC79A7", "#56B4E9", RED])
    if audit.draws:
        bars = [*ranked[: 2 * _NAMED], *([audit.total] if audit.total else [])]
        places = np.arange(len(bars))
        axes.barh(places - 0.2, [t.study.errors[0] for t in bars], height=0.38, color=RED, label="error of the mean")
        axes.barh(places + 0.2, [t.missing for t in bars], height=0.38, color=ORANGE, label="derived Dirac part")
        axes.set_xscale("log")
        axes.set_yticks(places, [_short(t.name) for t in bars])
        axes.invert_yaxis()
        axes.set_xlabel("share of the exact gradient")
        axes.grid(visible=False, axis="y")
        title = f"Mean over {audit.draws} draws of {audit.points[0]:,} points"
        caption = (
            "Points drawn anew at each step average the noise away, not the Dirac part: the mean gradient is off by it "
            "however many\nsteps are taken."
        )
    else:
        for found in audit.tensors:
            colour = next(colours) if found.name in named else _GREY
            label = _short(found.name) if found.name in named else None
            axes.loglog(audit.points, _drawn(found), color=colour, marker="o", markersize=4, linewidth=1.3, label=label)
        if audit.total is not None:
            axes.loglog(
                audit.points, _drawn(audit.total), color=BLACK, marker="s", linewidth=2.6, label="all parameters"
            )
            missing = audit.total.missing
            if missing > 0:
                axes.axhline(missing, color=BLACK, linestyle=":", linewidth=1.4, label="derived Dirac part of all")
        axes.set_xlabel("quadrature points $n$")
        axes.set_ylabel("relative error of the gradient")
        title = "Refining the grid"
        caption = (
            f"Relative error of autodiff's gradient against the exact one ({audit.discretisation}). What stands still "
            "under refinement is missing;\nwhat falls is the sum's own error. Grey: further parameters."
        )
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return Page(title, caption, figure)


def _drawn(found: TensorFinding) -> list[float]:
    # A logarithm takes no zero.
    return [max(e, 1e-17) for e in found.study.errors]


def _missing(audit: ModelAudit) -> Page:
    figure = Figure()
    axes = figure.add_axes((0.12, 0.22, 0.5, 0.66))
    dirac = audit.dirac
    lacking = audit.bulk + dirac - audit.autodiff
    chosen = largest_first(np.abs(dirac))[:_MOST_DOTS]
    reach = 1.1 * max(float(np.abs(dirac).max(initial=0)), float(np.abs(lacking).max(initial=0)), 1e-300)
    axes.plot([-reach, reach], [-reach, reach], color=_GREY, linewidth=1, label="all of it is lacking")
    axes.axhline(0, color=GREEN, linewidth=1, linestyle="--", label="none of it is lacking")
    axes.plot(
        dirac[chosen], lacking[chosen], color=RED, marker="o", markersize=4, linestyle="none", alpha=0.7,
        label="a parameter each",
    )  # fmt: skip
    axes.set_xlabel("derived Dirac part, $-\\sum ⟦L⟧\\, d\\xi/d\\theta$".replace("⟦L⟧", "[L]"))
    axes.set_ylabel("exact gradient − autodiff's")
    axes.ticklabel_format(axis="both", style="sci", scilimits=(-2, 3))
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    norm = float(np.linalg.norm(dirac))
    finest = f"the mean of {audit.draws} draws" if audit.draws else f"{audit.points[-1]:,} points"
    if norm > 0:
        off = float(np.linalg.norm(lacking - dirac)) / norm
        caption = f"What autodiff lacks on {finest} against the derived Dirac part: the two differ by {off:.1e} of it."
    else:
        caption = f"No kink adds anything to the gradient; what autodiff is off by on {finest} is the sum's own error."
    shown = f"{len(chosen):,} of {len(dirac):,} parameters, those with the largest Dirac part."
    return Page("What is missing, parameter by parameter", f"{caption}\n{shown}", figure)


def _kinks(audit: ModelAudit) -> Page:
    figure = Figure()
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 1.2))
    figure.subplots_adjust(left=0.09, right=0.97, top=0.88, bottom=0.21, hspace=0.25)
    x, u, slope = audit.profile
    axes[0].plot(x, u, color=BLACK)
    axes[0].set_ylabel("$u$")
    axes[1].plot(x, slope, color=BLACK, linewidth=1.2)
    axes[1].set_ylabel("$u'$")
    axes[2].vlines(audit.kinks, 0, np.abs(audit.heights), color=ORANGE, linewidth=1.5)
    axes[2].axhline(0, color=_GREY, linewidth=0.8)
    axes[2].set_ylabel("jump of $L$, size")
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
            " Marked: those whose Dirac terms are the largest, with the size of each term relative\nto all that is "
            "missing (terms may cancel in part, so that shares need not add up to 100 %)."
        )
    return Page("The kinks, and who is to blame" if offenders else "The kinks", caption, figure)


def _remedy(audit: ModelAudit) -> Page:
    figure = Figure()
    y = 0.88
    paragraphs = [_capital(f"{said}.") for said in (audit.reason, *audit.notes)]
    paragraphs += [_capital(f"{r}.") for r in audit.routes]
    if audit.gradcheck is not None:
        paragraphs.append(str(audit.gradcheck))
    for paragraph in paragraphs:
        lines = textwrap.wrap(paragraph, _LINE)
        figure.text(0.06, y, "\n".join(lines), fontsize=10.5, va="top", linespacing=1.3)
        y -= 0.026 * len(lines) + 0.012
    if audit.verdict == "inconsistent":
        remedy = [line for text in audit.remedy.splitlines() for line in textwrap.wrap(text, 110) or [""]]
        figure.text(
            0.06, y - 0.01, "\n".join(remedy), fontsize=10, va="top", family="monospace", linespacing=1.35,
            bbox={"facecolor": "#F4F4F4", "edgecolor": "#CCCCCC", "boxstyle": "round,pad=0.6"},
        )  # fmt: skip
    titles = {"inconsistent": "Why, and what to change", "none": "Why there is no verdict"}
    title = titles.get(audit.verdict, "Why, and that nothing is to be changed")
    return Page(title, "The exact side is evaluated in float64; the numbers themselves: `--json`.", figure)


def _settings(audit: ModelAudit) -> Page:
    return settings_page(None, audit.settings.items(), "Seeds are fixed: the same model gives the same report.")


def _capital(sentence: str) -> str:
    # u, u″ and L stay what they are.
    return sentence if len(sentence.split()[0]) < 3 else sentence[:1].upper() + sentence[1:]


def _short(name: str, longest: int = _LONGEST_NAME) -> str:
    return name if len(name) <= longest else f"…{name[-longest + 1 :]}"
