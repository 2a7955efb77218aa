"""Random numbers under control: whoever draws, in torch, NumPy or Python, draws the same again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """All global generators start from a seed, and go on afterwards where they were."""
    state, python = np.random.get_state(), random.getstate()  # noqa: NPY002 (the user's generator, not ours)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
            random.setstate(python)
