"""A function written in JAX as one in torch: its jaxpr read, and evaluated there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax.extend import core
from torch import Tensor

from ...errors import InputError
from ..seeing.operations import Interception
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from .primitives import COMPOSITIONS, apply, known
from .program import NotAlikeError, Program, Step, program

# A program is read from those of two numbers of points, which no width of a layer is likely to be.
_READ = (10_007, 10_009)
# A composition is taken for torch's own if it is on random numbers, up to rounding.
_SAME, _TRIED = 1e-12, 3.0


class Translation:
    """A function of JAX arrays, told in torch.

    Arguments that are tensors themselves hold a row for each point, those that are containers of tensors do not.

    Args:
        function: of pytrees of arrays, to one array.
        subject: what it is, for messages: "model", "density".
        told: the user's own, which `function` wraps.
    """

    def __init__(self, function: Callable[..., Any], subject: str, told: Callable[..., Any]) -> None:
        self._function = function
        self._subject = subject
        self.__wrapped__ = told
        self.__name__ = str(getattr(told, "__name__", type(told).__name__))
        self._programs: dict[Any, Program] = {}

    def __call__(self, *arguments: Any, **named: Any) -> Tensor:
        """The function of tensors; floats are kept in the type of the last argument.

        Raises:
            InputError: an operation that torch has not, or that it cannot be read with tensors of these shapes.
        """
        points, real = len(arguments[-1]), arguments[-1].dtype
        tensors: list[Tensor] = jax.tree.leaves((arguments, named))
        with jax.enable_x64(True):
            read = self._program(arguments, named, points)
            try:
                (found,) = _Evaluation(points, real).of(read, tensors)
            except _UnknownError as error:
                raise InputError(
                    f"{self._subject}: {error} of values that depend on x or on the parameters cannot be told in "
                    f"torch's terms{at(line_of(self.__wrapped__))}; jax.numpy's elementary functions, products and "
                    "loops would be right"
                ) from None
            return _tensor(found, real)

    def _program(self, arguments: Any, named: Any, points: int) -> Program:
        whole = (arguments, named)
        leaves, structure = jax.tree.flatten(whole)
        over = jax.tree.leaves((tuple(map(_by_point, arguments)), {n: _by_point(v) for n, v in named.items()}))
        shapes = [tuple(t.shape[1:]) if p else tuple(t.shape) for t, p in zip(leaves, over, strict=True)]
        key = (structure, tuple(shapes))
        if key in self._programs:
            return self._programs[key]
        if (key, points) in self._programs:
            return self._programs[key, points]

        def traced(count: int) -> Any:
            like = [
                _shaped((count, *s) if p else s, np.float64 if t.is_floating_point() else np.int64)
                for t, p, s in zip(leaves, over, shapes, strict=True)
            ]
            return jax.make_jaxpr(partial(self._flat, structure))(*like)

        try:
            self._programs[key] = program(traced(_READ[0]), traced(_READ[1]), _READ)
            return self._programs[key]
        except NotAlikeError:
            # What is done differs from number to number: each is read by itself.
            alone = traced(points)
            self._programs[key, points] = program(alone, alone, (points, points))
            return self._programs[key, points]
        except InputError:
            raise
        except Exception as error:
            line = at(line_of_error(error) or line_of(self.__wrapped__))
            raise InputError(
                f"{self._subject}: JAX cannot trace it ({sentence(error)}){line}; what jax.jit takes would be right"
            ) from None

    def _flat(self, structure: Any, *flat: Any) -> Any:
        arguments, named = jax.tree.unflatten(structure, flat)
        return self._function(*arguments, **named)


def _shaped(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.eval_shape(lambda: jnp.zeros(shape, dtype))


def _by_point(argument: Any) -> Any:
    """For each tensor of an argument, does it hold a row for each point?"""
    return jax.tree.map(lambda _: isinstance(argument, Tensor), argument)


class _UnknownError(Exception):
    """An operation that torch has not."""


def _tensor(value: Any, real: torch.dtype) -> Tensor:
    """A constant of JAX as a tensor."""
    if isinstance(value, Tensor):
        return value
    if jnp.issubdtype(getattr(value, "dtype", np.float64), jax.dtypes.prng_key):
        raise _UnknownError("a random key")
    array = np.asarray(value)
    if array.dtype.kind == "c":
        raise _UnknownError("complex numbers")
    kind = {"b": np.bool_, "i": np.int64, "u": np.int64}.get(array.dtype.kind, np.float64)
    found = torch.from_numpy(np.array(array, dtype=kind))
    return found.to(real) if found.is_floating_point() else found


class _Evaluation:
    """A program evaluated; what depends on tensors is a tensor, and JAX itself answers for all else.

    Args:
        points: how many.
        real: the type of floats.
    """

    def __init__(self, points: int, real: torch.dtype) -> None:
        self._points = points
        self._real = real

    def of(self, read: Program, arguments: Sequence[Any]) -> list[Any]:
        """The outputs."""
        held: dict[Any, Any] = dict(read.constants)
        held.update(zip(read.inputs, arguments, strict=True))

        def value(atom: Any) -> Any:
            return atom.val if isinstance(atom, core.Literal) else held[atom]

        for step in read.steps:
            held.update(zip(step.outputs, self._applied(step, [value(a) for a in step.inputs]), strict=True))
        return [value(a) for a in read.outputs]

    def _applied(self, step: Step, given: list[Any]) -> list[Any]:
        name = step.primitive.name
        depends = any(isinstance(v, Tensor) for v in given)
        if name in ("scan", "while", "cond"):
            return {"scan": self._scanned, "while": self._looped, "cond": self._branched}[name](step, given)
        parameters = step.at(self._points)
        if step.inner:
            (inner,) = next(iter(step.inner.values()))
            composition = COMPOSITIONS.get(str(parameters.get("name"))) if depends else None
            if composition is not None and _is(composition, inner):
                return [composition(*map(self._tensor, given))]
            return self.of(inner, given)
        if not depends:
            # What no tensor reaches, such as the drawing of random features from a key, is JAX's own affair.
            found = step.primitive.bind(*given, **parameters)
            return list(found) if step.primitive.multiple_results else [found]
        if name == "split":
            return list(torch.split(self._tensor(given[0]), list(parameters["sizes"]), parameters["axis"]))
        if name == "sort" and len(given) == 1:
            return [torch.sort(self._tensor(given[0]), dim=parameters["dimension"]).values]
        if name == "optimization_barrier":
            return given
        if not known(name):
            raise _UnknownError(f"lax.{name}")
        return [apply(name, parameters, [self._tensor(v) for v in given])]

    def _tensor(self, value: Any) -> Tensor:
        return _tensor(value, self._real)

    def _scanned(self, step: Step, given: list[Any]) -> list[Any]:
        """A loop of fixed length, each turn after the other."""
        parameters = step.at(self._points)
        fixed, carried = parameters["num_consts"], parameters["num_carry"]
        constants, carry, rows = given[:fixed], given[fixed : fixed + carried], given[fixed + carried :]
        (body,) = step.inner["jaxpr"]
        turns: list[list[Any]] = []
        order = range(parameters["length"])
        for k in reversed(order) if parameters["reverse"] else order:
            found = self.of(body, [*constants, *carry, *(r[k] for r in rows)])
            carry = found[:carried]
            turns.append(found[carried:])
        turns = turns[::-1] if parameters["reverse"] else turns
        return [*carry, *(torch.stack([self._tensor(t) for t in column]) for column in zip(*turns, strict=True))]

    def _looped(self, step: Step, given: list[Any]) -> list[Any]:
        """A loop until a condition fails, for all points together."""
        of_condition, of_body = step.parameters["cond_nconsts"], step.parameters["body_nconsts"]
        (condition,), (body,) = step.inner["cond_jaxpr"], step.inner["body_jaxpr"]
        asked, constants = given[:of_condition], given[of_condition : of_condition + of_body]
        carry = given[of_condition + of_body :]
        while bool(self.of(condition, [*asked, *carry])[0]):
            carry = self.of(body, [*constants, *carry])
        return carry

    def _branched(self, step: Step, given: list[Any]) -> list[Any]:
        """One branch, chosen for all points together."""
        branches = step.inner["branches"]
        return self.of(branches[min(max(int(given[0]), 0), len(branches) - 1)], given[1:])


@cache
def _is(composition: Callable[..., Tensor], inner: Program) -> bool:
    """Is a function of the user's of this name the one that torch has? Asked of random numbers."""
    generator = np.random.default_rng(0)
    given = [torch.from_numpy(np.array(_TRIED * generator.standard_normal(s))) for s in inner.shapes]
    try:
        with Interception.paused():
            (own,) = _Evaluation(_READ[0], torch.float64).of(inner, given)
            found = composition(*given)
            return own.shape == found.shape and bool((own - found).abs().max() <= _SAME * (1 + own.abs().max()))
    except (RuntimeError, TypeError, ValueError, _UnknownError):
        return False
