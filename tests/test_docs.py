"""The pages of docs/ stay true: their code runs, their tables are those of the program, their links lead somewhere."""

from __future__ import annotations

import importlib
import re
import runpy
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from kinkproof.reports.command.root import app
from kinkproof.solver import solve
from kinkproof.verify import ShallowNetwork, audit, problems
from kinkproof.verify.oracles import load, packs
from kinkproof.verify.systems.discovery import discover
from kinkproof.verify.systems.findings import Audit
from kinkproof.verify.systems.row import OWN
from typer.testing import CliRunner

from .conftest import DEAR
from .pages import ROOT, Page, links

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
# `kinkproof.reports.command` writes this one when the site is built.
PAGES = [path for path in PAGES if not path.startswith("docs/_build") and path != "docs/reference/command.md"]
WITH_CODE = [path for path in PAGES if Page(path).blocks("python")]
ORACLES, RESULTS = Page("docs/howto/oracles-in-ci.md"), Page("docs/results.md")
HOUSE = Page("docs/house.md")


@pytest.mark.parametrize(
    "path",
    # These audit several models, train, or compile.
    [
        pytest.param(
            p,
            marks=[pytest.mark.slow]
            if p.endswith(("-my-loop.md", "-my-loss.md", "train.md", "-backend.md", "tutorial.md"))
            else [],
        )
        for p in WITH_CODE
    ],
)
def test_the_code_of_a_page_runs_and_prints_what_it_says(path: str) -> None:
    told = Page(path).run()
    assert told.claims
    assert told.printed == told.claims


def test_a_page_that_says_what_is_not_printed_is_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "page.md"
    wrong.write_text("# Page\n\n```python\nx = 1\nprint(x + 1)  # 3\n```\n")
    told = Page(str(wrong)).run()
    assert (told.printed, told.claims) == ({5: "2"}, {5: "3"})


def test_there_are_pages_with_code() -> None:
    assert len(WITH_CODE) >= 9


@pytest.mark.parametrize("path", [*PAGES, "README.md", "CONTRIBUTING.md"])
def test_relative_links_lead_to_files_and_headings(path: str) -> None:
    here = (ROOT / path).parent
    for link in links(Page(path).text):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = (here / name).resolve() if name else ROOT / path
        assert target.exists(), f"{path}: {link}"
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [slug(heading) for heading in headings], f"{path}: {link}"


def slug(heading: str) -> str:
    """The anchor that GitHub and MyST give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def whole_audit(paper_audit: Audit) -> Audit:
    """The rest of the main job's audit added, but for torch.compile."""
    left = [m for m in discover() if m.label in DEAR and m.name != "torch.compile"]
    assert len(left) == len(DEAR) - 1
    rest = audit(problems["sine-2"], ShallowNetwork.random(20, seed=0), methods=left)
    return replace(paper_audit, rows=(*paper_audit.rows, *(r for r in rest.rows if r.system != OWN)))


@pytest.mark.slow
def test_the_table_is_the_audits(whole_audit: Audit) -> None:
    rows = {(r.system, r.method, r.precision): r for r in whole_audit.rows}
    lines = [line for line in RESULTS.text.splitlines() if line.startswith("| ") and "| float64 |" in line]
    assert len(lines) == 8
    for line in lines:
        system, method, precision, first, last, missing, verdict = (cell.strip() for cell in line.strip("|").split("|"))
        found = rows[system, method, precision].total
        assert found is not None
        assert verdict == found.verdict
        for shown, measured in ((first, found.errors[0]), (last, found.errors[-1])):
            # Rounding differs between processors; where an error is not mere rounding, its digits must not.
            assert float(shown) < 1e-12 if measured < 1e-12 else shown == f"{measured:.1e}"

        attribution = rows[system, method, precision].attribution
        assert missing == ("–" if attribution is None else f"{attribution:.1e}")
    fixed = [r for r in whole_audit.rows if r.system != "kinkproof" and r.precision == "float64" and not r.conforming]
    errors = [r.total.errors[-1] for r in fixed if r.total]
    # torch.compile, which `nox -s verify` runs, is the eleventh.
    assert f"All {len(errors) + 1} ways of asking" in RESULTS.text
    assert max(errors) - min(errors) <= 1e-12 * max(errors)


def test_the_oracles_report_is_the_one_that_is_printed() -> None:
    case = load("paper")["sine-2-width-3"]
    with pytest.raises(AssertionError) as caught:
        case.check(case.gradient.bulk)
    printed = str(caught.value).splitlines()
    (shown,) = (block for block in ORACLES.blocks("text") if block.startswith("AssertionError"))
    lines = shown.removeprefix("AssertionError: ").splitlines()
    assert [line for line in lines if line.strip() != "…"] == [printed[0], printed[1], printed[-1]]
    assert all(f"`{name}`" in ORACLES.text for name in packs)


def test_every_named_problem_is_listed() -> None:
    for name in problems:
        assert f"`{name}`" in Page("docs/howto/own-problem.md").text


def test_what_solve_reaches_is_what_it_says() -> None:
    best = solve(problems["sine-2"], width=20)
    # How many steps it is depends on how a processor rounds: 8 were seen.
    assert 5 <= best.iterations < 12
    for path in ("docs/howto/best-network.md", "docs/results.md"):
        assert f"energy gap {best.energy_gap:.3g} in under a dozen Newton steps" in Page(path).text
    for command in re.findall(r"`kinkproof (solve[^`]*)`", Page("docs/howto/best-network.md").text):
        # The chart trains for minutes; its command has a test of its own.
        if "--chart" in command:
            continue
        assert CliRunner().invoke(app, command.split()).exit_code == 0


@pytest.mark.slow
def test_the_page_of_the_house_has_every_module_and_no_other() -> None:
    assert HOUSE.text == runpy.run_path(str(ROOT / "docs/rooms.py"))["written"](HOUSE.text), "run python docs/rooms.py"
    files = [path for wing in ("verify", "solver", "reports") for path in (ROOT / wing).rglob("*.py")]
    listed = re.findall(r"^### `(\S+/)`$|^## `(\S+/)`$|^\| `(\w+\.py)` \|", HOUSE.text, re.MULTILINE)
    folder, named = "", set()
    for room, wing, module in listed:
        folder = room or wing or folder
        if module:
            named.add(folder + module)
    assert named == {path.relative_to(ROOT).as_posix() for path in files if path.name != "__init__.py"}


def test_what_the_page_of_the_house_points_to_exists() -> None:
    pointed = re.findall(r"`((?:verify|solver|reports|tests|docs)/[\w/.]*)`", HOUSE.text)
    assert len(pointed) > 40
    for path in pointed:
        assert (ROOT / path).exists(), path


def test_the_picture_of_the_house_has_every_room() -> None:
    picture = (ROOT / "docs/pictures/house.svg").read_text(encoding="utf-8")
    wings = ("verify", "solver", "reports")
    rooms = [marker.parent.name for wing in wings for marker in (ROOT / wing).glob("*/__init__.py")]
    shown = re.findall(r">(\w+)/</text>", picture)
    assert sorted(shown) == sorted([*rooms, *wings])


@pytest.mark.parametrize("wing", ["verify", "verify.oracles", "verify.backends", "solver", "reports"])
def test_every_public_name_is_in_the_reference(wing: str) -> None:
    module: ModuleType = importlib.import_module(f"kinkproof.{wing}")
    page = Page(f"docs/reference/{wing.split('.')[0]}.md").text
    # A type alias for annotations has no page of its own.
    for name in set(module.__all__) - {"GradientFunction"}:
        assert re.search(rf":: kinkproof\.{wing}\.{name}$", page, re.MULTILINE), name
