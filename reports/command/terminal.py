"""The terminal: tables at any width of it, a progress line, and silence where it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from rich.box import HEAVY_HEAD, SIMPLE_HEAD, Box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Where no terminal tells its width (a CI log), all tables but one are whole at this.
_LOG_WIDTH = 145
# Wider than any table: what a table needs is asked of rich as if there were no end of the line.
_NO_END = 10_000
# Prose may be broken between words, but not into a column of single words.
_LEAST_PROSE = 24
_QUIET = ContextVar("quiet", default=False)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        head: what stands above it, in one or two lines.
        justify: where its cells stand.
        prose: words that may be broken between lines. All else is a number or a name, which is never broken.
        dispensable: 0 for a column that is always shown; of the others the highest number goes first where the terminal
            is narrow.
    """

    head: str
    justify: Literal["left", "right"] = "right"
    prose: bool = False
    dispensable: int = 0


def terminal() -> Console:
    """The terminal at its own width, or a log wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=_LOG_WIDTH)


@contextmanager
def hushed(quiet: bool, printing: bool) -> Iterator[None]:
    """Where it is to be quiet: no progress line, and no output besides what is printed for programs.

    Args:
        quiet: is it?
        printing: is it printed for a program, as JSON?
    """
    token = _QUIET.set(quiet)
    try:
        if quiet and not printing:
            with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
                yield
        else:
            yield
    finally:
        _QUIET.reset(token)


def speaking() -> bool:
    """Are progress lines wanted?"""
    return not _QUIET.get()


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """A progress line on stderr for about so many steps: call it with the name of each as it begins."""
    # Imported here: it needs NumPy, and `kinkproof --help` nothing.
    from ...solver.training.progress import bar

    with bar(total, "reading the problem", shown=speaking()) as progress:
        task = progress.task_ids[0]

        def step(what: str) -> None:
            done = progress.tasks[0].completed + 1
            # It is about so many: what comes after the last one is not more than all.
            progress.update(task, completed=done, total=max(done, total), description=what)

        yield step


def show_table(
    screen: Console,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    title: str = "",
    sections: Sequence[int] = (),
) -> list[str]:
    """Print a table in which no number and no name is cut, however narrow the terminal.

    With frames where there is room; else without; else without its dispensable columns, which is said; else each row
    as a paragraph that is named by its first cell.

    Args:
        screen: the terminal.
        columns: what stands in them.
        rows: a cell for each column, in rich's markup.
        title: above it.
        sections: indices of rows after which a line is drawn.

    Returns:
        The heads of the columns that are not shown.
    """
    kept = list(range(len(columns)))
    while True:
        for box in (HEAVY_HEAD, SIMPLE_HEAD):
            table = _table([columns[k] for k in kept], [[row[k] for k in kept] for row in rows], title, sections, box)
            if _least_width(screen, table) <= screen.width:
                screen.print(table)
                left = [" ".join(c.head.split()) for k, c in enumerate(columns) if k not in kept]
                if left:
                    screen.print(
                        f"Not shown, for want of width: {', '.join(left)}. A wider terminal, or --json, shows all."
                    )
                return left
        dispensable = [k for k in kept if columns[k].dispensable]
        if not dispensable:
            break
        kept.remove(max(dispensable, key=lambda k: columns[k].dispensable))
    _paragraphs(screen, columns, rows, title)
    return []


def _table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str, sections: Sequence[int], box: Box
) -> Table:
    framed = box is HEAVY_HEAD
    table = Table(title=title or None, box=box, padding=(0, int(framed)), show_edge=framed, pad_edge=framed)
    for k, column in enumerate(columns):
        widest = max(_cells(text) for text in (column.head, *(row[k] for row in rows)))
        least = min(widest, _LEAST_PROSE) if column.prose else widest
        table.add_column(column.head, justify=column.justify, no_wrap=not column.prose, min_width=least)
    for k, row in enumerate(rows):
        table.add_row(*row, end_section=k in sections)
    return table


def _least_width(screen: Console, table: Table) -> int:
    return Measurement.get(screen, screen.options.update(width=_NO_END), table).minimum


def _cells(markup: str) -> int:
    """Columns of the terminal that the longest line takes."""
    return max((line.cell_len for line in Text.from_markup(markup).split(allow_blank=True)), default=0)


def _paragraphs(screen: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str) -> None:
    if title:
        screen.print(Text.from_markup(title, style="bold"))
    heads = [" ".join(c.head.split()) for c in columns[1:]]
    indent = 4 + max(map(len, heads))
    for name, *cells in rows:
        screen.print(Text.from_markup(name, style="bold"), soft_wrap=True)
        for head, column, cell in zip(heads, columns[1:], cells, strict=True):
            if not cell:
                continue
            text = Text.from_markup(cell)
            if column.prose:
                first, *others = text.wrap(screen, max(screen.width - indent, _LEAST_PROSE))
                text = Text(f"\n{' ' * indent}").join([first, *others])
            # A formula longer than the line is broken by the terminal alone, so that it can be copied whole.
            screen.print(Text(f"  {head:{indent - 2}}").append_text(text), soft_wrap=True, highlight=True)
