"""Results drawn on axes of the user's own: what their `plot` does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...solver.boxes.runs import BoxRun
from ...solver.landscapes.spectra import Spectrum
from ...solver.landscapes.surfaces import Landscape
from ...solver.training.runs import Run
from ...verify.errors import InputError
from ...verify.models.telling.model_findings import ModelAudit
from ...verify.systems.findings import Audit
from ...verify.systems.row import OWN
from ..layout.style import BLACK, BLUE, FAINT, GREEN, ORANGE, RED

# Below this a relative error is rounding, and a logarithm of nought is nothing to draw.
_LEAST = 1e-17
# So many tensors of a model have a line with a name.
_NAMED = 6
# Eigenvalues lie around 0: linear between these, logarithmic beyond.
_LINEAR = 1e-3
_VERDICTS = {"inconsistent": RED, "consistent": BLUE, "exact": GREEN}


def draw_run(run: Run | BoxRun, axes: Any) -> None:
    """Energy gap, or energy where no solution is known, against the steps: the median, and all networks as a band."""
    steps = run.steps if isinstance(run, BoxRun) else run.history.steps
    known = run.problem.solution is not None
    values = run.gap_history if known else run.energy if isinstance(run, BoxRun) else run.history.exact
    axes.fill_between(steps, values.min(1), values.max(1), color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(steps, np.median(values, 1), color=BLUE, label=f"median of {values.shape[1]}")
    if known and (values > 0).all():
        axes.set_yscale("log")
    axes.set_xlabel("steps")
    axes.set_ylabel("energy gap" if known else "energy")
    axes.set_title(run.problem.name)
    axes.legend()


def draw_landscape(scape: Landscape, axes: Any, plane: int = 0) -> None:
    """One plane's energy above its least value, as contours.

    Raises:
        InputError: there is no such plane.
    """
    if not 0 <= plane < len(scape.planes):
        raise InputError(f"plane: {plane!r} is not there; 0 to {len(scape.planes) - 1} would be right")
    from .surfaces import draw_contours

    values = scape.values[plane] - scape.values[plane].min()
    drawn = draw_contours(axes, scape, plane, values)
    if drawn is not None:
        axes.figure.colorbar(drawn, ax=axes, label="energy above the least")
    axes.set_xlabel("α")
    axes.set_ylabel("β")
    axes.set_title(f"{scape.planes[plane].label}, {scape.energy}")


def draw_spectrum(found: Spectrum, axes: Any) -> None:
    """The eigenvalues, descending."""
    axes.plot(np.arange(1, len(found.eigenvalues) + 1), found.eigenvalues, "o", color=BLUE, label=found.kind)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.set_yscale("symlog", linthresh=_LINEAR)
    axes.set_xlabel("index")
    axes.set_ylabel("eigenvalue of the Hessian")
    axes.legend()


def draw_audit(audit: Audit, axes: Any) -> None:
    """Relative error of each judged way's gradient against the points of the grid, coloured by its verdict."""
    named: set[str] = set()
    for row in audit.rows:
        if row.total is not None:
            verdict = row.total.verdict
            line = "--" if row.system == OWN else "-"
            errors = np.maximum(row.total.errors, _LEAST)
            label = None if verdict in named else verdict
            axes.loglog(audit.points, errors, line, marker="o", markersize=4, color=_VERDICTS[verdict], label=label)
            named.add(verdict)
    axes.set_xlabel("quadrature points")
    axes.set_ylabel("relative error of the gradient")
    axes.set_title(f"{audit.problem.name}, {audit.network.width} neurons")
    if named:
        axes.legend()


def draw_model_audit(audit: ModelAudit, axes: Any) -> None:
    """Relative error of autodiff's gradient, tensor by tensor, and what the derived Dirac part is of the exact one."""
    shown = sorted(audit.tensors, key=lambda t: -t.missing)[:_NAMED]
    if audit.draws or len(audit.points) < 2:
        found = [*shown, *([audit.total] if audit.total is not None else [])]
        places = np.arange(len(found))
        axes.barh(places - 0.2, [max(t.study.errors) for t in found], height=0.38, color=RED, label="autodiff's error")
        axes.barh(places + 0.2, [t.missing for t in found], height=0.38, color=ORANGE, label="Dirac part")
        axes.set_yticks(places, [t.name for t in found])
        axes.set_xlabel("share of the exact gradient")
    else:
        for tensor in shown:
            axes.loglog(audit.points, np.maximum(tensor.study.errors, _LEAST), marker="o", label=tensor.name)
        if audit.total is not None:
            errors = np.maximum(audit.total.study.errors, _LEAST)
            axes.loglog(audit.points, errors, color=BLACK, linewidth=4, alpha=0.3, label="all parameters")
        axes.set_xlabel("quadrature points")
        axes.set_ylabel("relative error of the gradient")
    axes.set_title(f"{audit.verdict}: {audit.discretisation}")
    axes.legend()
