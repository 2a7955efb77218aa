"""A stack of linear layers inside a model: linear on each cell, so that one evaluation a cell tells what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..seeing.layers import ACTIVATIONS
from ..seeing.pieces import at_once
from .faces import Face
from .fields import SpaceModel

# What of the largest |u| and |∇u| the model as it is told may be off inside a cell: a million roundings, where parts of
# a stack cancel.
_OFF = 1e-10
# Where in a cell that is looked at, between two places inside.
_BETWEEN = 0.37


@dataclass(frozen=True, eq=False)
class Cellwise:
    """A model on cells, each with a place inside.

    Attributes:
        model: whole.
        face: in which the cells lie.
        inside: a place in each, (C, 2).
        length: operations of the stack, nil if there is none that tells all that breaks.
        value: what the stack gives there, (C, m).
        rise: its derivatives, (C, m, d).
    """

    model: SpaceModel
    face: Face
    inside: Tensor
    length: int
    value: Tensor
    rise: Tensor

    def on(self, cell: Tensor) -> SpaceModel:
        """The model at points of which each lies in or on a cell, (n,); of no use for gradients by parameters."""
        return self._told(self.value, self.rise, cell) if self.length else self.model

    def with_graph(self, low: int, high: int, cell: Tensor) -> SpaceModel:
        """The same with its graph, for points of cells from low up to high."""
        if not self.length:
            return self.model
        value, rise = _looked(self.model, self.face.at(self.inside[low:high]))
        return replace(self, inside=self.inside[low:high])._told(value, rise, cell - low)

    def _told(self, value: Tensor, rise: Tensor, cell: Tensor) -> SpaceModel:
        middle = self.face.at(self.inside)

        def function(x: Tensor) -> Tensor:
            answer = value[cell] + (rise[cell] @ (x - middle[cell])[..., None])[..., 0]
            with _Following(x, answer, self.length):
                found: Tensor = self.model.function(x)
            return found

        return replace(self.model, function=function)


def cellwise(model: SpaceModel, face: Face, calls: int, inside: Tensor, corner: Tensor) -> Cellwise:
    """Look for a stack that holds all breaking calls, and whether it tells the model.

    Args:
        model: whole.
        face: in which the cells lie.
        calls: how many of the model break.
        inside: a place in each cell, (C, 2).
        corner: a corner of each, (C, 2).
    """
    nothing = torch.zeros(0, dtype=torch.float64)
    whole = Cellwise(model, face, inside, 0, nothing, nothing)
    x = face.at(inside)
    with torch.no_grad():
        seen = _Following(x[:1])
        with seen:
            model.function(seen.at)
    if not calls or seen.activations != calls or not seen.length:
        return whole
    size = at_once(model.widest)
    parts = [[a.detach() for a in _looked(model, p)] for p in torch.split(x, size)]
    value, rise = (torch.cat(a) for a in zip(*parts, strict=True))
    told = replace(whole, length=seen.length, value=value, rise=rise)
    # What is taken from the middle of the stack is not a number then.
    every = torch.arange(len(x))
    away = face.at(torch.lerp(inside, corner, _BETWEEN))
    for part in torch.split(every, size):
        try:
            known = told.on(part).fields(away[part])[:2]
        except RuntimeError:
            return whole
        for own, true in zip(known, model.fields(away[part])[:2], strict=True):
            if not float((own - true).detach().abs().max()) <= _OFF * float(true.detach().abs().max()):
                return whole
    return told


def _looked(model: SpaceModel, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the stack gives at points (n, d), (n, m), and its derivatives, (n, m, d), with their graphs."""
    seen = _Following(x.detach().requires_grad_())
    with seen:
        model.function(seen.at)
    given = seen.affine
    assert given is not None
    rise = [torch.autograd.grad(c.sum(), seen.start, create_graph=True)[0] for c in given.unbind(1)]
    return given, torch.stack(rise, 1)


class _Following(TorchFunctionMode):
    """Follows x through linear layers and activations, as long as one takes up what the other gave.

    Args:
        x: where it starts.
        answer: what the stack gives; without it is computed.
        length: operations of the stack that then are left out, with what is not a number in their place.
    """

    def __init__(self, x: Tensor, answer: Tensor | None = None, length: int = 0) -> None:
        super().__init__()
        self.start = self.at = x
        self.affine: Tensor | None = None
        self.length = self.activations = 0
        self._answer = answer
        self._skipped = length
        self._passed = self._active = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Look at one call, and make it or answer it."""
        kwargs = dict(kwargs or {})
        name = str(getattr(func, "__name__", "")).strip("_")
        first = args[0] if args else kwargs.get("input")
        if first is not self.at or not (name == "linear" or name in ACTIVATIONS):
            return func(*args, **kwargs)
        self._passed += 1
        if self._passed < self._skipped:
            weight = args[1] if len(args) > 1 else kwargs.get("weight", self.at.T)
            columns = len(weight if name == "linear" else self.at.T)
            self.at = self.start.new_full((), torch.nan).expand(len(self.start), columns)
        elif self._passed == self._skipped:
            assert self._answer is not None
            self.at = self._answer
        else:
            self.at = func(*args, **kwargs)
        if name == "linear":
            self.affine, self.length, self.activations = self.at, self._passed, self._active
        else:
            self._active += 1
        return self.at
