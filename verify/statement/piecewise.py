"""Piecewise smooth functions of x: where the pieces join, what each piece is, where it fails to be finite."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import mpmath
import sympy

from ..errors import InputError
from .expressions import X

# Enough that two roots of an expression a user would type are never confused.
_DIGITS = 40
_SAMPLES = 257
# A larger power of t than this leaves few digits to the distance.
_LARGEST_SMOOTHING = 24
# Of a long Piecewise so many characters in an error message.
_SHOWN = 80


@lru_cache(maxsize=1024)
def roots(expression: sympy.Expr, left: sympy.Expr, right: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """Exact zeros of a smooth expression in the closed interval, ascending.

    Raises:
        InputError: SymPy cannot list them.
    """
    if X not in expression.free_symbols:
        return ()
    numerator = sympy.together(expression).as_numer_denom()[0]
    try:
        found: Iterable[sympy.Expr]
        if numerator.is_polynomial(X) and all(c.is_rational for c in sympy.Poly(numerator, X).coeffs()):
            found = [r for r in set(sympy.real_roots(sympy.Poly(numerator, X))) if left <= r <= right]
        else:
            found = sympy.solveset(numerator, X, sympy.Interval(left, right))
            if not isinstance(found, sympy.FiniteSet | sympy.sets.sets.EmptySet):
                raise NotImplementedError
        return tuple(sorted(found, key=lambda r: r.evalf(_DIGITS)))
    except (NotImplementedError, TypeError, ValueError):
        raise InputError(
            f"the zeros of {expression} in [{left}, {right}] cannot be found exactly; "
            "a Piecewise with numbers as its limits would be right"
        ) from None


def breakpoints(expression: sympy.Expr, left: sympy.Expr, right: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """Places inside (left, right) where branches of Piecewise, Abs, Max, Min or sign meet, ascending."""
    switches: set[sympy.Expr] = set()
    for node in sympy.preorder_traversal(expression):
        if isinstance(node, sympy.core.relational.Relational):
            switches.add(node.lhs - node.rhs)
        elif isinstance(node, sympy.Abs | sympy.sign):
            switches.add(node.args[0])
        elif isinstance(node, sympy.Max | sympy.Min):
            switches |= {a - b for i, a in enumerate(node.args) for b in node.args[:i]}
    # A switch may itself contain an Abs or Max: its zeros are then sought on each of that one's own pieces.
    places: set[sympy.Expr] = set()
    for switch in switches:
        inner = (left, *breakpoints(switch, left, right), right)
        for a, b in pairwise(inner):
            places |= {r for r in roots(branch(switch, a, b), a, b) if left < r < right}
    return tuple(sorted(places, key=lambda r: r.evalf(_DIGITS)))


def branch(expression: sympy.Expr, left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    """The smooth expression that holds on (left, right), an interval without breakpoints inside."""
    middle = ((left + right) / 2).evalf(_DIGITS)

    def positive(value: sympy.Expr) -> bool:
        return bool(value.subs(X, middle).evalf(_DIGITS) > 0)

    def resolve(node: sympy.Basic) -> sympy.Basic:
        if isinstance(node, sympy.Piecewise):
            for value, condition in node.args:
                if condition.subs(X, middle) == sympy.true:
                    return resolve(value)
            shown = str(node) if len(str(node)) <= _SHOWN else f"{str(node)[:_SHOWN]} …"
            raise InputError(f"{shown} has no branch for x = {float(middle):g}; end it with (value, True)")
        if not node.args:
            return node
        arguments = [resolve(a) for a in node.args]
        if isinstance(node, sympy.Abs):
            return arguments[0] if positive(arguments[0]) else -arguments[0]
        if isinstance(node, sympy.sign):
            return sympy.Integer(1 if positive(arguments[0]) else -1)
        if isinstance(node, sympy.Max | sympy.Min):
            values = sorted(arguments, key=lambda a: a.subs(X, middle).evalf(_DIGITS))
            return values[-1 if isinstance(node, sympy.Max) else 0]
        return node.func(*arguments)

    return resolve(expression)


def canonical(expression: sympy.Expr, left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    """The same function as one smooth expression or as ``Piecewise((e, x < p), …, (e, True))`` with number limits.

    At a breakpoint the branch to the right holds: a single point changes no integral, and one rule for all keeps
    the quadratures of different programs comparable.
    """
    ends = (left, *breakpoints(expression, left, right), right)
    pieces = [(branch(expression, a, b), b) for a, b in pairwise(ends)]
    merged = [p for p, following in pairwise(pieces) if p[0] != following[0]]
    if not merged:
        return pieces[-1][0]
    return sympy.Piecewise(*((e, b > X) for e, b in merged), (pieces[-1][0], True))


def point_loads(
    expression: sympy.Expr, left: sympy.Expr, right: sympy.Expr
) -> tuple[sympy.Expr, list[tuple[sympy.Expr, sympy.Expr]]]:
    """A source without its terms g(x)·δ(h(x)), and these as (place, load): g/|h′| at the zeros of h in [left, right].

    Raises:
        InputError: a δ that is no factor of a term, or has no zero in the interval, a double one, or one where g jumps.
    """
    smooth, loads = [], []
    for part in sympy.Add.make_args(expression):
        # What has no δ stays as it was written.
        for term in sympy.Add.make_args(sympy.expand_mul(part) if part.has(sympy.DiracDelta) else part):
            if term.has(sympy.DiracDelta):
                loads += _loads_of_one(term, left, right)
            else:
                smooth.append(term)
    return sympy.Add(*smooth), loads


def _loads_of_one(term: sympy.Expr, left: sympy.Expr, right: sympy.Expr) -> list[tuple[sympy.Expr, sympy.Expr]]:
    def refused(why: str) -> InputError:
        return InputError(f"source: {term} {why}; a term such as 3*DiracDelta(x - 1/2) would be right")

    deltas = [f for f in sympy.Mul.make_args(term) if isinstance(f, sympy.DiracDelta)]
    rest = sympy.Mul(*(f for f in sympy.Mul.make_args(term) if not isinstance(f, sympy.DiracDelta)))
    if len(deltas) != 1 or len(deltas[0].args) != 1 or rest.has(sympy.DiracDelta):
        raise refused("is no point load")
    (argument,) = deltas[0].args
    if X not in argument.free_symbols or breakpoints(argument, left, right):
        raise refused("is no load at a point")
    places, slope, out = roots(argument, left, right), sympy.diff(argument, X), []
    if not places:
        raise refused(f"acts nowhere in the domain ({left}, {right})")
    ends = (left, *breakpoints(rest, left, right), right)
    for place in places:
        # Its own piece, or both that meet there.
        sides = [branch(rest, a, b).subs(X, place) for a, b in pairwise(ends) if a <= place <= b]
        if sympy.N(sides[0] - sides[-1], _DIGITS) != 0:
            raise refused(f"jumps at x = {place}, where it acts")
        rise = slope.subs(X, place)
        if rise == 0:
            raise refused(f"has a double zero at x = {place}")
        out.append((place, sides[0] / sympy.Abs(rise)))
    return out


def singular_points(smooth: sympy.Expr, left: sympy.Expr, right: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """Places in [left, right] where a smooth expression tends to no finite limit, ascending."""
    suspects: set[sympy.Expr] = set()
    for node in sympy.preorder_traversal(smooth):
        if isinstance(node, sympy.Pow) and node.exp.is_number and node.exp.is_negative:
            suspects |= set(roots(node.base, left, right))
        elif isinstance(node, sympy.log):
            suspects |= set(roots(node.args[0], left, right))
        elif isinstance(node, sympy.tan | sympy.sec):
            suspects |= set(roots(sympy.cos(node.args[0]), left, right))
        elif isinstance(node, sympy.cot | sympy.csc):
            suspects |= set(roots(sympy.sin(node.args[0]), left, right))
    poles = {p for p in suspects if any(not _finite_limit(smooth, p, s, left, right) for s in "+-")}
    return tuple(sorted(poles, key=lambda r: r.evalf(_DIGITS)))


def _finite_limit(smooth: sympy.Expr, place: sympy.Expr, side: str, left: sympy.Expr, right: sympy.Expr) -> bool:
    if (side == "+" and place == right) or (side == "-" and place == left):
        return True
    return bool(sympy.limit(smooth, X, place, side).is_finite)


def growth_exponent(smooth: sympy.Expr, end: sympy.Expr, inward: int) -> float:
    """p in |expression| ~ distance^p towards an end of its interval; integrable if p > −1."""
    function = sympy.lambdify(X, smooth, "mpmath")
    with mpmath.workdps(120):
        # Two distances far below any scale a user would write, and well above the working precision.
        near, far = mpmath.mpf(10) ** -40, mpmath.mpf(10) ** -30
        place = mpmath.mpf(end.evalf(120))
        values = [abs(function(place + inward * d)) for d in (near, far)]
        if not all(values):
            return float("inf")
        return float(mpmath.log(values[0] / values[1]) / mpmath.log(near / far))


def smoothing_power(smooth: sympy.Expr, place: sympy.Expr) -> int:
    """q with which x = place ± t^q leaves a function of t without broken powers at t = 0; 0 if there is none up to 24.

    A logarithm has none, nor has a power whose base has broken powers itself.
    """
    q = 1
    for node in sympy.preorder_traversal(smooth):
        if not isinstance(node, sympy.Pow | sympy.log) or X not in node.free_symbols:
            continue
        if isinstance(node, sympy.Pow) and node.exp.is_integer:
            continue
        value = sympy.N(node.args[0].subs(X, place), _DIGITS)
        if X not in node.args[-1].free_symbols and value.is_finite and abs(value) > 1e-30:
            continue
        if isinstance(node, sympy.log) or not node.exp.is_Rational or smoothing_power(node.base, place) != 1:
            return 0
        q = int(sympy.ilcm(q, node.exp.q))
    return q if q <= _LARGEST_SMOOTHING else 0


def samples(smooth: sympy.Expr, left: sympy.Expr, right: sympy.Expr) -> list[tuple[float, complex]]:
    """Values at evenly spread interior points of the interval, for checks of sign and realness."""
    function = sympy.lambdify(X, smooth, "mpmath")
    a, b = float(left), float(right)
    points = [a + (b - a) * (i + 0.5) / _SAMPLES for i in range(_SAMPLES)]
    # The ends themselves too, approached to rounding: a coefficient such as x touches zero just there.
    points += [a + (b - a) * 1e-12, b - (b - a) * 1e-12]
    out = []
    for x in points:
        try:
            out.append((x, complex(function(mpmath.mpf(x)))))
        except (ZeroDivisionError, OverflowError, ValueError):
            out.append((x, complex("nan")))
    return out
