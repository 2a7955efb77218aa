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
from ..showing import Shown
from ..statement.blocks import BLOCKS
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem
from .discovery import backends
from .plane_findings import PlaneAudit
from .row import Findings, Row, row_dict

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Audit(Findings, Shown):
    """The outcome of `audit`; `passed` if the routes agree and every verdict is as expected, in the plane too."""

    problem: RitzProblem
    network: ShallowNetwork
    rule: Rule
    points: tuple[int, ...]
    exact: Gradient
    agreements: tuple[Agreement, ...]
    rows: tuple[Row, ...]
    dirac_shares: dict[str, float]
    plane: PlaneAudit | None = None

    @property
    def passed(self) -> bool:
        """Routes agree and every verdict is as expected."""
        return super().passed and (self.plane is None or self.plane.passed)

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
            "methods": [row_dict(r) for r in self.rows],
            "plane": None if self.plane is None else self.plane.as_dict(),
            "passed": self.passed,
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
