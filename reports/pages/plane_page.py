"""The page on two inputs: verdicts on AD systems, and on rules and discrete deltas, in the plane."""

from __future__ import annotations

from matplotlib.figure import Figure

from ...verify.systems.plane_findings import PlaneAudit
from ..layout.page import Page
from ..layout.verdicts import verdict_table

# What is said of the deltas where every verdict is as expected.
_STORY = (
    "With the mean of ∇û's two sides the Dirac term along the kink lines is right on all points. The nearest node's "
    "own side comes to the mean where lines cross rows anywhere, not where they run along them."
)


def plane_page(audit: PlaneAudit) -> Page:
    """The table of verdicts, with what they say of the discrete deltas."""
    heads = ["system", "way of asking", *(f"n = {n:,}" for n in audit.points), "order", "verdict", "missing = Dirac"]
    cells, verdicts, before = [], [], ""
    for row in audit.rows:
        verdict = row.total.verdict if row.total else "failed" if row.failed else "not run"
        errors = [f"{e:.1e}" for e in row.total.errors] if row.total else ["–"] * len(audit.points)
        order = "–" if row.total is None or row.total.order is None else f"{row.total.order:.2f}"
        share = "–" if row.attribution is None else f"to {row.attribution:.1e}"
        system = "" if row.system == before else row.system
        cells.append([system, row.method, *errors, order, verdict, share])
        verdicts.append(verdict)
        before = row.system
    grids = len(audit.points)
    widths = [0.08, 0.33, *[0.26 / grids] * grids, 0.06, 0.1, 0.09]
    table = verdict_table(heads, cells, verdicts, widths, "ll" + "r" * (grids + 1) + "lr")
    digits = min((a.digits for a in audit.agreements), default=0.0)
    caption = (
        f"Relative error of the gradient at {audit.network.width} neurons, whose Dirac part is {audit.dirac_share:.3g} "
        "times the whole gradient; the largest over n to 1.3 n points. "
        f"{len(audit.agreements) + 1} derivations agree to {digits:.0f} digits."
    )
    if audit.passed:
        # Elsewhere some came out otherwise, and the rows are all there is to say.
        caption += "\n" + _STORY
    return Page(f"The same in the plane: “{audit.problem.name}”", caption, Figure(), (table,))
