"""The files for CI and pre-commit that the pages show: they are YAML of the right shape, and their commands run."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from kinkproof.reports.command.root import app
from typer.testing import CliRunner

from .pages import ROOT, Page

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; pip install pyyaml would be right")

SNIPPETS: list[dict[str, Any]] = [yaml.safe_load(block) for block in Page("docs/howto/in-ci.md").blocks("yaml")]
WORKFLOWS = [s for s in SNIPPETS if "jobs" in s]
HOOKS = [hook for s in SNIPPETS for repo in s.get("repos", []) for hook in repo["hooks"]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's: a model without kinks, a test of its oracles."""
    smooth = (ROOT / "examples" / "tanh.py").read_text(encoding="utf-8")
    (tmp_path / "model.py").write_text(smooth, encoding="utf-8")
    (tmp_path / "test_oracles.py").write_text(
        "import pytest\n\n@pytest.mark.kinkproof('quadrature')\ndef test_it(oracle_case):\n"
        "    oracle_case.check(oracle_case.gradient.total)\n",
        encoding="utf-8",
    )
    return tmp_path


def code(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """With which code it ends, run where the project lies."""
    program, *words = shlex.split(command)
    if program == "kinkproof":
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            return CliRunner().invoke(app, words).exit_code
    assert program == "pytest"
    own = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(own, cwd=folder, capture_output=True, check=False).returncode


def test_the_page_shows_workflows_and_hooks() -> None:
    assert len(WORKFLOWS) == 2
    assert len(HOOKS) == 2


def test_workflows_have_the_shape_that_github_asks_for() -> None:
    for workflow in WORKFLOWS:
        # YAML 1.1 reads `on` as true.
        assert set(workflow) == {"name", True, "jobs"}
        for job in workflow["jobs"].values():
            assert set(job) == {"runs-on", "steps"}
            assert all(len({"uses", "run"} & set(step)) == 1 for step in job["steps"])
            assert all("@" in step["uses"] for step in job["steps"] if "uses" in step)


@pytest.mark.slow
def test_the_commands_of_the_workflows_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [step["run"] for w in WORKFLOWS for job in w["jobs"].values() for step in job["steps"] if "run" in step]
    ours = [command for command in commands if not command.startswith("pip install")]
    assert len(ours) == 2
    for command in ours:
        assert code(command, project, monkeypatch) == 0, command
    (kept,) = [s["with"]["path"] for w in WORKFLOWS for j in w["jobs"].values() for s in j["steps"] if s.get("if")]
    page, findings = ((project / name).read_text(encoding="utf-8") for name in kept.split())
    assert page.startswith("<!DOCTYPE html>")
    assert "<testsuite" in findings


@pytest.mark.long
def test_the_hooks_run_and_fail_where_they_should(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, oracles = HOOKS
    assert all({"id", "name", "entry", "language"} <= set(hook) for hook in HOOKS)
    assert code(model["entry"], project, monkeypatch) == 0
    shutil.copy(ROOT / "examples" / "two_layers.py", project / "model.py")
    assert code(model["entry"], project, monkeypatch) == 1
    # The file is what it would be now, and is not any more.
    assert code(oracles["entry"].removesuffix(" --check"), project, monkeypatch) == 0
    assert code(oracles["entry"], project, monkeypatch) == 0
    with (project / "relu_oracles.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert code(oracles["entry"], project, monkeypatch) == 1


@pytest.mark.skipif(find_spec("pre_commit") is None, reason="pre-commit is not installed")
def test_pre_commit_takes_the_configuration(tmp_path: Path) -> None:
    for k, snippet in enumerate(s for s in SNIPPETS if "repos" in s):
        file = tmp_path / f"{k}.yaml"
        file.write_text(yaml.safe_dump(snippet), encoding="utf-8")
        command = [sys.executable, "-m", "pre_commit", "validate-config", str(file)]
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
