"""What the audit of a user's model found, for reading and for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...showing import Shown, html_table
from ...systems.findings import versions
from ...systems.study import Study
from ..judging.gradcheck import Gradcheck

Array = NDArray[Any]

SCHEMA_VERSION = 1
NO_VERDICT = "none"


@dataclass(frozen=True)
class Offender:
    """One kink and what it takes from the gradient of one tensor, or of all.

    Attributes:
        layer: which of the model's breaking calls, counted from 0; −1 where that is not known.
        neuron: which number of that call.
        label: the two in words.
        place: the kink's position; in several inputs a place on its surface, where it matters.
        share: norm of its Dirac term over that of all that is missing.
    """

    layer: int
    neuron: int
    label: str
    place: float | tuple[float, ...]
    share: float

    def __str__(self) -> str:
        place = self.place if isinstance(self.place, tuple) else (self.place,)
        numbers = ", ".join(f"{v:.6g}" for v in place)
        return f"{self.label}, x = {numbers if len(place) == 1 else f'({numbers})'}: {self.share:.0%} of it"


@dataclass(frozen=True)
class TensorFinding:
    """What the audit found for one parameter tensor, or for all together ("all").

    Attributes:
        name: of the parameter.
        shape: of the parameter.
        norm: of the exact gradient.
        study: autodiff's relative error over the grids; with points drawn anew, of the mean over all draws.
        missing: norm of the Dirac part over that of the exact gradient.
        lacks: which share of the Dirac part autodiff's gradient lacks, measured: 1 if it has none of it.
        uncertainty: of `lacks`: spread over neighbouring grids, or the standard error over draws.
        verdict: "exact", "consistent" or "inconsistent".
        offenders: the three kinks with the largest Dirac terms.
    """

    name: str
    shape: tuple[int, ...]
    norm: float
    study: Study
    missing: float
    lacks: float | None
    uncertainty: float
    verdict: str
    offenders: tuple[Offender, ...]


@dataclass(frozen=True)
class IntegralFinding:
    """One of the integrals that a loss is a function of.

    Attributes:
        name: of its density.
        piece: what it is integrated over, in words.
        value: of the exact integral.
        weight: the derivative of the loss by it.
        missing: norm of the Dirac part of its gradient over that of its gradient.
        verdict: on autodiff's gradient of it alone; "none" inside a loss of the user's own, whose terms are not seen.
    """

    name: str
    piece: str
    value: float
    weight: float
    missing: float
    verdict: str

    def __str__(self) -> str:
        """In a line."""
        missing = f", missing {self.missing:.1e}" if self.missing else ""
        verdict = f": {self.verdict}" if self.verdict != NO_VERDICT else ""
        return f"{self.name} {self.piece}: {self.value:.6g}, counts {self.weight:.6g}{missing}{verdict}"


@dataclass(frozen=True)
class Route:
    """How closely two ways to the exact gradient agree, relative to its norm.

    Attributes:
        first: one of them.
        second: the other one.
        error: norm of the difference over that of the gradient.
        tolerance: what it may be.
    """

    first: str
    second: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Within the tolerance; NaN is not."""
        return self.error <= self.tolerance

    def __str__(self) -> str:
        agree = "agree" if self.passed else "DISAGREE"
        return f"{self.first} and {self.second} {agree}: {self.error:.1e} (at most {self.tolerance:.0e})"


@dataclass(frozen=True, eq=False)
class ModelAudit(Shown):
    """The outcome of an audit of a user's model.

    Attributes:
        verdict: "exact", "consistent" or "inconsistent", over all parameters; "none" if the routes disagree.
        reason: why, in a sentence.
        discretisation: what was trained, "midpoint rule", "your quadrature" or "your loss".
        points: numbers of points of the study.
        draws: how often points were drawn, 0 for grids.
        tensors: findings by parameter.
        total: the same over all parameters, None without a verdict.
        routes: agreements that had to hold first.
        energy: the exact energy.
        bulk: exact gradient with the kinks held still, (P,), in the order of the parameters.
        dirac: what the motion of the kinks adds, (P,).
        autodiff: gradient of the sum on the most points (or the mean over draws), (P,).
        kinks: positions, ascending, (K,); in several inputs places where lines of a sample cross surfaces, (K, d).
        heights: ⟦L⟧ at each, (K,); in several inputs as the line goes.
        profile: x, then u and u′ of each of m outputs, for a picture, (1 + 2 m, n); empty in several inputs.
        operations: what breaks, and how often.
        notes: sentences that a reader should know.
        gradcheck: what torch's own check says of the same sum.
        remedy: lines to paste.
        settings: name → text, for a report.
        blind: the density depends on a u″ that misses what the kinks bend.
        integrals: what the loss is a function of, where it is more than one integral.
    """

    verdict: str
    reason: str
    discretisation: str
    points: tuple[int, ...]
    draws: int
    tensors: tuple[TensorFinding, ...]
    total: TensorFinding | None
    routes: tuple[Route, ...]
    energy: float
    bulk: Array
    dirac: Array
    autodiff: Array
    kinks: Array
    heights: Array
    profile: Array
    operations: dict[str, int]
    notes: tuple[str, ...]
    gradcheck: Gradcheck | None
    remedy: str
    settings: dict[str, str]
    blind: bool = False
    integrals: tuple[IntegralFinding, ...] = ()

    @property
    def passed(self) -> bool:
        """Is autodiff's gradient that of the integral, or does it tend to it?"""
        return self.verdict in ("exact", "consistent")

    @property
    def routes_agree(self) -> bool:
        """If not, nothing was judged."""
        return all(r.passed for r in self.routes)

    def as_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "versions": versions(),
            "verdict": self.verdict,
            "passed": self.passed,
            "reason": self.reason,
            "blind": self.blind,
            "settings": self.settings,
            "discretisation": self.discretisation,
            "points": list(self.points),
            "draws": self.draws,
            "routes": [
                {"routes": [r.first, r.second], "error": _number(r.error), "tolerance": r.tolerance}
                for r in self.routes
            ],
            "total": _finding(self.total) if self.total else None,
            "tensors": [_finding(t) for t in self.tensors],
            "integrals": [asdict(i) for i in self.integrals],
            "exact": {
                "energy": self.energy,
                "bulk": self.bulk.tolist(),
                "dirac": self.dirac.tolist(),
            },
            "autodiff": [_number(v) for v in self.autodiff.tolist()],
            "kinks": self.kinks.tolist(),
            "jumps": self.heights.tolist(),
            "operations": self.operations,
            "gradcheck": {"passed": self.gradcheck.passed, "detail": str(self.gradcheck)} if self.gradcheck else None,
            "notes": list(self.notes),
            "remedy": self.remedy,
        }

    def __repr__(self) -> str:
        kinks = "1 kink" if len(self.kinks) == 1 else f"{len(self.kinks)} kinks"
        return f"<ModelAudit: {self.verdict}; {self.discretisation}, {kinks}, {len(self.tensors)} tensors>"

    def _repr_html_(self) -> str:
        heads = ["parameter", *self.columns, "missing", "verdict"]
        found = [*self.tensors, *([self.total] if self.total is not None else [])]
        return html_table(f"{repr(self)[1:-1]}. {self.reason}", heads, map(self.row, found))

    def __str__(self) -> str:
        """The report as text."""
        table = ["", *self._table(), ""] if self.total is not None else []
        return "\n".join([*self.opening, *table, *self.closing])

    @property
    def opening(self) -> list[str]:
        """The report's lines above its table: the verdict first."""
        what = "crossings of kinks by lines" if self.kinks.ndim == 2 else "kinks"
        kinks = f"{len(self.kinks)} {what}" if len(self.kinks) != 1 else "1 kink"
        lines = [f"verdict: {self.verdict} ({self.discretisation}, {kinks})", self.reason]
        lines += [f"note: {n}" for n in self.notes]
        lines += [str(r) for r in self.routes]
        if self.integrals:
            lines += ["", "a function of", *(f"  {i}" for i in self.integrals)]
        return lines

    @property
    def closing(self) -> list[str]:
        """The report's lines below its table: where it comes from, and last the lines to paste, in one."""
        lines = []
        if self.total is not None and self.total.offenders:
            lines.append("most of what is missing comes from")
            lines += [f"  {o}" for o in self.total.offenders]
        if self.gradcheck is not None:
            lines.append(str(self.gradcheck))
        if self.verdict == "inconsistent":
            lines += ["", self.remedy]
        return lines

    def _table(self) -> list[str]:
        rows = [["parameter", *self.columns, "missing", "verdict"]]
        rows += [self.row(t) for t in self.findings]
        widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
        return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]

    @property
    def findings(self) -> tuple[TensorFinding, ...]:
        """By tensor, then over all."""
        return self.tensors if self.total is None else (*self.tensors, self.total)

    @property
    def columns(self) -> tuple[str, ...]:
        """What the errors of the study stand under."""
        if self.draws:
            return (f"mean of {self.draws} draws of {self.points[0]:,}",)
        return tuple(f"n = {n:,}" for n in self.points)

    def row(self, finding: TensorFinding) -> list[str]:
        """Name, errors, missing part and verdict of one finding, as text."""
        errors = [f"{e:.1e}" for e in finding.study.errors]
        missing = f"{finding.missing:.1e}" if finding.missing else "–"
        return [finding.name, *errors, missing, finding.verdict]


def _finding(found: TensorFinding) -> dict[str, Any]:
    return {
        "name": found.name,
        "shape": list(found.shape),
        "norm": found.norm,
        "errors": [_number(e) for e in found.study.errors],
        "order": found.study.order,
        "missing": _number(found.missing),
        "lacks": None if found.lacks is None else _number(found.lacks),
        "uncertainty": _number(found.uncertainty),
        "verdict": found.verdict,
        "offenders": [
            {"layer": o.layer, "neuron": o.neuron, "label": o.label, "place": o.place, "share": o.share}
            for o in found.offenders
        ],
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
