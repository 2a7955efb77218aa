"""What is shown: figures, PDF reports, and the `kinkproof` command that ties the rooms together."""

from typing import TYPE_CHECKING

from ..verify.first_use import first_use

if TYPE_CHECKING:
    from .discrepancy import discrepancy_report as discrepancy_report
    from .landscape_report import landscape_report as landscape_report
    from .landscape_study import landscape_study as landscape_study
    from .paper_report import paper_report as paper_report
    from .paper_study import paper_study as paper_study

_HOME = {
    "discrepancy_report": "discrepancy",
    "landscape_report": "landscape_report",
    "landscape_study": "landscape_study",
    "paper_report": "paper_report",
    "paper_study": "paper_study",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
