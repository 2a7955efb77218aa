"""What `kinkproof audit FILE.py:DENSITY` prints: the report of the audit of a model, at any width of the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.text import Text

from ...verify.models.telling.model_findings import ModelAudit
from .terminal import Column, show_table, terminal


def audit_lines(audit: ModelAudit) -> None:
    """The report's lines with its table between them; in a log, which has no width, just as `str` has it."""
    screen = terminal()
    if not screen.is_terminal:
        print(audit)
        return
    for line in audit.opening:
        screen.print(Text(line))
    if audit.total is not None:
        screen.print()
        grids = len(audit.columns)
        columns = [
            Column("parameter", "left"),
            # The errors on the coarser grids go first, the coarsest at the very first; the finest stays.
            *(Column(escape(head), dispensable=grids - 1 - k) for k, head in enumerate(audit.columns)),
            Column("missing"),
            Column("verdict", "left"),
        ]
        show_table(screen, columns, [[escape(cell) for cell in audit.row(found)] for found in audit.findings])
        screen.print()
    *said, last = audit.closing or [""]
    for line in said:
        screen.print(Text(line))
    # Lines to paste are broken by the terminal alone.
    screen.print(Text(last), soft_wrap=audit.verdict == "inconsistent")
