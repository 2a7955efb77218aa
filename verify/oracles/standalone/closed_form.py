"""Exact energy, gradient and Hessian of one network from a problem's antiderivatives, in float64.

NumPy only, and complete in itself: generated files carry a copy of this module, with the functions of their problem.
One hidden layer, u = lift + D·Σ cᵢ max(0, wᵢx + bᵢ); between two kinks the network is a·x + g, and the energy density
is (m₀a + m₁g + m₃)a + (m₂g + m₄)g + m₅ with six functions m of x alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Array]

_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(16)
# Two float64 positions closer than this many roundings may be equal or swapped: exact arithmetic decides.
_SUSPICIOUS = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Piece:
    """One smooth stretch of the problem's data.

    Attributes:
        left: its left end.
        right: its right end.
        densities: x (K,) → the six functions m, (6, K).
        slopes: their derivatives.
        dirac: (x, w, c, value, other_slope) → the Dirac terms of ∂E/∂w and ∂E/∂b for a kink at x, (2, K).
        antiderivatives: of the six functions, or None: then Gauss points on the panels between `edges` integrate them.
        edges: ascending, from left to right.
    """

    left: float
    right: float
    densities: Function
    slopes: Function
    dirac: Function
    antiderivatives: Function | None = None
    edges: tuple[float, ...] = ()

    def running(self, x: Array) -> Array:
        """∫ of the six functions up to x (K,), clipped to the piece, up to a constant: (6, K)."""
        x = np.minimum(np.maximum(x, self.left), self.right)
        if self.antiderivatives is not None:
            return self.antiderivatives(x)
        edges, whole = self._panels
        panel = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
        return whole[:, panel] + gauss(self.densities, edges[panel], x)

    @cached_property
    def _panels(self) -> tuple[Array, Array]:
        edges = np.array(self.edges)
        return edges, np.cumsum(np.pad(gauss(self.densities, edges[:-1], edges[1:]), ((0, 0), (1, 0))), axis=1)


def gauss(function: Function, start: Any, stop: Array) -> Array:
    """∫ from start (K,) to stop (K,) by 16 points, (6, K)."""
    half = (stop - start) / 2
    values = function((start + half)[:, None] + half[:, None] * _GAUSS_NODES)
    return np.asarray(values @ _GAUSS_WEIGHTS * half)


@dataclass(frozen=True)
class End:
    """An end of the domain at which u is free, or the place of a point load.

    Attributes:
        place: x.
        distance: D there, and likewise lift.
        flux: with its sign in the energy, or minus a load: the energy has the term flux·u.
        penalty: the energy has the term ½ penalty (u − wanted)².
        wanted: the Dirichlet value.
        opposite, opposite_distance, opposite_lift: of periodic ends, of which u is the difference: the other's place, D
            and lift.
    """

    place: float
    distance: float
    lift: float
    flux: float
    penalty: float
    wanted: float
    opposite: float = 0.0
    opposite_distance: float = 0.0
    opposite_lift: float = 0.0

    @property
    def places(self) -> tuple[tuple[float, float], ...]:
        """Each place with its D, negative where the value is taken off."""
        return (self.place, self.distance), (self.opposite, -self.opposite_distance)

    def value(self, w: Array, b: Array, c: Array) -> float:
        """u there."""
        network = sum(distance * float(c @ np.maximum(w * x + b, 0)) for x, distance in self.places)
        return self.lift - self.opposite_lift + network


@dataclass(frozen=True)
class Problem:
    """All that the closed forms need of a problem.

    Attributes:
        pieces: from left to right.
        ends: the free ones, and point loads.
        marks: (kind, exact place, lowest order of a derivative that a kink there does not have).
        reach: how far from either end 16 Gauss points are as good as rounding.
    """

    pieces: tuple[Piece, ...]
    ends: tuple[End, ...]
    marks: tuple[tuple[str, Fraction, int], ...]
    reach: tuple[float, float]

    @property
    def domain(self) -> tuple[float, float]:
        """Its two ends."""
        return self.pieces[0].left, self.pieces[-1].right

    def increments(self, x: Array) -> Array:
        """∫ of the six functions between ascending x (N,), from end to end: (6, N + 1)."""
        left, right = self.domain
        places = np.concatenate([[left], x, [right]])
        running = self.pieces[0].running(places)
        for piece in self.pieces[1:]:
            running = running + piece.running(places)
        out = np.diff(running, axis=1)
        # A neuron that is active only next to an end has a gradient which antiderivatives lose to cancellation.
        near = places - left < self.reach[0]
        if near[1]:
            start = gauss(self.pieces[0].densities, left, places[near])
            out[:, : near.sum() - 1] = np.diff(start, axis=1)
        near = right - places < self.reach[1]
        if near[-2]:
            rest = gauss(self.pieces[-1].densities, right, places[near])
            out[:, out.shape[1] + 1 - near.sum() :] = np.diff(rest, axis=1)
        return out

    def at(self, what: str, x: Array, *others: Array) -> Array:
        """A function of the pieces ("densities", "slopes", "dirac") at x (K,), on each piece its own."""
        if len(self.pieces) == 1:
            return np.asarray(getattr(self.pieces[0], what)(x, *others))
        which = np.searchsorted([p.left for p in self.pieces[1:]], x, side="right")
        with np.errstate(divide="ignore", invalid="ignore"):
            # Each piece is asked, beyond its ends on its end, where it may be infinite; what is taken is its own.
            rows = [getattr(p, what)(np.clip(x, p.left, p.right), *others) for p in self.pieces]
        return np.asarray(np.take_along_axis(np.stack(rows), which[None, None, :], axis=0)[0])


class Gradient(NamedTuple):
    """total = bulk + dirac, each (3N,): hidden weights, hidden biases, output weights."""

    bulk: Array
    dirac: Array
    total: Array


@dataclass(frozen=True)
class _Sweep:
    """A network with its neurons sorted by kink; every array (N,), those of the pieces between kinks (N + 1,)."""

    order: Array
    w: Array
    b: Array
    c: Array
    x: Array
    inside: Array
    rising: Array
    slope: Array
    intercept: Array
    moments: Array

    def active_sum(self, per_piece: Array) -> Array:
        """Sum over the pieces on which each neuron is active, taken from the end at which it is."""
        return np.where(self.rising, np.cumsum(per_piece[::-1])[::-1][1:], np.cumsum(per_piece)[:-1])

    def forces(self) -> tuple[Array, Array]:
        """∫ ∂L/∂a and ∫ ∂L/∂g over the active interval of each neuron."""
        by_slope, by_intercept = _derivatives(self.moments, self.slope, self.intercept)
        return self.active_sum(by_slope), self.active_sum(by_intercept)

    def unsorted(self, blocks: Array) -> Array:
        """(3, N) by sorted neurons → (3N,) as they were given."""
        out = np.empty_like(blocks)
        out[:, self.order] = blocks
        return out.ravel()


def _sweep(problem: Problem, w: Array, b: Array, c: Array, order_of_derivative: int) -> _Sweep:
    w, b, c = (np.asarray(v, dtype=np.float64) for v in (w, b, c))
    if not (w.ndim == 1 and w.size and w.shape == b.shape == c.shape):
        raise ValueError(f"network: shapes {w.shape}, {b.shape}, {c.shape} differ; three arrays (N,) would be right")
    if not np.isfinite(w + b + c).all():
        raise ValueError("network: a parameter is not finite; finite numbers would be right")
    left, right = problem.domain
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        kink = -b / w
    flat = w == 0
    if flat.any():
        # On throughout or off throughout: a kink at the end that says the same.
        kink = np.where(flat, np.where(b > 0, left, right), kink)
    x = np.minimum(np.maximum(kink, left), right)
    inside = (kink > left) & (kink < right) & ~flat
    order = np.argsort(x, kind="stable")
    ascending, seen = x[order], inside[order]
    gaps = ascending[1:] - ascending[:-1]
    if ((gaps <= _SUSPICIOUS * max(abs(left), abs(right))) & seen[1:] & seen[:-1]).any():
        order = np.array(sorted(order, key=lambda i: _exact_kink(w[i], b[i]) if inside[i] else Fraction(float(x[i]))))
    if order_of_derivative:
        _refuse_degenerate(problem, (w, b, c), kink, order[inside[order]], order_of_derivative)
    w, b, c, x, inside = w[order], b[order], c[order], x[order], inside[order]
    rising = w >= 0
    sign = np.where(rising, 1.0, -1.0)
    affine = []
    for amount in (c * w, c * b):
        start = amount[~rising].sum()
        affine.append(start + np.concatenate([[0.0], np.cumsum(sign * amount)]))
    return _Sweep(order, w, b, c, x, inside, rising, affine[0], affine[1], problem.increments(x))


def _exact_kink(w: Any, b: Any) -> Fraction:
    return -Fraction(float(b)) / Fraction(float(w))


def _refuse_degenerate(
    problem: Problem, parameters: tuple[Array, Array, Array], kink: Array, order: Array, derivative: int
) -> None:
    """Raise where the energy is only one-sidedly differentiable; `order`: the inner kinks, ascending."""
    w, b, c = parameters
    heard = c != 0
    counts = heard if derivative == 1 else np.ones_like(heard)
    scale = _SUSPICIOUS * max(1.0, *np.abs(problem.domain))
    found = [f"w = b = 0 in neuron {i}" for i in np.flatnonzero((w == 0) & (b == 0) & counts)]
    sorted_kinks = kink[order[counts[order]]]
    if (np.diff(sorted_kinks) <= scale).any():
        chosen = order[counts[order]]
        for i, j in pairwise(chosen):
            same = kink[j] - kink[i] <= scale and _exact_kink(w[i], b[i]) == _exact_kink(w[j], b[j])
            if same and (heard[i] or heard[j]) and _stiffness(problem, kink[i : i + 1])[0] > 0:
                found.append(f"the kinks of neurons {i} and {j} coincide at x = {kink[i]:.12g}")
    for kind, place, lowest in problem.marks:
        close = np.flatnonzero((np.abs(kink - float(place)) <= scale) & (w != 0) & counts)
        if lowest <= derivative:
            found += [
                f"the kink of neuron {i} lies on {kind}, x = {float(place):.12g}"
                for i in close
                if _exact_kink(w[i], b[i]) == place
            ]
    if found:
        what = "derivative" if derivative == 1 else "Hessian"
        raise ValueError(f"the energy has no {what} here: {'; '.join(found[:3])}; other parameters would be right")


def _stiffness(problem: Problem, x: Array) -> Array:
    """κD² at x: what the Dirac term gains when the other neurons' slope grows by one."""
    one, zero = np.ones_like(x), np.zeros_like(x)
    difference = problem.at("dirac", x, one, one, zero, one) - problem.at("dirac", x, one, one, zero, zero)
    return np.asarray(difference[1])


def kink_jump(problem: Problem, w: Array, b: Array, c: Array) -> Array:
    """½κD²c²|w| in ∂E/∂b at each kink inside, and ξ times it in ∂E/∂w, (3N,): half of the neuron's own jump of û′."""
    s = _sweep(problem, w, b, c, 0)
    jump = np.where(s.inside, _stiffness(problem, s.x) * s.c**2 * np.abs(s.w) / 2, 0.0)
    return s.unsorted(np.stack([s.x * jump, jump, 0 * jump]))


def energy(problem: Problem, w: Array, b: Array, c: Array) -> float:
    """∫ ½κu′² + ½ρu² − f u dx with the terms at free ends and of point loads; O(N log N)."""
    s = _sweep(problem, w, b, c, 0)
    m, a, g = s.moments, s.slope, s.intercept
    total = float(((m[0] * a + m[1] * g + m[3]) * a + (m[2] * g + m[4]) * g + m[5]).sum())
    for end in problem.ends:
        u = end.value(s.w, s.b, s.c)
        total += end.flux * u + end.penalty * (u - end.wanted) ** 2 / 2
    return total


def gradient(problem: Problem, w: Array, b: Array, c: Array) -> Gradient:
    """The derivative of `energy`, split into the part with the kinks held still and their motion; O(N log N)."""
    s = _sweep(problem, w, b, c, 1)
    by_slope, by_intercept = s.forces()
    bulk = np.stack([s.c * by_slope, s.c * by_intercept, s.w * by_slope + s.b * by_intercept])
    for end in problem.ends:
        directions, pull = _end(end, s)
        bulk += pull * directions
    dirac = np.zeros_like(bulk)
    # At its own kink the neuron is silent: the value is that of the others, and so is the slope without its own.
    value = s.slope[:-1] * s.x + s.intercept[:-1]
    others = (s.slope[:-1] + s.slope[1:] - s.c * s.w) / 2
    terms = problem.at("dirac", s.x, np.where(s.inside, s.w, 1.0), s.c, value, others)
    dirac[:2] = np.where(s.inside, terms, 0.0)
    return Gradient(s.unsorted(bulk), s.unsorted(dirac), s.unsorted(bulk + dirac))


def _end(end: End, s: _Sweep) -> tuple[Array, float]:
    """D ∂network/∂(w, b, c) at an end, (3, N), and the derivative of its terms by u."""
    directions = np.zeros((3, len(s.c)))
    for x, distance in end.places:
        z = np.maximum(s.w * x + s.b, 0)
        on = np.where(z > 0, s.c, 0.0)
        directions += distance * np.stack([x * on, on, z])
    return directions, end.flux + end.penalty * (end.value(s.w, s.b, s.c) - end.wanted)


def hessian(problem: Problem, w: Array, b: Array, c: Array) -> Array:
    """The second derivative of `energy`, (3N, 3N); O(N²)."""
    s = _sweep(problem, w, b, c, 2)
    n = len(s.x)
    zero, index = np.zeros(n), np.arange(n)
    # ∂(a, g)/∂(w, b, c) of each neuron where it is active, and the motion of its kink ξ = −b/w.
    by_a, by_g = np.stack([s.c, zero, s.w]), np.stack([zero, s.c, s.b])
    safe = np.where(s.inside, s.w, 1.0)
    motion = np.where(s.inside, np.stack([-s.x / safe, -1 / safe, zero]), 0.0)
    out = _held_still(s, by_a, by_g)
    mixed = np.stack(s.forces())
    for end in problem.ends:
        directions, pull = _end(end, s)
        out += end.penalty * directions[:, :, None, None] * directions[None, None]
        for x, distance in end.places:
            on = np.where(s.w * x + s.b > 0, distance * pull, 0.0)
            mixed += np.stack([x * on, on])
    for k in (0, 1):
        out[k, index, 2, index] += mixed[k]
        out[2, index, k, index] += mixed[k]
    jump, density_jump, slope_jump = _jumps(problem, s, by_a, by_g)
    moved = motion[:, :, None, None] * jump.transpose(1, 0, 2)[None]
    out -= moved + moved.transpose(2, 3, 0, 1)
    bend = np.zeros((3, 3, n))
    bend[0, 0], bend[0, 1] = 2 * s.x / safe**2, 1 / safe**2
    bend[1, 0] = bend[0, 1]
    own = slope_jump * motion[:, None] * motion[None] + density_jump * np.where(s.inside, bend, 0.0)
    for k in (0, 1):
        for m in (0, 1):
            out[k, index, m, index] -= own[k, m]
    unsorted = np.empty_like(out)
    blocks = np.arange(3)
    unsorted[np.ix_(blocks, s.order, blocks, s.order)] = out
    return unsorted.reshape(3 * n, 3 * n)


def _held_still(s: _Sweep, by_a: Array, by_g: Array) -> Array:
    """∫ ∂²L over the common active interval of each two neurons, (3, N, 3, N)."""
    index = np.arange(len(s.x))
    early, late = np.minimum.outer(index, index), np.maximum.outer(index, index)
    up_i, up_j = s.rising[:, None], s.rising[None, :]
    # One rises at its kink and the other falls at its own: they meet in between, or nowhere.
    meet = up_i == (index[:, None] <= index[None, :])
    shared = []
    for per_piece in (2 * s.moments[0], s.moments[1], 2 * s.moments[2]):
        whole = np.cumsum(per_piece)
        before, total = whole[:-1], whole[-1]
        crossing = np.where(meet, before[late] - before[early], 0.0)
        one_side = np.where(up_i, total - before[late], before[early])
        shared.append(np.where(up_i == up_j, one_side, crossing))
    aa, ag, gg = shared
    a_i, g_i, a_j, g_j = by_a[:, :, None, None], by_g[:, :, None, None], by_a[None, None], by_g[None, None]
    aa, ag, gg = aa[None, :, None, :], ag[None, :, None, :], gg[None, :, None, :]
    return np.asarray(a_i * a_j * aa + (a_i * g_j + g_i * a_j) * ag + g_i * g_j * gg)


def _derivatives(m: Array, a: Array, g: Array) -> tuple[Array, Array]:
    """∂L/∂a and ∂L/∂g."""
    return 2 * m[0] * a + m[1] * g + m[3], m[1] * a + 2 * m[2] * g + m[4]


def _jumps(problem: Problem, s: _Sweep, by_a: Array, by_g: Array) -> tuple[Array, Array, Array]:
    """At each kink i: the jumps of ∂L/∂θ as (3, N, N) [block, i, neuron], of L and of ∂L/∂x as (N,)."""
    # An unseen kink lies on an end, where a source may be infinite; what is read in its stead is not used.
    places = np.where(s.inside, s.x, sum(problem.domain) / 2)
    m, change = problem.at("densities", places), problem.at("slopes", places)
    before, after = ((s.slope[side], s.intercept[side]) for side in (slice(None, -1), slice(1, None)))
    # The jumps of a quadratic are its derivatives at the mean times the steps of (a, g), which are the neuron's own;
    # differences of both sides would cancel beside a steep neuron.
    sign = np.where(s.rising, 1.0, -1.0)
    steps = np.where(s.inside, sign * s.c * np.stack([s.w, s.b]), 0.0)
    mean = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    density_jump, slope_jump = ((np.stack(_derivatives(d, *mean)) * steps).sum(axis=0) for d in (m, change))
    jump_a = 2 * m[0] * steps[0] + m[1] * steps[1]
    jump_g = m[1] * steps[0] + 2 * m[2] * steps[1]
    index = np.arange(len(s.x))
    # Neuron j at kink i: on, if it rises and its kink came before, or falls and its kink comes after.
    on = (index[None, :] < index[:, None]) == s.rising[None, :]
    jump = np.where(on, jump_a[:, None] * by_a[:, None, :] + jump_g[:, None] * by_g[:, None, :], 0.0)
    # The neuron itself is on at one side only: its jump is the whole one-sided derivative.
    own_a, own_g = _derivatives(m, *(np.where(s.rising, v, u) for u, v in zip(before, after, strict=True)))
    jump[:, index, index] = np.where(s.inside, sign * (own_a * by_a + own_g * by_g), 0.0)
    return jump, density_jump, slope_jump
