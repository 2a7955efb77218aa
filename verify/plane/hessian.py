"""The exact Hessian on a polygon: what two derivatives of integrals over moving half planes give.

With v = (w₁, w₂, b) and ν = (x, y, 1): where one line moves, an integral over its active side grows by one along it,
per dt = ds/|w|. Where two lines move there is, besides, the value at their crossing over |w × w′|; and where one moves
twice, the integral along it moves: by the divergence theorem ∫ δ′(z) g = −∫ w·∇g ÷ |w|² dt, and what its ends give.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ..line.hessian import HessianParts
from ..statement.plane import PlaneProblem, require_network
from ..statement.plane_network import PlaneNetwork
from .degeneracies import clearance
from .energy import GUARD_DIGITS, refined
from .functions import PAIR, PlaneFunctions
from .gradient import line_forces, local_parameters, refuse_degenerate
from .pairs import PairIntegrals, forces, local_lines, segments_in
from .rule import Rule
from .trapezoids import trapezoids

Array = NDArray[Any]


def plane_hessian_parts(problem: PlaneProblem, network: PlaneNetwork, digits: int | None = None) -> HessianParts:
    """`hessian_parts` on a polygon, (4N, 4N) in the order of `PlaneNetwork.ravel`; see `exact_hessian`."""
    require_network(network, problem)
    refuse_degenerate(problem, network, clearance(problem, network, order=2), derivative=2)

    def wanted(functions: PlaneFunctions, pairs: PairIntegrals, rule: Rule) -> Array:
        return np.stack(_parts(functions, network, pairs, rule))

    if digits is None:
        bulk, dirac = refined(problem, network, "float", wanted).values
        return HessianParts(bulk, dirac, bulk + dirac)
    with mpmath.workdps(digits + GUARD_DIGITS):
        bulk, dirac = refined(problem, network, "mpf", wanted).values
        total = bulk + dirac
    with mpmath.workdps(digits):
        return HessianParts(+bulk, +dirac, +total)


def _parts(functions: PlaneFunctions, network: PlaneNetwork, pairs: PairIntegrals, rule: Rule) -> tuple[Array, Array]:
    """Bulk and Dirac part, from blocks (N, N, 4, 4) in v and c about the centre."""
    v, c = local_parameters(network, functions, rule.numbers)
    own = np.arange(len(c))
    shared = pairs.shared[..., PAIR]
    both = c[:, None] * c
    bulk = np.stack([np.stack([0 * both] * 4, -1)] * 4, -1)
    bulk[..., :3, :3] = both[..., None, None] * shared
    # Row: c of i; column: v of j, and the other way round.
    pulled = np.einsum("jirs,is->ijr", shared, v)
    bulk[..., 3, :3] = c[None, :, None] * pulled
    bulk[own, own, 3, :3] += forces(pairs)
    bulk[..., 3, 3] = np.einsum("ijr,jr->ij", pulled, v)
    dirac = 0 * bulk
    along = _along(functions, network, v, rule)
    cross, place = _crossings(functions, v, network, rule)
    around = place[..., :, None] * place[..., None, :]
    line = pairs.line
    met = np.swapaxes(line, 0, 1) + np.swapaxes(line, -1, -2) + cross[..., None, None] * around
    dirac[..., :3, :3] = both[..., None, None] * met
    dirac[..., 3, :3] = c[None, :, None] * np.einsum("jisp,is->ijp", line, v)
    dirac[own, own, 3, :3] = line_forces(pairs, 1)
    dirac[own, own, :3, :3] = _own(functions, network, pairs, along, cross, around, v, c, rule)
    for part in (bulk, dirac):
        part[..., :3, 3] = np.swapaxes(part[..., 3, :3], 0, 1)
    return _flat(bulk, functions, rule), _flat(dirac, functions, rule)


def _along(functions: PlaneFunctions, network: PlaneNetwork, v: Array, rule: Rule) -> tuple[Array, Array, Array, Array]:
    """On line i where j is active: A_rs ν_p (N, N, 6, 3), T_s ν_p ν_q (N, N, 3, 3, 3); whole: A_r, T₀ likewise.

    T_s is w·∇(v·A)_s ÷ |w|², T₀ likewise of A_r.
    """
    lines, count = local_lines(functions, network), len(v)
    square = v[:, 0] ** 2 + v[:, 1] ** 2
    direction = v[:, :2] / np.where(square == 0, square + 1, square)[:, None]
    total: list[Array] = []
    for trapezoid in trapezoids(functions.domain):
        found = segments_in(functions, lines, trapezoid, [], rule)
        start, end = found.start[:count], found.end[:count]
        x, y = (start[:, None, k] + rule.nodes * (end - start)[:, None, k] for k in (0, 1))
        areal = functions.areal(x, y, rule.numbers)[:9] * found.length[:count, None]
        slopes = functions.slopes.at(x, y, rule.numbers) * found.length[:count, None]
        # (9, N, n): w·∇ of the six A_rs and three A_r.
        by_normal = slopes[:9] * direction[:, 0, None] + slopes[9:] * direction[:, 1, None]
        bent = [sum(v[:, r, None] * by_normal[PAIR[r, s]] for r in range(3)) for s in range(3)]
        bent_lift = sum(v[:, r, None] * by_normal[6 + r] for r in range(3))
        nu = (x, y, 0 * x + 1)
        twice = [nu[p] * nu[q] for p in range(3) for q in range(3)]
        values = np.stack([a * p for a in areal[:6] for p in nu] + [t * k for t in bent for k in twice], axis=-1)
        whole = np.stack([a * p for a in areal[6:] for p in nu] + [bent_lift * k for k in twice], axis=-1)
        share = rule.upto(found.high[:count]) - rule.upto(found.low[:count])
        cut, lift = share @ values, np.moveaxis(whole, 1, -1) @ rule.weights
        parts = [
            cut[..., :18].reshape(count, count, 6, 3),
            cut[..., 18:].reshape(count, count, 3, 3, 3),
            lift[..., :9].reshape(count, 3, 3),
            lift[..., 9:].reshape(count, 3, 3),
        ]
        total = parts if not total else [a + b for a, b in zip(total, parts, strict=True)]
    return total[0], total[1], total[2], total[3]


def _crossings(functions: PlaneFunctions, v: Array, network: PlaneNetwork, rule: Rule) -> tuple[Array, Array]:
    """vᵢ·A vⱼ ÷ |wᵢ × wⱼ| where two lines cross inside, 0 elsewhere, (N, N); and (x, y, 1) there, (N, N, 3)."""
    lines, count = local_lines(functions, network), len(v)
    if rule.numbers == "float":
        det = v[:, None, 0] * v[None, :, 1] - v[:, None, 1] * v[None, :, 0]
        scale = np.hypot(v[:, 0], v[:, 1])
        doubtful = np.abs(det) <= 2.0**-8 * scale[:, None] * scale
        safe = np.where(det == 0, 1.0, det)
        x = (v[:, None, 1] * v[None, :, 2] - v[:, None, 2] * v[None, :, 1]) / safe
        y = (v[:, None, 2] * v[None, :, 0] - v[:, None, 0] * v[None, :, 2]) / safe
    else:
        det, x, y = (np.full((count, count), rule.number(Fraction(0)), dtype=object) for _ in range(3))
        doubtful = np.ones((count, count), dtype=bool)
    for i, j in np.argwhere(doubtful).tolist():
        (p1, p2, p3), (q1, q2, q3) = lines[i], lines[j]
        cross = p1 * q2 - p2 * q1
        det[i, j] = rule.number(cross)
        if cross:
            x[i, j] = rule.number((p2 * q3 - p3 * q2) / cross)
            y[i, j] = rule.number((p3 * q1 - p1 * q3) / cross)
    there = np.stack([x, y], axis=-1).astype(float)
    inside = (det != 0) & functions.domain.inside(there)
    x, y = (np.where(inside, k, 0 * k) for k in (x, y))
    areal = np.moveaxis(functions.areal(x, y, rule.numbers)[:6], 0, -1)[..., PAIR]
    value = np.einsum("ir,ijrs,js->ij", v, areal, v) / np.where(det == 0, 1 + 0 * det, abs(det))
    return np.where(inside, value, 0 * value), np.stack([x, y, 0 * x + 1], axis=-1)


def _own(
    functions: PlaneFunctions,
    network: PlaneNetwork,
    pairs: PairIntegrals,
    along: tuple[Array, Array, Array, Array],
    cross: Array,
    around: Array,
    v: Array,
    c: Array,
    rule: Rule,
) -> Array:
    """The Dirac part of the blocks of v of one neuron, (N, 3, 3)."""
    areal, bent, areal_lift, bent_lift = along
    steps, own = pairs.steps, np.arange(len(c))
    # Σ over the others, and the neuron itself: whole where it is differentiated by, half where it is sifted.
    force = np.einsum("ijrsp,js->irp", areal[:, :, PAIR], steps) + areal_lift
    twice = np.einsum("ijspq,js->ipq", bent, steps) + bent_lift
    twice = twice - np.einsum("ispq,is->ipq", bent[own, own], steps) / 2
    sifted = line_forces(pairs, Fraction(1, 2) if rule.numbers == "rational" else 0.5)
    square = v[:, 0] ** 2 + v[:, 1] ** 2
    normal = np.concatenate([v[:, :2], 0 * v[:, 2:]], axis=1) / np.where(square == 0, square + 1, square)[:, None]
    turned = normal[:, :, None] * sifted[:, None, :]
    turned = turned + np.swapaxes(turned, -1, -2)
    # Ends on other lines: the normal of the end's own line, along that of the line that moves.
    ends = np.einsum("ij,ijpq->ipq", -(normal @ v.T) * cross * c, around)
    motion = -twice - turned + ends + _edge_ends(functions, network, v, c, normal, rule)
    return np.asarray(c[:, None, None] * (force + np.swapaxes(force, -1, -2) + motion))


def _edge_ends(
    functions: PlaneFunctions, network: PlaneNetwork, v: Array, c: Array, normal: Array, rule: Rule
) -> Array:
    """What the ends of lines on edges give on which D does not vanish, and the edge's own density there; (N, 3, 3)."""
    lines, out, turning = local_lines(functions, network), 0 * v[:, :, None] * v[:, None, :], functions.domain.turning
    for (a, b), family in functions.edges:
        heights = [[p * x + q * y + r for x, y in (a, b)] for p, q, r in lines]
        met = [i for i, (first, last) in enumerate(heights) if first * last < 0]
        if not met:
            continue
        share = rule.array([heights[i][0] / (heights[i][0] - heights[i][1]) for i in met])
        start, onward = rule.array(a), rule.array([b[0] - a[0], b[1] - a[1]])
        x, y = (start[k] + share * onward[k] for k in range(2))
        nu = np.stack([x, y, 0 * x + 1], axis=-1)
        z = nu @ v.T
        z[np.arange(len(met)), met] = 0 * share
        steps = c[:, None] * v
        others = np.where(z > 0, 1 + 0 * z, 0 * z) @ steps
        values, own = functions.line(x, y, rule.numbers), v[met]
        g = values[:4] * own[:, 0] + values[4:] * own[:, 1]
        sifted = (np.moveaxis(g[:3], 0, -1) * (others + steps[met] / 2)).sum(axis=-1) + g[3]
        outward = turning * (normal[met, 0] * onward[1] - normal[met, 1] * onward[0])
        edge = family.at(x, y, rule.numbers)
        pull = edge[5] * (others * nu).sum(axis=-1) + edge[8]
        amount = (outward * sifted + pull) / abs(own[:, 0] * onward[0] + own[:, 1] * onward[1])
        out[met] += amount[:, None, None] * nu[:, :, None] * nu[:, None, :]
    return np.asarray(out)


def _flat(blocks: Array, functions: PlaneFunctions, rule: Rule) -> Array:
    """(N, N, 4, 4) about the centre → (4N, 4N) in the order of `ravel`, by the problem's own x and y."""
    count = len(blocks)
    blocks = blocks.copy()
    for k, centre in enumerate(map(rule.number, functions.centre)):
        blocks[..., k, :] = blocks[..., k, :] + centre * blocks[..., 2, :]
    for k, centre in enumerate(map(rule.number, functions.centre)):
        blocks[..., :, k] = blocks[..., :, k] + centre * blocks[..., :, 2]
    own = np.arange(count)
    place = np.stack([2 * own, 2 * own + 1, 2 * count + own, 3 * count + own], axis=-1)
    out = np.empty((4 * count, 4 * count), dtype=blocks.dtype)
    out[place[:, None, :, None], place[None, :, None, :]] = blocks
    return out
