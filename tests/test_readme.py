"""The README stays true and short: its commands are those of CI, and what it prints is what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from .pages import ROOT, Page

README = Page("README.md")


def section(title: str) -> str:
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", README.text, re.DOTALL | re.MULTILINE)
    return str(text)


def code(text: str) -> list[str]:
    blocks = re.findall(r"^```(?:sh|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_ci_runs_the_readmes_own_test_command() -> None:
    commands = [line for block in README.blocks("sh") for line in block.splitlines()]
    (test_command,) = [c for c in commands if c.endswith("nox -s tests")]
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "pip install nox && nox -s verify" in commands


def test_the_examples_run_and_print_what_they_say() -> None:
    told = README.run()
    assert len(told.claims) >= 5
    assert told.printed == told.claims


def test_install_example_audit_and_cure_take_fifteen_lines() -> None:
    titles = ("Install", "What autodiff misses", "Audit your own loss", "Mend your loop")
    lines = [code(section(title)) for title in titles]
    assert all(lines)
    assert sum(map(len, lines)) <= 15


def test_it_is_short() -> None:
    assert len(README.text.splitlines()) <= 150


def test_its_install_command_names_an_extra_that_exists() -> None:
    (command,) = code(section("Install"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (named,) = re.fullmatch(r"pip install '\.\[(\w+)\]'", command).groups()  # type: ignore[union-attr]
    assert named in extras


@pytest.mark.long
def test_after_the_install_command_the_examples_run_in_a_fresh_environment(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".nox", "build", "*.egg-info", ".*_cache"))
    venv.create(tmp_path / "env", with_pip=True)
    bin_ = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    # Its dependencies are those of this environment, so that torch is not fetched again; kinkproof itself is installed
    # there, and found first.
    fresh = subprocess.run(
        [bin_ / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (Path(fresh) / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["PATH"] = f"{bin_}{os.pathsep}{environment['PATH']}"
    (command,) = code(section("Install"))
    subprocess.run(command, shell=True, cwd=checkout, env=environment, check=True)
    example = tmp_path / "example.py"
    example.write_text("\n".join(README.blocks("python")), encoding="utf-8")
    done = subprocess.run(
        [bin_ / "python", example], cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    claimed = re.findall(r"^print\(.*\)  # (.*)$", example.read_text(encoding="utf-8"), re.MULTILINE)
    assert done.stdout.splitlines() == claimed


def test_the_citation_and_the_changelog_have_the_packages_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
