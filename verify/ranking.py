"""An order that rounding does not decide: what is equal but for rounding stays in the order in which it came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Differences below this share of the largest value are rounding of sums over thousands of terms.
_SAME = 1e-9


def largest_first(values: ArrayLike) -> NDArray[np.intp]:
    """Indices of values (N,), the largest first; among equals, to 1e-9 of the largest, the first of them first.

    Examples:
        >>> largest_first([1.0, 3.0, 3.0 + 1e-12, 2.0]).tolist()
        [1, 2, 3, 0]
    """
    found: NDArray[Any] = np.asarray(values, dtype=np.float64)
    descending = np.argsort(-found, kind="stable")
    if not len(found):
        return descending
    # A group ends where the next value is smaller by more than rounding.
    sizes = found[descending]
    scale = np.abs(sizes[np.isfinite(sizes)]).max(initial=0.0)
    with np.errstate(invalid="ignore"):
        group = np.concatenate([[0], np.cumsum(-np.diff(sizes) > _SAME * scale)])
    return descending[np.lexsort((descending, group))]
