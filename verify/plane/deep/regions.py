"""The linear regions of a deep network on a polygon, cut out unit by unit in Fractions; nothing is rounded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from ...statement.deep_network import DeepNetwork
from ...statement.polygon import Point, RationalPolygon
from ..trapezoids import trapezoids

# (a₁, a₂, g): the affine function a₁x + a₂y + g.
Affine = tuple[Fraction, Fraction, Fraction]
# (layer, neuron), both from 0.
Unit = tuple[int, int]
_NOTHING: Affine = (Fraction(0), Fraction(0), Fraction(0))


@dataclass(frozen=True)
class Region:
    """A convex region on which the network is affine.

    Attributes:
        corners: anticlockwise.
        units: of the edge from each corner to the next: whose pre-activations vanish all along it.
        outer: of each edge: the number of the polygon's edge that it lies on, or −1.
        active: layer by layer, which neurons are.
        preactivations: layer by layer, z of each neuron.
        flat: units whose pre-activation is 0 throughout.
    """

    corners: tuple[Point, ...]
    units: tuple[tuple[Unit, ...], ...]
    outer: tuple[int, ...]
    active: tuple[tuple[bool, ...], ...] = ()
    preactivations: tuple[tuple[Affine, ...], ...] = ()
    flat: tuple[Unit, ...] = ()

    @property
    def outputs(self) -> tuple[Affine, ...]:
        """Of the last layer so far, where nothing was cut of the two inputs."""
        if not self.active:
            one, none = Fraction(1), Fraction(0)
            return (one, none, none), (none, one, none)
        kept = zip(self.active[-1], self.preactivations[-1], strict=True)
        return tuple(z if on else _NOTHING for on, z in kept)


def plane_regions(network: DeepNetwork, polygon: RationalPolygon) -> list[Region]:
    """All regions of a polygon; O(regions · neurons), in Fractions of the parameters' length times the depth.

    Args:
        network: of two inputs.
        polygon: any; it is cut into trapezoids first.
    """
    parts = _pieces(polygon)
    exact = network.rational
    for k, (weights, biases) in enumerate(zip(exact.hidden_weights, exact.hidden_biases, strict=True)):
        parts = [_entered(p, weights, biases) for p in parts]
        for i in range(len(biases)):
            parts = [piece for part in parts for piece in _cut(part, (k, i))]
    return parts


def _pieces(polygon: RationalPolygon) -> list[Region]:
    """Trapezoids, with the polygon's corners among theirs, so that a side lies on one edge or on none."""
    out = []
    for t in trapezoids(polygon):
        (low, bottom), (high, top) = t.right_side
        left = [t.left[0] + t.left[1] * y for y in (bottom, top)]
        # Along the bottom to the right, then along the top to the left.
        places = [left[0], low, *(x for x, y in polygon.corners if y == bottom and left[0] < x < low)]
        ahead = [(x, bottom) for x in sorted(set(places))]
        places = [left[1], high, *(x for x, y in polygon.corners if y == top and left[1] < x < high)]
        back = [(x, top) for x in sorted(set(places), reverse=True)]
        corners = (*ahead, *back)
        ends = zip(corners, corners[1:] + corners[:1], strict=True)
        outer = tuple(_edge_of(polygon, a, b) for a, b in ends)
        out.append(Region(corners, ((),) * len(corners), outer))
    return out


def _edge_of(polygon: RationalPolygon, a: Point, b: Point) -> int:
    for k, (start, end) in enumerate(polygon.edges):
        along = (end[0] - start[0], end[1] - start[1])
        shares = []
        for x, y in (a, b):
            off = (x - start[0], y - start[1])
            if along[0] * off[1] - along[1] * off[0] == 0:
                shares.append((along[0] * off[0] + along[1] * off[1]) / (along[0] ** 2 + along[1] ** 2))
        if len(shares) == 2 and all(0 <= s <= 1 for s in shares):
            return k
    return -1


def _entered(part: Region, weights: object, biases: object) -> Region:
    """A layer's pre-activations on a region, before it is cut by them."""
    h = part.outputs
    found = []
    for row, b in zip(weights, biases, strict=True):  # type: ignore[call-overload]
        a1, a2, g = (sum((w * v[n] for w, v in zip(row, h, strict=True)), Fraction(0)) for n in range(3))
        found.append((a1, a2, g + b))
    return replace(part, preactivations=(*part.preactivations, tuple(found)), active=(*part.active, ()))


def _cut(part: Region, unit: Unit) -> list[Region]:
    """By the line on which a unit's pre-activation vanishes."""
    a1, a2, g = part.preactivations[-1][unit[1]]
    height = [a1 * x + a2 * y + g for x, y in part.corners]
    count = len(height)
    if not any(height):
        return [replace(_settled(part, False), flat=(*part.flat, unit))]
    if min(height) >= 0 or max(height) <= 0:
        # It may vanish along an edge all the same.
        units = tuple((*u, unit) if height[k] == height[(k + 1) % count] == 0 else u for k, u in enumerate(part.units))
        return [_settled(replace(part, units=units), max(height) > 0)]
    out = []
    for side in (1, -1):
        corners: list[Point] = []
        units_left: list[tuple[Unit, ...]] = []
        outer: list[int] = []
        for k, (p, h) in enumerate(zip(part.corners, height, strict=True)):
            q, next_height = part.corners[(k + 1) % count], height[(k + 1) % count]
            if side * h >= 0:
                corners.append(p)
                # From a corner on the line outwards the next edge is the line itself.
                turns = h == 0 and side * next_height < 0
                units_left.append((unit,) if turns else part.units[k])
                outer.append(-1 if turns else part.outer[k])
            if h * next_height < 0:
                share = h / (h - next_height)
                corners.append((p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1])))
                leaves = side * h > 0
                units_left.append((unit,) if leaves else part.units[k])
                outer.append(-1 if leaves else part.outer[k])
        piece = replace(part, corners=tuple(corners), units=tuple(units_left), outer=tuple(outer))
        out.append(_settled(piece, side > 0))
    return out


def _settled(part: Region, on: bool) -> Region:
    return replace(part, active=(*part.active[:-1], (*part.active[-1], on)))
