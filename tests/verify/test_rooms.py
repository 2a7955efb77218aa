"""Imports run one way, between wings and between rooms; AD systems only inside verify/systems and verify/models."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

WINGS = {"verify": 0, "solver": 1, "reports": 2}
FOREIGN = {"torch", "jax", "autograd", "scipy", "matplotlib"}
# One AD system a file.
BACKEND_SYSTEMS = {"pytorch.py": "torch", "jax_transforms.py": "jax", "hips_autograd.py": "autograd"}
# More files than this are two rooms.
MOST_FILES = 16


def wing_folder(wing: str) -> Path:
    spec = importlib.util.find_spec(f"kinkproof.{wing}")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def module_files() -> dict[str, Path]:
    """Module, without `kinkproof.` in front → its file. A package's door (`__init__`) bears the package's name."""
    out = {}
    for wing in WINGS:
        folder = wing_folder(wing)
        for file in folder.rglob("*.py"):
            parts = [wing, *file.relative_to(folder).with_suffix("").parts]
            out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return out


FILES = module_files()
DOORS = {name for name, file in FILES.items() if file.name == "__init__.py"}


def imports_of(name: str) -> set[str]:
    """Modules of ours that a module imports, those for type checking and those inside functions too."""
    out = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                package = name.split(".") if name in DOORS else name.split(".")[:-1]
                base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            elif (node.module or "").split(".")[0] == "kinkproof":
                base = str(node.module).split(".")[1:]
            else:
                continue
            found = {".".join([*base, a.name]) for a in node.names}
            out |= {f if f in FILES else ".".join(base) for f in found}
        elif isinstance(node, ast.Import):
            out |= {a.name.removeprefix("kinkproof.") for a in node.names if a.name.startswith("kinkproof.")}
    return out


IMPORTS = {name: imports_of(name) for name in FILES}


def circles(arrows: dict[str, set[str]]) -> set[str]:
    """Whoever can be reached from itself."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for other in arrows.get(waiting.pop(), set()) - seen:
                seen.add(other)
                waiting.append(other)
        return seen

    return {name for name in arrows if name in reached(name)}


def room_of(module: str) -> str:
    """The folder of a module in a room; loose modules of a wing stand for themselves."""
    room = module.rpartition(".")[0]
    return room if room.count(".") else module


def test_no_import_runs_in_a_circle() -> None:
    # A door offers names that are resolved when first used, so that what stands behind it may look out of it.
    inside = {name: found - DOORS for name, found in IMPORTS.items() if name not in DOORS}
    assert circles(inside) == set()
    assert circles({**inside, "solver.gauss": {"solver.training"}, "solver.training": {"solver.gauss"}})


def test_imports_between_rooms_run_one_way() -> None:
    arrows: dict[str, set[str]] = {}
    for name, found in IMPORTS.items():
        if name not in DOORS:
            here = room_of(name)
            arrows.setdefault(here, set()).update(room_of(f) for f in found - DOORS if room_of(f) != here)
    assert circles(arrows) == set()
    # The statement stands on nothing, and what is exact in one input on the statement alone.
    loose = {
        "verify.choices",
        "verify.misspelling",
        "verify.showing",
        "verify.models.space.domains",
        "verify.models.space.faces",
        "verify.models.space.along",
        "verify.errors",
        "verify.files",
        "verify.first_use",
        "verify.quadratic_form",
        "verify.values",
    }
    assert arrows["verify.statement"] <= loose
    assert arrows["verify.line"] <= loose | {"verify.statement"}
    assert arrows["verify.errors"] == set()


def test_a_room_has_a_duty_and_few_files() -> None:
    for door in DOORS:
        file = FILES[door]
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), door
        assert len(list(file.parent.glob("*.py"))) <= MOST_FILES + 1, door


def test_every_room_is_in_the_wheel() -> None:
    # Of the checkout: what is installed lacks a room that was forgotten.
    root = Path(__file__).parents[2]
    folders = [door.parent.relative_to(root).parts for wing in WINGS for door in (root / wing).rglob("__init__.py")]
    stated = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    assert {".".join(["kinkproof", *parts]) for parts in folders} == set(stated) - {"kinkproof"}


@pytest.mark.parametrize("wing", WINGS)
def test_no_wing_imports_one_above_it(wing: str) -> None:
    names = [n for n in FILES if n.split(".")[0] == wing]
    assert names
    for name in names:
        assert all(WINGS[f.split(".")[0]] <= WINGS[wing] for f in IMPORTS[name]), name


def test_an_ad_system_is_imported_in_its_own_file_and_torch_with_models() -> None:
    for name, file in FILES.items():
        if name.startswith("verify"):
            own = BACKEND_SYSTEMS.get(file.name) if file.parent.name == "systems" else None
            # A user's model can only be asked with its framework, and the exact side with torch; the rest of `verify`
            # imports these rooms when asked.
            owned = {own} | ({"torch"} if name.startswith("verify.models") else set())
            owned |= {"jax"} if name.startswith("verify.models.jax") else set()
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                named += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                assert not {n.split(".")[0] for n in named} & (FOREIGN - owned), name


def test_the_solver_takes_from_verify_the_statement_of_a_problem_and_quadrature_nodes_alone() -> None:
    # Where a user's model breaks is a question about the model, not about energies and gradients.
    allowed = ("verify.statement", "verify.models.seeing")
    loose = {
        "verify.bending.statement",
        "verify.models.space.domains",
        "verify.models.space.faces",
        "verify.models.space.along",
        "verify.choices",
        "verify.showing",
        "verify.errors",
        "verify.files",
        "verify.first_use",
        "verify.values",
        "verify.discrete.quadrature",
    }
    seen = 0
    for name in (n for n in FILES if n.startswith("solver")):
        for found in (f for f in IMPORTS[name] if f.startswith("verify")):
            seen += 1
            assert found.startswith(allowed) or found in loose, (name, found)
        for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("discrete.quadrature"):
                assert {a.name for a in node.names} <= {"grid", "Grid"}, name
    assert seen


def test_the_kink_solver_takes_only_the_statement_of_a_problem_from_verify() -> None:
    # What checks it shares no code with it: energies, gradients and antiderivatives are its own.
    allowed = {"verify.errors", *(f"verify.statement.{n}" for n in ("expressions", "network", "piecewise", "problem"))}
    data = {"solver.data.panels", "solver.data.strong_solution"}
    for name in (n for n in FILES if n.startswith("solver.free_knots") or n in data):
        assert {f for f in IMPORTS[name] if f.startswith("verify")} <= allowed | {
            "verify.choices",
            "verify.first_use",
            "verify.showing",
            "verify.values",
        }, name


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import kinkproof.verify", "torch sympy"),
        ("from kinkproof.verify import exact_gradient, problems, audit", "torch jax autograd matplotlib"),
        ("from kinkproof.verify.deep import Tensors", "torch sympy mpmath"),
        ("from kinkproof.verify import DeepNetwork, Density, exact_gradient", "torch jax autograd matplotlib scipy"),
        ("from kinkproof.reports.command import app", "torch jax autograd sympy matplotlib numpy scipy"),
        ("from kinkproof.verify.systems.discovery import backends; backends()", "torch jax autograd"),
        ("from kinkproof.verify.systems.discovery import discover; discover(['autograd'])", "torch jax"),
        ("from kinkproof.verify.systems.discovery import discover; discover(['jax'])", "torch autograd"),
        ("import kinkproof.verify.models", "torch sympy"),
        ("from kinkproof.verify.testing import assert_gradient_consistent", "torch sympy numpy"),
        ("import kinkproof.solver, kinkproof.solver.jax", "torch jax scipy sympy numpy"),
        ("from kinkproof.solver.jax import dirac_term", "torch sympy scipy"),
        ("from kinkproof.solver import solve, certify, convergence", "torch matplotlib"),
    ],
)
def test_what_is_not_asked_for_is_not_imported(statement: str, absent: str) -> None:
    code = f"{statement}\nimport sys\nprint(*(set({absent.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_public_names_are_there() -> None:
    import kinkproof.solver as solver
    import kinkproof.verify as verify
    import kinkproof.verify.systems.refinement  # noqa: F401  (importing a module must not hide a public name)

    for name in FILES:
        if name.startswith(("verify", "solver")):
            importlib.import_module(f"kinkproof.{name}")
    for room in (verify, solver):
        for name in room.__all__:
            assert getattr(room, name) is not None
    assert all(callable(getattr(solver, name)) for name in solver.__all__)
    assert callable(verify.audit)
    with pytest.raises(AttributeError):
        _ = verify.nothing
