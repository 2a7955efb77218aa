"""The tensors and modules that a callable holds, beside its arguments, and how to lend it others for a while."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import Any

import torch
from torch import Tensor

# How far from the callable one looks: a lambda that calls a function that calls a module held by an object.
_DEEPEST = 5
# Objects of these hold nothing of the user's.
_FOREIGN = ("torch", "numpy", "sympy", "builtins", "matplotlib", "kinkproof", "math", "functools", "typing")


@dataclass(frozen=True, eq=False)
class Place:
    """Where a tensor is kept.

    Attributes:
        name: as the user would say it, "E", "model.E", "net.0.weight".
        tensor: what is kept there.
        put: puts another there.
    """

    name: str
    tensor: Tensor
    put: Callable[[Tensor], None]


def places(thing: Any) -> list[Place]:
    """All places of floating-point tensors that a callable or a module reaches.

    Looked through are closure cells, global names in its code, what a partial or a bound method was given, attributes
    of objects, dicts and lists, and modules with their parameters, buffers and plain attributes.
    """
    return list(_walk(thing, "", 0, set()))


def modules(thing: Any) -> list[torch.nn.Module]:
    """The outermost modules that a callable reaches."""
    found: dict[int, torch.nn.Module] = {}
    _modules(thing, 0, set(), found)
    return list(found.values())


@contextmanager
def lent(pairs: Iterable[tuple[Place, Tensor]]) -> Iterator[None]:
    """While active, other tensors are in these places."""
    pairs = list(pairs)
    try:
        for place, tensor in pairs:
            place.put(tensor)
        yield
    finally:
        for place, _ in pairs:
            place.put(place.tensor)


def _walk(thing: Any, name: str, depth: int, seen: set[int]) -> Iterator[Place]:
    if id(thing) in seen or depth > _DEEPEST:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.nn.Module):
        yield from _of_module(thing, name, depth, seen)
        return
    for key, value, put in _contents(thing):
        inner = f"{name}.{key}" if name and key else name or key
        if isinstance(value, Tensor):
            if value.is_floating_point() and put is not _refuse:
                yield Place(inner, value, put)
        else:
            yield from _walk(value, inner, depth + 1, seen)


def _of_module(module: torch.nn.Module, name: str, depth: int, seen: set[int]) -> Iterator[Place]:
    for path, part in module.named_modules():
        seen.add(id(part))
        before = ".".join(p for p in (name, path) if p)
        plain = {k: v for k, v in vars(part).items() if isinstance(v, Tensor)}
        for kept in (part._parameters, part._buffers, plain):
            for key, value in list(kept.items()):
                if isinstance(value, Tensor) and value.is_floating_point():
                    into = part.__dict__ if kept is plain else kept
                    yield Place(f"{before}.{key}" if before else key, value, partial(into.__setitem__, key))


def _modules(thing: Any, depth: int, seen: set[int], found: dict[int, torch.nn.Module]) -> None:
    if id(thing) in seen or depth > _DEEPEST:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.nn.Module):
        found.setdefault(id(thing), thing)
        return
    for _, value, _ in _contents(thing):
        if not isinstance(value, Tensor):
            _modules(value, depth + 1, seen, found)


def _contents(thing: Any) -> Iterator[tuple[str, Any, Callable[[Any], None]]]:
    """Name, value and how to put another there, of what an object that is no module holds."""
    if isinstance(thing, partial):
        yield "", thing.func, _refuse
        for value in (*thing.args, *thing.keywords.values()):
            yield "", value, _refuse
    elif inspect.ismethod(thing):
        yield "", thing.__func__, _refuse
        yield "", thing.__self__, _refuse
    elif inspect.isfunction(thing):
        if not _foreign(thing.__module__):
            yield from _of_function(thing)
    elif isinstance(thing, dict):
        for key, value in list(thing.items()):
            yield str(key), value, partial(thing.__setitem__, key)
    elif isinstance(thing, list):
        for k, value in enumerate(list(thing)):
            yield str(k), value, partial(thing.__setitem__, k)
    elif isinstance(thing, tuple):
        for k, value in enumerate(thing):
            yield str(k), value, _refuse
    elif hasattr(thing, "__dict__") and not isinstance(thing, type) and not _foreign(type(thing).__module__):
        for key, value in list(vars(thing).items()):
            yield key, value, partial(setattr, thing, key)


def _of_function(function: Any) -> Iterator[tuple[str, Any, Callable[[Any], None]]]:
    for key, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield key, cell.cell_contents, partial(setattr, cell, "cell_contents")
        except ValueError:
            # A cell that is not filled yet.
            continue
    known: Mapping[str, Any] = function.__globals__
    for key in _names(function.__code__):
        if key in known and not inspect.ismodule(known[key]):
            yield key, known[key], partial(function.__globals__.__setitem__, key)
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield "", value, _refuse


def _names(code: CodeType) -> list[str]:
    """Global names and attributes that a function mentions, those of functions inside it too."""
    inner = [n for c in code.co_consts if isinstance(c, CodeType) for n in _names(c)]
    return list(dict.fromkeys([*code.co_names, *inner]))


def _foreign(module: str | None) -> bool:
    return (module or "").split(".")[0] in _FOREIGN


def _refuse(_: Any) -> None:
    raise TypeError("what a tuple, a partial or a default holds cannot be replaced")
