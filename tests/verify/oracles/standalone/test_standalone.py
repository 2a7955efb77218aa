"""The generated NumPy file: complete in itself, right everywhere, formatted, and the same each time."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from kinkproof.verify import (
    InputError,
    RitzProblem,
    ShallowNetwork,
    exact_energy,
    exact_gradient,
    exact_hessian,
    problems,
)
from kinkproof.verify.oracles import generate, load, packs
from kinkproof.verify.oracles.making.shipped import random_network
from kinkproof.verify.oracles.standalone import generation
from kinkproof.verify.oracles.standalone.generation import stale
from kinkproof.verify.oracles.standalone.ingredients import panels
from kinkproof.verify.oracles.standalone.standalone import standalone_text

from ..conftest import module_from, network_of, problem_of

ROOT = Path(__file__).parents[4]
# Each needs something that the paper's problem does not: branches, free ends, numerical integrals, a singular source.
FURTHER = {
    "exponential": RitzProblem(coefficient="exp(x)", source="cos(3*x)/(2 + sin(x))"),
    "singular": RitzProblem(source="1/sqrt(x)"),
    "irrational": RitzProblem(source="Piecewise((1, x < 1/pi), (x, True))", domain=(0, "pi")),
    "wider": RitzProblem(
        coefficient="2 + atan(x)", source="x", distance="(x + 1)*(2 - x)", domain=(-1, 2), lift="x**2"
    ),
}
PROBLEMS = {n: problems[n] for n in problems} | FURTHER


@cache
def closed_forms(name: str, folder: Path) -> ModuleType:
    path = folder / f"{name.replace('-', '_')}_oracles.py"
    # Without stored cases, which take 50 digits and seconds.
    path.write_text(standalone_text(PROBLEMS[name], [], path.name), encoding="utf-8")
    return module_from(path)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("closed-forms")


# One of each kind of data and ends at once, the others among the slow tests.
AT_ONCE = ("sine-2", "two-materials", "natural", "penalised-ends", "point-load")


@pytest.mark.parametrize("name", [n if n in AT_ONCE else pytest.param(n, marks=pytest.mark.slow) for n in PROBLEMS])
def test_closed_forms_are_right_at_any_parameters(name: str, folder: Path) -> None:
    problem, module = PROBLEMS[name], closed_forms(name, folder)
    for seed in range(20):
        network = ShallowNetwork.random(1 + seed, seed=seed)
        energy, gradient, hessian = (f(problem, network) for f in (exact_energy, exact_gradient, exact_hessian))
        # The two share antiderivatives at most: rounding of an energy whose terms may cancel, and below, relative to
        # the largest component, a tenth of 1e-12.
        assert module.exact_energy(*network.floats) == pytest.approx(energy, rel=1e-11, abs=1e-13)
        found = module.exact_gradient(*network.floats)
        for part in ("bulk", "dirac", "total"):
            expected = getattr(gradient, part).ravel()
            scale = np.abs(gradient.total.ravel()).max()
            assert np.abs(getattr(found, part) - expected).max() <= 1e-12 * scale
        assert np.abs(module.exact_hessian(*network.floats) - hessian).max() <= 1e-11 * np.abs(hessian).max()


def test_the_packs_are_reproduced_to_1e12(folder: Path) -> None:
    compared = 0
    for name in ("paper", "coefficients", "wide", "degenerate"):
        for case in packs[name]:
            own = next((n for n, p in PROBLEMS.items() if p == problem_of(case)), None)
            if own is None or not case.differentiable:
                continue
            module = closed_forms(own, folder)
            arguments = (case.hidden_weights, case.hidden_biases, case.output_weights)
            found, total = module.exact_gradient(*arguments).total, case.gradient.total.ravel()
            assert np.abs(found - total).max() <= 1e-12 * np.abs(total).max()
            case.check(found)
            case.check_energy(module.exact_energy(*arguments))
            if case.record["hessian"] is not None:
                case.check_hessian(module.exact_hessian(*arguments))
            compared += 1
    assert compared >= 30


def test_a_neuron_active_only_next_to_an_end_keeps_its_digits(folder: Path) -> None:
    problem, module = problems["sine-2"], closed_forms("sine-2", folder)
    for start in (1e-2, 1e-4, 1e-6):
        for weights, biases in (([1.0, 2.0], [start - 1, start - 2]), ([-1.0, -2.0], [start, 3 * start])):
            network = ShallowNetwork(weights, biases, [0.5, 0.25])
            exact = exact_gradient(problem, network, digits=30).total.ravel().astype(float)
            found = module.exact_gradient(*network.floats).total
            # The active interval itself is known to rounding of its kink only.
            bound = 1e-12 + 4 * np.finfo(float).eps / start
            assert np.abs(found - exact).max() <= bound * np.abs(exact).max()


@pytest.mark.parametrize("case", [c for c in load("degenerate") if not c.differentiable], ids=lambda c: c.id)
def test_no_number_is_given_where_there_is_no_derivative(case: object, folder: Path) -> None:
    name = next(n for n, p in PROBLEMS.items() if p == problem_of(case))  # type: ignore[arg-type]
    module, network = closed_forms(name, folder), network_of(case)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the energy has no derivative here"):
        module.exact_gradient(*network.floats)
    with pytest.raises(ValueError, match="the energy has no Hessian here"):
        module.exact_hessian(*network.floats)
    assert module.exact_energy(*network.floats) == pytest.approx(exact_energy(problem_of(case), network), rel=1e-13)  # type: ignore[arg-type]


def test_kinks_closer_than_rounding_are_told_apart(folder: Path) -> None:
    # −b/w rounds to the same float64 for both; exactly they differ, in either order.
    module = closed_forms("sine-2", folder)
    for order in (1, -1):
        w, b = np.array([3.0, 3.0, 1.0]), np.array([*[-1.0, -1.0 + 2.0**-53][::order], -0.75])
        network = ShallowNetwork(w, b, np.array([1.0, -0.5, 0.25]))
        assert -b[0] / w[0] == -b[1] / w[1]
        exact = exact_gradient(problems["sine-2"], network, digits=30).total.ravel().astype(float)
        assert np.abs(module.exact_gradient(*network.floats).total - exact).max() <= 1e-12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([1.0], [0.0, 1.0], [1.0]), "shapes"),
        (([], [], []), "shapes"),
        (([[1.0]], [[1.0]], [[1.0]]), "shapes"),
        (([np.nan], [0.0], [1.0]), "not finite"),
        (([1.0], [np.inf], [1.0]), "not finite"),
    ],
)
def test_what_is_no_network_is_refused(arguments: tuple[list[float], ...], said: str, folder: Path) -> None:
    module = closed_forms("sine-2", folder)
    for function in (module.exact_energy, module.exact_gradient, module.exact_hessian):
        with pytest.raises(ValueError, match=said):
            function(*arguments)


def test_stored_cases_pass_and_faults_are_named(standalone: ModuleType) -> None:
    assert [c.id for c in standalone.CASES] == ["width-3", "width-1"]
    for case in standalone.CASES:
        arguments = (case.hidden_weights, case.hidden_biases, case.output_weights)
        exact = standalone.exact_gradient(*arguments)
        standalone.check_gradient(case, exact.total)
        standalone.check_energy(case, standalone.exact_energy(*arguments))
        standalone.check_hessian(case, standalone.exact_hessian(*arguments))
        with pytest.raises(AssertionError, match="Dirac terms missing"):
            standalone.check_gradient(case, exact.bulk)
        with pytest.raises(AssertionError, match="sign flipped"):
            standalone.check_energy(case, -case.energy)
        with pytest.raises(AssertionError, match="one triangle is empty"):
            standalone.check_hessian(case, np.triu(case.hessian))
        standalone.check_gradient(case, exact.total * (1 + 1e-7), relative_tolerance=1e-6)
    with pytest.raises(ValueError, match="shape"):
        standalone.check_gradient(standalone.CASES[0], np.zeros(3))
    with pytest.raises(ValueError, match="no Hessian is stored"):
        standalone.check_hessian(standalone.reference([1.0], [-0.5], [1.0]), np.zeros((3, 3)))


def test_it_imports_numpy_alone(standalone_file: Path) -> None:
    tree = ast.parse(standalone_file.read_text(encoding="utf-8"))
    imported = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    imported |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    packages = {name.partition(".")[0] for name in imported}
    assert packages - set(sys.stdlib_module_names) == {"numpy"}
    text = standalone_file.read_text(encoding="utf-8")
    assert "kinkproof oracles generate --problem sine-2 --standalone relu_oracles.py" in text
    assert str(standalone_file.parent) not in text


@pytest.mark.parametrize("name", PROBLEMS)
def test_its_text_is_formatted_and_clean_as_it_stands(name: str, folder: Path) -> None:
    closed_forms(name, folder)
    path = folder / f"{name.replace('-', '_')}_oracles.py"
    _formatted(path.read_text(encoding="utf-8"), folder / "stripped.py")


def _formatted(text: str, scratch: Path) -> None:
    # Without the two lines that keep formatters and linters with other settings away from it.
    stripped, count = re.subn(r"# So that --check .*?# ruff: noqa\n\n", "", text, flags=re.DOTALL)
    assert count == 1
    scratch.write_text(stripped, encoding="utf-8")
    settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings, str(scratch)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_file_with_cases_is_formatted_and_typed(standalone_file: Path, tmp_path: Path) -> None:
    text = standalone_file.read_text(encoding="utf-8")
    _formatted(text, tmp_path / "stripped.py")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(standalone_file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_the_same_each_time_and_staleness_shows(standalone_file: Path, tmp_path: Path) -> None:
    network = {"width-1": ShallowNetwork([1], ["-1/3"], [1])}
    problem = RitzProblem(source="1", name="mine")
    path = tmp_path / "mine.py"
    assert stale(problem, path, network) == [path]
    generate(problem, path, network)
    assert stale(problem, path, network) == []
    assert stale(RitzProblem(source="2", name="mine"), path, network) == [path]
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert stale(problem, path, network) == [path]


def test_text_and_object_give_the_same_file() -> None:
    from kinkproof.verify.statement.expressions import X

    text, as_object = RitzProblem(source="2*x"), RitzProblem(source=2 * X)
    assert standalone_text(text, [], "x.py") == standalone_text(as_object, [], "x.py")
    assert "--source '2*x'" in standalone_text(text, [], "x.py")


def test_a_pack_of_ones_own_problem_loads(tmp_path: Path) -> None:
    problem = RitzProblem(coefficient="1 + x", source="1", distance="x", fluxes={1: "1/2"}, name="mine")
    networks = {"one": ShallowNetwork([1], ["-1/3"], [1]), "coincident": ShallowNetwork([1, -1], [-0.5, 0.5], [1, 1])}
    (path,) = generate(problem, tmp_path / "mine.json", networks)
    pack = load(path)
    assert [c.id for c in pack] == ["mine/one", "mine/coincident"]
    assert [c.differentiable for c in pack] == [True, False]
    pack["one"].check(exact_gradient(problem, networks["one"]).total)


@pytest.mark.parametrize("ending", [".py", ".c", ".json"])
def test_irrational_ends_are_no_obstacle(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "default_networks", lambda p: {"one": random_network(1, 1, p.domain)})
    for path in generate(PROBLEMS["irrational"], tmp_path / f"oracles{ending}"):
        assert path.stat().st_size


def test_what_cannot_be_generated_is_said(tmp_path: Path) -> None:
    problem = RitzProblem(source="1")
    with pytest.raises(InputError, match="is a directory"):
        generate(problem, tmp_path)
    with pytest.raises(InputError, match=r"ends in .json, .py or .c"):
        generate(problem, tmp_path / "oracles.txt")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        generate(problem, tmp_path / "file" / "oracles.py")
    with pytest.raises(InputError, match="has no gradient"):
        generate(problem, tmp_path / "oracles.py", {"two": ShallowNetwork([1, -1], [-0.5, 0.5], [1, 1])})
    with pytest.raises(InputError, match="NumPy has no erf"):
        standalone_text(RitzProblem(source="erf(x)"), [], "x.py")
    with pytest.raises(InputError, match="more than 200 panels"):
        panels(lambda x: np.stack([np.sin(1e5 * x)] * 6), 0.0, 1.0)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_interrupt_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kinkproof.verify.files.os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        generate(RitzProblem(source="1"), tmp_path / "oracles.py", {"one": ShallowNetwork([1], ["-1/3"], [1])})
    assert not list(tmp_path.iterdir())


def test_a_domain_far_from_0_is_refused_and_not_computed_with_lost_digits() -> None:
    far = RitzProblem(coefficient="1", source="1", distance="(x - 1000)*(1001 - x)", domain=(1000, 1001))
    with pytest.raises(InputError, match=r"generated code: about x = 1000\.5 closed forms in x lose digits"):
        standalone_text(far, [], "far.py")
