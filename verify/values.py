"""Values: equal when all that they hold is equal, copied and pickled with it, and told in a line.

Written for process pools of the user's; nothing of kinkproof unpickles anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .showing import html_table

# Of longer arrays and texts only the beginning or the shape is told.
_MOST, _LONGEST = 6, 60


class Value:
    """Base of frozen dataclasses (`eq=False`) that may hold arrays."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls):
            # `dataclass` would write one with every number of every array; one that is there, or a base's, stays.
            cls.__repr__ = _told if cls.__repr__ is object.__repr__ else cls.__repr__  # type: ignore[method-assign]

    def __eq__(self, other: object) -> bool:
        return NotImplemented if type(other) is not type(self) else _fields_same(self, other)

    def _repr_html_(self) -> str:
        rows = [(f.name.replace("_", " "), brief(getattr(self, f.name))) for f in fields(self)]  # type: ignore[arg-type]
        return html_table(type(self).__name__, ["part", "value"], rows)

    def __hash__(self) -> int:
        # Of sizes and plain entries only: equal arrays may differ in their bytes, -0.0 and 0.0.
        return hash((type(self).__qualname__, *(_summary(getattr(self, f.name)) for f in fields(self))))  # type: ignore[arg-type]

    def __getstate__(self) -> dict[str, Any]:
        # What is derived is derived again.
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


def _told(value: Any) -> str:
    return f"{type(value).__name__}({', '.join(f'{f.name}={brief(getattr(value, f.name))}' for f in fields(value))})"


def brief(value: Any) -> str:
    """A value in a few words: a short array by its numbers, a long one by its shape, a problem by its name."""
    if isinstance(value, np.ndarray):
        return _brief_array(value)
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _listed(list(map(str, value)), "{}")
    if isinstance(value, tuple | list):
        # Of what is long itself only how many there are.
        plain = all(v is None or isinstance(v, str | int | float | np.generic) for v in value)
        short = _listed([brief(v) for v in value], "()")
        return short if plain else f"({len(value)} of {type(value[0]).__name__})"
    if is_dataclass(value):
        name = getattr(value, "name", None) or getattr(value, "label", None)
        return repr(name) if isinstance(name, str) else f"{type(value).__name__}(…)"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _brief_array(value: np.ndarray[Any, Any]) -> str:
    if value.ndim <= 1 and value.size <= _MOST:
        return _listed([str(v) if value.dtype == object else brief(v.item()) for v in value.ravel()], "[]")
    kind = "numbers" if value.dtype == object else str(value.dtype)
    return f"<{'×'.join(map(str, value.shape))} {kind}>"


def _listed(parts: list[str], brackets: str) -> str:
    shown = parts if len(parts) <= _MOST else [*parts[:_MOST], "…"]
    text = ", ".join(p if len(p) <= _LONGEST else f"{p[: _LONGEST - 1]}…" for p in shown)
    return f"{brackets[0]}{text}{brackets[1]}"


def same(a: Any, b: Any) -> bool:
    """Equal in all that they hold; NaN equals NaN."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return _arrays_same(np.asarray(a), np.asarray(b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if is_dataclass(a) and type(a) is type(b) and not _own_equality(type(a)):
        return _fields_same(a, b)
    return bool(a == b) or (a != a and b != b)


def _own_equality(kind: type) -> bool:
    """Does a dataclass say itself what equal is, beyond what `dataclass` writes?"""
    return "__eq__" in vars(kind) and not kind.__dataclass_params__.eq  # type: ignore[attr-defined]


def _fields_same(a: Any, b: Any) -> bool:
    return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def _arrays_same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    if a.shape != b.shape:
        return False
    if a.dtype == object or b.dtype == object:
        return all(map(same, a.ravel().tolist(), b.ravel().tolist()))
    return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc")


def _summary(value: Any) -> Any:
    if isinstance(value, str | int | type(None)):
        return value
    return np.shape(value) if isinstance(value, np.ndarray) else len(value) if hasattr(value, "__len__") else 0
