"""What the audit in the plane found: rows, verdicts, and every number for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..line.crosscheck import Agreement
from ..plane.gradient import PlaneGradient
from ..statement.blocks import BLOCKS
from ..statement.network import rational_array
from ..statement.plane import PlaneProblem
from ..statement.plane_network import PlaneNetwork
from .row import Findings, Row, row_dict


@dataclass(frozen=True, eq=False)
class PlaneAudit(Findings):
    """The outcome of `audit` for a `PlaneProblem`; `passed` if the routes agree and every verdict is as expected.

    Attributes:
        problem: whose energy was differentiated.
        network: at whose parameters.
        along_rows: the network of the rows of that name, its kink lines parallel to the axes; None where there is none.
        points: numbers of points.
        exact: the gradient at `network`.
        agreements: of the exact gradient with the two further derivations.
        rows: AD systems, then our own quadratures.
        dirac_share: the Dirac part's size, in units of the whole gradient's.
    """

    problem: PlaneProblem
    network: PlaneNetwork
    along_rows: PlaneNetwork | None
    points: tuple[int, ...]
    exact: PlaneGradient
    agreements: tuple[Agreement, ...]
    rows: tuple[Row, ...]
    dirac_share: float

    def as_dict(self) -> dict[str, Any]:
        """Every number of the audit, ready for JSON."""
        g = self.exact
        return {
            "problem": self.problem.statement(),
            "network": _network_dict(self.network),
            "along_rows": None if self.along_rows is None else _network_dict(self.along_rows),
            "points": list(self.points),
            "crosscheck": [
                {"routes": list(a.routes), "digits": a.digits, "parameter": a.parameter, "required": a.required}
                for a in self.agreements
            ],
            "exact": {
                "energy": float(g.energy),
                "route": g.route,
                "error_estimate": g.error_estimate,
                "distance_to_degeneracy": float(g.distance) if np.isfinite(g.distance) else None,
                **{part: getattr(g, part).ravel().tolist() for part in ("bulk", "dirac", "total")},
            },
            "dirac_share": self.dirac_share,
            "methods": [row_dict(r) for r in self.rows],
            "passed": self.passed,
        }


def _network_dict(network: PlaneNetwork) -> dict[str, Any]:
    """Exact numbers as text, each block in its own shape."""
    blocks = {n: rational_array(np.asarray(getattr(network, n))) for n in BLOCKS}
    return {n: np.vectorize(str, otypes=[object])(v).tolist() for n, v in blocks.items()}
