"""The data of the discrepancy report, made or recalled."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ...verify.choices import Rule
from ...verify.errors import InputError
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem
from ...verify.systems.audit_record import read_audit
from ...verify.systems.discovery import backends, discover
from ...verify.systems.findings import Audit
from ...verify.systems.plane_refinement import audit_plane
from ...verify.systems.refinement import POINTS, audit_systems
from ...verify.systems.row import OWN
from .cache import Cache, read_sealed, write_sealed


def audit_study(
    problem: RitzProblem,
    width: int = 20,
    seed: int = 0,
    rule: Rule = "midpoint",
    systems: Sequence[str] | None = None,
    *,
    quick: bool = False,
    plane: bool = True,
    cache: Cache | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> Audit:
    """The audit at a seeded random network.

    Args:
        problem: whose energy is differentiated.
        width: neurons.
        seed: of the network.
        rule: of the fixed grids.
        systems: AD systems to judge; None: all that are installed.
        quick: grids up to 10,000 points only, and nothing that is compiled first.
        plane: in the plane, too.
        cache: where it is kept; None keeps nothing. An audit of backends that are not this project's, or one in which
            some failed, is not kept.
        progress: called with the name of each step before it starts.

    Raises:
        InputError: what `audit` refuses, or a cache that cannot be written.
    """
    cache = cache or Cache(None)
    if width < 1:
        raise InputError(f"width: {width} neurons compute nothing; at least one would be right")
    if seed < 0:
        raise InputError(f"seed: {seed} is negative; a whole number from 0 on would be right")

    def make() -> Audit:
        methods = discover(None if systems is None else list(systems))
        if quick:
            methods = tuple(m for m in methods if "compile" not in m.name)
        points = POINTS[:-1] if quick else POINTS
        found = audit_systems(problem, ShallowNetwork.random(width, seed), methods, points, rule, progress)
        # Where nobody is judged in one input, nobody is in two.
        if not (plane and found.routes_agree):
            return found
        in_plane = discover(None if systems is None else list(systems), inputs=2)
        return replace(found, plane=audit_plane(methods=in_plane, progress=progress))

    def save(made: Audit, path: Path) -> None:
        # What failed may work next time: memory was short, or somebody is mending it.
        if not any(row.failed for row in (*made.rows, *(made.plane.rows if made.plane else ()))):
            write_sealed(path, (json.dumps(made.as_dict(), ensure_ascii=False, allow_nan=False) + "\n").encode())

    def load(path: Path) -> Audit:
        return read_audit(read_sealed(path).decode())

    asked = [entry for entry in backends() if systems is None or entry.name in systems]
    if not all(entry.dist is not None and entry.dist.name == OWN for entry in asked):
        # Of another's backend only a version is known, which does not change with every line: nothing of it is kept.
        cache = Cache(None)

    statement = {n: str(getattr(problem, n)) for n in ("name", *problem.__dataclass_fields__)}
    settings = {"problem": statement, "width": width, "seed": seed, "rule": rule, "systems": systems}
    settings |= {"quick": quick, "plane": plane}
    return cache.recall("audit", settings, make, load, save)
