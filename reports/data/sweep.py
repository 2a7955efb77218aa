"""Sweeps whose finished trials are kept: what was killed goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from ...solver.studies.sweeps import SweepTable, sweep
from ...solver.studies.trials import Row, Trial
from ...verify.errors import InputError
from .cache import Cache, read_sealed, write_sealed

_KIND = "trial"


def kept_sweep(
    trials: Sequence[Trial],
    cache: Cache,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> SweepTable:
    """Make what the cache does not hold yet, and keep each trial as soon as it is done.

    Args:
        trials: of the sweep.
        cache: where their rows lie.
        executor: as for `sweep`.
        progress: likewise.

    Raises:
        InputError: what `sweep` raises, or the cache cannot be written.
    """

    def recall(trial: Trial) -> list[Row] | None:
        path = cache.place(_KIND, trial.described())
        if path is None or not path.is_file():
            return None
        try:
            rows: list[Row] = json.loads(read_sealed(path))
        except (InputError, OSError):
            # Damaged: as good as absent.
            return None
        return rows

    def keep(trial: Trial, rows: list[Row]) -> None:
        path = cache.place(_KIND, trial.described())
        if path is not None:
            write_sealed(path, json.dumps(rows).encode())

    return sweep(trials, executor, recall=recall, keep=keep, progress=progress)
