"""Whether the closed form is compiled: by numba, where the extra `fast` is installed and not switched off.

Nothing compiled is kept on disk, for numba would read it back by unpickling: a process compiles once, in two seconds.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...verify.errors import InputError

Array = NDArray[np.float64]
Kernel = Callable[..., None]

# Set to 0 it leaves everything to torch, to 1 it insists on numba.
SWITCH = "KINKPROOF_FAST"


def kernel() -> Kernel | None:
    """The compiled `sweep`, or None where numba is not installed or switched off.

    Raises:
        InputError: the switch is set to something else than 0 or 1, or to 1 without numba.
    """
    switch = os.environ.get(SWITCH, "")
    if switch not in ("", "0", "1"):
        raise InputError(f"{SWITCH}: {switch!r} is no choice; 0 (never) or 1 (always) would be right")
    if switch == "0":
        return None
    found = _compiled()
    if found is None and switch == "1":
        raise InputError(f"{SWITCH}: 1 needs numba; pip install 'kinkproof[fast]', or 0, would be right")
    return found


@lru_cache(maxsize=1)
def _compiled() -> Kernel | None:
    if importlib.util.find_spec("numba") is None:
        return None
    from .loops import sweep

    found: Kernel = sweep
    return found


def arranged(inner: Any, centre: Any, scale: Any, coefficients: Any) -> tuple[Array, Array]:
    """A table's tensors, lowest power first and cells last, as `sweep` reads them: `cells` and `coefficients`."""
    edges = np.append(np.asarray(inner), np.inf)
    cells = np.stack([edges, np.asarray(centre), np.asarray(scale)])
    return cells, np.ascontiguousarray(np.asarray(coefficients)[::-1].transpose(2, 1, 0))
