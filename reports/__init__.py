"""What is shown: figures, PDF reports, and the `kinkproof` command that ties the rooms together."""

from typing import TYPE_CHECKING

from ..verify.first_use import first_use

if TYPE_CHECKING:
    from .discrepancy import discrepancy_report as discrepancy_report
    from .landscape_data import landscape_study as landscape_study
    from .landscape_pages import landscape_report as landscape_report
    from .model_pages import model_report as model_report
    from .paper_data import paper_study as paper_study
    from .paper_pages import paper_report as paper_report

_HOME = {
    "discrepancy_report": "discrepancy",
    "landscape_report": "landscape_pages",
    "landscape_study": "landscape_data",
    "model_report": "model_pages",
    "paper_report": "paper_pages",
    "paper_study": "paper_data",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
