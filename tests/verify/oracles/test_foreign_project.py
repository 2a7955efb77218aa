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
from kinkproof.verify.oracles import packs

# Builds the wheel and a fresh environment.
pytestmark = pytest.mark.slow
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

# The author of a library for networks of several layers: derivatives of the density by complex steps of the case's own
# integrand, kinks by sign changes on a fine grid.
DEEP_LIBRARY = '''
import numpy as np


def states(layers, x):
    """(h, h') and (z, z') of each layer."""
    h, t, out = x[:, None], np.ones((len(x), 1)), []
    for w, b in layers:
        z, dz = h @ w.T + b, t @ w.T
        out.append((h, t, z, dz))
        h, t = np.maximum(z, 0), (z > 0) * dz
    return h, t, out


def gradient(layers, output, x, by_value, by_slope):
    """Derivative of the sum of by_value * network + by_slope * network' by all parameters."""
    h, t, passed = states(layers, x)
    out = [by_value @ h + by_slope @ t]
    dh, dt = by_value[:, None] * output, by_slope[:, None] * output
    for (w, _), (h, t, z, _) in zip(layers[::-1], passed[::-1]):
        dz, ddz = (z > 0) * dh, (z > 0) * dt
        out = [(dz.T @ h + ddz.T @ t).ravel(), dz.sum(axis=0), *out]
        dh, dt = dz @ w, ddz @ w
    return np.concatenate(out)


def field(case, x):
    h, t, _ = states(case.layers, x)
    v, s, d = h @ case.output_weights, t @ case.output_weights, case.data(x)
    return d["lift"] + d["distance"] * v, d["lift_slope"] + d["distance_slope"] * v + d["distance"] * s


def bulk(case, marks, points):
    nodes, weights = np.polynomial.legendre.leggauss(points)
    half = np.diff(marks)[:, None] / 2
    x, weight = ((marks[1:] + marks[:-1])[:, None] / 2 + half * nodes).ravel(), (half * weights).ravel()
    (u, du), d, step = field(case, x), case.data(x), 1e-30
    by_u = weight * case.energy_density(x, u + 1j * step, du).imag / step
    by_du = weight * case.energy_density(x, u, du + 1j * step).imag / step
    by_value = by_u * d["distance"] + by_du * d["distance_slope"]
    return gradient(case.layers, case.output_weights, x, by_value, by_du * d["distance"])


def right(case):
    """Minus the jump of the density times the motion of each kink, whatever its layer."""
    grid = np.linspace(*case.domain, 40001)
    kinks = []
    for k, (_, _, z, _) in enumerate(states(case.layers, grid)[2]):
        for c, i in np.argwhere((z[1:] > 0) != (z[:-1] > 0)):
            share = z[c, i] / (z[c, i] - z[c + 1, i])
            kinks.append((grid[c] + share * (grid[c + 1] - grid[c]), k, i))
    places = sorted(x for x, _, _ in kinks)
    jumps_of_data = [0.5] if "Piecewise" in case.problem["coefficient"] else []
    out = bulk(case, np.array(sorted([*case.domain, *places, *jumps_of_data])), 30)
    for place, k, i in kinks:
        x, near = np.array([place]), 1e-6
        (u, _), d = field(case, x), case.data(x)
        sides = []
        for side in (1, -1):
            # Slopes are constant on either side: that of a near place is that at the kink.
            h, _, _ = states(case.layers, x)
            _, t, _ = states(case.layers, x + side * near)
            v, s = h @ case.output_weights, t @ case.output_weights
            du = d["lift_slope"] + d["distance_slope"] * v + d["distance"] * s
            sides.append(case.energy_density(x, u, du))
        lower, (w, _) = case.layers[:k], case.layers[k]
        h, t, _ = states(lower, x)
        zeros, one = np.zeros(1), np.ones(1)
        motion = np.zeros_like(out)
        taken = gradient(lower, w[i], x, one, zeros)
        start, n, m = len(taken) - w.shape[1], *w.shape
        motion[:start] = taken[:start]
        motion[start + i * m : start + (i + 1) * m] = h[0]
        motion[start + n * m + i] = 1
        out += (sides[0] - sides[1]) * motion / (t @ w[i])
    return out


def autodiff(case):
    return bulk(case, np.linspace(*case.domain, 5001), 2)
'''

DEEP_TESTS = """
import pytest
from deep_library import autodiff, right

BUILT_IN = ["sine-2*", "variable*", "two*", "quartic*", "surface*"]


@pytest.mark.kinkproof("deep", cases=BUILT_IN)
def test_right_against_the_deep_pack(oracle_case):
    oracle_case.check(right(oracle_case))


@pytest.mark.kinkproof("deep", cases=["sine-2-widths-3-2", "quartic*", "two-materials*"])
def test_autodiff_against_the_deep_pack(oracle_case):
    oracle_case.check(autodiff(oracle_case))
"""


# The author of a library for the plane: level lines, split where they meet kinks and edges, Gauss points between, and
# the Dirac term at every kink that is met. Called with the name of a fault, it has it.
PLANE_LIBRARY = '''
import numpy as np

NODES, WEIGHTS = (v / 2 for v in np.polynomial.legendre.leggauss(16))
NODES = NODES + 0.5


def split(marks):
    """Gauss points and weights between neighbouring marks (..., K)."""
    step = np.diff(marks)[..., None]
    x, dx = marks[..., :-1, None] + step * NODES, step * WEIGHTS
    return x.reshape(*marks.shape[:-1], -1), dx.reshape(*marks.shape[:-1], -1)


def heights(w, b, corners):
    """All y at which two kink lines, or a kink line and an edge, meet, and those of the corners."""
    out = list(corners[:, 1])
    for i in range(len(b)):
        for j in range(i):
            cross = w[i, 0] * w[j, 1] - w[i, 1] * w[j, 0]
            if cross:
                out.append((b[i] * w[j, 0] - w[i, 0] * b[j]) / cross)
        z = corners @ w[i] + b[i]
        for p, q, s, t in zip(corners, np.roll(corners, -1, 0), z, np.roll(z, -1)):
            if s * t < 0:
                out.append((p + s / (s - t) * (q - p))[1])
    out = np.sort(out)
    return out[(out >= corners[:, 1].min()) & (out <= corners[:, 1].max())]


def field(data, x, y, w, b, c, on):
    """u, and its slopes, where the neurons of `on` (..., N) are active."""
    v = (on * (x[..., None] * w[:, 0] + y[..., None] * w[:, 1] + b)) @ c
    s_x, s_y = on @ (c * w[:, 0]), on @ (c * w[:, 1])
    d = data["distance"]
    return data["lift"] + d * v, data["lift_x"] + data["distance_x"] * v + d * s_x, (
        data["lift_y"] + data["distance_y"] * v + d * s_y
    )


def flux(data, u_x, u_y):
    xx, xy, yy = (data["coefficient_" + n] for n in ("xx", "xy", "yy"))
    return xx * u_x + xy * u_y, xy * u_x + yy * u_y


def pulled(w, b, c, x, y, on, by_v, by_x, by_y):
    """What the derivatives by the network's value and slopes are by its parameters, summed up."""
    force = (by_v @ (on * x[:, None]) + by_x @ on, by_v @ (on * y[:, None]) + by_y @ on, by_v @ on)
    return [np.stack([c * force[0], c * force[1]], axis=1), c * force[2], (
        w[:, 0] * force[0] + w[:, 1] * force[1] + b * force[2]
    )]


def gradient(case, fault=""):
    w, b, c, corners = case.hidden_weights, case.hidden_biases, case.output_weights, case.domain
    ends = list(zip(corners, np.roll(corners, -1, 0)))
    y, dy = split(heights(w, b, corners))
    kinks = np.clip(-(y[:, None] * w[:, 1] + b) / w[:, 0], -1e3, 1e3)
    met = np.full((len(y), len(ends)), 1e3)
    for k, (p, q) in enumerate(ends):
        between = (y > min(p[1], q[1])) & (y < max(p[1], q[1]))
        met[between, k] = p[0] + (y[between] - p[1]) / (q[1] - p[1]) * (q[0] - p[0])
    marks = np.sort(np.concatenate([kinks, met], axis=1), axis=1)
    x, dx = split(marks)
    inside = (met[:, None] < x[..., None]).sum(axis=-1) % 2 == 1
    area = (dx * dy[:, None])[inside]
    x, high = x[inside], (y[:, None] + 0 * x)[inside]
    on = (x[:, None] * w[:, 0] + high[:, None] * w[:, 1] + b > 0) * 1.0
    data = case.data(x, high)
    _, u_x, u_y = field(data, x, high, w, b, c, on)
    f_x, f_y = flux(data, u_x, u_y)
    by_v = area * (f_x * data["distance_x"] + f_y * data["distance_y"] - data["source"] * data["distance"])
    out = pulled(w, b, c, x, high, on, by_v, area * f_x * data["distance"], area * f_y * data["distance"])
    for edge in case.edges:
        out = [p + q for p, q in zip(out, on_edge(case, edge, w, b, c))]
    dirac = np.zeros((len(b), 3))
    for i in range(len(b)) if fault != "bulk" else ():
        here = (met < kinks[:, i, None]).sum(axis=1) % 2 == 1
        at, level = kinks[here, i], y[here]
        on = (at[:, None] * w[:, 0] + level[:, None] * w[:, 1] + b > 0) * 1.0
        # Half of its own step is there on the line itself: the mean of both sides.
        on[:, i] = 1.0 if fault == "one-sided" else 0.5
        data = case.data(at, level)
        _, u_x, u_y = field(data, at, level, w, b, c, on)
        f_x, f_y = flux(data, u_x, u_y)
        jump = data["distance"] * c[i] * (f_x * w[i, 0] + f_y * w[i, 1]) * dy[here] / abs(w[i, 0])
        dirac[i] = (jump * at).sum(), (jump * level).sum(), jump.sum()
    if fault == "sign":
        dirac = -dirac
    if fault == "factor":
        dirac *= np.hypot(*w.T)[:, None]
    out[0], out[1] = out[0] + dirac[:, :2], out[1] + dirac[:, 2]
    if fault == "axes":
        out[0] = out[0][:, ::-1]
    return out


def on_edge(case, edge, w, b, c):
    z, t = w @ edge.start + b, w @ (edge.end - edge.start)
    cuts = -z[t != 0] / t[t != 0]
    share, ds = split(np.sort(np.concatenate([[0, 1], cuts[(cuts > 0) & (cuts < 1)]])))
    x, y = (edge.start + share[:, None] * (edge.end - edge.start)).T
    ds = ds * np.hypot(*(edge.end - edge.start))
    on = (x[:, None] * w[:, 0] + y[:, None] * w[:, 1] + b > 0) * 1.0
    data, value = case.data(x, y), case.edge_value(edge, x, y)
    u = field(data, x, y, w, b, c, on)[0]
    pull = -value if edge.kind == "flux" else case.penalty * (u - value)
    return pulled(w, b, c, x, y, on, ds * pull * data["distance"], 0 * x, 0 * x)
'''

PLANE_FAULTS = {
    "bulk": "equals the bulk: Dirac terms missing",
    "one-sided": "∇u on a kink line is taken on one side",
    "sign": "the Dirac terms have the wrong sign",
    "factor": "the Dirac terms lack the factor 1/|w|",
    "axes": "axes swapped",
}

PLANE_TESTS = """
import pytest
from plane_library import gradient


@pytest.mark.kinkproof("plane")
def test_right_against_the_plane_pack(oracle_case):
    oracle_case.check(gradient(oracle_case))


@pytest.mark.parametrize("fault", ["bulk", "one-sided", "sign", "factor", "axes"])
@pytest.mark.kinkproof("plane", cases=["polynomial-width-8", "l-shape-width-3", "exponential*"])
def test_plane_fault(oracle_case, fault):
    oracle_case.check(gradient(oracle_case, fault))
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
    (home / "deep_library.py").write_text(DEEP_LIBRARY, encoding="utf-8")
    (home / "test_deep_library.py").write_text(DEEP_TESTS, encoding="utf-8")
    (home / "plane_library.py").write_text(PLANE_LIBRARY, encoding="utf-8")
    (home / "test_plane_library.py").write_text(PLANE_TESTS, encoding="utf-8")
    shutil.copy(standalone_file, home / "relu_oracles.py")
    return home, python


def _outcomes(home: Path, python: Path, *files: str) -> str:
    command = [str(python), "-m", "pytest", "-v", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_right_passes_and_autodiff_fails_with_the_diagnosis(project: tuple[Path, Path]) -> None:
    printed = _outcomes(*project)
    verdicts = dict(re.findall(r"::(test\S+) (PASSED|FAILED)", printed))
    wrong = {k: v for k, v in verdicts.items() if "autodiff" in k or "fault" in k}
    right = {k: v for k, v in verdicts.items() if k not in wrong}
    assert len(right) == 12 + 12 + 2 + 2 + len(packs["plane"])
    assert set(right.values()) == {"PASSED"}
    planted = 3 * len(PLANE_FAULTS)
    assert len(wrong) == 3 + 4 + 2 + planted
    assert set(wrong.values()) == {"FAILED"}
    # Only the reports' own lines: where CI is set, pytest repeats them in its summary.
    diagnosed = re.findall(r"^E +diagnosis: equals the bulk: Dirac terms missing", printed, re.MULTILINE)
    assert len(diagnosed) == len(wrong) - planted + 3
    assert f"kinkproof: {24 + len(packs['plane'])} oracle cases checked: " in printed
    assert f"{24 + len(packs['plane'])} passed" in printed
    assert f"{7 + planted} failed" in printed


def test_each_fault_planted_in_a_plane_gradient_is_named(project: tuple[Path, Path]) -> None:
    printed = _outcomes(*project, "test_plane_library.py")
    # A heading a test, then its report.
    for fault, said in PLANE_FAULTS.items():
        reports = re.findall(
            rf"^_+ test_plane_fault\[\S*\b{fault}\b\S*\] _+$.*?^E +diagnosis: (.*?)$", printed, re.M | re.S
        )
        assert len(reports) == 3, fault
        assert all(r.startswith(said) for r in reports), (fault, reports)
