"""The best ReLU network of a width: free-knot piecewise linear approximation, solved for the kinks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....verify.errors import InputError
from ....verify.showing import html_table
from ....verify.statement.network import ShallowNetwork
from ....verify.statement.problem import RitzProblem, require_problem
from ....verify.values import Value, brief
from ...data.strong_solution import strong_solution
from ..dynamic_programming import MOST_KINKS
from .certificate import Certificate, certificate_of
from .search import Found, Search, least_known

Array = NDArray[np.float64]


class ConvergenceWarning(UserWarning):
    """The result is the best so far, and its certificate does not hold."""


@dataclass(frozen=True, eq=False)
class BestNetwork(Value):
    """What `solve` found.

    Attributes:
        network: of exactly the width asked for.
        energy_gap: energy minus the least energy of any function, ½∫κ(û′ − u′)² dx.
        iterations: Newton steps of the start that led here, the polish included.
        converged: that Newton iteration ended in a minimum.
        certificate: what can be said about the network, computed from it alone.
        history: least energy gap of free kinks so far, at the start and after each of those iterations.
        polish: the same for the kinks of neurons whose facings are given, from those free kinks on; empty where
            neurons carry a line of their own.
    """

    network: ShallowNetwork
    energy_gap: float
    iterations: int
    converged: bool
    certificate: Certificate
    history: tuple[float, ...]
    polish: tuple[float, ...] = ()

    def __repr__(self) -> str:
        said = "its certificate holds" if self.certificate.holds else "; ".join(self.certificate.failures)
        return f"<BestNetwork of {self.network.width} neurons: energy gap {self.energy_gap:.6g}, {said}>"

    def _repr_html_(self) -> str:
        checked = self.certificate
        rows = [(f.name.replace("_", " "), getattr(checked, f.name)) for f in fields(checked)]
        told = [(name, v if isinstance(v, int | float) and not isinstance(v, bool) else brief(v)) for name, v in rows]
        return html_table(repr(self)[1:-1], ["certificate", "value"], [*told, ("Newton steps", self.iterations)])

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
    thorough: bool = False,
    random_starts: int = 4,
    seed: int = 0,
    max_iterations: int = 200,
) -> BestNetwork:
    """The one-hidden-layer ReLU network of least energy, by variable projection and Newton on the kinks (MATH 8).

    Natural values are kept as the energy keeps them, essential ones exactly. N neurons have N kinks inside the domain,
    facing such that the left-most affine part comes out (MATH 11); where none of the facings found does that, one
    neuron carries a line, or two do, and N − 1 or N − 2 kinks are left.

    Args:
        problem: the statement; a known solution is not needed.
        width: how many neurons, or
        kinks: how many kinks inside the domain, with one or two neurons more, or
        tolerance: the energy gap below which the network may stop growing.
        start: kinks to start from instead of the project's own starts, not with a tolerance; those outside the
            domain and those that coincide are moved to where they help.
        thorough: search from all starts in any case.
        random_starts: how many a thorough search has beside the equidistributing, the uniform and the dynamic
            programming one.
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
        (20, 0.0063, True)
    """
    require_problem(problem)
    _check(width, kinks, tolerance, random_starts, max_iterations, seed)
    solution = strong_solution(problem)
    search = Search(solution, start, random_starts, seed, max_iterations, thorough)
    found, certificate = _looked(search, width, kinks, tolerance)
    if not (thorough or (found.enough and found.last.converged and certificate.holds)):
        found, certificate = _looked(replace(search, thorough=True), width, kinks, tolerance)
    last = found.last
    best = BestNetwork(
        found.network,
        certificate.energy_gap,
        found.free.iterations + (found.faced.iterations if found.faced else 0),
        last.converged,
        certificate,
        found.free.history,
        found.faced.history if found.faced else (),
    )
    if not (last.converged and certificate.holds):
        short = f"{best.iterations} Newton steps did not suffice"
        if tolerance is not None and best.energy_gap > tolerance:
            short = f"{certificate.kinks} kinks have an energy gap of {best.energy_gap:.3g}, above {tolerance:g}"
        said = certificate.failures or (short,)
        warnings.warn(f"solve: {'; '.join(said)}; this is the best so far", ConvergenceWarning, stacklevel=2)
    return best


def _looked(search: Search, width: int | None, kinks: int | None, tolerance: float | None) -> tuple[Found, Certificate]:
    """One search, and what can be said of what it found."""
    if width is not None:
        found = search.of_width(width)
        reference, bound = None, found.bound
        if width <= MOST_KINKS:
            reference = found.energy_gap
            if search.start is not None or not found.last.converged:
                reference, bound = least_known(search.solution, width)
    else:
        found, reference = search.of_kinks(kinks) if kinks is not None else search.grown(float(tolerance or 0))
        bound = found.bound
    compared = "kinks" if bound is None else "width"
    return found, certificate_of(search.solution, found.network, reference, bound, compared)


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
