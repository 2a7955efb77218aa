"""One oracle case of a network of two inputs with one hidden layer, on a polygon."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.blocks import BLOCKS, PlaneBlocks
from .case import Parts, floats, frozen
from .plane_comparison import as_plane_vector, diagnose_plane_gradient, plane_component
from .polygon_case import PolygonCase

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class PlaneCase(PolygonCase):
    """A problem on a polygon, a network of N neurons and trusted values.

    As a `Case`, but hidden weights are (N, 2), vectors (4N,) in the order of `PlaneBlocks.ravel`.
    """

    @cached_property
    def parameters(self) -> Any:
        """The network, as `PlaneBlocks` of float64."""
        return self._plane_blocks(self.record["parameters"], "exact")

    @property
    def size(self) -> int:
        """How many parameters there are: 4N."""
        return 4 * self.width

    @property
    def exact_parameters(self) -> list[str]:
        """As they were given, in the order of a gradient's components."""
        weights, biases, outputs = (self.record["parameters"][n]["exact"] for n in BLOCKS)
        return [*(text for row in weights for text in row), *biases, *outputs]

    def component(self, index: int) -> str:
        """How a component of a gradient is called, such as ``hidden_weights[2, 0]``."""
        return plane_component(self.width)(index)

    @cached_property
    def gradient(self) -> Any:
        """The exact gradient in its parts: bulk, dirac and total, `PlaneBlocks` each."""
        return Parts(*(self._plane_blocks(self.record["gradient"][n]) for n in ("bulk", "dirac", "total")))

    @cached_property
    def tolerance(self) -> Array:
        """(4N,) absolute, for a gradient computed in float64; see the pack's provenance for how it was found."""
        stored = self.record["tolerance"]["gradient"]
        return frozen(np.repeat([float(stored[n]) for n in BLOCKS], self._sizes))

    @property
    def _sizes(self) -> list[int]:
        return [2 * self.width, self.width, self.width]

    def _plane_blocks(self, stored: Any, key: str = "decimal") -> PlaneBlocks:
        weights = np.stack([floats(row) for row in stored[BLOCKS[0]][key]])
        return PlaneBlocks(frozen(weights), *(floats(stored[n][key]) for n in BLOCKS[1:]))

    def _vector(self, gradient: Any) -> Array:
        return as_plane_vector(gradient, self.width)

    def _largest(self, values: Array) -> Array:
        ends = np.cumsum([0, *self._sizes[:-1]])
        return np.repeat(np.maximum.reduceat(values, ends), self._sizes)

    def _diagnosis(self, found: Array, tolerance: Array) -> str:
        own = self._plane_blocks(self.record["gradient"]["own_jump"])
        bulk, dirac, jump = (p.ravel() for p in (self.gradient.bulk, self.gradient.dirac, own))
        return diagnose_plane_gradient(found, bulk, dirac, jump, self.hidden_weights, tolerance)
