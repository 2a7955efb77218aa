"""What is shown: figures, PDF reports, and the `kinkproof` command that ties the rooms together."""

from typing import TYPE_CHECKING

from ..verify.first_use import first_use

if TYPE_CHECKING:
    from .data.beyond import beyond_study as beyond_study
    from .data.dimensions import dimensions_study as dimensions_study
    from .data.landscape import landscape_study as landscape_study
    from .data.paper import paper_study as paper_study
    from .pages.beyond_pages import beyond_report as beyond_report
    from .pages.dimensions_pages import dimensions_report as dimensions_report
    from .pages.discrepancy import discrepancy_report as discrepancy_report
    from .pages.landscape_pages import landscape_report as landscape_report
    from .pages.model_pages import model_report as model_report
    from .pages.paper_pages import paper_report as paper_report

_HOME = {
    "beyond_report": "pages.beyond_pages",
    "beyond_study": "data.beyond",
    "dimensions_report": "pages.dimensions_pages",
    "dimensions_study": "data.dimensions",
    "discrepancy_report": "pages.discrepancy",
    "landscape_report": "pages.landscape_pages",
    "landscape_study": "data.landscape",
    "model_report": "pages.model_pages",
    "paper_report": "pages.paper_pages",
    "paper_study": "data.paper",
}

__all__ = sorted(_HOME)


__getattr__, __dir__ = first_use(__name__, _HOME)
