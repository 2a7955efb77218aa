"""Imports run one way: reports → solver → verify; AD systems only inside verify/backends and verify/models."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOMS = {"verify": 0, "solver": 1, "reports": 2}
# The modules of `solve`; those of `fit` and `landscape` also take nodes and weights of a quadrature.
KINK_SOLVER = {
    "certificate", "convergence_table", "curvature", "density", "dynamic_programming", "free_knots", "growth",
    "hat_functions", "kink_worth", "neurons", "newton", "panels", "reduced_energy", "relocation", "starts",
    "strong_solution",
}  # fmt: skip
FOREIGN = {"torch", "jax", "autograd", "scipy", "matplotlib"}
# One AD system a file.
BACKEND_SYSTEMS = {"pytorch.py": "torch", "jax_transforms.py": "jax", "hips_autograd.py": "autograd"}


def room_folder(room: str) -> Path:
    spec = importlib.util.find_spec(f"kinkproof.{room}")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


@pytest.mark.parametrize("room", ["verify", "solver", "reports"])
def test_no_room_imports_one_above_it(room: str) -> None:
    folder = room_folder(room)
    files = sorted(folder.rglob("*.py"))
    assert files
    for file in files:
        depth = len(file.relative_to(folder).parts)
        for name in imported(file):
            other = name.lstrip(".").removeprefix("kinkproof.").split(".")[0]
            crosses = name.startswith("kinkproof.") or len(name) - len(name.lstrip(".")) > depth
            if crosses and other in ROOMS:
                assert ROOMS[other] <= ROOMS[room], f"{file.name} imports {name}"
            system = BACKEND_SYSTEMS.get(file.name) if file.parent.name == "backends" else None
            # A user's model in torch can only be asked with torch; the rest of `verify` imports that folder when asked.
            system = "torch" if file.parent.name == "models" else system
            if room == "verify":
                assert name.split(".")[0] not in FOREIGN - {system}, f"{file.name} imports {name}"


# The statement of a problem and of a network, files, and of `quadrature` the nodes and weights alone.
STATEMENT = {"blocks", "errors", "expressions", "first_use", "piecewise", "problem", "named", "network", "files"}


def test_the_solver_takes_from_verify_the_statement_of_a_problem_and_quadrature_nodes_alone() -> None:
    files = sorted(room_folder("solver").rglob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("verify", "kinkproof"):
                module = (node.module or "").split(".")[-1]
                names = {a.name for a in node.names}
                # `from ..verify import piecewise` takes the module whole.
                stated = names <= STATEMENT if module == "verify" else module in STATEMENT
                # Where a user's model breaks is a question about the model, not about energies and gradients.
                breaks = (node.module or "").startswith("verify.models.")
                assert stated or breaks or (module == "quadrature" and names <= {"grid", "Grid"}), (file.name, names)


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
        ("import kinkproof.solver", "torch scipy sympy numpy"),
        ("from kinkproof.solver import solve, certify, convergence", "torch matplotlib"),
    ],
)
def test_what_is_not_asked_for_is_not_imported(statement: str, absent: str) -> None:
    code = f"{statement}\nimport sys\nprint(*(set({absent.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_kink_solver_takes_only_the_statement_of_a_problem_from_verify() -> None:
    # What checks it shares no code with it: energies, gradients and antiderivatives are its own.
    allowed = {"errors", "expressions", "network", "piecewise", "problem"}
    for name in KINK_SOLVER:
        tree = ast.parse((room_folder("solver") / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "verify":
                rest = (node.module or "").split(".")[1:] or [a.name for a in node.names]
                assert set(rest) <= allowed, f"{name}.py imports {rest} from verify"


def test_the_public_names_are_there() -> None:
    import kinkproof.solver as solver
    import kinkproof.verify as verify
    import kinkproof.verify.systems.refinement  # noqa: F401  (importing a module must not hide a public name)

    for file in room_folder("solver").glob("[!_]*.py"):
        importlib.import_module(f"kinkproof.solver.{file.stem}")
    for room in (verify, solver):
        for name in room.__all__:
            assert getattr(room, name) is not None
    assert all(callable(getattr(solver, name)) for name in solver.__all__)
    assert callable(verify.audit)
    with pytest.raises(AttributeError):
        _ = verify.nothing
