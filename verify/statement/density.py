"""An energy density L(x, u, u′) given as text or SymPy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import sympy

from ..errors import InputError
from . import piecewise
from .expressions import X, parse, parse_number

VALUE, SLOPE = sympy.symbols("u du", real=True)
_VARIABLES = MappingProxyType({"x": X, "u": VALUE, "du": SLOPE})
# Of a difference that is zero rounding is left.
_CHECK_DIGITS = 40
# How second derivatives are written in programs: ddu, d2u, d2u_dx2, u_xx, uxx, u2, u″ as upp.
_SECOND = re.compile(r"\b(ddu\w*|d2u\w*|u_?xx\w*|upp|lap\w*|Derivative)\b")


@dataclass(frozen=True)
class Density:
    """∫ L(x, u, u′) dx over a domain, u being the network itself, or lift + D·network.

    Args:
        expression: L in x, u and du (for u′): text (parsed, never executed), a number or SymPy. Smooth in u and du;
            Piecewise, Abs, Max and Min may depend on x.
        distance: D(x).
        lift: added to D·network.
        domain: its two ends.

    Raises:
        InputError: what `kinkproof.verify.statement.expressions.parse` refuses; second derivatives of u; a density
            that is not smooth in u or du.

    Examples:
        >>> Density("du**2/2 + 0.1*du**4 + 0.3*u**3 - sin(3*x)*u").expression
        du**4/10 + du**2/2 + 3*u**3/10 - u*sin(3*x)
    """

    expression: Any
    distance: Any = "1"
    lift: Any = "0"
    domain: tuple[Any, Any] = (0, 1)

    def __post_init__(self) -> None:
        second = _SECOND.search(str(self.expression))
        if second:
            raise InputError(
                f"density: {second[0]} is a second derivative of u, which is 0 between the kinks of a ReLU network; "
                "a density in x, u and du would be right"
            )
        if not isinstance(self.domain, tuple | list) or len(self.domain) != 2:
            raise InputError(f"domain: {self.domain!r} is not an interval; a pair such as (0, 1) would be right")
        left, right = (parse_number(e, "domain") for e in self.domain)
        if not left < right:
            raise InputError(f"domain: ({left}, {right}) is empty; its left end must be less than its right end")
        expression = parse_density(self.expression)
        _refuse_rough(expression)
        values = {"expression": expression, "distance": parse(self.distance, "distance"), "domain": (left, right)}
        # Frozen: written once, here.
        for name, value in (values | {"lift": parse(self.lift, "lift")}).items():
            object.__setattr__(self, name, value)
        for name in ("distance", "lift"):
            self._check_continuous(name)

    @cached_property
    def interfaces(self) -> tuple[sympy.Expr, ...]:
        """Places inside the domain where the density, D or lift are not smooth in x, ascending."""
        data = (self.expression, self.distance, self.lift)
        places = {p for e in data for p in piecewise.breakpoints(e, *self.domain)}
        return tuple(sorted(places, key=float))

    def _check_continuous(self, name: str) -> None:
        expression, ends = getattr(self, name), (self.domain[0], *self.interfaces, self.domain[1])
        for left, place, right in zip(ends, ends[1:], ends[2:], strict=False):
            before, after = piecewise.branch(expression, left, place), piecewise.branch(expression, place, right)
            jump = abs(sympy.N((after - before).subs(X, place), _CHECK_DIGITS))
            if not jump < 10.0 ** (10 - _CHECK_DIGITS):
                raise InputError(f"{name}: it jumps by {float(jump):.3g} at x = {place}; it must be continuous")


def parse_density(expression: Any) -> sympy.Expr:
    """L as SymPy; see `parse` for what is refused."""
    return parse(expression, "density", _VARIABLES)


def _refuse_rough(expression: sympy.Expr) -> None:
    rough = (sympy.Abs, sympy.sign, sympy.Max, sympy.Min, sympy.core.relational.Relational)
    for node in sympy.preorder_traversal(expression):
        if isinstance(node, rough) and node.free_symbols & {VALUE, SLOPE}:
            raise InputError(f"density: {node} is not smooth in u or du; only in x may it have pieces")
