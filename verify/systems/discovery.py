"""Which AD systems there are: entry points of the group `kinkproof.backends`, our own ones among them."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from ..choices import unknown
from .method import Method

GROUP = "kinkproof.backends"
_WANTED = "a gradient function, a Method or a function that returns Methods would be right"


def discover(
    names: Iterable[str] | None = None,
    inputs: int = 1,
    loads: Callable[[Sequence[metadata.EntryPoint]], Iterable[tuple[Method, ...]]] = lambda entries: map(load, entries),
) -> tuple[Method, ...]:
    """The methods of the chosen AD systems, or of all; only these are imported.

    A system that is not installed, or fails to load, is a method of one input that says so.

    Args:
        names: of entry points; `None` for all.
        inputs: of the problems that the methods take: 1, or 2 for those in the plane.
        loads: what entry points offer, of each; here that is `load`.

    Raises:
        InputError: a name that is not there.
    """
    found = backends()
    known = sorted({e.name for e in found})
    chosen = known if names is None else list(names)
    for name in chosen:
        if name not in known:
            raise unknown("backend", name, known)
    several = Counter(e.name for e in found)
    wanted = [entry for entry in found if entry.name in chosen]
    out: list[Method] = []
    for entry, offered in zip(wanted, loads(wanted), strict=True):
        owner = f" ({_distribution(entry)})" if several[entry.name] > 1 else ""
        out += [replace(m, system=entry.name + owner) for m in offered if m.inputs == inputs]
    return tuple(out)


def backends() -> tuple[metadata.EntryPoint, ...]:
    """All entry points of the group, our own first, then by name."""
    found = metadata.entry_points(group=GROUP)
    return tuple(sorted(found, key=lambda e: (_distribution(e) != "kinkproof", e.name, _distribution(e))))


def load(entry: metadata.EntryPoint) -> tuple[Method, ...]:
    """What one entry point offers: one method or more, or one that says why not.

    It may name a function of (problem, parameters, grid) or (problem, parameters, grid, precision), a `Method`, or a
    function without arguments that returns a `Method` or several.
    """
    try:
        offered = entry.load()
        if isinstance(offered, Method):
            return (offered,)
        if not callable(offered):
            return (Method("", None, failed=f"{entry.value} is of type {type(offered).__name__}; {_WANTED}"),)
        accepted = [n for n in (0, 3, 4) if _accepts(offered, n)]
        if 0 not in accepted:
            if not accepted:
                return (Method("", None, failed=f"{entry.value} does not take (problem, parameters, grid); {_WANTED}"),)
            return (_single(offered, accepted[-1], entry),)
        made = offered()
    except ModuleNotFoundError as error:
        # A distribution whose own module is missing is broken, not absent.
        if (error.name or "").split(".")[0] == entry.module.split(".")[0]:
            return (Method("", None, failed=describe(error)),)
        return (Method("", None, unavailable=f"not installed: {_installs(entry, error)}"),)
    except Exception as error:
        return (Method("", None, failed=describe(error)),)
    methods = (made,) if isinstance(made, Method) else tuple(made) if isinstance(made, Iterable) else ()
    if not methods or not all(isinstance(m, Method) for m in methods):
        return (Method("", None, failed=f"{entry.value} returned {type(made).__name__}; {_WANTED}"),)
    return methods


def describe(error: Exception) -> str:
    """An exception in one line, with the place where it was raised."""
    lines = str(error).strip().splitlines()
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = ""
    if traceback is not None:
        code = traceback.tb_frame.f_code
        place = f" ({code.co_filename.rpartition('/')[2]}, line {traceback.tb_lineno})"
    return f"{type(error).__name__}{': ' + lines[0] if lines else ''}{place}"


def _single(offered: Any, arguments: int, entry: metadata.EntryPoint) -> Method:
    """The shortest backend: a function alone, named by itself."""
    name = getattr(offered, "__name__", entry.attr or entry.name)
    if arguments == 4:
        return Method(name, offered)
    # It does not ask for a precision: it computes in float64.
    return Method(
        name, lambda problem, parameters, grid, precision: offered(problem, parameters, grid), precisions=("float64",)
    )


def _accepts(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def _distribution(entry: metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else ""


def _installs(entry: metadata.EntryPoint, error: ModuleNotFoundError) -> str:
    """The command for what is missing: a backend's extra bears the backend's name."""
    extras = entry.dist.metadata.get_all("Provides-Extra") if entry.dist is not None else None
    if entry.name in (extras or []):
        return f"pip install '{_distribution(entry)}[{entry.name}]'"
    return f"it needs the module {error.name}"
