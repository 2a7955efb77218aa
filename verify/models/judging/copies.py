"""Copies of a user's model with leaves of their own, in any precision: of a module, a function, or a closure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.holdings import Place, lent, modules, places
from ..seeing.model import leaf
from ..seeing.source_lines import at, line_of, sentence


def require_visible(module: torch.nn.Module) -> None:
    """Refuse modules whose operations or parameters cannot be looked at.

    Raises:
        InputError: it is scripted, or lazy and has not seen data.
    """
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            which = f"its part {name!r}" if name else "it"
            raise InputError(
                f"model: {which} is scripted, which hides its operations; the module that was given to torch.jit "
                "would be right"
            )
        if any(isinstance(p, torch.nn.parameter.UninitializedParameter) for p in part.parameters(recurse=False)):
            raise InputError(
                f"model: its layer {name!r} is lazy and has not seen data{at(line_of(module))}; one call of the model "
                "with a point of the domain before the audit would be right"
            )


def of_module(
    module: torch.nn.Module, parameters: Mapping[str, Tensor], dtype: torch.dtype
) -> tuple[Callable[[Tensor], Tensor], dict[str, Tensor]]:
    """A module of its own at these parameters, and those of its leaves.

    Raises:
        InputError: it cannot be copied.
    """
    # Names and hooks survive a deep copy, which a functional call would hide from the search for kinks.
    memo: dict[int, Any] = {}
    for part in module.modules():
        # What an earlier call left behind, as weight_norm does, is made anew at the next one.
        memo |= {id(v): v.detach().clone() for v in vars(part).values() if isinstance(v, Tensor) and not v.is_leaf}
    try:
        own = copy.deepcopy(module, memo)
    except Exception as error:
        raise InputError(
            f"model: it cannot be copied ({sentence(error)}){at(line_of(module))}; a module that holds tensors, "
            "numbers and modules, and no lock, generator or open file, would be right"
        ) from None
    own = own.to(device="cpu", dtype=dtype)
    for part in own.modules():
        # The same numbers, and what an in-place activation overwrites is still there to be looked at.
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment, unused-ignore]
        for key, value in vars(part).items():
            # A tensor that is no buffer stays what it was when a module is cast.
            if isinstance(value, Tensor) and value.is_floating_point():
                setattr(part, key, value.detach().to("cpu", dtype))
    leaves: dict[str, Tensor] = {n: p for n, p in own.named_parameters() if n in parameters}
    with torch.no_grad():
        for name, leaf in leaves.items():
            leaf.copy_(parameters[name])
    return own, leaves


def of_function(
    function: Callable[..., Any], parameters: Mapping[str, Tensor], dtype: torch.dtype
) -> tuple[Callable[[Tensor], Tensor], dict[str, Tensor]]:
    """A function of (parameters, x) at these parameters, as a function of x."""
    leaves = {n: leaf(p, dtype) for n, p in parameters.items()}
    return partial(function, leaves), leaves


def trainable(function: Callable[..., Any]) -> list[Place]:
    """The trainable tensors that a function of x alone holds, each once, such as those of a network it closes over."""
    found: dict[int, Place] = {}
    for place in places(function):
        if place.tensor.requires_grad and place.tensor.is_leaf:
            found.setdefault(id(place.tensor), place)
    return list(found.values())


@dataclass(frozen=True, eq=False)
class _Closed:
    """A function of x that is lent other tensors than those it holds, whenever it is called."""

    function: Callable[[Tensor], Tensor]
    pairs: tuple[tuple[Place, Tensor], ...]
    held: tuple[torch.nn.Module, ...]

    def __call__(self, x: Tensor) -> Tensor:
        with lent(self.pairs):
            return self.function(x)


def of_closure(
    function: Callable[[Tensor], Tensor], parameters: Mapping[str, Tensor], dtype: torch.dtype
) -> tuple[Callable[[Tensor], Tensor], dict[str, Tensor]]:
    """A function of x that is lent these parameters, and all else that it holds in the same type, when it is called."""
    leaves = {n: leaf(p, dtype) for n, p in parameters.items()}
    of = {id(p.tensor): leaves[p.name] for p in trainable(function)}
    pairs = []
    for place in places(function):
        other = of.get(id(place.tensor))
        pairs.append((place, place.tensor.detach().to("cpu", dtype) if other is None else other))
    return _Closed(function, tuple(pairs), tuple(modules(function))), leaves
