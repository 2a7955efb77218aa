"""Packs: what is stored, that it is right by another computation, and what loading refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from kinkproof.verify import InputError, exact_energy, exact_gradient, exact_hessian
from kinkproof.verify.discrete.quadrature import grid
from kinkproof.verify.oracles import load, pack, packs
from kinkproof.verify.oracles.deep_case import DeepCase
from kinkproof.verify.oracles.making.shipped import SHIPPED, shipped_text
from kinkproof.verify.oracles.pack import BLANK_CHECKSUM, checksum
from kinkproof.verify.statement.blocks import BLOCKS
from kinkproof.verify.systems import pytorch

from .conftest import network_of, problem_of

DATA = Path(pack.__file__).parent / "data"
SCHEMA = json.loads((DATA.parent / "pack.schema.json").read_text(encoding="utf-8"))
CASES = [case for p in packs.values() for case in p]


def test_all_ten_packs_are_there_and_small() -> None:
    assert (
        list(packs)
        == sorted(SHIPPED)
        == [
            "beams",
            "coefficients",
            "deep",
            "degenerate",
            "paper",
            "plane",
            "plane-deep",
            "quadrature",
            "statements",
            "wide",
        ]
    )
    assert sum(p.stat().st_size for p in DATA.iterdir()) < 2 * 2**20
    assert max(case.width for case in packs["wide"]) == 256
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("name", SHIPPED)
def test_packs_follow_the_published_schema(name: str) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    stored = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    assert not list(validator.iter_errors(stored))
    stored["cases"][0]["energy"]["decimal"] = "0x1.8p+0"
    del stored["cases"][-1]["tolerance"]
    assert len(list(validator.iter_errors(stored))) == 2


@pytest.mark.parametrize("name", ["paper", "deep", "plane"])
def test_packs_of_earlier_versions_are_read(name: str, tmp_path: Path) -> None:
    """They had each number once more, as C99 writes float64."""

    def with_hex(node: object) -> object:
        if isinstance(node, list):
            return [with_hex(v) for v in node]
        if not isinstance(node, dict):
            return node
        node = {k: with_hex(v) for k, v in node.items()}
        given = next((node[k] for k in ("decimal", "exact") if k in node), None)
        return node if given is None else node | {"hex": _each(given, lambda t: float(Fraction(t)).hex())}

    stored: Any = with_hex(json.loads((DATA / f"{name}.json").read_text(encoding="utf-8")))
    stored |= {"schema_version": {"paper": 1, "deep": 2, "plane": 3}[name], "sha256": BLANK_CHECKSUM}
    text = json.dumps(stored)
    path = tmp_path / "earlier.json"
    path.write_text(text.replace(BLANK_CHECKSUM, checksum(text.encode(), BLANK_CHECKSUM), 1), encoding="utf-8")
    for earlier, case in zip(load(path), load(name), strict=True):
        assert np.array_equal(earlier.parameters.ravel(), case.parameters.ravel())
        assert np.array_equal(earlier.gradient.total.ravel(), case.gradient.total.ravel())
        assert earlier.energy == case.energy


@pytest.mark.parametrize(
    "name",
    [
        # The smallest of them is made for every change.
        pytest.param(n, marks=pytest.mark.slow if n == "quadrature" else pytest.mark.long)
        for n in SHIPPED
        if n != "wide"
    ],
)
def test_making_a_pack_anew_gives_the_same_bytes(name: str) -> None:
    assert shipped_text(name).encode() == (DATA / f"{name}.json").read_bytes()


def _each(values: Any, change: Callable[[str], str]) -> Any:
    return [_each(v, change) for v in values] if isinstance(values, list) else change(values)


def _flat(values: object) -> list[str]:
    return [t for v in values for t in _flat(v)] if isinstance(values, list) else [str(values)]


def _nearest(values: object) -> list[float]:
    """Of each decimal or fraction the float64 that is nearest, by whole numbers."""
    return [float(Fraction(t)) for t in _flat(values)]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_float64_is_the_decimal_rounded_once(case: Any) -> None:
    assert case.energy == _nearest(case.record["energy"]["decimal"])[0]
    assert list(case.parameters.ravel()) == _nearest(case.exact_parameters)
    hessian = case.record["hessian"]
    if hessian is not None and "total" in hessian:
        assert list(case.hessian[np.triu_indices(case.size)]) == _nearest(hessian["total"]["decimal"])
    elif hessian is not None:
        assert list(case.hessian_products.ravel()) == _nearest([p["decimal"] for p in hessian["products"]])
    if case.differentiable:
        stored = case.record["gradient"][case.delta or "total"]
        decimals = stored["decimal"] if "decimal" in stored else [stored[n]["decimal"] for n in BLOCKS]
        assert list(case.gradient.total.ravel()) == _nearest(decimals)


EXACT = [c for c in CASES if c.differentiable and not c.delta]


# The classes of data and networks that are derived anew for a case take a second each.
DERIVED = ("statements/", "beams/", "plane", "deep/")


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=pytest.mark.slow) if c.id.startswith(DERIVED) else c for c in EXACT],
    ids=lambda c: c.id,
)
def test_float64_closed_forms_pass_every_case(case: object) -> None:
    problem, network = problem_of(case), network_of(case)  # type: ignore[arg-type]
    density = case.record.get("density")  # type: ignore[attr-defined]
    gradient = exact_gradient(problem, network, density=density)
    case.check(gradient.total)  # type: ignore[attr-defined]
    case.check_energy(exact_energy(problem, network, density=density))  # type: ignore[attr-defined]
    if case.record["hessian"] is not None:  # type: ignore[attr-defined]
        case.check_hessian(exact_hessian(problem, network, density=density))  # type: ignore[attr-defined]


SMOOTH = [c for c in EXACT if c.id.startswith(("paper/", "coefficients/")) and "singular" not in c.id]


@pytest.mark.parametrize("case", SMOOTH, ids=lambda c: c.id)
def test_gauss_points_between_the_kinks_pass_with_room(case: object) -> None:
    # Another algorithm in another library: were tolerances made for closed forms alone, right programs would fail.
    (method,) = (m for m in pytorch.methods() if m.conforming)
    assert method.gradient is not None
    problem, total = problem_of(case), case.gradient.total.ravel()  # type: ignore[arg-type, attr-defined]
    mesh = grid("midpoint", 10, problem.domain)
    found = method.gradient(problem, case.parameters.ravel(), mesh, "float64")[1]  # type: ignore[attr-defined]
    case.check(found)  # type: ignore[attr-defined]
    assert (np.abs(found - total) / case.tolerance).max() < 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", EXACT, ids=lambda c: c.id)
def test_tolerances_are_near_rounding_and_the_parts_add_up(case: object) -> None:
    parts = case.gradient  # type: ignore[attr-defined]
    total = parts.total.ravel()
    # Rounding acts on the parts; near the solution they cancel, and the total is a hundredth of either.
    largest = max(np.abs(p.ravel()).max() for p in (parts.bulk, parts.dirac, parts.total))
    assert case.tolerance.max() <= 1e-11 * largest  # type: ignore[attr-defined]
    np.testing.assert_allclose(parts.bulk.ravel() + parts.dirac.ravel(), total, atol=1e-14 * largest)
    assert not parts.dirac.output_weights.any()
    for routes in case.record["agreement"].values():  # type: ignore[attr-defined]
        assert min(routes.values(), default=50) >= 40


def test_loading_needs_neither_sympy_nor_torch() -> None:
    code = (
        "from kinkproof.verify.oracles import load\n"
        "case = load('paper')['sine-2-width-3']\n"
        "case.check(case.gradient.total); case.check_hessian(case.hessian); case.check_energy(case.energy)\n"
        "case.data(case.hidden_weights)\n"
        "import sys\n"
        "print(*({'sympy', 'mpmath', 'torch', 'scipy', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_case_is_found_by_its_id_with_or_without_the_packs_name() -> None:
    paper = load("paper")
    assert paper["sine-2-width-3"] is paper["paper/sine-2-width-3"]
    assert repr(paper["sine-2-width-3"]) == "Case('paper/sine-2-width-3')"
    assert "sine-2-width-3" in paper
    assert paper["sine-2-width-3"] in paper
    assert "sine-2-width-33" not in paper
    assert packs.get("papers") is None
    with pytest.raises(InputError, match="did you mean 'paper/sine-2-width-3'"):
        _ = paper["sine-2-width-33"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    path = tmp_path / "copy.json"
    path.write_bytes((DATA / "degenerate.json").read_bytes())
    assert len(load(path)) == len(load("degenerate"))
    return path


def test_line_ends_may_change(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes().replace(b"\n", b"\r\n"))
    assert [case.id for case in load(copy)] == [case.id for case in load("degenerate")]


def test_a_truncated_pack_is_refused(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        load(copy)


def test_an_edited_pack_is_refused(copy: Path) -> None:
    text = copy.read_text(encoding="utf-8")
    digit = text.index('"decimal": "') + 14
    copy.write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :], encoding="utf-8")
    with pytest.raises(InputError, match="checksum does not fit"):
        load(copy)


def test_a_newer_schema_is_refused(copy: Path) -> None:
    copy.write_text(copy.read_text(encoding="utf-8").replace('"schema_version": 4', '"schema_version": 5'))
    with pytest.raises(InputError, match="schema version 5, this kinkproof reads up to 4"):
        load(copy)


@pytest.mark.parametrize("missing", ["name", "provenance", "cases"])
def test_a_pack_that_lacks_a_part_is_refused_though_its_checksum_fits(copy: Path, missing: str) -> None:
    stored = json.loads(copy.read_text(encoding="utf-8"))
    del stored[missing]
    stored["sha256"] = pack.BLANK_CHECKSUM
    text = json.dumps(stored)
    right = pack.checksum(text.encode(), pack.BLANK_CHECKSUM)
    copy.write_text(text.replace(pack.BLANK_CHECKSUM, right), encoding="utf-8")
    with pytest.raises(InputError, match=r"does not follow pack.schema.json"):
        load(copy)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"schema_version": true}', '{"schema_version": 0}', '{"schema_version": 1, "sha256": 3}']
)
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"schema_version|checksum"):
        load(tmp_path / "x.json")


@pytest.mark.parametrize(("name", "near"), [("papers", "paper"), ("degenerated", "degenerate")])
def test_an_unknown_pack_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"did you mean '{near}"):
        load(name)
    with pytest.raises(InputError, match="'' is not a shipped pack; one of "):
        load("")


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "absent.json")


def test_the_exact_parameters_are_what_the_floats_round() -> None:
    for case in CASES:
        assert [float(Fraction(v)) for v in case.exact_parameters] == case.parameters.ravel().tolist()
    for case in (c for c in CASES if not isinstance(c, DeepCase)):
        for block in BLOCKS:
            exact = case.record["parameters"][block]["exact"]
            assert [float(Fraction(v)) for v in _flat(exact)] == getattr(case, block).ravel().tolist()


def test_a_case_says_its_reaction_where_it_has_one() -> None:
    case = packs["statements"]["helmholtz-width-2"]
    assert case.density.endswith("+ (-8)*u**2/2")
    x, u, du = np.array([0.25]), np.array([2.0]), np.array([3.0])
    data = case.data(x)
    assert data["reaction"] == -8
    assert case.energy_density(x, u, du) == pytest.approx(4.5 - 16 - 2 * data["source"])
    assert "reaction" not in packs["paper"]["sine-2-width-1"].data(x)
