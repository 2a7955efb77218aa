"""Work handed to executors, of threads, processes or a cluster, and taken back as it is done; the same bits on all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from ..verify.errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")


def work_off(
    tasks: Iterable[Task],
    work: Callable[[Task], Result],
    executor: Executor | None,
    keep: Callable[[Task, Result], None],
) -> None:
    """Do tasks here or by an executor, handing over each result as soon as it is there.

    Args:
        tasks: plain data.
        work: done with each; a function that other processes can import.
        executor: any `concurrent.futures.Executor`; None: this process.
        keep: called here with each task and its result, in any order.

    Raises:
        InputError: something that is no executor, or one that takes no work.
    """
    if executor is None:
        for task in tasks:
            keep(task, work(task))
        return
    if not callable(getattr(executor, "submit", None)):
        raise InputError(
            f"executor: {executor!r} is none; a concurrent.futures.ProcessPoolExecutor, or what get_executor() of a "
            "dask.distributed Client gives, would be right"
        )
    pending: dict[Future[Result], Task] = {}
    try:
        for task in tasks:
            try:
                pending[executor.submit(work, task)] = task
            except BrokenExecutor:
                # By an earlier task: that one's result says what happened.
                break
            except RuntimeError as error:
                raise InputError(
                    f"executor: this {type(executor).__name__} takes no work ({str(error).rstrip('.')}); an open one "
                    "would be right"
                ) from error
        while pending:
            # Those that failed last: what came with them is not lost.
            for future in sorted(wait(pending, return_when=FIRST_COMPLETED).done, key=_failed):
                keep(pending.pop(future), future.result())
    finally:
        for future in pending:
            future.cancel()


def _failed(future: Future[Any]) -> bool:
    return future.cancelled() or future.exception() is not None


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch work on one thread: how several share a sum shows in its last bit."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
