"""Values: equal when all that they hold is equal, copied and pickled with it.

Written for process pools of the user's; nothing of kinkproof unpickles anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


class Value:
    """Base of frozen dataclasses (`eq=False`) that may hold arrays."""

    def __eq__(self, other: object) -> bool:
        return NotImplemented if type(other) is not type(self) else _fields_same(self, other)

    def __hash__(self) -> int:
        # Of sizes and plain entries only: equal arrays may differ in their bytes, -0.0 and 0.0.
        return hash((type(self).__qualname__, *(_summary(getattr(self, f.name)) for f in fields(self))))  # type: ignore[arg-type]

    def __getstate__(self) -> dict[str, Any]:
        # What is derived is derived again.
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


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
