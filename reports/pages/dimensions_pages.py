"""The dimensions report: what the missing term makes of Deep Ritz in two and three inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...solver.boxes.runs import BoxRun
from ...verify.files import require_writable
from ..data.dimensions import CASES, CLAIM, WAYS, DimensionsStudy
from .settings_page import settings_page
from .style import BLACK, GREEN, GREY, Page, look, write_pdf
from .training_figures import LOOKS, VERDICT_COLOURS, median_member, write_claim

# What the runs are called here, where no other gradient stands beside them.
_NAMES = {"relu-autodiff": "ReLU, autodiff", "relu-exact": "ReLU, autodiff + term", "tanh-autodiff": "tanh, autodiff"}
# Places along each side at which kinks are looked for.
_SIDE = 181
# Kinks of each hidden layer.
_LAYERS = (BLACK, GREEN)


def dimensions_report(study: DimensionsStudy, path: str | Path) -> Path:
    """Write the report of one study as a PDF.

    Args:
        study: what `dimensions_study` returned; all numbers shown come from it.
        path: the file to write.

    Raises:
        InputError: the path cannot be written.
    """
    path = Path(path)
    require_writable(path)
    with look():
        pages = [_summary(study), *(_case(study, case) for case in study.runs), _settings(study)]
    title = "The missing term in two and three inputs"
    subject = "Deep Ritz with autodiff, with the Dirac term added, and with tanh, at the same points"
    write_pdf(path, pages, title, subject, study.first_look)
    return path


def _summary(study: DimensionsStudy) -> Page:
    figure = Figure()
    columns = (0.05, 0.25, 0.335, 0.435, 0.495, 0.57, 0.725, 0.785, 0.85)
    heads = (
        "case", "gap,\nautodiff", "gap, autodiff\n+ term", "ratio", "gap,\ntanh",
        "error of ∇û\n(same order)", "angle", "time of\na step", "verdict",
    )  # fmt: skip
    for x, head in zip(columns, heads, strict=True):
        figure.text(x, 0.885, head, fontsize=10, weight="bold", va="top")
    y = 0.81
    for case, runs in study.runs.items():
        gaps = [float(np.median(runs[w].energy_gap)) for w in WAYS]
        errors = [float(np.median(runs[w].gradient_error[-1])) for w in WAYS]
        angle = float(np.nanmedian(runs["relu-autodiff"].angle[-1]))
        seconds = study.seconds[case]
        cost = seconds["relu-exact"] / seconds["relu-autodiff"]
        found = study.verdict(case) or "first look"
        cells = (
            case, f"{gaps[0]:.3g}", f"{gaps[1]:.3g}", f"{gaps[0] / gaps[1]:.2g}", f"{gaps[2]:.3g}",
            " / ".join(f"{100 * e:.1f}" for e in errors) + " %", f"{angle:.0f}°", f"× {cost:.2g}", found,
        )  # fmt: skip
        for x, cell in zip(columns, cells, strict=True):
            last = cell is cells[-1]
            colour = VERDICT_COLOURS.get(found, GREY) if last else BLACK
            bold = "bold" if last or cell is case else "normal"
            figure.text(x, y, cell, fontsize=10, va="top", color=colour, weight=bold)
        y -= 0.055
    worst = max(float(r.energy_error[-1].max()) for runs in study.runs.values() for r in runs.values())
    caption = (
        f"{CLAIM} Medians over {study.settings['seeds']} seeds. Gaps are measured at 32,768 points of their own, the "
        f"largest standard error of any is {worst:.1g}. Angle: between the gradient that autodiff follows and the true "
        "one, where training with autodiff ends. Time: of energy and gradient of one network with the term, in those "
        "without it, whose ∇û comes by hand and not by autograd."
    )
    if study.first_look:
        caption += "\nNothing has converged: this shows that everything works, and says nothing about the claim."
    return Page("The missing term in two and three inputs", caption, figure)


def _case(study: DimensionsStudy, case: str) -> Page:
    runs = study.runs[case]
    figure = Figure()
    axes = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    figure.subplots_adjust(left=0.085, right=0.975, top=0.88, bottom=0.49, wspace=0.25)
    _history(axes[0], runs)
    for ax, label in zip(axes[1:], ("relu-autodiff", "relu-exact"), strict=True):
        _kinks(ax, runs[label])
        ax.set_title(f"Kinks: {_NAMES[label]}")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.525, 0.415), ncols=3)
    write_claim(figure, CLAIM, study.checks(case), top=0.335, judged=not study.first_look)
    name, width = CASES[case]
    problem = next(iter(runs.values())).problem
    slice_ = "" if problem.inputs == 2 else ", in the plane z = ½ of the box"
    second = " Green: of the second hidden layer." if len(width) > 1 else ""
    caption = (
        f"Problem “{name}”, hidden layers {' and '.join(map(str, width))}. Kinks of the network of median gap{slice_}, "
        f"over the levels of its field.{second}"
    )
    lost = [f"{_NAMES[n]}: {sum(map(bool, r.stops))} of {len(r.stops)}" for n, r in runs.items() if any(r.stops)]
    if lost:
        caption += f"\nNetworks that ended early and are shown as they last were: {'; '.join(lost)}."
    return Page(f"{case[0].upper()}{case[1:]}", caption, figure)


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
    axes.contourf(x, y, run.field(points)[member].reshape(x.shape), levels=8, cmap="Greys", alpha=0.35)
    for colour, heights in zip(_LAYERS, run.preactivations(points, member), strict=False):
        for z in heights.T:
            if z.min() < 0 < z.max():
                axes.contour(x, y, z.reshape(x.shape), levels=[0], colors=colour, linewidths=0.7)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.set_xlabel("$x$")
    axes.set_ylabel("$y$")


def _settings(study: DimensionsStudy) -> Page:
    lines = list(study.settings.items())
    for case in study.runs:
        name, width = CASES[case]
        lines.append((case, f"{name}, hidden layers {' and '.join(map(str, width))}"))
    for problem in dict.fromkeys(runs["relu-autodiff"].problem for runs in study.runs.values()):
        lines.append((f"solution of {problem.name}", problem.solution))
        if problem.coefficient != 1:
            lines.append((f"its coefficient κ, {problem.name}", problem.coefficient))
    lines.append(("distance D", "product of 4 t (1 − t) over the sides, t from 0 to 1 along each"))
    caption = (
        "ADAM with cosine decay; 500 points drawn anew at each step, the same for each of the three runs. The term is "
        "sampled along lines parallel to the axes. An L-shape and elasticity are not among the cases."
    )
    return settings_page(None, lines, caption)
