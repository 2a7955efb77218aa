"""Where an integral runs: boxes, polygons with holes, and whatever can say what lies inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...verify.errors import InputError
from .installed import jax, jnp

Inside = Callable[[jax.Array], jax.Array]


class Polygon:
    """A polygon in the plane, convex or not, with holes or without.

    A point is inside if a ray from it crosses the edges an odd number of times, whatever way round the corners run.

    Args:
        corners: (n, 2), in order; the last is joined to the first.
        holes: of each its corners, likewise.

    Attributes:
        bbox: lower and upper corner of its bounding box.
        area: without the holes.

    Raises:
        InputError: fewer than three corners, or not two finite numbers each.

    Examples:
        >>> l_shape = Polygon([(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)])
        >>> l_shape.inside(jnp.array([[0.25, 0.75], [0.75, 0.75]])).tolist(), l_shape.area
        ([True, False], 0.75)
    """

    def __init__(self, corners: Any, holes: Sequence[Any] = ()) -> None:
        rings = [_ring("corners", corners), *(_ring("holes", hole) for hole in holes)]
        self._first = np.concatenate(rings)
        self._second = np.concatenate([np.roll(ring, -1, 0) for ring in rings])
        self.bbox = rings[0].min(0), rings[0].max(0)
        areas = [abs(float((r[:, 0] * np.roll(r[:, 1], -1) - r[:, 1] * np.roll(r[:, 0], -1)).sum())) / 2 for r in rings]
        self.area = areas[0] - sum(areas[1:])

    def inside(self, x: jax.Array) -> jax.Array:
        """Which of the points (n, 2) lie inside, (n,)."""
        a, b = jnp.asarray(self._first, x.dtype), jnp.asarray(self._second, x.dtype)
        across = (a[:, 1] > x[:, 1:]) != (b[:, 1] > x[:, 1:])
        rise = b[:, 1] - a[:, 1]
        share = (x[:, 1:] - a[:, 1]) / jnp.where(rise == 0, 1, rise)
        right = a[:, 0] + share * (b[:, 0] - a[:, 0]) > x[:, :1]
        return jnp.sum(across & right, 1) % 2 == 1


def sides_of(domain: Any) -> tuple[np.ndarray[Any, Any], Inside | None]:
    """Sides (d, 2) of a domain's bounding box, and what is inside, if not all of it.

    Raises:
        InputError: it is no domain.
    """
    named = hasattr(domain, "inside")
    bounds = getattr(domain, "bbox", None) if named else domain
    try:
        box = np.array(bounds, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"domain: {domain!r} is no box; (a, b) or ((a, b), (c, d)) would be right") from error
    # DeepXDE's geometries give the two corners, as a tuple.
    box = box.T if named and isinstance(bounds, tuple) and len(box) == 2 else box
    box = box[None] if box.shape == (2,) else box
    if box.ndim != 2 or box.shape[1] != 2 or not np.isfinite(box).all() or (box[:, 0] >= box[:, 1]).any():
        raise InputError(f"domain: {domain!r} is no box; (a, b) or ((a, b), (c, d)) with a < b would be right")
    return box, _traced(domain.inside, len(box)) if named else None


def _traced(inside: Callable[[Any], Any], inputs: int) -> Inside:
    """The same within a compiled step, by a call back to Python where it is written in NumPy."""
    try:
        jax.eval_shape(inside, jnp.zeros((1, inputs)))
    except jax.errors.TracerArrayConversionError:

        def called(x: jax.Array) -> jax.Array:
            shape = jax.eval_shape(lambda y: y[:, 0] > 0, x)
            found: jax.Array = jax.pure_callback(
                lambda points: np.asarray(inside(np.asarray(points)), bool).reshape(-1),
                shape,
                x,
                vmap_method="sequential",
            )
            return found

        return called
    return inside


def _ring(name: str, corners: Any) -> np.ndarray[Any, Any]:
    ring: np.ndarray[Any, Any]
    try:
        ring = np.array(corners, float)
    except (TypeError, ValueError):
        ring = np.zeros(0)
    if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3 or not np.isfinite(ring).all():
        raise InputError(f"{name}: {corners!r} is no polygon; three or more corners of two numbers each are right")
    return ring
