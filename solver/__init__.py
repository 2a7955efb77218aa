"""What is done: ReLU, ReLU² and smooth networks trained on a Ritz energy with right and wrong gradients.

Names are resolved when first used, so that importing the package does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .regression import regress as regress
    from .runs import Run as Run
    from .training import fit as fit

_HOME = {"Run": "runs", "fit": "training", "regress": "regression"}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
