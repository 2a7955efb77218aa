"""Rows of an audit, what was found for each way of asking a system and what was expected, and audits as their sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..line.crosscheck import Agreement
from ..showing import html_table
from ..values import Value
from .study import Study

# The system's name of our own quadratures.
OWN = "kinkproof"


@dataclass(frozen=True)
class Row:
    """What the audit found for one method in one precision.

    Attributes:
        system: the AD system, "kinkproof" for our own quadratures.
        method: its name, "" for a system that could not be asked at all.
        precision: "float64" or "float32", "" where nothing was run.
        total: the study over all parameters, `None` where there is none.
        blocks: the same for each block.
        expected: verdict over all parameters that theory predicts for this problem and network.
        expected_blocks: likewise by block.
        reason: why.
        attribution: `|missing − Dirac part| / |Dirac part|` at the finest grid, for an inconsistent method.
        unavailable: why the method could not be run here, else "".
        failed: what went wrong when it was run, else "".
        conforming: does its quadrature follow the kinks?
        delta: the discrete delta it uses, if any.
    """

    system: str
    method: str
    precision: str
    total: Study | None
    blocks: dict[str, Study]
    expected: str
    expected_blocks: dict[str, str]
    reason: str
    attribution: float | None
    unavailable: str = ""
    failed: str = ""
    conforming: bool = False
    delta: str | None = None

    @property
    def label(self) -> str:
        """System, method and precision, for messages."""
        return ", ".join(p for p in (": ".join(q for q in (self.system, self.method) if q), self.precision) if p)

    @property
    def as_expected(self) -> bool:
        """Do all verdicts equal the expected ones? What is not installed is held against nobody, a failure is."""
        if self.total is None:
            return not self.failed
        pairs = [(self.total.verdict, self.expected)]
        pairs += [(s.verdict, self.expected_blocks[n]) for n, s in self.blocks.items()]
        # Rounding on every grid, where a vanishing error was expected, is no surprise but a coarse precision.
        return all(found == wanted or (found, wanted) == ("exact", "consistent") for found, wanted in pairs)


def row_table(rows: Sequence[Row], points: Sequence[int]) -> tuple[list[str], list[list[Any]]]:
    """Heads and cells as a notebook shows them."""
    heads = ["system", "way of asking", "type", *(f"n = {n:,}" for n in points), "order", "verdict"]
    cells: list[list[Any]] = []
    for row in rows:
        asked = [row.system, row.method or row.unavailable, row.precision]
        if row.total is None:
            cells.append([*asked, *[None] * len(points), None, "failed" if row.failed else "not run"])
        else:
            cells.append([*asked, *row.total.errors, row.total.order, row.total.verdict])
    return heads, cells


def row_dict(row: Row) -> dict[str, Any]:
    """Ready for JSON."""

    def numbers(s: Study) -> dict[str, Any]:
        errors = [e if np.isfinite(e) else None for e in s.errors]
        return {"errors": errors, "order": s.order, "verdict": s.verdict}

    return {
        "system": row.system,
        "method": row.method,
        "precision": row.precision,
        "unavailable": row.unavailable,
        "failed": row.failed,
        "conforming": row.conforming,
        "delta": row.delta,
        "total": numbers(row.total) if row.total else None,
        "blocks": {n: numbers(s) for n, s in row.blocks.items()},
        "expected": row.expected,
        "expected_blocks": row.expected_blocks,
        "reason": row.reason,
        "attribution": row.attribution,
        "as_expected": row.as_expected,
    }


class Findings(Value):
    """Rows that are judged by an exact gradient on which independent derivations agree."""

    problem: Any
    network: Any
    points: tuple[int, ...]
    agreements: tuple[Agreement, ...]
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        judged = [r.total.verdict for r in self.rows if r.total is not None]
        counts = ", ".join(f"{judged.count(v)} {v}" for v in dict.fromkeys(judged)) or "nothing judged"
        said = "as expected" if self.passed else "not as expected"
        return f"<Audit of {self.problem.name}, {self.network.width} neurons: {counts}; {said}>"

    def _repr_html_(self) -> str:
        return html_table(repr(self)[1:-1], *row_table(self.rows, self.points))

    @property
    def routes_agree(self) -> bool:
        """Do the independent derivations agree? If not, no method was judged."""
        return all(a.passed for a in self.agreements)

    @property
    def judged_systems(self) -> tuple[str, ...]:
        """The AD systems of which at least one method was judged."""
        return tuple(dict.fromkeys(r.system for r in self.rows if r.total is not None and r.system != OWN))

    @property
    def passed(self) -> bool:
        """Routes agree and every verdict is as expected."""
        return self.routes_agree and all(r.as_expected for r in self.rows)
