"""An energy's density as a user writes it: what it is handed, in which shapes, and what it must give."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor

from ...verify.errors import InputError
from .fields import Fields


@dataclass(frozen=True, eq=False)
class Density:
    """L(x, u, ∂u/∂x) and, by name, of second derivatives and parameters.

    Attributes:
        function: the user's.
        second: it takes `ddu`.
        parameters: by name, for one that takes them; None for one that does not.
    """

    function: Callable[..., Tensor]
    second: bool
    parameters: Mapping[str, Tensor] | None

    def at(self, fields: Fields, x: Tensor, u: Tensor, du: Tensor, ddu: Tensor | None = None) -> Tensor:
        """L at points, (…,).

        Args:
            fields: the model.
            x: (…, d).
            u: (…, m).
            du: (…, m, d).
            ddu: (…, m, d, d), where it is taken.

        Raises:
            InputError: it fails, or does not give one number a point.
        """
        several = fields.outputs > 1
        d = fields.inputs
        count = x.shape[:-1].numel()
        handed = [x.reshape(count, d), u.reshape(count, -1), du.reshape(count, -1, d)]
        if ddu is not None:
            handed.append(ddu.reshape(count, -1, d, d))
        if not several:
            handed[1:] = [a[:, 0] for a in handed[1:]]
        if d == 1:
            handed = [a.reshape(count, -1) if several and k else a.reshape(count) for k, a in enumerate(handed)]
        named: dict[str, Any] = {} if ddu is None else {"ddu": handed[3]}
        further = () if self.parameters is None else (self.parameters,)
        try:
            found = self.function(*handed[:3], *further, **named)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"density: for {_shapes(handed)} it fails ({type(error).__name__}: "
                f"{str(error).partition(chr(10))[0]}); one that takes these shapes, elementwise in the first axis, "
                "would be right"
            ) from error
        if not isinstance(found, Tensor) or found.shape != handed[0].shape[:1]:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise InputError(
                f"density: for {_shapes(handed)} it gives {got}; ({count},), one number a point, would be right"
            )
        return found.reshape(x.shape[:-1])


def _shapes(handed: Sequence[Tensor]) -> str:
    return ", ".join(f"{n} {tuple(a.shape)}" for n, a in zip(("x", "u", "du", "ddu"), handed, strict=False))


def density_of(function: Callable[..., Tensor], parameters: Mapping[str, Tensor]) -> Density:
    """What a density takes.

    Args:
        function: of x, u, du, with a fourth argument, needed or called `parameters`, also of these by name; one called
            `ddu` is handed the second derivatives.
        parameters: by name.
    """
    second, named = _taken(function)
    return Density(function, second, parameters if named else None)


def takes_parameters(function: Any) -> bool:
    """Does it need a fourth argument, or call one `parameters`? A fourth with a default may be anything else."""
    return _taken(function)[1]


# Of each text what it takes, however often it is written down anew.
_TAKEN: WeakKeyDictionary[CodeType, tuple[bool, bool]] = WeakKeyDictionary()


def _taken(function: Any) -> tuple[bool, bool]:
    """Does it take second derivatives, parameters?"""
    text = getattr(function, "__code__", None)
    if text is not None and text in _TAKEN:
        return _TAKEN[text]
    try:
        named = dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return False, False
    second = named.pop("ddu", None) is not None
    needed = [
        p for p in named.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]  # fmt: skip
    found = second, len(needed) > 3 or any(n == "parameters" for n in list(named)[3:4])
    if text is not None:
        _TAKEN[text] = found
    return found


# The text of densities that were seen to be elementwise.
_SEEN: WeakSet[CodeType] = WeakSet()


def elementwise(density: Density, fields: Fields, given: Sequence[Tensor], whole: Tensor) -> None:
    """Refuse a density whose value at a point depends on the others; each text is looked at once.

    Args:
        density: L.
        fields: the model.
        given: x, u, du and what else it was handed, (K, …).
        whole: what it made of these, (K,).

    Raises:
        InputError: it does.
    """
    text = getattr(density.function, "__code__", None)
    if text in _SEEN or not len(whole):
        return
    # The two sides of a kink may be far apart: what one quarter holds, two do not.
    quarters = zip(*(a.chunk(4) for a in given), strict=True)
    apart = torch.cat([density.at(fields, *quarter) for quarter in quarters])
    # The order of sums may differ.
    allowed = 2**10 * torch.finfo(whole.dtype).eps * whole.abs().max()
    if bool(((whole - apart).abs() > allowed).any()):
        raise InputError(
            "density: its value at a point depends on which other points are asked for with it; one that is "
            "elementwise in the first axis, with no mean() or max() over it, would be right"
        )
    if text is not None:
        _SEEN.add(text)
