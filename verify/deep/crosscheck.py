"""A second derivation of the gradient of a deep network, which shares no step with the first.

Route 2 (`difference_gradient`) marches from breakpoint to breakpoint in mpmath numbers, integrates the energy by its
own Gauss–Legendre rule straight from max(0, Wh + b), and takes central differences: no regions in whole numbers, no
moments, no jump formula, no derivative by a parameter. Route 3, for one hidden layer, is the closed form of
`kinkproof.verify.line.gradient`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import InputError
from ..line.crosscheck import Agreement, agreement, end_terms, gauss, nodes_between
from ..line.gradient import line_gradient
from ..statement.deep_network import DeepNetwork
from ..statement.density import SLOPE, VALUE, Density
from ..statement.expressions import X, parse_number
from ..statement.network import ShallowNetwork
from ..statement.piecewise import branch
from ..statement.problem import RitzProblem
from ..statement.tensors import Tensors
from .gradient import deep_gradient

Array = NDArray[Any]

# Central differences leave a relative error of about step², 60 digits; the working precision leaves 120 − 30.
_STEP_EXPONENT = 30
_DIGITS = 120
# Past a breakpoint by so much lies the next region; kinks nearer to each other than this are not told apart.
_PAST = 80
# A rule has settled if one with two fifths more nodes agrees so far.
_SETTLED = 56
_POINTS = (30, 60, 120, 240)


def deep_crosscheck(
    problem: RitzProblem | Density, network: DeepNetwork, density: Any = None, gradient: Array | None = None
) -> tuple[Agreement, ...]:
    """Compare the exact gradient with independent routes at 50 digits.

    Args:
        problem: with the density, as `exact_gradient` takes them.
        network: one with a gradient.
        density: see `exact_energy`.
        gradient: (P,) mpmath numbers to be checked instead of `exact_gradient(digits=50)`.
    """
    candidate = deep_gradient(problem, network, 50, density).total.ravel() if gradient is None else gradient
    difference = difference_gradient(problem, network, density)
    out = [agreement(candidate, difference, ("jump formula", "50-digit differences"))]
    closed = shallow_gradient(problem, network, density)
    if closed is not None:
        out.append(agreement(candidate, closed, ("jump formula", "one layer in closed form")))
    return tuple(out)


def shallow_gradient(problem: RitzProblem | Density, network: DeepNetwork, density: Any = None) -> Array | None:
    """The gradient (P,) by the formulas of one hidden layer, or None where they do not apply."""
    if network.depth > 1 or network.output_bias is not None or density is not None or isinstance(problem, Density):
        return None
    (w,), (b,), c = network.hidden_weights, network.hidden_biases, network.output_weights
    return line_gradient(problem, ShallowNetwork(w[:, 0], b, c), digits=50).total.ravel()


def difference_gradient(
    problem: RitzProblem | Density,
    network: DeepNetwork,
    density: Any = None,
    parameters: Sequence[int] | None = None,
) -> Array:
    """Central differences of the energy at 120 working digits, mpmath numbers.

    Args:
        problem: with the density, as `exact_gradient` takes them.
        network: where.
        density: see `exact_energy`.
        parameters: which of the P; by default all.
    """
    with mpmath.workdps(_DIGITS):
        energy = _MarchedEnergy(problem, network, density)
        step = mpmath.mpf(10) ** -_STEP_EXPONENT
        wanted = range(len(energy.parameters)) if parameters is None else parameters
        return np.array([(energy.moved(k, step) - energy.moved(k, -step)) / (2 * step) for k in wanted], dtype=object)


def marched_breakpoints(network: DeepNetwork, domain: tuple[Any, Any]) -> list[Any]:
    """Where a pre-activation vanishes inside the domain, ascending, as route 2 finds it: mpmath numbers of 120 digits.

    From each region on to the nearest zero ahead, then a step past it.
    """
    with mpmath.workdps(_DIGITS):
        left, right = (_mp(parse_number(e, "domain")) for e in domain)
        tensors = network.rational.map(_as_mp)
        out: list[Any] = []
        past = mpmath.mpf(10) ** -_PAST
        here = left + past
        while True:
            ahead = [here - z / s for z, s in _preactivations(tensors, here) if s != 0 and z / s < 0]
            if not ahead or min(ahead) >= right:
                return out
            out.append(min(ahead))
            here = out[-1] + past


def _preactivations(tensors: Tensors, x: Any) -> list[tuple[Any, Any]]:
    """(z, ∂z/∂x) of all neurons at a place, in mpmath numbers."""
    h, s = np.array([x], dtype=object), np.array([mpmath.mpf(1)], dtype=object)
    out: list[tuple[Any, Any]] = []
    for w, b in zip(tensors.hidden_weights, tensors.hidden_biases, strict=True):
        z, slope = w @ h + b, w @ s
        out += list(zip(z, slope, strict=True))
        on = np.array([1 if v > 0 else 0 for v in z], dtype=object)
        h, s = z * on, slope * on
    return out


def marched_energy(problem: RitzProblem | Density, network: DeepNetwork, density: Any = None) -> Any:
    """The energy as route 2 integrates it, an mpmath number of 50 digits and more."""
    with mpmath.workdps(_DIGITS):
        energy = _MarchedEnergy(problem, network, density)
        return energy.whole(energy.parameters)


class _MarchedEnergy:
    """An energy on the regions of the unmoved network, with what a moved parameter adds to it."""

    def __init__(self, problem: RitzProblem | Density, network: DeepNetwork, density: Any) -> None:
        self.problem, self.network = problem, network
        interfaces, self.functions = _stretches(problem, density)
        self.left, self.right = (_mp(e) for e in problem.domain)
        self.interfaces = [_mp(e) for e in interfaces]
        self.parameters = list(_as_mp(network.rational.ravel()))
        self.marks = sorted({self.left, self.right, *self.interfaces, *marched_breakpoints(network, problem.domain)})
        self.middles = [(a + b) / 2 for a, b in pairwise(self.marks)]
        self.where = [sum(bool(m > p) for p in self.interfaces) for m in self.middles]
        for points in _POINTS:
            self._place(points)
            coarse = self.whole(self.parameters)
            self._place(points * 7 // 5)
            fine = self.whole(self.parameters)
            if abs(fine - coarse) <= mpmath.mpf(10) ** -_SETTLED * (1 + abs(fine)):
                break
        else:
            raise InputError("density: it is too rough for Gauss points on the pieces; a smoother one would be right")

    def _tensors(self, parameters: list[Any]) -> Tensors:
        flat = np.array(parameters, dtype=object)
        return Tensors.from_vector(flat, self.network.widths, self.network.output_bias is not None)

    def _place(self, points: int) -> None:
        stated = self.problem.smoothing.items() if isinstance(self.problem, RitzProblem) else ()
        pieces = [nodes_between([*piece], points, {_mp(p): q for p, q in stated}) for piece in pairwise(self.marks)]
        self.x, self.weight = [x for x, _ in pieces], [weight for _, weight in pieces]
        self.data = [self.functions[k].data(x) for k, x in zip(self.where, self.x, strict=True)]

    def _value(self, tensors: Tensors, x: Any) -> Any:
        h = np.array([x], dtype=object)
        for w, b in zip(tensors.hidden_weights, tensors.hidden_biases, strict=True):
            h = np.array([max(mpmath.mpf(0), v) for v in w @ h + b], dtype=object)
        return h @ tensors.output_weights + (0 if tensors.output_bias is None else tensors.output_bias[()])

    def _lines(self, tensors: Tensors) -> list[tuple[Any, Any]]:
        """(value at the middle, slope) on each region of the unmoved network, from two values of this one."""
        out = []
        for (a, b), middle in zip(pairwise(self.marks), self.middles, strict=True):
            apart = (b - a) / 8
            here, there = self._value(tensors, middle), self._value(tensors, middle + apart)
            out.append((here, (there - here) / apart))
        return out

    def whole(self, parameters: list[Any]) -> Any:
        """The energy of a network whose kinks are hardly elsewhere: its lines go on to the unmoved kinks."""
        tensors = self._tensors(parameters)
        return self._along(self._lines(tensors)) + self._ends(tensors)

    def _along(self, lines: list[tuple[Any, Any]]) -> Any:
        total = mpmath.mpf(0)
        for r, (value, slope) in enumerate(lines):
            values = value + slope * (self.x[r] - self.middles[r])
            total += self.functions[self.where[r]].along(self.data[r], values, slope, self.weight[r])
        return total

    def moved(self, parameter: int, step: Any) -> Any:
        """The energy with one parameter moved; each sliver between an old kink and a new one is put right."""
        parameters = list(self.parameters)
        parameters[parameter] += step
        tensors = self._tensors(parameters)
        lines = self._lines(tensors)
        total = self._along(lines) + self._ends(tensors)
        for r, mark in enumerate(self.marks[1:-1]):
            (left, left_slope), (right, right_slope) = lines[r], lines[r + 1]
            if left_slope == right_slope:
                continue
            apart = left + left_slope * (mark - self.middles[r]) - right - right_slope * (mark - self.middles[r + 1])
            if apart != 0:
                total += self._sliver(r, mark, mark + apart / (right_slope - left_slope), lines)
        return total

    def _sliver(self, r: int, mark: Any, kink: Any, lines: list[tuple[Any, Any]]) -> Any:
        """∫ from the old kink to the new one of the left line's density less the right line's: three nodes will do."""
        shares, weights = gauss(3, mpmath.mp.dps)
        found = self.functions[self.where[r if kink < mark else r + 1]]
        x = np.array([mark + (kink - mark) * t for t in shares], dtype=object)
        weight = np.array([(kink - mark) * v for v in weights], dtype=object)
        data = found.data(x)
        left, right = (
            found.along(data, lines[k][0] + lines[k][1] * (x - self.middles[k]), lines[k][1], weight)
            for k in (r, r + 1)
        )
        return left - right

    def _ends(self, tensors: Tensors) -> Any:
        if not isinstance(self.problem, RitzProblem):
            return mpmath.mpf(0)
        lift, distance = self.problem.lift, self.problem.distance

        def field(where: Any) -> Any:
            return _mp(lift.subs(X, where)) + _mp(distance.subs(X, where)) * self._value(tensors, _mp(where))

        return end_terms(self.problem, field)


class _Stretch:
    """A density where it is smooth in x: L(x, u, du) with u = lift + D v."""

    def __init__(self, form: sympy.Expr, distance: sympy.Expr, lift: sympy.Expr) -> None:
        frame = [distance, sympy.diff(distance, X), lift, sympy.diff(lift, X)]
        self.powers: list[tuple[int, int]] | None = None
        polynomial = form.as_poly(VALUE, SLOPE)
        if polynomial is not None:
            # Functions of x once for all moved networks; what remains is arithmetic.
            self.powers = list(polynomial.monoms())
            frame += polynomial.coeffs()
        self.frame = sympy.lambdify(X, frame, "mpmath")
        self.form = sympy.lambdify([X, VALUE, SLOPE], form, "mpmath")

    def data(self, x: Array) -> list[Array]:
        """x, D, D′, lift, lift′ and, of a polynomial in u and u′, its coefficients."""
        columns = zip(*(self.frame(v) for v in x), strict=True)
        return [x, *(np.array([mpmath.mpf(v) for v in column], dtype=object) for column in columns)]

    def along(self, data: list[Array], value: Array, slope: Any, weight: Array) -> Any:
        """Σ weight · L where the network has these values and this slope."""
        x, d, d_slope, lift, lift_slope, *coefficients = data
        u, du = lift + d * value, lift_slope + d_slope * value + d * slope
        if self.powers is None:
            return sum(w * self.form(*at) for w, *at in zip(weight, x, u, du, strict=True))
        terms = zip(coefficients, self.powers, strict=True)
        return (weight * sum(c * u**i * du**j for c, (i, j) in terms)).sum()


def _stretches(problem: RitzProblem | Density, density: Any) -> tuple[tuple[sympy.Expr, ...], list[_Stretch]]:
    """Interfaces, and the density on each stretch between them."""
    if isinstance(problem, RitzProblem) and density is None:
        forms = [
            (p.coefficient * SLOPE**2 / 2 + p.reaction * VALUE**2 / 2 - p.source * VALUE, p.distance, p.lift)
            for p in problem.pieces
        ]
        return problem.interfaces, [_Stretch(*form) for form in forms]
    stated = problem
    if isinstance(problem, RitzProblem):
        expression = density.expression if isinstance(density, Density) else density
        stated = Density(expression, problem.distance, problem.lift, problem.domain)
    assert isinstance(stated, Density)
    ends = (stated.domain[0], *stated.interfaces, stated.domain[1])
    whole = (stated.expression, stated.distance, stated.lift)
    return stated.interfaces, [_Stretch(*(branch(e, a, b) for e in whole)) for a, b in pairwise(ends)]


def _as_mp(values: Array) -> Array:
    out = np.empty(values.shape, dtype=object)
    for index, v in np.ndenumerate(values):
        out[index] = _mp(v)
    return out


def _mp(number: Any) -> Any:
    """Its own, not that of `expressions`: the routes share no step, conversion of numbers included."""
    if isinstance(number, Fraction):
        return mpmath.mpf(number.numerator) / number.denominator
    return mpmath.mpf(sympy.N(number, mpmath.mp.dps + 5))
