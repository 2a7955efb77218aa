"""Where training with autodiff would end on a problem, where that can be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem

if TYPE_CHECKING:
    from ...solver.networks.autodiff_limit import AutodiffLimit


def autodiff_end(problem: RitzProblem) -> AutodiffLimit | None:
    """The states in which one hidden ReLU layer ends; None without the solver's libraries, or where none is found."""
    try:
        from ...solver.networks.autodiff_limit import autodiff_limit
    except ImportError:
        return None
    try:
        limit = autodiff_limit(problem)
    except InputError:
        # No known solution, data that cannot be tabulated, no minimum: nothing is said then.
        return None
    return limit if limit.attracting else None


def capitalised(limit: AutodiffLimit) -> str:
    """Its sentence, to stand by itself."""
    return f"{limit.sentence[0].upper()}{limit.sentence[1:]}."
