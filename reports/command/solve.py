"""`kinkproof solve`: the best ReLU network of a width, with its certificate."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import given, refuse_idle, with_problem

if TYPE_CHECKING:
    from ...solver.free_knots.widths.convergence_table import Convergence
    from ...solver.free_knots.widths.optimum import BestNetwork
    from ...verify.statement.problem import RitzProblem

DEFAULT_WIDTH = 20
_MAX_ITERATIONS = 200
# Of the training behind a chart.
_STEPS, _SEEDS = 10_000, 16


@with_problem
def solve(
    problem: RitzProblem,
    context: typer.Context,
    width: Annotated[int | None, typer.Option(help=f"Neurons, by default {DEFAULT_WIDTH}.")] = None,
    kinks: Annotated[int | None, typer.Option(help="Instead: kinks inside the domain.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Instead: grow until the energy gap is at most this.")] = None,
    widths: Annotated[
        str | None, typer.Option(help="Instead: a convergence table over widths such as 16,32,64.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random starts.")] = 0,
    max_iterations: Annotated[int, typer.Option(help="Newton steps of one start.")] = _MAX_ITERATIONS,
    save: Annotated[Path | None, typer.Option(help="File for the result as JSON, parameters included.")] = None,
    chart: Annotated[
        Path | None, typer.Option(help="PDF of where the energy gap goes: trained in six ways beside solved; minutes.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help=f"With --chart: epochs of training, by default {_STEPS}.", show_default=False)
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help=f"With --chart: networks trained in each way, by default {_SEEDS}.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")] = False,
) -> None:
    """Find the ReLU network of least energy: solve for its kinks.

    Exits with 1 if a certificate does not hold: not stationary, not a minimum, or a better one of the width is known.
    """
    from ...solver import convergence as run_convergence
    from ...solver import solve as run_solve
    from ...solver.free_knots.widths.optimum import ConvergenceWarning
    from ...verify.errors import InputError
    from ...verify.files import require_writable

    if seed < 0:
        raise InputError(f"seed: {seed} is negative; a whole number from 0 on would be right")
    stated = [n for n in ("width", "kinks", "tolerance", "widths") if n in given(context)]
    if len(stated) > 1:
        raise InputError(
            f"{stated[1]}: beside --{stated[0]} it is one too many; one of --width, --kinks, --tolerance and --widths "
            "would be right"
        )
    if widths is not None:
        refuse_idle(context, ["seed", "max_iterations"], "in a table over --widths; --width would be right")
    refuse_idle(context, ["penalty"], "where essential values are kept, not penalised; leaving it out is right")
    if chart is None:
        refuse_idle(context, ["steps", "seeds"], "where nothing is trained; --chart FILE beside it would be right")
    if chart is not None:
        _check_chart(problem, chart, widths)
    if save is not None:
        require_writable(save)
    if width is kinks is tolerance is None:
        width = DEFAULT_WIDTH
    with warnings.catch_warnings():
        # What it says is in the certificate, which is printed, and in the exit code.
        warnings.simplefilter("ignore", ConvergenceWarning)
        table = None if widths is None else run_convergence(problem, _numbers(widths))
        if table is not None:
            results, shown = list(table.networks), _table_as_dict(problem, table)
        else:
            best = run_solve(problem, width, kinks=kinks, tolerance=tolerance, seed=seed, max_iterations=max_iterations)
            results, shown = [best], _as_dict(problem, best)
    if chart is not None:
        trained = {"steps": _STEPS if steps is None else steps, "seeds": _SEEDS if seeds is None else seeds}
        shown["chart"] = _write_chart(problem, results[0], chart, **trained)
    text = json.dumps(shown, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if save is not None:
        from ...verify.files import write_whole

        write_whole(save, text.encode())
    if as_json:
        typer.echo(text, nl=False)
    else:
        from .solve_tables import certificate_table, convergence_table

        if table is not None:
            convergence_table(problem, table)
        else:
            certificate_table(problem, results[0])
        for path in (save, chart):
            if path is not None:
                typer.echo(f"Written: {path}")
    if not all(r.converged and r.certificate.holds for r in results):
        raise typer.Exit(1)


def _check_chart(problem: RitzProblem, chart: Path, widths: str | None) -> None:
    from ...verify.errors import InputError
    from ..layout.writing import require_report_path

    if widths is not None:
        raise InputError("chart: it is of one width; --width 20 instead of --widths would be right")
    if problem.solution is None:
        raise InputError("chart: the gap of trained networks needs a known solution; --solution would be right")
    if problem.essential:
        raise InputError(
            "chart: solve keeps essential values and training penalises them, so that their gaps are not comparable; "
            "a problem with built-in ends would be right"
        )
    require_report_path(chart)


def _write_chart(problem: RitzProblem, best: BestNetwork, chart: Path, steps: int, seeds: int) -> dict[str, Any]:
    from ..data.gap import gap_table, trained_gaps
    from ..layout.page import Report
    from ..layout.style import look
    from ..layout.writing import write_report
    from ..pages.gap_page import gap_page
    from .terminal import steps as progress_line

    with progress_line(7) as progress:
        gaps = trained_gaps(problem, best.network.width, steps, seeds, progress)
        table = gap_table(problem.name, best, gaps)
        with look():
            page = gap_page(table)
        about = f"problem {problem.name}, {best.network.width} neurons, {steps:,} epochs, {seeds} seeds"
        write_report(chart, Report("Where the energy gap goes", about, [page], about))
    return table.as_dict() | {"steps": steps, "seeds": seeds}


def _numbers(text: str) -> list[int]:
    from ...verify.errors import InputError

    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise InputError(f"widths: {text!r} is not a list of whole numbers; 16,32,64 would be right") from None


def _as_dict(problem: RitzProblem, best: BestNetwork) -> dict[str, Any]:
    certificate = dataclasses.asdict(best.certificate)
    # JSON has no infinity; without a kink that could move there is no smallest curvature.
    certificate = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in certificate.items()}
    certificate["failures"] = list(best.certificate.failures)
    names = ("hidden_weights", "hidden_biases", "output_weights")
    return {
        "problem": problem.name,
        "width": best.network.width,
        "kinks": best.certificate.kinks,
        "energy_gap": best.energy_gap,
        "relative_error": best.relative_error,
        "iterations": best.iterations,
        "converged": best.converged,
        "certificate": certificate,
        "network": {n: v.tolist() for n, v in zip(names, best.network.floats, strict=True)},
    }


def _table_as_dict(problem: RitzProblem, table: Convergence) -> dict[str, Any]:
    rows = [_as_dict(problem, b) | {"order": p} for b, p in zip(table.networks, table.orders, strict=True)]
    return {"problem": problem.name, "order": table.order, "rows": rows}
