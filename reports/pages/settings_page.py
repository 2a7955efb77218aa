"""The last page of every report: the problem, the settings, the versions of all that computed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from matplotlib.figure import Figure

from ...verify.statement.problem import RitzProblem
from ...verify.systems.findings import versions
from .style import Page

# Where the lines begin and end, in shares of the page's height, and the most that one takes.
_TOP, _HEIGHT, _STEP = 0.88, 0.72, 0.033


def settings_page(problem: RitzProblem | None, settings: Iterable[tuple[str, Any]], caption: str) -> Page:
    """A page of names and values.

    Args:
        problem: stated first, if there is one.
        settings: name and value, in order.
        caption: of the page.
    """
    lines = [*_statement(problem), *settings, *versions().items()]
    figure = Figure()
    wrapped = [(key, textwrap.wrap(str(value), 95) or [""]) for key, value in lines]
    # All lines above the caption, however many there are.
    step = min(_STEP, _HEIGHT / sum(len(text) for _, text in wrapped))
    size = min(10.5, 10.5 * step / 0.025)
    y = _TOP
    for key, text in wrapped:
        figure.text(0.06, y, key, fontsize=size, color="#555555")
        for line in text:
            figure.text(0.40, y, line, fontsize=size)
            y -= step
    return Page("Settings and versions", caption, figure)


def _statement(problem: RitzProblem | None) -> list[tuple[str, Any]]:
    if problem is None:
        return []
    return [
        ("problem", problem.name),
        ("coefficient κ", problem.coefficient),
        ("source f", problem.source),
        ("distance D", problem.distance),
        ("lift ℓ", problem.lift),
        ("fluxes", {str(k): str(v) for k, v in problem.fluxes.items()} or "none"),
        ("essential values", {str(k): str(v) for k, v in problem.essential.items()} or "none"),
        ("domain", f"[{problem.domain[0]}, {problem.domain[1]}]"),
        ("known solution", problem.solution),
    ]
