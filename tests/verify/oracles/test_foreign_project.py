"""A foreign project, for real: the wheel in an environment with NumPy and pytest alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# What the author of another library has: Gauss points between the kinks (right), or a fixed grid with the kinks held
# still, as automatic differentiation sees it (wrong).
LIBRARY = '''
import numpy as np


def gradient(w, b, c, data, marks, points):
    """Derivative of the sum of weight * (1/2 kappa u'^2 - f u) by (w, b, c), on panels between the marks."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    half = np.diff(marks)[:, None] / 2
    x = ((marks[1:] + marks[:-1])[:, None] / 2 + half * nodes).ravel()
    weight = (half * weights).ravel()
    d = data(x)
    z = x[:, None] * w + b
    on = (z > 0).astype(float)
    v, s = (on * z) @ c, on @ (c * w)
    u_slope = d["lift_slope"] + d["distance_slope"] * v + d["distance"] * s
    by_v = weight * (d["coefficient"] * u_slope * d["distance_slope"] - d["source"] * d["distance"])
    by_s = weight * d["coefficient"] * u_slope * d["distance"]
    bulk = np.stack([c * (by_v @ (on * x[:, None]) + by_s @ on), c * (by_v @ on), by_v @ (on * z) + w * (by_s @ on)])
    return bulk, x


def right(w, b, c, data, domain):
    """With the term that the motion of the kinks adds: minus the jump of the density, times the kink's velocity."""
    kinks = -b / w
    inside = (kinks > domain[0]) & (kinks < domain[1])
    marks = np.unique(np.concatenate([domain, kinks[inside]]))
    bulk, _ = gradient(w, b, c, data, marks, 30)
    for i in np.flatnonzero(inside):
        x = kinks[i : i + 1]
        d, z = data(x), w * x + b
        z[i] = 0
        others = z > 0
        v, s = np.maximum(z, 0) @ c, (c * w)[others].sum()
        mean = d["lift_slope"] + d["distance_slope"] * v + d["distance"] * (s + c[i] * w[i] / 2)
        term = (d["coefficient"] * d["distance"] * mean)[0] * c[i] * np.sign(w[i])
        bulk[1, i] += term
        bulk[0, i] += term * kinks[i]
    return bulk


def autodiff(w, b, c, data, domain):
    return gradient(w, b, c, data, np.linspace(*domain, 2001), 2)[0]
'''

TESTS = """
import numpy as np
import pytest
import relu_oracles
from library import autodiff, right

SOURCE = {
    "coefficient": lambda x: 1 + 0 * x, "source": lambda x: 4 * np.pi**2 * np.sin(2 * np.pi * x),
    "distance": lambda x: x * (1 - x), "distance_slope": lambda x: 1 - 2 * x,
    "lift": lambda x: 0 * x, "lift_slope": lambda x: 0 * x,
}


def data(x):
    return {name: function(x) for name, function in SOURCE.items()}


@pytest.mark.kinkproof("paper")
def test_right_against_the_pack(oracle_case):
    c = oracle_case
    c.check(right(c.hidden_weights, c.hidden_biases, c.output_weights, c.data, c.domain))


@pytest.mark.kinkproof("paper", cases="*near-solution*")
def test_autodiff_against_the_pack(oracle_case):
    c = oracle_case
    c.check(autodiff(c.hidden_weights, c.hidden_biases, c.output_weights, c.data, c.domain))


@pytest.mark.parametrize("case", relu_oracles.CASES, ids=lambda c: c.id)
def test_right_against_the_file(case):
    found = right(case.hidden_weights, case.hidden_biases, case.output_weights, data, (0, 1))
    relu_oracles.check_gradient(case, found)


def test_right_anywhere():
    for seed in range(20):
        w, b, c = np.random.default_rng(seed).uniform(-1, 1, (3, 5))
        relu_oracles.check_gradient(relu_oracles.reference(w, b, c), right(w, b, c, data, (0, 1)))


@pytest.mark.parametrize("case", relu_oracles.CASES, ids=lambda c: c.id)
def test_autodiff_against_the_file(case):
    found = autodiff(case.hidden_weights, case.hidden_biases, case.output_weights, data, (0, 1))
    relu_oracles.check_gradient(case, found)


def test_nothing_else_is_installed():
    import importlib.util

    for name in ("torch", "sympy", "mpmath", "typer", "rich", "scipy"):
        assert importlib.util.find_spec(name) is None
"""


def _run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, standalone_file: Path) -> tuple[Path, Path]:
    """The wheel, a fresh environment, and the foreign project beside it."""
    folder = tmp_path_factory.mktemp("foreign")
    # A copy: building leaves folders beside the sources.
    source = folder / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".git", ".nox", "build", "tests", "*.egg-info", ".*_cache")
    )
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, source, cwd=folder)
    venv.create(folder / "environment", with_pip=False)
    (python,) = (folder / "environment").glob("*/python")
    pins = ("-c", ROOT / "tests" / "constraints.txt")
    _run(*pip, "--python", python, "install", "numpy", "pytest", *pins, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    _run(*pip, "--python", python, "install", "--no-deps", wheel, cwd=folder)
    home = folder / "project"
    home.mkdir()
    (home / "library.py").write_text(LIBRARY, encoding="utf-8")
    (home / "test_library.py").write_text(TESTS, encoding="utf-8")
    shutil.copy(standalone_file, home / "relu_oracles.py")
    return home, python


def _outcomes(home: Path, python: Path) -> str:
    command = [str(python), "-m", "pytest", "-v", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_right_passes_and_autodiff_fails_with_the_diagnosis(project: tuple[Path, Path]) -> None:
    printed = _outcomes(*project)
    verdicts = dict(re.findall(r"::(test\S+) (PASSED|FAILED)", printed))
    right = {k: v for k, v in verdicts.items() if "autodiff" not in k}
    wrong = {k: v for k, v in verdicts.items() if "autodiff" in k}
    assert len(right) == 12 + 2 + 2
    assert set(right.values()) == {"PASSED"}
    assert len(wrong) == 3 + 2
    assert set(wrong.values()) == {"FAILED"}
    # Only the reports' own lines: where CI is set, pytest repeats them in its summary.
    diagnosed = re.findall(r"^E +diagnosis: equals the bulk: Dirac terms missing", printed, re.MULTILINE)
    assert len(diagnosed) == len(wrong)
    assert "kinkproof: 12 oracle cases checked: 12 passed, 3 failed" in printed
