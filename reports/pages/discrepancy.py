"""The discrepancy report: where autodiff deviates from the gradient of the integral, by how much, and why."""

from __future__ import annotations

import io
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ...verify.discrete.quadrature import quadrature_gradient
from ...verify.errors import InputError
from ...verify.files import write_whole
from ...verify.line.derivation import derive
from ...verify.statement.blocks import BLOCKS
from ...verify.systems.findings import Audit
from ...verify.systems.method import PRECISIONS
from ...verify.systems.row import OWN, Row
from ..data.autodiff_end import autodiff_end
from ..layout.blocks import Text
from ..layout.finding import FIGURE_BOX, finding_page
from ..layout.page import Page, Report
from ..layout.settings_page import settings_page
from ..layout.style import BLACK, BLUE, FAINT, GREEN, LEAST, ORANGE, QUIET, RED, look, primed
from ..layout.verdicts import verdict_table
from ..layout.writing import require_report_path, write_report
from .neuron_page import compare_neuron, neuron_page
from .plane_page import plane_page

_LABELS = {"hidden_weights": "hidden weights $w$", "hidden_biases": "hidden biases $b$", "output_weights": "output $c$"}
# Lines about what did not run, for which the table leaves room.
_MOST_SILENT = 4
# Errors that differ by less than this share are called the same.
_SAME = 1e-6
# What is said of the errors, and the verdicts (by colour of the group) under which it is true.
_STORY = (
    "Autodiff and the paper's nearest-node delta stop at a fixed error however fine the grid; with the mean of the "
    "one-sided limits the error vanishes; with nodes that follow the kinks it is rounding."
)
_TOLD = {RED: {"inconsistent"}, ORANGE: {"inconsistent"}, BLUE: {"consistent"}, GREEN: {"exact"}}
# What fits on a page of the table, and in its second column.
_PAGE_ROWS, _LONGEST_NAME = 18, 48
PICTURES = ("svg", "png")


def discrepancy_report(audit: Audit, path: str | Path) -> Path:
    """Write the report of one audit.

    Args:
        audit: what `kinkproof.verify.audit` returned; all its numbers are shown; computed anew are only the
            fields of the one-neuron figure and the differences against their step.
        path: the file to write, .pdf or .html.

    Raises:
        InputError: the path cannot be written, or ends in something else.
    """
    path = require_report_path(path)
    with look():
        neuron = neuron_page(compare_neuron(audit.problem, audit.judged_systems))
        pages = [_finding(audit), *_verdicts(audit), neuron, errors_page(audit), _missing(audit), *_differences(audit)]
        pages += [*([] if audit.plane is None else [plane_page(audit.plane)]), _equations(audit), _settings(audit)]
    title = f"Autodiff discrepancy: {audit.problem.name}"
    subject = "Gradients of a Ritz energy on a ReLU network, as autodiff has them and as they are"
    about = (
        f"problem {audit.problem.name}, {audit.network.width} neurons, {audit.rule} rule on up to "
        f"{audit.points[-1]:,} points"
    )
    write_report(path, Report(title, subject, pages, about))
    return path


def finding_picture(audit: Audit, path: str | Path) -> Path:
    """Write the page “Error against grid” alone as a picture; the file's ending (.svg, .png) names its format.

    Raises:
        InputError: an ending that matplotlib does not know, or a path that cannot be written.
    """
    path = Path(path)
    kind = path.suffix.removeprefix(".").lower()
    if kind not in PICTURES:
        raise InputError(f"{path}: a picture ends in .svg or .png; {path.with_suffix('.svg')} would be right")
    buffer = io.BytesIO()
    with look():
        figure = errors_page(audit).figure
        figure.set_size_inches(11, 5)
        figure.subplots_adjust(left=0.08, right=0.97, top=0.92, bottom=0.13)
        # No date in the file, so that the same audit gives the same bytes.
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else {})
    write_whole(path, buffer.getvalue())
    return path


def _verdicts(audit: Audit) -> list[Page]:
    """The table, float64 first, then float32, on as many pages as it takes."""
    by_precision = [[r for r in audit.rows if (r.precision or "float64") == p] for p in PRECISIONS]
    parts = [rows[k : k + _PAGE_ROWS] for rows in by_precision for k in range(0, len(rows), _PAGE_ROWS)]
    return [_verdict_page(audit, rows, number) for number, rows in enumerate(parts, 1)]


def _verdict_page(audit: Audit, rows: list[Row], number: int) -> Page:
    heads = ["system", "way of asking", *(f"n = {n:,}" for n in audit.points), "order", "verdict", "missing = Dirac"]
    cells, verdicts = [], []
    for row, before in zip(rows, [None, *rows], strict=False):
        verdict = row.total.verdict if row.total else "failed" if row.failed else "not run"
        errors = [f"{e:.1e}" for e in row.total.errors] if row.total else ["–"] * len(audit.points)
        order = "–" if row.total is None or row.total.order is None else f"{row.total.order:.2f}"
        share = "–" if row.attribution is None else f"to {row.attribution:.1e}"
        system = "" if before is not None and before.system == row.system else row.system
        name = row.method or row.unavailable or "could not be loaded"
        cells.append([system, textwrap.shorten(name, _LONGEST_NAME, placeholder=" …"), *errors, order, verdict, share])
        verdicts.append(verdict)
    grids = len(audit.points)
    widths = [0.08, 0.22, *[0.35 / grids] * grids, 0.06, 0.1, 0.09]
    table = verdict_table(heads, cells, verdicts, widths, "ll" + "r" * (grids + 1) + "lr")
    precision = rows[0].precision or "float64"
    # What did not run is told in full, each once, where the pages begin.
    silent = [f"{r.label}: {r.failed or r.unavailable}" for r in audit.rows if r.total is None and number == 1]
    silent += (
        [] if audit.judged_systems or number > 1 else ["No AD system was judged, only kinkproof's own quadratures."]
    )
    if len(silent) > _MOST_SILENT:
        silent = [*silent[: _MOST_SILENT - 1], f"{len(silent) - _MOST_SILENT + 1} more, see kinkproof audit --json"]
    said = [
        Text(textwrap.shorten(text, 150, placeholder=" …"), 0.05, 0.17 + 0.024 * (len(silent) - 1 - k), 0.9, 10.5,
             colour=RED)
        for k, text in enumerate(silent)
    ]  # fmt: skip
    digits = min((a.digits for a in audit.agreements), default=0.0)
    caption = (
        f"Relative error of the {precision} gradient against the exact one ({audit.rule}; the largest over n to 1.3 n "
        f"points). {len(audit.agreements) + 1} derivations agree to {digits:.0f} digits.\n"
        "Missing = Dirac: how closely that which autodiff lacks is the derived Dirac part. Autodiff is right for the "
        "discrete sum; limit and derivative do not commute."
    )
    limit = autodiff_end(audit.problem) if number == 1 else None
    if limit is not None:
        caption += f" In training {limit.sentence}."
    title = f"Which gradients of “{audit.problem.name}” are right, {precision}"
    title = title if number == 1 or rows[0].precision != "float64" else f"{title}, continued"
    return Page(title, caption, Figure(), (table, *said))


def _finding(audit: Audit) -> Page:
    """What autodiff misses, here and near the solution, and which nodes mend it."""
    figure = Figure()
    axes = figure.add_axes(FIGURE_BOX)
    _refinement(axes, audit)
    groups = {colour: [r for r in rows if r.total] for _, rows, colour, _ in _groups(audit)}
    verdicts = {colour: {r.total.verdict for r in rows if r.total} for colour, rows in groups.items()}
    autodiff = verdicts.get(RED, set())
    here = audit.dirac_shares.get("at this network", 0.0)
    near = audit.dirac_shares.get("near the solution")
    finest = max((r.total.errors[-1] for r in groups.get(RED, []) if r.total), default=0.0)
    systems = ", ".join(dict.fromkeys(r.system for r in groups.get(RED, [])))
    if not systems:
        sentence = "No AD system was judged: what stands here are kinkproof's own quadratures."
    elif autodiff == {"inconsistent"}:
        sentence = (
            f"Autodiff ({systems}) misses the Dirac term of this gradient: its error stays at {finest:.1e} however "
            "fine the grid"
        ) + (f", and near the solution it misses {near:.3g} times the whole gradient." if near is not None else ".")
    elif "inconsistent" in autodiff:
        sentence = f"Some ways of asking {systems} miss the Dirac term of this gradient, others do not."
    else:
        sentence = (
            f"At this network the gradient that autodiff ({systems}) gives tends to that of the integral: no kink "
            "inside the domain adds anything."
        )
    numbers = []
    if near is not None:
        numbers.append(
            (f"{near:.3g} ×", "the size of the Dirac part relative to the whole gradient near the solution, where "
             "training ends")
        )  # fmt: skip
    numbers.append((f"{here:.2%}", f"the same at the random network of {audit.network.width} neurons audited here"))
    cured = [r.total.errors[-1] for r in groups.get(GREEN, []) if r.total]
    cure = code = ""
    if autodiff == {"inconsistent"} and verdicts.get(GREEN) == {"exact"}:
        cure = (
            f"Nodes that follow the kinks: the same autodiff, at this very network, is then exact to {max(cured):.0e} "
            "(green). In a loop of your own:"
        )
        code = "from kinkproof.solver import integrate\n\nloss = integrate(energy, model, domain)"
    caption = (
        f"Largest relative error of the gradient over n to 1.3 n points ({audit.rule} rule), each way of asking, "
        "against the exact gradient."
    )
    failed = sum(bool(row.failed) for row in audit.rows)
    if failed:
        caption += f"\nNot judged, for they failed: {failed} way{'s' if failed > 1 else ''} of asking (next page)."
    title = f"The gradient of “{audit.problem.name}”: what autodiff misses"
    bad = "inconsistent" in autodiff
    return finding_page(title, sentence, figure, numbers, cure, code, caption, colour=RED if bad else GREEN)


def errors_page(audit: Audit) -> Page:
    """Error against the grid, and by block."""
    figure = Figure()
    axes = figure.subplots(1, 2, width_ratios=(1.25, 1))
    figure.subplots_adjust(left=0.08, right=0.97, top=0.86, bottom=0.22, wspace=0.42)
    groups = _groups(audit)
    _refinement(axes[0], audit)
    _block_bars(axes[1], groups, audit)
    verdicts = "; ".join(
        f"{label.partition(':')[0]}: {' and '.join(dict.fromkeys(r.total.verdict for r in rows if r.total))}"
        for label, rows, _, _ in groups
    )
    found = {colour: {r.total.verdict for r in rows if r.total} for _, rows, colour, _ in groups}
    # Elsewhere, say without a kink inside the domain, theory and programs agree on something else.
    story = _STORY if found == _TOLD else f"The largest error over grids of n to 1.3 n points ({audit.rule})."
    caption = f"{story}\n{verdicts}.\n{_agreement(audit)}"
    return Page("Error against grid, and by block", caption, figure)


def _refinement(axes: Axes, audit: Audit) -> None:
    """Error of the gradient against the points of the grid."""
    groups = _groups(audit)
    points = np.array(audit.points, dtype=float)
    for label, rows, colour, marker in groups:
        # All of them, one on the other where they agree: a program that differs would be seen beside the rest.
        for k, row in enumerate(rows):
            assert row.total is not None
            name = label if k == 0 else None
            errors = [max(e, LEAST) for e in row.total.errors]
            axes.loglog(points, errors, color=colour, marker=marker, markersize=7, label=name)
    for _, rows, colour, _ in groups:
        total = rows[0].total
        if colour == BLUE and total is not None and total.errors[0] > 0:
            guide = total.errors[0] * points[0] / points
            axes.loglog(points, guide * 3, color=FAINT, linestyle=":", label="order 1")
    axes.set_xlabel("quadrature points $n$")
    axes.set_ylabel("relative error of the gradient")
    axes.set_title("Refining the grid")
    drawn = [e for _, rows, _, _ in groups for r in rows if r.total for e in r.total.errors]
    axes.set_ylim(top=20 * max([*drawn, LEAST]))
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.42))


_Group = tuple[str, list[Row], str, str]


def _groups(audit: Audit) -> list[_Group]:
    """What was judged in float64, by how it treats kinks: label, rows, colour and marker."""
    judged = [r for r in audit.rows if r.precision == "float64" and r.total]
    foreign = [r for r in judged if r.system != OWN]
    groups = [
        ("autodiff", [r for r in foreign if not r.conforming and not r.delta], RED, "o"),
        ("nearest-node delta, Eq. (10)", [r for r in judged if r.delta == "nearest"], ORANGE, "s"),
        ("mean delta", [r for r in judged if r.delta == "mean"], BLUE, "^"),
        ("kink-split quadrature", [r for r in foreign if r.conforming], GREEN, "D"),
    ]

    def named(label: str, rows: list[Row]) -> str:
        systems = dict.fromkeys(r.system for r in rows if r.system != OWN)
        return f"{label}: {', '.join(systems)}" if systems else label

    return [(named(label, rows), rows, colour, marker) for label, rows, colour, marker in groups if rows]


def _agreement(audit: Audit) -> str:
    """How far the programs on fixed grids agree with each other, in numbers."""
    rows = [r for label, rows, _, _ in _groups(audit) if label.startswith("autodiff") for r in rows]
    finest = [r.total.errors[-1] for r in rows if r.total]
    systems = list(dict.fromkeys(r.system for r in rows))
    if len(finest) < 2:
        return ""
    who, where = f"{len(finest)} ways of asking {', '.join(systems)}", f"at n = {audit.points[-1]:,}"
    spread = (max(finest) - min(finest)) / (max(finest) or 1.0)
    if spread < _SAME:
        return f"{who} have the same error {where}, to {spread:.0e} of it."
    return f"{who} have errors from {min(finest):.1e} to {max(finest):.1e} {where}."


def _block_bars(ax: Axes, groups: list[_Group], audit: Audit) -> None:
    height = 0.8 / max(len(groups), 1)
    for k, (label, rows, colour, _) in enumerate(groups):
        # The worst of each group.
        values = [max([LEAST, *(r.blocks[n].errors[-1] for r in rows)]) for n in BLOCKS]
        ax.barh(np.arange(3) + (k - 1.5) * height, values, height=height * 0.9, color=colour, label=label)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(numticks=6))
    ax.set_xlim(left=LEAST)
    ax.set_yticks(range(3), [_LABELS[n].replace(" $", "\n$") for n in BLOCKS])
    ax.invert_yaxis()
    ax.set_xlabel("relative error of the block")
    ax.set_title(f"By block, at n = {audit.points[-1]:,}")
    ax.grid(visible=False, axis="y")


def _missing(audit: Audit) -> Page:
    figure = Figure()
    axes = figure.subplots(2, 1, sharex=True)
    figure.subplots_adjust(left=0.09, right=0.97, top=0.86, bottom=0.22, hspace=0.3)
    finest = quadrature_gradient(audit.problem, audit.network, audit.rule, audit.points[-1])
    neurons = np.arange(audit.network.width)
    worst = 0.0
    for ax, name, symbol in zip(axes, BLOCKS[:2], "wb", strict=True):
        missing = getattr(audit.exact.total, name) - getattr(finest.total, name)
        derived = getattr(audit.exact.dirac, name)
        worst = max(worst, float(np.abs(missing - derived).max()))
        ax.bar(neurons, derived, color=ORANGE, width=0.75, label="derived Dirac part")
        ax.plot(neurons, missing, color=BLACK, marker="x", linestyle="none", markersize=8, label="exact − autodiff")
        ax.set_ylabel(rf"$\partial\Pi/\partial {symbol}_i$")
        ax.set_title(_LABELS[name])
        ax.grid(visible=False, axis="x")
    axes[0].legend(loc="best", ncols=2)
    axes[1].set_xlabel("neuron $i$")
    axes[1].set_xticks(neurons if len(neurons) <= 40 else neurons[:: len(neurons) // 20])
    caption = (
        f"What the derivative of the sum on {audit.points[-1]:,} points lacks (crosses) is the derived Dirac part "
        f"(bars), parameter by parameter, to {worst:.1e}.\nNeurons whose kink lies outside the domain lack nothing; "
        "nor do output weights, which move no kink."
    )
    return Page("What is missing, parameter by parameter", caption, figure)


def _differences(audit: Audit) -> list[Page]:
    """Nothing where the solver's torch is not installed."""
    if find_spec("torch") is None:
        return []
    from .difference_page import difference_page

    return [difference_page(audit)]


def _equations(audit: Audit) -> Page:
    figure = Figure()
    equations = derive(audit.problem).equations()
    # All of them above the caption, as large as there is room.
    step = min(0.056, 0.73 / len(equations))
    size = min(17.0, 330 * step)
    y = 0.885
    for equation in equations:
        number = {"sifted": "Dirac", "load": "load"}.get(equation.number, f"({equation.number})")
        text = primed(equation.latex()).replace(r"\left|{w_{i}}\right|", r"|w_i|")
        figure.text(0.06, y, number, fontsize=12, color=QUIET, va="center")
        figure.text(0.13, y, f"${text}$", fontsize=size, va="center")
        y -= step
    data = audit.problem
    reaction = "" if data.reaction == 0 else f"ρ = {data.reaction}, "
    caption = (
        "As SymPy derives them from the ansatz û = ℓ + D (rᵢ + cᵢ σ(zᵢ)), zᵢ = wᵢ x + bᵢ, rᵢ the other neurons; "
        "numbers as in the paper.\nDirac lines: at x = −bᵢ/wᵢ. "
        f"Here κ = {data.coefficient}, {reaction}f = {data.stated_source}, D = {data.distance}, ℓ = {data.lift}."
    )
    return Page("The derived equations", caption, figure)


def _settings(audit: Audit) -> Page:
    lines: list[tuple[str, Any]] = [
        ("network width", audit.network.width),
        ("rule and points", f"{audit.rule}; {', '.join(f'{n:,}' for n in audit.points)}"),
        ("exact energy", f"{float(audit.exact.energy):.15g} (integrals by {audit.exact.route})"),
        ("distance to a place without derivative", f"{float(audit.exact.distance):.3g}"),
        *((f"{a.routes[0]} / {a.routes[1]}", f"agree to {a.digits:.0f} digits") for a in audit.agreements),
    ]
    caption = "The parameters themselves are in the audit as JSON, which kinkproof audit --json prints."
    return settings_page(audit.problem, lines, caption)
