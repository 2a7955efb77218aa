"""Foreign backends as their authors would write them: a distribution with an entry point, on the path."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kinkproof.reports.command.root import app
from kinkproof.reports.command.tables import audit_tables, nothing_judged
from kinkproof.reports.pages.discrepancy import discrepancy_report
from kinkproof.verify import InputError, ShallowNetwork, audit, plane_problems, problems
from kinkproof.verify.systems.discovery import discover
from kinkproof.verify.systems.plane_refinement import near_minimum
from pypdf import PdfReader
from typer.testing import CliRunner

RUNNER = CliRunner()
PAGE = (Path(__file__).parents[3] / "docs" / "howto" / "own-backend.md").read_text(encoding="utf-8")
NETWORK = ShallowNetwork.random(3, seed=0)
POINTS = (100, 1_000, 10_000)

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution with one module and one entry point on the path."""

    def make(code: str, entry: str, extra: str = "", name: str = "foreign") -> None:
        module = f"{name}_module"
        folder = tmp_path / name
        information = folder / f"{name}-1.2.dist-info"
        information.mkdir(parents=True)
        (folder / f"{module}.py").write_text(code, encoding="utf-8")
        extras = f"Provides-Extra: {extra}\n" if extra else ""
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n{extras}")
        (information / "entry_points.txt").write_text(f"[kinkproof.backends]\n{entry.format(module=module)}\n")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return make


def test_the_docs_backend_is_found_and_judged(install: Install) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    assert len(code.splitlines()) <= 15
    install(code, "mine = {module}:gradient")
    result = audit(problems["natural"], NETWORK, discover(["mine"]), points=POINTS)
    assert [(r.system, r.method, r.precision) for r in result.rows[:1]] == [("mine", "gradient", "float64")]
    assert result.rows[0].total is not None
    assert result.rows[0].total.verdict == "inconsistent"
    assert result.rows[0].attribution is not None
    assert result.rows[0].attribution < 0.05
    assert result.rows[1].system == "kinkproof"
    assert result.passed
    assert result.as_dict()["versions"]["foreign"] == "1.2"


RIGHT = """
from kinkproof.verify import ShallowNetwork, exact_gradient
def gradient(problem, parameters, grid, precision):
    found = exact_gradient(problem, ShallowNetwork.from_vector(parameters))
    return float(found.energy), found.total.ravel()
"""


def test_a_backend_that_is_righter_than_expected_is_reported(install: Install) -> None:
    install(RIGHT, "mine = {module}:gradient")
    result = audit(problems["polynomial"], NETWORK, discover(["mine"]), points=POINTS)
    assert [(r.precision, r.as_expected) for r in result.rows[:2]] == [("float64", False), ("float32", False)]


@pytest.mark.parametrize(
    "returned", ["Method('a', gradient, conforming=True)", "[Method('a', gradient, conforming=True)]"]
)
def test_a_function_may_return_methods(returned: str, install: Install) -> None:
    code = RIGHT + f"from kinkproof.verify.systems.method import Method\ndef methods():\n    return {returned}\n"
    install(code, "mine = {module}:methods")
    result = audit(problems["polynomial"], NETWORK, discover(["mine"]), points=POINTS)
    assert [(r.label, r.total is not None and r.total.verdict) for r in result.rows[:2]] == [
        ("mine: a, float64", "exact"),
        ("mine: a, float32", "exact"),
    ]
    assert result.passed


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("gradient = 3", "foreign_module:gradient is of type int; a gradient function, a Method"),
        ("def gradient(problem): pass", "does not take (problem, parameters, grid)"),
        ("def gradient(): return [1, 2]", "returned list; a gradient function, a Method"),
        ("def gradient(): return None", "returned NoneType"),
        ("def gradient(): return ()", "returned tuple"),
        (
            "from kinkproof.verify.systems.method import Method\n"
            "def gradient(): return Method('a', None, precisions=('float16',))",
            "precision: 'float16' is unknown; one of ('float64', 'float32') would be right",
        ),
        ("raise OSError('libfoo.so is broken')", "OSError: libfoo.so is broken (foreign_module.py, line 1)"),
        ("import foreign_module.missing", "No module named 'foreign_module.missing'"),
        ("def other(): pass", "AttributeError"),
    ],
)
def test_a_backend_that_does_not_load_fails_and_says_why(code: str, said: str, install: Install) -> None:
    install(code, "mine = {module}:gradient")
    (method,) = discover(["mine"])
    assert said in method.failed
    result = audit(problems["polynomial"], NETWORK, [method], points=POINTS)
    assert not result.passed
    assert all(r.as_expected for r in result.rows[1:])


@pytest.mark.parametrize(
    ("extra", "said"),
    [("mine", "not installed: pip install 'foreign[mine]'"), ("", "not installed: it needs the module absent_library")],
)
def test_a_foreign_library_that_is_missing_is_not_a_failure(extra: str, said: str, install: Install) -> None:
    install("import absent_library\ndef gradient(problem, parameters, grid): pass", "mine = {module}:gradient", extra)
    (method,) = discover(["mine"])
    assert (method.unavailable, method.failed) == (said, "")


def test_two_distributions_under_one_name_are_told_apart(install: Install) -> None:
    install(RIGHT, "mine = {module}:gradient")
    install(RIGHT, "mine = {module}:gradient", name="second")
    assert [m.system for m in discover(["mine"])] == ["mine (foreign)", "mine (second)"]


@pytest.fixture
def without_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.delitem(sys.modules, "kinkproof.verify.systems.jax_transforms", raising=False)


@pytest.mark.slow
@pytest.mark.usefixtures("without_jax")
def test_what_is_not_installed_is_shown_everywhere(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = "not installed: pip install 'kinkproof[jax]'"
    result = audit(problems["sine-2"], ShallowNetwork.random(3, seed=0), discover(["jax"]), points=POINTS)
    assert result.passed
    assert (result.rows[0].system, result.rows[0].unavailable) == ("jax", said)
    assert json.loads(json.dumps(result.as_dict()))["methods"][0]["unavailable"] == said
    audit_tables(result, None)
    printed = capsys.readouterr().out
    assert said in printed
    assert "All verdicts are the expected ones" not in printed
    assert nothing_judged(result) == f"audit: no AD system was judged, only kinkproof's own quadratures; jax is {said}"
    first, text = (p.extract_text() for p in PdfReader(discrepancy_report(result, tmp_path / "report.pdf")).pages[:2])
    assert "No AD system was judged" in first
    assert said in text
    assert "No AD system was judged" in text


@pytest.mark.slow
def test_a_failing_backend_is_named_and_ends_with_code_1(install: Install, tmp_path: Path) -> None:
    install("def gradient(problem, parameters, grid): raise ValueError('[bold] no')", "mine = {module}:gradient")
    done = RUNNER.invoke(app, ["audit", "--width", "3", "--backend", "mine", "--save", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "failed: mine: gradient, float64: ValueError: [bold] no (foreign_module.py, line 1)" in done.output
    assert "Traceback" not in done.output
    assert "All verdicts are the expected ones" not in done.output
    rows = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))["methods"]
    assert [(r["system"], bool(r["failed"])) for r in rows[:2]] == [("mine", True), ("kinkproof", False)]
    pages = PdfReader(tmp_path / "out" / "discrepancy.pdf").pages
    assert "Not judged, for they failed: 1 way of asking (next page)" in " ".join(pages[0].extract_text().split())
    assert "ValueError: [bold] no" in pages[1].extract_text()


@pytest.mark.slow
def test_only_the_chosen_backends_are_asked(install: Install) -> None:
    install("raise SystemError('asked')", "mine = {module}:gradient")
    done = RUNNER.invoke(app, ["audit", "--width", "3", "--json", "--backend", "autograd"])
    assert done.exit_code == 0, done.output
    assert {r["system"] for r in json.loads(done.stdout)["methods"]} == {"autograd", "kinkproof"}


def test_an_unknown_backend_is_refused_with_the_one_that_was_meant() -> None:
    done = RUNNER.invoke(app, ["audit", "--backend", "pytorch"])
    assert done.exit_code == 2
    assert "backend: 'pytorch' is unknown; did you mean 'torch'?" in done.output
    with pytest.raises(InputError, match="did you mean 'jax'"):
        discover(["jaxx"])


def test_without_any_backend_at_all_the_audit_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kinkproof.verify.systems.discovery.metadata.entry_points", lambda group: ())
    result = audit(problems["polynomial"], NETWORK, points=POINTS)
    assert {r.system for r in result.rows} == {"kinkproof"}
    audit_tables(result, None)
    assert "All verdicts are the expected ones" not in capsys.readouterr().out
    assert "no AD system was judged" in nothing_judged(result)
    with pytest.raises(InputError, match="there are none"):
        discover(["torch"])


IN_THE_PLANE = """
from autograd import value_and_grad
from autograd.numpy import maximum
from kinkproof.verify.backends import Method
from kinkproof.verify.backends.summation import grid_energy, plane_grid_energy

def relu(z):
    return maximum(z, 0)

def line(problem, parameters, grid, precision):
    return value_and_grad(grid_energy(problem, grid, relu))(parameters)

def plane(problem, parameters, points, precision):
    return value_and_grad(plane_grid_energy(problem, points, relu))(parameters)

def methods():
    return Method("line", line, precisions=("float64",)), Method("plane", plane, precisions=("float64",), inputs=2)
"""


def test_a_backend_is_asked_in_the_plane_if_it_says_so(install: Install) -> None:
    install(IN_THE_PLANE, "both = {module}:methods")
    assert [m.name for m in discover(["both"])] == ["line"]
    (method,) = discover(["both"], inputs=2)
    problem = plane_problems["plane-triangle"]
    found = audit(problem, near_minimum(problem, 3, seed=1), [method])
    assert found.rows[0].label == "both: plane, float64"
    assert found.rows[0].total is not None
    assert found.rows[0].total.verdict == "inconsistent"
    assert found.judged_systems == ("both",)
    assert found.passed


def test_a_backend_of_one_input_keeps_working_and_is_not_asked_in_the_plane(install: Install) -> None:
    install("def gradient(problem, parameters, grid):\n    raise AssertionError", "old = {module}:gradient")
    assert discover(["old"], inputs=2) == ()
    assert [m.inputs for m in discover(["old"])] == [1]
