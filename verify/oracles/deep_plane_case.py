"""One oracle case of a network of two inputs with several hidden layers, on a polygon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .case import floats
from .deep_case import DeepCase
from .deep_comparison import diagnose_deep_plane_gradient
from .polygon_case import PolygonCase

Array = NDArray[Any]


# Nothing but a problem on a polygon and a network of several layers: what either has stands with it.
@dataclass(frozen=True, eq=False, repr=False)
class DeepPlaneCase(PolygonCase, DeepCase):
    """A problem on a polygon, a network of L hidden layers and trusted values.

    As a `DeepCase`, but the first layer's weights are (n₁, 2).
    """

    def _diagnosis(self, found: Array, tolerance: Array) -> str:
        stored = self.record["gradient"]
        longer = floats(stored["dirac_without_norm"]["decimal"])
        own = floats(stored["own_jump"]["decimal"]) if "own_jump" in stored else None
        return diagnose_deep_plane_gradient(found, self.gradient, longer, own, tolerance)
