"""What the command prints: tables and a progress line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...verify.statement.blocks import BLOCKS
from ...verify.statement.problem import RitzProblem
from ...verify.systems.findings import Audit, Row
from ..data.autodiff_end import autodiff_end

_COLOURS = {"exact": "green", "consistent": "cyan", "inconsistent": "red"}
_MARKS = {"exact": "=", "consistent": "✓", "inconsistent": "✗"}
# Where no terminal tells its width (a CI log), the table needs this much to keep a method on one line.
_LOG_WIDTH = 145
# Steps of a full audit: two preparations, fourteen ways in two precisions each, three of our own, the report.
AUDIT_STEPS = 34


def terminal() -> Console:
    """The terminal at its own width, or a log wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=_LOG_WIDTH)


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """A progress line on stderr for about so many steps: call it with the name of each as it begins."""
    columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading the problem", total=total)

        def step(what: str) -> None:
            progress.update(task, advance=1, description=what)

        yield step


def audit_tables(audit: Audit, saved: Path | None) -> None:
    """The verdict table, the cross-checks before it and what it means after it."""
    console = terminal()
    for a in audit.agreements:
        console.print(
            f"cross-check {a.routes[0]} / {a.routes[1]}: {a.digits:.0f} digits"
            + ("" if a.passed else f" [red]disagree, worst at parameter {a.parameter}[/red]")
        )
    if not audit.routes_agree:
        console.print("[red]The independent derivations disagree: nothing was judged.[/red]")
        return
    table = Table(title=f"Gradient of the energy of “{audit.problem.name}”, {audit.network.width} neurons")
    table.add_column("system", no_wrap=True)
    table.add_column("way of asking", no_wrap=True)
    table.add_column("type", no_wrap=True)
    for n in audit.points:
        table.add_column(f"n = {n:.0e}".replace("e+0", "e") if n >= 1000 else f"n = {n}", justify="right", no_wrap=True)
    table.add_column("order", justify="right")
    table.add_column("w b c")
    table.add_column("verdict", no_wrap=True)
    table.add_column("missing", justify="right")
    for _, of_system in groupby(audit.rows, key=lambda r: r.system):
        for k, row in enumerate(rows := list(of_system)):
            system = row.system if k == 0 else ""
            table.add_row(system, *_cells(row, len(audit.points)), end_section=k + 1 == len(rows))
    console.print(table)
    console.print(
        "Largest relative error over grids of n to 1.3 n points. w b c: = exact, ✓ consistent, ✗ inconsistent."
    )
    console.print(
        "missing: what the gradient lacks at the largest n equals the derived Dirac part to this relative error."
    )
    for where, share in audit.dirac_shares.items():
        console.print(f"Dirac part / whole gradient, {where}: {share:.3g}")
    console.print("inconsistent: right for the discrete sum, but the sum's derivative does not tend to the integral's.")
    limit = autodiff_end(audit.problem)
    if limit is not None:
        console.print(f"Training one hidden ReLU layer: {limit.sentence}.")
    for row in audit.rows:
        if row.unavailable:
            console.print(f"[yellow]not run:[/yellow] {escape(f'{row.label}: {row.unavailable}')}", soft_wrap=True)
        if row.failed:
            console.print(f"[red]failed:[/red] {escape(f'{row.label}: {row.failed}')}", soft_wrap=True)
    surprises = [r for r in audit.rows if r.total is not None and not r.as_expected]
    for row in surprises:
        blocks = ", ".join(f"{n} {s.verdict} (expected {row.expected_blocks[n]})" for n, s in row.blocks.items())
        console.print(f"[red]unexpected:[/red] {escape(row.label)}: {blocks}")
    if audit.passed and audit.judged_systems:
        console.print("All verdicts are the expected ones.")
    if saved is not None:
        console.print(f"Written: {saved / 'audit.json'}, {saved / 'discrepancy.pdf'} and .html", soft_wrap=True)


def nothing_judged(audit: Audit) -> str:
    """The sentence for an audit without any AD system: what is missing, and the command for it."""
    absent = [r for r in audit.rows if r.unavailable]
    why = "".join(f"; {row.system} is {row.unavailable}" for row in absent) or "; one with a backend would be right"
    return f"audit: no AD system was judged, only kinkproof's own quadratures{why}"


def _cells(row: Row, grids: int) -> list[str]:
    # For a system that could not be asked at all, the reason stands in place of the way of asking.
    name = escape(row.method or row.unavailable or "could not be loaded")
    if row.total is None:
        mark = "[red]failed[/red]" if row.failed else "[yellow]not run[/yellow]"
        return [name, row.precision, *["–"] * grids, "–", "–", mark, "–"]
    verdict = row.total.verdict
    return [
        name,
        row.precision,
        *(f"{e:.1e}" for e in row.total.errors),
        "–" if row.total.order is None else f"{row.total.order:.2f}",
        " ".join(_MARKS[row.blocks[n].verdict] for n in BLOCKS),
        f"[{_COLOURS[verdict]}]{verdict}[/]",
        "–" if row.attribution is None else f"{row.attribution:.1e}",
    ]


def problem_table(problems: Mapping[str, RitzProblem]) -> None:
    """Name, κ, f, D and ends of each."""
    table = Table()
    for head in ("name", "κ", "f", "D", "ends"):
        table.add_column(head)
    for name, p in problems.items():
        ends = [f"κu′({e}) = {v}" for e, v in p.fluxes.items()] + [f"u({e}) = {v}" for e, v in p.essential.items()]
        table.add_row(name, str(p.coefficient), str(p.source), str(p.distance), "; ".join(ends) or "built in")
    terminal().print(table)
