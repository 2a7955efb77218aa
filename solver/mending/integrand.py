"""A density along a model in any number of inputs, as a function of x alone, where the density itself jumps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import CodeType
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ...verify.models.seeing.eager import may_require_gradients
from ...verify.models.seeing.operations import TEARING, Interception, called
from ...verify.models.seeing.trace import held_by
from ...verify.models.space.along import seen_along
from .density import Density
from .fields import Fields


@dataclass(frozen=True, eq=False)
class Integrand:
    """x ↦ L(x, u(x), ∇u(x)), whose breaks are those of the model and, after them, the density's own.

    Attributes:
        fields: the model.
        density: L.
    """

    fields: Fields
    density: Density

    def __call__(self, x: Tensor) -> Tensor:
        """L at points (n, d), in one input also (n,): (n,), with its graph in the parameters and in x."""
        points = x.reshape(len(x), self.fields.inputs)
        with torch.enable_grad():
            if not may_require_gradients():
                return self.density.at(self.fields, points, *_nested(self.fields, points, self.density.second))
            points = points if points.requires_grad else points.detach().requires_grad_()
            u, du = self.fields.graph(points)
            given = [u, du]
            if self.density.second:
                slopes = du.flatten(1).unbind(1)
                rows = [_slope(c, points) for c in slopes]
                given.append(torch.stack(rows, 1).reshape(*du.shape, -1))
            return self.density.at(self.fields, points, *given)


def _slope(column: Tensor, points: Tensor) -> Tensor:
    """∇ of one number a point, (n, d), with graph; nought of what does not depend on them, as ∇u of a linear u."""
    if not column.requires_grad:
        return torch.zeros_like(points)
    return torch.autograd.grad(column.sum(), points, create_graph=True, materialize_grads=True)[0]


def _nested(fields: Fields, points: Tensor, second: bool) -> list[Tensor]:
    """u, ∇u and, if asked for, ∇∇u within a transform of torch.func, where nothing can be made to require gradients."""

    def value(x: Tensor) -> Tensor:
        return fields.model(x if fields.inputs > 1 or fields.trace.column else x[:, 0]).reshape(len(x), -1)

    def slopes(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        found, pull, *_ = torch.func.vjp(function, x)
        seeds = torch.eye(found.shape[1], dtype=found.dtype, device=found.device)
        return found, torch.stack([pull(seed.expand_as(found))[0] for seed in seeds], 1)

    u, du = slopes(value, points)
    if not second:
        return [u, du]
    _, ddu = slopes(lambda x: slopes(value, x)[1].flatten(1), points)
    return [u, du, ddu.reshape(*du.shape, -1)]


def with_jumps(fields: Fields, density: Density, box: Tensor) -> Fields:
    """The model, or where the density has jumps of its own the integrand, to be searched for all of these.

    Args:
        fields: the model.
        density: L.
        box: of the domain, (d, 2).
    """
    if not _tears(fields, density, box):
        return fields
    whole = Integrand(fields, density)
    seen = seen_along(whole, box, fields.trace.dtype, fields.trace.device, 1)
    own = len(fields.trace.calls)
    # What autograd does inside is not among the operations that are known.
    seen = replace(seen, column=False, unknown=fields.trace.unknown, straight=False, slopes_from=own)
    return Fields(whole, seen, fields.inputs, 1, None, fields) if len(seen.calls) > own else fields


# Of each text, and of what it closes over, whether it jumps.
_TEARS: WeakKeyDictionary[CodeType, tuple[tuple[int, ...], bool]] = WeakKeyDictionary()


def _tears(fields: Fields, density: Density, box: Tensor) -> bool:
    """See `_torn`; a text that closes over the same is looked at once."""
    text = getattr(density.function, "__code__", None)
    if text is None:
        return _torn(fields, density, box)
    held = tuple(map(id, held_by(density.function)))
    known = _TEARS.get(text)
    if known is None or known[0] != held:
        known = _TEARS[text] = held, _torn(fields, density, box)
    return known[1]


def _torn(fields: Fields, density: Density, box: Tensor) -> bool:
    """Does L jump where u or a derivative of it passes some value? Fixed places in x do not move and need nothing."""
    found: list[Tensor] = []

    def take(name: str, broken: list[Tensor]) -> None:
        if called(name) in TEARING:
            found.extend(broken)

    d, m = fields.inputs, fields.outputs
    x = box.mean(1).to(fields.trace.device, fields.trace.dtype)[None].expand(2, -1)
    shapes = [(2, m), (2, m, d), (2, m, d, d)][: 3 if density.second else 2]
    given = [torch.ones(shape, dtype=x.dtype, device=x.device) for shape in shapes]
    if may_require_gradients():
        for tensor in given:
            tensor.requires_grad_()
        with torch.enable_grad(), Interception(take):
            density.at(fields, x, *given)
        return any(z.requires_grad for z in found)
    # Within a transform of torch.func a value that moves is known by its being another one.
    with Interception(take):
        density.at(fields, x, *given)
        first, found = found, []
        density.at(fields, x, *(math.pi * tensor for tensor in given))
    return bool(found) and (density.parameters is not None or any(map(_differ, first, found)))


def _differ(a: Tensor, b: Tensor) -> bool:
    return bool((a != b).any())
