"""Text from a user → SymPy, by a whitelist over Python's `ast`. Nothing is ever executed."""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np
import sympy

from ..errors import InputError
from ..misspelling import mended

X = sympy.Symbol("x", real=True)

_ELEMENTARY = """sin cos tan sec csc cot asin acos atan sinh cosh tanh asinh acosh atanh exp log sqrt sign erf"""
_FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(sympy, name) for name in _ELEMENTARY.split()}
_FUNCTIONS |= {"Abs": sympy.Abs, "abs": sympy.Abs, "Max": sympy.Max, "Min": sympy.Min, "ln": sympy.log}
# What a source may have besides: point loads.
SOURCE_FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType({**_FUNCTIONS, "DiracDelta": sympy.DiracDelta})
_VARIABLES: Mapping[str, sympy.Symbol] = MappingProxyType({"x": X})
_CONSTANTS = {"pi": sympy.pi, "E": sympy.E}
_BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}

# Classes that may appear in an expression handed over as SymPy. `sign` and `Heaviside` come from differentiating Abs
# and Max; relational and boolean classes occur in the conditions of a Piecewise.
_CLASSES = (
    sympy.Number,
    sympy.NumberSymbol,
    sympy.Add,
    sympy.Mul,
    sympy.Pow,
    sympy.exp,
    sympy.Abs,
    sympy.Max,
    sympy.Min,
    sympy.Piecewise,
    sympy.functions.elementary.piecewise.ExprCondPair,
    sympy.core.relational.Relational,
    sympy.logic.boolalg.BooleanTrue,
    sympy.logic.boolalg.BooleanFalse,
    sympy.And,
    sympy.Or,
    sympy.Not,
    sympy.functions.elementary.trigonometric.TrigonometricFunction,
    sympy.functions.elementary.trigonometric.InverseTrigonometricFunction,
    sympy.functions.elementary.hyperbolic.HyperbolicFunction,
    sympy.functions.elementary.hyperbolic.InverseHyperbolicFunction,
    sympy.log,
    sympy.erf,
    sympy.sign,
)
# Where `sympy.lambdify` finds functions of NumPy arrays: NumPy has no erf.
NUMPY_MODULES: list[Any] = [{"erf": np.vectorize(math.erf, otypes=[float])}, "numpy"]
# A table of 200 rows, written out as a Piecewise of cubics, is shorter.
LONGEST_TEXT = 50_000
# Of a longer formula it is not guessed what was meant.
_LONGEST_MENDED = 200
# A numeric power is computed on the spot; this keeps 9**9**9 from filling the memory.
LARGEST_EXPONENT = 1000
# Constants end where float64 does.
_LARGEST_LOGARITHM, _LARGEST_DECIMAL_EXPONENT = 710, 308
# Of a rational power; Python does not print whole numbers of more than some 14,000 bits.
_MOST_BITS = 10_000
_GROWING = ("exp", "sinh", "cosh")
_DECIMAL = re.compile(r"(?:[0-9_]+\.?[0-9_]*|\.[0-9_]+)(?:[eE]([+-]?[0-9_]+))?")
_INFINITE = (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)


def parse(
    value: object,
    what: str = "expression",
    variables: Mapping[str, sympy.Symbol] = _VARIABLES,
    functions: Mapping[str, Callable[..., Any]] = _FUNCTIONS,
) -> sympy.Expr:
    """Make a SymPy expression in the real symbol `X` from text, a number or SymPy.

    Args:
        value: text such as ``"Piecewise((1, x < 1/2), (10, True))"``, a number, or a SymPy expression in one symbol
            named x. Decimal numbers are read exactly: ``0.1`` is 1/10.
        what: what the expression is, for the error message.
        variables: name → symbol; by default x alone.
        functions: name → SymPy's function; by default the elementary ones.

    Raises:
        InputError: an unknown name, function or piece of syntax, or a value that is not finite and real.

    Examples:
        >>> parse("2*x + 0.5")
        2*x + 1/2
        >>> parse("__import__('os')")
        Traceback (most recent call last):
            ...
        kinkproof.verify.errors.InputError: expression: __import__ is not a known function; known are ...
    """
    if isinstance(value, sympy.Basic):
        expression = _from_sympy(value, what, variables, functions)
    elif isinstance(value, str):
        expression = _from_text(value, _Words(what, variables, functions))
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{what}: {value!r} is a {type(value).__name__}; text, a number or SymPy would be right")
    else:
        expression = sympy.Rational(str(value)) if _finite(value) else sympy.nan
    # On one line, whatever was typed.
    shown = _short(repr(value)) if isinstance(value, str) else value
    if not isinstance(expression, sympy.Expr):
        raise InputError(f"{what}: {shown} is a condition; an expression in x would be right")
    if expression.has(*_INFINITE):
        raise InputError(f"{what}: {shown} is not a finite number; a finite expression in x would be right")
    if expression.has(sympy.I):
        raise InputError(f"{what}: {shown} is not real; a real expression in x would be right")
    return expression


def parse_number(value: object, what: str) -> sympy.Expr:
    """Like `parse`, for an exact real constant such as ``"1/3"`` or ``"pi/2"``.

    Raises:
        InputError: what `parse` refuses, and anything that depends on x.
    """
    number = parse(value, what)
    if number.free_symbols:
        raise InputError(f"{what}: {value} depends on x; a number would be right")
    return number


def to_mpf(number: Fraction | sympy.Expr) -> Any:
    """An exact number (Fraction or SymPy) as an mpmath number of the present working precision."""
    if isinstance(number, Fraction):
        return mpmath.mpf(number.numerator) / number.denominator
    return mpmath.mpf(sympy.N(number, mpmath.mp.dps + 5))


def _finite(value: int | float) -> bool:
    return value == value and abs(value) != float("inf")


@dataclass(frozen=True)
class _Words:
    """What a text may say: what it is, for error messages; its variables and functions by name."""

    what: str
    variables: Mapping[str, sympy.Symbol]
    functions: Mapping[str, Callable[..., Any]]


def _from_sympy(
    value: sympy.Basic,
    what: str,
    variables: Mapping[str, sympy.Symbol],
    functions: Mapping[str, Callable[..., Any]],
) -> sympy.Basic:
    strangers = {s for s in value.free_symbols if s.name not in variables}
    if strangers:
        there = "x is the only one there is" if len(variables) == 1 else f"{', '.join(variables)} are known"
        raise InputError(f"{what}: unknown symbol {min(map(str, strangers))}; {there}")
    classes = (*_CLASSES, *(f for f in functions.values() if isinstance(f, type)), sympy.Symbol, sympy.Tuple)
    for node in sympy.preorder_traversal(value):
        if not isinstance(node, classes) and node not in (sympy.I, sympy.zoo, sympy.nan):
            raise InputError(
                f"{what}: {node.func.__name__} in {value} is not supported; "
                f"known functions are {', '.join(sorted([*functions, 'Piecewise']))}"
            )
    exact = {f: sympy.Rational(str(f)) for f in value.atoms(sympy.Float)}
    return value.subs({s: variables[s.name] for s in value.free_symbols}).xreplace(exact)


def _from_text(text: str, words: _Words) -> Any:
    if len(text) > LONGEST_TEXT:
        raise InputError(f"{words.what}: {len(text)} characters are too many; at most {LONGEST_TEXT} would be right")
    try:
        return _read(text, words)
    except InputError as error:
        meant = _meant(text, words)
        if meant is None:
            raise
        raise InputError(f"{str(error).partition(';')[0]}; did you mean {meant!r}?") from None


def _meant(text: str, words: _Words) -> str | None:
    """What was probably meant, where that can be read."""
    meant = text.strip()
    if len(meant) <= _LONGEST_MENDED:
        meant = mended(meant, [*words.variables, *_CONSTANTS], [*words.functions, "Piecewise"])
    if meant == text.strip():
        return None
    try:
        _read(meant, words)
    except InputError:
        return None
    return meant


def _read(text: str, words: _Words) -> Any:
    what = words.what
    try:
        with warnings.catch_warnings():
            # Python warns of odd but legal text such as 1if; what is odd here is refused below.
            warnings.simplefilter("ignore", SyntaxWarning)
            # Before Python 3.11.4 a null character is a ValueError, since then a SyntaxError.
            tree = ast.parse(text.strip().replace("\0", "\\0"), mode="eval")
        return _Reader(text.strip(), words).read(tree.body)
    except (SyntaxError, RecursionError, MemoryError, UnicodeError):
        raise InputError(
            f"{what}: {_short(repr(text))} is not an expression; something like 2*sin(pi*x) would be right"
        ) from None
    except InputError:
        raise
    except (ValueError, TypeError, AttributeError, ArithmeticError, NotImplementedError):
        # What is known to be wrong is refused by name below; SymPy may stumble over more.
        raise InputError(
            f"{what}: SymPy makes nothing of {_short(repr(text))}; something simpler would be right"
        ) from None


class _Reader:
    """Reads one text; kept as a class only to carry the text and its role into every message."""

    def __init__(self, text: str, words: _Words) -> None:
        self.text, self.what, self.variables, self.functions = text, words.what, words.variables, words.functions
        self.names = {**words.variables, **_CONSTANTS}

    def read(self, node: ast.expr) -> Any:
        """An expression or a condition."""
        match node:
            case ast.Constant(value=bool() as value):
                return sympy.true if value else sympy.false
            case ast.Constant(value=int() | float()):
                return self._literal(ast.get_source_segment(self.text, node) or "")
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Name(id=name):
                raise InputError(
                    f"{self.what}: unknown symbol {_short(name)}; {', '.join(self.variables)}, pi and E are known"
                )
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._number(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self._finite(self._binary(type(op), self._number(left), self._number(right)), node)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(o) in _COMPARISONS for o in ops):
                values = [self._real(v) for v in (left, *others)]
                links = zip(values, ops, values[1:], strict=False)
                return sympy.And(*(_COMPARISONS[type(o)](a, b) for a, o, b in links))
            case ast.Call(func=ast.Name(id="Piecewise"), args=arguments, keywords=[]):
                return self._finite(self._piecewise(arguments), node)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._finite(self._call(name, arguments), node)
        raise InputError(
            f"{self.what}: {_shown(node)} is not allowed; numbers, {', '.join(self.variables)}, pi, E, + - * / **, "
            "comparisons and the elementary functions are"
        )

    def _literal(self, digits: str) -> sympy.Rational:
        """The digits as they were typed: 0.1 means one tenth, not the nearest binary number."""
        found = _DECIMAL.fullmatch(digits)
        if found is None:
            raise InputError(f"{self.what}: {digits} is no decimal number; one such as 16, 0.1 or 1e-3 would be right")
        # Written out, 1e999999999 fills the memory, and a root of 1e999 takes SymPy seconds.
        if found[1] and abs(int(found[1])) > _LARGEST_DECIMAL_EXPONENT:
            raise InputError(
                f"{self.what}: the exponent of {digits} is too large; at most {_LARGEST_DECIMAL_EXPONENT} is allowed"
            )
        return sympy.Rational(digits.replace("_", ""))

    def _number(self, node: ast.expr) -> sympy.Expr:
        """The value of what must not be a condition."""
        value = self.read(node)
        if not isinstance(value, sympy.Expr):
            raise InputError(f"{self.what}: {_shown(node)} is a condition, where a number or an expression is right")
        return value

    def _real(self, node: ast.expr) -> sympy.Expr:
        """The value of what is compared."""
        value = self._number(node)
        if value.is_extended_real is False:
            raise InputError(f"{self.what}: {_shown(node)} is not real and cannot be compared; a real one is right")
        return value

    def _finite(self, value: Any, node: ast.expr) -> Any:
        if value.has(*_INFINITE):
            raise InputError(f"{self.what}: {_shown(node)} is not a finite number; a finite expression would be right")
        if value.is_number and value.is_extended_real is False:
            raise InputError(f"{self.what}: {_shown(node)} is not real; a real expression in x would be right")
        # (x**999)**999 is x**998001 to SymPy, and nobody differentiates that.
        if value.is_Pow and value.exp.is_number and abs(value.exp) > LARGEST_EXPONENT:
            raise self._too_large(f"the exponent {value.exp}", node)
        return value

    def _too_large(self, subject: str, node: ast.expr | None = None) -> InputError:
        where = "" if node is None else f" in {_shown(node)}"
        return InputError(f"{self.what}: {subject}{where} is too large; at most {LARGEST_EXPONENT} is allowed")

    def _binary(self, op: type[ast.operator], left: Any, right: Any) -> Any:
        if op is ast.Div and right == 0:
            raise InputError(
                f"{self.what}: {_short(repr(self.text))} divides by zero; a finite expression in x would be right"
            )
        if op is ast.Pow and right.is_number:
            if right.is_extended_real is False:
                raise InputError(f"{self.what}: the exponent {right} is not real; a real number would be right")
            if abs(right) > LARGEST_EXPONENT:
                raise self._too_large(f"the exponent {right}")
            # ((9**999)**999)**999 has small exponents, and a value that fills the memory.
            digits = max(abs(int(left.p)), int(left.q)).bit_length() if isinstance(left, sympy.Rational) else 0
            if digits * abs(right) > _MOST_BITS or (
                left.is_number and left != 0 and abs(_logarithm(left) * right.evalf(5)) > _LARGEST_LOGARITHM
            ):
                raise InputError(
                    f"{self.what}: a power in {_short(repr(self.text))} is too large or too long; a float64 is shorter"
                )
        return _BINARY[op](left, right)

    def _call(self, name: str, arguments: list[ast.expr]) -> Any:
        if name not in self.functions:
            known = ", ".join(sorted([*self.functions, "Piecewise"]))
            raise InputError(f"{self.what}: {_short(name)} is not a known function; known are {known}")
        if name in ("Max", "Min"):
            fits, wanted = len(arguments) > 0, "one and more"
        elif name in ("log", "ln"):
            fits, wanted = len(arguments) in (1, 2), "one, or a base beside it,"
        else:
            fits, wanted = len(arguments) == 1, "one"
        if not fits:
            raise InputError(
                f"{self.what}: {name} does not take {len(arguments)} arguments as in {_short(repr(self.text))}; "
                f"{wanted} would be right"
            )
        # The size of exp(exp(30)) alone has more digits than fit into the memory once a sign is asked for.
        values = [(self._real if name in ("Max", "Min") else self._number)(a) for a in arguments]
        if name in _GROWING and values[0].is_number and not abs(values[0].evalf(5)) <= _LARGEST_LOGARITHM:
            raise InputError(f"{self.what}: {name}({_short(values[0])}) is too large; a float64 ends at 1e308")
        return self.functions[name](*values)

    def _piecewise(self, arguments: list[ast.expr]) -> Any:
        if not arguments:
            raise InputError(f"{self.what}: Piecewise has no branches; Piecewise((1, x < 1/2), (10, True)) is right")
        return sympy.Piecewise(*(self._branch(a) for a in arguments))

    def _branch(self, node: ast.expr) -> tuple[Any, Any]:
        if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
            raise InputError(
                f"{self.what}: {_shown(node)} is not a branch; (value, condition) as in (1, x < 1/2) is right"
            )
        condition = self.read(node.elts[1])
        if not isinstance(condition, sympy.logic.boolalg.Boolean) or isinstance(condition, sympy.Symbol):
            raise InputError(f"{self.what}: {_shown(node.elts[1])} is no condition; one such as x < 1/2 would be right")
        return self._number(node.elts[0]), condition


def _shown(node: ast.expr) -> str:
    return repr(_short(ast.unparse(node)))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:60]} … {text[-16:]}"


def _logarithm(number: sympy.Expr) -> Any:
    """log |number| to a few digits."""
    if isinstance(number, sympy.Rational):
        # A whole number of any length.
        return mpmath.log(abs(int(number.p))) - mpmath.log(int(number.q))
    return sympy.log(abs(number)).evalf(5)
