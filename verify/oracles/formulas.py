"""A pack's formulas in x as functions of any array library's arrays, without SymPy; nothing is executed."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import InputError

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
# SymPy's names → the array API standard's, where these differ from it they are tried under both (`arcsin`, `asin`).
_SAME = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt", "sign", "erf")
_INVERSE = {f"a{n}": (f"arc{n}", f"a{n}") for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}
_NAMES = {n: (n,) for n in _SAME} | _INVERSE | {"Abs": ("abs",)}
_RECIPROCALS = {"sec": "cos", "csc": "sin", "cot": "tan"}
_CONSTANTS = {"pi": math.pi, "E": math.e}
_NONE: Mapping[str, Any] = MappingProxyType({})


def evaluate(text: str, x: Any, namespace: Any, others: Mapping[str, Any] = _NONE) -> Any:
    """The value of a pack's formula at x.

    Args:
        text: as packs have it: numbers, x, pi, E, + - * / **, elementary functions, `Piecewise` with conditions on x.
        x: an array of the library.
        namespace: the library: `numpy`, `jax.numpy`, `torch`, …
        others: further names and their arrays, such as u and du of a density.

    Returns:
        An array of the shape of x.

    Raises:
        InputError: the text is no such formula, or the library lacks a function.

    Examples:
        >>> import numpy
        >>> evaluate("Piecewise((1, x < 1/2), (x**2, True))", numpy.array([0.0, 2.0]), numpy)
        array([1., 4.])
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"formula: {text!r} is not an expression; something like 2*sin(pi*x) would be right") from None
    return _Evaluation(text, x, namespace, others).value(tree) + 0 * x


class _Evaluation:
    """One text at one x; kept as a class only to carry them into the recursion."""

    def __init__(self, text: str, x: Any, namespace: Any, others: Mapping[str, Any]) -> None:
        self.text, self.x, self.namespace = text, x, namespace
        self.names = {**_CONSTANTS, **others, "x": x}

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() as number):
                return number
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return _COMPARISONS[type(op)](self.value(left), self.value(right))
            case ast.Call(func=ast.Name(id="Piecewise"), args=[_, *_] as branches, keywords=[]):
                return self.piecewise(branches)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
                return self.function(name, self.value(argument))
        raise InputError(
            f"formula: {ast.unparse(node)!r} in {self.text!r} is not known; a pack's formula would be right"
        )

    def piecewise(self, branches: list[ast.expr]) -> Any:
        out: Any = None
        for branch in reversed(branches):
            if not isinstance(branch, ast.Tuple) or len(branch.elts) != 2:
                raise InputError(f"formula: {ast.unparse(branch)!r} is not a branch; (1, x < 1/2) would be right")
            value = self.value(branch.elts[0]) + 0 * self.x
            condition = self.value(branch.elts[1])
            out = value if out is None or condition is True else self.namespace.where(condition, value, out)
        return out

    def function(self, name: str, argument: Any) -> Any:
        if name in _RECIPROCALS:
            return 1 / self.function(_RECIPROCALS[name], argument)
        if name not in _NAMES:
            raise InputError(f"formula: {name} in {self.text!r} is not known; one of {', '.join(_NAMES)} is")
        if isinstance(argument, int | float) and hasattr(math, name):
            # Constants stay Python numbers: torch's functions take tensors only.
            return getattr(math, name)(argument)
        for spelling in _NAMES[name]:
            if hasattr(self.namespace, spelling):
                return getattr(self.namespace, spelling)(argument)
        library = getattr(self.namespace, "__name__", self.namespace)
        raise InputError(f"formula: {library} has no {name}, which {self.text!r} needs; another case would be right")
