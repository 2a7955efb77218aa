"""Where an integrand grows without bound, how fast, and whether its integral is infinite there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Points (n, d) → |L|, (n,); infinite and undefined are the largest.
Sizes = Callable[[Tensor], Tensor]

# Points along a side of the grid on whose largest value the next, smaller one is centred, by how much smaller, and how
# often: down to the rounding of a float64.
_GRID, _SMALLER, _ZOOMS = 9, 4.0, 22
# Distances between which growth is measured, as shares of the domain, and directions.
_FAR, _NEAR, _DIRECTIONS = 1e-3, 1e-6, 64
# 1/|x| in one input is the first power whose integral is infinite; measured it may come out this much less.
_OFF = 0.03
# In several inputs lines pass so far beside the place, as a share of the domain; so many of them.
_BESIDE, _LINES = 1e-2, 8


@dataclass(frozen=True)
class Pole:
    """Growth like the distance to a place to the power −power.

    Attributes:
        place: (d,).
        power: of the growth.
        infinite: the integral is.
    """

    place: tuple[float, ...]
    power: float
    infinite: bool

    def __str__(self) -> str:
        place = ", ".join(f"{v:.6g}" for v in self.place)
        place = place if len(self.place) == 1 else f"({place})"
        return f"near x = {place} it grows like the distance to the power −{self.power:.2g}"


def pole(sizes: Sizes, start: Tensor, box: Tensor) -> Pole:
    """Climb from a place to where |L| is largest, and measure how it grows.

    A set of codimension one, such as x₁ = 0, makes an integral infinite from the power 1 on; whether a pole lies on one
    lines beside the place tell, which meet it again. A point does from the power d on.

    Args:
        sizes: |L| anywhere in the box.
        start: (d,).
        box: (d, 2).
    """
    d, generator = len(box), torch.Generator().manual_seed(0)
    place = climbed(sizes, start, box)
    power = _power(sizes, place, box, generator)
    infinite = power >= d - _OFF
    if d > 1 and not infinite and power >= 1 - _OFF:
        infinite = 2 * sum(_met(sizes, place, box, generator) for _ in range(_LINES)) > _LINES
    return Pole(tuple(place.tolist()), power, infinite)


def climbed(sizes: Sizes, start: Tensor, box: Tensor) -> Tensor:
    """Where |L| is largest, (d,), by ever smaller grids around the largest value of the last one."""
    steps = torch.linspace(-1, 1, _GRID, dtype=torch.float64)
    offsets = torch.cartesian_prod(*[steps] * len(box)).reshape(-1, len(box))
    place, width = start, (box[:, 1] - box[:, 0]) / 16
    for _ in range(_ZOOMS):
        x = (place + width * offsets).clamp(box[:, 0], box[:, 1])
        values = _known(sizes(x))
        # Of several infinite ones the nearest.
        place = x[torch.where(values == values.max(), (x - place).norm(dim=1), torch.inf).argmin()]
        width = width / _SMALLER
    return place


def _power(sizes: Sizes, place: Tensor, box: Tensor, generator: torch.Generator) -> float:
    """Of the median over directions that stay in the box."""
    size = box[:, 1] - box[:, 0]
    directions = torch.randn(_DIRECTIONS, len(box), generator=generator, dtype=torch.float64)
    directions /= directions.norm(dim=1, keepdim=True)
    medians = []
    for distance in (_FAR, _NEAR):
        x = place + distance * size * directions
        inside = ((x >= box[:, 0]) & (x <= box[:, 1])).all(1)
        if not bool(inside.any()):
            return 0.0
        medians.append(float(_known(sizes(x[inside])).median()))
    far, near = medians
    if not 0 < far < near:
        return 0.0
    return float(torch.tensor(near / far).log() / torch.tensor(_FAR / _NEAR).log())


def _met(sizes: Sizes, place: Tensor, box: Tensor, generator: torch.Generator) -> bool:
    """Does a line that passes beside a place meet a pole whose integral along it is infinite?"""
    size = box[:, 1] - box[:, 0]
    offset, along = torch.randn(2, len(box), generator=generator, dtype=torch.float64)
    middle = (place + _BESIDE * size * offset / offset.norm()).clamp(box[:, 0], box[:, 1])
    along = size * along / along.norm()
    # From side to side of the box.
    shares = torch.stack([(box[:, k] - middle) / along for k in (0, 1)])
    low, high = float(shares.amin(0).max()), float(shares.amax(0).min())
    if not low < high:
        return False

    def on_line(t: Tensor) -> Tensor:
        return sizes((middle + t * along).clamp(box[:, 0], box[:, 1]))

    ends = torch.tensor([[low, high]], dtype=torch.float64)
    t = torch.linspace(low, high, 257, dtype=torch.float64)[:, None]
    start = t[_known(on_line(t)).argmax()]
    return _power(on_line, climbed(on_line, start, ends), ends, generator) >= 1 - _OFF


def _known(values: Tensor) -> Tensor:
    return torch.nan_to_num(values, nan=torch.inf, posinf=torch.inf)
