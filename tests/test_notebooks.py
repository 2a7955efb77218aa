"""The notebooks as they are stored: clean, listed, and of code that compiles; `nox -s notebooks` executes them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from .pages import ROOT, Page, links

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def cells(notebook: Path, kind: str) -> list[str]:
    stored = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in stored["cells"] if cell["cell_type"] == kind]


def test_every_notebook_is_listed_and_no_other() -> None:
    listed = [link for link in links(Page("docs/notebooks.md").text) if link.endswith(".ipynb")]
    assert sorted(listed) == [f"notebooks/{path.name}" for path in NOTEBOOKS]
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_stored_without_results(notebook: Path) -> None:
    stored = json.loads(notebook.read_text(encoding="utf-8"))
    assert stored["metadata"]["kernelspec"]["name"] == "python3"
    for cell in stored["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    # What is executed has to hold, not only to run.
    assert any("assert " in code for code in cells(notebook, "code"))
    for code in cells(notebook, "code"):
        ast.parse(code)
    assert cells(notebook, "markdown")[0].startswith("# ")
