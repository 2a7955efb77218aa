from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kinkproof.solver import Run, fit
from kinkproof.solver.training.runs import History
from kinkproof.verify import InputError, problems


@pytest.fixture(scope="module")
def run() -> Run:
    return fit(
        problems["two-materials"], 6, gradient="dirac-mean", steps=40, record=10, seeds=[1, 2], schedule="cosine"
    )


def test_a_saved_run_comes_back_whole(run: Run, tmp_path: Path) -> None:
    back = Run.load(run.save(tmp_path / "run.npz"))
    assert back.problem == run.problem
    assert back.settings == run.settings
    assert back.stops == run.stops
    assert back.versions == run.versions
    for name in History.NAMES:
        assert np.array_equal(getattr(back.history, name), getattr(run.history, name))
    assert np.array_equal(back.energy_gap, run.energy_gap)


@pytest.mark.parametrize("name", problems)
def test_every_kind_of_problem_survives_the_file(name: str, tmp_path: Path) -> None:
    back = Run.load(fit(problems[name], 3, steps=1).save(tmp_path / "run.npz"))
    assert back.problem == problems[name]


def test_the_same_run_gives_the_same_bytes_and_no_pickle(run: Run, tmp_path: Path) -> None:
    first, second = run.save(tmp_path / "a.npz"), run.save(tmp_path / "b.npz")
    assert first.read_bytes() == second.read_bytes()
    with np.load(first, allow_pickle=False) as stored:
        assert all(stored[n].dtype != object for n in stored.files)


def test_a_file_that_lacks_something_says_what(run: Run, tmp_path: Path) -> None:
    from kinkproof.solver.training import archive

    header, arrays = archive.read(run.save(tmp_path / "run.npz"), "run")
    del arrays["exact"]
    archive.write(tmp_path / "run.npz", "run", header, arrays)
    with pytest.raises(InputError, match="lacks 'exact'"):
        Run.load(tmp_path / "run.npz")


def test_the_field_is_the_ansatz(run: Run) -> None:
    x = np.array([0.0, 0.25, 1.0])
    w, b, c = (a[:, None, :] for a in run.network.floats)
    network = (c * np.maximum(w * x[:, None] + b, 0)).sum(-1)
    np.testing.assert_allclose(run.field(x), x * (1 - x) * network, atol=1e-14)
    assert not np.allclose(run.field(x, record=0), run.field(x))


def with_gaps(run: Run, gaps: np.ndarray) -> Run:
    """The same run with a made-up history of energy gaps, (R, B)."""
    history = {n: getattr(run.history, n) for n in History.NAMES}
    history |= {"exact": gaps + run.problem.minimum_energy(), "steps": np.arange(len(gaps))}
    return Run(run.problem, run.settings, History(**history), ("",) * gaps.shape[1], gaps[0] < 0, run.versions)


def test_stuck_means_far_above_the_fellows_and_no_longer_falling(run: Run) -> None:
    falling, low, stuck = [9, 4, 2.0, 1.0], [9, 1, 0.1, 0.1], [9, 1, 1, 1]
    gaps = np.array([low, low, low, falling, stuck, low], dtype=float).T
    assert with_gaps(run, gaps).stuck.tolist() == [False] * 4 + [True, False]
