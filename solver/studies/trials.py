"""One run of a sweep as plain data, and what it leaves in a table; sweeps as users write them, in TOML."""

from __future__ import annotations

import inspect
import tomllib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

import numpy as np

from ...verify.choices import unknown
from ...verify.errors import InputError
from ...verify.statement.named import problems
from ...verify.statement.problem import RitzProblem
from ..executors import one_thread
from ..networks.gradients import objective
from ..training.regression import regress
from ..training.settings import Settings
from ..training.starts import initial_parameters
from ..training.training import fit
from .kinks import kinks_of

Row = dict[str, Any]

# Networks that are trained in one batch: a unit of work, whatever the executor.
_AT_ONCE = 16
_DEFAULTS: dict[str, Any] = {
    name: parameter.default
    for name, parameter in inspect.signature(fit).parameters.items()
    if name in {f.name for f in fields(Settings)}
}
# What a sweep may say; a list of values asks for each of them, but for seeds, which are networks of one run.
_KNOWN = ("problem", *_DEFAULTS, "start", "seeds_at_once")
_STARTS = ("", "regression")


@dataclass(frozen=True)
class Trial:
    """A batch of networks that are trained together.

    Attributes:
        problem: the name of a named one, or its statement as plain data.
        settings: arguments of `fit`, as plain data.
        start: "regression": networks fitted to the solution; "": the seeds' own parameters.

    Raises:
        InputError: settings that `fit` refuses, an unknown problem or start.
    """

    problem: str | Mapping[str, Any]
    settings: Mapping[str, Any]
    start: str = ""

    def __post_init__(self) -> None:
        problem, settings = self.stated(), self.checked()
        if self.start not in _STARTS:
            raise InputError(f"start: {self.start!r} is unknown; 'regression', or none, would be right")
        # What `fit` would refuse is said before the trials ahead of it have taken hours.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            initial_parameters(problem, settings.architecture, settings.initial, settings.seeds)
            objective(
                problem, settings.architecture, settings.gradient, energy=settings.energy, rule=settings.rule,
                points=settings.points, difference_step=settings.difference_step, dtype=settings.torch_dtype,
            )  # fmt: skip

    def stated(self) -> RitzProblem:
        """The problem."""
        return problems[self.problem] if isinstance(self.problem, str) else problem_from_text(self.problem)

    def checked(self) -> Settings:
        """All settings, those that are not told too."""
        told = _DEFAULTS | dict(self.settings)
        width, activation, seeds, optimizer = (told.pop(n) for n in ("width", "activation", "seeds", "optimizer"))
        return Settings.of(_widths(width), activation, seeds, optimizer, **told)

    def described(self) -> dict[str, Any]:
        """Plain data, all that determines the trial besides the program."""
        return {"problem": self.problem, "start": self.start, **self.checked().as_dict()}

    def rows(self) -> list[Row]:
        """Train the networks: a row for each, with settings and versions; the same bits in every process."""
        problem, settings = self.stated(), self.checked()
        told: dict[str, Any] = dict(self.settings) | {"width": settings.width, "seeds": settings.seeds}
        with one_thread(), warnings.catch_warnings():
            # A network that diverged is said in its row.
            warnings.simplefilter("ignore")
            if self.start:
                same = {n: getattr(settings, n) for n in ("width", "activation", "seeds", "dtype", "device")}
                told["start"] = regress(problem, **same)
                told.pop("initial", None)
            run = fit(problem, **told)
            known = problem.solution is not None
            gaps = run.energy_gap if known else np.full(len(run.stops), np.nan)
            errors = run.field_error() if known else np.full(len(run.stops), np.nan)
        kinks = kinks_of(problem, run.settings.architecture, run.parameters)
        common = _flat({**self.described(), "problem": _name(self.problem)})
        versions = {f"version_{name}": v for name, v in run.versions.items()}
        out = []
        for k, seed in enumerate(settings.seeds):
            own = None if kinks is None else kinks[k]
            out.append(
                {
                    **common,
                    "seed": seed,
                    "exact_energy": float(run.energy[k]),
                    "energy_gap": float(gaps[k]),
                    "field_error": float(errors[k]),
                    "kinks_inside": None if own is None else own.inside,
                    "effective_kinks": None if own is None else own.effective,
                    "kink_places": None if own is None else list(own.places),
                    "diverged": bool(run.diverged[k]),
                    "stopped": run.stops[k],
                    **versions,
                }
            )
        return out


def read_sweep(text: str) -> list[Trial]:
    """The trials of a sweep in TOML.

    Keys are arguments of `fit`, `problem` (a name, or a table with a statement) and `start`; a list asks for each of
    its values. `seeds` is how many networks, or which. `[[runs]]` tables add to what stands above them, each a set of
    combinations of its own; a run that is asked for twice is made once.

    Raises:
        InputError: no TOML, an unknown key, or settings that `fit` refuses.

    Examples:
        >>> trials = read_sweep('''
        ... steps = 100
        ... seeds = 2
        ... width = [5, [4, 4]]
        ... gradient = ["autodiff", "exact"]
        ... ''')
        >>> len(trials), trials[0].settings["gradient"], trials[-1].settings["width"]
        (4, 'autodiff', [4, 4])
    """
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"sweep: this is no TOML ({error}); lines such as width = [5, 10, 20] are right") from None
    runs = said.pop("runs", [{}])
    if not isinstance(runs, list) or not runs or not all(isinstance(r, dict) for r in runs):
        raise InputError("runs: these are no tables; [[runs]] with lines such as gradient = 'exact' would be right")
    out: list[Trial] = []
    seen: list[dict[str, Any]] = []
    for run in runs:
        for trial in _combinations(said | run):
            described = trial.described()
            if described not in seen:
                seen.append(described)
                out.append(trial)
    return out


def _combinations(said: Mapping[str, Any]) -> Iterable[Trial]:
    for key in said:
        if key not in _KNOWN:
            raise unknown("sweep", key, _KNOWN, "is no setting")
    said = dict(said)
    seeds, at_once = said.pop("seeds", len(_DEFAULTS["seeds"])), said.pop("seeds_at_once", _AT_ONCE)
    if isinstance(seeds, bool) or not isinstance(seeds, int | list) or (isinstance(seeds, int) and seeds < 1):
        raise InputError(f"seeds: {seeds!r} are none; a number of networks, or a list of seeds, would be right")
    if isinstance(at_once, bool) or not isinstance(at_once, int) or at_once < 1:
        raise InputError(f"seeds_at_once: {at_once!r} train nothing; a whole number from 1 on would be right")
    members = list(range(seeds)) if isinstance(seeds, int) else seeds
    empty = [key for key, value in said.items() if value == []]
    if empty or not members:
        raise InputError(f"{(empty or ['seeds'])[0]}: the list is empty; at least one value would be right")
    values = [value if isinstance(value, list) else [value] for value in said.values()]
    for chosen in product(*values):
        settings = dict(zip(said, chosen, strict=True))
        problem, start = settings.pop("problem", "sine-2"), settings.pop("start", "")
        for first in range(0, len(members), at_once):
            yield Trial(problem, {**settings, "seeds": members[first : first + at_once]}, start)


def problem_from_text(said: Mapping[str, Any]) -> RitzProblem:
    """A problem from a table of its statement, in the words of `RitzProblem`.

    Raises:
        InputError: what it refuses, or a word that it does not know.
    """
    known = inspect.signature(RitzProblem).parameters
    for key in said:
        if key not in known:
            raise InputError(f"problem: it has no {key!r}; one of {', '.join(known)} would be right")
    words: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
    return RitzProblem(**words)


def _name(problem: str | Mapping[str, Any]) -> str:
    return problem if isinstance(problem, str) else str(problem.get("name") or dict(problem))


def _widths(width: Any) -> Any:
    return tuple(width) if isinstance(width, list) else width


def _flat(settings: Mapping[str, Any]) -> Row:
    """Settings as cells: seeds have a column of their own."""
    cells = {k: v for k, v in settings.items() if k != "seeds"}
    return cells | {"width": ",".join(map(str, settings["width"]))}
