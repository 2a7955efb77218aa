"""The domain cut where the integrand is not smooth, and Gauss points on the pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..space.cutting.poles import pole

# Gauss points a piece, up to so many pieces: with halving where they do not suffice, to rounding for smooth fields.
_ORDERS = ((100, 16), (1_000, 8), (10**9, 4))
# Share of ∫|L| that a piece may be off by before it is halved: some hundred roundings of the sums that L is made of.
_TOLERANCE = 1e-13
# Share of its largest value that the end of a field, extrapolated from the nodes of a piece, may be off by: far below
# what is taken for a jump, far above rounding.
_LIMITS = 1e-11
# Up to this it may be rounding: of 1 − tanh² behind a steep or a saturated tanh, a million roundings.
_ROUNDED = 1e-8
# Of a place, as a share of it.
_ROUNDINGS = 64 * 2.0**-52
# Halving a piece so often reaches neighbouring numbers of float64.
_MOST_HALVINGS = 50
# Cells of the domain that are looked at once more when halving is done.
_PROBED = 128
# Pieces at one depth beyond those between the breaks: more than this are no oscillation but a rough integrand.
_MOST_ROUGH = 50_000
# So many at one depth whose limits alone are astray have them from rounding.
_MANY_ASTRAY = 400
# Points evaluated at once, times the widest layer: some ten such arrays are in memory.
_NUMBERS, _MOST_POINTS = 4_000_000, 20_000
# From this power on growth is a pole, and no logarithm.
_GROWS = 0.2
# Width of the pieces beside a pole, as a share of the domain: what is smooth about L is a polynomial of few terms
# there; and how near to one no break may come.
_POLES, _APART = 2.0**-6, 1e-9
# Breaks closer than this share of the domain are one place: positions are known to some roundings.
SAME_PLACE = 1e-12


class RoughError(InputError):
    """Fields that cannot be integrated to rounding.

    Attributes:
        places: where, (n,).
    """

    def __init__(self, message: str, places: Tensor) -> None:
        super().__init__(message)
        self.places = places


@dataclass(frozen=True, eq=False)
class Pieces:
    """The domain cut at ascending marks.

    Attributes:
        marks: (M,), the ends of the domain included.
        owners: for each mark the first of the breaks that lie there, −1 for the ends and fixed cuts, (M,).
        order: Gauss points a piece.
        points: how many are evaluated at once.
        crowding: of each piece the power q > 0 if fields grow without bound at its left end a, where x = a + h t^q, −q
            at its right end, 0 elsewhere, and the power p of the growth there, (2, M − 1).
    """

    marks: Tensor
    owners: Tensor
    order: int
    points: int
    crowding: Tensor

    def nodes(self, order: int | None = None) -> tuple[Tensor, Tensor]:
        """Gauss nodes and weights, (M − 1, order)."""
        return stretched(self.marks, order or self.order, self.crowding)

    @property
    def singular(self) -> Tensor:
        """Where fields grow without bound, (M,)."""
        out = torch.zeros(len(self.marks), dtype=torch.bool)
        out[:-1] |= self.crowding[0] > 0
        out[1:] |= self.crowding[0] < 0
        return out

    def chunks(self, order: int | None = None) -> list[slice]:
        """Slices of the pieces that are evaluated at once, with so many points a piece."""
        step = max(1, self.points // (order or self.order))
        return [slice(k, k + step) for k in range(0, len(self.marks) - 1, step)]


def stretched(marks: Tensor, order: int, crowding: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Gauss nodes and weights between ascending marks (M,), both (M − 1, order), functions of the marks.

    With `crowding`, see `Pieces`, they crowd at ends where fields grow without bound: with x = a + h t^q, what goes
    like |x − a|^(−p) becomes t^(q − pq − 1), a polynomial for whole numbers q and pq.
    """
    node, weight = legendre(order)
    half, middle = (marks[1:] - marks[:-1])[:, None] / 2, (marks[1:] + marks[:-1])[:, None] / 2
    x, w = middle + half * node, half * weight
    if crowding is None or not crowding.any():
        return x, w
    own = crowding[0] != 0
    q, p = crowding[:, own, None].abs()
    first = (crowding[0, own] > 0)[:, None]
    t = torch.where(first, 1 + node, 1 - node) / 2
    aside = 2 * half[own] * t**q
    pole = torch.where(first, marks[:-1][own][:, None], marks[1:][own][:, None])
    near = torch.where(first, pole + aside, pole - aside)
    # What grows sees where the node has come to lie by rounding.
    rounded = ((near - pole).abs() / aside).detach() ** p
    rows = own.nonzero()[:, 0]
    return x.index_copy(0, rows, near), w.index_copy(0, rows, half[own] * weight * q * t ** (q - 1) * rounded)


@lru_cache(maxsize=8)
def legendre(order: int) -> tuple[Tensor, Tensor]:
    """Gauss–Legendre nodes and weights on (−1, 1)."""
    node, weight = np.polynomial.legendre.leggauss(order)
    return torch.from_numpy(node), torch.from_numpy(weight)


@lru_cache(maxsize=8)
def to_ends(order: int) -> tuple[Tensor, Tensor]:
    """Rows (order,) that take values at the Gauss nodes of a piece to the polynomial's values at −1 and 1."""
    node, _ = np.polynomial.legendre.leggauss(order)
    matrix = np.linalg.inv(np.polynomial.legendre.legvander(node, order - 1))
    right = np.ones(order) @ matrix
    left = (-1.0) ** np.arange(order) @ matrix
    return torch.from_numpy(left), torch.from_numpy(right)


def at_once(widest: int) -> int:
    """How many points of a model with so wide a layer are evaluated at once."""
    return max(1, min(_MOST_POINTS, _NUMBERS // widest))


def cut(
    places: Tensor,
    domain: tuple[float, float],
    fields: Callable[[Tensor], Tensor],
    points: int,
    poles: Sequence[tuple[float, int, float]] = (),
) -> Pieces:
    """Cut the domain at the breaks, and halve pieces until all fields are integrated to rounding.

    Args:
        places: of the breaks, (K,), inside the domain.
        domain: its ends.
        fields: points (n,) → what is to be integrated, (m, n).
        points: how many are evaluated at once.
        poles: where fields grow without bound, ascending, each with q and p, see `Pieces`.

    Raises:
        RoughError: the fields are too rough for that.
        InputError: a break lies on a pole.
    """
    left, right = domain
    ranked = torch.argsort(places, stable=True)
    ascending = places[ranked]
    new = torch.ones(len(places), dtype=torch.bool)
    if len(places):
        new[1:] = ascending[1:] - ascending[:-1] > SAME_PLACE * (right - left)
    edges = torch.cat([places.new_tensor([left]), ascending[new], places.new_tensor([right])])
    owners = torch.cat([ranked.new_tensor([-1]), ranked[new], ranked.new_tensor([-1])])
    order = _ORDERS[0][1] if poles else next(q for most, q in _ORDERS if len(edges) <= most)
    known = [place for place, *_ in poles]
    beside = edges.new_tensor([mark for place in known for mark in _beside(place, edges, known)])
    beside = beside[~torch.isin(beside, edges)]
    added = _halvings(torch.cat([edges, beside]).sort().values, fields, order, points, known)
    added = torch.cat([added, beside])
    marks, rank = torch.cat([edges, added]).sort()
    owners = torch.cat([owners, owners.new_full((len(added),), -1)])[rank]
    crowding = torch.zeros(2, len(marks) - 1, dtype=marks.dtype)
    for place, q, p in poles:
        for end, sign in ((marks[:-1], 1), (marks[1:], -1)):
            crowding[:, end == place] = crowding.new_tensor([[sign * q], [p]])
    return Pieces(marks, owners, order, points, crowding)


def _beside(pole: float, edges: Tensor, poles: Sequence[float]) -> list[float]:
    """The ends of the pieces beside a pole, and the pole itself.

    Raises:
        InputError: another break lies there.
    """
    length = float(edges[-1] - edges[0])
    ends = (float(edges[0]), float(edges[-1]))
    inner = edges[1:-1]
    gap = float((inner - pole).abs().min()) if len(inner) else length
    if gap < _APART * length:
        raise InputError(
            f"density: a kink of the model lies at x = {pole:.6g}, where L grows without bound, so that the energy has "
            "no derivative; parameters that put it elsewhere would be right"
        )
    width = min(_POLES * length, gap / 2, *(abs(pole - other) / 3 for other in poles if other != pole))
    return [v for v in (pole - width, pole, pole + width) if ends[0] <= v <= ends[1]]


def _halvings(
    edges: Tensor, fields: Callable[[Tensor], Tensor], order: int, points: int, poles: Sequence[float]
) -> Tensor:
    """Places at which to cut further; none in the pieces beside poles."""

    node, weight = legendre(order)
    to_left, to_right = to_ends(order)

    def sampled(starts: Tensor, ends: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gauss sums of the fields, (m, pieces), their extrapolated ends, (2, m, pieces), and all sizes, (m, n)."""
        half, middle = (ends - starts)[:, None] / 2, (starts + ends)[:, None] / 2
        rows = [fields(x.reshape(-1)) for x in torch.split(middle + half * node, max(1, points // order))]
        values = torch.cat([v.reshape(len(v), -1, order) for v in rows], dim=1)
        limits = torch.stack([values @ to_left, values @ to_right])
        return (values * weight).sum(-1) * half[:, 0], limits, values.abs().flatten(1)

    def sized(starts: Tensor, ends: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """∫ of the sizes, and the largest, (m, 1)."""
        scale = (sizes * ((ends - starts)[:, None] / 2 * weight).flatten()).sum(1, keepdim=True)
        found = scale, sizes.amax(1, keepdim=True)
        return torch.where(found[0] > 0, found[0], 1.0), torch.where(found[1] > 0, found[1], 1.0)

    aside = torch.stack([torch.ones_like(edges, dtype=torch.bool), *(edges != p for p in poles)]).all(0)
    fixed = torch.stack([edges[:-1], edges[1:]])[:, ~(aside[:-1] & aside[1:])]
    starts, ends = torch.stack([edges[:-1], edges[1:]])[:, aside[:-1] & aside[1:]]
    whole, limits, sizes = sampled(starts, ends)
    scale, largest = sized(starts, ends, sizes)
    # Far from the origin the places themselves are rounded.
    noise = _ROUNDINGS * max(0.0, float(edges.abs().max() / (edges[-1] - edges[0])) - 1)
    added = [edges[:0]]
    probed = False
    for _ in range(2 * _MOST_HALVINGS):
        middles = (starts + ends) / 2
        halves, limits_of_halves, _ = sampled(torch.cat([starts, middles]), torch.cat([middles, ends]))
        first, second = halves.chunk(2, dim=1)
        ends_of_first, ends_of_second = limits_of_halves.chunk(2, dim=2)
        off = ((first + second - whole).abs() / scale).amax(0)
        # An integral settles long before the polynomial through the same nodes has the right ends.
        moved = torch.stack([limits[0] - ends_of_first[0], limits[1] - ends_of_second[1]])
        astray = (moved.abs() / largest).amax((0, 1))
        # The smallest pieces are neighbouring numbers, with nothing between them.
        uneven = off > _TOLERANCE + noise
        rough = (uneven | (astray > _LIMITS + noise)) & (middles > starts) & (middles < ends)
        if len(edges) == 2 and rough.sum() > _MANY_ASTRAY and float(astray.max()) <= _ROUNDED:
            # Without breaks nobody asks for limits; where halving everywhere does not help, they are rounding.
            rough &= uneven
        if not rough.any():
            if probed:
                break
            # What is narrower than the nodes are apart, such as a load on a spot, no halving has seen so far.
            probed = True
            marks = torch.cat([edges, *added]).sort().values
            whole, _, _ = sampled(marks[:-1], marks[1:])
            fine = torch.linspace(float(edges[0]), float(edges[-1]), _PROBED + 1, dtype=edges.dtype)[1:-1]
            fine = torch.cat([marks, fine[~torch.isin(fine, marks)]]).sort().values
            starts, ends = fine[:-1], fine[1:]
            parts, limits, sizes = sampled(starts, ends)
            scale, largest = (
                torch.maximum(a, b) for a, b in zip((scale, largest), sized(starts, ends, sizes), strict=True)
            )
            parents = torch.searchsorted(marks, (starts + ends) / 2) - 1
            off = (torch.zeros_like(whole).index_add(1, parents, parts) - whole).abs() / scale
            unseen = (off.amax(0) > _TOLERANCE + noise)[parents]
            middles = ((starts + ends) / 2)[:, None]
            unseen &= ~((middles > fixed[0]) & (middles < fixed[1])).any(1)
            if not unseen.any():
                break
            added.append(starts[unseen & ~torch.isin(starts, marks)])
            starts, ends, whole, limits = starts[unseen], ends[unseen], parts[:, unseen], limits[:, :, unseen]
            continue
        if rough.sum() > _MOST_ROUGH + len(edges):
            raise RoughError(
                _too_rough(fields, middles[rough], torch.stack([edges[:1], edges[-1:]], 1)), middles[rough]
            )
        added.append(middles[rough])
        starts, ends = torch.cat([starts[rough], middles[rough]]), torch.cat([middles[rough], ends[rough]])
        whole = torch.cat([first[:, rough], second[:, rough]], dim=1)
        limits = torch.cat([ends_of_first[:, :, rough], ends_of_second[:, :, rough]], dim=2)
    return torch.cat(added)


def _too_rough(fields: Callable[[Tensor], Tensor], rough: Tensor, box: Tensor) -> str:
    """Why no halving helps: L, the first of the fields, has a pole there, or is merely rough."""

    def sizes(x: Tensor) -> Tensor:
        return fields(x[:, 0])[0].abs()

    start = rough[sizes(rough[:, None]).argmax()][None]
    found = pole(sizes, start, box)
    if found.infinite:
        return f"density: its integral is infinite: {found}; a density whose integral is finite would be right"
    if found.power > _GROWS:
        return (
            f"density: {found}, so that its integral is finite and cannot be had to rounding; a density that stays "
            "finite, or grows like a logarithm or to one of the powers −1/4, −1/3, −1/2, −2/3 and −3/4, would be right"
        )
    return (
        f"density: between the kinks it is not smooth near x = {float(rough[0]):.6g}, so that its integral cannot be "
        "had to rounding; a density that is piecewise smooth in x would be right"
    )
