"""What is done: networks trained on a Ritz energy with right and wrong gradients, and ReLU networks solved for.

Names are resolved when first used: importing the package imports neither torch nor SciPy, and `solve` needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .certificate import certify as certify
    from .convergence_table import convergence as convergence
    from .free_knots import solve as solve
    from .regression import regress as regress
    from .runs import Run as Run
    from .training import fit as fit

_HOME = {
    "Run": "runs",
    "certify": "certificate",
    "convergence": "convergence_table",
    "fit": "training",
    "regress": "regression",
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
