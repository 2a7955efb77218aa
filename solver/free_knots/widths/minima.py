"""Minima over free kinks, from one start or from many, and which of those that are equally low."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.strong_solution import StrongSolution
from ..dynamic_programming import MOST_KINKS, global_kinks
from ..newton import Descent, minimise
from ..relocation import relocate
from ..starts import given, starts

Array = NDArray[np.float64]

# Two minima whose energies differ by less than this share are one.
SAME_MINIMUM = 1e-6
# Of so many minima, the lowest, networks are made.
_CANDIDATES = 3


@dataclass(frozen=True)
class Minima:
    """The arguments of `solve`, see there.

    Attributes:
        known: descents by what they started from, so that a more thorough search goes none of them again.
    """

    solution: StrongSolution
    start: ArrayLike | None
    random_starts: int
    seed: int
    max_iterations: int
    thorough: bool
    known: dict[Hashable, Descent | None] = field(default_factory=dict)

    def minima(self, count: int) -> list[Descent]:
        """Minima over so many free kinks, the lowest first; one of each kind, the lowest relocated.

        From a given start; else from dynamic programming's, where there is one, and from all others where that is not
        enough.
        """
        if self.start is not None:
            found = [self._minimise(given(self.solution, self.start, count))]
        else:
            found = [self._from_grid(count)] if self._on_a_grid(count) else []
            more = starts(self.solution, count, self.random_starts, self.seed)
            found += [self._minimise(k) for k in (more if self.thorough else islice(more, 1 - len(found)))]
        lowest, *others = distinct(found)
        return distinct([relocate(lowest, self.max_iterations) if count else lowest, *others])

    def _on_a_grid(self, count: int) -> bool:
        return self.start is None and 0 < count <= MOST_KINKS

    def _from_grid(self, count: int) -> Descent:
        """From the start that dynamic programming gives."""
        if count not in self.known:
            self.known[count] = self._minimise(global_kinks(self.solution, count))
        return _found(self.known[count])

    def candidates(self, minima: list[Descent], count: int) -> list[Descent]:
        """The lowest minima, and dynamic programming's: of mirror images, one minimum, it may be the other."""
        lowest = minima[:_CANDIDATES]
        first = [self._from_grid(count)] if self._on_a_grid(count) else []
        return lowest + [f for f in first if all(f is not m for m in lowest)]

    def _minimise(self, kinks: Array) -> Descent:
        key = kinks.tobytes()
        if key not in self.known:
            self.known[key] = minimise(self.solution, kinks, self.max_iterations)
        return _found(self.known[key])


def _found(known: Descent | None) -> Descent:
    assert known is not None
    return known


def distinct(found: list[Descent]) -> list[Descent]:
    """One descent of each minimum, the lowest first; which one a rule decides, not rounding."""
    out: list[Descent] = []
    rest = sorted(found, key=lambda f: f.energy.energy_gap)
    while rest:
        same = same_as_first([f.energy.energy_gap for f in rest], rest[0].energy.fit.rounding)
        out.append(min(rest[:same], key=lambda f: (not f.converged, place_of(f))))
        rest = rest[same:]
    return out


def same_as_first(gaps: list[float], rounding: float) -> int:
    """How many of the ascending gaps are the first one up to rounding."""
    return int(np.searchsorted(gaps, gaps[0] * (1 + 1e-3 * SAME_MINIMUM) + rounding, side="right"))


def place_of(found: Descent) -> tuple[float, ...]:
    """The kinks in lengths of the domain, to nine digits: what comes after is Newton's own error."""
    left, right = found.energy.solution.domain
    return tuple(np.round((found.energy.kinks - left) / (right - left), 9).tolist())
