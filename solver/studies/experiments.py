"""The paper's figures 1, 2, 4, 5 and 6 as training runs, each with its claim and whether the runs bear it out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...verify.choices import unknown
from ...verify.errors import InputError
from ...verify.files import write_whole
from ...verify.showing import html_table
from ...verify.statement.named import problems
from ...verify.statement.problem import RitzProblem
from ...verify.values import Value
from ..training.checks import Check, verdict
from ..training.regression import regress
from ..training.runs import Run
from ..training.training import fit
from .claims import as_good_as_tanh, differences_help, fails_though_wide_enough, walks_away

Array = NDArray[Any]

# Epochs by default; by then the medians have settled.
CONVERGED = 10_000


@dataclass(frozen=True, eq=False)
class Outcome(Value):
    """The runs of one experiment and what they say.

    Attributes:
        name: "figure-1" and so on.
        claim: the paper's, in a sentence.
        runs: label → run; all from the same seeds.
        checks: computed from the runs.
    """

    name: str
    claim: str
    runs: Mapping[str, Run]
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        known = all(run.problem.solution is not None for run in self.runs.values())
        rows = [
            (label, float(np.median(run.energy)), float(np.median(run.energy_gap)) if known else None)
            for label, run in self.runs.items()
        ]
        said = "too short a run for a verdict" if self.verdict is None else self.verdict
        return html_table(f"{self.name}: {self.claim}: {said}", ["run", "median energy", "median energy gap"], rows)

    @property
    def first_look(self) -> bool:
        """Fewer epochs than it takes to converge: too early for a verdict."""
        return next(iter(self.runs.values())).settings.steps < CONVERGED

    @property
    def verdict(self) -> str | None:
        """ "borne out", "borne out in part" or "not borne out": by the paper's own checks; None of a first look."""
        return None if self.first_look else verdict(self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Claim, verdict, checks and the figures of each run, as plain data."""
        return {
            "name": self.name,
            "claim": self.claim,
            "first_look": self.first_look,
            "verdict": self.verdict,
            "checks": [{"sentence": c.sentence, "holds": c.holds, "papers": c.papers} for c in self.checks],
            "runs": {label: run.summary() for label, run in self.runs.items()},
        }

    def save(self, folder: str | Path) -> Path:
        """Write `<folder>/<name>/<label>.npz` for every run and `outcome.json`, which is written last.

        Raises:
            InputError: one of them cannot be written.
        """
        place = Path(folder) / self.name
        for label, run in self.runs.items():
            run.save(place / f"{label}.npz")
        text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n"
        write_whole(place / "outcome.json", text.encode())
        return place

    @classmethod
    def load(cls, place: str | Path) -> Outcome:
        """Read what `save` wrote; the checks are computed anew from the runs.

        Raises:
            InputError: there is no such folder, or what is in it is not an experiment of ours.
        """
        place = Path(place)
        experiment = _experiment(place.name)
        runs = {label: Run.load(place / f"{label}.npz") for label in experiment.labels}
        made = {(r.settings.seeds, r.settings.width) for r in runs.values()}
        if len(made) > 1:
            raise InputError(f"{place} holds runs of different seeds or widths; runs made together would be right")
        return cls(place.name, experiment.claim, runs, tuple(experiment.judge(runs)))


@dataclass(frozen=True)
class _Experiment:
    """What an experiment runs, and how it is judged.

    Attributes:
        problem: its name.
        claim: the paper's.
        labels: of the runs, in the order in which they are made; see `_made`.
        judge: runs → checks.
    """

    problem: str
    claim: str
    labels: tuple[str, ...]
    judge: Callable[[Mapping[str, Run]], Iterable[Check]]


def run_experiment(
    name: str,
    *,
    steps: int = CONVERGED,
    seeds: Iterable[int] = range(16),
    width: int = 20,
    points: int = 200,
    learning_rate: float = 1e-3,
    progress: bool = False,
    folder: str | Path | None = None,
    recall: Callable[[Mapping[str, Any], Callable[[], Run]], Run] = lambda settings, make: make(),
) -> Outcome:
    """Make the runs of one of the paper's figures and judge its claim by them.

    Args:
        name: one of `EXPERIMENTS`.
        steps: epochs of ADAM.
        seeds: one network each; all runs start from the same.
        width: of the hidden layer.
        points: midpoints of the quadrature.
        learning_rate: of ADAM.
        progress: show a bar for each run.
        folder: save each run there as soon as it is made, and the outcome at the end; see `Outcome.save`.
        recall: asked for each run with all that determines it (plain data) and the function that makes it.

    Raises:
        InputError: an unknown name, or settings that `fit` refuses.
    """
    experiment = _experiment(name)
    problem, seeds = problems[experiment.problem], tuple(seeds)
    if folder is not None and (place := Path(folder) / name).is_dir() and any(place.iterdir()):
        # It may be hours of work, and half of it beside half of this would be judged as one.
        raise InputError(f"{place} holds files already; another folder, or an empty one, would be right")
    common: dict[str, Any] = {"width": width, "points": points, "progress": progress}
    settings = {
        "problem": experiment.problem, "steps": steps, "learning_rate": learning_rate, "seeds": seeds, "width": width,
        "points": points,
    }  # fmt: skip
    runs: dict[str, Run] = {}
    for label in experiment.labels:
        make = partial(_made, problem, label, runs, steps, learning_rate, seeds, common)
        runs[label] = recall({**settings, "label": label}, make)
        if folder is not None:
            # At once: what has been computed is kept, whatever becomes of the rest.
            runs[label].save(Path(folder) / name / f"{label}.npz")
    outcome = Outcome(name, experiment.claim, runs, tuple(experiment.judge(runs)))
    if folder is not None:
        outcome.save(folder)
    return outcome


def _made(
    problem: RitzProblem,
    label: str,
    runs: Mapping[str, Run],
    steps: int,
    learning_rate: float,
    seeds: tuple[int, ...],
    common: Mapping[str, Any],
) -> Run:
    """One run by its label: <activation>-regression or <activation>-<gradient>[-lbfgs][-after-regression]."""
    activation, _, way = label.partition("-")
    if way == "regression":
        fitted: dict[str, Any] = {k: v for k, v in common.items() if k != "points"} | {"activation": activation}
        # L-BFGS needs no more; a quick run stays quick.
        return regress(problem, steps=min(500, max(1, steps // 10)), seeds=seeds, **fitted)
    gradient, _, after = way.partition("-after-")
    settings: dict[str, Any] = {**common, "steps": steps, "learning_rate": learning_rate}
    settings |= {"activation": activation, "record": max(1, steps // 100)}
    if after:
        settings["start"] = runs[f"{activation}-{after}"]
    if gradient.endswith("-lbfgs"):
        gradient = gradient.removesuffix("-lbfgs")
        # Every step is looked at: none may raise the energy.
        settings |= {"optimizer": "lbfgs", "steps": max(1, steps // 50), "record": 1}
    settings["gradient"] = gradient
    return fit(problem, seeds=seeds, **settings)


_FAILS = "With autodiff ReLU ends at a notably higher energy than tanh, though the width suffices for the solution"
_EXPERIMENTS = {
    "figure-1": _Experiment(
        "sine-2",
        f"{_FAILS}.",
        ("relu-autodiff", "tanh-autodiff", "relu-regression", "relu-exact"),
        fails_though_wide_enough,
    ),
    "figure-2": _Experiment(
        "sine-6",
        f"{_FAILS}, at a higher frequency too.",
        ("relu-autodiff", "tanh-autodiff", "relu-regression", "relu-exact"),
        fails_though_wide_enough,
    ),
    "figure-4": _Experiment(
        "sine-2",
        "With one more order of continuity the failure is gone: ReLU² performs like tanh.",
        ("relu-autodiff", "tanh-autodiff", "relu2-autodiff"),
        as_good_as_tanh,
    ),
    "figure-5": _Experiment(
        "sine-2",
        "Started at the regression's solution ReLU does not stay: autodiff pushes it to the higher energy of before.",
        (
            "relu-autodiff",
            "relu-regression",
            "relu-autodiff-after-regression",
            "relu-exact-after-regression",
            "relu-exact-lbfgs-after-regression",
        ),
        walks_away,
    ),
    "figure-6": _Experiment(
        "sine-2",
        "With finite differences instead of autodiff ReLU reaches a lower energy and a smoother, more accurate field.",
        ("relu-autodiff", "relu-finite-difference", "relu-exact"),
        differences_help,
    ),
}
EXPERIMENTS = tuple(_EXPERIMENTS)


def _experiment(name: str) -> _Experiment:
    if name not in _EXPERIMENTS:
        raise unknown("preset", name, EXPERIMENTS)
    return _EXPERIMENTS[name]
