"""The same bits whoever does the work; what was done is not done again; tables that say all."""

from __future__ import annotations

import csv
import io
import multiprocessing
import pickle
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinkproof.solver import fit
from kinkproof.solver.studies.sweeps import SweepTable, sweep
from kinkproof.solver.studies.trials import Row, Trial, read_sweep
from kinkproof.verify import InputError, problems

TEXT = """
steps = 20
seeds = 3
seeds_at_once = 2
width = 5

[[runs]]
gradient = ["autodiff", "exact"]

[[runs]]
activation = "tanh"
problem = {source = "2", distance = "x*(1-x)", solution = "x*(1-x)"}
start = "regression"
"""
TRIALS = read_sweep(TEXT)


@pytest.fixture(scope="module")
def alone() -> SweepTable:
    return sweep(TRIALS)


@pytest.mark.slow
def test_a_row_is_what_fit_gives(alone: SweepTable) -> None:
    assert len(TRIALS) == 6
    run = fit(problems["sine-2"], 5, gradient="exact", steps=20, seeds=range(3))
    rows = [row for row in alone.rows if row["gradient"] == "exact"]
    assert [row["seed"] for row in rows] == [0, 1, 2]
    # The third network was trained without the others: networks do not influence each other, but for rounding.
    assert np.allclose([row["energy_gap"] for row in rows], run.energy_gap, rtol=1e-12, atol=0)
    w, b, _ = run.parameters[0].reshape(3, 5)
    inside = np.sort((-b / w)[(-b / w > 0) & (-b / w < 1)])
    assert rows[0]["kinks_inside"] == len(inside)
    assert rows[0]["version_torch"] == run.versions["torch"]


@pytest.mark.slow
def test_two_processes_give_the_same_bits(alone: SweepTable, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = sweep(TRIALS, pool)
    assert found.csv() == alone.csv()
    # Another number would be seen.
    assert SweepTable((found.rows[0] | {"energy_gap": 1.0}, *found.rows[1:])).csv() != alone.csv()


# The ordinary run has two processes, and a cluster for landscapes, on the same dispatch.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_cluster_gives_the_same_bits(alone: SweepTable, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**settings, local_directory=str(tmp_path / "workers")) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as executor,
    ):
        assert sweep(TRIALS, executor).csv() == alone.csv()


def test_what_is_sent_to_workers_is_plain_data() -> None:
    class Watching(Executor):
        def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
            blob = pickle.dumps((function, arguments))
            assert not any(name in blob for name in (b"sympy", b"torch", b"RitzProblem"))
            future: Future[Any] = Future()
            future.set_result([])
            return future

    assert sweep(TRIALS, Watching()).rows == ()


@pytest.mark.slow
def test_after_a_kill_only_what_is_missing_is_made(alone: SweepTable) -> None:
    kept: dict[str, list[Row]] = {}

    def keep(trial: Trial, rows: list[Row]) -> None:
        kept[repr(trial.described())] = rows
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(TRIALS, keep=keep)
    counts: list[int] = []
    resumed = sweep(
        TRIALS, recall=lambda t: kept.get(repr(t.described())), progress=lambda done, total: counts.append(done)
    )
    assert counts == [2, 3, 4, 5, 6]
    assert resumed.csv() == alone.csv()


def test_tables_hold_every_digit(alone: SweepTable, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(alone.save(tmp_path / "t.csv").read_text())))
    assert [float(r["energy_gap"]) for r in rows] == [r["energy_gap"] for r in alone.rows]
    assert [[float(x) for x in r["kink_places"].split()] for r in rows] == [r["kink_places"] or [] for r in alone.rows]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(alone.save(tmp_path / "t.parquet")).to_pylist() == list(alone.rows)
    with pytest.raises(InputError, match=r"t\.xlsx is no table; a name that ends in \.csv or \.parquet"):
        alone.save(tmp_path / "t.xlsx")


def test_a_run_that_is_asked_for_twice_is_made_once() -> None:
    assert len(read_sweep("seeds = 2\n[[runs]]\nwidth = [3, 4]\n[[runs]]\nwidth = 4\ngradient = 'autodiff'")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("width = ", "no TOML"),
        ("widht = 3", "did you mean 'width'"),
        ("gradient = []", "gradient: the list is empty"),
        ("seeds = []", "seeds: the list is empty"),
        ("seeds = 0", "seeds: 0 are none"),
        ("seeds = 'many'", "seeds: 'many' are none"),
        ("seeds = ['a']", "seed"),
        ("seeds_at_once = 0", "seeds_at_once: 0"),
        ("problem = 'sine-9'", "did you mean 'sine-"),
        ("problem = {sauce = '1'}", "it has no 'sauce'"),
        ("start = 'there'", "start: 'there' is unknown"),
        ("optimizer = 'sdg'", "optimizer: 'sdg' is unknown"),
        ("width = 0", "width: 0"),
        ("gradient = 'grad'", "gradient: 'grad' is unknown"),
        ("rule = 'mid'", "rule"),
        ("initial = 'evn'", "initial: 'evn' is unknown"),
        ("runs = 3", "runs: these are no tables"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_trained(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_sweep(text)
