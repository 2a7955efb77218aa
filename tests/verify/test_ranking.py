from __future__ import annotations

import numpy as np
from kinkproof.verify.ranking import largest_first


def test_equals_keep_their_order_whatever_rounding_does() -> None:
    values = np.array([1.0, 0.3, 0.3, 0.1, 0.3, 2.0])
    for seed in range(20):
        rounded = values * (1 + 1e-15 * np.random.default_rng(seed).standard_normal(6))
        assert largest_first(rounded).tolist() == [5, 0, 1, 2, 4, 3]


def test_what_differs_is_sorted_and_what_is_infinite_comes_first() -> None:
    assert largest_first([1.0, 1.0 + 1e-6, np.inf, 0.0, np.inf]).tolist() == [2, 4, 1, 0, 3]
    assert largest_first([]).tolist() == []
