from __future__ import annotations

import numpy as np
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.studies.kinks import kinks_of
from kinkproof.verify import problems

PROBLEM = problems["sine-2"]


def test_kinks_that_crowd_count_once_and_idle_ones_not_at_all() -> None:
    # Two at ¼, facing both ways; one at ¾; one there without weight at ½; one outside.
    w = np.array([1.0, -2.0, 4.0, 1.0, 1.0])
    places = np.array([0.25, 0.252, 0.75, 0.5, 1.5])
    c = np.array([1.0, 1.0, 0.5, 0.0, 1.0])
    (found,) = kinks_of(PROBLEM, Architecture.of(5, "relu"), np.concatenate([w, -w * places, c])[None]) or ()
    assert (found.inside, found.effective) == (4, 2)
    # Weighted by the slope's jumps, 1 and 2, times D.
    d = places * (1 - places)
    mean = (d[0] * places[0] + 2 * d[1] * places[1]) / (d[0] + 2 * d[1])
    assert np.allclose(found.places, [mean, 0.75], rtol=1e-12)
    assert np.allclose(found.jumps, [d[0] + 2 * d[1], 2 * d[2]], rtol=1e-12)


def test_kinks_that_cancel_do_nothing() -> None:
    theta = np.array([[1.0, 1.0, 1.0, -0.5, -0.5, -0.2, 1.0, -1.0, 1.0]])
    (found,) = kinks_of(PROBLEM, Architecture.of(3, "relu"), theta) or ()
    assert found.inside == 3
    assert np.allclose(found.places, [0.2])


def test_a_deep_network_has_the_kinks_of_a_shallow_one_that_it_repeats() -> None:
    w, places, c = np.array([1.0, 2.0]), np.array([0.31, 0.62]), np.array([1.0, 0.5])
    shallow = np.concatenate([w, -w * places, c])[None]
    # A second layer that hands the two on: what leaves the first is never negative.
    deep = np.concatenate([w, -w * places, [1.0, 0.0, 0.0, 1.0], [0.0, 0.0], c])[None]
    (one,) = kinks_of(PROBLEM, Architecture.of(2, "relu"), shallow) or ()
    (two,) = kinks_of(PROBLEM, Architecture.of((2, 2), "relu"), deep) or ()
    assert one.inside == two.inside == 2
    # To half of one of the 20,000 cells in which they are looked for.
    assert np.allclose(one.places, two.places, rtol=0, atol=2.6e-5)


def test_smooth_networks_have_none() -> None:
    assert kinks_of(PROBLEM, Architecture.of(2, "tanh"), np.ones((1, 6))) is None
