"""Problems on domains far from 0, told in the distance to the domain's centre.

With x = m + t a network keeps its weights, and its first biases become b + w·m: an exact shift in rational numbers.
About 0, powers of x = 1000 … 1001 differ in their last digits only, and integrals over them lose twice as many.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy

from .deep_network import DeepNetwork
from .density import Density, parse_density
from .expressions import X
from .network import ShallowNetwork, rational_array
from .problem import RitzProblem


@lru_cache(maxsize=256)
def centre(domain: tuple[Any, Any]) -> Fraction:
    """About where to expand: 0 for a domain no farther from 0 than it is long, else its middle, a float64 number.

    Examples:
        >>> centre((0, 1)), centre((1000, 1001))
        (Fraction(0, 1), Fraction(2001, 2))
    """
    left, right = (float(e) for e in domain)
    middle = (left + right) / 2
    return Fraction(0) if abs(middle) <= right - left else Fraction(middle)


@lru_cache(maxsize=64)
def centred(problem: RitzProblem) -> RitzProblem:
    """The same problem in t = x − centre; without its solution."""
    place = _number(centre(problem.domain))
    data = {n: shifted(getattr(problem, n), place) for n in ("coefficient", "source", "distance", "lift", "reaction")}
    placed = ("fluxes", "essential", "robin", "loads")
    data |= {n: {e - place: v for e, v in getattr(problem, n).items()} for n in placed}
    kept = {n: getattr(problem, n) for n in ("penalty", "periodic", "name")}
    return RitzProblem(**data, **kept, domain=_moved(problem.domain, place))


@lru_cache(maxsize=64)
def centred_statement(density: Density) -> Density:
    """The same density in t = x − centre."""
    place = _number(centre(density.domain))
    data = {n: shifted(getattr(density, n), place) for n in ("expression", "distance", "lift")}
    return Density(**data, domain=_moved(density.domain, place))


def centred_density(density: Any, domain: tuple[Any, Any]) -> sympy.Expr:
    """A density L(x, u, u′) as text, SymPy or `Density`, in t = x − centre."""
    expression = density.expression if isinstance(density, Density) else parse_density(density)
    return shifted(expression, _number(centre(domain)))


def centred_network(network: Any, place: Fraction) -> Any:
    """The same network of t = x − place, its first biases as Fractions: nothing is rounded."""
    if isinstance(network, ShallowNetwork):
        biases = network.rational("hidden_biases") + network.rational("hidden_weights") * place
        return ShallowNetwork(network.hidden_weights, biases, network.output_weights)
    first, *others = network.hidden_biases
    moved = rational_array(first) + rational_array(network.hidden_weights[0])[:, 0] * place
    return DeepNetwork(network.hidden_weights, [moved, *others], network.output_weights, network.output_bias)


def shifted(expression: sympy.Expr, place: sympy.Rational) -> sympy.Expr:
    """The expression at x + place; polynomials multiplied out, for (x + 1000)² − 2000 (x + 1000) loses digits."""
    if X not in expression.free_symbols:
        return expression
    if expression.is_Symbol:
        return X + place
    if isinstance(expression, sympy.core.relational.Relational):
        # Kept as it stands, and solved for x where breakpoints are sought.
        return expression.func(*(sympy.expand(shifted(e, place)) for e in expression.args))
    if isinstance(expression, sympy.Expr) and expression.is_polynomial(X):
        return sympy.expand(expression.subs(X, X + place))
    return expression.func(*(shifted(e, place) for e in expression.args))


def _moved(domain: tuple[Any, Any], place: sympy.Rational) -> tuple[Any, Any]:
    return domain[0] - place, domain[1] - place


def _number(place: Fraction) -> sympy.Rational:
    return sympy.Rational(place.numerator, place.denominator)
