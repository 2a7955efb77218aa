"""What can be said about a network's energy: how far from the minimum, stationary or not, minimum or saddle, best?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....verify.choices import unknown
from ....verify.errors import InputError
from ....verify.statement.network import ShallowNetwork, require_shallow
from ....verify.statement.problem import RitzProblem
from ...data.strong_solution import StrongSolution, strong_solution
from ..density import kink_density
from ..dynamic_programming import MOST_KINKS
from ..hat_functions import Fit, on_knots
from ..reduced_energy import EXACT, ReducedEnergy
from .facing import FacedEnergy
from .minima import SAME_MINIMUM
from .polish import least_curvature
from .reading import energy_of
from .search import global_gap, least_known

Array = NDArray[np.float64]

# Relative to what the gradient adds up; the rounding of û′ − u′ comes on top.
STATIONARY = 1e-8
_ESSENTIAL = 1e-9
# A network so near to the bound of free kinks has reached it.
_REACHED = 1e-3
COMPARED = ("width", "kinks")


@dataclass(frozen=True)
class Certificate:
    """Computed from a network alone, whoever found it.

    Attributes:
        kinks: how many the network has inside the domain.
        energy_gap: energy minus the least energy of any function, ½∫κ(û′ − u′)².
        relative_error: √(energy gap ÷ ½∫κu′²), for κ = 1 the relative error in the H¹ seminorm.
        gradient_norm: Euclidean norm of the energy's exact gradient in the kinks.
        stationarity: largest gradient component in kinks and nodal values, relative to the sizes of its terms.
        rounding: what of `stationarity` may be rounding.
        smallest_curvature: least eigenvalue of the reduced energy's Hessian in the kinks, nodal values following; 0
            where û = u and no kink matters, infinite where there is no kink that could move.
        is_minimum: positive definite, up to rounding.
        essential_error: largest deviation from an essential value.
        limit: ½·(1/12n²)(∫(κ(D(u/D)″)²)^⅓)³, the least energy gap of n = kinks + 1 pieces to leading order.
        width: how many neurons it has.
        compared: what it is compared at, equal "width" or equal "kinks".
        reference: least energy gap known there: the best kinks on a fine grid, found by dynamic programming, polished
            by Newton and, at equal width, made a network of so many neurons; None where there are too many kinks for a
            grid that says something.
        bound: energy gap of the best `width` free kinks found, whether or not as many neurons can have them: no network
            of this width is better. None where it was not looked for. Where the kinks of the bound all bend one way and
            no line vanishes at an end, no network reaches it (MATH 11), and `reference` is the best known, not proven.
    """

    kinks: int
    energy_gap: float
    relative_error: float
    gradient_norm: float
    stationarity: float
    rounding: float
    smallest_curvature: float
    is_minimum: bool
    essential_error: float
    limit: float
    width: int
    compared: str
    reference: float | None
    bound: float | None

    @property
    def failures(self) -> tuple[str, ...]:
        """What does not hold, a sentence each; empty for a best network."""
        out = []
        if self.essential_error > _ESSENTIAL:
            out.append(f"an essential value is missed by {self.essential_error:.2g}")
        if not self.is_stationary:
            out.append(f"not stationary: the gradient is {self.stationarity:.2g} of its terms")
        if not self.is_minimum:
            out.append(f"not a minimum: the smallest curvature in the kinks is {self.smallest_curvature:.3g}")
        if self.reference is not None and self.better_known:
            share = 1 - self.reference / self.energy_gap
            if self.compared == "width":
                out.append(
                    f"a better network of this width is known: {self.width} neurons reach an energy gap of "
                    f"{self.reference:.6g}, less by {share:.2g} of it"
                )
                return tuple(out)
            what = "a local minimum" if self.is_stationary and self.is_minimum else "not the best"
            out.append(f"{what}: dynamic programming found one whose energy gap is less by {share:.2g} of it")
        return tuple(out)

    @property
    def is_stationary(self) -> bool:
        """Is the gradient rounding beside its terms?"""
        return self.stationarity <= STATIONARY + self.rounding

    @property
    def bound_reached(self) -> bool | None:
        """Is the gap that of as many free kinks as there are neurons, to a thousandth? None where that is not known."""
        return None if self.bound is None else self.energy_gap <= (1 + _REACHED) * self.bound

    @property
    def better_known(self) -> bool:
        """Is a network with a smaller gap known?"""
        better = self.reference is not None and self.energy_gap > self.reference * (1 + SAME_MINIMUM)
        return better and self.relative_error > EXACT

    @property
    def holds(self) -> bool:
        """Stationary, a minimum, essential values kept, and no better one known."""
        return not self.failures


def certify(
    problem: RitzProblem, network: ShallowNetwork, reference: bool = True, compared: str = "width"
) -> Certificate:
    """Judge a network of any origin by the reduced energy at its kinks; O(N log N) but for the reference.

    Args:
        problem: whose energy it should minimise.
        network: one network, without batch dimensions.
        reference: look for the global minimum by dynamic programming, for up to `MOST_KINKS` kinks.
        compared: with the best of equal "width", or with the best of equally many "kinks", however many neurons.

    Raises:
        InputError: a batch of networks, or another comparison.
    """
    require_shallow(network)
    if network.batch:
        raise InputError(f"network: a batch of shape {network.batch} has no one certificate; loop over its members")
    if compared not in COMPARED:
        raise unknown("compared", compared, COMPARED)
    solution = strong_solution(problem)
    if compared == "kinks":
        kinks = len(energy_of(solution, network).kinks)
        looked = reference and 0 < kinks <= MOST_KINKS
        return certificate_of(solution, network, global_gap(solution, kinks) if looked else None)
    best, bound = least_known(solution, network.width) if reference and network.width <= MOST_KINKS else (None, None)
    return certificate_of(solution, network, best, bound, compared)


def certificate_of(
    solution: StrongSolution,
    network: ShallowNetwork,
    reference: float | None,
    bound: float | None = None,
    compared: str = "kinks",
) -> Certificate:
    """The certificate with a reference and a bound that are already known, or None."""
    energy = energy_of(solution, network)
    fit = energy.fit
    pinned = np.isin(energy.kinks, solution.walls)
    gap = fit.energy_gap
    curvature, minimum = (0.0, True) if energy.settled else least_curvature(energy, pinned)
    return Certificate(
        kinks=len(energy.kinks),
        energy_gap=gap,
        relative_error=float(np.sqrt(gap / solution.energy_scale)) if gap else 0.0,
        gradient_norm=float(np.linalg.norm(_kink_gradient(energy, pinned))),
        stationarity=0.0 if energy.settled else _stationarity(energy, pinned),
        # û′ − u′ is a difference; the share of it that is rounding shows in every derivative.
        rounding=8 * fit.rounding / gap if gap else 0.0,
        smallest_curvature=curvature,
        is_minimum=minimum,
        essential_error=_essential_error(solution, fit),
        limit=kink_density(solution).limit(len(energy.kinks) + 1),
        width=network.width,
        compared=compared,
        reference=reference,
        bound=bound,
    )


def _essential_error(solution: StrongSolution, fit: Fit) -> float:
    wanted = np.array([v if h is None else h for v, h in zip(fit.values[[0, -1]], solution.held, strict=True)])
    distance = solution.at(fit.knots[[0, -1]]).distance
    return float(np.abs(distance * (fit.values[[0, -1]] - wanted)).max())


def _kink_gradient(energy: ReducedEnergy, pinned: NDArray[np.bool_]) -> Array:
    """Gradient in the kinks; for those on an interface what drives them away from it, 0 if nothing does."""
    right, left = energy.gradient(1), energy.gradient(-1)
    return np.where(pinned, np.maximum(0.0, np.maximum(left, -right)), right)


def _stationarity(energy: ReducedEnergy, pinned: NDArray[np.bool_]) -> float:
    fit = energy.fit
    by_kink = np.abs(_kink_gradient(energy, pinned))
    by_value, size = on_knots(*fit.residuals), on_knots(*fit.magnitudes)
    kink_size = energy.gradient_terms
    if isinstance(energy, FacedEnergy):
        pulls = energy.multipliers[:, None] * energy.conditions
        by_value, size = by_value + pulls.sum(0)[1::2], size + np.abs(pulls).sum(0)[1::2]
        kink_size = kink_size + np.abs(pulls).sum(0)[2:-2:2]
    by_value[fit.held] = 0.0
    return float(max(_share(by_kink, kink_size), _share(np.abs(by_value), size)))


def _share(parts: Array, wholes: Array) -> float:
    return float(np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0).max(initial=0.0))
