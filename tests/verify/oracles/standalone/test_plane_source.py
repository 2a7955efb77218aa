"""Source files of plane problems: they need kinkproof for nothing, and are right at any network."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kinkproof.reports.command import app
from kinkproof.verify import (
    InputError,
    NondifferentiableError,
    PlaneNetwork,
    PlaneProblem,
    exact_energy,
    exact_gradient,
    plane_problems,
)
from kinkproof.verify.oracles import generate, load
from kinkproof.verify.statement.blocks import BLOCKS
from typer.testing import CliRunner

from ..conftest import module_from
from .compiling import PARTS, STRICT, Array, cc

OK, NO_DERIVATIVE, BAD_INPUT = range(3)
# With a corner that points inwards, edges of its own, and data that are no polynomials.
DART = PlaneProblem(
    coefficient=(("2 + x/3", "y/5"), ("y/5", "3/2")), source="sin(3*x)*exp(y)", distance="1 + x*y/4", lift="cos(y)",
    domain=(("-1/2", 0), ("1/2", "1/3"), ("3/2", 0), ("2/3", "4/3"), ("1/7", 1)),
    fluxes={0: "x", 1: 1, 2: "y"}, essential={3: "x - y", 4: 0}, penalty=7, name="dart",
)  # fmt: skip
NETWORKS = [PlaneNetwork.random(width, seed) for width, seed in ((2, 1), (5, 2), (12, 3))]
# What they leave is rounding: sums over some hundred cells of Gauss points.
ROUNDING = 1e-12


def blocks(network: PlaneNetwork) -> list[Array]:
    return [np.ascontiguousarray(getattr(network, n), dtype=np.float64) for n in BLOCKS]


@pytest.fixture(scope="module", params=["plane-l-shape", "plane-penalised", "plane-exponential", "dart"])
def problem(request: pytest.FixtureRequest) -> PlaneProblem:
    return DART if request.param == "dart" else plane_problems[request.param]


def made(problem: PlaneProblem, folder: Path) -> tuple[ModuleType, ctypes.CDLL]:
    """The NumPy file as a module, the C file as a library."""
    assert generate(problem, folder / "plane_oracles.py") == (folder / "plane_oracles.py",)
    written = generate(problem, folder / "plane_oracles.c")
    assert [p.name for p in written] == ["plane_oracles.c", "plane_oracles.h"]
    cc(*STRICT, "-O2", "-fPIC", "-shared", folder / "plane_oracles.c", "-lm", "-o", folder / "oracles.so")
    return module_from(folder / "plane_oracles.py"), ctypes.CDLL(str(folder / "oracles.so"))


@pytest.fixture(scope="module")
def files(problem: PlaneProblem, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, ctypes.CDLL]:
    return made(problem, tmp_path_factory.mktemp("plane"))


def in_c(library: ctypes.CDLL, *given: Array) -> tuple[int, float, list[Array]]:
    array = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
    library.plane_oracles_energy.argtypes = [ctypes.c_size_t, *[array] * 4]
    library.plane_oracles_gradient.argtypes = [ctypes.c_size_t, *[array] * 6]
    count, energy = len(given[1]), np.full(1, np.nan)
    parts = [np.full(4 * count, np.nan) for _ in PARTS]
    library.plane_oracles_energy(count, *given, energy)
    return library.plane_oracles_gradient(count, *given, *parts), float(energy[0]), parts


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"width {n.width}")
def test_both_files_are_right_at_any_network(files: Any, problem: PlaneProblem, network: PlaneNetwork) -> None:
    numpy_file, library = files
    exact, given = exact_gradient(problem, network), blocks(network)
    size = np.linalg.norm(exact.total.ravel())
    status, energy, parts = in_c(library, *given)
    assert status == OK
    found = numpy_file.exact_gradient(*given)
    for name, of_c in zip(PARTS, parts, strict=True):
        right = getattr(exact, name).ravel()
        assert np.abs(getattr(found, name) - right).max() <= ROUNDING * size
        assert np.abs(of_c - right).max() <= ROUNDING * size
    for value in (numpy_file.exact_energy(*given), energy):
        assert abs(value - exact.energy) <= ROUNDING * max(size, abs(exact.energy))
    numpy_file.check_gradient(*given, exact.total.ravel())
    with pytest.raises(AssertionError, match="equals the bulk: Dirac terms missing"):
        numpy_file.check_gradient(*given, exact.bulk.ravel())


DEGENERATE = {
    "coincident": PlaneNetwork([[1, 2], ["1/2", 1]], ["-5/4", "-5/8"], [1, 2]),
    "dead": PlaneNetwork([[0, 0], [1, 1]], [0, "-1/2"], [1, 1]),
    "on a free edge": PlaneNetwork([[1, 1], [2, -1]], [-2, "-1/8"], [1, 1]),
}


@pytest.mark.parametrize("network", DEGENERATE.values(), ids=DEGENERATE)
def test_where_there_is_no_derivative_both_say_so_and_have_an_energy(
    files: Any, problem: PlaneProblem, network: PlaneNetwork
) -> None:
    numpy_file, library = files
    given = blocks(network)
    status, energy, _ = in_c(library, *given)
    exact = float(exact_energy(problem, network))
    assert abs(energy - exact) <= ROUNDING * max(1, abs(exact))
    assert abs(numpy_file.exact_energy(*given) - exact) <= ROUNDING * max(1, abs(exact))
    try:
        exact_gradient(problem, network)
    except NondifferentiableError:
        assert status == NO_DERIVATIVE
        with pytest.raises(ValueError, match="no derivative here"):
            numpy_file.exact_gradient(*given)
    else:
        assert status == OK
        numpy_file.exact_gradient(*given)


def test_a_line_between_two_pieces_is_counted_once(tmp_path: Path) -> None:
    # Pieces meet at the heights of corners, of which y = 1/3 is no edge.
    network = PlaneNetwork([[0, 3], [1, "1/3"]], [-1, "-2/5"], [1, "1/2"])
    exact = exact_gradient(DART, network).total.ravel()
    numpy_file, library = made(DART, tmp_path)
    given, size = blocks(network), np.linalg.norm(exact)
    assert np.abs(numpy_file.exact_gradient(*given).total - exact).max() <= ROUNDING * size
    assert np.abs(in_c(library, *given)[2][2] - exact).max() <= ROUNDING * size


def test_bad_input_is_refused(files: Any) -> None:
    numpy_file, library = files
    w, b, c = blocks(NETWORKS[0])
    assert in_c(library, w, np.array([np.nan, 1]), c)[0] == BAD_INPUT
    with pytest.raises(ValueError, match="not finite"):
        numpy_file.exact_energy(w, np.array([np.nan, 1]), c)
    with pytest.raises(ValueError, match=r"\(N, 2\), \(N,\), \(N,\) are right"):
        numpy_file.exact_energy(w.ravel(), b, c)


def test_the_numpy_file_imports_numpy_alone(tmp_path: Path) -> None:
    generate(plane_problems["plane-triangle"], tmp_path / "plane_oracles.py")
    code = (
        "import sys; import plane_oracles as o; import numpy as np\n"
        "o.exact_gradient(np.array([[1.0, 2.0]]), np.array([-1.0]), np.array([1.0]))\n"
        "print(*({'kinkproof', 'sympy', 'mpmath', 'scipy', 'torch'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_command_writes_both_and_a_pack_and_knows_a_stale_file(tmp_path: Path) -> None:
    run = CliRunner().invoke
    for name in ("o.py", "o.c"):
        given = ["oracles", "generate", "--problem", "plane-triangle", "--standalone", str(tmp_path / name)]
        assert run(app, given).exit_code == 0
        # The same bytes a second time, and the command that makes them in the header.
        assert run(app, [*given, "--check"]).exit_code == 0
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert f"kinkproof oracles generate --problem plane-triangle --standalone {name}" in text
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
        assert run(app, [*given, "--check"]).exit_code == 1
    network = {"one": PlaneNetwork([[1, "1/2"]], ["-1/3"], [2])}
    generate(plane_problems["plane-triangle"], tmp_path / "o.json", network)
    case: Any = load(tmp_path / "o.json")["one"]
    case.check(exact_gradient(plane_problems["plane-triangle"], network["one"]).total)


def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path: Path) -> None:
    triangle, network = plane_problems["plane-triangle"], {"one": NETWORKS[0]}
    with pytest.raises(InputError, match=r"stores no cases; a pack, .*o\.json, would"):
        generate(triangle, tmp_path / "o.py", network)
    wild = PlaneProblem(source="sin(400*x*y)", distance="x*y*(1 - x)*(1 - y)", name="wild")
    with pytest.raises(InputError, match="wild: 54 Gauss points each way do not integrate its data"):
        generate(wild, tmp_path / "o.py")
