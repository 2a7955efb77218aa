"""The finished part of a scan on disk, from which it goes on bit for bit."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...verify.errors import InputError
from ...verify.files import require_writable
from ..training import archive

Array = NDArray[np.float64]

# Seconds between two writes: a second's work is all that is lost with a killed process.
_EVERY = 1.0
_KIND = "landscape checkpoint"


class ScanCheckpoint:
    """One file, written whole at the start, every second and at the end.

    Args:
        path: of the file.
        identity: what must be the same when the scan is resumed, as plain data.
        arrays: likewise: θ*, directions, axes.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self.path = path
        self.identity = dict(identity)
        self.arrays = dict(arrays)
        self._written = time.monotonic()

    def refuse_to_overwrite(self) -> None:
        """Raise `InputError` if there is a file already: it may be hours of work."""
        require_writable(self.path)
        if self.path.exists():
            raise InputError(f"{self.path} exists; resume=True goes on from it, and another name starts anew")

    def read(self, shape: tuple[int, ...]) -> tuple[Array, NDArray[np.bool_]]:
        """Values and which of them are there, both of that shape.

        Raises:
            InputError: no such file, damaged, foreign, or of another scan.
        """
        require_writable(self.path)
        header, stored = archive.read(self.path, _KIND)
        here = archive.versions()
        for name in ("kinkproof", "torch", "numpy"):
            there = header.get("versions", {}).get(name)
            if there != here[name]:
                raise InputError(
                    f"{self.path} was written with {name} {there}, and {here[name]} would not go on bit for bit; "
                    f"{name} {there} would be right"
                )
        for key, mine in self.identity.items():
            if header.get(key) != mine:
                raise InputError(
                    f"{self.path} is the checkpoint of another landscape: its {key} is {header.get(key)!r}, not "
                    f"{mine!r}; the same would be right"
                )
        for name, array in self.arrays.items():
            if not np.array_equal(stored.get(name, np.empty(0)), array):
                raise InputError(f"{self.path} is the checkpoint of a landscape with another {name}; the same is right")
        values, done = stored.get("values"), stored.get("done")
        if values is None or done is None or values.shape != shape or done.shape != shape or done.dtype != bool:
            raise InputError(f"{self.path} lacks values; a landscape checkpoint that kinkproof wrote would be right")
        return values, done

    def write(self, values: Array, done: NDArray[np.bool_]) -> None:
        """Write it whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        archive.write(self.path, _KIND, self.identity, {**self.arrays, "values": values, "done": done})
        self._written = time.monotonic()

    def keep(self, values: Array, done: NDArray[np.bool_], now: bool = False) -> None:
        """Write, if the last time is long enough ago; a full disk does not cost the scan."""
        if not now and time.monotonic() - self._written < _EVERY:
            return
        try:
            self.write(values, done)
        except InputError as error:
            warnings.warn(
                f"no checkpoint was written; {error}; the scan goes on, and what the file held before is still there",
                RuntimeWarning,
                stacklevel=2,
            )
            self._written = time.monotonic()
