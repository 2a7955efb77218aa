"""Where the energy of a deep plane network has no derivative, and how far away the nearest such place is (MATH 5)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import Degeneracy
from ...statement.deep_network import DeepNetwork
from ...statement.plane import PlaneProblem
from .regions import Region, Unit

Array = NDArray[Any]


def heard_units(network: DeepNetwork, regions: list[Region]) -> list[list[Array]]:
    """Region by region and layer by layer, ∂ output/∂h of each neuron, exactly: 0 where nothing comes of it."""
    exact, out = network.rational, []
    for region in regions:
        ears = [exact.output_weights]
        for k in reversed(range(1, network.depth)):
            mask = np.array([Fraction(int(v)) for v in region.active[k]], dtype=object)
            ears.insert(0, exact.hidden_weights[k].T @ (mask * ears[0]))
        out.append(ears)
    return out


def degeneracies(problem: PlaneProblem, regions: list[Region], heard: list[list[Array]]) -> tuple[Degeneracy, ...]:
    """All of them, exact; one of each kind and each set of neurons."""
    found: dict[Any, Degeneracy] = {}

    def add(kind: str, region: Region, units: tuple[Unit, ...], corner: int) -> None:
        x, y = region.corners[corner]
        layers, neurons = zip(*units, strict=True)
        found.setdefault((kind, units), Degeneracy(kind, neurons, (float(x), float(y)), 0.0, layers=layers))

    for region, ears in zip(regions, heard, strict=True):
        for unit in region.flat:
            if ears[unit[0]][unit[1]]:
                add("pre-activation 0 on a region", region, (unit,), 0)
        for k, (units, outer) in enumerate(zip(region.units, region.outer, strict=True)):
            loud = tuple(u for u in units if ears[u[0]][u[1]])
            if len(loud) > 1:
                add("coincident kink lines", region, loud, k)
            elif loud and outer >= 0 and outer not in problem.dirichlet:
                add("kink line on an edge", region, loud, k)
    return tuple(found.values())


def clearance(problem: PlaneProblem, regions: list[Region], heard: list[list[Array]]) -> float:
    """Distance to the nearest of them; inf if there is none.

    Of two kink lines where both are straight, and of one and a named edge: how far the ends of one are from the other,
    at most. Of a pre-activation z on a region: √(|∇z|² + z(0, 0)²).
    """
    names = _Names()
    # (a piece of a kink line, or of an edge, negative; a piece of another line) → how far the ends of one are away.
    away: dict[tuple[int, int], float] = {}
    out = np.inf
    for region, ears in zip(regions, heard, strict=True):
        loud = [(k, i) for k, layer in enumerate(ears) for i, ear in enumerate(layer) if ear]
        if not loud:
            continue
        given = [names.of(region, unit) for unit in loud]
        z = np.array([v for _, v in given])
        norm = np.hypot(z[:, 0], z[:, 1])
        out = min(out, float(np.hypot(norm, z[:, 2]).min()))
        corners = np.array([[float(v) for v in p] for p in region.corners])
        height = np.abs(corners @ z[:, :2].T + z[:, 2]) / np.where(norm == 0, 1, norm)
        farther = np.maximum(height, np.roll(height, -1, axis=0))
        for k, (units, outer) in enumerate(zip(region.units, region.outer, strict=True)):
            here = [given[loud.index(u)][0] for u in units if ears[u[0]][u[1]]]
            if outer >= 0 and outer not in problem.dirichlet:
                here.append(-1 - outer)
            for piece in here:
                for (name, _), far, slope in zip(given, farther[k], norm, strict=True):
                    if slope and name != piece:
                        away[piece, name] = max(away.get((piece, name), 0.0), float(far))
    for (piece, name), far in away.items():
        # A line that does not meet the polygon is far from all others in it.
        back = far if piece < 0 else away.get((name, piece), np.inf)
        out = min(out, max(far, back))
    return float(out)


class _Names:
    """Numbers for the affine functions that pre-activations are, from 0; the same for one on several regions."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, list[tuple[int, Array]]]] = {}
        self._numbers: dict[Any, int] = {}

    def of(self, region: Region, unit: Unit) -> tuple[int, Array]:
        """The number of a unit's function on a region, and the function in float64."""
        layer = region.preactivations[unit[0]]
        # Regions cut out of one share its pre-activations: looked at once, and kept so that their id stays theirs.
        if id(layer) not in self._seen:
            named = [
                (self._numbers.setdefault((unit[0], i, z), len(self._numbers)), np.array([float(v) for v in z]))
                for i, z in enumerate(layer)
            ]
            self._seen[id(layer)] = layer, named
        return self._seen[id(layer)][1][unit[1]]
