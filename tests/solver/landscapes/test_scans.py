"""The same bits whatever the chunks, the executor and the interruptions; checkpoints that are refused."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.solver import Landscape, chosen_plane, fit, landscape
from kinkproof.solver.landscapes import scanned_energy, scans
from kinkproof.solver.landscapes.scans import Chunk, chunk_size, chunks
from kinkproof.solver.training import archive
from kinkproof.verify import InputError, ShallowNetwork, problems
from numpy.typing import NDArray

TWO = problems["two-materials"]
NETWORK = ShallowNetwork.random(6, seed=0)
PLANES = [chosen_plane(np.eye(18)[i], np.eye(18)[j]) for i, j in ((2, 7), (0, 16))]


def scan(**more: Any) -> Landscape:
    return landscape(TWO, NETWORK, **({"planes": PLANES, "resolution": 41} | more))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # 41² points a plane in pieces that divide neither the lines nor the planes, each several tiles.
    monkeypatch.setattr(scanned_energy, "_MOST", 23)
    monkeypatch.setattr(scans, "_LARGEST_CHUNK", 137)
    scans._made.cache_clear()
    yield
    scans._made.cache_clear()


@pytest.mark.parametrize(
    ("activation", "width", "energy"),
    [
        ("relu", 6, "quadrature"), ("relu", 6, "exact"), ("relu2", 6, "quadrature"), ("relu2", 6, "exact"),
        # Matrix products, and vector units with a rest, of which the last bit depends on the place.
        ("sigmoid", 6, "quadrature"), ("sigmoid", 6, "exact"), ("relu", (4, 3), "exact"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("small_chunks")
def test_chunks_and_threads_do_not_change_a_bit(
    energy: str, activation: str, width: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fit(TWO, width, activation, steps=1, seeds=[0])
    size = run.settings.architecture.parameters
    planes = [chosen_plane(np.eye(size)[2], np.eye(size)[size - 1])]

    def values() -> bytes:
        return landscape(TWO, run, planes, resolution=13, energy=energy, points=50).values.tobytes()

    whole = values()
    for most in (1, 60, 1000):
        monkeypatch.setattr(scans, "_LARGEST_CHUNK", most)
        assert values() == whole
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert values() == whole
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_any_memory_gives_the_same_bits_and_less_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # 24 kB a network: the parameters count.
    network = ShallowNetwork.random(1000, seed=0)
    planes = chosen_plane(np.eye(3000)[3], np.eye(3000)[2500])
    sizes: list[int] = []
    original = scans.evaluate

    def watched(chunk: Chunk) -> NDArray[np.float64]:
        sizes.append(chunk.stop - chunk.start)
        return original(chunk)

    # Where it is handed to the executor.
    monkeypatch.setattr("kinkproof.solver.landscapes.landscapes.evaluate", watched)
    found = [landscape(TWO, network, planes, resolution=21, memory=m).values.tobytes() for m in (2**28, 2**24)]
    assert found[0] == found[1]
    assert sizes[0] == 441
    assert max(sizes[1:]) < 441


@pytest.mark.parametrize(
    ("width", "activation", "energy"),
    [
        (20, "relu", "quadrature"), (20, "relu", "exact"), (20, "relu2", "quadrature"), (20, "relu2", "exact"),
        (400, "relu", "exact"), (20, "tanh", "quadrature"), (20, "swish", "quadrature"), (5, "gelu", "exact"),
        ((10, 10), "relu", "quadrature"), ((8, 8), "swish", "quadrature"), ((6, 6), "relu", "exact"),
    ],
)  # fmt: skip
def test_a_tile_takes_no_more_than_is_said(width: Any, activation: str, energy: str) -> None:
    from kinkproof.solver.networks.architecture import Architecture
    from torch.profiler import ProfilerActivity, profile

    architecture = Architecture.of(width, activation)
    made = scanned_energy.scanned_energy(TWO, architecture, energy, "midpoint", 200)
    theta = architecture.initial(range(made.tile)).numpy()
    made.evaluate(theta)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        made.evaluate(theta)
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = np.cumsum([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]).max()
    # NumPy's is not seen by torch's profiler.
    tracemalloc.start()
    made.evaluate(theta)
    held += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held <= made.tile * made.bytes_each
    # Nor is it a figure that holds for anything; of a deep network the number of pieces is known when it is too late,
    # and the closed form takes a tile in blocks.
    least = {"conforming": 0.01, "closed form": 0.15}.get(made.rule, 0.3)
    assert held > least * made.tile * made.bytes_each


def test_what_is_sent_to_workers_is_plain_data() -> None:
    sent: list[bytes] = []

    class Watching(Executor):
        def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
            sent.append(pickle.dumps((function, arguments)))
            future: Future[Any] = Future()
            future.set_result(function(*arguments))
            return future

    scan(executor=Watching())
    assert len(sent) == 2
    # No SymPy, no torch: names of the classes are in the bytes.
    assert not any(foreign in blob for blob in sent for foreign in (b"sympy", b"torch", b"RitzProblem"))
    assert max(map(len, sent)) < 5000


@pytest.mark.usefixtures("small_chunks")
def test_threads_of_a_pool_give_the_same_bits() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert scan(executor=pool).values.tobytes() == scan().values.tobytes()


@pytest.mark.slow
def test_processes_of_a_pool_give_the_same_bits(tmp_path: Path) -> None:
    # Spawned: a forked process inherits locks of torch's threads.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = scan(executor=pool, resolution=81, energy="exact")
    plain = scan(resolution=81, energy="exact")
    assert found.save(tmp_path / "pool.npz").read_bytes() == plain.save(tmp_path / "plain.npz").read_bytes()


@pytest.mark.usefixtures("small_chunks")
def test_an_executor_that_takes_no_work_is_said_and_what_was_sent_is_called_back() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(InputError, match=r"executor: this ThreadPoolExecutor takes no work .*shutdown"):
        scan(executor=pool)
    sent: list[Future[Any]] = []

    class Full(Executor):
        def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
            if len(sent) == 5:
                raise RuntimeError("no more")
            sent.append(Future())
            return sent[-1]

    with pytest.raises(InputError, match="this Full takes no work"):
        scan(executor=Full())
    assert len(sent) == 5
    assert all(future.cancelled() for future in sent)


@pytest.mark.usefixtures("small_chunks")
def test_a_task_that_fails_ends_the_scan_and_costs_nothing_that_was_done(tmp_path: Path) -> None:
    file, done = tmp_path / "part.npz", 0

    class Broken(Executor):
        def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
            nonlocal done
            future: Future[Any] = Future()
            if done == 3:
                future.set_exception(MemoryError("worker lost"))
            elif done < 3:
                future.set_result(function(*arguments))
            done += 1
            return future

    with pytest.raises(MemoryError, match="worker lost"):
        scan(executor=Broken(), checkpoint=file)
    assert archive.read(file, "landscape checkpoint")[1]["done"].any()
    assert scan(checkpoint=file, resume=True).values.tobytes() == scan().values.tobytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_cluster_of_two_workers_gives_the_same_bits(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**settings, local_directory=str(tmp_path / "workers")) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as executor,
    ):
        assert len(client.scheduler_info()["workers"]) == 2
        found = scan(executor=executor, resolution=81)
    assert (
        found.save(tmp_path / "cluster.npz").read_bytes() == scan(resolution=81).save(tmp_path / "a.npz").read_bytes()
    )


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("pooled", [False, True])
def test_after_ctrl_c_it_goes_on_bit_for_bit(pooled: bool, tmp_path: Path) -> None:
    file = tmp_path / "part.npz"
    seen: list[int] = []

    def interrupt(done: int, total: int) -> None:
        seen.append(done)
        if done > total / 3:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        more: dict[str, Any] = {"executor": pool} if pooled else {}
        with pytest.raises(KeyboardInterrupt):
            scan(checkpoint=file, progress=interrupt, **more)
        assert sorted(tmp_path.iterdir()) == [file]
        kept = archive.read(file, "landscape checkpoint")[1]["done"]
        assert kept.sum() == seen[-1] > kept.size / 3
        seen.clear()
        # Not from the start, and not what is there already.
        resumed = scan(checkpoint=file, resume=True, progress=lambda done, total: seen.append(done), **more)
    assert seen[0] > kept.sum()
    assert resumed.save(tmp_path / "a.npz").read_bytes() == scan().save(tmp_path / "b.npz").read_bytes()
    # A finished one has nothing left to do.
    seen.clear()
    again = scan(checkpoint=file, resume=True, progress=lambda done, total: seen.append(done))
    assert not seen
    assert np.array_equal(again.values, resumed.values)


@pytest.mark.slow
@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGINT])
def test_a_process_killed_by_the_system_leaves_a_checkpoint_that_goes_on(killed_by: int, tmp_path: Path) -> None:
    file = tmp_path / "part.npz"
    code = (
        # What is started in the background may have been told to ignore ^C.
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from kinkproof.solver import chosen_plane, landscape\n"
        "from kinkproof.solver.landscapes import scan_checkpoint, scans\n"
        "from kinkproof.verify import ShallowNetwork, problems\nimport numpy as np\n"
        "scan_checkpoint._EVERY, scans._LARGEST_CHUNK = 0.0, 41\n"
        "planes = [chosen_plane(np.eye(18)[i], np.eye(18)[j]) for i, j in ((2, 7), (0, 16))]\n"
        "landscape(problems['two-materials'], ShallowNetwork.random(6, seed=0), planes, resolution=41, "
        f"checkpoint={str(file)!r}, progress=lambda done, total: time.sleep(0.05))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            if file.exists() and archive.read(file, "landscape checkpoint")[1]["done"].any():
                break
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        os.kill(process.pid, killed_by)
        assert process.wait() != 0
    assert 0 < archive.read(file, "landscape checkpoint")[1]["done"].mean() < 1
    assert scan(checkpoint=file, resume=True).values.tobytes() == scan().values.tobytes()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "part.npz exists; resume=True goes on from it, and another name starts anew"),
        ({"resolution": 21}, "its resolution is 41, not 21; the same would be right"),
        ({"radius": 2}, "its radius is 1.0, not 2.0"),
        ({"points": 100}, "its points is 200, not 100"),
        ({"rule": "trapezoid"}, "its rule is 'midpoint', not 'trapezoid'"),
        ({"energy": "exact"}, "its energy is 'quadrature', not 'exact'"),
        ({"activation": "relu2"}, "its activation is 'relu', not 'relu2'"),
        ({"problem": problems["sine-2"]}, "its coefficient is 'Piecewise"),
        ({"network": ShallowNetwork.random(6, seed=1)}, "of a landscape with another centre; the same is right"),
        ({"planes": PLANES[::-1]}, "of a landscape with another directions; the same is right"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(more: dict[str, Any], message: str, tmp_path: Path) -> None:
    scan(checkpoint=tmp_path / "part.npz")
    before = (tmp_path / "part.npz").read_bytes()
    wanted: dict[str, Any] = {"problem": TWO, "network": NETWORK, "planes": PLANES, "resolution": 41} | more
    with pytest.raises(InputError, match=message):
        landscape(**wanted, checkpoint=tmp_path / "part.npz", resume=bool(more))
    assert (tmp_path / "part.npz").read_bytes() == before


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "part.npz"
    found = scan(checkpoint=file)
    blob = file.read_bytes()
    file.write_bytes(blob[: len(blob) // 2])
    with pytest.raises(InputError, match="truncated or no kinkproof file"):
        scan(checkpoint=file, resume=True)
    found.save(file)
    with pytest.raises(InputError, match="is a landscape; a landscape checkpoint would be right"):
        scan(checkpoint=file, resume=True)
    file.write_bytes(blob)
    there = archive.versions()
    monkeypatch.setattr(archive, "versions", lambda: there | {"torch": "9.9"})
    with pytest.raises(InputError, match=r"was written with torch .*, and 9\.9 would not go on bit for bit"):
        scan(checkpoint=file, resume=True)


def test_a_full_disk_does_not_cost_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, written = tmp_path / "part.npz", archive.write

    def once(*arguments: Any) -> None:
        if file.exists():
            raise InputError("no space")
        written(*arguments)

    monkeypatch.setattr(archive, "write", once)
    with pytest.warns(RuntimeWarning, match="no checkpoint was written; no space; the scan goes on"):
        assert np.isfinite(scan(checkpoint=file).values).all()


def all_of(done: NDArray[np.bool_], size: int) -> Iterator[tuple[int, int, int]]:
    recipe = scans.Recipe("", (1,), "relu", "exact", "", 0)
    for chunk in chunks(recipe, np.zeros(3), [np.zeros((2, 3))] * len(done), np.zeros((2, 4)), size, done):
        yield chunk.plane, chunk.start, chunk.stop


def test_chunks_cover_what_is_missing_once() -> None:
    generator = np.random.default_rng(0)
    for share in (0.0, 0.3, 0.9, 1.0):
        done = generator.random((3, 16)) < share
        for size in (1, 3, 16, 100):
            count = np.zeros((3, 16), dtype=int)
            for plane, start, stop in all_of(done, size):
                assert 0 < stop - start <= size
                count[plane, start:stop] += 1
            assert np.array_equal(count, ~done)


def test_chunks_are_as_large_as_the_memory_lets_them_be() -> None:
    from kinkproof.solver.networks.architecture import Architecture

    made = scanned_energy.scanned_energy(TWO, Architecture.of(1000, "relu"), "exact", "", 0)
    small, large = (chunk_size(made, 3000, m) for m in (2**26, 2**27))
    assert 0 < small < large
    # What is said to be taken: a tile, and the parameters with their copies.
    for size, memory in ((small, 2**26), (large, 2**27)):
        assert made.tile * made.bytes_each + size * 3 * 8 * 3000 <= memory
    # Costly networks come in small tiles, and a chunk of them takes no longer than one of cheap ones.
    assert chunk_size(made, 3000, 2**40) == 64 * made.tile < scans._LARGEST_CHUNK
    cheap = scanned_energy.scanned_energy(TWO, Architecture.of(20, "relu"), "quadrature", "midpoint", 1000)
    assert chunk_size(cheap, 60, 2**40) == scans._LARGEST_CHUNK
