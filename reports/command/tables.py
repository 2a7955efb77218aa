"""What the command prints of the audit of AD systems and of the named problems."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ...verify.line.crosscheck import Agreement
from ...verify.statement.blocks import BLOCKS
from ...verify.statement.problem import RitzProblem
from ...verify.systems.findings import Audit
from ...verify.systems.plane_findings import PlaneAudit
from ...verify.systems.row import Row
from ..data.autodiff_end import autodiff_end
from .terminal import Column, show_table, terminal

_COLOURS = {"exact": "green", "consistent": "cyan", "inconsistent": "red"}
_MARKS = {"exact": "=", "consistent": "✓", "inconsistent": "✗"}
# Steps of a full audit: two preparations, fourteen ways in two precisions each, three of our own; in the plane five
# preparations and five ways; the report.
AUDIT_STEPS = 44
# The table of every row needs this much; on a narrower terminal rows are folded first, then columns left out.
_WHOLE_WIDTH = 138
# How a system of ours that is not installed says so.
_EXTRA = re.compile(r"not installed: pip install 'kinkproof\[(\w+)\]'")
_BLOCKS_HEAD, _MISSING_HEAD = "w b c", "missing"


def audit_tables(audit: Audit, saved: Path | None) -> None:
    """The verdict table, the cross-checks before it and what it means after it."""
    console = terminal()
    _routes(console, audit.agreements)
    if not audit.routes_agree:
        console.print("[red]The independent derivations disagree: nothing was judged.[/red]")
        return
    title = f"Gradient of the energy of “{escape(audit.problem.name)}”, {audit.network.width} neurons"
    left_out = _verdicts(console, title, audit.rows, audit.points)
    marks = "" if _BLOCKS_HEAD in left_out else f" {_BLOCKS_HEAD}: = exact, ✓ consistent, ✗ inconsistent."
    console.print(f"Largest relative error over grids of n to 1.3 n points.{marks}")
    if _MISSING_HEAD not in left_out:
        console.print(
            "missing: what the gradient lacks at the largest n equals the derived Dirac part to this relative error."
        )
    for where, share in audit.dirac_shares.items():
        console.print(f"Dirac part / whole gradient, {where}: {share:.3g}")
    console.print("inconsistent: right for the discrete sum, but the sum's derivative does not tend to the integral's.")
    limit = autodiff_end(audit.problem)
    if limit is not None:
        console.print(f"Training one hidden ReLU layer: {limit.sentence}.")
    _said_of(console, audit.rows)
    if audit.plane is not None:
        _plane_tables(console, audit.plane)
    if audit.passed and audit.judged_systems:
        console.print("All verdicts are the expected ones.")
    if saved is not None:
        console.print(f"Written: {saved / 'audit.json'}, {saved / 'discrepancy.pdf'} and .html", soft_wrap=True)


def _routes(console: Console, agreements: Iterable[Agreement], where: str = "") -> None:
    for a in agreements:
        said = "" if a.passed else f" [red]disagree, worst at parameter {a.parameter}[/red]"
        console.print(f"cross-check{where} {a.routes[0]} / {a.routes[1]}: {a.digits:.0f} digits{said}")


def _plane_tables(console: Console, audit: PlaneAudit) -> None:
    """The same in two inputs: cross-checks, rows of AD systems and of rules with each discrete delta."""
    console.print()
    _routes(console, audit.agreements, " in the plane,")
    if not audit.routes_agree:
        console.print("[red]The independent derivations in the plane disagree: nothing was judged there.[/red]")
        return
    title = f"In the plane: “{escape(audit.problem.name)}”, {audit.network.width} neurons"
    _verdicts(console, title, audit.rows, audit.points)
    console.print(f"Dirac part / whole gradient, in the plane: {audit.dirac_share:.3g}")
    for row in audit.rows:
        if row.delta == "nearest" and row.total is not None and row.total.verdict == "inconsistent":
            console.print(f"{escape(row.method)}: {row.reason}.")
    _said_of(console, audit.rows)


def _said_of(console: Console, rows: Sequence[Row]) -> None:
    """What did not run, failed, or came out otherwise than theory has it."""
    for row in rows:
        if row.unavailable:
            console.print(f"[yellow]not run:[/yellow] {escape(f'{row.label}: {row.unavailable}')}", soft_wrap=True)
        if row.failed:
            console.print(f"[red]failed:[/red] {escape(f'{row.label}: {row.failed}')}", soft_wrap=True)
    for row in (r for r in rows if r.total is not None and not r.as_expected):
        blocks = ", ".join(f"{n} {s.verdict} (expected {row.expected_blocks[n]})" for n, s in row.blocks.items())
        whole = "" if row.total is None else f"all {row.total.verdict} (expected {row.expected})"
        console.print(f"[red]unexpected:[/red] {escape(row.label)}: {whole}, {blocks}")


def nothing_judged(audit: Audit) -> str:
    """The sentence for an audit without any AD system: what is missing, and the command for it."""
    absent = [r for r in audit.rows if r.unavailable]
    extras = [found[1] for r in absent if (found := _EXTRA.fullmatch(r.unavailable))]
    if len(extras) == len(absent) > 1:
        # One command for all of them.
        systems = ", ".join(row.system for row in absent)
        why = f"; none of {systems} is installed: pip install 'kinkproof[{','.join(extras)}]'"
        return f"audit: no AD system was judged, only kinkproof's own quadratures{why}"
    why = "".join(f"; {row.system} is {row.unavailable}" for row in absent) or "; one with a backend would be right"
    return f"audit: no AD system was judged, only kinkproof's own quadratures{why}"


def _verdicts(console: Console, title: str, rows: Sequence[Row], points: Sequence[int]) -> list[str]:
    """The table: every row where there is room, else one row for both precisions where their verdicts are the same.

    Returns:
        The heads of the columns for which there was no room.
    """
    whole = console.width >= _WHOLE_WIDTH
    grids = len(points)
    heads = [
        *([Column("system", "left")] if whole else []),
        Column("way of asking", "left"),
        *([Column("type", "left")] if whole else []),
        # The finest grid says most, then the coarsest.
        *(Column(_points(n), dispensable=0 if k + 1 == grids else 2 if k == 0 else 5) for k, n in enumerate(points)),
        Column("order", dispensable=3),
        Column(_BLOCKS_HEAD, "left", dispensable=1),
        Column("verdict", "left"),
        Column(_MISSING_HEAD, dispensable=4),
    ]
    lines, ends = [], []
    for system, of_system in groupby(rows, key=lambda r: r.system):
        members = list(of_system)
        if whole:
            for k, row in enumerate(members):
                name, *others = _cells(row, grids)
                lines.append([system if k == 0 else "", name, row.precision, *others])
        else:
            lines.append([f"[bold]{escape(system)}[/bold]", *[""] * (len(heads) - 1)])
            for row, note in _folded(members):
                name, *others = _cells(row, grids)
                lines.append([name + note, *others])
        ends.append(len(lines) - 1)
    left_out = show_table(console, heads, lines, title, ends)
    if not whole and any(r.precision == "float32" for r in rows):
        console.print("Numbers are float64's; float32 has a row of its own where a verdict is another.")
    return left_out


def _folded(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Rows without those that only say in float32 what the float64 row of the same way says; with a note."""

    def verdicts(row: Row) -> tuple[str, ...] | None:
        return None if row.total is None else (row.total.verdict, *(s.verdict for s in row.blocks.values()))

    told = {r.method: verdicts(r) for r in rows if r.precision == "float64" and r.as_expected}
    out = []
    for row in rows:
        coarse = row.precision == "float32"
        if not (coarse and row.as_expected and told.get(row.method) == verdicts(row)):
            out.append((row, ", float32" if coarse else ""))
    return out


def _points(n: int) -> str:
    return f"n = {n:.0e}".replace("e+0", "e") if n >= 1000 else f"n = {n}"


def _cells(row: Row, grids: int) -> list[str]:
    """From the way of asking on, without the type."""
    # For a system that could not be asked at all, the reason stands in place of the way of asking; below, its cure.
    name = escape(row.method or (row.unavailable or "could not be loaded").partition(":")[0])
    if row.total is None:
        mark = "[red]failed[/red]" if row.failed else "[yellow]not run[/yellow]"
        return [name, *["–"] * grids, "–", "–", mark, "–"]
    verdict = row.total.verdict
    return [
        name,
        *(f"{e:.1e}" for e in row.total.errors),
        "–" if row.total.order is None else f"{row.total.order:.2f}",
        " ".join(_MARKS[row.blocks[n].verdict] for n in BLOCKS),
        f"[{_COLOURS[verdict]}]{verdict}[/]",
        "–" if row.attribution is None else f"{row.attribution:.1e}",
    ]


def problem_table(problems: Mapping[str, RitzProblem]) -> None:
    """Name, κ, ρ, f, D and ends of each."""
    rows = []
    for name, p in problems.items():
        ends = [f"κu′({e}) = {v}" for e, v in p.fluxes.items()] + [f"u({e}) = {v}" for e, v in p.essential.items()]
        ends += [f"outward flux({e}) = {alpha}·({g} − u)" for e, (alpha, g) in p.robin.items()]
        ends += ["periodic"] if p.periodic else []
        data = (p.coefficient, p.reaction, p.stated_source, p.distance)
        rows.append([name, *map(str, data), "; ".join(ends) or "built in"])
    show_table(terminal(), [Column(head, "left") for head in ("name", "κ", "ρ", "f", "D", "ends")], rows)
