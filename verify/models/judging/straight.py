"""Piecewise linear models, of which one evaluation between two breaks tells what all others would."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..seeing.model import Model
from ..seeing.pieces import at_once

# What of the largest |u| the lines of neighbouring pieces may be off where they meet: some thousand roundings of sums
# over thousands of units.
_OFF = 1e-11


@dataclass(frozen=True, eq=False)
class Lines:
    """A piecewise linear function of x by its pieces.

    Attributes:
        edges: of the pieces, (K + 1,), ascending.
        middle: a place in each, (K,).
        value: there, (K,) or (K, m).
        rise: the slope, of the shape of `value`.
    """

    edges: Tensor
    middle: Tensor
    value: Tensor
    rise: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """At points (n,) or (n, 1), (n,) or (n, m); beyond the edges as on the outermost pieces."""
        x = x.reshape(-1)
        k = (torch.searchsorted(self.edges, x.detach(), right=True) - 1).clamp(0, len(self.middle) - 1)
        away = x - self.middle[k]
        return self.value[k] + self.rise[k] * (away if self.value.ndim == 1 else away[:, None])


def as_lines(model: Model, places: Tensor, domain: tuple[float, float]) -> Model:
    """The same model told by its lines, for values and slopes without graphs; itself if it is not straight between.

    Args:
        model: of operations that are known to keep what is piecewise linear so.
        places: of all its breaks in the domain, (K,).
        domain: its ends.
    """
    edges = torch.cat([places.new_tensor([domain[0]]), places.sort().values, places.new_tensor([domain[1]])])
    middle = (edges[1:] + edges[:-1]) / 2
    size = at_once(model.widest)
    fields = [[f.detach() for f in model.fields(x)[:2]] for x in torch.split(middle, size)]
    value, rise = (torch.cat(parts) for parts in zip(*fields, strict=True))
    told = replace(model, function=Lines(edges, middle, value, rise))
    with torch.no_grad():
        seen = torch.cat([model.value(x) for x in torch.split(edges, size)])
    half = edges.diff() / 2
    rise = rise * (half if rise.ndim == 1 else half[:, None])
    # A line that bends misses its ends.
    off = torch.stack([value - rise - seen[:-1], value + rise - seen[1:]]).abs().max()
    return told if bool(off <= _OFF * seen.abs().max()) else model


def on_lines(model: Model, x: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """u and u′ at points (K, order) of K pieces on each of which the model is straight, flat and with their graph.

    Args:
        model: evaluated once a piece.
        x: points.
        place: in each piece, where it is evaluated, (K,).
    """
    value, rise, _ = model.fields(place)
    away = x - place[:, None]
    if value.ndim > 1:
        away, value, rise = away[..., None], value[:, None], rise[:, None]
    else:
        value, rise = value[:, None], rise[:, None]
    u = value + rise * away
    return u.flatten(0, 1), rise.expand(u.shape).flatten(0, 1)
