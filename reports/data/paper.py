"""The data of the paper report: the paper's runs and landscapes, and what the paper did not compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...solver.executors import one_thread
from ...solver.free_knots.widths.optimum import BestNetwork, solve
from ...solver.networks.choices import Gradient
from ...solver.studies.experiments import CONVERGED, EXPERIMENTS, Outcome, run_experiment
from ...solver.training.runs import Run
from ...solver.training.training import fit
from ...verify.statement.named import problems
from ...verify.systems.findings import Audit
from ...verify.values import Value
from .audit import audit_study
from .cache import Cache, recall_run
from .gap import AUTODIFF, DIFFERENCES, EXACT, PROJECTED, SPREAD, TANH, GapTable, gap_table, ways
from .landscape import LandscapeStudy, landscape_study

# The paper's problem, and this project's default in its place where the paper's numbers are not legible.
PROBLEM, WIDTH, POINTS = "sine-2", 20, 200
# Runs of the figures that show gradients beside each other.
GRADIENTS = ("relu-autodiff", "relu-dirac-nearest", "relu-finite-difference", "relu-dirac-mean", "relu-exact")
_DELTAS: tuple[Gradient, ...] = ("dirac-nearest", "dirac-mean")


@dataclass(frozen=True, eq=False)
class PaperStudy(Value):
    """What `paper_report` shows.

    Attributes:
        settings: plain data, all that determines the study.
        outcomes: name of the experiment ("figure-1", …) → runs and checks.
        gradients: label → run, training with each gradient from the same starts.
        audit: of autodiff at a random network.
        landscape: planes and Hessians at the fit to the solution.
        best: the best ReLU network of the width.
        gaps: trained and solved gaps beside each other.
    """

    settings: Mapping[str, Any]
    outcomes: Mapping[str, Outcome]
    gradients: Mapping[str, Run]
    audit: Audit
    landscape: LandscapeStudy
    best: BestNetwork
    gaps: GapTable

    @property
    def first_look(self) -> str:
        """Why this is no more than a first look, with no verdicts; "" if it is more."""
        steps = self.settings["steps"]
        if not self.settings["quick"] and steps >= CONVERGED:
            return ""
        short = f"{steps:,} of {CONVERGED:,} epochs" if steps < CONVERGED else "coarse and short"
        return f"First look: {short}, no verdicts"


@one_thread()
def paper_study(
    *,
    steps: int = 10_000,
    seeds: int = 16,
    resolution: int = 101,
    quick: bool = False,
    cache: Cache | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> PaperStudy:
    """Make, or recall, everything the paper report shows.

    Args:
        steps: epochs of ADAM.
        seeds: networks of each run.
        resolution: points along each side of a landscape plane.
        quick: a shorter audit; see `audit_study`.
        cache: where data are kept; None keeps nothing.
        progress: called with the name of each step before it starts.

    Raises:
        InputError: settings that `fit` or `landscape` refuses, or a cache that cannot be written.
    """
    cache = cache or Cache(None)
    progress("audit of autodiff")
    audit = audit_study(problems[PROBLEM], WIDTH, quick=quick, plane=False, cache=cache, progress=progress)

    def recall(settings: Mapping[str, Any], make: Callable[[], Run]) -> Run:
        progress(f"{settings['problem']}: {settings['label']}")
        return recall_run(cache, settings, make)

    common: dict[str, Any] = {"width": WIDTH, "points": POINTS, "seeds": range(seeds), "steps": steps}
    outcomes = {n: run_experiment(n, **common, recall=recall) for n in EXPERIMENTS}
    runs = {label: run for o in outcomes.values() if o.name != "figure-2" for label, run in o.runs.items()}
    for gradient in _DELTAS:
        settings = {**common, "seeds": tuple(common["seeds"]), "problem": PROBLEM, "label": f"relu-{gradient}"}
        record = max(1, steps // 100)
        make = partial(fit, problems[PROBLEM], gradient=gradient, record=record, **common)
        runs[f"relu-{gradient}"] = recall(settings, make)
    for label, name in ((SPREAD, "relu-exact-spread"), (PROJECTED, "relu-exact-spread-varpro")):
        way = common | ways(steps)[label]
        settings = {**way, "seeds": tuple(common["seeds"]), "problem": PROBLEM, "label": name}
        runs[name] = recall(settings, partial(fit, problems[PROBLEM], **way))
    landscape = landscape_study(
        problems[PROBLEM], WIDTH, points=POINTS, resolution=resolution, cache=cache, progress=progress
    )
    progress("the best network")
    best = solve(problems[PROBLEM], WIDTH)
    trained = {AUTODIFF: "relu-autodiff", DIFFERENCES: "relu-finite-difference", EXACT: "relu-exact"}
    trained |= {SPREAD: "relu-exact-spread", PROJECTED: "relu-exact-spread-varpro", TANH: "tanh-autodiff"}
    gaps = gap_table(PROBLEM, best, {name: np.asarray(runs[label].energy_gap) for name, label in trained.items()})
    described = {"steps": steps, "seeds": seeds, "width": WIDTH, "points": POINTS, "resolution": resolution}
    described["quick"] = quick
    return PaperStudy(described, outcomes, {n: runs[n] for n in GRADIENTS}, audit, landscape, best, gaps)
