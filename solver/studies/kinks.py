"""Where a trained network's kinks sit, and how many of them do something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...verify.statement.problem import RitzProblem
from ..data.statement import data
from ..networks.architecture import Architecture

Array = NDArray[np.float64]

# Kinks nearer to their neighbour than this share of the domain act as one: twice the cell of the usual grid.
_APART = 0.01
# A cluster carries weight if û′ jumps there by this share of its largest jump.
_CARRIES = 0.01
# Cells in which the kinks of a deep network are looked for.
_CELLS = 20_000


@dataclass(frozen=True)
class Kinks:
    """The kinks of one network.

    Attributes:
        inside: how many lie in the domain.
        places: where the clusters are that carry weight, ascending; each the mean of its kinks by their weights.
        jumps: of û′ there.
    """

    inside: int
    places: tuple[float, ...]
    jumps: tuple[float, ...]

    @property
    def effective(self) -> int:
        """How many clusters carry weight."""
        return len(self.places)


def kinks_of(problem: RitzProblem, architecture: Architecture, parameters: Array) -> tuple[Kinks, ...] | None:
    """The kinks of each network of a batch (B, P); None for activations that have none.

    Of one hidden layer the kinks are −b/w; of a deep network they are found between neighbours of 20,001 nodes, so that
    two in one cell count as one.
    """
    if not architecture.activation.kinked:
        return None
    left, right = (float(e) for e in problem.domain)
    theta = torch.as_tensor(np.asarray(parameters, dtype=np.float64))
    found = _of_one_layer(architecture, theta) if architecture.shallow else _of_layers(architecture, theta, left, right)
    out = []
    for places, bends in found:
        within = (places > left) & (places < right)
        places, bends = places[within], bends[within]
        distance = data(problem, "distance")(torch.as_tensor(places)).numpy()
        out.append(_clustered(places, distance * bends, _APART * (right - left)))
    return tuple(out)


def _of_one_layer(architecture: Architecture, theta: torch.Tensor) -> list[tuple[Array, Array]]:
    w, b, c = (part.numpy() for part in theta.chunk(3, -1))
    leak = architecture.activation.negative_slope or 0.0
    places = np.divide(-b, w, out=np.full_like(b, np.inf), where=w != 0)
    return list(zip(places, (1 - leak) * c * np.abs(w), strict=True))


def _of_layers(architecture: Architecture, theta: torch.Tensor, left: float, right: float) -> list[tuple[Array, Array]]:
    """A piecewise linear network's slope is constant between its kinks."""
    x = torch.linspace(left, right, _CELLS + 1, dtype=torch.float64)
    slope = architecture.value_and_slope(theta, x)[1].numpy()
    bends = np.diff(slope, axis=-1)
    middle = ((x[1:] + x[:-1]) / 2).numpy()
    # Rounding differs from cell to cell; a kink of that size does nothing.
    real = np.abs(bends) > 1e-12 * np.abs(slope).max(-1, keepdims=True)
    return [(middle[r], row[r]) for row, r in zip(bends, real, strict=True)]


def _clustered(places: Array, jumps: Array, apart: float) -> Kinks:
    order = np.argsort(places, kind="stable")
    x, jump = places[order], jumps[order]
    if not len(x):
        return Kinks(0, (), ())
    which = np.concatenate([[0], np.cumsum(np.diff(x) > apart)])
    total, weight = np.bincount(which, jump), np.bincount(which, np.abs(jump))
    carries = (np.abs(total) >= _CARRIES * np.abs(total).max()) & (weight > 0)
    mean = np.bincount(which, np.abs(jump) * x)[carries] / weight[carries]
    return Kinks(len(x), tuple(mean.tolist()), tuple(total[carries].tolist()))
