"""The solution of (κu′)′ + f = 0 by two integrations, or of (κu′)′ − ρu + f = 0 by collocation.

In one dimension κu′ = C − ∫f, so the energy gap of any û that keeps the essential values is ½∫κ(û′ − u′)² dx, and with
a reaction ½∫ρ(û − u)² dx more: integrals without cancellation. Everything `solve` minimises is built on this; no
antiderivative and no energy of the `verify` room is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from ...verify.errors import InputError
from ...verify.statement import piecewise
from ...verify.statement.expressions import X
from ...verify.statement.problem import RitzProblem
from .boundary_value import with_solution
from .panels import DEGREE, Data, DataSlopes, Half, Indices, halves_of
from .polynomials import integrate, interpolate

Array = NDArray[np.float64]

# κu′ ~ distance^(p+1): from p = −1.5 on the energy is infinite, and a little above it float64 has no distances small
# enough to integrate it.
_LEAST_EXPONENT = -1.46


@dataclass(frozen=True, eq=False)
class StrongSolution:
    """The solution of a problem's strong form and the data along the domain.

    Attributes:
        problem: whose solution it is.
        halves: two for each smooth piece, from left to right.
        held: the nodal values that essential conditions fix at the left and at the right end, or None; of periodic
            ends those of the solution.
        springs: what Robin ends add to the gap, left and right: stiffness αD², 0 where there is none, and the
            solution's v.
        energy_scale: ½∫κu′² dx, what relative gaps are relative to.
    """

    problem: RitzProblem
    halves: tuple[Half, ...]
    held: tuple[float | None, float | None]
    springs: tuple[tuple[float, float], tuple[float, float]]
    energy_scale: float

    @property
    def domain(self) -> tuple[float, float]:
        """Both ends as floats."""
        return float(self.problem.domain[0]), float(self.problem.domain[1])

    @cached_property
    def walls(self) -> Array:
        """Interfaces at which κ, D′, lift′ or the flux jump: no derivative of the energy in a kink there (MATH 5)."""
        loads = {float(place) for place in self.problem.loads}
        out = []
        zero = np.zeros(1)
        for before, after in zip(self.halves[1:-1:2], self.halves[2::2], strict=True):
            # Not of f, which may be infinite.
            left, right = (half.data(zero)[[0, 2, 3]] for half in (before, after))
            jumps, size = np.abs(left - right), np.abs(left) + np.abs(right)
            # Both sides come from exact expressions: a difference of more than some roundings is a jump.
            if (jumps > 1e-13 * size).any() or after.origin in loads:
                out.append(after.origin)
        return np.array(out)

    @cached_property
    def _limits(self) -> Array:
        ends = [h.origin if h.sign > 0 else h.origin - h.length for h in self.halves]
        return np.array([*ends, self.domain[1]])

    def locate(self, x: Array, side: int) -> list[tuple[Half, Indices, Array, Indices]]:
        """For each half that contains some of the places x (K,): the half, their indices, distances and panels."""
        where = np.searchsorted(self._limits, x, side="right" if side > 0 else "left") - 1
        where = np.clip(where, 0, len(self.halves) - 1)
        out = []
        for k, half in enumerate(self.halves):
            (index,) = np.nonzero(where == k)
            if index.size:
                s = np.clip(half.sign * (x[index] - half.origin), 0.0, half.length)
                out.append((half, index, s, half.panel(s)))
        return out

    def at(self, x: Array, side: int = 1) -> Data:
        """Data at places x (K,); on an interface from the left (side −1) or from the right."""
        out = np.empty((6, len(x)))
        for half, index, s, panel in self.locate(x, side):
            d = half.evaluate(s[:, None], panel)
            rows = (d.coefficient, d.distance, d.distance_slope, d.flux, d.reaction, d.value)
            out[:, index] = np.stack(rows)[..., 0]
        return Data(*out)

    def slopes_at(self, x: Array, side: int = 1) -> DataSlopes:
        """Derivatives of the data at places x (K,)."""
        out = np.empty((3, len(x)))
        for half, index, s, panel in self.locate(x, side):
            d = half.evaluate_slopes(s[:, None], panel)
            out[:, index] = np.stack([d.coefficient, d.distance_slope, d.target])[..., 0]
        return DataSlopes(*out)

    def value_at(self, x: Array) -> Array:
        """u − lift at places x (K,)."""
        out = np.empty(len(x))
        for half, index, s, panel in self.locate(x, 1):
            out[index] = half.value(s[:, None], panel)[:, 0]
        return out


@lru_cache(maxsize=64)
def strong_solution(problem: RitzProblem) -> StrongSolution:
    """Solve the strong form by quadrature; once per problem, then from memory.

    Raises:
        InputError: there is no minimum, because the solution has no finite energy, because both ends are natural, or
            periodic, and source and fluxes do not balance, or because a reaction is too negative.
    """
    problem.require_bounded()
    if problem.periodic and problem.reaction == 0 and X in problem.distance.free_symbols:
        raise InputError(
            f"distance: with {problem.distance} and periodic ends the best constant to add to u is not known; a "
            "constant D or a reaction would be right"
        )
    refuse_infinite_coefficient(problem)
    _check_growth(problem)
    with np.errstate(over="ignore", under="ignore"):
        halves = [h for piece in problem.pieces for h in halves_of(piece, problem.reaction != 0)]
        if problem.reaction == 0:
            halves = _with_values(problem, _risen(_with_flux(problem, halves)))
        else:
            halves = _risen(with_solution(problem, halves))
        scale = sum(h.integral(lambda s, p, h=h: h.solution_flux(s, p) ** 2 / h.data(s)[0]) for h in halves) / 2  # type: ignore[misc]
    held = tuple(_held(problem, halves, which) for which in (0, 1))
    springs = tuple(_spring(problem, halves, which) for which in (0, 1))
    return StrongSolution(problem, tuple(halves), (held[0], held[1]), (springs[0], springs[1]), scale)


def refuse_infinite_coefficient(problem: RitzProblem) -> None:
    """Refuse what solving and tables of integrals in x have no digits for.

    Raises:
        InputError: κ grows beyond all bounds inside the domain.
    """
    for before, after in pairwise(problem.pieces):
        place = after.left
        if any(place in piecewise.singular_points(p.coefficient, p.left, p.right) for p in (before, after)):
            raise InputError(
                f"coefficient: it is infinite at x = {place} inside the domain, where places in float64 have no digits "
                "left for what the solver needs; exact_energy and exact_gradient would be right"
            )


def _check_growth(problem: RitzProblem) -> None:
    for piece, end, inward in ((problem.pieces[0], problem.domain[0], 1), (problem.pieces[-1], problem.domain[1], -1)):
        if end not in piecewise.singular_points(piece.source, piece.left, piece.right):
            continue
        exponent = piecewise.growth_exponent(piece.source, end, inward)
        if exponent < _LEAST_EXPONENT:
            raise InputError(
                f"source: {piece.source} grows as distance^{exponent:.3g} towards x = {end}, so that the energy of the "
                f"solution is not finite or cannot be integrated; an exponent from {_LEAST_EXPONENT} on would be right"
            )


def _held(problem: RitzProblem, halves: list[Half], which: int) -> float | None:
    end = problem.domain[which]
    distance = problem.distance.subs(X, end)
    if problem.periodic:
        # Both outermost halves have the end as their origin.
        return halves[-which].origin_value / float(distance)
    if end in problem.essential:
        return float((problem.essential[end] - problem.lift.subs(X, end)) / distance)
    alone = len(problem.fluxes) == 2 and problem.reaction == 0
    if alone and which == 0 and X not in problem.distance.free_symbols:
        # Without any Dirichlet end the energy fixes u up to a constant only; this is the one with v = 0 on the left.
        return 0.0
    return None


def _with_flux(problem: RitzProblem, halves: list[Half]) -> list[Half]:
    """Fix the constant of κu′ = C − ∫f by what holds at the ends."""
    total = [float(chebyshev.chebval(-1.0, h.source_integral[:, 0])) for h in halves]
    loads = {float(place): float(load) for place, load in problem.loads.items()}
    passed = 0.0
    out = []
    for k, half in enumerate(halves):
        # At the middle of each piece the two halves meet; ∫f counts from the middle of the first, loads included.
        passed += total[k - 1] + total[k] + loads.get(half.origin, 0.0) if half.sign > 0 and k else 0.0
        out.append(replace(half, far_flux=-passed))
    left, right = problem.domain
    at_left, at_right = out[0].far_flux + total[0], out[-1].far_flux - total[-1]
    if problem.periodic and abs(at_left - at_right) > 1e-12 * sum(map(abs, (*total, *loads.values()))):
        raise InputError(
            f"source: between periodic ends it must balance itself, but ∫f dx is {at_left - at_right:.6g}, so that the "
            "energy has no minimum; 0, or a reaction, would be right"
        )
    if left in problem.fluxes:
        constant = float(problem.fluxes[left]) - at_left
        if right in problem.fluxes:
            missing = float(problem.fluxes[right]) - at_right - constant
            if abs(missing) > 1e-12 * (abs(constant) + sum(map(abs, total))):
                raise InputError(
                    f"fluxes: two natural ends must balance the source, but ∫f dx + κu′({right}) − κu′({left}) is "
                    f"{missing:.6g}, so that the energy has no minimum; 0 would be right"
                )
    elif right in problem.fluxes:
        constant = float(problem.fluxes[right]) - at_right
    else:
        # Whatever flux passes a Robin end costs a step of flux/α between g and u: a resistance in series with ∫1/κ.
        steps = [1 / float(problem.robin[e][0]) if e in problem.robin else 0.0 for e in problem.domain]
        rise = _wanted(problem, 1) - _wanted(problem, 0) - steps[0] * at_left - steps[1] * at_right
        driven = sum(h.integral(lambda s, p, h=h: h.solution_flux(s, p) / h.data(s)[0]) for h in out)  # type: ignore[misc]
        resistance = sum(h.integral(lambda s, p, h=h: 1 / h.data(s)[0]) for h in out)  # type: ignore[misc]
        constant = (rise - driven) / (resistance + sum(steps))
    return [replace(h, far_flux=h.far_flux + constant) for h in out]


def _wanted(problem: RitzProblem, which: int) -> float:
    """u at a Dirichlet end, g at a Robin end; of periodic ends, where any constant is right, the known solution's."""
    end = problem.domain[which]
    if problem.periodic:
        left = problem.domain[0]
        return float((problem.lift if problem.solution is None else problem.solution).subs(X, left))
    if end in problem.robin:
        return float(problem.robin[end][1])
    return float(problem.essential[end] if end in problem.essential else problem.lift.subs(X, end))


def _end_value(problem: RitzProblem, halves: list[Half], which: int) -> float:
    """u − lift at an end that is not natural."""
    end = problem.domain[which]
    if problem.periodic:
        return _wanted(problem, which) - float(problem.lift.subs(X, end))
    if end not in problem.robin:
        return float(problem.essential[end] - problem.lift.subs(X, end)) if end in problem.essential else 0.0
    alpha, outside = problem.robin[end]
    half = halves[-which]
    # Both outermost halves have the end as their origin, from which `source_integral` counts to the middle.
    through = half.far_flux + half.sign * float(chebyshev.chebval(-1.0, half.source_integral[:, 0]))
    return float(outside - problem.lift.subs(X, end)) + half.sign * through / float(alpha)


def _spring(problem: RitzProblem, halves: list[Half], which: int) -> tuple[float, float]:
    end = problem.domain[which]
    if end not in problem.robin:
        return 0.0, 0.0
    distance = float(problem.distance.subs(X, end))
    return float(problem.robin[end][0]) * distance**2, _end_value(problem, halves, which) / distance


def _risen(halves: list[Half]) -> list[Half]:
    """Integrate u′ − lift′ over each half."""
    risen = []
    for half in halves:

        def target(s: Array, h: Half = half) -> Array:
            d = h.evaluate(s, np.arange(len(h.edges) - 1))
            return np.asarray(d.flux / d.coefficient)

        slope, _ = interpolate(target, half.edges[:-1], half.edges[1:], DEGREE)
        # From the origin outwards, so that a value that vanishes there keeps its relative accuracy.
        risen.append(replace(half, rise=integrate(slope, np.diff(half.edges))))
    return risen


def _with_values(problem: RitzProblem, risen: list[Half]) -> list[Half]:
    """Add the rises up, from a Dirichlet end onwards."""
    rises = [float(chebyshev.chebval(1.0, h.rise[:, -1])) for h in risen if h.rise is not None]
    left_free, right_free = problem.domain[0] in problem.fluxes, problem.domain[1] in problem.fluxes
    # Values at the limits of the halves, from the left end, or from the right one where only that is given.
    values = np.concatenate([[0.0], np.cumsum(rises)])
    from_right = left_free and not right_free
    values += _end_value(problem, risen, int(from_right)) - values[-int(from_right)]
    if not left_free and not right_free:
        values[-1] = _end_value(problem, risen, 1)
    return [replace(h, origin_value=float(values[k if h.sign > 0 else k + 1])) for k, h in enumerate(risen)]
