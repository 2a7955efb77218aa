"""Products of matrices of whole numbers of any length, exact: by float64 matrices of words of 16 binary digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Products of words have 32 digits, so that sums of 2²⁰ of them are exact in float64.
_BITS = 16
_MOST_TERMS = 2**20
# From so many products of two numbers on, and so many for each number on the left, words are quicker than Python's own
# arithmetic.
_MANY, _OFTEN = 20_000, 8


def product(left: Array, right: Array) -> Array:
    """left @ right for matrices (n, m) and (m, r) of Python's whole numbers.

    Examples:
        >>> product(np.array([[2**70, 1]], dtype=object), np.array([[3], [-1]], dtype=object)) == 3 * 2**70 - 1
        array([[ True]])
    """
    (n, m), r = left.shape, right.shape[1]
    if n * m * r < _MANY or r < _OFTEN or m > _MOST_TERMS:
        return np.asarray(left @ right)
    a, b = _words(left), _words(right)
    crossed = a.reshape(-1, m) @ b.transpose(1, 0, 2).reshape(m, -1)
    crossed = crossed.reshape(len(a), n, len(b), r).astype(np.int64)
    # Words of the same weight; their sums keep far below 2⁶³.
    sums = np.zeros((len(a) + len(b) - 1, n, r), dtype=np.int64)
    for k, part in enumerate(crossed):
        sums[k : k + len(b)] += part.transpose(1, 0, 2)
    for k in range(len(sums) - 1):
        sums[k + 1] += sums[k] >> _BITS
        sums[k] &= 2**_BITS - 1
    return _numbers(sums)


def _words(values: Array) -> Array:
    """Σ wordₖ 2¹⁶ᵏ, the last word with the sign, (K, ...) float64."""
    flat = values.ravel().tolist()
    count = max(map(int.bit_length, flat)) // _BITS + 1
    data = b"".join([v.to_bytes(2 * count, "little", signed=True) for v in flat])
    words = np.frombuffer(data, dtype="<u2").reshape(*values.shape, count)
    out = np.moveaxis(words, -1, 0).astype(np.float64)
    out[-1] -= np.where(out[-1] >= 2 ** (_BITS - 1), 2.0**_BITS, 0.0)
    return out


def _numbers(words: Array) -> Array:
    """The inverse: words (K, n, r), all but the last from 0 to 2¹⁶ − 1, the last of any size and sign."""
    low = np.ascontiguousarray(np.moveaxis(words[:-1], 0, -1).astype("<u2"))
    top = words[-1].astype("<i8")
    whole = np.concatenate([low.view(np.uint8), top[..., None].view(np.uint8)], axis=-1)
    data, step = whole.tobytes(), whole.shape[-1]
    out = np.empty(top.size, dtype=object)
    out[:] = [int.from_bytes(data[k : k + step], "little", signed=True) for k in range(0, len(data), step)]
    return out.reshape(top.shape)
