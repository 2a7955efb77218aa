"""Progress bars on stderr: with the current energy gap, or plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

if TYPE_CHECKING:
    # It imports torch, which a progress line does not need.
    from .observation import Observation

# A bar is worth its room from this width of the terminal on; what is being done, what is done and how long it takes
# come first.
_ROOM_FOR_BAR = 90
# Nothing is to be read from a bar that stretches over a whole wide screen.
_WIDEST = 120


def bar(total: int, label: str, shown: bool = True) -> Progress:
    """A progress line that vanishes at its end, with one task: what is done, how much of it, for how long.

    However narrow the terminal, counts and times are whole; the label gives way. Of a task's fields `note` is shown
    beside the label.

    Args:
        total: of the task's steps.
        label: what is being done.
        shown: False for a line that nobody sees.
    """
    console = Console(stderr=True)
    if console.width > _WIDEST:
        console = Console(stderr=True, width=_WIDEST)
    whole = Column(no_wrap=True)
    label_column = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    columns = [label_column, TextColumn("{task.fields[note]}", table_column=whole)]
    width = 24 if console.width >= _ROOM_FOR_BAR else 8
    bar_column = BarColumn(bar_width=width, table_column=Column(width=width, no_wrap=True))
    times = (TimeElapsedColumn(table_column=whole), TimeRemainingColumn(table_column=whole, compact=True))
    progress = Progress(
        *columns, bar_column, MofNCompleteColumn(table_column=whole), *times,
        console=console, transient=True, expand=True,
        # In a log a line that vanishes leaves an empty one.
        disable=not (shown and console.is_terminal),
    )  # fmt: skip
    progress.add_task(label, total=total, note="")
    return progress


@contextmanager
def progress_bar(steps: int, label: str) -> Iterator[Callable[[Observation], None]]:
    """Give a callback for `fit` that moves the bar and shows the median gap (or energy) of the batch."""
    with bar(steps, label) as progress:
        task = progress.task_ids[0]

        def show(seen: Observation) -> None:
            shown = seen.exact if seen.gap is None else seen.gap
            what = "energy" if seen.gap is None else "gap"
            progress.update(task, completed=seen.step, note=f"{what} {float(np.median(shown)):.4g}")

        yield show


@contextmanager
def counting_bar(total: int, label: str, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Give a function of (done, in all) that moves the bar; `shown` as in `bar`."""
    with bar(total, label, shown) as progress:
        task = progress.task_ids[0]
        yield lambda done, whole: progress.update(task, completed=done, total=whole)
