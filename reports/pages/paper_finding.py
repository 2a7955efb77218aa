"""The first pages of the paper report: what came out, and which of the paper's claims hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ...solver.training.checks import Check, verdict
from ..data.gap import PROJECTED, SOLVED
from ..data.paper import PaperStudy
from ..layout.blocks import Block, Text
from ..layout.finding import FIGURE_BOX, finding_page
from ..layout.page import Page
from ..layout.pdf import LEFT, RIGHT
from ..layout.style import QUIET
from .training_figures import VERDICT_COLOURS, history_axes

# The gradient is to blame for a gap that falls below this share of it when nothing but the gradient is changed.
_MOSTLY = 0.5


@dataclass(frozen=True)
class Finding:
    """One figure of the paper: its claim, and what came out."""

    figure: int
    claim: str
    checks: tuple[Check, ...]
    judged: bool = True

    @property
    def verdict(self) -> str | None:
        """ "borne out", "borne out in part" or "not borne out"; None of a first look."""
        return verdict(self.checks) if self.judged else None


def finding_of(study: PaperStudy) -> Page:
    """The failure in a sentence, training with each gradient, and what mends it."""
    figure = Figure()
    axes = figure.add_axes(FIGURE_BOX)
    history_axes(axes, study.gradients)
    axes.legend(loc="best", fontsize=10.5)
    wrong, right = (float(np.median(study.gradients[f"relu-{g}"].energy_gap)) for g in ("autodiff", "exact"))
    numbers = []
    near = study.audit.dirac_shares.get("near the solution")
    if near is not None:
        what = "the size of the Dirac part, which autodiff lacks, relative to the whole gradient near the solution"
        numbers.append((f"{near:.3g} ×", what))
    if study.first_look:
        sentence = (
            f"After {study.settings['steps']:,} epochs nothing has converged: this first look shows that everything "
            "works, and says nothing about the paper."
        )
    else:
        numbers.append((f"{wrong:.3g} → {right:.3g}", "median energy gap, by autodiff and by the exact gradient"))
        sentence = (
            f"A ReLU network of {study.settings['width']} neurons that is trained with autodiff ends at an energy gap "
            f"of {wrong:.3g}; from the same starts, with the exact gradient of the same energy, at {right:.3g}. "
        )
        sentence += (
            "The failure is mostly the gradient's, not ReLU's." if right < _MOSTLY * wrong
            else "The gradient is not most of the failure." if right < wrong
            else "The exact gradient does not mend it."
        )  # fmt: skip
    gaps = study.gaps
    cure = code = ""
    if {PROJECTED, SOLVED} <= set(gaps.gaps):
        cure = (
            "The exact gradient, kinks spread at the start, variable projection: tried here, it ends at a gap of "
            f"{gaps.median(PROJECTED):.3g}; the best network of this width has {gaps.median(SOLVED):.3g}."
        )
        code = (
            "from kinkproof.solver import fit\n\n"
            f'fit(problem, {study.settings["width"]}, gradient="exact",\n    initial="even", optimizer="varpro")'
        )
    caption = (
        f"Training on “{study.audit.problem.name}” with five gradients of the same energy, from the same "
        f"{study.settings['seeds']} random starts; the energy gap is that of the exact integral."
    )
    return finding_page("On the failure of ReLU: what came out", sentence, figure, numbers, cure, code, caption)


def claims_page(study: PaperStudy, found: Sequence[Finding]) -> Page:
    """Each claim of the paper with its verdict, or, at a first look, without."""
    blocks: list[Block] = []
    step = 0.74 / len(found)
    for k, one in enumerate(found):
        y = 0.885 - k * step
        blocks.append(Text(f"Figure {one.figure}", LEFT, y, 0.08, 13, bold=True))
        if one.verdict is None:
            blocks.append(Text("first look", 0.13, y, 0.14, 13, colour=QUIET))
        else:
            blocks.append(Text(one.verdict, 0.13, y, 0.14, 13, bold=True, colour=VERDICT_COLOURS[one.verdict]))
            held = [c.holds for c in one.checks if c.papers]
            blocks.append(Text(f"{sum(held)} of {len(held)}", 0.28, y, 0.06, 12.5, colour=QUIET))
        blocks.append(Text(one.claim, 0.345, y, RIGHT - 0.345, 13))
    counted = "the verdict counts those that hold" if not study.first_look else "a whole run judges them"
    caption = (
        f"The paper's claims, each taken apart into checks that are computed from this study; {counted}. Where the "
        "paper's numbers are not legible the settings are this project's (last page). The pages after figure 8 show "
        "what the paper did not."
    )
    title = (
        "On the failure of ReLU: which claims hold" if not study.first_look else "On the failure of ReLU: a first look"
    )
    return Page(title, caption, Figure(), tuple(blocks))
