"""The exact energy of a beam and its gradient, in two parts: with the kinks held still, and what their motion adds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import comb
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import Degeneracy, NondifferentiableError
from ..line.energy import working_digits
from ..line.gradient import Gradient
from ..statement.blocks import BLOCKS, Blocks
from ..statement.comparison import compare
from ..statement.expressions import X, to_mpf
from .derivation import BEND, OUTPUT, SLOPE, VALUE, WEIGHT, derive_beam
from .integrals import BeamIntegrals, beam_integrals, specialise
from .statement import BeamProblem, PowerNetwork

Array = NDArray[Any]

# Powers of x about 0 lose some digits next to an end: float64 results are rounded from so many.
_FLOAT_DIGITS = 17


def beam_energy(problem: BeamProblem, network: PowerNetwork, digits: int | None = None) -> Any:
    """`exact_energy` of a beam; see there."""
    with mpmath.workdps(working_digits(digits or _FLOAT_DIGITS)):
        value = _swept(problem, network).energy
    if digits is None:
        return float(value)
    with mpmath.workdps(digits):
        return +value


def beam_gradient(problem: BeamProblem, network: PowerNetwork, digits: int | None = None) -> Gradient:
    """`exact_gradient` of a beam; see there."""
    distance, found = nearest_degeneracy(problem, network)
    if found:
        listed = "; ".join(map(str, found[:3]))
        raise NondifferentiableError(
            f"the energy has no derivative here ({listed}); move the named neurons apart", found
        )
    with mpmath.workdps(working_digits(digits or _FLOAT_DIGITS)):
        value = _gradient(_swept(problem, network), distance)
    if digits is None:
        blocks = (b.map(lambda v: v.astype(float)) for b in (value.bulk, value.dirac, value.total))
        bulk, dirac, total = blocks
        return Gradient(bulk, dirac, total, float(value.energy), value.route, value.error_estimate, distance)
    with mpmath.workdps(digits):
        bulk, dirac, total = (b.map(lambda v: +v) for b in (value.bulk, value.dirac, value.total))
        return Gradient(bulk, dirac, total, +value.energy, value.route, value.error_estimate, distance)


def own_jump(problem: BeamProblem, network: PowerNetwork) -> Blocks:
    """What û″ on the active side of each kink, for the mean of both, adds to the Dirac terms; nothing for ReLU³."""
    swept = _swept(problem, network)
    out = np.full((3, network.neurons.width), mpmath.mpf(0))
    for piece, i in enumerate(swept.inside):
        sides = [_dirac(swept, piece, i, own) for own in (1, 0)]
        out[:, i] = [a - b for a, b in zip(*sides, strict=True)]
    return Blocks(*out)


@dataclass(frozen=True)
class _Swept:
    """A network piece by piece; P pieces between the ends and the kinks inside, in mpmath's numbers.

    Attributes:
        problem, network, table: what it was made of.
        blocks: w, b and c, (N,).
        inside: neurons whose kink lies inside, by ascending kink; the kink of the k-th ends piece k.
        marks: ends and kinks, (P + 1,).
        active: which neurons are active on which piece, (P, N).
        coefficients: of N = Σ pₖ xᵏ on each piece, (p + 1, P).
        integrals: of the density's coefficients over each piece, (R, P).
    """

    problem: BeamProblem
    network: PowerNetwork
    table: BeamIntegrals
    blocks: tuple[Array, Array, Array]
    inside: list[int]
    marks: list[Any]
    active: Array
    coefficients: Array
    integrals: Array

    @property
    def quadratic(self) -> dict[tuple[int, int], Array]:
        """(j, k) → what pⱼ pₖ is multiplied with, j ≤ k."""
        rows = dict(zip(derive_beam(self.network.power).density, self.integrals, strict=True))
        return {(q[0], q[1]): row for q, row in rows.items() if len(q) == 2}

    @property
    def linear(self) -> Array:
        """What each pₖ is multiplied with, (p + 1, P)."""
        return self.integrals[-self.network.power - 2 : -1]

    @property
    def energy(self) -> Any:
        """Σ over the pieces of the density's polynomial in the coefficients."""
        p = self.coefficients
        total = (self.linear * p).sum() + self.integrals[-1].sum()
        return total + sum((row * p[j] * p[k]).sum() for (j, k), row in self.quadratic.items())

    def forces(self) -> Array:
        """∂E/∂pₖ of each piece, (p + 1, P)."""
        out, p = self.linear.copy(), self.coefficients
        for (j, k), row in self.quadratic.items():
            out[j] += row * p[k]
            out[k] += row * p[j]
        return out


def _swept(problem: BeamProblem, network: PowerNetwork) -> _Swept:
    table, power = beam_integrals(problem, network.power), network.power
    rational = [network.neurons.rational(n) for n in BLOCKS]
    w, b, c = (np.array([to_mpf(v) for v in block], dtype=object) for block in rational)
    seen = inner_kinks(problem, network)
    inside = list(seen)
    ends = [to_mpf(e) for e in problem.domain]
    marks = [ends[0], *(to_mpf(seen[i]) for i in inside), ends[1]]
    # Between which kinks a neuron is active is settled in Fractions.
    rank = {i: k for k, i in enumerate(inside)}
    active = np.zeros((len(inside) + 1, len(w)), dtype=bool)
    for i in range(len(w)):
        if i in rank:
            active[:, i] = (np.arange(len(inside) + 1) > rank[i]) == (rational[0][i] > 0)
        else:
            # Without a kink inside its sign is that at the middle of the domain.
            middle = sum(ends) / 2
            active[:, i] = w[i] * middle + b[i] > 0
    own = np.stack([comb(power, k) * w**k * b ** (power - k) for k in range(power + 1)])
    coefficients = (c * own) @ active.T.astype(int)
    return _Swept(problem, network, table, (w, b, c), inside, marks, active, coefficients, table.between(marks))


def _kinks(network: PowerNetwork) -> dict[int, Fraction]:
    """Neuron → −b/w, of those that have one."""
    w, b = network.neurons.rational("hidden_weights"), network.neurons.rational("hidden_biases")
    return {i: Fraction(-b[i]) / Fraction(w[i]) for i in range(len(w)) if w[i]}


def inner_kinks(problem: BeamProblem, network: PowerNetwork) -> dict[int, Fraction]:
    """Those inside the domain, from left to right."""
    left, right = problem.domain
    seen = {i: k for i, k in _kinks(network).items() if compare(k, left) > 0 > compare(k, right)}
    return dict(sorted(seen.items(), key=lambda pair: pair[1]))


def _gradient(swept: _Swept, distance: float) -> Gradient:
    w, b, c = swept.blocks
    power, zero = swept.network.power, 0 * w
    # ∂E/∂pₖ summed over the pieces on which each neuron is active, (p + 1, N).
    felt = swept.forces() @ swept.active.astype(int)
    bulk = np.stack([zero, zero, zero])
    for k in range(power + 1):
        factor, rest = comb(power, k), power - k
        if k:
            bulk[0] += felt[k] * factor * k * c * w ** (k - 1) * b**rest
        if rest:
            bulk[1] += felt[k] * factor * rest * c * w**k * b ** (rest - 1)
        bulk[2] += felt[k] * factor * w**k * b**rest
    dirac = np.stack([zero, zero, zero])
    for piece, i in enumerate(swept.inside):
        for row, value in enumerate(_dirac(swept, piece, i)):
            dirac[row, i] = value
    parts = (Blocks(*bulk), Blocks(*dirac), Blocks(*(bulk + dirac)))
    return Gradient(*parts, swept.energy, swept.table.route, 0.0, distance)


def _dirac(swept: _Swept, piece: int, neuron: int, own: int = 0) -> list[Any]:
    """The derived Dirac terms of a neuron whose kink ends a piece; its own curvature is half there, or (1) whole."""
    if swept.network.power > 2:
        return [0, 0, 0]
    w, _, c = (block[neuron] for block in swept.blocks)
    x = swept.marks[piece + 1]
    # The neuron vanishes at its kink with its slope; its own curvature 2cw² is in one of the two one-sided ones.
    p = swept.coefficients[:, piece]
    value, slope = p[0] + x * (p[1] + x * p[2]), p[1] + 2 * x * p[2]
    bend = swept.coefficients[2, piece] + swept.coefficients[2, piece + 1] - (1 - own) * c * w**2
    which = sum(bool(x > to_mpf(e)) for e in swept.problem.interfaces)
    return list(_dirac_function(swept.problem, which)(x, w, c, value, slope, bend))


@lru_cache(maxsize=256)
def _dirac_function(problem: BeamProblem, stretch: int) -> Any:
    terms = derive_beam(2).dirac_terms
    rows = [specialise(terms[n], problem.stretches[stretch]) for n in BLOCKS]
    return sympy.lambdify([X, WEIGHT, OUTPUT, VALUE, SLOPE, BEND], rows, "mpmath", cse=True)


def nearest_degeneracy(problem: BeamProblem, network: PowerNetwork) -> tuple[float, tuple[Degeneracy, ...]]:
    """The distance to the nearest place where the energy has no derivative, and those that are right here.

    For ReLU² where two kinks coincide, on an interface, and on an end where D does not vanish: there ½EI u″² jumps. For
    ReLU³ u″ does not jump, and the energy has a derivative everywhere.
    """
    if network.power > 2:
        return float("inf"), ()
    c = network.neurons.rational("output_weights")
    kinks = {i: k for i, k in _kinks(network).items() if c[i]}
    ends = [e for e in problem.domain if problem.zeros_of_distance(e) == 0]
    fixed = [("kink on the end of the domain", e) for e in ends]
    fixed += [("kink on an interface", e) for e in problem.interfaces]
    found, nearest = [], float("inf")
    for kind, place in fixed:
        for i, kink in kinks.items():
            nearest = min(nearest, abs(float(kink) - float(place)))
            if compare(kink, place) == 0:
                found.append(Degeneracy(kind, (i,), float(place), 0.0))
    inside = {i: k for i, k in inner_kinks(problem, network).items() if i in kinks}
    for i, j in pairwise(inside):
        nearest = min(nearest, float(inside[j] - inside[i]))
        here = sympy.Rational(inside[i].numerator, inside[i].denominator)
        if inside[i] == inside[j] and problem.distance.subs(X, here).is_zero is not True:
            found.append(Degeneracy("coincident kinks", (i, j), float(inside[i]), 0.0))
    return nearest, tuple(found)
