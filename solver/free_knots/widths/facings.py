"""Who faces which way: a subset-sum in two numbers.

Each facing gives a line that no neuron carries (`facing.uncarried`); wanted are those whose line is nearly nil, for a
polish brings it to nil at the cost of ½·rest·(stiffness of the conditions)·rest. Few neurons: all 2ᴺ facings. Many:
the best of those that change sides once or three times along the domain, then flips of some neurons all along it, met
in the middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..curvature import Factors, positive_factors, shifted
from ..newton import Descent
from .facing import alternation, condition_rows

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# Up to so many neurons all facings are looked at.
_MOST_EXHAUSTIVE = 14
# Positions of a change of sides that are looked at in one pass: its cube of combinations.
_POSITIONS = 60
# Neurons that are flipped in all ways in the end, none whose flip is so many times the median, and how many neighbours
# of each half's sum are kept.
_FLIPPED, _LARGEST, _NEIGHBOURS = 32, 4.0, 4
# Rises are differences of lines; of their digits so many are lost.
_SAME = 1e-6


def facings(found: Descent, count: int) -> list[tuple[float, Booleans]]:
    """The most promising facings of a descent's neurons, (K,) each, with the rise of the energy that they promise.

    Args:
        found: a minimum without conditions.
        count: how many facings are wanted at most.
    """
    fit = found.energy.fit
    kinks = len(fit.knots) - 2
    # Lines of the elements at both ends of the domain: (n, 2).
    lines = fit.values[:-1, None] + fit.slopes[:, None] * (fit.knots[[0, -1]] - fit.knots[:-1, None])
    factors = _factors(found)
    if kinks <= _MOST_EXHAUSTIVE:
        falling = _subsets(kinks)
    else:
        # What a rest costs depends on the facings themselves: first as it costs where they change at sixths.
        base = np.arange(kinks) * 6 // kinks % 4 < 2
        base = _few_changes(lines @ _metric(found, factors, base))
        falling = _met_in_the_middle(lines @ _metric(found, factors, base), base)
    rests = alternation(falling) @ lines
    rises = np.einsum("fi,fij,fj->f", rests, _stiffness(found, factors, falling), rests) / 2
    order = np.argsort(rises, kind="stable")[:count]
    # Mirror images promise the same: which comes first a rule decides, not rounding.
    group = np.cumsum(np.diff(rises[order], prepend=rises[order[0]]) > _SAME * rises[order] + fit.rounding)
    order = order[np.lexsort((*falling[order].T[::-1], group))]
    return [(float(rises[k]), falling[k]) for k in order]


def _factors(found: Descent) -> Factors | None:
    hessian = found.energy.hessian(found.pinned)
    return positive_factors(shifted(hessian, np.where(found.pinned, 0.0, 1e-9 * found.energy.natural_curvature)))


def _stiffness(found: Descent, factors: Factors | None, falling: Booleans) -> Array:
    """What a rest costs: (A·H⁻¹·Aᵀ)⁻¹ for the conditions' derivatives A of each facing (F, K); (F, 2, 2)."""
    energy, alternations = found.energy, alternation(falling)
    if factors is None:
        return np.broadcast_to(np.eye(2), (len(falling), 2, 2))
    frozen = np.ones(2 * len(energy.fit.knots), dtype=bool)
    frozen[2:-2:2], frozen[1::2] = found.pinned, energy.fit.held
    if len(falling) > _POSITIONS:
        # A is the sum of what the single elements give to it: all their products once.
        rows = np.stack([condition_rows(energy.fit, e) for e in np.eye(alternations.shape[1])])
        rows[..., frozen] = 0.0
        answers = np.stack([[factors.solve(row) for row in pair] for pair in rows])
        compliance = np.einsum("fk,kid,ljd,fl->fij", alternations, rows, answers, alternations, optimize=True)
    else:
        rows = np.stack([condition_rows(energy.fit, a) for a in alternations])
        rows[..., frozen] = 0.0
        compliance = np.stack([pair @ np.stack([factors.solve(row) for row in pair]).T for pair in rows])
    # A condition that nothing changes cannot be met: whatever is left of it costs nearly without bound.
    size = np.trace(compliance, axis1=1, axis2=2)[:, None, None]
    return np.linalg.inv(compliance + (1e-13 * size + np.finfo(np.float64).tiny) * np.eye(2))


def _metric(found: Descent, factors: Factors | None, falling: Booleans) -> Array:
    """M with |rest·M|² = rest·stiffness·rest for one facing (K,), (2, 2)."""
    values, vectors = np.linalg.eigh(_stiffness(found, factors, falling[None])[0])
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _few_changes(lines: Array) -> Booleans:
    """The best facing of those that change sides once or three times, (K,): positions on a grid, then ever finer ones.

    Args:
        lines: of the elements, in units in which the rest should be small, (n, 2).
    """
    n = len(lines)
    once = np.abs(lines).max(axis=1)
    best, places = float(once.min()), [int(np.argmin(once))]
    spacing = max(1, -(-n // _POSITIONS))
    grids = [np.arange(0, n, spacing)] * 3
    while True:
        first, second, third = grids
        rest = np.hypot(*np.moveaxis(lines[first, None, None] - lines[second, None] + lines[third], -1, 0))
        ordered = (first[:, None, None] < second[:, None]) & (second[:, None] < third)
        rest = np.where(ordered, rest, np.inf)
        at = np.unravel_index(int(np.argmin(rest)), rest.shape)
        if rest[at] < best or (len(places) == 3 and spacing > 1):
            best, places = float(rest[at]), [int(g[i]) for g, i in zip(grids, at, strict=True)]
        if spacing == 1 or len(places) == 1:
            break
        reach, spacing = 2 * spacing, max(1, spacing // (_POSITIONS // 4))
        grids = [np.unique(np.clip(np.arange(p - reach, p + reach + 1, spacing), 0, n - 1)) for p in places]
    changes = np.zeros(n, dtype=int)
    changes[places] = 1
    # Left of the first change all face left, between the first and the second right, and so on.
    return np.asarray(np.cumsum(changes)[:-1] % 2 == 0)


def _met_in_the_middle(lines: Array, base: Booleans) -> Booleans:
    """The base with the best flips of some neurons, (F, K)."""
    effects = (1 - 2.0 * base)[:, None] * np.diff(lines, axis=0)
    order = _spread(np.hypot(*effects.T))
    halves = [order[k::2] for k in (0, 1)]
    flips = [_subsets(len(h)) for h in halves]
    sums = [f @ effects[h] for f, h in zip(flips, halves, strict=True)]
    wanted = -(alternation(base) @ lines) - sums[0]
    distance, partner = cKDTree(sums[1]).query(wanted, k=_NEIGHBOURS)
    chosen = np.argsort(distance, axis=None, kind="stable")[:_POSITIONS]
    out = np.tile(base, (len(chosen), 1))
    out[:, halves[0]] ^= flips[0][chosen // _NEIGHBOURS]
    out[:, halves[1]] ^= flips[1][partner.ravel()[chosen]]
    return out


def _spread(sizes: Array) -> NDArray[np.intp]:
    """Neurons all along the domain, whose flips differ: neighbours' flips are nearly the same; none of the largest."""
    eligible = np.flatnonzero(sizes <= _LARGEST * np.median(sizes))
    places = np.unique(np.linspace(0, len(eligible) - 1, _FLIPPED).astype(int))
    return np.asarray(eligible[places])


def _subsets(count: int) -> Booleans:
    """All subsets of so many, (2^count, count)."""
    return np.asarray((np.arange(2**count)[:, None] >> np.arange(count)) % 2 == 1)
