"""The best ReLU network of a width: free-knot piecewise linear approximation, solved for the kinks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...verify.errors import InputError
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem, require_problem
from ...verify.values import Value
from ..data.strong_solution import StrongSolution, strong_solution
from .certificate import SAME_MINIMUM, Certificate, certificate_of, global_gap
from .dynamic_programming import MOST_KINKS, global_kinks
from .growth import grown
from .neurons import PiecewiseLinear, network_of
from .newton import Descent, minimise
from .relocation import relocate
from .starts import MULTISTART_KINKS, given, starts

Array = NDArray[np.float64]


class ConvergenceWarning(UserWarning):
    """The result is the best so far, and its certificate does not hold."""


@dataclass(frozen=True, eq=False)
class BestNetwork(Value):
    """What `solve` found.

    Attributes:
        network: of exactly the width asked for.
        energy_gap: energy minus the least energy of any function, ½∫κ(û′ − u′)² dx.
        iterations: Newton steps of the start that led here.
        converged: that Newton iteration ended in a minimum.
        certificate: what can be said about the network, computed from it alone.
        history: least energy gap so far, at the start and after each of those iterations.
    """

    network: ShallowNetwork
    energy_gap: float
    iterations: int
    converged: bool
    certificate: Certificate
    history: tuple[float, ...]

    @property
    def relative_error(self) -> float:
        """√(energy gap ÷ ½∫κu′²)."""
        return self.certificate.relative_error

    @property
    def kinks(self) -> Array:
        """Those inside the domain, ascending, (K,)."""
        w, b, _ = self.network.floats
        # The neurons of the affine part come first and have theirs outside.
        return np.sort((-b / np.where(w == 0, 1.0, w))[self.network.width - self.certificate.kinks :])


def solve(
    problem: RitzProblem,
    width: int | None = None,
    *,
    kinks: int | None = None,
    tolerance: float | None = None,
    start: ArrayLike | None = None,
    random_starts: int = 4,
    seed: int = 0,
    max_iterations: int = 200,
) -> BestNetwork:
    """The one-hidden-layer ReLU network of least energy, by variable projection and Newton on the kinks (MATH 8).

    Natural values are kept as the energy keeps them, essential ones exactly. A network of N neurons has N − 1 kinks
    inside the domain, the first neuron carrying the affine part, or N − 2 where that takes two.

    Args:
        problem: the statement; a known solution is not needed.
        width: how many neurons, or
        kinks: how many kinks inside the domain, with one or two neurons more, or
        tolerance: the energy gap below which the network may stop growing.
        start: kinks to start from instead of the project's own starts, not with a tolerance; those outside the
            domain and those that coincide are moved to where they help.
        random_starts: how many beside the equidistributing, the uniform and the dynamic programming one.
        seed: of the random starts.
        max_iterations: Newton steps of one start.

    Raises:
        InputError: none or two of width, kinks and tolerance, a width too small for the boundary conditions, a
            tolerance below rounding, or a source that leaves the solution without a finite energy.

    Warns:
        ConvergenceWarning: the certificate does not hold; the best so far is returned.

    Examples:
        >>> from kinkproof.verify import problems
        >>> best = solve(problems["sine-2"], width=20)
        >>> best.network.width, round(best.energy_gap, 5), best.certificate.holds
        (20, 0.00696, True)
    """
    require_problem(problem)
    _check(width, kinks, tolerance, random_starts, max_iterations, seed)
    solution = strong_solution(problem)
    search = _Search(solution, start, random_starts, seed, max_iterations)
    if width is not None:
        found, reference, network = search.of_width(width)
    else:
        found, reference = search.best(kinks) if kinks is not None else search.grown(float(tolerance or 0))
        network = _as_network(found, 1) or _certain(_as_network(found, 2))
    certificate = certificate_of(solution, network, reference)
    best = BestNetwork(network, certificate.energy_gap, found.iterations, found.converged, certificate, found.history)
    if not (found.converged and certificate.holds):
        short = f"{found.iterations} Newton steps did not suffice"
        if tolerance is not None and best.energy_gap > tolerance:
            short = f"{certificate.kinks} kinks have an energy gap of {best.energy_gap:.3g}, above {tolerance:g}"
        said = certificate.failures or (short,)
        warnings.warn(f"solve: {'; '.join(said)}; this is the best so far", ConvergenceWarning, stacklevel=2)
    return best


@dataclass(frozen=True)
class _Search:
    solution: StrongSolution
    start: ArrayLike | None
    random_starts: int
    seed: int
    max_iterations: int

    def of_width(self, width: int) -> tuple[Descent, float | None, ShallowNetwork]:
        """With one kink less than neurons, or two less if the affine part then takes two neurons."""
        found, reference = self.best(width - 1)
        network = _as_network(found, 1)
        if network is not None:
            return found, reference, network
        if width == 1:
            raise InputError(
                f"width: 1 neuron cannot carry {self.solution.problem.name}'s affine part, which changes sign inside "
                "the domain; at least 2 would be right"
            )
        found, reference = self.best(width - 2)
        return found, reference, _certain(_as_network(found, 2))

    def best(self, count: int) -> tuple[Descent, float | None]:
        """The lowest minimum from all starts, and the energy gap of the one from dynamic programming."""
        if self.start is not None:
            return self._relocated(self._minimise(given(self.solution, self.start, count))), None
        found = [self._minimise(k) for k in starts(self.solution, count, self.random_starts, self.seed)]
        reference = None
        if 0 < count <= MOST_KINKS:
            found.append(self._minimise(global_kinks(self.solution, count)))
            # Few iterations asked for are no reason to think less of what is possible.
            reference = found[-1].energy.energy_gap if found[-1].converged else global_gap(self.solution, count)
        return self._relocated(_lowest(found)), reference

    def grown(self, tolerance: float) -> tuple[Descent, float | None]:
        """A network that has grown, or one of its size from the usual starts where that is better."""
        if self.start is not None:
            raise InputError("start: a network that grows to a tolerance starts from nothing; no start would be right")
        found = grown(self.solution, tolerance, self.max_iterations)
        if len(found.energy.kinks) > MULTISTART_KINKS:
            return found, None
        fresh, reference = self.best(len(found.energy.kinks))
        return _lowest([found, fresh]), reference

    def _minimise(self, kinks: Array) -> Descent:
        return minimise(self.solution, kinks, self.max_iterations)

    def _relocated(self, found: Descent) -> Descent:
        return relocate(found, self.max_iterations) if found.energy.kinks.size else found


def _lowest(found: list[Descent]) -> Descent:
    """The lowest; of those that are one minimum to rounding, a converged one, and that with the fewest iterations."""
    least = min(f.energy.energy_gap for f in found)
    same = least * (1 + 1e-3 * SAME_MINIMUM) + found[0].energy.fit.rounding
    return min((f for f in found if f.energy.energy_gap <= same), key=lambda f: (not f.converged, f.iterations))


def _as_network(found: Descent, affine: int) -> ShallowNetwork | None:
    fit = found.energy.fit
    return network_of(PiecewiseLinear(fit.knots, fit.values), affine)


def _certain(network: ShallowNetwork | None) -> ShallowNetwork:
    """Two neurons carry any affine function."""
    assert network is not None
    return network


def _check(width: Any, kinks: Any, tolerance: Any, random_starts: Any, max_iterations: Any, seed: Any) -> None:
    sizes = {"width": width, "kinks": kinks, "tolerance": tolerance}
    named = [n for n, v in sizes.items() if v is not None]
    if len(named) != 1:
        raise InputError(f"solve: {' and '.join(named) or 'nothing'} given; one of width, kinks, tolerance is right")
    least = {"width": 1, "kinks": 0, "random_starts": 0, "max_iterations": 1, "seed": 0}
    others = {"random_starts": random_starts, "max_iterations": max_iterations, "seed": seed}
    for name, value in (sizes | others).items():
        if name in least and value is not None:
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or value < least[name]:
                raise InputError(f"{name}: {value!r} is none; a whole number from {least[name]} on would be right")
    number = isinstance(tolerance, int | float | np.floating) and not isinstance(tolerance, bool)
    if tolerance is not None and not (number and np.isfinite(tolerance)):
        raise InputError(f"tolerance: {tolerance!r} is not a number; an energy such as 1e-4 would be right")
