"""The closed form's running sums in NumPy, a block of networks at a time.

What `loops` says one neuron after the other, for installations without the extra `fast`; the formulas are in `loops`
and MATH 4. Arrays are (..., B, N) or, piece by piece, (..., B, N + 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Neurons at a time: what a block needs, a kilobyte a neuron, stays in the processor's cache.
_BLOCK = 4096
_INTEGRATED, _ROWS = 6, 9


def sweep(
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
    """Energies and gradients of a batch of networks; arguments and results as in `loops`."""
    rows = max(1, 3 * _BLOCK // theta.shape[1])
    by_power = coefficients.transpose(2, 1, 0)
    for start in range(0, len(theta), rows):
        block = slice(start, start + rows)
        # A network that has left the numbers gets energies and gradients that are none: the caller looks.
        with np.errstate(all="ignore"):
            _block(theta[block], domain, leak, with_dirac, cells, by_power, whole, ends, energies[block],
                   gradients[block])  # fmt: skip


def _block(
    theta: Array,
    domain: tuple[float, float],
    leak: float,
    with_dirac: bool,
    cells: Array,
    by_power: Array,
    whole: Array,
    ends: Array,
    energies: Array,
    gradients: Array,
) -> None:
    left, right = domain
    batch, width = len(theta), theta.shape[1] // 3
    w, b, c = np.ascontiguousarray(theta.reshape(batch, 3, width).transpose(1, 0, 2))
    rising = w >= 0
    sign = np.where(rising, 1 - leak, leak - 1)
    # Without a kink a neuron is active everywhere or nowhere: as if the kink lay at the left or the right end.
    kink = np.where(w == 0, np.where(b > 0, left, right), -b / w)
    inside = (kink > left) & (kink < right)
    kink = np.minimum(np.maximum(kink, left), right)
    order = kink.argsort(-1, kind="stable")
    order += np.arange(0, batch * width, width)[:, None]
    placed = kink.take(order)
    table = _looked_up(placed, inside.take(order), placed <= left, cells, by_power, whole)
    integrals = np.empty((_INTEGRATED, batch, width + 1))
    integrals[..., :-1] = table[:_INTEGRATED]
    integrals[..., -1] = whole[:, None]
    integrals[..., 1:] -= table[:_INTEGRATED]
    # Slope and intercept on each piece: a rising neuron starts at its kink, a falling one ends there.
    both = theta.reshape(batch, 3, width)[:, :2].transpose(1, 0, 2) * c
    affine = np.empty((2, batch, width + 1))
    affine[..., 0] = np.where(rising, leak * both, both).sum(-1)
    affine[..., 1:] = (both * sign).reshape(2, -1).take(order, axis=1)
    affine.cumsum(-1, out=affine)
    a, g = affine
    forces = np.empty_like(affine)
    forces[0] = 2 * integrals[0] * a + integrals[1] * g
    forces[1] = integrals[1] * a + 2 * integrals[2] * g
    # The density is quadratic: its derivatives count the quadratic terms twice and the linear ones once.
    # Axis by axis: a network's sum has one order, whatever else is in the batch.
    energies[:] = ((forces / 2 + integrals[3:5]) * affine).sum(0).sum(-1) + whole[5]
    forces += integrals[3:5]
    at_ends = _at_ends(ends, w, b, c, leak, energies)
    if not len(gradients):
        return
    # From the end at which a neuron is active: a difference from the whole would cancel for short intervals.
    ahead, behind = forces.cumsum(-1), forces[..., ::-1].cumsum(-1)[..., ::-1]
    by_neuron = np.empty((3, batch, width))
    flat = by_neuron.reshape(3, -1)
    flat[:2, order] = np.where(rising.take(order), behind[..., 1:], ahead[..., :-1])
    # κD{û′} at each kink, with the mean of the network's slopes on its two sides; the network's value is the same.
    middle = (a[..., 1:] + a[..., :-1]) / 2
    flat[2, order] = table[6] + table[7] * (g[..., 1:] + a[..., 1:] * placed) + table[8] * middle
    active = by_neuron[:2]
    if leak:
        total = ahead[..., -1:]
        active = total + (active - total) * (1 - leak)
    for place, gate in at_ends:
        active[0] += gate * place
        active[1] += gate
    blocks = gradients.reshape(batch, 3, width)
    blocks[:, 0], blocks[:, 1] = c * active[0], c * active[1]
    blocks[:, 2] = w * active[0] + b * active[1]
    if with_dirac:
        dirac = np.where(inside, by_neuron[2] * sign * c, 0)
        blocks[:, 0] += kink * dirac
        blocks[:, 1] += dirac


def _looked_up(placed: Array, inside: Any, before: Any, cells: Array, by_power: Array, whole: Array) -> Array:
    """Rows of the table at ascending kinks (B, N), (9, B, N); only those inside the domain cost anything."""
    out = np.zeros((_ROWS, *placed.shape))
    out[:_INTEGRATED] = np.where(before, 0, whole[:, None, None])
    x = placed[inside]
    cell = cells[0, :-1].searchsorted(x, side="right")
    _, centre, scale = cells.take(cell, axis=1)
    t = (x - centre) * scale
    powers = by_power.take(cell, axis=2)
    total = powers[0]
    for coefficient in powers[1:]:
        total *= t
        total += coefficient
    out[:, inside] = total
    return out


def _at_ends(ends: Array, w: Array, b: Array, c: Array, leak: float, energies: Array) -> list[tuple[float, Array]]:
    """Add the ends' terms to the energies (B,); each place, and its force on each neuron's z times the gate, (B, N)."""
    seen = []
    tied = np.zeros_like(energies)
    for place, distance, lift, pull, stiffness, wanted, tie in ends:
        z = w * place + b
        gate = np.where(z > 0, 1, leak)
        u = lift + distance * (c * gate * z).sum(-1)
        energies += pull * u + stiffness / 2 * (u - wanted) ** 2
        tied += tie * u
        seen.append((place, gate, distance, pull + stiffness * (u - wanted), tie))
    energies += tied * tied / 2
    return [(place, gate * (distance * (force + tie * tied))[:, None]) for place, gate, distance, force, tie in seen]
