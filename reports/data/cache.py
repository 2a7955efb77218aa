"""Computed data kept in files, found again by all that determines it: settings, versions, the program's source."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...verify.errors import InputError
from ...verify.files import write_whole
from ...verify.systems.findings import versions

if TYPE_CHECKING:
    from ...solver.training.runs import Run

T = TypeVar("T")

# Data come from these rooms alone; how a page looks changes no data.
COMPUTING = ("kinkproof.verify", "kinkproof.solver", "kinkproof.reports.data")
SHOWING = ("kinkproof.reports",)


@dataclass(frozen=True)
class Cache:
    """A folder of computed data; deleting it, or any file in it, costs time and nothing else.

    Attributes:
        folder: where the files lie; None keeps nothing.
    """

    folder: Path | None

    def place(self, kind: str, settings: Mapping[str, Any]) -> Path | None:
        """The file of what is made with these settings; None where nothing is kept."""
        return None if self.folder is None else self.folder / f"{kind}-{_key(kind, settings)}"

    def recall(
        self,
        kind: str,
        settings: Mapping[str, Any],
        make: Callable[[], T],
        load: Callable[[Path], T],
        save: Callable[[T, Path], object],
    ) -> T:
        """What was made with these settings before, or made now and kept.

        Args:
            kind: of the data; begins the file's name.
            settings: plain data, all that determines the result besides the program itself.
            make: computes it.
            load: reads it from a file; raises InputError where the file is damaged, which is then made anew.
            save: writes it whole.

        Raises:
            InputError: the folder cannot be written.
        """
        if self.folder is None:
            return make()
        path = self.place(kind, settings)
        assert path is not None
        if path.is_file():
            try:
                return load(path)
            except (InputError, OSError):
                # Cut short, of another format or not to be read: as good as absent, and soon replaced.
                pass
        made = make()
        save(made, path)
        return made


def write_sealed(path: Path, content: bytes) -> None:
    """Write bytes behind their digest.

    Raises:
        InputError: the path cannot be written.
    """
    write_whole(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def read_sealed(path: Path) -> bytes:
    """What `write_sealed` wrote.

    Raises:
        InputError: a byte of it is not what it was.
    """
    digest, _, content = path.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise InputError(f"{path} is damaged; deleting it would be right")
    return content


def recall_run(cache: Cache, settings: Mapping[str, Any], make: Callable[[], Run]) -> Run:
    """A training run, made or recalled.

    Raises:
        InputError: the folder cannot be written.
    """
    from ...solver.training.runs import Run

    return cache.recall("run", settings, make, Run.load, lambda run, path: run.save(path))


def recall_report(cache: Cache, settings: Mapping[str, Any], write: Callable[[Path], object], path: Path) -> None:
    """Write a report, or copy the one that the same settings and the same program gave before.

    Args:
        cache: where reports are kept.
        settings: all that determines the report.
        write: writes it to a file.
        path: where it shall lie; its ending names the format.

    Raises:
        InputError: the path or the folder cannot be written.
    """

    def make() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / path.name
            write(file)
            return file.read_bytes()

    named = {**settings, "date": os.environ.get("SOURCE_DATE_EPOCH"), "pages": _source(SHOWING)}
    kind = path.suffix.removeprefix(".").lower()
    write_whole(path, cache.recall(kind, named, make, read_sealed, lambda content, kept: write_sealed(kept, content)))


def _key(kind: str, settings: Mapping[str, Any]) -> str:
    determined_by = {"kind": kind, "settings": settings, "versions": versions(), "source": _source(COMPUTING)}
    text = json.dumps(determined_by, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@lru_cache(maxsize=2)
def _source(rooms: tuple[str, ...]) -> str:
    """Digest of the program's source: a version number does not change with every line."""
    digest = hashlib.sha256()
    for room in rooms:
        spec = find_spec(room)
        assert spec is not None
        if spec.submodule_search_locations is None:
            digest.update(room.encode() + b"\0" + Path(str(spec.origin)).read_bytes())
        for folder in spec.submodule_search_locations or ():
            for file in sorted(Path(folder).rglob("*.py")):
                digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
