"""What is shown: figures, PDF reports, and the `kinkproof` command that ties the rooms together."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .discrepancy import discrepancy_report as discrepancy_report

__all__ = ["discrepancy_report"]


def __getattr__(name: str) -> Any:
    # Matplotlib is imported when a report is asked for, not when the command prints its help.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".discrepancy", __name__), name)
