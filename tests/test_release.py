"""A release is refused until its versions agree; what is built has links that lead somewhere."""

from __future__ import annotations

import re
import runpy
import shutil
import tomllib
import zlib
from pathlib import Path

import pytest

from .pages import ROOT, links

RELEASE = runpy.run_path(str(ROOT / "docs" / "release.py"))
FILES = ("pyproject.toml", "README.md", "CITATION.cff", "CHANGELOG.md")
URL = "https://example.org/some/kinkproof"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_this_checkout_could_be_released() -> None:
    assert RELEASE["complaints"](ROOT) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("pyproject.toml", r'^version = ".*"', 'version = "9.9.9"', "does not begin with version 9.9.9"),
        ("CHANGELOG.md", r"^## (\S+) \(.*\)$", r"## \1 (unreleased)", "'unreleased' is no date"),
        ("CITATION.cff", r"^date-released: .*", "date-released: 2001-01-01", "another date"),
        ("CITATION.cff", r"^version: .*", "version: 0.0.1", "another version"),
    ],
)
def test_what_does_not_agree_is_refused(root: Path, tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    text, count = re.subn(old, new, (root / file).read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1
    (root / file).write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=said):
        RELEASE["prepare"](root, URL, tmp_path / "source")
    assert not (tmp_path / "source").exists()


def test_a_wheel_stays_under_a_megabyte_and_a_half() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    wings = {"kinkproof": "package", **{f"kinkproof.{w}": w for w in ("verify", "solver", "reports")}}
    assert wings == setuptools["package-dir"]
    size = 0
    for package in setuptools["packages"]:
        wing = ".".join(package.split(".")[:2])
        folder = ROOT / wings[wing] / package.removeprefix(wing).removeprefix(".").replace(".", "/")
        data = [file for pattern in setuptools["package-data"].get(package, []) for file in folder.glob(pattern)]
        for file in [*folder.glob("*.py"), *data]:
            # A member's two headers beside its content, and its row of RECORD, which compresses badly.
            size += len(zlib.compress(file.read_bytes(), 6)) + 76 + 2 * len(f"{package}/{file.name}") + 64
    assert 1_000_000 < size < 1_500_000, f"{size} bytes"


def test_an_address_that_is_none_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="'kinkproof' is no address"):
        RELEASE["prepare"](root, "kinkproof", tmp_path / "source")


def test_what_is_built_shows_its_picture_and_leads_to_its_source(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    RELEASE["prepare"](root, f"{URL}/", source)
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    assert {"Homepage", "Source", "Issues", "Changelog", "Paper"} <= set(project["urls"])
    assert project["authors"] == [{"name": "the kinkproof developers"}]
    text = (source / "README.md").read_text(encoding="utf-8")
    assert all(link.startswith("https://") for link in links(text))
    assert f"({URL}/raw/v{version}/reports/finding.svg)" in text
    # Each leads to a file of the checkout.
    for link in links(text):
        if link.startswith(URL):
            assert (ROOT / link.split(f"/v{version}/")[1]).exists(), link
    # The checkout itself keeps links that work without a network.
    assert URL not in (root / "README.md").read_text(encoding="utf-8")
