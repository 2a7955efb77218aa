"""What can be said about a network's energy: how far from the minimum, stationary or not, minimum or saddle, best?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...verify.errors import InputError
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem
from ..data.strong_solution import StrongSolution, strong_solution
from .curvature import smallest_curvature
from .density import kink_density
from .dynamic_programming import MOST_KINKS, global_kinks
from .hat_functions import Fit, assess
from .neurons import function_of
from .newton import minimise
from .reduced_energy import EXACT, ReducedEnergy

Array = NDArray[np.float64]

# Relative to what the gradient adds up; the rounding of û′ − u′ comes on top.
STATIONARY = 1e-8
# Two minima whose energies differ by less than this share are one.
SAME_MINIMUM = 1e-6
_ESSENTIAL = 1e-9
_REFERENCE_ITERATIONS = 100


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
        reference: energy gap at the best kinks on a fine grid, found by dynamic programming and polished by Newton;
            None where there are too many kinks for a grid that says something.
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
    reference: float | None

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
            what = "a local minimum" if self.is_stationary and self.is_minimum else "not the best"
            out.append(f"{what}: dynamic programming found one whose energy gap is less by {share:.2g} of it")
        return tuple(out)

    @property
    def is_stationary(self) -> bool:
        """Is the gradient rounding beside its terms?"""
        return self.stationarity <= STATIONARY + self.rounding

    @property
    def better_known(self) -> bool:
        """Has dynamic programming found a network with a smaller gap?"""
        better = self.reference is not None and self.energy_gap > self.reference * (1 + SAME_MINIMUM)
        return better and self.relative_error > EXACT

    @property
    def holds(self) -> bool:
        """Stationary, a minimum, essential values kept, and no better one known."""
        return not self.failures


def certify(problem: RitzProblem, network: ShallowNetwork, reference: bool = True) -> Certificate:
    """Judge a network of any origin by the reduced energy at its kinks; O(N log N) but for the reference.

    Args:
        problem: whose energy it should minimise.
        network: one network, without batch dimensions.
        reference: look for the global minimum by dynamic programming, for up to `MOST_KINKS` kinks.

    Raises:
        InputError: a batch of networks.
    """
    if network.batch:
        raise InputError(f"network: a batch of shape {network.batch} has no one certificate; loop over its members")
    solution = strong_solution(problem)
    kinks = len(function_of(network, solution.domain).knots) - 2
    best = global_gap(solution, kinks) if reference and 0 < kinks <= MOST_KINKS else None
    return certificate_of(solution, network, best)


def global_gap(solution: StrongSolution, kinks: int) -> float:
    """Energy gap of the best kinks on a fine grid, polished by Newton."""
    return minimise(solution, global_kinks(solution, kinks), _REFERENCE_ITERATIONS).energy.energy_gap


def certificate_of(solution: StrongSolution, network: ShallowNetwork, reference: float | None) -> Certificate:
    """The certificate with a reference that is already known, or None."""
    function = function_of(network, solution.domain)
    fit = assess(solution, function.knots, function.values)
    energy = ReducedEnergy(solution, fit)
    pinned = np.isin(energy.kinks, solution.walls)
    gap = fit.energy_gap
    curvature, minimum = (0.0, True) if energy.settled else smallest_curvature(energy, pinned)
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
        reference=reference,
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
    by_value, size = np.zeros(len(fit.knots)), np.zeros(len(fit.knots))
    for total, parts in ((by_value, fit.residuals), (size, fit.magnitudes)):
        total[:-1] += parts[0]
        total[1:] += parts[1]
    by_value[fit.held] = 0.0
    shares = [_share(by_kink, energy.gradient_terms), _share(np.abs(by_value), size)]
    return float(max(shares))


def _share(parts: Array, wholes: Array) -> float:
    return float(np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0).max(initial=0.0))
