"""SymPy expressions as short assignments, one operation a line, each value computed once; for NumPy and for C99."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy

from ...errors import InputError

# So many operands keep a line below 120 characters, with literals of 24.
_MOST_OPERANDS = 4
# x⁸ and less are products; other powers are left to the library.
_LARGEST_PRODUCT = 8


@dataclass(frozen=True)
class Language:
    """How one programming language spells functions and powers."""

    name: str
    functions: Mapping[str, str]
    power: str


_SHARED = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt")
_NUMPY_INVERSE = {f"a{n}": f"np.arc{n}" for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}
PYTHON = Language(
    "NumPy",
    {n: f"np.{n}" for n in _SHARED} | _NUMPY_INVERSE | {"Abs": "np.abs", "sign": "np.sign"},
    "np.power({0}, {1})",
)
C = Language(
    "C",
    {n: n for n in (*_SHARED, *_NUMPY_INVERSE, "erf")} | {"Abs": "fabs"},
    "pow({0}, {1})",
)
_RECIPROCALS = {sympy.sec: sympy.cos, sympy.csc: sympy.sin, sympy.cot: sympy.tan}


@dataclass
class Assignments:
    """Grows by `result`: a list of (name, right-hand side), in the order in which they must be made."""

    language: Language
    arguments: Mapping[sympy.Symbol, str]
    lines: list[tuple[str, str]] = field(default_factory=list)
    _known: dict[Any, str] = field(default_factory=dict)

    def result(self, expression: sympy.Expr) -> str:
        """A name or literal that has the value of the expression once all `lines` have run."""
        if not expression.free_symbols:
            return literal(expression)
        if expression in self.arguments:
            return self.arguments[expression]
        if expression not in self._known:
            self._known[expression] = self._assign(self._right_hand_side(expression))
        return self._known[expression]

    def _assign(self, text: str) -> str:
        name = f"t{len(self.lines)}"
        self.lines.append((name, text))
        return name

    def _right_hand_side(self, e: sympy.Expr) -> str:
        if isinstance(e, sympy.Add):
            return self._sum(e)
        if isinstance(e, sympy.Mul):
            return self._product(e)
        if isinstance(e, sympy.Pow):
            return self._power(e)
        if type(e) in _RECIPROCALS:
            return f"1.0 / {self.result(_RECIPROCALS[type(e)](e.args[0]))}"
        name = type(e).__name__
        if name not in self.language.functions or len(e.args) != 1:
            raise InputError(f"generated code: {self.language.name} has no {name} as in {e}; another language may have")
        return f"{self.language.functions[name]}({self.result(e.args[0])})"

    def _sum(self, e: sympy.Add) -> str:
        terms = [self._signed(t) for t in e.as_ordered_terms()]
        # Positive first: a leading minus is one more operation.
        terms.sort(key=lambda t: t[0] < 0)
        while True:
            sign, text = terms[0]
            text = text if sign > 0 else f"-{text}"
            for sign, other in terms[1:_MOST_OPERANDS]:
                text += f" {'+' if sign > 0 else '-'} {other}"
            if len(terms) <= _MOST_OPERANDS:
                return text
            terms = [(1, self._assign(text)), *terms[_MOST_OPERANDS:]]

    def _signed(self, term: sympy.Expr) -> tuple[int, str]:
        negative = term.as_ordered_factors()[0].is_negative if isinstance(term, sympy.Mul) else term.is_negative
        return (-1, self.result(-term)) if negative else (1, self.result(term))

    def _product(self, e: sympy.Mul) -> str:
        constant, rest = e.as_independent(*e.free_symbols, as_Add=False)
        above, below = [], []
        for factor in sympy.Mul.make_args(rest):
            base, exponent = factor.as_base_exp()
            # exp is a power of E in name only.
            if isinstance(factor, sympy.Pow) and exponent.is_number and exponent.is_negative:
                below.append(self.result(base**-exponent))
            else:
                above.append(self.result(factor))
        above, below = sorted(above), sorted(below)
        if constant != 1 or not above:
            above.insert(0, literal(constant))
        while len(above) > _MOST_OPERANDS:
            above = [self._assign(" * ".join(above[:_MOST_OPERANDS])), *above[_MOST_OPERANDS:]]
        while len(below) > 1:
            below = [self._assign(" * ".join(below[:_MOST_OPERANDS])), *below[_MOST_OPERANDS:]]
        return " / ".join([" * ".join(above), *below])

    def _power(self, e: sympy.Pow) -> str:
        base, exponent = e.base, e.exp
        if exponent.is_number and exponent.is_negative:
            return f"1.0 / {self.result(base**-exponent)}"
        name = self.result(base)
        if exponent == sympy.Rational(1, 2):
            return f"{self.language.functions['sqrt']}({name})"
        if exponent.is_Integer and exponent <= _LARGEST_PRODUCT:
            half, odd = divmod(int(exponent), 2)
            square = f"{name} * {name}" if half == 1 else f"{self.result(base**half)} * {self.result(base**half)}"
            return f"{square} * {name}" if odd else square
        return self.language.power.format(name, self.result(exponent))


def literal(number: sympy.Expr) -> str:
    """The nearest float64, in a form that Python and C read back to the same bits."""
    value = float(sympy.N(number, 30))
    return repr(value)


def function_lines(
    language: Language, arguments: Mapping[sympy.Symbol, str], expressions: Sequence[sympy.Expr]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Assignments, and the names or literals of the results.

    Raises:
        InputError: the language lacks a function that an expression needs.
    """
    made = Assignments(language, arguments)
    results = [made.result(e) for e in expressions]
    return made.lines, results
