"""The gallery shows every example, and those that watch a training run write what they say they write."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .pages import ROOT, Page

EXAMPLES = ROOT / "examples"


def run(script: str, steps: int, folder: Path) -> str:
    command = [sys.executable, str(EXAMPLES / script), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def needs(*packages: str) -> pytest.MarkDecorator:
    absent = [name for name in packages if find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"{', '.join(absent)} not installed; pip install it would be right")


def test_every_example_is_in_the_gallery_and_no_other() -> None:
    shown = re.findall(r"^```\{literalinclude\} \.\./examples/(\S+)$", Page("docs/gallery.md").text, re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert len(set(shown)) == len(shown)


def test_an_example_says_in_its_first_line_how_it_is_run() -> None:
    for path in EXAMPLES.glob("*.py"):
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert re.search(rf"`(DDE_BACKEND=pytorch )?(python|kinkproof audit) {path.name}", first), path.name


@pytest.mark.slow
def test_what_autodiff_misses_is_written_as_csv(tmp_path: Path) -> None:
    said = run("missing_share.py", 40, tmp_path)
    with (tmp_path / "missing_share.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(0, 41, 2))
    # Little is missing at the start, and the more the nearer the network comes to the solution.
    assert 0 < float(rows[0]["missing"]) < float(rows[-1]["missing"])
    assert float(rows[-1]["energy"]) < float(rows[0]["energy"])
    assert f"autodiff misses {float(rows[-1]['missing']):.3g} times the gradient" in said


@pytest.mark.slow
@needs("tensorboard")
def test_what_autodiff_misses_is_written_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run("missing_share.py", 4, tmp_path)
    events = EventAccumulator(str(tmp_path / "runs"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["energy", "missing"]
    assert len(events.Scalars("missing")) == 5


@needs("lightning")
@pytest.mark.long
def test_the_callback_of_lightning_logs_as_the_plain_loop_does(tmp_path: Path) -> None:
    run("lightning_callback.py", 40, tmp_path)
    with (tmp_path / "runs" / "lightning" / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(0, 40, 2))
    assert all(0 < float(row["missing"]) < 10 for row in rows)


@needs("flax", "optax")
@pytest.mark.long
def test_the_term_in_flax_brings_training_nearer_to_the_solution(tmp_path: Path) -> None:
    said = run("missing_term_flax.py", 1500, tmp_path)
    without, with_term = map(float, re.findall(r"gradient (0\.\d+)$", said, re.MULTILINE))
    assert with_term < without
