"""`kinkproof audit FILE.py:DENSITY`: the audit of a model in a file of the user's own."""

from __future__ import annotations

import ast
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

from .junit import require_xml, write_junit
from .options import given, run_file
from .terminal import steps

# What the file may define, and the argument of `audit` that it is.
OPTIONAL = {"quadrature": "quadrature", "training_loss": "loss", "ends": "ends", "parameters": "parameters"}
OPTIONAL |= {"terms": "terms", "loss_of": "loss_of"}
# Options that make sense with a model of the user's own.
_ALLOWED = {"subject", "rule", "points", "pdf", "junit", "as_json", "quiet", "context"}
STEPS = 6


def refuse_others(context: typer.Context) -> None:
    """Options that state a problem or choose backends say nothing about a file.

    Raises:
        InputError: one of them was given.
    """
    from ...verify.errors import InputError

    for name in given(context):
        if name not in _ALLOWED:
            raise InputError(
                f"--{name}: it says nothing about a model in a file; --rule, --points, --json, --pdf, --junit are right"
            )


def audit_file(
    subject: str,
    rule: str,
    points: int | None,
    pdf: Path | None,
    junit: Path | None,
    as_json: bool,
    chosen: bool = False,
) -> None:
    """Run the file, audit its model, print the report and write it as PDF or HTML, and as JUnit's XML.

    Args:
        subject: FILE.py:DENSITY.
        rule: the quadrature rule where the file has no sum of its own.
        points: that it is trained on; None for what the file says, or 100.
        pdf: file for the report.
        junit: file for the findings, .xml.
        as_json: print JSON.
        chosen: is the rule on the command line?

    Raises:
        InputError: the file, or what it defines, cannot be used.
        typer.Exit: with 1 if autodiff's gradient is not that of the integral, 2 if there is no verdict.
    """
    from ...verify.errors import InputError

    path, colon, name = subject.rpartition(":")
    if not colon or not path.endswith(".py") or not name:
        raise InputError(f"audit: {subject!r} is not FILE.py:DENSITY; something like model.py:energy would be right")
    if pdf is not None:
        from ..layout.writing import require_report_path

        require_report_path(pdf)
    require_xml(junit)
    with steps(STEPS + (pdf is not None)) as progress:
        progress(f"running {path}")
        # What the user's own code prints must not get in between the lines of the result.
        with redirect_stdout(sys.stderr):
            found = run_file(path, "audit")
            from ...verify.models.model_audit import audit_model

            defined = _contract(found, path, name)
            own_sum = next((n for n in ("quadrature", "training_loss") if n in found), None)
            if chosen and own_sum:
                raise InputError(f"rule: it does nothing where {path} defines {own_sum}; one of the two would be right")
            try:
                own = found.get("points", 100)
                result = audit_model(**defined, rule=rule, points=own if points is None else points, progress=progress)
            except InputError as error:
                raise InputError(_with_line(str(error), path, name)) from None
        if pdf is not None:
            from ..pages.model_pages import model_report

            progress("writing the report")
            model_report(result, pdf)
        if junit is not None:
            write_junit(result, subject, junit)
    if as_json:
        typer.echo(json.dumps(result.as_dict(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        from .model_tables import audit_lines

        audit_lines(result)
        for written in (pdf, junit):
            if written is not None:
                typer.echo(f"written: {written}")
    if not result.passed:
        # Nothing judged is no verdict against anybody.
        raise typer.Exit(2 if result.verdict == "none" else 1)


def _contract(found: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    """The arguments of the audit that a file defines: `model`, `domain` and the density, and optional ones."""
    from ...verify.errors import InputError

    wanted = ("model", "domain", name)
    missing = [n for n in wanted if n not in found]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"audit: {' and '.join(missing)} {verb} not defined in {path}; a file that defines model, domain and "
            f"{name} would be right"
        )
    return {"model": found["model"], "domain": found["domain"], "density": found[name]} | {
        argument: found[n] for n, argument in OPTIONAL.items() if n in found
    }


def _with_line(message: str, path: str, density: str) -> str:
    """A message about something that the file defines, with the line that defines it unless it names one already."""
    if ".py:" in message:
        return message
    subject = message.partition(":")[0].removeprefix("your ").split(" ")[0].rstrip(",")
    argument_of = {v: k for k, v in OPTIONAL.items()} | {"density": density, "model": "model", "domain": "domain"}
    line = _line(path, argument_of.get(subject, ""))
    return f"{message} ({path}:{line})" if line else message


def _line(path: str, name: str) -> int:
    """Where a file binds a name last, at its top level; 0 where it does not."""
    found = 0
    for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        targets: list[Any] = []
        if isinstance(node, ast.Assign):
            targets = [n for t in node.targets for n in ast.walk(t)]
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names = {t.id for t in targets if isinstance(t, ast.Name)}
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {a.asname or a.name for a in node.names}
        if name in names:
            found = node.lineno
    return found
