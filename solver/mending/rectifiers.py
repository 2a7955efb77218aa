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
from ...verify.models.seeing.layers import Array, Layer, Replay
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
        activations: of each layer but the last, (K, N).
        sensitivities: of each layer but the last ∂z/∂(its own pre-activations), (places of later layers, N).
        normals: ∂z/∂x, (K, d).
        value: u, (K, m).
        slopes: ∂u/∂x, as it is on that side which z has by rounding, (K, m, d).
        jumps: what ∂u/∂x gains where z becomes positive, as multiples of ∂z/∂x, (K, m).
    """

    fields: Fields
    x: Array
    columns: Array
    parts: tuple[slice, ...]
    heights: Array
    activations: Sequence[Array]
    sensitivities: Sequence[Array]
    normals: Array
    value: Tensor
    slopes: Array
    jumps: Array

    def weights(self, density: Density, crossings: Crossings, size: float, tangents: Tensor | None = None) -> Array:
        """What `jumps.coefficients` gives: weight · ⟦L⟧ |∂z/∂e| ÷ |∇z|², (K,); NaN where z is not nought.

        Args:
            density: L.
            crossings: the same places.
            size: of the domain.
            tangents: see there.

        Raises:
            InputError: see `Density.at`.
        """
        direction, weight = (a.cpu().numpy() for a in (crossings.direction, crossings.weight))
        bend = self.jumps[:, :, None] * self.normals[:, None]
        # As it is where z > 0, and then where z < 0.
        above = (self.heights > 0)[:, None, None]
        slopes = np.concatenate([self.slopes + np.where(above, 0, bend), self.slopes - np.where(above, bend, 0)])
        x, u = crossings.place, self.value
        given = torch.cat([x, x]), torch.cat([u, u]), torch.from_numpy(slopes).to(x.device)
        with torch.no_grad():
            found = density.at(self.fields, *given)
            elementwise(density, self.fields, given, found)
        first, second = found.cpu().numpy().reshape(2, -1)
        flux = np.abs((self.normals * direction).sum(1))
        # Of a part of the domain ∇z is taken along it.
        normals = self.normals if tangents is None else self.normals @ tangents.numpy().astype(self.normals.dtype)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            out: Array = (first - second) * weight * flux / (normals * normals).sum(1)
        out[~np.isfinite(out)] = 0
        # As near as `jumps.coefficients` looks on both sides.
        near = float(np.finfo(out.dtype).eps) ** 0.6 * size
        out[~(np.abs(self.heights) <= near * flux)] = np.nan
        return out

    def moving(self, weights: Array) -> Tensor:
        """What `jumps.moving` gives: nil, with the gradient Σ weight ∂z/∂θ."""
        layers = self.fields.layers
        assert layers is not None
        tensors: list[Tensor] = []
        gradients: list[Array] = []
        before = self.x
        for k, (layer, part) in enumerate(zip(layers, self.parts, strict=True)):
            # Of its own places the unit alone, of those of later layers all.
            by_place = np.zeros((len(self.x) - part.start, len(layer.weight)), weights.dtype)
            own = part.stop - part.start
            by_place[np.arange(own), self.columns[part]] = weights[part]
            if k < len(self.sensitivities):
                np.multiply(self.sensitivities[k], weights[part.stop :, None], out=by_place[own:])
            tensors.append(layer.weight)
            gradients.append(by_place.T @ before[part.start :])
            if layer.bias is not None:
                tensors.append(layer.bias)
                gradients.append(by_place.sum(0))
            before = self.activations[k] if k < len(self.activations) else before
        found = [torch.from_numpy(g).to(t.device) for g, t in zip(gradients, tensors, strict=True)]
        with torch.enable_grad():
            term: Tensor = _Nil.apply(found, *tensors)  # type: ignore[no-untyped-call, unused-ignore]
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
    layers = fields.layers
    assert layers is not None
    columns = crossings.column.cpu().numpy()
    parts = tuple(slice(a, b) for a, b in pairwise((0, *accumulate(crossings.counts))))
    x = crossings.place.cpu().numpy()
    preactivations, activations, gates = _followed(layers, x)
    value, pulled = _behind(fields, crossings.place.detach(), preactivations, activations)
    places = np.arange(len(x))
    heights = np.concatenate([z[places[p], columns[p]] for z, p in zip(preactivations, parts, strict=True)])
    below = [layer.slope_below() for layer in layers]
    slopes, jumps = [], []
    for direct, *along in pulled:
        found: Any = None
        gains: list[Array] = []
        for k in range(len(layers) - 1, -1, -1):
            by_preactivation, by_activation = along[2 * k : 2 * k + 2]
            found = _sum(found, by_activation, activations[k])
            gains.append((1 - below[k]) * found[places[parts[k]], columns[parts[k]]])
            found = _sum(found * gates[k], by_preactivation, activations[k]) @ layers[k].arrays()[0]
        slopes.append(_sum(found, direct, found))
        jumps.append(np.concatenate(gains[::-1]))
    normals, sensitivities = _chain(layers, gates, columns, parts)
    return Bends(
        fields, x, columns, parts, heights, activations[:-1], sensitivities, normals,
        value.reshape(len(x), -1), np.stack(slopes, 1), np.stack(jumps, 1),
    )  # fmt: skip


def _behind(
    fields: Fields, x: Tensor, preactivations: Sequence[Array], activations: Sequence[Array]
) -> tuple[Tensor, list[list[Array | None]]]:
    """u, and of each output what it depends on directly: ∂u/∂x, and of each layer ∂u/∂z and ∂u/∂a; None is nought.

    The model is run behind its layers alone, of which all is known.
    """
    layers = fields.layers
    assert layers is not None
    leaves = [x.requires_grad_()]
    for z, a in zip(preactivations, activations, strict=True):
        leaves += [torch.from_numpy(array).to(x.device).requires_grad_() for array in (z, a)]
    with torch.enable_grad(), Replay(layers, x, list(zip(leaves[1::2], leaves[2::2], strict=True))) as replay:
        value = fields.model(x)
    if not replay.whole:
        raise ModelChangedError(
            "model: it makes other operations than when it was looked at; one that does not change from call to call "
            "would be right"
        )
    if not value.requires_grad:
        raise InputError("model: what it returns is cut off from x; no detach() or no_grad() would be right")
    pulled = [
        torch.autograd.grad(value, leaves, seed, retain_graph=fields.outputs > 1, allow_unused=True)
        for seed in _seeds(value, fields.outputs)
    ]
    return value.detach(), [[None if g is None else g.cpu().numpy() for g in row] for row in pulled]


def _followed(layers: Sequence[Layer], x: Array) -> tuple[list[Array], list[Array], list[Array]]:
    """Of each layer pre-activations and activations (K, N), and the slopes between them."""
    out: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    h = x
    for layer in layers:
        z = layer.before(h)
        h = layer.after(z)
        below = z.dtype.type(layer.slope_below())
        for kept, array in zip(out, (z, h, np.where(z > 0, z.dtype.type(1), below)), strict=True):
            kept.append(array)
    return out


def _sum(first: Array | None, second: Array | None, like: Array) -> Array:
    """Of two arrays, each absent where it is nought."""
    if first is None or second is None:
        found = second if first is None else first
        return np.zeros_like(like) if found is None else found
    out: Array = first + second
    return out


def _seeds(value: Tensor, outputs: int) -> list[Tensor]:
    """For each output those of all points, of the shape of u."""
    if outputs == 1:
        return [torch.ones_like(value)]
    return list(torch.eye(outputs, dtype=value.dtype, device=value.device)[:, None].expand(-1, *value.shape))


def _chain(
    layers: Sequence[Layer], gates: Sequence[Array], columns: Array, parts: Sequence[slice]
) -> tuple[Array, list[Array]]:
    """∂z/∂x (K, d), and of each layer but the last ∂z/∂(its own pre-activations), from the last layer to the first."""
    out: list[Array] = []
    found = layers[-1].arrays()[0][columns[parts[-1]]]
    for k in range(len(layers) - 2, -1, -1):
        found = found * gates[k][parts[k].stop :]
        out.append(found)
        weight = layers[k].arrays()[0]
        found = np.concatenate([weight[columns[parts[k]]], found @ weight])
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
