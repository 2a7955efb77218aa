"""What the audit of AD systems found: rows, verdicts, and every number for JSON."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from ..choices import Rule
from ..line.crosscheck import REQUIRED_DIGITS, Agreement
from ..line.gradient import Gradient
from ..showing import Shown, html_table
from ..statement.blocks import BLOCKS
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem
from ..values import Value
from .discovery import backends
from .study import Study

SCHEMA_VERSION = 1
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


@dataclass(frozen=True, eq=False)
class Audit(Value, Shown):
    """The outcome of `audit`; `passed` if the routes agree and every verdict is as expected."""

    problem: RitzProblem
    network: ShallowNetwork
    rule: Rule
    points: tuple[int, ...]
    exact: Gradient
    agreements: tuple[Agreement, ...]
    rows: tuple[Row, ...]
    dirac_shares: dict[str, float]

    def __repr__(self) -> str:
        judged = [r.total.verdict for r in self.rows if r.total is not None]
        counts = ", ".join(f"{judged.count(v)} {v}" for v in dict.fromkeys(judged)) or "nothing judged"
        said = "as expected" if self.passed else "not as expected"
        return f"<Audit of {self.problem.name}, {self.network.width} neurons: {counts}; {said}>"

    def _repr_html_(self) -> str:
        heads = ["system", "way of asking", "type", *(f"n = {n:,}" for n in self.points), "order", "verdict"]
        rows: list[list[Any]] = []
        for row in self.rows:
            asked = [row.system, row.method or row.unavailable, row.precision]
            if row.total is None:
                said = "failed" if row.failed else "not run"
                rows.append([*asked, *[None] * len(self.points), None, said])
            else:
                rows.append([*asked, *row.total.errors, row.total.order, row.total.verdict])
        return html_table(repr(self)[1:-1], heads, rows)

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

    def as_dict(self) -> dict[str, Any]:
        """Every number of the audit, ready for JSON."""
        p, g = self.problem, self.exact
        data = ("coefficient", "source", "distance", "lift", "solution", "reaction")
        return {
            "schema_version": SCHEMA_VERSION,
            "versions": versions(),
            "problem": {
                "name": p.name,
                **{n: str(getattr(p, n)) for n in data},
                **p.places_as_text,
                "periodic": p.periodic,
                "penalty": str(p.penalty),
                "domain": [str(e) for e in p.domain],
            },
            "network": {n: [str(v) for v in self.network.rational(n)] for n in BLOCKS},
            "rule": self.rule,
            "points": list(self.points),
            "crosscheck": {
                "required_digits": REQUIRED_DIGITS,
                "routes": [
                    {"routes": list(a.routes), "digits": a.digits, "parameter": a.parameter} for a in self.agreements
                ],
            },
            "exact": {
                "energy": float(g.energy),
                "route": g.route,
                "error_estimate": g.error_estimate,
                "distance_to_degeneracy": float(g.distance) if np.isfinite(g.distance) else None,
                **{part: getattr(g, part).ravel().tolist() for part in ("bulk", "dirac", "total")},
            },
            "dirac_shares": self.dirac_shares,
            "methods": [_row_dict(r) for r in self.rows],
            "passed": self.passed,
        }


def _row_dict(row: Row) -> dict[str, Any]:
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


def versions() -> dict[str, str]:
    """Of everything that computes or draws."""
    out = {"python": platform.python_version()}
    computing = ("kinkproof", "numpy", "sympy", "mpmath", "scipy", "torch", "jax", "jaxlib", "autograd")
    showing = ("matplotlib", "pypdf")
    for name in dict.fromkeys([*computing, *showing, *(e.dist.name for e in backends() if e.dist is not None)]):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out
