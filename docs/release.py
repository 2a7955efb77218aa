"""What a release has to be: one version everywhere, dated, with links that lead somewhere from a package index.

`nox -s release -- URL` builds it: URL is where the project lies, such as https://example.org/kinkproof.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What is made, and what is nobody else's business.
_LEFT_OUT = (".git", ".nox", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def complaints(root: Path) -> list[str]:
    """What stands in the way of a release, a sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, out = project["version"], []
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) \(([^)]*)\)$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if newest is None or newest[1] != version:
        out.append(f"CHANGELOG.md does not begin with version {version} and its date")
    elif not re.fullmatch(r"\d{4}-\d{2}-\d{2}", newest[2]):
        out.append(f"CHANGELOG.md: {newest[2]!r} is no date; one such as 2026-11-27 would be right")
    elif f"date-released: {newest[2]}\n" not in citation:
        out.append(f"CITATION.cff has another date than CHANGELOG.md, {newest[2]}")
    if f"version: {version}\n" not in citation:
        out.append(f"CITATION.cff has another version than pyproject.toml, {version}")
    return out


def absolute(text: str, url: str, version: str) -> str:
    """The links of a page at the root, pictures and files, as a package index can follow them."""

    def link(found: re.Match[str]) -> str:
        picture, name, target = found.groups()
        if not re.match(r"[a-z]+:|#", target):
            target = f"{url}/{'raw' if picture else 'blob'}/v{version}/{target}"
        return f"{picture}[{name}]({target})"

    return _LINK.sub(link, text)


def prepare(root: Path, url: str, folder: Path) -> None:
    """A copy of the project to build from, its README and its metadata with links to where it lies.

    Raises:
        SystemExit: the URL is none, or something stands in the way of a release.
    """
    url = url.rstrip("/")
    wrong = complaints(root)
    if not re.fullmatch(r"https://\S+/\S+", url):
        wrong.append(f"{url!r} is no address; one such as https://example.org/kinkproof would be right")
    if wrong:
        raise SystemExit("\n".join(f"release: {sentence}" for sentence in wrong))
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(root, folder, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    project = folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    version = tomllib.loads(text)["project"]["version"]
    places = {"Homepage": url, "Source": url, "Issues": f"{url}/issues",
              "Changelog": f"{url}/blob/v{version}/CHANGELOG.md"}  # fmt: skip
    lines = "".join(f'{name} = "{place}"\n' for name, place in places.items())
    project.write_text(text.replace("[project.urls]\n", f"[project.urls]\n{lines}"), encoding="utf-8")
    readme = folder / "README.md"
    readme.write_text(absolute(readme.read_text(encoding="utf-8"), url, version), encoding="utf-8")


if __name__ == "__main__":
    prepare(ROOT, sys.argv[1], Path(sys.argv[2]))
