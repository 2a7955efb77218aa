"""The last page of every report: the problem, the settings, the versions of all that computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.figure import Figure

from ...verify.statement.problem import RitzProblem
from ...verify.systems.findings import versions
from .blocks import Table, wrapped
from .page import Page
from .pdf import LEFT
from .style import PAGE, QUIET

# Where the lines begin and end, in shares of the page's height, and the most that one takes.
_TOP, _HEIGHT, _STEP, _SIZE = 0.895, 0.74, 0.05, 13.0
# Columns of names and values, of settings and of versions, in shares of the page's width.
_SETTINGS, _VERSIONS, _BESIDE = (0.25, 0.41), (0.1, 0.13), 0.73


def settings_page(problem: RitzProblem | None, settings: Iterable[tuple[str, Any]], caption: str) -> Page:
    """A page of names and values.

    Args:
        problem: stated first, if there is one.
        settings: name and value, in order.
        caption: of the page.
    """
    rows = _rows([*_statement(problem), *settings], _SETTINGS[1])
    computed = _rows([(name, value) for name, value in versions().items()], _VERSIONS[1])
    # All lines above the caption, however many there are.
    step = min(_STEP, _HEIGHT / max(len(rows), len(computed), 1))
    size = min(_SIZE, _SIZE * step / 0.032)

    def table(rows: list[tuple[str, str]], x: float, widths: tuple[float, float]) -> Table:
        names = {(r, 0): QUIET for r in range(len(rows))}
        return Table(("", ""), rows, x, _TOP, widths, "ll", size, step, names, ruled=False)

    blocks = (table(rows, LEFT, _SETTINGS), table(computed, _BESIDE, _VERSIONS))
    return Page("Settings and versions", caption, Figure(), blocks)


def _rows(lines: Iterable[tuple[str, Any]], width: float) -> list[tuple[str, str]]:
    """What is too long goes on in a row without a name."""
    out = []
    for name, value in lines:
        for k, part in enumerate(wrapped(str(value), 0.95 * width * PAGE[0] * 72, _SIZE)):
            out.append((name if k == 0 else "", part))
    return out


def _statement(problem: RitzProblem | None) -> list[tuple[str, Any]]:
    if problem is None:
        return []
    placed = problem.places_as_text
    return [
        ("problem", problem.name),
        ("coefficient κ", problem.coefficient),
        *([("reaction ρ", problem.reaction)] if problem.reaction != 0 else []),
        ("source f", problem.source),
        ("distance D", problem.distance),
        ("lift ℓ", problem.lift),
        *([("point loads", placed["loads"])] if problem.loads else []),
        ("fluxes", placed["fluxes"] or "none"),
        ("essential values", placed["essential"] or "none"),
        *([("periodic ends", "yes")] if problem.periodic else []),
        *([("Robin ends, α and g", placed["robin"])] if problem.robin else []),
        ("domain", f"[{problem.domain[0]}, {problem.domain[1]}]"),
        ("known solution", problem.solution),
    ]
