"""Speed as ratios, measured in one run: `nox -s bench`. Nothing here asserts; the targets are printed beside."""

from __future__ import annotations

import importlib.util
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kinkproof.verify import RitzProblem, ShallowNetwork, exact_gradient, problems
from kinkproof.verify.backends.pytorch import methods
from kinkproof.verify.oracles.standalone import standalone_text
from kinkproof.verify.quadrature import grid

# Targets: width → most the ratio should be.
WANTED = {20: 1.0, 10_000: 0.05}
STANDALONE_WANTED = {20: 1.0, 1000: 0.1}
REPEATS = 15


def median_seconds(call: Callable[[], object]) -> float:
    """Median over repeats of a batch long enough for the clock, after one warm-up."""
    call()
    start = time.perf_counter()
    call()
    batch = max(1, round(0.02 / (time.perf_counter() - start)))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(batch):
            call()
        times.append((time.perf_counter() - start) / batch)
    return statistics.median(times)


def main() -> None:
    """Everything that has a target."""
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    exact_gradients()
    standalone_gradients()


def standalone_gradients() -> None:
    """The gradient of a generated file against torch autograd on 1,000 points."""
    ask = methods()[0].gradient
    assert ask is not None
    problem, mesh = problems["sine-2"], grid("midpoint", 1000)
    module = _standalone(problem)
    print(f"\n{'width':>7} {'standalone':>12} {'autograd':>12} {'ratio':>8}  wanted")
    for width in (20, 1000):
        vector = ShallowNetwork.random(width, seed=0).ravel()
        own = median_seconds(lambda v=vector: module.exact_gradient(*np.split(v, 3)))
        autograd = median_seconds(lambda v=vector: ask(problem, v, mesh, "float64"))
        wanted = STANDALONE_WANTED[width]
        print(f"{width:>7} {own * 1e6:>9.0f} µs {autograd * 1e6:>9.0f} µs {own / autograd:>8.3f}  ≤ {wanted}")


def _standalone(problem: RitzProblem) -> Any:
    """The generated file as a module."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "relu_oracles.py"
        path.write_text(standalone_text(problem, [], path.name), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module


def exact_gradients() -> None:
    """Exact energy and gradient against torch autograd on 1,000 points."""
    problem = problems["sine-2"]
    mesh = grid("midpoint", 1000)
    print(f"{'width':>7} {'exact':>12} {'autograd':>12} {'ratio':>8}  wanted")
    for width in (8, 20, 200, 10_000):
        vector = ShallowNetwork.random(width, seed=0).ravel()
        ask = methods()[0].gradient
        assert ask is not None
        exact = median_seconds(lambda v=vector: exact_gradient(problem, ShallowNetwork.from_vector(v)))
        autograd = median_seconds(lambda v=vector, a=ask: a(problem, v, mesh, "float64"))
        wanted = f"≤ {WANTED[width]}" if width in WANTED else ""
        print(f"{width:>7} {exact * 1e6:>9.0f} µs {autograd * 1e6:>9.0f} µs {exact / autograd:>8.3f}  {wanted}")


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
