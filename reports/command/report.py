"""`kinkproof report`: the five reports, as PDF and HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ...verify.choices import Rule
from .options import Command, Quiet, closed, going_on, one_sentence, refuse_idle, refuse_quick, with_problem
from .terminal import hushed

if TYPE_CHECKING:
    from ...verify.statement.problem import RitzProblem
    from ..data.cache import Cache

app = typer.Typer(
    help="Write a report as PDF or HTML: discrepancy, landscape, paper, beyond or dimensions.", no_args_is_help=True
)

# Of a quick report: it shows that everything works, its runs have not converged.
_QUICK_STEPS, _QUICK_SEEDS, _QUICK_RESOLUTION = 300, 4, 41
_QUICK_BOX_STEPS, _QUICK_BOX_SEEDS = 60, 2
_QUICK_BEYOND = 60
# About so many steps a progress line shows.
_DISCREPANCY_STEPS, _LANDSCAPE_STEPS, _PAPER_STEPS, _DIMENSIONS_STEPS = 44, 10, 65, 45
# Batches of networks that are trained, and descents.
_BEYOND_STEPS = 85

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The file, .pdf or .html; by default build/reports/<report>.pdf."),
]
Html = Annotated[bool, typer.Option("--html", help="Also as one self-contained HTML file, beside the PDF.")]
Kept = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder that keeps computed data, safe to delete; by default `cache` beside the PDF."),
]
Quick = Annotated[bool, typer.Option("--quick", help="Coarse and short, for a first look.")]


def _places(name: str, output: Path | None, html: bool, cache: Path | None) -> tuple[list[Path], Cache]:
    """The files to write, and where data are kept."""
    from ...verify.errors import InputError
    from ...verify.files import require_writable
    from ..data.cache import Cache
    from ..layout.page import creation_date
    from ..layout.writing import require_report_path

    path = output or Path("build/reports") / f"{name}.pdf"
    folder = cache or path.parent / "cache"
    # Said before minutes of work, not after them.
    require_writable(folder / "data")
    if path.absolute() in (folder.absolute(), *folder.absolute().parents):
        raise InputError(f"output: {path} is where the cache lies; another name, such as {name}.pdf, would be right")
    paths = [require_report_path(path)]
    if html:
        if path.suffix.lower() == ".html":
            raise InputError(f"html: it does nothing beside --output {path}; one of the two would be right")
        paths.append(require_report_path(path.with_suffix(".html")))
    creation_date()
    return paths, Cache(folder)


def _write(kept: Cache, settings: Mapping[str, Any], write: Callable[[Path], object], paths: list[Path]) -> None:
    """Write the files, or copy what the same settings gave before."""
    from ..data.cache import recall_report

    for path in paths:
        recall_report(kept, settings, write, path)


def _going_on(kept: Cache) -> AbstractContextManager[None]:
    """What an interruption says: whatever was computed is kept."""
    return going_on(f"the same command goes on from what is kept in {kept.folder}", kept.folder)


@app.command(cls=Command)
@with_problem
def discrepancy(
    problem: RitzProblem,
    width: Annotated[int, typer.Option(help="Neurons of the random network at which to audit.")] = 20,
    seed: Annotated[int, typer.Option(help="Its seed.")] = 0,
    rule: Annotated[str, closed(Rule, "Quadrature rule of the fixed grids:")] = "midpoint",
    backend: Annotated[
        list[str] | None, typer.Option(help="An AD system to audit, such as torch; may be repeated. By default all.")
    ] = None,
    quick: Quick = False,
    output: Output = None,
    html: Html = False,
    cache: Kept = None,
) -> None:
    """Where autodiff deviates from the gradient of the integral, by how much, and why.

    Exits with 1 if the derivations disagree, or a verdict is not the one that theory predicts; with 2 if no AD system
    was judged.
    """
    from ...verify.errors import InputError
    from ..data.audit import audit_study
    from ..pages.discrepancy import discrepancy_report
    from .tables import nothing_judged
    from .terminal import steps

    paths, kept = _places("discrepancy", output, html, cache)
    with steps(_DISCREPANCY_STEPS) as progress:
        found = audit_study(problem, width, seed, cast(Rule, rule), backend, quick=quick, cache=kept, progress=progress)
        if found.routes_agree:
            progress("writing the report")
            settings = {"report": "discrepancy", "audit": found.as_dict()}
            _write(kept, settings, partial(discrepancy_report, found), paths)
    if found.routes_agree:
        typer.echo(f"Written: {', '.join(map(str, paths))}")
    else:
        typer.echo("kinkproof: the independent derivations disagree: nothing was judged, no report written", err=True)
    if not found.passed:
        raise typer.Exit(1)
    if not found.judged_systems:
        raise InputError(nothing_judged(found))


@app.command(cls=Command)
@with_problem
def landscape(
    problem: RitzProblem,
    context: typer.Context,
    width: Annotated[int, typer.Option(help="Neurons of the networks.")] = 20,
    seed: Annotated[int, typer.Option(help="Of their starting parameters.")] = 0,
    points: Annotated[int, typer.Option(help="Nodes of the fixed grid.")] = 200,
    rule: Annotated[str, closed(Rule, "Quadrature rule of that grid:")] = "midpoint",
    radius: Annotated[float, typer.Option(help="Half the side of the planes, in units of the parameters.")] = 0.1,
    resolution: Annotated[
        int | None,
        typer.Option(help="Points along each side of a plane, an odd number; by default 101.", show_default=False),
    ] = None,
    quick: Quick = False,
    output: Output = None,
    html: Html = False,
    cache: Kept = None,
) -> None:
    """What the energy around the fit to the solution looks like, and whose the noise is."""
    # First: what is imported below reads SOURCE_DATE_EPOCH too, and not every package says what is wrong with it.
    paths, kept = _places("landscape", output, html, cache)
    if resolution is not None:
        refuse_idle(context, ["quick"], "beside --resolution, which it would choose; one of the two would be right")
    from ..data.landscape import RESOLUTION, landscape_study
    from ..pages.landscape_pages import landscape_report
    from .terminal import steps

    chosen = resolution if resolution is not None else _QUICK_RESOLUTION if quick else RESOLUTION
    with _going_on(kept), steps(_LANDSCAPE_STEPS) as progress:
        study = landscape_study(
            problem, width, seed, points=points, rule=rule, radius=radius, resolution=chosen, cache=kept,
            progress=progress,
        )  # fmt: skip
        progress("writing the report")
        _write(kept, {"report": "landscape", **study.settings}, partial(landscape_report, study), paths)
    if study.first_look:
        typer.echo(f"{study.first_look}.")
    typer.echo(f"Written: {', '.join(map(str, paths))}")


@app.command(cls=Command)
def paper(
    context: typer.Context,
    epochs: Annotated[
        int | None, typer.Option("--steps", help="Epochs of ADAM; by default 10000.", show_default=False)
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Networks of each run, from seed 0 on; by default 16.", show_default=False)
    ] = None,
    quick: Quick = False,
    output: Output = None,
    html: Html = False,
    cache: Kept = None,
    quiet: Quiet = False,
) -> None:
    """The paper's figures 1 to 8 from real runs, a verdict on each claim, and what the paper did not show."""
    with one_sentence(context), hushed(quiet, printing=False):
        paths, kept = _places("paper", output, html, cache)
        from ...verify.errors import InputError
        from ..data.paper import paper_study
        from ..pages.paper_pages import findings, paper_report
        from .terminal import steps
        from .training_tables import findings_table

        if seeds is not None and seeds < 1:
            raise InputError(f"seeds: {seeds} networks are none; at least one would be right")
        with _going_on(kept), steps(_PAPER_STEPS) as progress:
            study = paper_study(
                steps=epochs if epochs is not None else _QUICK_STEPS if quick else 10_000,
                seeds=seeds if seeds is not None else _QUICK_SEEDS if quick else 16,
                resolution=_QUICK_RESOLUTION if quick else 101,
                quick=quick,
                cache=kept,
                progress=progress,
            )
            progress("writing the report")
            _write(kept, {"report": "paper", **study.settings}, partial(paper_report, study), paths)
        findings_table(findings(study), study.first_look)
        typer.echo(f"Written: {', '.join(map(str, paths))}")


@app.command(cls=Command)
def beyond(
    context: typer.Context,
    steps: Annotated[
        int | None, typer.Option(help="Of ADAM and gradient descent; by default 10000.", show_default=False)
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Networks of each cheap run, from seed 0 on; by default 64.", show_default=False)
    ] = None,
    processes: Annotated[int, typer.Option(help="Of this machine, for the trainings.")] = 1,
    quick: Quick = False,
    output: Output = None,
    html: Html = False,
    cache: Kept = None,
    quiet: Quiet = False,
) -> None:
    """Beyond the paper: what a referee asks, each question with a verdict from runs of its own.

    Points drawn anew, grids, adaptive and smoothed integrands, widths, depth, optimisers, precision, the strong form,
    activations, frequencies, the regression first, the main conclusion, the nearest published methods; natural
    gradients. A whole run takes some half an hour of one core's time; it goes on where it was interrupted.
    """
    with one_sentence(context), hushed(quiet, printing=False):
        refuse_quick(context)
        paths, kept = _places("beyond", output, html, cache)
        from ...verify.errors import InputError
        from ..data.beyond import SEEDS, STEPS, beyond_study
        from ..pages.beyond_pages import beyond_report
        from .processes import executor_of
        from .terminal import steps as progress_line
        from .training_tables import answers_table

        if seeds is not None and seeds < 1:
            raise InputError(f"seeds: {seeds} networks are none; at least one would be right")
        if processes < 1:
            raise InputError(f"processes: {processes} compute nothing; at least one would be right")
        with _going_on(kept), progress_line(_BEYOND_STEPS) as progress, executor_of(processes) as executor:
            study = beyond_study(
                steps=steps if steps is not None else _QUICK_BEYOND if quick else STEPS,
                seeds=seeds if seeds is not None else _QUICK_BOX_SEEDS if quick else SEEDS,
                cache=kept,
                executor=executor,
                progress=progress,
            )
            progress("writing the report")
            _write(kept, {"report": "beyond", **study.settings}, partial(beyond_report, study), paths)
        answers_table(study)
        typer.echo(f"Written: {', '.join(map(str, paths))}")


@app.command(cls=Command)
def dimensions(
    context: typer.Context,
    steps: Annotated[int | None, typer.Option(help="Of ADAM; by default 4000.", show_default=False)] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Networks of each run, from seed 0 on; by default 8.", show_default=False)
    ] = None,
    quick: Quick = False,
    output: Output = None,
    html: Html = False,
    cache: Kept = None,
    quiet: Quiet = False,
) -> None:
    """Deep Ritz in two and three inputs: autodiff, autodiff with the missing term, and tanh at the same points.

    A whole run takes an hour or so; it goes on where it was interrupted.
    """
    with one_sentence(context), hushed(quiet, printing=False):
        refuse_quick(context)
        paths, kept = _places("dimensions", output, html, cache)
        from ...verify.errors import InputError
        from ..data.dimensions import SEEDS, STEPS, dimensions_study
        from ..pages.dimensions_pages import dimensions_report
        from .terminal import steps as progress_line
        from .training_tables import verdicts_table

        if seeds is not None and seeds < 1:
            raise InputError(f"seeds: {seeds} networks are none; at least one would be right")
        with _going_on(kept), progress_line(_DIMENSIONS_STEPS) as progress:
            study = dimensions_study(
                steps=steps if steps is not None else _QUICK_BOX_STEPS if quick else STEPS,
                seeds=seeds if seeds is not None else _QUICK_BOX_SEEDS if quick else SEEDS,
                cache=kept,
                progress=progress,
            )
            progress("writing the report")
            _write(kept, {"report": "dimensions", **study.settings}, partial(dimensions_report, study), paths)
        verdicts_table(study)
        typer.echo(f"Written: {', '.join(map(str, paths))}")
