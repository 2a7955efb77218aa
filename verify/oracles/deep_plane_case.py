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


# The data of a problem on a polygon, before a deep case's of one input, which nothing here asks for.
@dataclass(frozen=True, eq=False, repr=False)
class DeepPlaneCase(PolygonCase, DeepCase):  # pyright: ignore[reportIncompatibleMethodOverride]
    """A problem on a polygon, a network of L hidden layers and trusted values.

    As a `DeepCase`, but the first layer's weights are (n₁, 2).
    """

    def _diagnosis(self, found: Array, tolerance: Array) -> str:
        stored = self.record["gradient"]
        longer = floats(stored["dirac_without_norm"]["decimal"])
        own = floats(stored["own_jump"]["decimal"]) if "own_jump" in stored else None
        return diagnose_deep_plane_gradient(found, self.gradient, longer, own, tolerance)
