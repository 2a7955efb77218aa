"""Processes, of this machine or of a cluster, that share a command's work."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

# Of a scheduler that does not answer.
_WAIT = "10s"
_LOST = "one of the {} was killed or could not start; {}"
_TRACKER = "ignore::UserWarning:multiprocessing.resource_tracker"
# Of commands that keep what is finished.
GOES_ON = "what was finished is kept, and the same command goes on from there, with fewer at once if memory was short"


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def executor_of(processes: int, scheduler: str | None = None, lost: str = GOES_ON) -> Iterator[Executor | None]:
    """Of a cluster, of this machine's processes, or none: this process.

    Args:
        processes: how many.
        scheduler: of a cluster, instead of them.
        lost: what to do where one of them was killed.
    """
    from ...verify.errors import InputError

    if scheduler is not None:
        try:
            import distributed
        except ImportError:
            raise InputError(
                "scheduler: dask.distributed is not installed; pip install 'kinkproof[distributed]' would be right"
            ) from None
        try:
            make: Any = distributed.Client
            client = make(scheduler, timeout=_WAIT)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"scheduler: {scheduler} does not answer ({type(error).__name__}); the address of a running Dask "
                "scheduler, such as tcp://host:8786, would be right"
            ) from None
        with client, client.get_executor() as executor:
            try:
                yield executor
            except distributed.KilledWorker:
                raise InputError(f"scheduler: {_LOST.format('workers', lost)}") from None
    elif processes > 1:
        # Processes that are ended by ^C leave a semaphore each to their tracker, which cleans up and need not say so.
        kept = os.environ.get("PYTHONWARNINGS")
        os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [kept, _TRACKER]))
        # Spawned: a forked process inherits locks of torch's threads.
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _deaf) as pool:
            try:
                yield pool
            except BrokenExecutor:
                raise InputError(f"processes: {_LOST.format('processes', lost)}") from None
            except KeyboardInterrupt:
                # Their work is lost with this one's: nobody waits for its end.
                for worker in multiprocessing.active_children():
                    worker.terminate()
                raise
            finally:
                os.environ["PYTHONWARNINGS"] = kept or ""
    else:
        yield None


def _deaf() -> None:
    """In a new process: ^C in a terminal goes to all of them, and is for the first to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
