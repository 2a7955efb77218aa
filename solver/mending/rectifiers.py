"""Stacks of layers that rectify: both sides of their kinks from one evaluation, and how kinks move, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...verify.errors import InputError
from ...verify.models.seeing.layers import Array, Layer
from ...verify.models.seeing.operations import Interception
from ...verify.models.seeing.trace import ModelChangedError
from .crossings import Crossings
from .density import Density, elementwise
from .fields import Fields


def rectified(fields: Fields, density: Density) -> bool:
    """Is the model a stack of layers that rectify, and does L jump nowhere but where they do?"""
    layers = fields.layers
    return layers is not None and not density.second and all(layer.rectifies for layer in layers)


@dataclass(frozen=True, eq=False)
class Bends:
    """A model at places where one unit's pre-activation z is nought, K of them in order of the units' layers.

    Attributes:
        fields: the model.
        x: (K, d).
        columns: which unit, (K,).
        parts: of each layer, which of the places are its own.
        heights: z, (K,), nought but for rounding.
        activations: of each layer, (K, N).
        sensitivities: of each layer but the last ∂z/∂(its own pre-activations), (places of later layers, N).
        normals: ∂z/∂x, (K, d).
        value: u, (K, m).
        slopes: ∂u/∂x, as it is on that side which z has by rounding, (K, m, d).
        jumps: what ∂u/∂x gains where z becomes positive, as multiples of ∂z/∂x, (K, m).
    """

    fields: Fields
    x: Tensor
    columns: Tensor
    parts: tuple[slice, ...]
    heights: Array
    activations: Sequence[Tensor]
    sensitivities: Sequence[Tensor]
    normals: Array
    value: Tensor
    slopes: Array
    jumps: Array

    def weights(self, density: Density, crossings: Crossings, size: float) -> Array:
        """What `jumps.coefficients` gives: weight · ⟦L⟧ |∂z/∂e| ÷ |∇z|², (K,); NaN where z is not nought.

        Args:
            density: L.
            crossings: the same places.
            size: of the domain.

        Raises:
            InputError: see `Density.at`.
        """
        direction, weight = (a.cpu().numpy() for a in (crossings.direction, crossings.weight))
        bend = self.jumps[:, :, None] * self.normals[:, None]
        # As it is where z > 0, and then where z < 0.
        above = (self.heights > 0)[:, None, None]
        slopes = np.concatenate([self.slopes + np.where(above, 0, bend), self.slopes - np.where(above, bend, 0)])
        x, value = (torch.cat([a, a]) for a in (self.x, self.value))
        given = (x, value, torch.from_numpy(slopes).to(x.device))
        with torch.no_grad():
            found = density.at(self.fields, *given)
            elementwise(density, self.fields, given, found)
        first, second = found.cpu().numpy().reshape(2, -1)
        flux = np.abs((self.normals * direction).sum(1))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            out: Array = (first - second) * weight * flux / (self.normals * self.normals).sum(1)
        out[~np.isfinite(out)] = 0
        # As near as `jumps.coefficients` looks on both sides.
        near = float(np.finfo(out.dtype).eps) ** 0.6 * size
        out[~(np.abs(self.heights) <= near * flux)] = np.nan
        return out

    @torch.no_grad()
    def moving(self, weights: Tensor) -> Tensor:
        """What `jumps.moving` gives: nil, with the gradient Σ weight ∂z/∂θ."""
        layers = self.fields.layers
        assert layers is not None
        tensors: list[Tensor] = []
        gradients: list[Tensor] = []
        before = self.x
        for layer, part, made, later in zip(
            layers, self.parts, self.activations, (*self.sensitivities, None), strict=True
        ):
            own, columns = weights[part], self.columns[part]
            wide = torch.zeros_like(layer.weight).index_add_(0, columns, own[:, None] * before[part])
            flat = torch.zeros_like(wide[:, 0]).index_add_(0, columns, own)
            if later is not None:
                moved = weights[part.stop :, None] * later
                wide.addmm_(moved.T, before[part.stop :])
                flat += moved.sum(0)
            tensors.append(layer.weight)
            gradients.append(wide)
            if layer.bias is not None:
                tensors.append(layer.bias)
                gradients.append(flat)
            before = made
        with torch.enable_grad():
            term: Tensor = _Nil.apply(gradients, *tensors)  # type: ignore[no-untyped-call, unused-ignore]
        return term


def bends(fields: Fields, crossings: Crossings) -> Bends:
    """A model at its crossings with lines.

    ∇u on the other side of a kink is known from this one: what the unit's own activation makes of it, ∂u/∂a ∇z, times
    what the activation's slope loses below 0.

    Args:
        fields: of a model that is `rectified`.
        crossings: where.

    Raises:
        ModelChangedError: it makes other calls than when it was looked at.
        InputError: u is cut off from x.
    """
    layers, columns = fields.layers, crossings.column
    assert layers is not None
    parts = tuple(slice(a, b) for a, b in pairwise((0, *accumulate(crossings.counts))))
    x = crossings.place.detach().requires_grad_()
    with torch.enable_grad():
        heights, made, value = _followed(fields, x, columns, parts)
        if not value.requires_grad:
            raise InputError("model: what it returns is cut off from x; no detach() or no_grad() would be right")
        pulled = [
            torch.autograd.grad(value, (x, *made), seed, retain_graph=fields.outputs > 1, materialize_grads=True)
            for seed in _seeds(value, fields.outputs)
        ]
    with torch.no_grad():
        activations = [a.detach() for a in made]
        below = [layer.slope_below() for layer in layers]
        own = [[g[p].gather(1, columns[p, None])[:, 0] for g, p in zip(gs, parts, strict=True)] for _, *gs in pulled]
        jumps = torch.stack([torch.cat([(1 - s) * g for g, s in zip(gs, below, strict=True)]) for gs in own], 1)
        slopes = torch.stack([by_place for by_place, *_ in pulled], 1)
        normals, sensitivities = _chain(layers, activations, columns, parts, below)
        return Bends(
            fields, x.detach(), columns, parts, heights.cpu().numpy(), activations, sensitivities,
            normals.cpu().numpy(), value.detach().reshape(len(x), -1), slopes.cpu().numpy(), jumps.cpu().numpy(),
        )  # fmt: skip


def _followed(
    fields: Fields, x: Tensor, columns: Tensor, parts: Sequence[slice]
) -> tuple[Tensor, list[Tensor], Tensor]:
    """z (K,), each layer's activations, and u, as the model itself makes them; the latter with graph."""
    at = {call.event: k for k, call in enumerate(fields.trace.calls)}
    shapes = [(len(x), call.columns) for call in fields.trace.calls]
    own: list[Tensor] = []
    made: list[Tensor] = []
    event = -1

    def take(_: str, found: list[Tensor]) -> None:
        nonlocal event
        event += 1
        if event in at and found[0].shape == shapes[at[event]]:
            part = parts[at[event]]
            # Taken out at once: the operation may overwrite it in place.
            own.append(found[0].detach()[part].gather(1, columns[part, None])[:, 0])

    def keep(result: Tensor) -> None:
        if event in at:
            made.append(result)

    with Interception(take, made=keep):
        value = fields.model(x)
    if not len(own) == len(made) == len(parts):
        raise ModelChangedError(
            "model: it makes other operations than when it was looked at; one that does not change from call to call "
            "would be right"
        )
    return torch.cat(own), made, value


def _seeds(value: Tensor, outputs: int) -> list[Tensor]:
    """For each output those of all points, of the shape of u."""
    if outputs == 1:
        return [torch.ones_like(value)]
    return list(torch.eye(outputs, dtype=value.dtype, device=value.device)[:, None].expand(-1, *value.shape))


def _chain(
    layers: Sequence[Layer],
    activations: Sequence[Tensor],
    columns: Tensor,
    parts: Sequence[slice],
    below: Sequence[float],
) -> tuple[Tensor, list[Tensor]]:
    """∂z/∂x (K, d), and of each layer but the last ∂z/∂(its own pre-activations), from the last layer to the first."""
    out: list[Tensor] = []
    found = layers[-1].weight[columns[parts[-1]]]
    for k in range(len(layers) - 2, -1, -1):
        on = activations[k][parts[k].stop :] > 0
        found = found * (on if not below[k] else torch.where(on, 1.0, below[k]))
        out.append(found)
        found = torch.cat([layers[k].weight[columns[parts[k]]], found @ layers[k].weight])
    return found, out[::-1]


def _given_gradients(ctx: Any, factor: Tensor) -> Any:
    return None, *(factor * g for g in ctx.gradients)


class _Nil(torch.autograd.Function):
    """Nil, with given gradients."""

    @staticmethod
    def forward(ctx: Any, gradients: list[Tensor], *tensors: Tensor) -> Tensor:
        ctx.gradients = gradients
        return tensors[0].new_zeros(())

    # Assigned, since torch's decorator makes a function of other arguments.
    backward: Any = staticmethod(once_differentiable(_given_gradients))
