"""Trusted values for other projects' tests: generate, store, load, compare. Loading needs NumPy only."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .case import Case as Case
    from .generation import generate as generate
    from .pack import Pack as Pack
    from .pack import load as load
    from .pack import packs as packs

_HOME = {"Case": "case", "Pack": "pack", "generate": "generation", "load": "pack", "packs": "pack"}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
