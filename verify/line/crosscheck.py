"""Two further derivations of the gradient, which share no step with `gradient` and none with each other.

Route 1 is `exact_gradient`: distributions, sifted. Route 2 (`pattern_gradient`): the energy of the given activation
pattern in closed form, differentiated by SymPy; no Dirac anywhere. Route 3 (`difference_gradient`): central
differences of the energy as mpmath integrates it, piece by piece, straight from max(0, wx + b); no antiderivative
and no symbolic derivative with respect to a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..statement.blocks import BLOCKS
from ..statement.expressions import X
from ..statement.network import ShallowNetwork
from ..statement.problem import Piece, RitzProblem
from .gradient import line_gradient

Array = NDArray[Any]

_A, _G, _P, _Q = sympy.symbols("A G p q", real=True)
# The distance to a pole.
_S = sympy.Symbol("s", positive=True)
# Central differences leave a relative error of about step²: far below the 50 digits compared, while the working
# precision leaves 120 − 30 digits to the difference quotient.
_STEP_EXPONENT = 30
_DIFFERENCE_DIGITS = 120
# Next to a singular end where no power smooths the data, nodes come as near as the working precision lets them:
# distance^(−0.7) has 10⁻¹³² of its integral nearer than 10⁻⁴⁴⁰.
_SINGULAR_DIGITS = 450
# An independent route must reproduce this many digits of the largest component.
REQUIRED_DIGITS = 40


@dataclass(frozen=True)
class Agreement:
    """How far two routes agree: digits of the largest component, where they differ most, and how far they must.

    Without `required` that is `REQUIRED_DIGITS`.
    """

    routes: tuple[str, str]
    digits: float
    parameter: int
    required: float | None = None

    @property
    def passed(self) -> bool:
        """Do they agree as far as they must?"""
        return self.digits >= (REQUIRED_DIGITS if self.required is None else self.required)


def crosscheck(problem: RitzProblem, network: ShallowNetwork, gradient: Array | None = None) -> tuple[Agreement, ...]:
    """Compare the exact gradient with the two other routes at 50 digits.

    Args:
        problem: if SymPy has no definite integral for it, route 2 is left out.
        network: one network with a gradient (no degenerate place).
        gradient: (3N,) mpmath numbers to be checked instead of `exact_gradient(digits=50)`.
    """
    candidate = line_gradient(problem, network, digits=50).total.ravel() if gradient is None else gradient
    out = []
    pattern = pattern_gradient(problem, network)
    if pattern is not None:
        out.append(agreement(candidate, pattern, ("distributions", "activation pattern")))
    difference = difference_gradient(problem, network)
    out.append(agreement(candidate, difference, ("distributions", "50-digit differences")))
    return tuple(out)


def agreement(candidate: Array, reference: Array, routes: tuple[str, str], required: float | None = None) -> Agreement:
    """Digits to which a gradient (3N,) agrees with a reference, relative to its largest component."""
    with mpmath.workdps(80):
        scale = max(abs(v) for v in reference) or mpmath.mpf(1)
        errors = [abs(mpmath.mpf(a) - b) for a, b in zip(candidate, reference, strict=True)]
        worst = max(range(len(errors)), key=errors.__getitem__)
        digits = 50.0 if errors[worst] == 0 else float(-mpmath.log10(errors[worst] / scale))
    return Agreement(routes, min(digits, 50.0), worst, required)


def pattern_gradient(problem: RitzProblem, network: ShallowNetwork) -> Array | None:
    """Route 2: (3N,) mpmath numbers of 50 digits, or None where SymPy finds no closed form."""
    forms = [_closed_form(piece, problem.poles) for piece in problem.pieces]
    if any(f is None for f in forms):
        return None
    theta = sympy.symbols(f"theta:{3 * network.width}", real=True)
    values = [sympy.Rational(v.numerator, v.denominator) for n in BLOCKS for v in network.rational(n)]
    with mpmath.workdps(80):
        out = [mpmath.mpf(0) for _ in theta]
        try:
            terms = list(_pattern_terms(problem, network, theta, values, forms))
        except ZeroDivisionError:
            # The antiderivative's terms are infinite at a singular end.
            return None
        for value, arguments, partials in terms:
            # The chain rule through (A, G, p, q), each an expression of a few parameters that SymPy differentiates.
            for argument, partial in zip(arguments, partials, strict=True):
                for symbol in argument.free_symbols:
                    slope = sympy.diff(argument, symbol).subs(value)
                    out[theta.index(symbol)] += partial * _mp(slope)
    return np.array(out, dtype=object)


def _pattern_terms(
    problem: RitzProblem, network: ShallowNetwork, theta: Any, values: list[Any], forms: list[Any]
) -> Iterator[tuple[dict[Any, Any], tuple[Any, ...], list[Any]]]:
    """The energy's terms, valid while no kink passes another, an end or an interface.

    Each is (values of the parameters, arguments as expressions in them, partial derivatives by the arguments).
    """
    n = network.width
    w, b, c = theta[:n], theta[n : 2 * n], theta[2 * n :]
    value = dict(zip(theta, values, strict=True))
    left, right = problem.domain
    marks = [(e, e) for e in (left, *problem.interfaces, right)]
    for i in range(n):
        if value[w[i]] != 0 and left < -value[b[i]] / value[w[i]] < right:
            marks.append((-value[b[i]] / value[w[i]], -b[i] / w[i]))
    marks.sort(key=lambda mark: sympy.N(mark[0], 60))

    def affine(place: Any) -> tuple[Any, Any]:
        on = [i for i in range(n) if value[w[i]] * place + value[b[i]] > 0]
        return sympy.Add(*(c[i] * w[i] for i in on)), sympy.Add(*(c[i] * b[i] for i in on))

    for (start, start_symbol), (stop, stop_symbol) in pairwise(marks):
        middle = (start + stop) / 2
        a, g = affine(middle)
        partials = forms[sum(bool(middle > p) for p in problem.interfaces)]
        numbers = [_mp(v.subs(value)) for v in (a, g)] + [_mp(start), _mp(stop)]
        arguments = (a, g, start_symbol, stop_symbol)
        # By a place that stands still no derivative is needed; by a pole it would be infinite.
        yield value, arguments, [f(*numbers) if e.free_symbols else 0 for f, e in zip(partials, arguments, strict=True)]
    at_ends = {}
    for end in problem.domain:
        a, g = affine(end)
        at_ends[end] = u = (problem.lift + problem.distance * (a * X + g)).subs(X, end)
        if end in problem.fluxes:
            yield value, (u,), [_mp(problem.fluxes[end] * (-1 if end == right else 1))]
        elif end in problem.essential:
            yield value, (u,), [_mp(problem.penalty * (u.subs(value) - problem.essential[end]))]
        elif end in problem.robin:
            # Minus the flux α(g − u) that the term's derivative balances.
            yield value, (u,), [-_mp(problem.robin[end][0] * (problem.robin[end][1] - u.subs(value)))]
    if problem.periodic:
        apart = at_ends[right] - at_ends[left]
        yield value, (apart,), [_mp(problem.penalty * apart.subs(value))]
    for place, load in problem.loads.items():
        a, g = affine(place)
        yield value, ((problem.lift + problem.distance * (a * X + g)).subs(X, place),), [-_mp(load)]


@lru_cache(maxsize=64)
def _closed_form(piece: Piece, singular: tuple[sympy.Expr, ...]) -> Any:
    """Derivatives by A, G, p and q of ∫ₚ^q ½κu′² + ½ρu² − f u dx, u = lift + D·(A x + G), or None: no closed form.

    By SymPy's general `integrate` on the whole density at once, in the distance to the first of its ends that is
    singular, and `diff` of what it returns; one function for each.
    """
    u = piece.lift + piece.distance * (_A * X + _G)
    density = piece.coefficient * sympy.diff(u, X) ** 2 / 2 + piece.reaction * u**2 / 2 - piece.source * u
    density = sympy.expand(density)
    if density.has(sympy.exp, sympy.log) and not density.is_polynomial(X):
        # The general integrator may search for minutes among exponentials and logarithms; route 3 stands alone there.
        return None
    pole = next((e for e in (piece.left, piece.right) if e in singular), None)
    if pole is None:
        integral = sympy.integrate(density, (X, _P, _Q))
    else:
        sign = 1 if pole == piece.left else -1
        outwards = sympy.integrate(sympy.expand(density.subs(X, pole + sign * _S)), _S)
        at_q, at_p = (outwards.subs(_S, sign * (end - pole)) for end in (_Q, _P))
        integral = sign * (at_q - at_p)
    if integral.has(sympy.Integral, sympy.Piecewise):
        return None
    return [sympy.lambdify([_A, _G, _P, _Q], sympy.diff(integral, s), "mpmath", cse=True) for s in (_A, _G, _P, _Q)]


def difference_gradient(
    problem: RitzProblem, network: ShallowNetwork, parameters: Sequence[int] | None = None
) -> Array:
    """Route 3: (3N,) mpmath numbers, central differences of the energy at 120 working digits; O(N²).

    The energy is integrated by Gauss–Legendre on the pieces between the kinks of the unmoved network. When a
    parameter moves by 10⁻³⁰, a kink leaves its place by about as much: the sliver in between, on which the moved and
    the unmoved pattern differ, is integrated by itself.

    Args:
        problem: whose energy is differentiated.
        network: where.
        parameters: which of the 3N; by default all.
    """
    with mpmath.workdps(_digits(problem)):
        energy = _PiecewiseEnergy(problem, network)
        step = mpmath.mpf(10) ** -_STEP_EXPONENT
        out = []
        for k in range(3 * network.width) if parameters is None else parameters:
            out.append((energy.moved(k, step) - energy.moved(k, -step)) / (2 * step))
        return np.array(out, dtype=object)


def piecewise_energy(problem: RitzProblem, network: ShallowNetwork) -> Any:
    """The energy as route 3 integrates it, an mpmath number of 50 digits and more."""
    with mpmath.workdps(_digits(problem)):
        return _PiecewiseEnergy(problem, network).whole()


def _digits(problem: RitzProblem) -> int:
    return _DIFFERENCE_DIGITS if all(problem.smoothing.values()) else _SINGULAR_DIGITS


class _PiecewiseEnergy:
    """Data of one problem at fixed nodes, and the energy of a network with one parameter moved."""

    def __init__(self, problem: RitzProblem, network: ShallowNetwork) -> None:
        self.problem, self.poles = problem, {_mp(p): q for p, q in problem.smoothing.items()}
        self.parameters = [_mp(v) for n in BLOCKS for v in network.rational(n)]
        self.width = network.width
        self.functions = [_data(p) for p in problem.pieces]
        self.left, self.right = (_mp(e) for e in problem.domain)
        self.interfaces = [_mp(e) for e in problem.interfaces]
        marks = sorted({self.left, self.right, *self.interfaces, *(k for k in self._kinks() if k is not None)})
        marks = [m for m in marks if self.left <= m <= self.right]
        for points in _POINTS:
            self._place(marks, points)
            # The same energy from fewer nodes: agreement to 50 digits there means more with all.
            coarse = self.unmoved()
            self._place(marks, points * 7 // 5)
            fine = self.unmoved()
            if abs(fine - coarse) <= mpmath.mpf(10) ** -55 * (1 + abs(fine)):
                break

    def _place(self, marks: list[Any], points: int) -> None:
        self.x, self.weight = nodes_between(marks, points, self.poles)
        which = [sum(bool(v > p) for p in self.interfaces) for v in self.x]
        rows = [self.functions[k](v) for k, v in zip(which, self.x, strict=True)]
        self.data = [np.array(column, dtype=object) for column in zip(*rows, strict=True)]
        w, b, c = self._blocks(self.parameters)
        self.base, self.slope = self.x * 0, self.x * 0
        for neuron in zip(w, b, c, strict=True):
            value, slope = _neuron(neuron, self.x)
            self.base, self.slope = self.base + value, self.slope + slope

    def unmoved(self) -> Any:
        """The integral part of the energy at the given parameters."""
        return (self.weight * _density(self.data, self.base, self.slope)).sum()

    def whole(self) -> Any:
        """The energy at the given parameters, with its terms at the ends."""
        return self.unmoved() + self._ends(self.parameters)

    def _blocks(self, parameters: list[Any]) -> list[list[Any]]:
        return [parameters[k * self.width : (k + 1) * self.width] for k in range(3)]

    def _kinks(self) -> list[Any]:
        w, b, _ = self._blocks(self.parameters)
        return [-bi / wi if wi else None for wi, bi in zip(w, b, strict=True)]

    def moved(self, index: int, step: Any) -> Any:
        """The energy with parameter `index` raised by `step`."""
        i = index % self.width
        parameters = list(self.parameters)
        parameters[index] += step
        old = [block[i] for block in self._blocks(self.parameters)]
        new = [block[i] for block in self._blocks(parameters)]
        # At the fixed nodes the moved neuron keeps its old pattern: right except on the sliver, corrected below.
        v0, s0 = _neuron(old, self.x)
        v1, s1 = _neuron(new, self.x, old)
        total = (self.weight * _density(self.data, self.base - v0 + v1, self.slope - s0 + s1)).sum()
        total += self._sliver(i, old, new, parameters)
        return total + self._ends(parameters)

    def _sliver(self, i: int, old: list[Any], new: list[Any], parameters: list[Any]) -> Any:
        if not old[0] or not self.left < -old[1] / old[0] < self.right:
            return mpmath.mpf(0)
        start, stop = sorted((-old[1] / old[0], -new[1] / new[0]))
        if start == stop:
            return mpmath.mpf(0)
        # Three Gauss points on a length of 10⁻³⁰ leave nothing: the data are constant there to 10⁻¹⁸⁰.
        node = mpmath.sqrt(mpmath.mpf(3) / 5)
        middle, half = (start + stop) / 2, (stop - start) / 2
        x = np.array([middle - half * node, middle, middle + half * node], dtype=object)
        weight = np.array([mpmath.mpf(5) / 9, mpmath.mpf(8) / 9, mpmath.mpf(5) / 9], dtype=object) * half
        which = sum(bool(middle > p) for p in self.interfaces)
        data = [np.array(column, dtype=object) for column in zip(*map(self.functions[which], x), strict=True)]
        w, b, c = self._blocks(parameters)
        value, slope = x * 0, x * 0
        for j in range(self.width):
            if j != i:
                v, s = _neuron((w[j], b[j], c[j]), x)
                value, slope = value + v, slope + s
        right_value, right_slope = _neuron(new, x)
        wrong_value, wrong_slope = _neuron(new, x, old)
        correct = _density(data, value + right_value, slope + right_slope)
        counted = _density(data, value + wrong_value, slope + wrong_slope)
        return (weight * (correct - counted)).sum()

    def _ends(self, parameters: list[Any]) -> Any:
        w, b, c = self._blocks(parameters)

        def field(where: Any) -> Any:
            place = _mp(where)
            network = sum(ci * max(0, wi * place + bi) for wi, bi, ci in zip(w, b, c, strict=True))
            return _mp(self.problem.lift.subs(X, where)) + _mp(self.problem.distance.subs(X, where)) * network

        return end_terms(self.problem, field)


def end_terms(problem: RitzProblem, field: Callable[[Any], Any]) -> Any:
    """What a problem's energy has at single places, at mpmath's present precision: point loads, and free ends.

    Args:
        problem: the statement.
        field: place (SymPy) → û there (mpf).
    """
    total, values = mpmath.mpf(0), []
    for where, load in problem.loads.items():
        total -= _mp(load) * field(where)
    for end, outward in zip(problem.domain, (-1, 1), strict=True):
        u = field(end)
        if end in problem.fluxes:
            total -= outward * _mp(problem.fluxes[end]) * u
        elif end in problem.essential:
            total += _mp(problem.penalty) * (u - _mp(problem.essential[end])) ** 2 / 2
        elif end in problem.robin:
            alpha, outside = map(_mp, problem.robin[end])
            total += alpha * (u - outside) ** 2 / 2
        values.append(u)
    if problem.periodic:
        total += _mp(problem.penalty) * (values[1] - values[0]) ** 2 / 2
    return total


def _neuron(neuron: Sequence[Any], x: Array, pattern: Sequence[Any] | None = None) -> tuple[Array, Array]:
    """c·max(0, wx + b) and its slope at x, active where the pattern's neuron (by default itself) is."""
    w, b, c = neuron
    pw, pb = (neuron if pattern is None else pattern)[:2]
    on = np.array([1 if pw * v + pb > 0 else 0 for v in x], dtype=object)
    # Arrays first: mpmath would print the whole array before it leaves the product to NumPy.
    return (x * w + b) * c * on, on * (c * w)


def _density(data: list[Array], value: Array, slope: Array) -> Array:
    kappa, source, distance, distance_slope, lift, lift_slope, reaction = data
    u = lift + distance * value
    gradient = lift_slope + distance_slope * value + distance * slope
    return np.asarray(kappa * gradient**2 / 2 + reaction * u**2 / 2 - source * u)


@lru_cache(maxsize=64)
def _data(piece: Piece) -> Callable[[Any], Any]:
    """x → (κ, f, D, D′, lift, lift′, ρ) on one smooth piece."""
    d, lift = piece.distance, piece.lift
    rows = [piece.coefficient, piece.source, d, sympy.diff(d, X), lift, sympy.diff(lift, X), piece.reaction]
    return sympy.lambdify(X, rows, "mpmath")  # type: ignore[no-any-return]


# Gauss with m points leaves (e·kℓ/8m)^2m for e^{ikx} on an interval of length ℓ: 40 points give 60 digits up to
# kℓ = 20. More are taken where the integral has not settled.
_POINTS = (40, 80, 160, 320)


def nodes_between(marks: list[Any], points: int, poles: Mapping[Any, int]) -> tuple[Array, Array]:
    """Nodes and weights between the marks by Gauss–Legendre, in t where x = pole ± t^q smooths the data.

    Args:
        marks: ascending.
        points: on each piece, and on each half between two poles.
        poles: marks where the data are singular, with q; where that is 0 the rule is tanh–sinh.
    """
    x, weight = [], []
    for a, b in pairwise(marks):
        towards = [(p, other, poles[p]) for p, other in ((a, b), (b, a)) if p in poles]
        if not towards or not all(q for *_, q in towards):
            shares, weights = (_tanh_sinh if towards else gauss)(points, mpmath.mp.dps)
            x += [a + (b - a) * t for t in shares]
            weight += [(b - a) * v for v in weights]
            continue
        shares, weights = gauss(points, mpmath.mp.dps)
        for pole, other, q in towards:
            reach = (other - pole) / len(towards)
            x += [pole + reach * t**q for t in shares]
            weight += [abs(reach) * q * t ** (q - 1) * v for t, v in zip(shares, weights, strict=True)]
    return np.array(x, dtype=object), np.array(weight, dtype=object)


@lru_cache(maxsize=16)
def _tanh_sinh(points: int, digits: int) -> tuple[list[Any], list[Any]]:
    """The double exponential rule on (0, 1) with step 1/points, at the working precision of that many digits."""
    reach = mpmath.asinh((digits - 10) * mpmath.log(10) / mpmath.pi)
    shares, weights = [], []
    for k in range(-int(reach * points), int(reach * points) + 1):
        t = mpmath.mpf(k) / points
        share = 1 / (1 + mpmath.exp(-mpmath.pi * mpmath.sinh(t)))
        shares.append(share)
        weights.append(mpmath.pi * mpmath.cosh(t) * share * (1 - share) / points)
    return shares, weights


@lru_cache(maxsize=16)
def gauss(points: int, digits: int) -> tuple[list[Any], list[Any]]:
    """Gauss–Legendre rule on (0, 1) at the working precision, `digits`: Newton on the Legendre recurrence."""
    nodes, weights = [], []
    for k in range(points):
        x, slope = mpmath.cos(mpmath.pi * (k + mpmath.mpf(3) / 4) / (points + mpmath.mpf(1) / 2)), mpmath.mpf(1)
        # Each step doubles the digits of the first guess, which has two or more.
        for _ in range(2 + digits.bit_length()):
            before, now = mpmath.mpf(1), x
            for n in range(2, points + 1):
                before, now = now, ((2 * n - 1) * x * now - (n - 1) * before) / n
            slope = points * (x * now - before) / (x * x - 1)
            x -= now / slope
        nodes.append((1 + x) / 2)
        weights.append(1 / ((1 - x * x) * slope * slope))
    return nodes, weights


def _mp(number: Any) -> Any:
    """Its own, not that of `expressions`: the routes share no step, conversion of numbers included."""
    if isinstance(number, Fraction):
        return mpmath.mpf(number.numerator) / number.denominator
    return mpmath.mpf(sympy.N(number, mpmath.mp.dps + 5))
