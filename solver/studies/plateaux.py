"""Plateaux: energy gaps at which several networks of a run end, of which a median says nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Neighbours nearer than this share of their gap are on one plateau: some times what training leaves of scatter there.
_NEAR = 2e-3
# A plateau has so many networks, and this share of them all; fewer come together by chance.
_LEAST, _SHARE = 3, 1 / 16


@dataclass(frozen=True)
class Plateau:
    """Networks that end at one gap.

    Attributes:
        gap: their median.
        count: how many they are.
    """

    gap: float
    count: int

    def __str__(self) -> str:
        return f"{self.count} at {self.gap:.3g}"


def plateaux(gaps: ArrayLike) -> tuple[Plateau, ...]:
    """The plateaux of a run's energy gaps, the fullest first.

    Examples:
        >>> print(*plateaux([0.1963, 0.1964, 0.1964, 0.2203, 0.2074, 0.2203, 0.2204, 0.2204, 0.31]))
        4 at 0.22 3 at 0.196
    """
    ascending = np.sort(np.asarray(gaps, dtype=np.float64))
    ends = np.flatnonzero(np.diff(ascending) > _NEAR * ascending[:-1]) + 1
    groups = np.split(ascending, ends)
    least = max(_LEAST, _SHARE * len(ascending))
    found = [Plateau(float(np.median(g)), len(g)) for g in groups if len(g) >= least]
    return tuple(sorted(found, key=lambda p: (-p.count, p.gap)))
