"""The closed form's loops, compiled by numba: one network after the other, nothing allocated on the way.

Imported only where numba is installed. `closed_form` says the same in torch, for all types and devices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _ordered(x: Array, count: int) -> NDArray[np.int64]:
    """Indices of the first so many numbers, ascending; equal ones in the order in which they came. Runs are merged."""
    order, spare = np.empty(count, np.int64), np.empty(count, np.int64)
    for i in range(count):
        order[i] = i
    run = 1
    while run < count:
        for start in range(0, count, 2 * run):
            middle, end = min(start + run, count), min(start + 2 * run, count)
            i, j = start, middle
            for k in range(start, end):
                if j >= end or (i < middle and x[order[i]] <= x[order[j]]):
                    spare[k] = order[i]
                    i += 1
                else:
                    spare[k] = order[j]
                    j += 1
        order, spare = spare, order
        run *= 2
    return order


# No fast mathematics: sums in the order in which they are written.
ordered = njit(error_model="numpy")(_ordered)


def _sweep(
    theta: Array,
    domain: tuple[float, float],
    leak: float,
    with_dirac: bool,
    cells: Array,
    coefficients: Array,
    whole: Array,
    ends: Array,
    energies: Array,
    gradients: Array,
) -> None:
    """Energies and gradients of a batch of networks, O(N log N) each; see `closed_form` for the formulas.

    Only kinks inside the domain are sorted and looked up: a neuron whose kink lies outside is active on all of it or
    nowhere.

    Args:
        theta: parameters, (B, 3N).
        domain: its two ends.
        leak: slope of the activation left of its kink.
        with_dirac: whether the Dirac terms are in.
        cells: right edge, centre and 2 ÷ width of the table's cells, (3, M).
        coefficients: of six running integrals and three Dirac factors on each cell, highest power first, (M, 9, D + 1).
        whole: the six integrals over the domain.
        ends: place, D, lift, pull, stiffness and wanted value of each end that has a term, and what couples it to the
            other one, (K, 7).
        energies, gradients: where the answer goes, (B,) and (B, 3N); no rows where no gradient is wanted.
    """
    left, right = domain
    width = theta.shape[1] // 3
    blocks = theta.reshape((-1, 3, width))
    powers = coefficients.shape[2]
    lost = 1.0 - leak
    x, neurons = np.empty(width), np.empty(width, np.int64)
    slopes, intercepts = np.empty(width + 1), np.empty(width + 1)
    by_slope, by_intercept = np.empty(width + 1), np.empty(width + 1)
    factors, before, now = np.empty((width, 3)), np.empty(6), np.empty(9)
    forces = np.empty(ends.shape[0])
    active_slope, active_intercept, dirac = np.empty(width), np.empty(width), np.empty(width)
    for n in range(theta.shape[0]):
        w, b, c = blocks[n, 0], blocks[n, 1], blocks[n, 2]
        # Slope and intercept on the left-most piece; which kinks are inside.
        a = g = 0.0
        inside = 0
        for i in range(width):
            place = -b[i] / w[i] if w[i] != 0.0 else (left if b[i] > 0.0 else right)
            rising = w[i] >= 0.0
            if left < place < right:
                x[inside], neurons[inside] = place, i
                inside += 1
                on = not rising
            else:
                on = (place <= left) == rising
            factor = c[i] if on else leak * c[i]
            a += factor * w[i]
            g += factor * b[i]
        order = ordered(x, inside)
        # From left to right: forces on each piece, and what the Dirac terms need.
        energy = 0.0
        for row in range(6):
            before[row] = 0.0
        cell = 0
        for k in range(inside + 1):
            if k < inside:
                place = x[order[k]]
                # Kinks ascend, and so do their cells.
                last = cells.shape[1] - 1
                while cell < last:
                    middle_cell = (cell + last) // 2
                    if cells[0, middle_cell] <= place:
                        cell = middle_cell + 1
                    else:
                        last = middle_cell
                t = (place - cells[1, cell]) * cells[2, cell]
                for row in range(9):
                    value = coefficients[cell, row, 0]
                    for p in range(1, powers):
                        value = value * t + coefficients[cell, row, p]
                    now[row] = value
                for row in range(3):
                    factors[k, row] = now[6 + row]
            else:
                for row in range(6):
                    now[row] = whole[row]
            m0, m1, m2 = now[0] - before[0], now[1] - before[1], now[2] - before[2]
            m3, m4 = now[3] - before[3], now[4] - before[4]
            for row in range(6):
                before[row] = now[row]
            slopes[k], intercepts[k] = a, g
            by_slope[k] = 2.0 * m0 * a + m1 * g + m3
            by_intercept[k] = m1 * a + 2.0 * m2 * g + m4
            # The density is quadratic: its derivatives count the quadratic terms twice and the linear ones once.
            energy += (by_slope[k] + m3) * a + (by_intercept[k] + m4) * g
            if k < inside:
                i = neurons[order[k]]
                change = lost * c[i] if w[i] >= 0.0 else -lost * c[i]
                a += change * w[i]
                g += change * b[i]
        energy = energy / 2.0 + whole[5]
        tied = 0.0
        for end in range(ends.shape[0]):
            place, distance, lift = ends[end, 0], ends[end, 1], ends[end, 2]
            pull, stiffness, wanted = ends[end, 3], ends[end, 4], ends[end, 5]
            network = 0.0
            for i in range(width):
                z = w[i] * place + b[i]
                network += c[i] * (z if z > 0.0 else leak * z)
            u = lift + distance * network
            energy += pull * u + stiffness / 2.0 * (u - wanted) ** 2
            forces[end] = distance * (pull + stiffness * (u - wanted))
            tied += ends[end, 6] * u
        energy += tied * tied / 2.0
        for end in range(ends.shape[0]):
            forces[end] += ends[end, 1] * ends[end, 6] * tied
        energies[n] = energy
        if not gradients.shape[0]:
            continue
        # Sums over the pieces on which a neuron is active, from the end at which it is.
        sum_slope = sum_intercept = 0.0
        for k in range(inside):
            sum_slope += by_slope[k]
            sum_intercept += by_intercept[k]
            i = neurons[order[k]]
            if w[i] < 0.0:
                active_slope[i], active_intercept[i] = sum_slope, sum_intercept
            middle = (slopes[k] + slopes[k + 1]) / 2.0
            value = slopes[k + 1] * x[order[k]] + intercepts[k + 1]
            dirac[i] = factors[k, 0] + factors[k, 1] * value + factors[k, 2] * middle
        sum_slope += by_slope[inside]
        sum_intercept += by_intercept[inside]
        total_slope, total_intercept = sum_slope, sum_intercept
        sum_slope = sum_intercept = 0.0
        for k in range(inside - 1, -1, -1):
            sum_slope += by_slope[k + 1]
            sum_intercept += by_intercept[k + 1]
            i = neurons[order[k]]
            if w[i] >= 0.0:
                active_slope[i], active_intercept[i] = sum_slope, sum_intercept
        for i in range(width):
            place = -b[i] / w[i] if w[i] != 0.0 else (left if b[i] > 0.0 else right)
            rising = w[i] >= 0.0
            own = 0.0
            if left < place < right:
                if with_dirac:
                    own = lost * dirac[i] * (c[i] if rising else -c[i])
                on_slope, on_intercept = active_slope[i], active_intercept[i]
            elif (place <= left) == rising:
                on_slope, on_intercept = total_slope, total_intercept
            else:
                on_slope = on_intercept = 0.0
            if leak != 0.0:
                on_slope = total_slope + (on_slope - total_slope) * lost
                on_intercept = total_intercept + (on_intercept - total_intercept) * lost
            gradients[n, i] = c[i] * on_slope + (place * own if own != 0.0 else 0.0)
            gradients[n, width + i] = c[i] * on_intercept + own
            gradients[n, 2 * width + i] = w[i] * on_slope + b[i] * on_intercept
        for end in range(ends.shape[0]):
            place = ends[end, 0]
            for i in range(width):
                z = w[i] * place + b[i]
                gate = forces[end] if z > 0.0 else forces[end] * leak
                gradients[n, i] += c[i] * gate * place
                gradients[n, width + i] += c[i] * gate
                gradients[n, 2 * width + i] += gate * z


sweep: Any = njit(nogil=True, error_model="numpy")(_sweep)
