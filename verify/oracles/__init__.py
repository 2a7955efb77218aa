"""Trusted values for other projects' tests: generate, store, load, compare. Loading needs NumPy only."""

from typing import TYPE_CHECKING

from ..first_use import first_use

if TYPE_CHECKING:
    from .case import Case as Case
    from .pack import Pack as Pack
    from .pack import load as load
    from .pack import packs as packs
    from .standalone.generation import generate as generate

_HOME = {"Case": "case", "Pack": "pack", "generate": "standalone.generation", "load": "pack", "packs": "pack"}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
