"""What the oracle cases of two inputs have in common: a problem on a polygon, and its data at places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .case import Case, frozen
from .formulas import evaluate

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
        value: text in x and y; `PolygonCase.edge_value` evaluates it.
    """

    kind: str
    start: Array
    end: Array
    value: str


@dataclass(frozen=True, eq=False, repr=False)
class PolygonCase(Case):
    """A problem on a polygon; what is a function of x in a `Case` is one of x and y."""

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

    @property
    def density(self) -> str:
        """The integrand as text in x, y, u, u_x and u_y."""
        if "density" in self.record:
            return str(self.record["density"])
        (xx, xy), (_, yy) = self.problem["coefficient"]
        return f"(({xx})*u_x**2 + 2*({xy})*u_x*u_y + ({yy})*u_y**2)/2 - ({self.problem['source']})*u"

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
