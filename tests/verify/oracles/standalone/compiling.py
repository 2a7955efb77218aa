"""The machine's C compiler, and what it makes of generated C."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.float64]

STRICT = (
    *("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes"),
    *("-Wmissing-prototypes", "-Werror"),
)
PARTS = ("bulk", "dirac", "total")


def cc(*arguments: str | Path) -> None:
    if shutil.which("cc") is None:
        pytest.fail("this test compiles generated C: a C compiler named cc on the PATH would be right")
    done = subprocess.run(["cc", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60)


class Library:
    """Generated C behind NumPy arrays."""

    def __init__(self, path: Path, prefix: str) -> None:
        loaded = ctypes.CDLL(str(path))
        array = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
        self.energy_function = getattr(loaded, f"{prefix}_energy")
        self.energy_function.argtypes = [ctypes.c_size_t, *[array] * 4]
        self.gradient_function = getattr(loaded, f"{prefix}_gradient")
        self.gradient_function.argtypes = [ctypes.c_size_t, *[array] * 6]
        self.hessian_function = getattr(loaded, f"{prefix}_hessian")
        self.hessian_function.argtypes = [ctypes.c_size_t, *[array] * 4]
        self.sentence = getattr(loaded, f"{prefix}_sentence")
        self.sentence.restype = ctypes.c_char_p

    def energy(self, *blocks: Array) -> tuple[int, float]:
        out = np.full(1, np.nan)
        return self.energy_function(len(blocks[0]), *blocks, out), float(out[0])

    def gradient(self, *blocks: Array) -> tuple[int, list[Array]]:
        out = [np.full(3 * len(blocks[0]), np.nan) for _ in PARTS]
        return self.gradient_function(len(blocks[0]), *blocks, *out), out

    def hessian(self, *blocks: Array) -> tuple[int, Array]:
        out = np.full((3 * len(blocks[0]),) * 2, np.nan)
        return self.hessian_function(len(blocks[0]), *blocks, out), out
