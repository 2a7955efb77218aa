"""Packs of oracle cases: one JSON file each, read with NumPy and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from ..choices import unknown
from ..errors import InputError
from .beam_case import BeamCase
from .case import DELTAS, Case
from .deep_case import DeepCase
from .deep_plane_case import DeepPlaneCase
from .plane_case import PlaneCase

# What is written, and the newest that is read. Versions 1 to 3, of one input, several layers and two inputs, had each
# number once more, as C99 writes float64; they are read by their decimals.
SCHEMA_VERSION = 4
# Where the checksum stands in the file, this stands while it is computed.
BLANK_CHECKSUM = "0" * 64
_SHIPPED = Path(__file__).parent / "data"


@dataclass(frozen=True, eq=False)
class Pack:
    """Oracle cases that belong together.

    Attributes:
        name: such as "paper".
        about: what they are, in a sentence.
        provenance: versions, derivation route, digits, how tolerances were found.
        cases: in their stored order.
    """

    name: str
    about: str
    provenance: Mapping[str, Any]
    cases: tuple[Case, ...]

    def __repr__(self) -> str:
        return f"Pack({self.name!r}, {len(self.cases)} cases)"

    def __getitem__(self, case: str) -> Case:
        """A case by its id, with or without the pack's name in front."""
        for one in self.cases:
            if case in (one.id, one.id.removeprefix(f"{self.name}/")):
                return one
        raise unknown("case", case, [c.id for c in self.cases], f"is not in the pack {self.name}")

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __len__(self) -> int:
        return len(self.cases)

    def __contains__(self, case: object) -> bool:
        return case in self.cases or case in [i for c in self.cases for i in (c.id, c.id.removeprefix(f"{self.name}/"))]


def load(name: str | PathLike[str]) -> Pack:
    """A shipped pack by its name, or any pack by the path of its file.

    Raises:
        InputError: no such pack or file; not a pack, truncated, changed since it was generated, or too new.

    Examples:
        >>> case = load("paper")["sine-2-width-3"]
        >>> case.check(case.gradient.total)
        >>> case.check(case.gradient.bulk)
        Traceback (most recent call last):
            ...
        AssertionError: gradient of paper/sine-2-width-3: 6 of 9 components are off
        ...
    """
    if not isinstance(name, str | PathLike):
        raise InputError(f"pack: {name!r} is a {type(name).__name__}; a name or a path would be right")
    if isinstance(name, str) and not name.endswith(".json") and "/" not in name:
        if name not in packs:
            raise unknown("pack", name, packs, "is not a shipped pack")
        return _shipped(name)
    return _read(Path(name))


class _ShippedPacks(Mapping[str, Pack]):
    """Name → pack, each read when first asked for."""

    def __getitem__(self, name: str) -> Pack:
        return load(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As dictionaries have it: no error for an unknown name."""
        return load(name) if name in self else default

    def __contains__(self, name: object) -> bool:
        return name in _names()

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


def _names() -> list[str]:
    return sorted(p.stem for p in _SHIPPED.glob("*.json"))


packs = _ShippedPacks()


@cache
def _shipped(name: str) -> Pack:
    return _read(_SHIPPED / f"{name}.json")


def checksum(content: bytes, stored: str) -> str:
    """SHA-256 of a pack's file with its checksum blanked and its line ends as written."""
    plain = content.replace(b"\r\n", b"\n").replace(stored.encode(), BLANK_CHECKSUM.encode(), 1)
    return hashlib.sha256(plain).hexdigest()


def _read(path: Path) -> Pack:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"pack: {path} cannot be read ({error.strerror}); the path of a pack would be right") from None
    try:
        stored = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(
            f"pack: {path} is not complete JSON, perhaps truncated; the whole file as it was generated would be right"
        ) from None
    version = stored.get("schema_version") if isinstance(stored, dict) else None
    if type(version) is not int or version < 1:
        raise InputError(f"pack: {path} has no schema_version; a file made by `kinkproof oracles generate` is right")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"pack: {path} has schema version {version}, this kinkproof reads up to {SCHEMA_VERSION}; a newer "
            "kinkproof would be right"
        )
    found = stored.get("sha256")
    if not isinstance(found, str) or checksum(content, found) != found:
        raise InputError(
            f"pack: {path} was changed after it was generated, its checksum does not fit; generate it again"
        )
    try:
        name = stored["name"]
        cases = tuple(case for record in stored["cases"] for case in _cases(name, record))
        return Pack(name, stored["about"], stored["provenance"], cases)
    except (KeyError, TypeError):
        raise InputError(f"pack: {path} does not follow pack.schema.json; a file as generated would be right") from None


def _cases(pack: str, record: Mapping[str, Any]) -> list[Case]:
    """One case, or on a grid one for each discrete delta that has a value there."""
    whole = f"{pack}/{record['id']}"
    if "polygon" in record:
        return [(DeepPlaneCase if "network" in record else PlaneCase)(whole, record)]
    if "network" in record:
        return [DeepCase(whole, record)]
    if "power" in record:
        return [BeamCase(whole, record)]
    if "grid" not in record:
        return [Case(whole, record)]
    return [Case(f"{whole}-{delta}", record, delta) for delta in DELTAS if delta in record["gradient"]]
