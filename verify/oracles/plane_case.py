"""One oracle case of a network of two inputs with one hidden layer, on a polygon."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.blocks import BLOCKS, PlaneBlocks
from .case import Case, Parts, floats, frozen
from .formulas import evaluate
from .plane_comparison import as_plane_vector, diagnose_plane_gradient, plane_component

Array = NDArray[Any]
PLANE_DATA = (
    "coefficient_xx", "coefficient_xy", "coefficient_yy", "source", "distance", "distance_x", "distance_y",
    "lift", "lift_x", "lift_y",
)  # fmt: skip


@dataclass(frozen=True)
class Edge:
    """An edge on which D does not vanish, and what holds there.

    Attributes:
        kind: "flux": the energy has −∫ value·u ds; "essential": it has ½·penalty·∫ (u − value)² ds.
        start: a corner, (2,) float64.
        end: the next corner.
        value: text in x and y; `PlaneCase.edge_value` evaluates it.
    """

    kind: str
    start: Array
    end: Array
    value: str


@dataclass(frozen=True, eq=False)
class PlaneCase(Case):
    """A problem on a polygon, a network of N neurons and trusted values.

    As a `Case`, but hidden weights are (N, 2), vectors (4N,) in the order of `PlaneBlocks.ravel`, and what is a
    function of x there is one of x and y.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    @property
    def domain(self) -> Any:
        """The polygon's corners in order, (K, 2) float64; edge k runs from corner k to the next."""
        return frozen(np.array(self.record["polygon"], dtype=float))

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges with a flux or an essential value; on all others D vanishes."""
        corners, out = self.domain, []
        for key, kind in (("fluxes", "flux"), ("essential", "essential")):
            for k, value in self.problem[key].items():
                out.append(Edge(kind, corners[int(k)], corners[(int(k) + 1) % len(corners)], value))
        return tuple(out)

    @property
    def penalty(self) -> float:
        """The factor of essential values."""
        return float(evaluate(self.problem["penalty"], np.zeros(()), np))

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

    @property
    def density(self) -> str:
        """The integrand as text in x, y, u, u_x and u_y."""
        (xx, xy), (_, yy) = self.problem["coefficient"]
        return f"(({xx})*u_x**2 + 2*({xy})*u_x*u_y + ({yy})*u_y**2)/2 - ({self.problem['source']})*u"

    @cached_property
    def gradient(self) -> Any:
        """The exact gradient in its parts: bulk, dirac and total, `PlaneBlocks` each."""
        return Parts(*(self._plane_blocks(self.record["gradient"][n]) for n in ("bulk", "dirac", "total")))

    @cached_property
    def tolerance(self) -> Array:
        """(4N,) absolute, for a gradient computed in float64; see the pack's provenance for how it was found."""
        stored = self.record["tolerance"]["gradient"]
        return frozen(np.repeat([float(stored[n]) for n in BLOCKS], self._sizes))

    # Two inputs where the other cases have one: what stands on `Case` alone asks for none of these.

    def data(self, x: Any, y: Any, namespace: Any = np) -> dict[str, Any]:  # type: ignore[override]
        """κ, f, D, lift and their slopes at (x, y): keys as in `PLANE_DATA`.

        Args:
            x: an array of the library `namespace` (NumPy, `jax.numpy`, torch, …).
            y: another of the same shape.
            namespace: the library.
        """
        stated = self.problem
        (xx, xy), (_, yy) = stated["coefficient"]
        texts = [xx, xy, yy, stated["source"]]
        for name in ("distance", "lift"):
            texts += [stated[name], *stated[f"{name}_slopes"]]
        return {n: evaluate(t, x, namespace, {"y": y}) for n, t in zip(PLANE_DATA, texts, strict=True)}

    def edge_value(self, edge: Edge, x: Any, y: Any, namespace: Any = np) -> Any:
        """The flux or essential value of one of `edges` at its points; see `data`."""
        return evaluate(edge.value, x, namespace, {"y": y})

    def energy_density(  # type: ignore[override]
        self, x: Any, y: Any, u: Any, u_x: Any, u_y: Any, namespace: Any = np
    ) -> Any:
        """`density` at (x, y) where the field and its slopes are u, u_x and u_y, arrays of the library; see `data`."""
        return evaluate(self.density, x, namespace, {"y": y, "u": u, "u_x": u_x, "u_y": u_y})

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
