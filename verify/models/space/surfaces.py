"""Where L jumps over the surfaces of kinks: what their motion adds to a gradient, as a whole and unit by unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..seeing.pieces import at_once
from .fields import SpaceModel
from .lines import Searched

# Units whose own part of the gradient is worked out.
_RANKED = 12


@dataclass(frozen=True, eq=False)
class Crossings:
    """Places on kinks where L may jump, by ascending calls.

    Attributes:
        layer: of the breaking call, (K,).
        column: which branch and unit of it, (K,).
        x: the places, (K, d).
        aside: from one side of the kink to the other, where L is meant to be less and more, (K, d).
        weighted: ⟦L⟧, more less less, times the part of the surface that the place stands for, (K,).
        height: ⟦L⟧ alone, (K,).
        tangents: of the part of the domain that they lie in, (d, e): what of ∂z/∂x counts.
    """

    layer: Tensor
    column: Tensor
    x: Tensor
    aside: Tensor
    weighted: Tensor
    height: Tensor
    tangents: Tensor

    @classmethod
    def none(cls, inputs: int) -> Crossings:
        """Of a model without kinks."""
        row, places = torch.zeros(0, dtype=torch.float64), torch.zeros(0, inputs, dtype=torch.float64)
        return cls(row.long(), row.long(), places, places, row, row, torch.eye(inputs, dtype=torch.float64))

    def only(self, mine: Tensor) -> Crossings:
        """Some of them."""
        names = ("layer", "column", "x", "aside", "weighted", "height")
        return replace(self, **{n: getattr(self, n)[mine] for n in names})


@dataclass(frozen=True, eq=False)
class Unit:
    """One unit and the part of the gradient that the motion of its surface makes.

    Attributes:
        layer: of the breaking call.
        neuron: which number of that call.
        label: the two in words.
        place: a place on its surface, (d,), in the middle of where it matters.
        gradient: (P,).
    """

    layer: int
    neuron: int
    label: str
    place: Tensor
    gradient: Tensor


def zeros_at(
    model: SpaceModel, what: Searched, layer: Tensor, column: Tensor, places: Tensor
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """For parts of the breaks, their pre-activations with graph (Q,) and ∂z/∂x (Q, d).

    Args:
        model: of which they are.
        what: was searched.
        layer: ascending, (K,).
        column: (K,).
        places: (K, d).
    """
    step = at_once(model.widest)
    for start in range(0, len(layer), step):
        part = slice(start, start + step)
        x = places[part].clone().requires_grad_()
        counts = torch.bincount(layer[part], minlength=len(what.trace.calls)).tolist()
        z, _ = what.trace.asked(what.function, x, column[part], counts, value=False)
        if not z.requires_grad:
            continue
        (normal,) = torch.autograd.grad(z.sum(), x, retain_graph=True, materialize_grads=True)
        yield part, z, normal.detach()


def pulled(model: SpaceModel, what: Searched, found: Crossings) -> Tensor:
    """Σ weighted·(∂z/∂θ)/|∂z/∂x|, with the sign that ⟦L⟧ has from z < 0 to z > 0, (P,)."""
    row = torch.zeros_like(model.vector())
    some = found.only(found.weighted.nonzero()[:, 0])
    for part, z, normal in zeros_at(model, what, some.layer, some.column, some.x):
        row += model.gradient((_speeds(some, part, normal) * z).sum())
    return row


def _speeds(found: Crossings, part: slice, normal: Tensor) -> Tensor:
    within = normal @ found.tangents
    size = within.norm(dim=1)
    sign = (normal * found.aside[part]).sum(1).sign()
    return torch.where(size > 0, sign * found.weighted[part] / torch.where(size > 0, size, 1.0), 0.0)


def units(model: SpaceModel, what: Searched, found: Crossings) -> tuple[Unit, ...]:
    """The units whose surfaces matter most, and what each adds to the gradient."""
    if not len(found.layer):
        return ()
    width = max(c.columns for c in what.trace.calls)
    key = found.layer * width + found.column
    coefficient = torch.zeros_like(found.weighted)
    for part, _, normal in zeros_at(model, what, found.layer, found.column, found.x):
        coefficient[part] = _speeds(found, part, normal)
    # ∂z/∂θ is about as large for all units of a layer; between layers the parts themselves decide.
    size = torch.zeros(len(what.trace.calls) * width, dtype=torch.float64)
    size.index_add_(0, key, coefficient.abs())
    out = []
    for unit in size.argsort(descending=True, stable=True)[:_RANKED].tolist():
        if not size[unit] > 0:
            continue
        mine = (key == unit).nonzero()[:, 0]
        own, share = found.only(mine), coefficient[mine].abs()
        gradient = pulled(model, what, own)
        middle = (own.x * share[:, None]).sum(0) / share.sum()
        nearest = own.x[(own.x - middle).norm(dim=1).argmin()]
        layer, column = divmod(unit, width)
        neuron = column % what.trace.calls[layer].units
        out.append(Unit(layer, neuron, _label(what, layer, neuron), nearest, gradient))
    return tuple(sorted(out, key=lambda u: -float(u.gradient.norm())))


def _label(what: Searched, layer: int, neuron: int) -> str:
    call = what.trace.calls[layer]
    if layer >= what.own:
        return f"{call.operation} in the density"
    name = f"{call.operation} “{call.name}”" if call.name[:1].isdigit() or "." in call.name else call.name
    return f"{name}, neuron {neuron}"
