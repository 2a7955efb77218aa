"""An audit read back from its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..exact import exact_gradient
from ..line.crosscheck import Agreement
from ..statement.blocks import BLOCKS
from ..statement.network import ShallowNetwork
from ..statement.plane import PlaneProblem
from ..statement.plane_network import PlaneNetwork
from ..statement.problem import RitzProblem
from .findings import SCHEMA_VERSION, Audit
from .plane_findings import PlaneAudit
from .row import Row
from .study import Study

_AGREED = ("digits", "parameter", "required")


def read_audit(text: str) -> Audit:
    """The audit whose `as_dict` this is; the exact gradient is computed anew, everything else taken as it stands.

    Raises:
        InputError: no JSON of an audit, or one of another version.
    """
    try:
        data = json.loads(text)
        if data["schema_version"] != SCHEMA_VERSION:
            raise InputError(f"audit: version {data['schema_version']} is not known; {SCHEMA_VERSION} would be right")
        statement = data["problem"]
        # Text, as everything else there.
        solution = None if statement["solution"] == "None" else statement["solution"]
        problem = RitzProblem(**{**statement, "domain": tuple(statement["domain"]), "solution": solution})
        network = ShallowNetwork(**{n: data["network"][n] for n in BLOCKS})
        agreements = [Agreement(tuple(r["routes"]), r["digits"], r["parameter"]) for r in data["crosscheck"]["routes"]]
        rows = [_row(r) for r in data["methods"]]
        return Audit(
            problem, network, data["rule"], tuple(data["points"]), exact_gradient(problem, network),
            tuple(agreements), tuple(rows), data["dirac_shares"], _plane(data.get("plane")),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"audit: this is no audit ({error}); the JSON of `kinkproof audit` would be right") from None


def _plane(data: Mapping[str, Any] | None) -> PlaneAudit | None:
    """The part in the plane; older audits have none."""
    if data is None:
        return None
    statement = data["problem"]
    edges = {kind: {int(k): v for k, v in statement[kind].items()} for kind in ("fluxes", "essential")}
    problem = PlaneProblem(**{**statement, **edges})
    network, beside = (None if data[n] is None else PlaneNetwork(**data[n]) for n in ("network", "along_rows"))
    assert network is not None
    agreements = [Agreement(tuple(r["routes"]), *(r[n] for n in _AGREED)) for r in data["crosscheck"]]
    return PlaneAudit(
        problem, network, beside, tuple(data["points"]), exact_gradient(problem, network), tuple(agreements),
        tuple(map(_row, data["methods"])), data["dirac_share"],
    )  # fmt: skip


def _row(data: Mapping[str, Any]) -> Row:
    total = None if data["total"] is None else _study(data["total"])
    blocks = {n: _study(s) for n, s in data["blocks"].items()}
    return Row(**{n: v for n, v in data.items() if n != "as_expected"} | {"total": total, "blocks": blocks})


def _study(data: Mapping[str, Any]) -> Study:
    errors = tuple(np.inf if e is None else e for e in data["errors"])
    return Study(errors, data["order"], data["verdict"])
