"""Ways of asking that other processes run: told by name, so that nothing but plain data goes to them and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ..errors import InputError
from .discovery import backends, discover, load
from .examination import Answers
from .method import Method


@dataclass(frozen=True)
class Named:
    """A gradient function by its entry point and its place among the methods there; any process can call it.

    Attributes:
        name: of the entry point.
        value: of the entry point: where it leads.
        place: of the method among all that it gives.
    """

    name: str
    value: str
    place: int

    def __call__(self, *arguments: Any) -> Any:
        """What the function itself answers, loaded here."""
        ask: Any = _loaded(self.name, self.value)[self.place].gradient
        return ask(*arguments)


def discover_with(executor: Executor | None, names: Sequence[str] | None = None, inputs: int = 1) -> tuple[Method, ...]:
    """`discover`, with the AD systems imported by other processes only, which can then be asked there.

    Args:
        executor: of processes; None for what `discover` gives.
        names: see `discover`.
        inputs: see `discover`.

    Raises:
        InputError: see `discover`, or something that is no executor.
    """
    if executor is None:
        return discover(names, inputs)
    require_executor(executor)

    def loads(entries: Sequence[Any]) -> list[tuple[Method, ...]]:
        return [f.result() for f in [executor.submit(named, e.name, e.value) for e in entries]]

    return discover(names, inputs, loads)


def named(name: str, value: str) -> tuple[Method, ...]:
    """The methods of an entry point as plain data."""
    return tuple(
        m if m.gradient is None else replace(m, gradient=Named(name, value, k))
        for k, m in enumerate(_loaded(name, value))
    )


@cache
def _loaded(name: str, value: str) -> tuple[Method, ...]:
    return load(next(e for e in backends() if (e.name, e.value) == (name, value)))


@contextmanager
def answers_of(
    executor: Executor | None,
    asked: Sequence[tuple[Method, Sequence[str]]],
    ask: Callable[..., Answers],
    question: tuple[Any, ...],
    progress: Callable[[str], None],
) -> Iterator[Callable[[], Iterator[tuple[int, list[Answers]]]]]:
    """Hand out at once what other processes can be asked; give a function that takes the answers back.

    Args:
        executor: of processes; None asks here.
        asked: methods, and the precisions in which each is asked.
        ask: `ask(method, precision, *question)`, a function that other processes can import.
        question: plain data.
        progress: called with the name of each step, before it begins here, or when it was done elsewhere.

    Yields:
        A function without arguments that gives (index in `asked`, answers in each precision) in the order in which they
        come: those asked here first, in the order of `asked`.

    Raises:
        InputError: something that is no executor.
    """
    away: dict[Future[list[Answers]], int] = {}
    if executor is not None:
        require_executor(executor)
        there = [k for k, (method, _) in enumerate(asked) if isinstance(method.gradient, Named)]
        # The dearest first: a long one that is begun last would keep all others waiting. All precisions together: what
        # a method compiles first it needs once.
        for k in sorted(there, key=lambda k: -asked[k][0].cost):
            away[executor.submit(_in_each, ask, *asked[k], question)] = k

    def taken() -> Iterator[tuple[int, list[Answers]]]:
        for k in sorted(set(range(len(asked))) - set(away.values())):
            method, precisions = asked[k]
            answers = []
            for precision in precisions:
                progress(_label(method, precision))
                answers.append(ask(method, precision, *question))
            yield k, answers
        for future in as_completed(away):
            answers = future.result()
            for precision in asked[away[future]][1]:
                progress(_label(asked[away[future]][0], precision))
            yield away[future], answers

    try:
        yield taken
    finally:
        for future in away:
            future.cancel()


def _in_each(
    ask: Callable[..., Answers], method: Method, precisions: Sequence[str], question: tuple[Any, ...]
) -> list[Answers]:
    return [ask(method, precision, *question) for precision in precisions]


def _label(method: Method, precision: str) -> str:
    return ", ".join(part for part in (method.label, precision) if part)


def require_executor(executor: Any) -> None:
    """Refuse what takes no work.

    Raises:
        InputError: names it.
    """
    if not callable(getattr(executor, "submit", None)):
        raise InputError(f"executor: {executor!r} is none; a concurrent.futures.ProcessPoolExecutor would be right")
