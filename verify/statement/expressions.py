"""Text from a user → SymPy, by a whitelist over Python's `ast`. Nothing is ever executed."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np
import sympy

from ..errors import InputError

X = sympy.Symbol("x", real=True)

_ELEMENTARY = """sin cos tan sec csc cot asin acos atan sinh cosh tanh asinh acosh atanh exp log sqrt sign erf"""
_FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(sympy, name) for name in _ELEMENTARY.split()}
_FUNCTIONS |= {"Abs": sympy.Abs, "abs": sympy.Abs, "Max": sympy.Max, "Min": sympy.Min, "ln": sympy.log}
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
LONGEST_TEXT = 2000
# A numeric power is computed on the spot; this keeps 9**9**9 from filling the memory.
LARGEST_EXPONENT = 1000


def parse(value: object, what: str = "expression", variables: Mapping[str, sympy.Symbol] = _VARIABLES) -> sympy.Expr:
    """Make a SymPy expression in the real symbol `X` from text, a number or SymPy.

    Args:
        value: text such as ``"Piecewise((1, x < 1/2), (10, True))"``, a number, or a SymPy expression in one symbol
            named x. Decimal numbers are read exactly: ``0.1`` is 1/10.
        what: what the expression is, for the error message.
        variables: name → symbol; by default x alone.

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
        expression = _from_sympy(value, what, variables)
    elif isinstance(value, str):
        expression = _from_text(value, what, variables)
    elif isinstance(value, bool) or not isinstance(value, int | float | sympy.Integer):
        raise InputError(f"{what}: {value!r} is a {type(value).__name__}; text, a number or SymPy would be right")
    else:
        expression = sympy.Rational(str(value)) if _finite(value) else sympy.nan
    if not isinstance(expression, sympy.Expr):
        raise InputError(f"{what}: {value} is a condition; an expression in x would be right")
    if expression.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
        raise InputError(f"{what}: {value} is not a finite number; a finite expression in x would be right")
    if expression.has(sympy.I):
        raise InputError(f"{what}: {value} is not real; a real expression in x would be right")
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


def _from_sympy(value: sympy.Basic, what: str, variables: Mapping[str, sympy.Symbol]) -> sympy.Basic:
    strangers = {s for s in value.free_symbols if s.name not in variables}
    if strangers:
        there = "x is the only one there is" if len(variables) == 1 else f"{', '.join(variables)} are known"
        raise InputError(f"{what}: unknown symbol {min(map(str, strangers))}; {there}")
    for node in sympy.preorder_traversal(value):
        if not isinstance(node, (*_CLASSES, sympy.Symbol, sympy.Tuple)) and node not in (sympy.I, sympy.zoo, sympy.nan):
            raise InputError(
                f"{what}: {node.func.__name__} in {value} is not supported; "
                f"known functions are {', '.join(sorted([*_FUNCTIONS, 'Piecewise']))}"
            )
    exact = {f: sympy.Rational(str(f)) for f in value.atoms(sympy.Float)}
    return value.subs({s: variables[s.name] for s in value.free_symbols}).xreplace(exact)


def _from_text(text: str, what: str, variables: Mapping[str, sympy.Symbol]) -> Any:
    if len(text) > LONGEST_TEXT:
        raise InputError(f"{what}: {len(text)} characters are too many; at most {LONGEST_TEXT} would be right")
    try:
        with warnings.catch_warnings():
            # Python warns of odd but legal text such as 1if; what is odd here is refused below.
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text.strip(), mode="eval")
        return _Reader(text, what, variables).read(tree.body)
    except (SyntaxError, RecursionError, MemoryError):
        raise InputError(f"{what}: {text!r} is not an expression; something like 2*sin(pi*x) would be right") from None
    except ZeroDivisionError:
        raise InputError(f"{what}: {text!r} divides by zero; a finite expression in x would be right") from None


class _Reader:
    """Reads one text; kept as a class only to carry the text and its role into every message."""

    def __init__(self, text: str, what: str, variables: Mapping[str, sympy.Symbol]) -> None:
        self.text, self.what, self.variables = text, what, variables
        self.names = {**variables, **_CONSTANTS}

    def read(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() as value):
                return sympy.true if value else sympy.false
            case ast.Constant(value=int() | float()):
                # The digits as they were typed: 0.1 means one tenth, not the nearest binary number.
                return sympy.Rational((ast.get_source_segment(self.text.strip(), node) or "").replace("_", ""))
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Name(id=name):
                raise InputError(f"{self.what}: unknown symbol {name}; {', '.join(self.variables)}, pi and E are known")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.read(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self._binary(type(op), self.read(left), self.read(right))
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(o) in _COMPARISONS for o in ops):
                values = [self.read(v) for v in (left, *others)]
                links = zip(values, ops, values[1:], strict=False)
                return sympy.And(*(_COMPARISONS[type(o)](a, b) for a, o, b in links))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        shown = ast.unparse(node)
        raise InputError(
            f"{self.what}: {shown!r} is not allowed; numbers, {', '.join(self.variables)}, pi, E, + - * / **, "
            "comparisons and the elementary functions are"
        )

    def _binary(self, op: type[ast.operator], left: Any, right: Any) -> Any:
        if op is ast.Pow and right.is_number and abs(right) > LARGEST_EXPONENT:
            raise InputError(f"{self.what}: the exponent {right} is too large; at most {LARGEST_EXPONENT} is allowed")
        return _BINARY[op](left, right)

    def _call(self, name: str, arguments: list[ast.expr]) -> Any:
        if name == "Piecewise":
            return sympy.Piecewise(*(self._branch(a) for a in arguments))
        if name not in _FUNCTIONS:
            known = ", ".join(sorted([*_FUNCTIONS, "Piecewise"]))
            raise InputError(f"{self.what}: {name} is not a known function; known are {known}")
        try:
            return _FUNCTIONS[name](*(self.read(a) for a in arguments))
        except TypeError:
            raise InputError(
                f"{self.what}: {name} does not take {len(arguments)} arguments as in {self.text!r}; "
                "one would be right, or two and more for Max and Min"
            ) from None

    def _branch(self, node: ast.expr) -> tuple[Any, Any]:
        if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
            raise InputError(
                f"{self.what}: {ast.unparse(node)!r} is not a branch; (value, condition) as in (1, x < 1/2) is right"
            )
        return self.read(node.elts[0]), self.read(node.elts[1])
