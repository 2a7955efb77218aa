"""A second derivation of a beam's gradient, which shares no step with the first: differences at 120 digits.

The energy is integrated by Gauss–Legendre on the pieces between the kinks of the moved network, straight from
max(0, wx + b)ᵖ and its second derivative; no antiderivative and no derivative with respect to a parameter.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..line.crosscheck import Agreement, agreement, gauss
from ..statement.blocks import BLOCKS
from ..statement.expressions import X
from .gradient import beam_gradient
from .statement import BeamProblem, PowerNetwork

Array = NDArray[Any]

# Central differences leave about step²; 120 digits leave 90 to the quotient.
_DIGITS, _STEP_EXPONENT = 120, 30
# Gauss points of a piece: 60 digits for data that vary as sin 20x on it.
_POINTS = 48


def beam_crosscheck(problem: BeamProblem, network: PowerNetwork, gradient: Array | None = None) -> Agreement:
    """Compare the exact gradient with the differences at 50 digits.

    Args:
        problem: whose energy is differentiated.
        network: with a gradient.
        gradient: (3N,) mpmath numbers to be checked instead of `exact_gradient(digits=50)`.
    """
    candidate = beam_gradient(problem, network, digits=50).total.ravel() if gradient is None else gradient
    return agreement(candidate, difference_gradient(problem, network), ("distributions", "50-digit differences"))


def difference_gradient(problem: BeamProblem, network: PowerNetwork) -> Array:
    """(3N,) mpmath numbers: central differences of `integrated_energy`."""
    with mpmath.workdps(_DIGITS):
        step = mpmath.mpf(10) ** -_STEP_EXPONENT
        given = [_mp(v) for n in BLOCKS for v in network.neurons.rational(n)]
        out = []
        for k in range(len(given)):
            sides = []
            for sign in (1, -1):
                moved = list(given)
                moved[k] += sign * step
                sides.append(integrated_energy(problem, network.power, moved))
            out.append((sides[0] - sides[1]) / (2 * step))
        return np.array(out, dtype=object)


def integrated_energy(problem: BeamProblem, power: int, parameters: list[Any]) -> Any:
    """The energy at mpmath's present precision, of parameters w, b, c one after the other."""
    n = len(parameters) // 3
    w, b, c = (parameters[k * n : (k + 1) * n] for k in range(3))
    left, right = (_mp(e) for e in problem.domain)
    borders = [_mp(e) for e in problem.interfaces]
    kinks = [-bi / wi for wi, bi in zip(w, b, strict=True) if wi]
    marks = sorted({left, right, *borders, *(k for k in kinks if left < k < right)})
    shares, weights = gauss(_POINTS, mpmath.mp.dps)
    functions = [_data(s) for s in problem.stretches]
    total = mpmath.mpf(0)
    for start, stop in pairwise(marks):
        middle = (start + stop) / 2
        data = functions[sum(bool(middle > e) for e in borders)]
        # A neuron is active on a piece throughout or not at all.
        on = [i for i in range(n) if w[i] * middle + b[i] > 0]
        for share, weight in zip(shares, weights, strict=True):
            x = start + (stop - start) * share
            value = slope = bend = mpmath.mpf(0)
            for i in on:
                z = w[i] * x + b[i]
                value += c[i] * z**power
                slope += c[i] * power * w[i] * z ** (power - 1)
                bend += c[i] * power * (power - 1) * w[i] ** 2 * z ** (power - 2)
            stiffness, source, d, d1, d2, lift, lift2 = data(x)
            u2 = lift2 + d2 * value + 2 * d1 * slope + d * bend
            total += (stop - start) * weight * (stiffness * u2**2 / 2 - source * (lift + d * value))
    return total


def _data(stretch: Any) -> Any:
    d, lift = stretch.distance, stretch.lift
    rows = [stretch.stiffness, stretch.source, d, sympy.diff(d, X), sympy.diff(d, X, 2), lift, sympy.diff(lift, X, 2)]
    return sympy.lambdify(X, rows, "mpmath")


def _mp(number: Any) -> Any:
    """Its own, not that of `expressions`: the routes share no step, conversion of numbers included."""
    if isinstance(number, Fraction):
        return mpmath.mpf(number.numerator) / number.denominator
    return mpmath.mpf(sympy.N(number, mpmath.mp.dps + 5))
