"""The linear regions of a deep network on an interval, found layer by layer in whole numbers; nothing is rounded.

Between the breakpoints of the layers before it, each pre-activation of a layer is z = αx + β: its zeros are the new
breakpoints. All numbers of a layer have one common denominator, so that signs and zeros need its numerators only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import InputError
from ..statement.deep_network import DeepNetwork
from ..statement.expressions import parse_number
from .whole_numbers import product

Array = NDArray[Any]

# An irrational end is taken for a rational number so near to it that no kink lies in between by any accident.
_END_DIGITS = 200


@dataclass(frozen=True)
class Kink:
    """A place where a neuron's pre-activation z vanishes and that the network may feel; layers and neurons from 0.

    Attributes:
        layer: index into `hidden_weights`.
        neuron: of that layer.
        position: ξ, exact.
        slope: ∂z/∂x on both sides, exact; None where the pre-activation has a kink itself, of an earlier layer.
        mark: index of ξ among the ends of the regions.
        heard: does a path of open neurons and non-zero weights lead from here to the output?
    """

    layer: int
    neuron: int
    position: Fraction
    slope: Fraction | None
    mark: int
    heard: bool


@dataclass(frozen=True)
class DeadStretch:
    """A region on which a pre-activation is identically zero."""

    layer: int
    neuron: int
    region: int
    heard: bool


@dataclass(frozen=True, eq=False)
class Affine:
    """A x + B of several neurons on each region, exact: (numerators) / denominator, each (n, R) whole numbers."""

    slopes: Array
    intercepts: Array
    denominator: int

    def on(self, regions: Array) -> Affine:
        """Of the regions with these indices, repetitions allowed."""
        return Affine(self.slopes[:, regions], self.intercepts[:, regions], self.denominator)

    def at_ends(self, marks: Sequence[Fraction]) -> tuple[Array, Array]:
        """The values at both ends of each region times positive whole numbers: for their signs, (n, R) each."""
        numerators = np.array([m.numerator for m in marks], dtype=object)
        denominators = np.array([m.denominator for m in marks], dtype=object)
        left = self.slopes * numerators[:-1] + self.intercepts * denominators[:-1]
        return left, self.slopes * numerators[1:] + self.intercepts * denominators[1:]


@dataclass(frozen=True, eq=False)
class LinearRegions:
    """Where a network is linear, and what it is there; R regions.

    Attributes:
        network: whose they are.
        marks: their ends, ascending, (R + 1); the domain's ends included.
        masks: by layer: is the neuron active on the region? (nₖ, R)
        outputs: x itself, then each layer's outputs: A x + B.
        value: the network, one row.
        kinks: ascending, those on the ends of the domain included.
        dead: pre-activations that vanish on a whole region.
        touching: distance in x to where a pre-activation would vanish, were it continued straight: the least from a
            breakpoint of earlier layers, from the left end and from the right end.
    """

    network: DeepNetwork
    marks: tuple[Fraction, ...]
    masks: tuple[Array, ...]
    outputs: tuple[Affine, ...]
    value: Affine
    kinks: tuple[Kink, ...]
    dead: tuple[DeadStretch, ...]
    touching: tuple[float, float, float]

    @property
    def count(self) -> int:
        """R, the number of regions."""
        return len(self.marks) - 1

    @cached_property
    def moving(self) -> tuple[Kink, ...]:
        """The kinks inside the domain that the network feels and whose motion is known."""
        inner = range(1, self.count)
        return tuple(k for k in self.kinks if k.heard and k.slope is not None and k.mark in inner)


def linear_regions(network: DeepNetwork, domain: tuple[Any, Any] = (0, 1), order: int = 1) -> LinearRegions:
    """Split an interval at every kink of every layer.

    Args:
        network: one network.
        domain: the interval; numbers, text or SymPy.
        order: 1: a kink is heard if its motion changes the output; 2: also if weights that are zero keep it silent.

    Raises:
        InputError: no interval.

    Returns:
        The regions. Cost: R·P products of whole numbers of 60·L bits for float64 parameters.

    Examples:
        >>> found = linear_regions(DeepNetwork([[1], [[-2]]], [["-1/4"], [1]], [1]))
        >>> [(k.layer, k.neuron, str(k.position)) for k in found.kinks]
        [(0, 0, '1/4'), (1, 0, '3/4')]
    """
    marks = [_rational(e) for e in domain]
    if len(marks) != 2 or marks[0] >= marks[1]:
        ends = ", ".join(map(str, domain))
        raise InputError(f"domain: ({ends}) is no interval; two ends in ascending order would be right")
    stages: list[Affine] = [Affine(_whole([[1]]), _whole([[0]]), 1)]
    masks: list[Array] = []
    zeros: list[tuple[int, int, Fraction, Fraction | None]] = []
    dead: list[tuple[int, int, Fraction, Fraction]] = []
    touching = np.full(3, math.inf)
    exact = network.tensors
    for layer, (w, b) in enumerate(zip(exact.hidden_weights, exact.hidden_biases, strict=True)):
        z = _linear(w, b, stages[-1])
        parents, new, active, found = _split(z, marks)
        touching = np.minimum(touching, _touching(z, marks))
        zeros += [(layer, *rest) for rest in found]
        for neuron, region in np.argwhere((z.slopes == 0) & (z.intercepts == 0)):
            dead.append((layer, int(neuron), marks[region], marks[region + 1]))
        marks = new
        stages = [s.on(parents) for s in stages]
        masks = [m[:, parents] for m in masks] + [active]
        z = z.on(parents)
        stages.append(Affine(np.where(active, z.slopes, 0), np.where(active, z.intercepts, 0), z.denominator))
    shift = _whole([Fraction(0)]) if exact.output_bias is None else np.reshape(exact.output_bias, 1)
    value = _linear(exact.output_weights[None], shift, stages[-1])
    kinks, stretches = _heard(network, marks, masks, zeros, dead, order)
    inner, left, right = touching.tolist()
    near = (inner, left, right)
    return LinearRegions(network, tuple(marks), tuple(masks), tuple(stages), value, kinks, stretches, near)


def _rational(end: Any) -> Fraction:
    number = parse_number(end, "domain")
    if not isinstance(number, sympy.Rational):
        number = sympy.Rational(str(sympy.N(number, _END_DIGITS)))
    return Fraction(int(number.p), int(number.q))


def _whole(values: Any) -> Array:
    return np.array(values, dtype=object)


def _common(values: Array) -> tuple[Array, int]:
    """Fractions, or floats as the fractions that they are, as whole numbers over one denominator."""
    if values.dtype != object:
        # m·2ᵉ with 53 binary digits in m: all at once, where a Fraction for each would take most of the time.
        mantissas, exponents = np.frexp(values)
        lowest = min(int(exponents.min()), 53)
        numerators = np.ldexp(mantissas, 53).astype(np.int64).astype(object)
        return numerators << (exponents - lowest).astype(object), 2 ** (53 - lowest)
    denominator = math.lcm(*(v.denominator for v in values.flat))
    whole = np.empty(values.shape, dtype=object)
    for index, v in np.ndenumerate(values):
        whole[index] = v.numerator * (denominator // v.denominator)
    return whole, denominator


def _linear(w: Array, b: Array, inputs: Affine) -> Affine:
    """W (A x + B) + b."""
    (weights, by_weights), (biases, by_biases) = _common(w), _common(b)
    own = by_weights * inputs.denominator
    denominator = math.lcm(own, by_biases)
    scale = denominator // own
    shift = biases * (denominator // by_biases)
    count = inputs.slopes.shape[1]
    both = product(weights, np.concatenate([inputs.slopes, inputs.intercepts], axis=1)) * scale
    return Affine(both[:, :count], both[:, count:] + shift[:, None], denominator)


def _split(
    z: Affine, marks: list[Fraction]
) -> tuple[Array, list[Fraction], Array, list[tuple[int, Fraction, Fraction | None]]]:
    """Parent of each new region, the new marks, who is active there, and (neuron, zero, slope)."""
    at_left, at_right = z.at_ends(marks)
    left, right = (np.sign((v > 0).astype(int) - (v < 0)) for v in (at_left, at_right))
    zeros: list[tuple[int, Fraction, Fraction | None]] = []
    inside: list[list[tuple[int, Fraction]]] = [[] for _ in marks[1:]]
    for neuron, region in np.argwhere(left * right < 0).tolist():
        slope = z.slopes[neuron, region]
        place = Fraction(-z.intercepts[neuron, region], slope)
        zeros.append((neuron, place, Fraction(slope, z.denominator)))
        inside[region].append((neuron, place))
    # A zero on an earlier breakpoint or on an end: there the slope is that of one side, if at all.
    on_left, on_right = (left == 0) & (z.slopes != 0), (right == 0) & (z.slopes != 0)
    touched = {(int(i), marks[r]) for i, r in np.argwhere(on_left)}
    touched |= {(int(i), marks[r + 1]) for i, r in np.argwhere(on_right)}
    zeros += [(i, place, None) for i, place in sorted(touched, key=lambda t: t[::-1])]
    new, parents = [marks[0]], []
    for region, crossings in enumerate(inside):
        places = sorted({place for _, place in crossings})
        new += [*places, marks[region + 1]]
        parents += [region] * (len(places) + 1)
    parent = np.array(parents)
    active = (left + right > 0)[:, parent]
    first = np.searchsorted(parent, np.arange(len(marks)))
    index = {m: k for k, m in enumerate(new)}
    for region, crossings in enumerate(inside):
        for neuron, place in crossings:
            active[neuron, first[region] : index[place]] = left[neuron, region] > 0
            active[neuron, index[place] : first[region + 1]] = right[neuron, region] > 0
    return parent, new, active, zeros


def _touching(z: Affine, marks: list[Fraction]) -> Array:
    """Least |z| ÷ |slope| at the inner breakpoints so far, at the left end and at the right end, (3,) float64."""
    sides = [
        np.abs((v / _whole([m.denominator * z.denominator for m in ends])).astype(float))
        for v, ends in zip(z.at_ends(marks), (marks[:-1], marks[1:]), strict=True)
    ]
    slopes = np.abs((z.slopes / z.denominator).astype(float))
    steepest = np.maximum(slopes[:, :-1], slopes[:, 1:])

    def least(values: Array, steep: Array) -> float:
        ratios = np.divide(values, steep, out=np.full_like(steep, math.inf), where=steep > 0)
        return float(ratios.min(initial=math.inf))

    left, right = least(sides[0][:, 0], slopes[:, 0]), least(sides[1][:, -1], slopes[:, -1])
    return np.array([least(sides[0][:, 1:], steepest), left, right])


def _heard(
    network: DeepNetwork,
    marks: list[Fraction],
    masks: list[Array],
    zeros: list[tuple[int, int, Fraction, Fraction | None]],
    dead: list[tuple[int, int, Fraction, Fraction]],
    order: int,
) -> tuple[tuple[Kink, ...], tuple[DeadStretch, ...]]:
    """Which kinks and dead stretches have an open path to the output; a neuron at its own kink counts as open."""
    index = {m: k for k, m in enumerate(marks)}
    near = [np.concatenate([m[:, :1], m[:, :-1] | m[:, 1:], m[:, -1:]], axis=1) for m in masks]
    over = [m.copy() for m in masks]
    for layer, neuron, place, _ in zeros:
        near[layer][neuron, index[place]] = True
    for layer, neuron, start, stop in dead:
        over[layer][neuron, index[start] : index[stop]] = True
        near[layer][neuron, index[start] : index[stop] + 1] = True
    linked = [w != 0 if order == 1 else np.ones(w.shape, dtype=bool) for w in network.tensors.hidden_weights]
    out = network.tensors.output_weights != 0 if order == 1 else np.ones(network.widths[-1], dtype=bool)

    def reach(open_at: list[Array]) -> list[Array]:
        """By layer: is the neuron's output heard at the place? (nₖ, places)"""
        heard = [np.repeat(out[:, None], open_at[-1].shape[1], axis=1)]
        for link, gate in zip(reversed(linked[1:]), reversed(open_at[1:]), strict=True):
            heard.insert(0, link.T.astype(int) @ (gate & heard[0]) > 0)
        return heard

    at_marks, on_regions = reach(near), reach(over)
    kinks = [
        Kink(layer, i, place, slope, index[place], bool(at_marks[layer][i, index[place]]))
        for layer, i, place, slope in zeros
    ]
    kinks.sort(key=lambda k: (k.mark, k.layer, k.neuron))
    stretches = [
        DeadStretch(layer, i, r, bool(on_regions[layer][i, r]))
        for layer, i, start, stop in dead
        for r in range(index[start], index[stop])
    ]
    return tuple(kinks), tuple(stretches)
