"""What `kinkproof fit` and `sweep` print: a table of networks, of an experiment's runs with its claim, of settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from ...solver.studies.experiments import CONVERGED, Outcome
from ...solver.training.runs import Run
from ...solver.training.starts import DESCRIPTIONS
from ..data.autodiff_end import autodiff_end, capitalised
from .terminal import Column, show_table, terminal

if TYPE_CHECKING:
    from ...solver.networks.autodiff_limit import AutodiffLimit
    from ...solver.studies.sweeps import SweepTable
    from ..data.beyond import BeyondStudy
    from ..data.dimensions import DimensionsStudy
    from ..pages.paper_finding import Finding

# A trained network's gap this near to a state's is there: the grid of 200 points alone shifts it by some thousandths.
_THERE = 0.01


def run_table(run: Run) -> None:
    """One line a network, then what the numbers mean."""
    screen = terminal()
    known = run.problem.solution is not None
    width = ", ".join(map(str, run.settings.width))
    begun = DESCRIPTIONS[run.settings.initial]
    title = (
        f"{run.problem.name}: {width} neurons, {run.settings.activation}, {run.settings.gradient}, "
        f"{run.settings.optimizer} from {begun}"
    )
    heads = [
        "seed",
        "energy",
        "on the\ngrid",
        *(["energy\ngap", "field\nerror"] if known else []),
        "|gradient|",
        "angle",
    ]
    rows = []
    errors = run.field_error() if known else np.full(len(run.stops), np.nan)
    for k, seed in enumerate(run.settings.seeds):
        angle = run.history.angle[-1, k]
        row = [str(seed), f"{run.energy[k]:.6g}", f"{run.history.quadrature[-1, k]:.6g}"]
        row += [f"{run.energy_gap[k]:.4g}", f"{errors[k]:.2g}"] if known else []
        row += [f"{run.history.gradient_norm[-1, k]:.2g}", "–" if np.isnan(angle) else f"{angle:.0f}°"]
        rows.append(row)
    show_table(screen, [Column(head) for head in heads], rows, escape(title))
    screen.print(
        "energy: as an integral; on the grid: as the quadrature sees it. angle: between autodiff's gradient on the "
        "grid and that of the integral."
    )
    if known:
        _say_gap(screen, run)
        _say_limit(screen, run)
    if run.settings.gradient == "finite-difference":
        chosen = "the adviser's, anew at each step" if run.settings.difference_step is None else "given"
        screen.print(f"Step of the differences: {chosen}. Advice for the weights at the end: {run.step_advice()}.")
    for seed, stop in zip(run.settings.seeds, run.stops, strict=True):
        if stop:
            screen.print(f"seed {seed} ended early: {stop}")


def _say_gap(screen: Console, run: Run) -> None:
    gap, stuck = run.energy_gap, int(run.stuck.sum())
    spread = f"median energy gap {np.median(gap):.4g}, {gap.min():.4g} to {gap.max():.4g}"
    caught = f"; {stuck} of {len(gap)} stuck in a local minimum far above the others" if stuck else ""
    screen.print(spread + caught)


def _say_limit(screen: Console, run: Run) -> None:
    """Where autodiff ends whatever the width, and how many of these networks are there."""
    limit = limit_of(run)
    if limit is None:
        return
    there = sum(abs(gap / limit.nearest(gap).energy_gap - 1) <= _THERE for gap in run.energy_gap)
    screen.print(
        f"{capitalised(limit)} Computed without training, for an infinitely fine grid; {there} of "
        f"{len(run.energy_gap)} networks are within {_THERE:.0%} of one of these gaps."
    )


def run_as_dict(run: Run) -> dict[str, Any]:
    """For JSON: the run's summary, and the states in which autodiff ends where it follows it."""
    out = run.summary()
    limit = limit_of(run)
    if limit is not None:
        out["autodiff_limit"] = [
            {"kinks": s.kinks.tolist(), "facings": s.facings, "energy_gap": s.energy_gap, "attracting": s.attracting}
            for s in limit.states
        ]
    return out


def limit_of(run: Run) -> AutodiffLimit | None:
    """The states that autodiff, on a grid or at n = ∞, ends in; None where a run is of another kind."""
    settings = run.settings
    plain = settings.activation == "relu" and len(settings.width) == 1 and settings.energy == "ritz"
    wrong = settings.gradient == "bulk" or (settings.gradient == "autodiff" and settings.rule != "conforming")
    return autodiff_end(run.ritz_problem) if plain and wrong else None


def experiment_tables(outcome: Outcome, place: Path) -> None:
    """One line a run, then the claim, what was found, and the verdict."""
    screen = terminal()
    first = next(iter(outcome.runs.values()))
    width = ", ".join(map(str, first.settings.width))
    networks = len(first.stops)
    title = f"{outcome.name}: {first.problem.name}, {width} neurons, {networks} networks"
    title += f", from {DESCRIPTIONS[first.settings.initial]}"
    # Labels may be long: on a narrow terminal they are broken, at a space, and not the numbers.
    heads = ("steps", "median\ngap", "least", "greatest", "stuck", "field\nerror")
    columns, rows = [Column("run", "left", prose=True), *map(Column, heads)], []
    for label, run in outcome.runs.items():
        gap = run.energy_gap
        numbers = [f"{v:.3g}" for v in (np.median(gap), gap.min(), gap.max())]
        steps, stuck = str(int(run.history.steps[-1])), str(int(run.stuck.sum()))
        shown = label.replace("-after-", " after ")
        rows.append([escape(shown), steps, *numbers, stuck, f"{np.median(run.field_error()):.2g}"])
    show_table(screen, columns, rows, escape(title))
    for label, run in outcome.runs.items():
        if run.diverged.any():
            screen.print(f"[red]{int(run.diverged.sum())} of {networks} networks of {label} diverged.[/red]")
    screen.print(
        "gap: exact energy minus the minimum. stuck: more than 4 times above the lower quartile and falling no more. "
        "field error: median, relative."
    )
    if outcome.first_look:
        screen.print(_first_look(first.settings.steps))
    screen.print(f"The paper's claim: {outcome.claim}")
    for check in (c for c in outcome.checks if c.papers):
        screen.print(f"  {_mark(check.holds, not outcome.first_look)} {check.sentence}")
    if outcome.verdict is not None:
        screen.print(f"Verdict: [bold]{outcome.verdict}[/bold].")
    ours = [c for c in outcome.checks if not c.papers]
    if ours:
        screen.print("What the paper did not show:")
        for check in ours:
            screen.print(f"  {_mark(check.holds, not outcome.first_look)} {check.sentence}")
    screen.print(f"Written: {place}", soft_wrap=True)


def findings_table(found: Iterable[Finding], first_look: str) -> None:
    """One line a figure of the paper: its claim and the verdict; of a first look, which has none, that it is one."""
    if first_look:
        terminal().print(f"[bold]{first_look}.[/bold]")
        return
    columns = [
        Column("figure", "left"),
        Column("claim", "left", prose=True),
        Column("checks\nthat hold", "left"),
        Column("verdict", "left"),
    ]
    rows = []
    for finding in found:
        held = [c.holds for c in finding.checks if c.papers]
        rows.append([str(finding.figure), escape(finding.claim), f"{sum(held)} of {len(held)}", finding.verdict or "–"])
    show_table(terminal(), columns, rows)


def verdicts_table(study: DimensionsStudy) -> None:
    """One line a case of the dimensions report; of a first look, which has no verdicts, that it is one."""
    if study.first_look:
        terminal().print(f"[bold]{study.first_look}.[/bold]")
        return
    rows = []
    for case in study.runs:
        held = [c.holds for c in study.checks(case)]
        rows.append([escape(case), f"{sum(held)} of {len(held)}", study.verdict(case) or "–"])
    show_table(terminal(), [Column(head, "left") for head in ("case", "checks\nthat hold", "verdict")], rows)


def answers_table(study: BeyondStudy) -> None:
    """One line a question of the report beyond the paper; of a first look, which has no verdicts, that it is one."""
    if study.first_look:
        terminal().print(f"[bold]{study.first_look}.[/bold]")
        return
    rows = []
    for answer in study.answers:
        held = [c.holds for c in answer.checks if c.papers]
        rows.append([escape(answer.question.claim), f"{sum(held)} of {len(held)}", answer.verdict or "–"])
    columns = [Column("claim", "left", prose=True), Column("checks\nthat hold", "left"), Column("verdict", "left")]
    show_table(terminal(), columns, rows)


def _first_look(epochs: int) -> str:
    return f"[bold]First look[/bold]: after {epochs:,} of {CONVERGED:,} epochs nothing has converged; no verdict."


def _mark(holds: bool, judged: bool) -> str:
    if not judged:
        return "?"
    return "[green]✓[/green]" if holds else "[red]✗[/red]"


def sweep_table(table: SweepTable) -> None:
    """What differs between the runs, and medians over their seeds."""
    screen = terminal()
    groups = table.groups()
    told = [n for n in table.settings if len({repr(row[n]) for row in table.rows}) > 1]
    title = f"{len(table.rows)} networks, {len(groups)} combinations of settings; medians over the seeds"
    # On a narrow terminal those go that a reader misses least: the range before the kinks, these before the seeds.
    figures = [
        Column("seeds", dispensable=1),
        Column("energy\ngap"),
        Column("least", dispensable=3),
        Column("greatest", dispensable=4),
        Column("kinks\ninside", dispensable=2),
        Column("effective\nkinks"),
        Column("diverged"),
    ]
    columns = [*(Column(escape(name), "left") for name in told), *figures]
    shown = []
    for rows in groups:
        gaps = np.array([row["energy_gap"] for row in rows])
        cells = ["–" if rows[0][n] in (None, "") else escape(str(rows[0][n])) for n in told]
        energy_gaps = [f"{f(gaps):.4g}" for f in (np.median, np.min, np.max)]
        kinks = [_median_of([row[n] for row in rows]) for n in ("kinks_inside", "effective_kinks")]
        diverged = sum(row["diverged"] for row in rows)
        shown.append([*cells, str(len(rows)), *energy_gaps, *kinks, str(diverged) if diverged else "–"])
    show_table(screen, columns, shown, title)
    screen.print(
        "effective kinks: clusters of kinks at which û′ jumps, by 1 % of its largest jump at least. Where they sit is "
        "in the table's column kink_places."
    )


def _median_of(values: list[Any]) -> str:
    return "–" if None in values else f"{np.median(values):g}"
