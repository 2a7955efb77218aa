from __future__ import annotations

import numpy as np
import pytest
from kinkproof.solver import fit, regress
from kinkproof.verify import InputError, RitzProblem, problems


@pytest.mark.parametrize(("name", "most"), [("sine-2", 0.03), ("two-materials", 0.01), ("natural", 0.02)])
def test_width_20_suffices(name: str, most: float) -> None:
    run = regress(problems[name], steps=150)
    assert (run.field_error() < 0.01).all()
    # The best possible for sine-2 is 0.0076 (see the paper's figure 1 in EQUATIONS).
    assert (run.energy_gap < most).all()


@pytest.mark.parametrize("activation", ["leaky-relu", "relu2", "tanh", "sin"])
def test_other_activations_fit_too(activation: str) -> None:
    assert (regress(problems["sine-2"], 10, activation, steps=20, seeds=range(2)).field_error() < 0.02).all()


def test_a_deep_network_fits_better_than_it_started() -> None:
    run = regress(problems["sine-2"], (8, 8), steps=60, seeds=range(3))
    assert np.median(run.field_error()) < 0.2


@pytest.mark.slow
def test_a_fit_from_it_rises_with_autodiff_and_falls_with_the_exact_gradient() -> None:
    start = regress(problems["sine-2"], steps=150, seeds=range(4))
    wrong = fit(problems["sine-2"], start=start, steps=500)
    right = fit(problems["sine-2"], start=start, steps=100, gradient="exact", optimizer="lbfgs", record=1)
    assert (wrong.energy_gap > 3 * start.energy_gap).all()
    assert (np.diff(right.history.exact, axis=0) <= 0).all()
    assert (right.energy_gap < start.energy_gap).all()


def test_without_a_solution_there_is_nothing_to_fit_to() -> None:
    with pytest.raises(InputError, match="no known solution"):
        regress(RitzProblem(source="1"))
