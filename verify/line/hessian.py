"""The exact Hessian of the energy: what two derivatives of Σ ∫ L dx over the pieces between moving kinks give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ..statement.expressions import to_mpf
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem
from ..values import Value
from .energy import Sweep, lebesgue_sweep, point_terms, single, working_digits
from .gradient import refuse_degenerate
from .moments import Moments

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class HessianParts(Value):
    """The exact Hessian, total = bulk + dirac, each (..., 3N, 3N).

    Attributes:
        bulk: with the kinks held still, what automatic differentiation on a fixed grid tends to.
        dirac: all that comes from the motion of the kinks.
        total: the Hessian of the energy.
    """

    bulk: Array
    dirac: Array
    total: Array


def line_hessian_parts(problem: RitzProblem, network: ShallowNetwork, digits: int | None = None) -> HessianParts:
    """`hessian_parts` for one hidden layer; see there."""
    if digits is None:
        bulk, dirac = _split(problem, network, False)
        return HessianParts(bulk, dirac, bulk + dirac)
    with mpmath.workdps(working_digits(digits)):
        bulk, dirac = _split(problem, single(network), True)
        total = bulk + dirac
    with mpmath.workdps(digits):
        return HessianParts(+bulk, +dirac, +total)


def hessian_at_working_precision(problem: RitzProblem, network: ShallowNetwork) -> Array:
    """The Hessian (3N, 3N) of one network at mpmath's present precision."""
    bulk, dirac = _split(problem, network, True)
    return bulk + dirac


def _split(problem: RitzProblem, network: ShallowNetwork, exact: bool) -> tuple[Array, Array]:
    """Bulk and Dirac part."""
    swept, table, (w, b, c) = lebesgue_sweep(problem, network, exact, derivative=2)
    arrangement = swept.arrangement
    refuse_degenerate(problem, network, arrangement, 2)
    zero, one = 0 * w, 1 + 0 * w
    # ∂a/∂(w, b, c) and ∂g/∂(w, b, c) of each neuron where it is active.
    by_slope, by_intercept = np.stack([c, zero, w]), np.stack([zero, c, b])
    bulk = _frozen_kinks(swept, by_slope, by_intercept)
    slope_force, intercept_force = swept.forces()
    terms = point_terms(problem, w, b, c, arrangement, second=True)
    mixed = np.stack([slope_force, intercept_force])
    if terms is not None:
        bulk, mixed = bulk + terms.curvature, mixed + terms.mixed
    inside, x = arrangement.inside, arrangement.positions
    safe = np.where(inside, w, one)
    # ξ = −b/w and its derivatives; 0 for kinks that the domain does not see.
    motion = np.where(inside, np.stack([-x / safe, -1 / safe, zero]), np.stack([zero] * 3))
    bend_ww, bend_wb = (np.where(inside, v, zero) for v in (2 * x / safe**2, 1 / safe**2))
    jumps, density_jump, slope_jump = _jumps(swept, table, by_slope, by_intercept)
    width = w.shape[-1]
    neurons = np.arange(width)
    moved = np.zeros_like(bulk)
    for k in range(2):
        # Row (block k, neuron i): ∂ξᵢ/∂θ ⟦∂L⟧ at that kink.
        moved[..., k * width : (k + 1) * width, :] = motion[k][..., None] * jumps
    dirac = -moved - np.swapaxes(moved, -1, -2)
    bend = {(0, 0): bend_ww, (0, 1): bend_wb, (1, 0): bend_wb}
    for k in range(2):
        for m in range(2):
            own = slope_jump * motion[k] * motion[m] + density_jump * bend.get((k, m), zero)
            dirac[..., k * width + neurons, m * width + neurons] -= own
        bulk[..., k * width + neurons, 2 * width + neurons] += mixed[k]
        bulk[..., 2 * width + neurons, k * width + neurons] += mixed[k]
    return bulk, dirac


def _frozen_kinks(swept: Sweep, by_slope: Array, by_intercept: Array) -> Array:
    """∫ over the common active interval of ∂²L/∂(a, g)² between the directions of two parameters, (..., 3N, 3N)."""
    arrangement, m = swept.arrangement, swept.increments
    running = [np.cumsum(2 * v if k != 1 else v, axis=-1) for k, v in enumerate(m[:3])]
    total = [v[..., -1] for v in running]
    before = []
    for v in running:
        # Integral from the left end to each neuron's kink.
        out = np.empty_like(arrangement.positions)
        np.put_along_axis(out, arrangement.order, v[..., :-1], -1)
        before.append(out)
    rank = np.empty_like(arrangement.order)
    np.put_along_axis(rank, arrangement.order, np.broadcast_to(np.arange(rank.shape[-1]), rank.shape), -1)
    rising = arrangement.orientations > 0
    first = rank[..., :, None] <= rank[..., None, :]
    up_i, up_j = rising[..., :, None], rising[..., None, :]
    shared = []
    for v, whole in zip(before, total, strict=True):
        v_i, v_j, t = v[..., :, None], v[..., None, :], np.asarray(whole)[..., None, None]
        early, late = np.where(first, v_i, v_j), np.where(first, v_j, v_i)
        both_up, both_down = t - late, early
        # One rises at its kink, the other falls at its own: between the two, or nowhere.
        crossing = np.where(up_i == first, late - early, 0 * late)
        shared.append(np.where(up_i & up_j, both_up, np.where(up_i | up_j, crossing, both_down)))
    aa, ag, gg = shared
    rows = []
    for p in range(3):
        columns = []
        for q in range(3):
            a_i, g_i = by_slope[p][..., :, None], by_intercept[p][..., :, None]
            a_j, g_j = by_slope[q][..., None, :], by_intercept[q][..., None, :]
            columns.append(a_i * a_j * aa + (a_i * g_j + g_i * a_j) * ag + g_i * g_j * gg)
        rows.append(np.concatenate(columns, axis=-1))
    return np.concatenate(rows, axis=-2)


def _jumps(swept: Sweep, table: Moments, by_slope: Array, by_intercept: Array) -> tuple[Array, Array, Array]:
    """At each kink: ⟦∂L/∂θ⟧ (..., N, 3N), ⟦L⟧ (..., N) and ⟦L_x⟧ (..., N); zero outside the domain."""
    arrangement = swept.arrangement
    inside = arrangement.inside
    # A kink moved to an end may sit on a pole of the source; what is read at its stead is not used.
    number = to_mpf if arrangement.positions.dtype == object else float
    x = np.where(inside, arrangement.positions, number(sum(table.problem.domain) / 2))
    (a0, g0), (a1, g1) = swept.at_kinks(swept.affine)
    density, change = table.density(x), table.slope(x)
    zero = 0 * x

    def value(m: Array, a: Array, g: Array) -> Array:
        return np.asarray((m[0] * a + m[1] * g + m[3]) * a + (m[2] * g + m[4]) * g + m[5])

    def seen(v: Array) -> Array:
        return np.asarray(np.where(inside, v, zero))

    # ∂L/∂a and ∂L/∂g on either side.
    before = (2 * density[0] * a0 + density[1] * g0 + density[3], density[1] * a0 + 2 * density[2] * g0 + density[4])
    after = (2 * density[0] * a1 + density[1] * g1 + density[3], density[1] * a1 + 2 * density[2] * g1 + density[4])
    jump_a, jump_g = seen(after[0] - before[0]), seen(after[1] - before[1])
    # Neuron j is active at kink i, on both sides for j ≠ i.
    rank = np.empty_like(arrangement.order)
    np.put_along_axis(rank, arrangement.order, np.broadcast_to(np.arange(rank.shape[-1]), rank.shape), -1)
    passed = rank[..., None, :] < rank[..., :, None]
    active = passed == (arrangement.orientations > 0)[..., None, :]
    width = x.shape[-1]
    own = np.eye(width, dtype=bool)
    rows = []
    for p in range(3):
        others = jump_a[..., :, None] * by_slope[p][..., None, :] + jump_g[..., :, None] * by_intercept[p][..., None, :]
        # The neuron itself is active on one side only: its jump is the whole one-sided derivative.
        on = np.where(arrangement.orientations > 0, 1, -1)
        on_a = np.where(arrangement.orientations > 0, after[0], before[0])
        on_g = np.where(arrangement.orientations > 0, after[1], before[1])
        self_jump = seen(on * (on_a * by_slope[p] + on_g * by_intercept[p]))
        rows.append(np.where(own, self_jump[..., :, None], np.where(active, others, 0 * others)))
    difference = seen(value(density, a1, g1) - value(density, a0, g0))
    return np.concatenate(rows, axis=-1), difference, seen(value(change, a1, g1) - value(change, a0, g0))
