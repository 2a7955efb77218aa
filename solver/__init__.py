"""What is done: train, solve, scan landscapes.

`solve` finds the best ReLU network of a width, at the limit that approximation theory allows, and certifies it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .certificate import certify as certify
    from .convergence_table import convergence as convergence
    from .free_knots import solve as solve

_HOME = {
    "certify": "certificate",
    "convergence": "convergence_table",
    "solve": "free_knots",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
