"""Speed as ratios, measured in one run: `nox -s bench`. Nothing here asserts; the targets are printed beside."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from kinkproof.verify import ShallowNetwork, exact_gradient, problems
from kinkproof.verify.backends.pytorch import methods
from kinkproof.verify.quadrature import grid

# Targets: width → most the ratio should be.
WANTED = {20: 1.0, 10_000: 0.05}
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
    """Exact energy and gradient against torch autograd on 1,000 points."""
    problem = problems["sine-2"]
    mesh = grid("midpoint", 1000)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
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
