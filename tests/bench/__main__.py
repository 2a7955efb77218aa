"""All subjects, or those that are named: `nox -s bench -- gradients training`."""

from __future__ import annotations

import importlib
import platform
import sys

import numpy as np
import torch

SUBJECTS = ("gradients", "training", "conforming", "audits", "kinks", "landscapes", "dimensions", "jax_term", "plane")


def main(chosen: list[str]) -> None:
    """Every row that has a target, in processor time; first and second are medians of a call."""
    unknown = set(chosen) - set(SUBJECTS)
    if unknown:
        sys.exit(f"bench: {min(unknown)!r} is unknown; one of {', '.join(SUBJECTS)} would be right")
    # Tensors of training are small: a second thread costs more than it gives.
    torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, NumPy {np.__version__}")
    for subject in chosen or SUBJECTS:
        importlib.import_module(f"tests.bench.{subject}").rows()


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main(sys.argv[1:])
