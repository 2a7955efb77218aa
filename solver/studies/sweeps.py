"""Sweeps over settings of `fit`: trials handed to any executor, their rows in one table, whoever did the work."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...verify.errors import InputError
from ...verify.files import write_whole
from ..executors import work_off
from .trials import Row, Trial

ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class SweepTable:
    """What a sweep found.

    Attributes:
        rows: one a network, column → value: settings, seed, energy gap, kinks, versions; trial by trial, in order.
    """

    rows: tuple[Row, ...]

    @property
    def columns(self) -> list[str]:
        """Their names, in order."""
        return list(self.rows[0]) if self.rows else []

    @property
    def settings(self) -> list[str]:
        """The columns that say what was asked for, without the seed."""
        return self.columns[: self.columns.index("seed")] if self.rows else []

    def groups(self) -> list[list[Row]]:
        """The rows of each combination of settings, in order; what they have in common is all but the seed."""
        out: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            out.setdefault(tuple(repr(row[n]) for n in self.settings), []).append(row)
        return list(out.values())

    def csv(self) -> str:
        """As CSV; numbers with all their digits, places of kinks separated by spaces, unknown values empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_cell(row[n]) for n in self.columns] for row in self.rows)
        return text.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write a .csv or .parquet file.

        Raises:
            InputError: another ending, pyarrow is missing, or the file cannot be written.
        """
        path = require_table_path(path)
        if path.suffix == ".csv":
            write_whole(path, self.csv().encode())
            return path
        pyarrow, parquet = _arrow()
        buffer = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in self.rows]), buffer)
        write_whole(path, buffer.getvalue())
        return path


def require_table_path(path: str | Path) -> Path:
    """Say before hours of work that a table cannot be written.

    Raises:
        InputError: another ending than .csv or .parquet, or pyarrow is missing.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"output: {path.name} is no table; a name that ends in .csv or .parquet would be right")
    if path.suffix == ".parquet":
        _arrow()
    return path


def sweep(
    trials: Sequence[Trial],
    executor: Executor | None = None,
    *,
    recall: Callable[[Trial], list[Row] | None] = lambda trial: None,
    keep: Callable[[Trial, list[Row]], object] = lambda trial, rows: None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> SweepTable:
    """Train all networks of a sweep; the same bits whatever the executor and the interruptions.

    Args:
        trials: see `read_sweep`.
        executor: any `concurrent.futures.Executor`, which works on the trials; None: this process.
        recall: asked for each trial first: its rows, if an earlier sweep left them.
        keep: called with the rows of each trial as soon as they are there.
        progress: called with how many of the trials are done, and how many there are.

    Raises:
        InputError: what `fit` refuses, or an executor that takes no work.

    Examples:
        >>> from kinkproof.solver.studies.trials import read_sweep
        >>> table = sweep(read_sweep("steps = 5\\nseeds = 2\\nwidth = [3, 4]"))
        >>> [(row["width"], row["seed"]) for row in table.rows]
        [('3', 0), ('3', 1), ('4', 0), ('4', 1)]
    """
    found: dict[int, list[Row]] = {}
    for k, trial in enumerate(trials):
        rows = recall(trial)
        if rows is not None:
            found[k] = rows
    progress(len(found), len(trials))

    def take(task: tuple[int, Trial], rows: list[Row]) -> None:
        found[task[0]] = rows
        keep(task[1], rows)
        progress(len(found), len(trials))

    work_off([(k, t) for k, t in enumerate(trials) if k not in found], _rows_of, executor, take)
    return SweepTable(tuple(row for k in range(len(trials)) for row in found[k]))


def _rows_of(task: tuple[int, Trial]) -> list[Row]:
    return task[1].rows()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(repr, value))
    return repr(value) if isinstance(value, float) else value


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise InputError(
            "output: .parquet needs pyarrow, which is not installed; pip install 'kinkproof[parquet]', or a name that "
            "ends in .csv, would be right"
        ) from None
    return pyarrow, parquet
