"""A jaxpr for any number of points, from the jaxprs of two numbers: what differs between them grows with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jax.extend import core

# Where an equation that calls jaxprs keeps them.
_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr", "cond_jaxpr", "body_jaxpr", "branches")


class NotAlikeError(Exception):
    """Two jaxprs of different numbers of points that do not make the same operations."""


@dataclass(frozen=True)
class Extent:
    """A whole number that grows with the number of points: offset + slope · points."""

    offset: int
    slope: int


@dataclass(frozen=True, eq=False)
class Step:
    """One equation.

    Attributes:
        primitive: JAX's.
        parameters: of the equation, with `Extent` for what grows with the number of points.
        inner: the programs that it calls, each under its name; of a conditional all branches.
        inputs: variables, or constants.
        outputs: variables.
    """

    primitive: Any
    parameters: Mapping[str, Any]
    inner: Mapping[str, list[Program]]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]

    def at(self, points: int) -> dict[str, Any]:
        """The parameters for so many points."""
        return {name: _at(value, points) for name, value in self.parameters.items()}


@dataclass(frozen=True, eq=False)
class Program:
    """Equations in order, for any number of points."""

    constants: tuple[tuple[Any, Any], ...]
    inputs: tuple[Any, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Any, ...]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of its inputs, for the first number of points."""
        return [tuple(v.aval.shape) for v in self.inputs]


def program(first: Any, second: Any, points: tuple[int, int]) -> Program:
    """Read two jaxprs of one function, of two numbers of points.

    Args:
        first: closed or not.
        second: the same function's.
        points: both numbers; the same one twice for a program of that number alone.

    Raises:
        NotAlikeError: they differ in more than numbers that grow with the points.
    """
    (one, held), (other, others) = _opened(first), _opened(second)
    if len(one.eqns) != len(other.eqns) or any(c.shape != d.shape for c, d in zip(held, others, strict=True)):
        raise NotAlikeError
    steps = []
    for a, b in zip(one.eqns, other.eqns, strict=True):
        if a.primitive is not b.primitive or len(a.invars) != len(b.invars):
            raise NotAlikeError
        inner = {
            name: [
                program(p, q, points) for p, q in zip(_several(a.params[name]), _several(b.params[name]), strict=True)
            ]
            for name in _INNER
            if name in a.params
        }
        parameters = {name: _fitted(v, b.params[name], points) for name, v in a.params.items()}
        for p, q in zip(a.invars, b.invars, strict=True):
            if isinstance(p, core.Literal) and not _same(p.val, q.val):
                raise NotAlikeError
        steps.append(Step(a.primitive, parameters, inner, tuple(a.invars), tuple(a.outvars)))
    constants = tuple(zip(one.constvars, held, strict=True))
    return Program(constants, tuple(one.invars), tuple(steps), tuple(one.outvars))


def _opened(jaxpr: Any) -> tuple[Any, Sequence[Any]]:
    return (jaxpr.jaxpr, jaxpr.consts) if isinstance(jaxpr, core.ClosedJaxpr) else (jaxpr, ())


def _several(jaxprs: Any) -> list[Any]:
    return list(jaxprs) if isinstance(jaxprs, tuple | list) else [jaxprs]


def _same(a: Any, b: Any) -> bool:
    # NaN is the same as itself here.
    return bool(a == b) or bool(a != a and b != b)


def _fitted(a: Any, b: Any, points: tuple[int, int]) -> Any:
    """A parameter of two numbers of points as one of any number."""
    if all(isinstance(v, tuple | list) and not hasattr(v, "_fields") for v in (a, b)):
        if len(a) != len(b):
            raise NotAlikeError
        return tuple(_fitted(p, q, points) for p, q in zip(a, b, strict=True))
    whole = all(hasattr(v, "__index__") and not isinstance(v, bool) for v in (a, b))
    if not whole or int(a) == int(b):
        return a
    slope, rest = divmod(int(b) - int(a), points[1] - points[0])
    if rest:
        raise NotAlikeError
    return Extent(int(a) - slope * points[0], slope)


def _at(value: Any, points: int) -> Any:
    if isinstance(value, Extent):
        return value.offset + value.slope * points
    return tuple(_at(v, points) for v in value) if type(value) is tuple else value
