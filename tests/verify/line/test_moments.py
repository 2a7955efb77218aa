from __future__ import annotations

import mpmath
import numpy as np
import pytest
from kinkproof.verify import problems
from kinkproof.verify.line import integration
from kinkproof.verify.line.moments import Moments, moments


def test_kinks_at_the_ends_bound_pieces_of_no_length_and_are_not_integrated_to(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problems["sine-2"]
    table = moments(problem)
    # Ascending: moved to an end or inside, in a batch whose members have none, one and several inside.
    x = np.array([[0, 0, 0, 1, 1], [0, 1e-9, 0.3, 0.999, 1], [0, 0, 0.4, 1, 1], [0.1, 0.2, 0.6, 0.7, 0.8]], dtype=float)
    asked: list[float] = []
    right = Moments._from_end
    monkeypatch.setattr(Moments, "_from_end", lambda self, k, end, v: asked.extend(v) or right(self, k, end, v))
    found = table.increments(x)
    assert set(asked) == set(x[(x > 0) & (x < 1)])
    assert found.shape == (6, 4, 6)
    for row, places in enumerate(x):
        # One network alone: sums over Gauss points may be taken in another order. And the integrals at 30 digits.
        assert table.increments(places) == pytest.approx(found[:, row], rel=1e-13, abs=1e-15)
        with mpmath.workdps(30):
            marks = [mpmath.mpf(float(v)) for v in (0, *places, 1)]
            exact = np.diff(table.cumulative_exact(marks), axis=-1).astype(float)
        assert (found[:, row][:, np.diff([0, *places, 1]) == 0] == 0).all()
        # Roundings of the integral over half the domain, which neighbours are differences of.
        size = np.abs(table.cumulative_exact([mpmath.mpf(1)])).astype(float) + 1
        assert (np.abs(found[:, row] - exact) <= 1e-15 * size).all()


def test_without_kinks_the_one_piece_is_the_domain() -> None:
    table = moments(problems["sine-2"])
    whole = table.cumulative(np.array([1.0]))
    for shape in ((0,), (2, 0)):
        assert table.increments(np.zeros(shape)).shape == (6, *shape[:-1], 1)
        assert (table.increments(np.zeros(shape)) == whole.reshape(6, *(1,) * len(shape))).all()
    assert table.increments(np.zeros((0, 3))).shape == (6, 0, 4)


def test_next_to_an_end_integrals_keep_their_digits() -> None:
    table = moments(problems["sine-2"])
    x = np.array([1e-7, 2e-7, 0.4, 1 - 1e-7])
    with mpmath.workdps(40):
        marks = [mpmath.mpf(0), *(mpmath.mpf(float(v)) for v in x), mpmath.mpf(1)]
        exact = np.diff(table.cumulative_exact(marks), axis=-1).astype(float)
    for k in (0, 4):
        assert table.increments(x)[:5, k] == pytest.approx(exact[:5, k], rel=1e-13)


def test_many_places_are_taken_block_by_block_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    table, x = moments(problems["sine-2"]), np.linspace(0.001, 0.999, 300)
    whole = table.increments(x), table.density(x)
    monkeypatch.setattr(integration, "_BLOCK", 64)
    parts = table.increments(x), table.density(x)
    for one, other in zip(whole, parts, strict=True):
        # A block's last numbers may take another path through the processor's sine.
        assert other == pytest.approx(one, rel=1e-13, abs=1e-15)
