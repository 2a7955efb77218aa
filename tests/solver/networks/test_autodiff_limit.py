from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
import torch
from kinkproof.solver import autodiff_limit, fit
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.gradients import objective
from kinkproof.verify import InputError, RitzProblem, exact_energy, exact_gradient, problems

from ..statements import names


def wave(k: int) -> RitzProblem:
    return RitzProblem(
        source=f"{k * k}*pi**2*sin({k}*pi*x)", distance="x*(1-x)", solution=f"sin({k}*pi*x)", name=f"sine {k}"
    )


NO_ZEROS = RitzProblem(
    source="exp(x)", distance="x", fluxes={1: 0}, solution="1 - exp(x) + E*x", name="a flux without zeros"
)


# MATH.md 12: solved there by another program, to the digits given.
@pytest.mark.parametrize(
    ("problem", "kinks", "gap"),
    [
        (wave(1), [0.5], 0.00956),
        (problems["sine-2"], [0.2524, 0.7476], 0.19676),
        pytest.param(wave(3), [0.1546, 0.5, 0.8454], 3.3005, marks=pytest.mark.slow),
        pytest.param(wave(4), None, 7.715, marks=pytest.mark.slow),
        (NO_ZEROS, [], 0.0019701),
    ],
    ids=lambda p: p.name if isinstance(p, RitzProblem) else None,
)
def test_the_states_of_the_maths_page(problem: RitzProblem, kinks: list[float] | None, gap: float) -> None:
    state = autodiff_limit(problem).main
    assert state.attracting
    # Half of the last digit of 7.715 and of 0.00956 is 5e-4 of them.
    assert state.energy_gap == pytest.approx(gap, rel=6e-4)
    if kinks is not None:
        assert state.kinks == pytest.approx(kinks, abs=6e-5)


def test_periodic_ends_are_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="pieces at both ends are tied"):
        autodiff_limit(problems["periodic"])


def test_facings_make_states_of_their_own() -> None:
    (state,) = (s for s in autodiff_limit(problems["sine-2"]).states if s.facings == "RL")
    assert state.kinks == pytest.approx([0.25196, 0.74804], abs=6e-6)
    assert state.energy_gap == pytest.approx(0.22133, rel=3e-5)


@pytest.mark.parametrize(
    "problem",
    [
        problems["sine-2"],
        NO_ZEROS,
        *(
            pytest.param(problems[n], marks=pytest.mark.slow)
            for n in ("two-materials", "natural", "variable-coefficient", "penalised-ends", "foundation")
        ),
    ],
    ids=names,
)
def test_the_oracles_bulk_vanishes_there_and_the_gap_is_the_oracles(problem: RitzProblem) -> None:
    for state in autodiff_limit(problem).states:
        bulk = objective(problem, Architecture.of(state.network.width, "relu"), "bulk")
        found = bulk.gradient(torch.as_tensor(state.network.ravel())[None])[1]
        # Energies of the penalty are of size 500.
        assert found.abs().max() < 1e-8 * (1 + 500 * bool(problem.essential))
        gap = float(exact_energy(problem, state.network)) - problem.minimum_energy()
        assert gap == pytest.approx(state.energy_gap, rel=1e-9, abs=1e-12)
    inside = [s for s in autodiff_limit(problem).states if len(s.kinks) and not problem.essential]
    for state in inside[:1]:
        gradient = exact_gradient(problem, state.network)
        assert np.abs(gradient.bulk.ravel()).max() < 1e-8
        # The integral's own gradient does not vanish.
        assert np.linalg.norm(gradient.total.ravel()) > 1e-3


def ended(problem: RitzProblem, seeds: int, steps: int) -> Counter[float]:
    """Gaps of the states in which training with the bulk ended, and how many seeds in each."""
    run = fit(
        problem, 20, gradient="bulk", steps=steps, learning_rate=2e-2, schedule="cosine", seeds=range(seeds),
        record=steps,
    )  # fmt: skip
    limit = autodiff_limit(problem)
    counts: Counter[float] = Counter()
    w, b, c = np.split(run.parameters, 3, axis=1)
    for k, gap in enumerate(run.energy_gap):
        state = limit.nearest(gap)
        # The run's own rest after its last step; measured 1e-5 and less.
        assert gap == pytest.approx(state.energy_gap, rel=1e-3)
        place = -b[k] / w[k]
        # Kinks that have come to rest on an end, where D vanishes, bend nothing.
        inside = (place > 1e-3) & (place < 1 - 1e-3)
        carries = inside & (np.abs(c[k] * w[k]) > 1e-2 * np.abs(c[k] * w[k]).max())
        for at in place[carries]:
            mirrored = [s for s in limit.states if abs(s.energy_gap - state.energy_gap) < 1e-6]
            assert min(np.abs(s.kinks - at).min(initial=np.inf) for s in mirrored) < 5e-3
        counts[round(state.energy_gap, 5)] += 1
    return counts


@pytest.mark.slow
def test_training_with_the_bulk_ends_in_a_state() -> None:
    assert ended(NO_ZEROS, 4, 2500) == {0.00197: 4}


@pytest.mark.long
@pytest.mark.parametrize(
    ("problem", "counts"),
    [
        (wave(1), {0.03569: 13, 0.00956: 3}),
        (problems["sine-2"], {0.22133: 8, 0.19676: 5, 0.21538: 3}),
        (wave(3), {3.37392: 12, 3.29693: 1, 3.30052: 1, 4.48627: 1, 21.93642: 1}),
        (problems["variable-coefficient"], {0.27648: 10, 0.24587: 6}),
        (problems["two-materials"], {0.0097: 16}),
        (problems["natural"], {0.03569: 16}),
        (NO_ZEROS, {0.00197: 16}),
    ],
    ids=lambda p: p.name if isinstance(p, RitzProblem) else None,
)
def test_every_seed_ends_in_a_state(problem: RitzProblem, counts: dict[float, int]) -> None:
    found = ended(problem, 16, 6000)
    assert sum(found.values()) == 16
    # Which state a start selects may hang on rounding where two basins meet; the states may not.
    assert set(found) <= {round(s.energy_gap, 5) for s in autodiff_limit(problem).attracting}
    assert found.most_common(1)[0][0] == max(counts, key=lambda k: counts[k])


@pytest.mark.long
def test_the_width_does_not_enter() -> None:
    gaps = []
    for width in (10, 40):
        run = fit(
            NO_ZEROS, width, gradient="bulk", steps=2500, learning_rate=2e-2, schedule="cosine", seeds=range(2),
            record=2500,
        )  # fmt: skip
        gaps += run.energy_gap.tolist()
    assert gaps == pytest.approx([autodiff_limit(NO_ZEROS).main.energy_gap] * 4, rel=1e-3)


@pytest.mark.long
def test_the_domain_may_lie_anywhere() -> None:
    here = autodiff_limit(problems["sine-2"]).main
    there = RitzProblem(
        source="4*pi**2*sin(2*pi*x)", distance="(x - 1000)*(1001 - x)", domain=(1000, 1001), solution="sin(2*pi*x)",
        name="moved",
    )  # fmt: skip
    state = autodiff_limit(there).main
    # A thousand lengths away four digits of the kinks are lost.
    assert state.kinks - 1000 == pytest.approx(here.kinks, abs=1e-9)
    assert state.energy_gap == pytest.approx(here.energy_gap, rel=1e-8)


def test_point_loads_are_refused() -> None:
    with pytest.raises(InputError, match="point load at x = 1/3"):
        autodiff_limit(problems["point-load"])


def test_it_is_said_in_a_sentence() -> None:
    assert autodiff_limit(problems["sine-2"]).sentence.startswith(
        "autodiff will put all kinks near x = 0.2524 and 0.7476 and stop 0.1968 above the minimum"
    )
    assert re.search(r"drive all kinks out of the domain and stop 0\.00197 above", autodiff_limit(NO_ZEROS).sentence)
    with pytest.raises(InputError, match="no known solution"):
        autodiff_limit(RitzProblem(source="1"))
