"""The data of the dimensions report: Deep Ritz in two and three inputs with autodiff, with the term, and with tanh."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch

from ...solver.boxes.energy import BoxObjective
from ...solver.boxes.runs import BoxRun
from ...solver.boxes.training import fit_box, starts
from ...solver.executors import one_thread
from ...solver.networks.architecture import Architecture
from ...solver.networks.choices import Activation, BoxGradient
from ...solver.training.checks import Check, verdict
from ...verify.statement.box import box_problems
from ...verify.values import Value
from .cache import Cache, read_sealed, write_sealed

# Problem and hidden layers of each case.
CASES: dict[str, tuple[str, tuple[int, ...]]] = {
    "square, shallow": ("sine-square", (40,)),
    "square, deep": ("sine-square", (20, 20)),
    "peak in a square, shallow": ("peak-square", (40,)),
    "peak in a square, deep": ("peak-square", (20, 20)),
    "two-material plate, shallow": ("two-material-plate", (40,)),
    "cube, shallow": ("sine-cube", (40,)),
    "cube, deep": ("sine-cube", (20, 20)),
    "peak in a cube, deep": ("peak-cube", (20, 20)),
    "L-shape, shallow": ("l-shape", (40,)),
    "L-shape, deep": ("l-shape", (20, 20)),
    "elastic square, shallow": ("elastic-square", (40,)),
}
# Activation and gradient of each run.
WAYS: dict[str, tuple[Activation, BoxGradient]] = {
    "relu-autodiff": ("relu", "autodiff"),
    "relu-exact": ("relu", "exact"),
    "tanh-autodiff": ("tanh", "autodiff"),
}
# The setting of MATH 10.
STEPS, SEEDS, POINTS, RATE = 4_000, 8, 500, 3e-3
CLAIM = "At the same points a ReLU network ends at a quarter of autodiff's energy gap, or less, once the term is added."
# Of one network each, in turn; the median of their times is told.
_TIMED = 30
# So many standard errors apart are two gaps that differ.
_APART = 4


@dataclass(frozen=True, eq=False)
class DimensionsStudy(Value):
    """What `dimensions_report` shows.

    Attributes:
        settings: plain data, all that determines the study.
        runs: case → label of the run → it.
        seconds: case → label of the run → median time of a step of one network, as it was measured once.
    """

    settings: Mapping[str, Any]
    runs: Mapping[str, Mapping[str, BoxRun]]
    seconds: Mapping[str, Mapping[str, float]]

    @property
    def first_look(self) -> str:
        """Why this is no more than a first look, with no verdicts; "" if it is more."""
        steps, seeds = self.settings["steps"], self.settings["seeds"]
        if steps >= STEPS and seeds >= SEEDS:
            return ""
        return f"First look: {steps:,} of {STEPS:,} steps, {seeds} of {SEEDS} seeds, no verdicts"

    def checks(self, case: str) -> tuple[Check, ...]:
        """The claim taken apart, computed from the runs of a case."""
        return compared(self.runs[case])

    def verdict(self, case: str) -> str | None:
        """ "borne out", "borne out in part" or "not borne out"; None of a first look."""
        return None if self.first_look else verdict(self.checks(case))


def compared(runs: Mapping[str, BoxRun]) -> tuple[Check, ...]:
    """What the term made of autodiff's gap, from runs of the same starts and points."""
    wrong, right = runs["relu-autodiff"], runs["relu-exact"]
    of_wrong, of_right = (float(np.median(r.energy_gap)) for r in (wrong, right))
    lower = int((right.energy_gap < wrong.energy_gap).sum())
    error = float(max(wrong.energy_error[-1].max(), right.energy_error[-1].max()))
    slopes = [float(np.median(r.gradient_error[-1])) for r in (wrong, right)]
    return (
        Check(
            f"The median gap is at most a quarter: {of_right:.3g} with the term, {of_wrong:.3g} with autodiff, which "
            f"is {of_wrong / of_right:.3g} times that.",
            of_right <= of_wrong / 4,
        ),
        Check(
            f"The two medians differ by more than {_APART} standard errors of a gap, of which the largest is "
            f"{error:.1g}, and the term's is the lower.",
            of_wrong - of_right > _APART * error,
        ),
        Check(
            f"The gap is lower from every start: from {lower} of {len(wrong.stops)}.",
            lower == len(wrong.stops),
        ),
        Check(
            f"The gradient of the field is nearer to that of the solution: median relative error {slopes[1]:.2%} "
            f"against {slopes[0]:.2%}.",
            slopes[1] < slopes[0],
        ),
    )


@one_thread()
def dimensions_study(
    *,
    steps: int = STEPS,
    seeds: int = SEEDS,
    cache: Cache | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> DimensionsStudy:
    """Make, or recall, all runs.

    Args:
        steps: of ADAM.
        seeds: networks of each run.
        cache: where data are kept; None keeps nothing.
        progress: called with the name of each step before it starts.

    Raises:
        InputError: settings that `fit_box` refuses, or a cache that cannot be written.
    """
    cache = cache or Cache(None)
    settings = {"steps": steps, "seeds": seeds, "points": POINTS, "learning rate": RATE, "sampling": "anew"}
    runs: dict[str, dict[str, BoxRun]] = {}
    seconds: dict[str, dict[str, float]] = {}
    for case, (name, width) in CASES.items():
        runs[case] = {}
        for label, (activation, gradient) in WAYS.items():
            progress(f"{case}: {label}")
            make = partial(
                fit_box, box_problems[name], width, activation, gradient, steps=steps, learning_rate=RATE,
                points=POINTS, seeds=range(seeds), record=max(1, steps // 10),
            )  # fmt: skip
            named = {**settings, "problem": name, "width": width, "label": label}
            runs[case][label] = cache.recall("box-run", named, make, BoxRun.load, lambda run, path: run.save(path))
        progress(f"{case}: time of a step")
        seconds[case] = cache.recall(
            "step-times", {"problem": name, "width": width, "points": POINTS}, partial(step_times, name, width),
            _read_times, _write_times,
        )  # fmt: skip
    return DimensionsStudy(settings, runs, seconds)


def step_times(name: str, width: tuple[int, ...]) -> dict[str, float]:
    """Median seconds of processor time that energy and gradient of one network take, by the label of the run."""
    problem = box_problems[name]
    followed = {}
    for label, (activation, gradient) in WAYS.items():
        architecture = Architecture.of(width, activation, problem.inputs)
        objective = BoxObjective(problem, architecture, gradient, POINTS, "anew", None, [0], torch.float64)
        followed[label] = objective, starts(problem, architecture, "torch", [0])
    taken: dict[str, list[float]] = {label: [] for label in followed}
    for _ in range(_TIMED):
        for label, (objective, theta) in followed.items():
            begun = process_time()
            objective.gradient(theta)
            taken[label].append(process_time() - begun)
    return {label: median(times) for label, times in taken.items()}


def _read_times(path: Path) -> dict[str, float]:
    times: dict[str, float] = json.loads(read_sealed(path))
    return times


def _write_times(times: Mapping[str, float], path: Path) -> None:
    write_sealed(path, json.dumps(times).encode())
