"""A density along a model in any number of inputs, as a function of x alone, where the density itself jumps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import CodeType
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.eager import may_require_gradients
from ...verify.models.seeing.operations import TEARING, Interception, called
from ...verify.models.seeing.trace import held_by
from .density import Density
from .fields import Fields, seen_along


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
        if not may_require_gradients():
            raise InputError(
                "density: it jumps somewhere, and within torch.func such jumps cannot be followed; plain autograd is "
                "right"
            )
        with torch.enable_grad():
            points = x.reshape(len(x), self.fields.inputs)
            points = points if points.requires_grad else points.detach().requires_grad_()
            u, du = self.fields.graph(points)
            return self.density.at(self.fields, points, u, du)


def with_jumps(fields: Fields, density: Density, box: Tensor) -> Fields:
    """The model, or where the density has jumps of its own the integrand, to be searched for all of these.

    Args:
        fields: the model.
        density: L.
        box: of the domain, (d, 2).
    """
    if density.second or not _tears(fields, density, box):
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
    """Does L jump where u or ∇u pass some value? Fixed places in x do not move and need nothing."""
    found: list[bool] = []

    def take(name: str, broken: list[Tensor]) -> None:
        found.append(called(name) in TEARING and any(z.requires_grad for z in broken))

    x = box.mean(1).to(fields.trace.device, fields.trace.dtype)[None].expand(2, -1)
    u = torch.ones(2, fields.outputs, dtype=x.dtype, device=x.device)
    du = torch.ones(2, fields.outputs, fields.inputs, dtype=x.dtype, device=x.device)
    try:
        u.requires_grad_()
        du.requires_grad_()
    except RuntimeError:
        return False
    with torch.enable_grad(), Interception(take):
        density.at(fields, x, u, du)
    return any(found)
