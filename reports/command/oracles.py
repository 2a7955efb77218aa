"""`kinkproof oracles`: list, show and generate trusted values for other projects' tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import Command, Quiet, closed, one_sentence, with_problem
from .terminal import hushed

if TYPE_CHECKING:
    from ...verify.statement.problem import RitzProblem

app = typer.Typer(help="Trusted values for other projects' tests.", no_args_is_help=True)

Language = Literal["python", "c"]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 if a file is not as it would be.")]


def _pack_names() -> list[str]:
    from ...verify.oracles import packs

    return list(packs)


@app.command("list", cls=Command)
def list_packs(as_json: Json = False) -> None:
    """List the shipped packs."""
    with one_sentence():
        from ...verify.oracles import packs
        from .oracle_tables import pack_table

        if as_json:
            rows = {n: {"about": p.about, "cases": [c.id for c in p]} for n, p in packs.items()}
            typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        else:
            pack_table(packs)


@app.command(cls=Command)
def show(
    pack: Annotated[
        str, typer.Argument(help="A shipped pack, or the path of a pack's file.", autocompletion=_pack_names)
    ],
    case: Annotated[str | None, typer.Argument(help="One case of it, by its id; by default a list of all.")] = None,
    as_json: Json = False,
) -> None:
    """Show a pack's cases, or the values of one."""
    with one_sentence():
        from ...verify.oracles import load
        from .oracle_tables import case_list, case_values

        loaded = load(pack)
        chosen = list(loaded) if case is None else [loaded[case]]
        if as_json:
            typer.echo(json.dumps({c.id: c.record for c in chosen}, indent=2, ensure_ascii=False))
        elif case is None:
            case_list(loaded)
        else:
            case_values(chosen[0])


@app.command(cls=Command)
@partial(with_problem, plane=True)
def generate(
    problem: RitzProblem,
    standalone: Annotated[
        Path | None, typer.Option(help="Write one self-contained source file with closed forms: FILE.py or FILE.c.")
    ] = None,
    pack: Annotated[Path | None, typer.Option(help="Write a pack for `load`: FILE.json.")] = None,
    language: Annotated[str | None, closed(Language, "By default what the file's name says;")] = None,
    check: Check = False,
) -> None:
    """Write oracles of a problem: a source file without dependencies on kinkproof, or a pack."""
    from ...verify.errors import InputError
    from ...verify.files import require_writable
    from ...verify.oracles.standalone.generation import LANGUAGES, stale
    from ...verify.oracles.standalone.generation import generate as run_generate
    from .terminal import steps

    path = standalone or pack
    if path is None or (standalone and pack):
        raise InputError("oracles: --standalone FILE.py, --standalone FILE.c or --pack FILE.json would be right")
    require_writable(path)
    if pack and language:
        raise InputError("language: it does nothing for a pack, which is JSON; --standalone FILE would be right")
    endings = [".json"] if pack else [LANGUAGES[language]] if language else list(LANGUAGES.values())
    if path.suffix not in endings:
        raise InputError(f"{path}: the name's ending does not fit; {path.with_suffix(endings[0])} would be right")
    with steps(5) as progress:
        progress("antiderivatives")
        if check:
            _report_stale(stale(problem, path, progress=progress))
        else:
            _report_written(run_generate(problem, path, progress=progress))


@app.command(cls=Command)
def shipped(
    into: Annotated[Path, typer.Argument(help="The folder of the packs.")],
    names: Annotated[list[str] | None, typer.Argument(help="Which packs; by default all.")] = None,
    check: Check = False,
    quiet: Quiet = False,
) -> None:
    """Make the shipped packs anew; `wide` takes a quarter of an hour."""
    with one_sentence(), hushed(quiet, printing=False):
        from ...verify.choices import unknown
        from ...verify.files import require_writable, write_whole
        from ...verify.oracles.making.shipped import SHIPPED, shipped_text
        from .terminal import steps

        for name in names or []:
            if name not in SHIPPED:
                raise unknown("pack", name, SHIPPED, "is not a shipped pack")
        targets = {into / f"{name}.json": name for name in names or SHIPPED}
        for path in targets:
            require_writable(path)
        with steps(len(targets)) as progress:
            for path, name in targets.items():
                progress(name)
                content = shipped_text(name).encode()
                if check:
                    _report_stale([] if path.is_file() and path.read_bytes() == content else [path])
                else:
                    write_whole(path, content)
                    _report_written([path])


def _report_stale(paths: Iterable[Path]) -> None:
    found = list(paths)
    for path in found:
        typer.echo(f"stale: {path} is not what would be generated now", err=True)
    if found:
        raise typer.Exit(1)


def _report_written(paths: Iterable[Path]) -> None:
    for path in paths:
        typer.echo(f"written: {path}")
