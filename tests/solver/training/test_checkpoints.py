"""A run that is killed goes on bit for bit; a file that is not its checkpoint is refused with a sentence."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinkproof.solver import fit
from kinkproof.solver.training import archive
from kinkproof.solver.training.observation import Observation
from kinkproof.verify import InputError, problems

SINE = problems["sine-2"]
SETTINGS: dict[str, Any] = {"steps": 90, "seeds": range(2), "record": 15, "checkpoint_every": 20, "gradient": "exact"}


class Killed(BaseException):
    pass


def kill_at(step: int) -> list[Any]:
    def callback(seen: Observation) -> None:
        if seen.step >= step:
            raise Killed

    return [callback]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"gradient": "autodiff", "schedule": "one-cycle"},
        pytest.param({"schedule": "cosine", "patience": 1000}, marks=pytest.mark.slow),
        pytest.param({"optimizer": "lbfgs"}, marks=pytest.mark.slow),
        # The last checkpoint, at step 40, lies in the second phase or just before it.
        pytest.param({"optimizer": "adam-lbfgs", "lbfgs_steps": 60}, marks=pytest.mark.slow),
        {"optimizer": "adam-lbfgs", "lbfgs_steps": 50},
        pytest.param({"optimizer": "varpro", "initial": "even"}, marks=pytest.mark.slow),
        pytest.param({"dtype": "float32"}, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_ends_like_an_uninterrupted_one(more: dict[str, Any], tmp_path: Path) -> None:
    settings = SETTINGS | more
    whole = fit(SINE, **settings)
    file = tmp_path / "run.checkpoint"
    with pytest.raises(Killed):
        fit(SINE, **settings, checkpoint=file, callbacks=kill_at(45))
    resumed = fit(SINE, **settings, checkpoint=file, resume=True)
    for name in ("steps", "quadrature", "exact", "gradient_norm", "angle", "learning_rate", "parameters"):
        ours, theirs = getattr(resumed.history, name), getattr(whole.history, name)
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes(), name
    # Once more: a finished run has nothing left to do.
    assert np.array_equal(fit(SINE, **settings, checkpoint=file, resume=True).parameters, whole.parameters)


@pytest.mark.slow
def test_a_process_killed_by_the_system_leaves_a_checkpoint_that_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "run.checkpoint"
    settings = {"steps": 800, "seeds": range(2), "gradient": "exact", "checkpoint_every": 20, "record": 1000}
    code = (
        "from kinkproof.solver import fit\nfrom kinkproof.verify import problems\n"
        f"fit(problems['sine-2'], steps=800, seeds=range(2), gradient='exact', checkpoint_every=20, record=1000, "
        f"checkpoint={str(file)!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        for _ in range(600):
            if file.exists() and archive.read(file, "checkpoint")[0]["step"] > 0:
                break
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    step = archive.read(file, "checkpoint")[0]["step"]
    assert 0 < step < 800
    resumed = fit(SINE, **settings, checkpoint=file, resume=True)  # type: ignore[arg-type]
    assert np.array_equal(resumed.parameters, fit(SINE, **settings).parameters)  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.checkpoint"
    fit(SINE, **SETTINGS, checkpoint=path)
    return path


def test_an_existing_file_is_not_overwritten(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(InputError, match="resume=True goes on from it"):
        fit(SINE, **SETTINGS, checkpoint=file)
    assert file.read_bytes() == before


def test_the_checkpoint_of_a_run_from_other_given_parameters_is_refused(tmp_path: Path) -> None:
    starts = np.random.default_rng(0).normal(size=(2, 2, 60))
    fit(SINE, **SETTINGS, start=starts[0], checkpoint=tmp_path / "run.checkpoint")
    with pytest.raises(InputError, match="from other starting parameters"):
        fit(SINE, **SETTINGS, start=starts[1], checkpoint=tmp_path / "run.checkpoint", resume=True)


@pytest.mark.parametrize(
    ("problem", "more", "named"),
    [
        ("sine-6", {}, "its problem has source"),
        ("sine-2", {"learning_rate": 1e-2}, "its setting has learning_rate 0.001, this run 0.01"),
        ("sine-2", {"steps": 91}, "steps 90, this run 91"),
        ("sine-2", {"gradient": "autodiff"}, "gradient 'exact', this run 'autodiff'"),
        ("sine-2", {"start": np.zeros((2, 60))}, "initial 'paper', this run 'given'"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(file: Path, problem: str, more: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        fit(problems[problem], **(SETTINGS | more), checkpoint=file, resume=True)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "named"), [("kinkproof", "0.0.1", "kinkproof 0.0.1"), ("torch", "1.0", "torch 1.0")]
)
def test_the_checkpoint_of_another_version_is_refused(file: Path, key: str, value: str, named: str) -> None:
    header, arrays = archive.read(file, "checkpoint")
    header["versions"][key] = value
    rewrite(file, header, arrays)
    with pytest.raises(InputError, match=named):
        fit(SINE, **SETTINGS, checkpoint=file, resume=True)


def test_another_format_is_refused(file: Path) -> None:
    header, arrays = archive.read(file, "checkpoint")
    rewrite(file, header | {"format": 99}, arrays)
    with pytest.raises(InputError, match="format 99"):
        fit(SINE, **SETTINGS, checkpoint=file, resume=True)


def rewrite(file: Path, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    with file.open("wb") as stream:
        np.savez(stream, header=np.array(json.dumps(header)), **arrays)


def test_every_truncation_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 60)):
        file.write_bytes(content[:length])
        with pytest.raises(InputError, match="truncated or no kinkproof file"):
            fit(SINE, **SETTINGS, checkpoint=file, resume=True)


def test_damage_in_the_middle_is_refused(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(InputError, match="truncated or no kinkproof file"):
        fit(SINE, **SETTINGS, checkpoint=file, resume=True)


class Trap:
    """Unpickling this would leave a file behind."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.target),))


def test_a_foreign_file_is_refused_and_nothing_in_it_is_executed(tmp_path: Path) -> None:
    file, trap = tmp_path / "foreign.npz", tmp_path / "sprung"
    np.savez(file, header=np.array([Trap(trap)], dtype=object))
    for content in (file.read_bytes(), b"", b"PK\x03\x04", b"\x80\x04.", b"hello\n" * 100):
        file.write_bytes(content)
        with pytest.raises(InputError, match="no kinkproof file"):
            fit(SINE, **SETTINGS, checkpoint=file, resume=True)
    np.savez(file, other=np.zeros(3))
    with pytest.raises(InputError, match="no kinkproof file"):
        fit(SINE, **SETTINGS, checkpoint=file, resume=True)
    assert not trap.exists()


def test_a_run_is_no_checkpoint_and_nothing_is_nothing(tmp_path: Path) -> None:
    run = fit(SINE, steps=1)
    run.save(tmp_path / "run.npz")
    with pytest.raises(InputError, match="is a run; a checkpoint would be right"):
        fit(SINE, **SETTINGS, checkpoint=tmp_path / "run.npz", resume=True)
    with pytest.raises(InputError, match="there is no such file"):
        fit(SINE, **SETTINGS, checkpoint=tmp_path / "absent", resume=True)


def test_a_full_disk_costs_neither_the_run_nor_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.checkpoint"
    honest, calls = os.replace, 0

    def replace(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.warns(RuntimeWarning, match=r"no checkpoint was written; .*No space left.*training goes on") as warned:
        run = fit(SINE, **SETTINGS, checkpoint=path)
    assert len(warned) == 4
    assert np.array_equal(run.parameters, fit(SINE, **SETTINGS).parameters)
    monkeypatch.undo()
    # The file still holds step 20, from which the run can be had again; no temporary file is left.
    assert archive.read(path, "checkpoint")[0]["step"] == 20
    assert [p.name for p in tmp_path.iterdir()] == ["run.checkpoint"]
    assert np.array_equal(fit(SINE, **SETTINGS, checkpoint=path, resume=True).parameters, run.parameters)


def test_a_path_that_cannot_be_written_is_said_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    steps: list[int] = []
    with pytest.raises(InputError, match="cannot be written"):
        fit(SINE, **SETTINGS, checkpoint=tmp_path / "file" / "run", callbacks=[lambda o: steps.append(o.step)])
    assert steps == []
