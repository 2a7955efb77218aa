"""`kinkproof sweep`: many trainings on one process, several, or a cluster, into one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .options import Quiet, going_on, one_sentence, refuse_idle
from .processes import executor_of
from .terminal import hushed, speaking


def sweep(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.toml",
            help="Settings of `fit`, problem, start and seeds; a list asks for each of its values. [[runs]] tables "
            "hold sets of combinations of their own.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The table, .csv or .parquet; by default FILE.csv.", show_default=False),
    ] = None,
    processes: Annotated[int, typer.Option(help="Of this machine.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Of a Dask cluster whose workers have kinkproof, such as tcp://host:8786.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps finished runs, safe to delete; by default `cache` beside the table."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON instead of a table.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train networks for every combination of settings; one table with settings, gaps, kinks and versions.

    Finished runs are kept: a sweep that was killed goes on where it was. The same bits on one process, several and a
    cluster. Exits with 1 if a network diverged.
    """
    with one_sentence(context), hushed(quiet, printing=as_json):
        from ...solver.studies.sweeps import require_table_path
        from ...solver.studies.trials import read_sweep
        from ...solver.training.progress import counting_bar
        from ...verify.errors import InputError
        from ...verify.files import require_writable
        from ..data.cache import Cache
        from ..data.sweep import kept_sweep
        from .training_tables import sweep_table

        if processes < 1:
            raise InputError(f"processes: {processes} compute nothing; at least one would be right")
        if scheduler is not None:
            refuse_idle(context, ["processes"], "beside --scheduler, whose workers do it; one of the two is right")
        path = require_table_path(output or file.with_suffix(".csv"))
        folder = cache or path.parent / "cache"
        require_writable(path)
        require_writable(folder / "data")
        trials = read_sweep(_text(file))
        told = going_on(f"the same command goes on from what is kept in {folder}", folder)
        with told, counting_bar(len(trials), "runs", speaking()) as bar, executor_of(processes, scheduler) as executor:
            table = kept_sweep(trials, Cache(folder), executor, bar)
        table.save(path)
        if as_json:
            rows = [{k: None if v != v else v for k, v in row.items()} for row in table.rows]
            typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        else:
            sweep_table(table)
        if speaking():
            typer.echo(f"Written: {path}", err=as_json)
    if any(row["diverged"] for row in table.rows):
        raise typer.Exit(1)


def _text(file: Path) -> str:
    from ...verify.errors import InputError

    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); a file in TOML would be right") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is no text; a file in TOML would be right") from None
