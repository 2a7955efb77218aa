"""Where the kinks may crowd that autodiff leaves: starts for the equations of `autodiff_limit` (MATH 12)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from ...verify.statement.problem import RitzProblem
from ..data.statement import data
from ..data.strong_solution import strong_solution

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# Places at which the flux is looked at for its zeros.
_PLACES = 4001
# A kink may also stand next to an end, where D vanishes, and two beside a zero; in lengths of the domain.
_NEXT_TO_AN_END, _PAIR = 0.01, 0.002
# Most combinations of kinks and facings at those places, and places at which a single kink starts.
_MOST_COMBINATIONS, _SINGLES = 300, 15
# Zeros of the flux, all subsets of which are tried.
_MOST_ZEROS = 8


def crowded_starts(problem: RitzProblem) -> Iterator[tuple[Array, Booleans | None]]:
    """Kinks with the facings of their neurons, None where all pieces are seen.

    At each zero of the flux none, one, or two that face each other; next to each end none or one; alone also elsewhere.
    Where there are many zeros, less of this: in the end at each of them one.
    """
    zeros = _flux_zeros(problem)
    left, right = (float(e) for e in problem.domain)
    length = right - left
    none: tuple[tuple[float, bool], ...] = ()

    def one(place: float) -> list[tuple[tuple[float, bool], ...]]:
        return [((place, False),), ((place, True),)]

    def two(place: float) -> list[tuple[tuple[float, bool], ...]]:
        before, after = place - _PAIR * length, place + _PAIR * length
        return [((before, False), (after, True)), ((before, True), (after, False))]

    ends = [left + _NEXT_TO_AN_END * length, right - _NEXT_TO_AN_END * length]
    choices = [
        [[none, *one(ends[0])], *([none, *one(z), *two(z)] for z in zeros), [none, *one(ends[1])]],
        [[none, *one(z), *two(z)] for z in zeros],
        [[none, *one(z)] for z in zeros],
        [one(z) for z in zeros],
    ]
    fitting = [c for c in choices if np.prod([float(len(options)) for options in c]) <= _MOST_COMBINATIONS]
    single = [np.array([x]) for x in np.linspace(left, right, _SINGLES + 2)[1:-1]]
    for combination in product(*fitting[0]) if fitting else ():
        kinks = [k for option in combination for k in option]
        if kinks:
            places, falling = (np.array(v) for v in zip(*kinks, strict=True))
            yield places, falling
    subsets = [zeros[np.array(s, dtype=bool)] for s in product((True, False), repeat=min(len(zeros), _MOST_ZEROS))]
    seen = [zeros, *(s for s in subsets if len(zeros) <= _MOST_ZEROS), np.zeros(0), *single]
    for places in single:
        yield places, np.array([False])
        yield places, np.array([True])
    for places in seen:
        yield places, None


def _flux_zeros(problem: RitzProblem) -> Array:
    """Where κu′ of the solution changes its sign inside the domain."""
    solution = strong_solution(problem)
    x = np.linspace(*solution.domain, _PLACES)[1:-1]
    found = solution.at(x)
    flux = found.flux + found.coefficient * data(problem, "lift_slope")(torch.as_tensor(x)).numpy()
    rising = flux >= 0
    changes = np.flatnonzero(rising[:-1] != rising[1:])
    return np.asarray((x[changes] + x[changes + 1]) / 2)
