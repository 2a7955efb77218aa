"""The dimensions report: what the missing term makes of Deep Ritz in two and three inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...solver.boxes.runs import BoxRun
from ..data.dimensions import CASES, CLAIM, WAYS, DimensionsStudy
from ..layout.blocks import Table
from ..layout.finding import FIGURE_BOX, finding_page
from ..layout.page import Page, Report
from ..layout.pdf import LEFT
from ..layout.settings_page import settings_page
from ..layout.style import BLACK, FAINT, GREEN, GREY, RED, look
from ..layout.writing import require_report_path, write_report
from .training_figures import LOOKS, VERDICT_COLOURS, claim_blocks, median_member

# What the runs are called here, where no other gradient stands beside them.
_NAMES = {"relu-autodiff": "ReLU, autodiff", "relu-exact": "ReLU, autodiff + term", "tanh-autodiff": "tanh, autodiff"}
# Places along each side at which kinks are looked for.
_SIDE = 181
# Kinks of each hidden layer.
_LAYERS = (BLACK, GREEN)


def dimensions_report(study: DimensionsStudy, path: str | Path) -> Path:
    """Write the report of one study.

    Args:
        study: what `dimensions_study` returned; all numbers shown come from it.
        path: the file to write, .pdf or .html.

    Raises:
        InputError: the path cannot be written, or ends in something else.
    """
    path = require_report_path(path)
    with look():
        pages = [_finding(study), _summary(study), *(_case(study, case) for case in study.runs), _settings(study)]
    title = "The missing term in two and three inputs"
    subject = "Deep Ritz with autodiff, with the Dirac term added, and with tanh, at the same points"
    given = study.settings
    about = (
        f"{len(study.runs)} cases, {given['points']} points drawn anew at each of {given['steps']:,} steps, "
        f"{given['seeds']} seeds"
    )
    write_report(path, Report(title, subject, pages, about, study.first_look))
    return path


def _ratio(runs: Mapping[str, BoxRun]) -> float:
    """Median gap of autodiff over that with the term."""
    wrong, right = (float(np.median(runs[w].energy_gap)) for w in ("relu-autodiff", "relu-exact"))
    return wrong / right


def _finding(study: DimensionsStudy) -> Page:
    """How far the gap falls in each case when the term is added."""
    figure = Figure()
    left, bottom, width, height = FIGURE_BOX
    axes = figure.add_axes((left + 0.12, bottom, width - 0.12, height))
    cases = list(study.runs)
    for way, marker, size in zip(WAYS, ("o", "D", "^"), (9, 8, 8), strict=True):
        gaps = [float(np.median(study.runs[case][way].energy_gap)) for case in cases]
        axes.plot(gaps, range(len(cases)), marker, color=LOOKS[way][1], markersize=size, label=_NAMES[way], zorder=3)
    for row, case in enumerate(cases):
        gaps = [float(np.median(study.runs[case][w].energy_gap)) for w in ("relu-autodiff", "relu-exact")]
        axes.plot(gaps, [row, row], color=FAINT, linewidth=2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(cases)), cases)
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.set_xlabel(r"median energy gap $\Pi(\hat u) - \Pi(u)$")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=3)
    ratios = [_ratio(runs) for runs in study.runs.values()]
    angles = [float(np.nanmedian(runs["relu-autodiff"].angle[-1])) for runs in study.runs.values()]
    costs = [seconds["relu-exact"] / seconds["relu-autodiff"] for seconds in study.seconds.values()]
    cost = (f"× {np.median(costs):.2g}", "the time of a step with the term, against one without; median of the cases")
    if study.first_look:
        sentence = (
            "Nothing has converged: this first look shows that everything works, and says nothing about the claim."
        )
        numbers = [cost]
    else:
        borne = sum(study.verdict(case) == "borne out" for case in study.runs)
        sentence = (
            "With the missing term added to the loss the energy gap of a ReLU network falls to "
            f"{1 / np.median(ratios):.2g} of autodiff's (median of {len(ratios)} cases); that it falls to a quarter or "
            f"less is borne out in {borne}."
        )
        numbers = [
            (f"÷ {np.median(ratios):.2g}", f"the energy gap, from ÷ {min(ratios):.2g} to ÷ {max(ratios):.2g}"),
            (f"{np.median(angles):.0f}°", "between what autodiff follows and the true gradient, where it ends"),
            cost,
        ]
    cure = "One summand of the loss, nought in value and right in gradient, on the same points:"
    code = "from kinkproof.solver import dirac_term\n\n"
    code += "loss = energy(x, u, du).mean() + dirac_term(\n    energy, model, box)"
    caption = (
        f"Median over {study.settings['seeds']} seeds of each case's three runs: the same points, the same starts but "
        "for the activation."
    )
    return finding_page(
        "The missing term in two and three inputs: what it is worth", sentence, figure, numbers, cure, code, caption,
        colour=BLACK if study.first_look or np.median(ratios) > 1 else RED,
    )  # fmt: skip


def _summary(study: DimensionsStudy) -> Page:
    heads = (
        "case", "gap,\nautodiff", "gap, autodiff\n+ term", "ratio", "gap,\ntanh",
        "error of ∇û\n(same order)", "angle", "time of\na step", "verdict",
    )  # fmt: skip
    rows, colours, bold = [], {}, set()
    for row, (case, runs) in enumerate(study.runs.items()):
        gaps = [float(np.median(runs[w].energy_gap)) for w in WAYS]
        errors = [float(np.median(runs[w].gradient_error[-1])) for w in WAYS]
        angle = float(np.nanmedian(runs["relu-autodiff"].angle[-1]))
        seconds = study.seconds[case]
        cost = seconds["relu-exact"] / seconds["relu-autodiff"]
        found = study.verdict(case) or "first look"
        rows.append((
            case, f"{gaps[0]:.3g}", f"{gaps[1]:.3g}", f"{_ratio(runs):.2g}", f"{gaps[2]:.3g}",
            " / ".join(f"{100 * e:.1f}" for e in errors) + " %", f"{angle:.0f}°", f"× {cost:.2g}", found,
        ))  # fmt: skip
        colours[row, len(heads) - 1] = VERDICT_COLOURS.get(found, GREY)
        bold |= {(row, 0), (row, len(heads) - 1)}
    widths = (0.19, 0.08, 0.105, 0.055, 0.075, 0.15, 0.05, 0.075, 0.12)
    step = min(0.06, 0.58 / len(rows))
    table = Table(heads, rows, LEFT, 0.9, widths, "lrrrrrrrl", 12, step, colours, frozenset(bold))
    worst = max(float(r.energy_error[-1].max()) for runs in study.runs.values() for r in runs.values())
    caption = (
        f"{CLAIM} Medians over {study.settings['seeds']} seeds. Gaps are measured at 32,768 points of the box, of "
        f"their own; the largest standard error of any is {worst:.1g}. Angle: between the gradient that autodiff "
        "follows and the true one, where training with autodiff ends. Time: of energy and gradient of one network with "
        "the term, in those without it, whose ∇û comes by hand and not by autograd."
    )
    return Page("Case by case", caption, Figure(), (table,))


def _case(study: DimensionsStudy, case: str) -> Page:
    runs = study.runs[case]
    figure = Figure()
    axes = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    figure.subplots_adjust(left=0.1, right=0.97, top=0.88, bottom=0.49, wspace=0.25)
    _history(axes[0], runs)
    for ax, label in zip(axes[1:], ("relu-autodiff", "relu-exact"), strict=True):
        _kinks(ax, runs[label])
        ax.set_title(f"Kinks: {_NAMES[label]}")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.525, 0.425), ncols=3)
    blocks = claim_blocks(CLAIM, study.checks(case), top=0.345, judged=not study.first_look)
    name, width = CASES[case]
    problem = next(iter(runs.values())).problem
    of = "the size of its field" if problem.components > 1 else "its field"
    slice_ = "" if problem.inputs == 2 else ", in the plane z = ½ of the box"
    second = " Green: of the second hidden layer." if len(width) > 1 else ""
    caption = (
        f"Problem “{name}”, hidden layers {' and '.join(map(str, width))}. Kinks of the network of median gap{slice_}, "
        f"over the levels of {of}.{second}"
    )
    lost = [f"{_NAMES[n]}: {sum(map(bool, r.stops))} of {len(r.stops)}" for n, r in runs.items() if any(r.stops)]
    if lost:
        caption += f"\nNetworks that ended early and are shown as they last were: {'; '.join(lost)}."
    return Page(f"{case[0].upper()}{case[1:]}", caption, figure, blocks)


def _history(axes: Axes, runs: Mapping[str, BoxRun]) -> None:
    for label, run in runs.items():
        _, colour, line = LOOKS[label]
        gap = run.gap_history
        axes.fill_between(run.steps, gap.min(1), gap.max(1), color=colour, alpha=0.13, linewidth=0)
        axes.plot(run.steps, np.median(gap, 1), color=colour, linestyle=line, label=_NAMES[label])
    axes.set_yscale("log")
    axes.set_xlabel("steps")
    axes.set_ylabel(r"energy gap $\Pi(\hat u) - \Pi(u)$")
    seeds = max(len(r.stops) for r in runs.values())
    axes.set_title(f"Median of {seeds} seeds, band least to greatest")


def _kinks(axes: Axes, run: BoxRun) -> None:
    """Where the pre-activations of the network of median gap are nought, over its field."""
    member = median_member(run)
    sides = [(float(a), float(b)) for a, b in run.problem.domain]
    x, y = np.meshgrid(*(np.linspace(a, b, _SIDE) for a, b in sides[:2]), indexing="ij")
    rest = [np.full_like(x, sum(side) / 2) for side in sides[2:]]
    points = np.stack([x, y, *rest], -1).reshape(-1, len(sides))
    field = run.field(points)[member].reshape(len(points), -1)
    # Of several displacements their size.
    levels = field[:, 0] if field.shape[1] == 1 else np.linalg.norm(field, axis=1)
    outside = [not run.problem.inside(p) for p in points.tolist()] if run.problem.without else None
    axes.contourf(x, y, _hidden(levels, outside).reshape(x.shape), levels=8, cmap="Greys", alpha=0.35)
    for colour, heights in zip(_LAYERS, run.preactivations(points, member), strict=False):
        for z in heights.T:
            if z.min() < 0 < z.max():
                line = _hidden(z, outside).reshape(x.shape)
                axes.contour(x, y, line, levels=[0], colors=colour, linewidths=0.7)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.set_xlabel("$x$")
    axes.set_ylabel("$y$")


def _hidden(values: NDArray[np.float64], outside: list[bool] | None) -> NDArray[np.float64]:
    """Not shown where it is cut out."""
    return values if outside is None else np.where(outside, np.nan, values)


def _settings(study: DimensionsStudy) -> Page:
    lines = list(study.settings.items())
    for case in study.runs:
        name, width = CASES[case]
        lines.append((case, f"{name}, hidden layers {' and '.join(map(str, width))}"))
    for problem in dict.fromkeys(runs["relu-autodiff"].problem for runs in study.runs.values()):
        lines.append((f"solution of {problem.name}", problem.solution))
        if problem.coefficient != 1:
            lines.append((f"its coefficient κ, {problem.name}", problem.coefficient))
        if problem.without:
            lines.append((f"D of {problem.name}", problem.distance))
        if problem.lame is not None:
            lines.append((f"Lamé's λ and μ of {problem.name}", " and ".join(map(str, problem.lame))))
    lines.append(("distance D elsewhere", "product of 4 t (1 − t) over the sides, t from 0 to 1 along each"))
    caption = (
        "ADAM with cosine decay; 500 points drawn anew at each step, the same for each of the three runs. The term is "
        "sampled along lines parallel to the axes. The L-shape is (−1, 1)² without (0, 1)²; of the elastic square both "
        "displacements are outputs of one network."
    )
    return settings_page(None, lines, caption)
