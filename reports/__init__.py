"""What is shown: figures, PDF reports, and the `kinkproof` command that ties the rooms together."""

from typing import TYPE_CHECKING

from ..verify.first_use import first_use

if TYPE_CHECKING:
    from .discrepancy import discrepancy_report as discrepancy_report
    from .model_report import model_report as model_report

_HOME = {"discrepancy_report": "discrepancy", "model_report": "model_report"}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
