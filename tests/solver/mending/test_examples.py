"""The examples of the term, run as a user runs them: as scripts, in a process of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ...pages import ROOT


def errors(script: str, steps: int, folder: Path) -> tuple[float, float]:
    """What it prints: the error of the gradient without and with the term."""
    command = [sys.executable, str(ROOT / "examples" / script), str(steps)]
    environment = {**os.environ, "DDE_BACKEND": "pytorch"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    without, with_term = re.findall(r"^with(?:out)? the term: error of the gradient (0\.\d+)$", done.stdout, re.M)
    return float(without), float(with_term)


@pytest.mark.slow
def test_the_plain_loop_runs_and_the_term_is_in_it(tmp_path: Path) -> None:
    without, with_term = errors("missing_term.py", 30, tmp_path)
    assert without != with_term


@pytest.mark.long
def test_the_plain_loop_ends_nearer_to_the_solution_with_the_term(tmp_path: Path) -> None:
    # Measured: 0.0923 and 0.0809 after so few steps; both begin alike and part later.
    without, with_term = errors("missing_term.py", 300, tmp_path)
    assert with_term < 0.95 * without


@pytest.mark.long
@pytest.mark.skipif(find_spec("deepxde") is None, reason="DeepXDE is not installed; pip install deepxde would be right")
def test_the_loop_in_deepxde_does_too(tmp_path: Path) -> None:
    # Measured with DeepXDE 1.15.0: 0.0953 and 0.0878.
    without, with_term = errors("missing_term_deepxde.py", 1500, tmp_path)
    assert with_term < 0.95 * without
