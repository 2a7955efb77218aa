"""Arrays with a JSON header in one `.npz` file: written whole or not at all, read without executing anything."""

from __future__ import annotations

import io
import json
import platform
import zipfile
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...verify.bending.statement import BeamProblem
from ...verify.errors import InputError
from ...verify.files import write_whole
from ...verify.statement.problem import RitzProblem

Array = NDArray[Any]

# Raised when what the files hold changes its meaning.
FORMAT = 1
_UNREADABLE = (ValueError, KeyError, EOFError, OSError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def versions() -> dict[str, str]:
    """What made a file: kinkproof, torch, NumPy and Python."""
    packages = {name: version(name) for name in ("kinkproof", "torch", "numpy")}
    return packages | {"python": platform.python_version()}


def statement(problem: RitzProblem | BeamProblem) -> dict[str, Any]:
    """A problem as plain data that `problem_from` reads back; numbers stay exact."""
    solution = None if problem.solution is None else str(problem.solution)
    whole = {"domain": [str(e) for e in problem.domain], "solution": solution}
    if isinstance(problem, BeamProblem):
        return {n: str(getattr(problem, n)) for n in ("stiffness", "source", "distance", "lift", "name")} | whole
    texts = {
        n: str(getattr(problem, n))
        for n in ("coefficient", "source", "distance", "lift", "penalty", "name", "reaction")
    }
    stated = {**texts, **problem.places_as_text, **whole}
    return stated | ({"periodic": True} if problem.periodic else {})


def stated_from(data: Mapping[str, Any]) -> RitzProblem | BeamProblem:
    """The inverse of `statement`; the texts are parsed, never executed."""
    return BeamProblem(**{**data, "domain": tuple(data["domain"])}) if "stiffness" in data else problem_from(data)


def problem_from(data: Mapping[str, Any]) -> RitzProblem:
    """The same of what is no beam."""
    return RitzProblem(**{**data, "domain": tuple(data["domain"])})


def write(path: Path, kind: str, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a file of some kind ("run", "checkpoint").

    Raises:
        InputError: it cannot be written; what was there before is still there.
    """
    head = {"kind": f"kinkproof {kind}", "format": FORMAT, "versions": versions(), **header}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, allow_pickle=False, header=np.array(json.dumps(head, ensure_ascii=False, allow_nan=False)), **arrays
    )
    write_whole(path, buffer.getvalue())


def read(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Header and arrays of a file of some kind.

    Raises:
        InputError: there is no such file, it is truncated or foreign, or of another kind or format.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; a {kind} that kinkproof wrote would be right")
    try:
        # From memory: on damaged files np.load leaves the file open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = {n: stored[n] for n in stored.files}
        header = json.loads(str(arrays.pop("header")[()]))
        found, form = header["kind"], header["format"]
    except _UNREADABLE:
        raise InputError(f"{path} is truncated or no kinkproof file; a {kind} that kinkproof wrote is right") from None
    except (AttributeError, TypeError, IndexError):
        raise InputError(f"{path} is an array but no kinkproof file; a {kind} that kinkproof wrote is right") from None
    if found != f"kinkproof {kind}":
        raise InputError(f"{path} is a {found.removeprefix('kinkproof ')}; a {kind} would be right")
    if form != FORMAT:
        raise InputError(f"{path} has format {form}, of another kinkproof version; format {FORMAT} would be right")
    return header, arrays
