"""Where `solve` looks: minima over free kinks from many starts, and the networks of N neurons that can be made of them.

With N kinks the neurons' facings have to give the left-most affine part; with N − 1 one more neuron carries a line;
with N − 2 two do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....verify.errors import InputError
from ....verify.statement.network import ShallowNetwork
from ...data.strong_solution import StrongSolution
from ..density import kink_density
from ..dynamic_programming import MOST_KINKS, global_kinks
from ..growth import grown
from ..neurons import PiecewiseLinear, network_of
from ..newton import Descent, minimise
from ..starts import MULTISTART_KINKS
from .facing import FacedEnergy, faced_energy
from .facings import facings
from .minima import SAME_MINIMUM, Minima, distinct, place_of, same_as_first
from .polish import polished

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# A network so near to the bound of free kinks needs no comparison with those that have fewer.
_NEAR_BOUND = 1e-3
# Facings that are polished, of each minimum.
_FACINGS = 8
# Dynamic programming's own start, where few iterations asked for are no reason to think less of what is possible.
_REFERENCE_ITERATIONS = 100
# Lines whose neuron's kink is tried inside the domain, none nearer than this to another knot, in its lengths.
_ZEROS, _CLEAR_OF_ENDS = 4, 1e-9


@dataclass(frozen=True, eq=False)
class Found:
    """A network and how it was found.

    Attributes:
        network: the network.
        free: the descent over free kinks that led to it.
        faced: the descent with given facings that followed; None where neurons carry a line of their own.
        bound: energy gap of as many free kinks as it has neurons, which no network of its width goes below; None where
            the number of kinks was given.
        enough: that nothing suggests that other starts would lead lower.
    """

    network: ShallowNetwork
    free: Descent
    faced: Descent | None = None
    bound: float | None = None
    enough: bool = True

    @property
    def last(self) -> Descent:
        """The descent that ended at the network."""
        return self.faced or self.free

    @property
    def energy_gap(self) -> float:
        """Of the network."""
        return self.last.energy.energy_gap


@dataclass(frozen=True)
class Search(Minima):
    """The arguments of `solve`, see there."""

    def of_width(self, width: int) -> Found:
        """The best network of so many neurons."""
        if self.start is not None and np.size(self.start) > width:
            raise InputError(
                f"start: {self.start} is not a list of at most {width} finite kinks; one such would be right"
            )
        minima = self.minima(width)
        bound = minima[0].energy.energy_gap
        promising, faced = False, []
        for free in self.candidates(minima, width):
            candidates = self._facings(free, bound)
            promising = promising or bool(candidates)
            faced += self._faced(free, candidates, bound)
            if _at(bound, faced):
                break
        found = [_first(faced)] if faced else []
        if not found or found[0].energy_gap > (1 + _NEAR_BOUND) * bound or minima[0].energy.settled:
            found += self._with_lines(width)
        lowest = _first(found)
        return replace(lowest, bound=bound, enough=not promising or _at(bound, [lowest]))

    def of_kinks(self, count: int) -> tuple[Found, float | None]:
        """The best network of so many kinks, with one neuron more or two, and what dynamic programming led to."""
        found = self.minima(count)[0]
        return self._completed(found), self.reference(count)

    def reference(self, count: int) -> float | None:
        """The least energy gap of free kinks by dynamic programming; None for too many kinks, or a given start."""
        return global_gap(self.solution, count) if self.start is None and 0 < count <= MOST_KINKS else None

    def grown(self, tolerance: float) -> tuple[Found, float | None]:
        """A network that has grown, or one of its size from the usual starts where that is better."""
        if self.start is not None:
            raise InputError("start: a network that grows to a tolerance starts from nothing; no start would be right")
        found = grown(self.solution, tolerance, self.max_iterations)
        count = len(found.energy.kinks)
        if count > MULTISTART_KINKS:
            return self._completed(found), None
        # As many neurons as kinks may do; else one or two more carry a line.
        faced = self.of_width(count) if count else None
        if faced is not None and faced.energy_gap <= tolerance:
            return faced, faced.energy_gap if count <= MOST_KINKS else None
        return self._completed(distinct([found, *self.minima(count)])[0]), self.reference(count)

    def _fewer(self, count: int) -> list[Descent]:
        """The lowest minima over fewer kinks than neurons; of a given start the first ones."""
        start = None if self.start is None else np.ravel(self.start)[:count]
        search = replace(self, start=start)
        return search.candidates(search.minima(count)[:1], count)

    def _facings(self, free: Descent, bound: float) -> list[Booleans]:
        """Facings with which a minimum over free kinks promises a good network, each kink a neuron's."""
        kinks = len(free.energy.kinks)
        # A kink less costs about two of N parts of the gap: what promises to cost three is no candidate.
        most = bound * (1 + 1.5 / max(kinks, 1)) ** 2
        if not kinks or free.energy.settled or free.energy.energy_gap > most:
            return []
        return [falling for rise, falling in facings(free, _FACINGS) if free.energy.energy_gap + rise <= most]

    def _faced(self, free: Descent, candidates: list[Booleans], bound: float) -> list[Found]:
        """The networks that they lead to, until one is as low as any can be."""
        out: list[Found] = []
        for falling in candidates:
            out += self._polished(free, free.energy.kinks, falling)
            if _at(bound, out):
                break
        return out

    def _with_lines(self, width: int) -> list[Found]:
        """Networks of which one neuron or two carry a line, or one whose kink is next to an end."""
        fewer = self._fewer(width - 1)
        found = [f for free in fewer for f in self._with_a_kink_at_an_end(free)]
        network = _as_network(fewer[0], 1)
        if network is not None:
            return [Found(network, fewer[0]), *found]
        if width == 1:
            raise InputError(
                f"width: 1 neuron cannot carry {self.solution.problem.name}'s affine part, which changes sign inside "
                "the domain; at least 2 would be right"
            )
        free = self._fewer(width - 2)[0]
        network = _as_network(free, 2)
        assert network is not None
        return [Found(network, free), *found]

    def _with_a_kink_at_an_end(self, free: Descent) -> list[Found]:
        """Where a line has its zero inside the domain, but near an end, its neuron's kink is put there."""
        fit = free.energy.fit
        ends = fit.knots[[0, -1]]
        kinks = len(fit.knots) - 2
        if not 0 < kinks <= MULTISTART_KINKS or free.energy.settled:
            return []
        # Contiguous facings: the line is that of the element where they change.
        lines = fit.values[:-1, None] + fit.slopes[:, None] * (ends - fit.knots[:-1, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = lines[:, 0] / (lines[:, 0] - lines[:, 1])
        distance = np.where((share > 0) & (share < 1), np.minimum(share, 1 - share), np.inf)
        out = []
        for k in np.argsort(distance, kind="stable")[:_ZEROS]:
            kink = float(ends[0] + share[k] * (ends[1] - ends[0])) if np.isfinite(distance[k]) else np.inf
            place = int(np.searchsorted(fit.knots, kink))
            if place and kink < ends[1] and np.abs(fit.knots - kink).min() > _CLEAR_OF_ENDS * (ends[1] - ends[0]):
                falling = np.insert(np.arange(kinks) < k, place - 1, share[k] > 0.5)
                out += self._polished(free, np.insert(free.energy.kinks, place - 1, kink), falling)
        return out

    def _polished(self, free: Descent, kinks: Array, falling: Booleans) -> list[Found]:
        key = (kinks.tobytes(), falling.tobytes())
        if key not in self.known:
            try:
                self.known[key] = polished(faced_energy(self.solution, kinks, falling), self.max_iterations)
            except InputError:
                # Kinks that run into an end at which D vanishes: what these neurons should carry they carry only there.
                self.known[key] = None
        faced = self.known[key]
        return [] if faced is None else [Found(_of_facings(faced), free, faced)]

    def _completed(self, found: Descent) -> Found:
        network = _as_network(found, 1) or _as_network(found, 2)
        assert network is not None
        return Found(network, found)


def _at(bound: float, found: list[Found]) -> bool:
    """Is one as low as any can be?"""
    return any(f.energy_gap <= (1 + SAME_MINIMUM) * bound for f in found)


def _first(found: list[Found]) -> Found:
    """The lowest; of those that are one to rounding a converged one, and that whose kinks come first."""
    ordered = sorted(found, key=lambda f: f.energy_gap)
    same = same_as_first([f.energy_gap for f in ordered], ordered[0].last.energy.fit.rounding)
    return min(ordered[:same], key=lambda f: (not f.last.converged, place_of(f.last)))


def global_gap(solution: StrongSolution, kinks: int) -> float:
    """Energy gap of the best kinks on a fine grid, polished by Newton."""
    return minimise(solution, global_kinks(solution, kinks), _REFERENCE_ITERATIONS).energy.energy_gap


def least_known(solution: StrongSolution, width: int) -> tuple[float, float]:
    """What is known of a width without any random start: the least energy gap found, and its bound."""
    start = None if width <= MOST_KINKS else kink_density(solution).equidistributed(width)
    found = Search(solution, start, 0, 0, _REFERENCE_ITERATIONS, thorough=True).of_width(width)
    assert found.bound is not None
    return found.energy_gap, found.bound


def _of_facings(found: Descent) -> ShallowNetwork:
    energy = found.energy
    assert isinstance(energy, FacedEnergy)
    weights = np.where(energy.falling, -1.0, 1.0)
    return ShallowNetwork(weights, -weights * energy.kinks, energy.jumps)


def _as_network(found: Descent, affine: int) -> ShallowNetwork | None:
    fit = found.energy.fit
    return network_of(PiecewiseLinear(fit.knots, fit.values), affine)
