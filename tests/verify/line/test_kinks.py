from __future__ import annotations

import numpy as np
import pytest
from kinkproof.verify.line import kinks


@pytest.mark.parametrize("width", [3, 700])
@pytest.mark.parametrize("kind", ["clipped", "few places", "one place", "distinct"])
def test_the_quicker_sort_is_the_sort_by_position_with_falling_neurons_first(
    width: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinks, "_FEW", 0)
    random = np.random.default_rng(0)
    positions = random.normal(size=width)
    positions = {
        "clipped": np.clip(positions, 0, 1),
        "few places": np.round(positions, 1),
        "one place": np.zeros(width),
        "distinct": positions,
    }[kind]
    orientations = random.choice((-1, 1), width)
    assert (kinks._ordered(positions, orientations) == np.lexsort((orientations, positions))).all()
