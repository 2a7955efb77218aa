"""The data of the report “beyond the paper”: what a referee asks, as sweeps, each with a computed verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...solver.studies.plateaux import Plateau, plateaux
from ...solver.studies.trials import Row, Trial
from ...solver.training.checks import Check, verdict
from ...verify.values import Value
from .cache import Cache
from .gram import GramStudy, gram_study
from .judgements import gaps
from .questions import QUESTIONS, Question
from .sweep import kept_sweep

PROBLEM, WIDTH, POINTS, STEPS, SEEDS = "sine-2", 20, 200, 10_000, 64
# A verdict takes so many seeds at least.
_ENOUGH = 16
# Of the bootstrap: resamples, and what share of their medians the band holds.
_RESAMPLES, _BAND = 2000, 0.9
# A network is high if its gap is this many times the lower quartile of its fellows'.
_HIGH = 4.0


@dataclass(frozen=True)
class Arm:
    """What one setting gave.

    Attributes:
        label: of the setting.
        seeds: how many networks.
        median: of the energy gaps.
        band: of the median, by the bootstrap: nine of ten resamples.
        least, greatest: gaps.
        plateaux: gaps at which several networks end: of these the median says nothing.
        high: networks far above the others.
        inside, effective: median counts of kinks; None where the activation has none.
        places: where the effective kinks of the network of median gap sit.
        gaps: of all networks, ascending.
    """

    label: str
    seeds: int
    median: float
    band: tuple[float, float]
    least: float
    greatest: float
    plateaux: tuple[Plateau, ...]
    high: int
    inside: float | None
    effective: float | None
    places: tuple[float, ...]
    gaps: tuple[float, ...]

    @classmethod
    def of(cls, label: str, rows: Sequence[Row]) -> Arm:
        """From the networks of one setting."""
        gap = gaps(rows)
        middle = rows[int(np.argsort(gap, kind="stable")[(len(gap) - 1) // 2])]
        kinked = rows[0]["kinks_inside"] is not None
        counts = [
            float(np.median([r[n] for r in rows])) if kinked else None for n in ("kinks_inside", "effective_kinks")
        ]
        high = int((gap > _HIGH * np.quantile(gap, 0.25)).sum())
        return cls(
            label, len(rows), float(np.median(gap)), median_band(gap), float(gap.min()), float(gap.max()),
            plateaux(gap), high, counts[0], counts[1], tuple(middle["kink_places"] or ()), tuple(np.sort(gap).tolist()),
        )  # fmt: skip


def median_band(values: np.ndarray) -> tuple[float, float]:
    """Between which values nine tenths of the medians of resamples lie; the same for the same values."""
    drawn = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
    medians = np.median(np.sort(values)[drawn], axis=1)
    low, high = np.quantile(medians, [(1 - _BAND) / 2, (1 + _BAND) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Answer:
    """A question with what came out.

    Attributes:
        question: what was asked.
        arms: in order.
        checks: computed from the runs.
        judged: are the runs long enough, and many enough, for a verdict?
    """

    question: Question
    arms: tuple[Arm, ...]
    checks: tuple[Check, ...]
    judged: bool

    @property
    def verdict(self) -> str | None:
        """ "borne out", "borne out in part" or "not borne out"; None of a first look."""
        return verdict(self.checks) if self.judged else None


@dataclass(frozen=True, eq=False)
class BeyondStudy(Value):
    """What `beyond_report` shows.

    Attributes:
        settings: plain data, all that determines the study.
        answers: to each question.
        gram: natural gradients: the Gram matrices, and training with them.
    """

    settings: Mapping[str, Any]
    answers: tuple[Answer, ...]
    gram: GramStudy

    @property
    def first_look(self) -> str:
        """Why this is no more than a first look, with no verdicts; "" if it is more."""
        steps, seeds = self.settings["steps"], self.settings["seeds"]
        if steps >= STEPS and seeds >= _ENOUGH:
            return ""
        return f"First look: {steps:,} of {STEPS:,} steps, {seeds} seeds, no verdicts"


def beyond_study(
    *,
    steps: int = STEPS,
    seeds: int = SEEDS,
    questions: Sequence[Question] = QUESTIONS,
    cache: Cache | None = None,
    executor: Executor | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> BeyondStudy:
    """Train, or recall, all that the questions ask for.

    Args:
        steps: of ADAM and gradient descent.
        seeds: networks of each run that is cheap; dear ones have fewer, as the tables say.
        questions: which.
        cache: where data are kept; None keeps nothing.
        executor: any `concurrent.futures.Executor`; None: this process.
        progress: called with the name of each step before it starts.

    Raises:
        InputError: settings that `fit` refuses, or a cache that cannot be written.
    """
    cache = cache or Cache(None)
    settings = {"problem": PROBLEM, "width": WIDTH, "points": POINTS, "steps": steps, "seeds": seeds}
    # What several questions share is trained once.
    wanted = {(q.name, label): _trial(said, steps, seeds) for q in questions for label, said in q.arms.items()}
    trials = {repr(trial.described()): trial for trial in wanted.values()}
    progress("trainings")
    table = kept_sweep(
        list(trials.values()), cache, executor, lambda done, total: progress(f"trainings: {done} of {total}")
    )
    rows = iter(table.rows)
    found = {key: [next(rows) for _ in t.settings["seeds"]] for key, t in trials.items()}
    answers = []
    for question in questions:
        of = {label: found[repr(wanted[question.name, label].described())] for label in question.arms}
        arms = tuple(Arm.of(label, arm) for label, arm in of.items())
        judged = steps >= STEPS and seeds >= _ENOUGH
        answers.append(Answer(question, arms, tuple(question.judge(of)), judged))
    progress("Gram matrices")
    return BeyondStudy(settings, tuple(answers), gram_study(min(seeds, _ENOUGH), min(steps, 1000), cache))


def _trial(said: Mapping[str, Any], steps: int, seeds: int) -> Trial:
    """One arm: all its networks in one batch, which costs less than several, and is kept as one piece."""
    told = {"width": WIDTH, "points": POINTS, "steps": steps, **said}
    most, problem, start = told.pop("most", seeds), told.pop("problem", PROBLEM), told.pop("start", "")
    # A quick run shortens what has steps of its own, too.
    told["steps"] = min(steps, told["steps"])
    return Trial(problem, {**told, "record": told["steps"], "seeds": list(range(min(seeds, most)))}, start)
