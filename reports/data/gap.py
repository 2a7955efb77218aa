"""Where the energy gap goes: what of it the gradient, the start, the optimiser and ReLU itself are to blame for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...solver.free_knots.widths.optimum import BestNetwork
from ...solver.training.training import fit
from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ...verify.values import Value

Array = NDArray[np.float64]

# In the order of the chart. The first five and the last are trained, a gap a seed; two are computed from `solve`.
AUTODIFF, DIFFERENCES, EXACT, SPREAD, PROJECTED, SOLVED, LIMIT, TANH = LABELS = (
    "ReLU, trained with autodiff",
    "ReLU, trained with finite differences",
    "ReLU, trained with the exact gradient",
    "ReLU, exact, kinks spread at the start",
    "ReLU, exact, spread, variable projection",
    "ReLU, solved for the kinks",
    "limit of piecewise linear functions",
    "tanh, trained with autodiff",
)


@dataclass(frozen=True, eq=False)
class GapTable(Value):
    """Energy gaps of one problem at one width, by the way of getting there.

    Attributes:
        problem: its name.
        width: neurons.
        gaps: label → gaps, (seeds,), in the order of `LABELS`; those that were not run are absent.
    """

    problem: str
    width: int
    gaps: Mapping[str, Array]

    def median(self, label: str) -> float:
        """Median over the seeds."""
        return float(np.median(self.gaps[label]))

    @property
    def shares(self) -> dict[str, float]:
        """What the gap of autodiff consists of, as shares of it: by medians, as far as they are there.

        "gradient": what the exact gradient saves; "start": what kinks spread over the domain at the start save on top;
        "optimiser": what solving saves on top of that; "ReLU": what is left.
        """
        if not {AUTODIFF, EXACT, SPREAD, SOLVED} <= set(self.gaps):
            return {}
        whole, exact, spread, solved = (self.median(n) for n in (AUTODIFF, EXACT, SPREAD, SOLVED))
        return {
            "gradient": (whole - exact) / whole,
            "start": (exact - spread) / whole,
            "optimiser": (spread - solved) / whole,
            "ReLU": solved / whole,
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every gap, and the shares."""
        gaps = {n: v.tolist() for n, v in self.gaps.items()}
        return {"problem": self.problem, "width": self.width, "gaps": gaps, "shares": self.shares}


# Variable projection is converged or stuck after some dozen steps.
PROJECTION_STEPS = 300


def ways(steps: int) -> dict[str, dict[str, Any]]:
    """What `fit` is told for each trained way; what is not told are its defaults, the paper's start among them.

    Args:
        steps: of ADAM.
    """
    projection = {"optimizer": "varpro", "steps": min(steps, PROJECTION_STEPS)}
    return {
        AUTODIFF: {"gradient": "autodiff", "steps": steps},
        DIFFERENCES: {"gradient": "finite-difference", "steps": steps},
        EXACT: {"gradient": "exact", "steps": steps},
        SPREAD: {"gradient": "exact", "initial": "even", "steps": steps},
        PROJECTED: {"gradient": "exact", "initial": "even", **projection},
        TANH: {"activation": "tanh", "gradient": "autodiff", "steps": steps},
    }


def trained_gaps(
    problem: RitzProblem, width: int, steps: int, seeds: int, progress: Callable[[str], None] = lambda what: None
) -> dict[str, Array]:
    """Energy gaps after training in each way, of the same seeds: label → (seeds,).

    Args:
        problem: with a known solution.
        width: neurons.
        steps: of ADAM, with the defaults of `fit`.
        seeds: how many networks.
        progress: called with each label before its run.

    Raises:
        InputError: what `fit` refuses; no solution is known.
    """
    gaps = {}
    for label, way in ways(steps).items():
        progress(label)
        run = fit(problem, width, **way, seeds=range(seeds))
        gaps[label] = np.asarray(run.energy_gap)
    return gaps


def gap_table(problem: str, best: BestNetwork, trained: Mapping[str, ArrayLike]) -> GapTable:
    """Trained gaps beside those of the best network and of the limit.

    Args:
        problem: its name.
        best: what `solve` found at the width that was trained.
        trained: label, one of `LABELS`, → energy gap or gaps of the seeds, (seeds,).

    Raises:
        InputError: an unknown label, or gaps that are not positive numbers.
    """
    gaps: dict[str, Array] = {}
    given: dict[str, ArrayLike] = {**trained, SOLVED: best.energy_gap, LIMIT: best.certificate.limit}
    unknown = set(given) - set(LABELS)
    if unknown:
        raise InputError(f"gaps: {min(unknown)!r} is unknown; known are {', '.join(LABELS)}")
    for label in LABELS:
        if label not in given:
            continue
        values = np.atleast_1d(np.asarray(given[label], dtype=np.float64))
        if values.ndim != 1 or not (np.isfinite(values) & (values > 0)).all():
            raise InputError(f"gaps: {label!r} has {values.tolist()}; one positive number a seed would be right")
        gaps[label] = values
    return GapTable(problem, best.network.width, gaps)
