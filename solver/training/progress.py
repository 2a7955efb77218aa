"""Progress bars on stderr: with the current energy gap, or plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .observation import Observation


@contextmanager
def progress_bar(steps: int, label: str) -> Iterator[Callable[[Observation], None]]:
    """Give a callback for `fit` that moves the bar and shows the median gap (or energy) of the batch."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[energy]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=steps, energy="")

        def show(seen: Observation) -> None:
            shown = seen.exact if seen.gap is None else seen.gap
            what = "energy" if seen.gap is None else "energy gap"
            progress.update(task, completed=seen.step, energy=f"{what} {float(np.median(shown)):.4g}")

        yield show


@contextmanager
def counting_bar(total: int, label: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function of (done, in all) that moves the bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done, whole: progress.update(task, completed=done, total=whole)
