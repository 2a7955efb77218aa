"""The `kinkproof` command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ...verify.choices import Rule
from . import fit as fit_command
from .options import Command, closed, given, one_sentence, with_problem
from .oracles import app as oracles
from .report import app as report
from .solve import solve
from .sweep import sweep

if TYPE_CHECKING:
    from ...verify.statement.problem import RitzProblem

app = typer.Typer(
    name="kinkproof",
    help="Prove or refute the gradients of physics-informed energies on ReLU networks.",
    no_args_is_help=True,
    epilog="Exit codes: 0 as expected, 1 a check failed, 2 bad input, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(oracles, name="oracles")
app.add_typer(report, name="report")


def main() -> None:
    """Run the command: exit code 0 as expected, 1 a check failed, 2 bad input, 130 interrupted."""
    # A terminal that cannot show κ gets a replacement character, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Callable[..., Any] | None = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kinkproof {version('kinkproof')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What stands before a subcommand."""


app.command(cls=Command)(fit_command.fit)


def audit(
    problem: RitzProblem,
    context: typer.Context,
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE.py:DENSITY",
            help="Audit your own model instead: a Python file (it is run, like a test file) that defines `model`, "
            "`domain` and the energy's density L(x, u, du) by this name; and if you like `training_loss(model, n)` or "
            "`quadrature(n)`, `ends(u)` and `parameters`.",
            show_default=False,
        ),
    ] = None,
    width: Annotated[int, typer.Option(help="Neurons of the random network at which to audit.")] = 20,
    seed: Annotated[int, typer.Option(help="Its seed.")] = 0,
    rule: Annotated[str, closed(Rule, "Quadrature rule of the fixed grids:")] = "midpoint",
    backend: Annotated[
        list[str] | None, typer.Option(help="An AD system to audit, such as torch; may be repeated. By default all.")
    ] = None,
    plane: Annotated[
        str, typer.Option(help="The named plane problem at which two inputs are asked too; none leaves them out.")
    ] = "plane-sine",
    save: Annotated[
        Path | None, typer.Option(help="Folder for audit.json, discrepancy.pdf and discrepancy.html.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="File for the error-against-grid figure, .svg or .png.")] = None,
    points: Annotated[
        int | None,
        typer.Option(help="With a model of yours: the points it is trained on, else its `points`, or 100."),
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="With a model of yours: file for the report, .pdf.")] = None,
    junit: Annotated[
        Path | None, typer.Option(help="With a model of yours: file for the findings as build servers show them, .xml.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="Of this machine. By default one for each core, up to four; one where one AD system is asked.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")] = False,
) -> None:
    """Which gradients of the energy do torch, JAX and others get wrong, by how much, and why?

    Exits with 1 if the independent derivations disagree, or a verdict is not the one that theory predicts, or a
    backend fails; with 2 if no AD system was judged. One that is not installed is shown as such.
    With FILE.py:DENSITY: is autodiff's gradient of your own loss that of its integral? Exits with 1 if it is not, and
    says what to change.
    """
    if subject is not None:
        from .model import audit_file, refuse_others

        refuse_others(context)
        audit_file(subject, rule, points, pdf, junit, as_json, chosen="rule" in given(context))
        return
    from ...verify.auditing import audit as run_audit
    from ...verify.errors import InputError
    from ...verify.statement.named_plane import plane_problems
    from ...verify.statement.network import ShallowNetwork
    from ...verify.systems.discovery import backends
    from ...verify.systems.elsewhere import discover_with
    from .processes import cores, executor_of
    from .tables import AUDIT_STEPS, audit_tables, nothing_judged
    from .terminal import steps

    if points is not None:
        raise InputError("points: they are those of a model of yours, FILE.py:DENSITY; leaving --points out is right")
    if pdf is not None:
        raise InputError("pdf: it is for a model of yours, FILE.py:DENSITY; --save FOLDER would be right")
    if junit is not None:
        raise InputError("junit: it is for a model of yours, FILE.py:DENSITY; --json would be right")
    if width < 1:
        raise InputError(f"width: {width} neurons compute nothing; at least one would be right")
    if seed < 0:
        raise InputError(f"seed: {seed} is negative; a whole number from 0 on would be right")
    if save is not None and save.exists() and not save.is_dir():
        raise InputError(f"{save} is a file; a folder would be right")
    if picture is not None and picture.suffix not in (".svg", ".png"):
        raise InputError(f"{picture}: a picture ends in .svg or .png; {picture.with_suffix('.svg')} would be right")
    if processes is not None and processes < 1:
        raise InputError(f"processes: {processes} compute nothing; at least one would be right")
    beside = None if plane == "none" else plane_problems[plane]
    network = ShallowNetwork.random(width, seed)
    if processes is None:
        # A process that starts reads SymPy and NumPy anew: some seconds, which one AD system alone does not repay.
        asked = {e.name for e in backends()} if backend is None else set(backend)
        processes = min(cores(), 4) if len(asked) > 1 else 1
    short = "--processes 1 would be right if memory was short"
    with steps(AUDIT_STEPS) as progress, executor_of(processes, lost=short) as executor:
        methods = discover_with(executor, backend)
        result = run_audit(problem, network, methods, rule=cast(Rule, rule), progress=progress, executor=executor)
        if beside is not None and result.routes_agree:
            methods = discover_with(executor, backend, inputs=2)
            result = replace(result, plane=run_audit(beside, methods=methods, progress=progress, executor=executor))
        text = json.dumps(result.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if save is not None:
            from ...verify.files import write_whole
            from ..pages.discrepancy import discrepancy_report

            progress("writing the report")
            if result.routes_agree:
                paths = [save / f"discrepancy.{ending}" for ending in ("pdf", "html")]
                list((map if executor is None else executor.map)(discrepancy_report, [result, result], paths))
            write_whole(save / "audit.json", text.encode())
        if picture is not None and result.routes_agree:
            from ..pages.discrepancy import finding_picture

            finding_picture(result, picture)
    if as_json:
        typer.echo(text, nl=False)
    else:
        audit_tables(result, save)
    if not result.passed:
        raise typer.Exit(1)
    if not result.judged_systems:
        raise InputError(nothing_judged(result))


app.command("audit", cls=Command)(with_problem(audit, instead="subject"))
app.command("verify", cls=Command, short_help="Another name of `audit`.")(with_problem(audit, instead="subject"))


def derive(
    problem: RitzProblem,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print number, LaTeX and SymPy text of each equation.")
    ] = False,
) -> None:
    """Print Eqs. (5)–(9) and the sifted Dirac terms as LaTeX."""
    from ...verify.line.derivation import derive as run_derive

    derivation = run_derive(problem)
    if as_json:
        rows = [{"number": e.number, "latex": e.latex(), "sympy": e.text()} for e in derivation.equations()]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        typer.echo(derivation.latex(), nl=False)


app.command(cls=Command)(with_problem(derive, at_work=False))
app.command(cls=Command)(solve)
app.command(cls=Command)(sweep)


@app.command(cls=Command)
def problems(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the named problems."""
    with one_sentence():
        from ...verify.statement.named import problems as named
        from .tables import problem_table

        if as_json:
            names = ("coefficient", "reaction", "source", "distance")
            rows = {n: {k: str(getattr(p, k)) for k in names} for n, p in named.items()}
            typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        else:
            problem_table(named)
