from __future__ import annotations

import numpy as np
from kinkproof.solver.studies.plateaux import plateaux


def test_plateaux_are_counted_the_fullest_first_and_the_rest_is_not() -> None:
    gaps = [0.1961, 0.1963, 0.1964, 0.1965, 0.2202, 0.2203, 0.2204, 0.2075, 0.31, 0.4]
    found = plateaux(np.random.default_rng(0).permutation(gaps))
    assert [(p.count, round(p.gap, 5)) for p in found] == [(4, 0.19635), (3, 0.2203)]
    assert str(found[0]) == "4 at 0.196"


def test_gaps_all_over_have_none_and_equal_ones_are_one() -> None:
    assert plateaux(np.geomspace(0.01, 0.1, 64)) == ()
    assert [p.count for p in plateaux([0.2] * 16)] == [16]
    assert plateaux([0.2, 0.2]) == ()


def test_of_many_networks_a_plateau_has_a_sixteenth() -> None:
    gaps = [*np.geomspace(0.01, 0.1, 61), 0.5, 0.5, 0.5]
    assert plateaux(gaps) == ()
    assert [p.count for p in plateaux([*gaps[:60], 0.5, 0.5, 0.5, 0.5])] == [4]
