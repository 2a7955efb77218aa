"""Speed as ratios, measured in one run: `nox -s bench`. Nothing here asserts; the targets are printed beside."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from kinkproof.solver import solve
from kinkproof.verify import ShallowNetwork, exact_energy, exact_gradient, problems
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


def kink_solver() -> None:
    """`solve` against a second of training, per-iteration cost against width, memory of the largest."""
    problem = problems["sine-2"]
    solved, trained = after_a_second_of_solving(), after_a_second_of_training()
    print("\nsolve, width 20, against ADAM with the exact gradient, median of five seeds")
    print(f"gap after one second: {solved:.4g} / {trained:.4g} = {solved / trained:.3f}  wanted ≤ 0.25")
    print(f"seconds to solve: {median_seconds(lambda: solve(problem, 20)):.3f}  wanted < 1")
    per_iteration = {}
    for width in (1_000, 10_000):
        iterations = solve(problem, width).iterations
        per_iteration[width] = median_seconds(lambda w=width: solve(problem, w)) / iterations
    ratio = per_iteration[10_000] / per_iteration[1_000]
    print(f"an iteration at width 10,000 / at 1,000: {ratio:.1f}  wanted ≤ 15")
    code = (
        "import resource; from kinkproof.solver import solve; from kinkproof.verify import problems; "
        "solve(problems['sine-2'], 100_000); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peak = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    print(f"peak memory at width 100,000: {peak / 2**20:.2f} GiB  wanted ≤ 2")


def after_a_second_of_solving() -> float:
    """The gap of the first network that `solve` hands back, or infinity if that takes longer."""
    start = time.perf_counter()
    gap = solve(problems["sine-2"], 20).energy_gap
    return gap if time.perf_counter() - start <= 1 else float("inf")


def after_a_second_of_training() -> float:
    """Median gap over seeds after one second of ADAM each, with the exact gradient and the paper's defaults."""
    problem, gaps = problems["sine-2"], []
    for seed in range(5):
        parameters = torch.tensor(ShallowNetwork.random(20, seed).ravel(), requires_grad=True)
        optimiser = torch.optim.Adam([parameters], lr=1e-3)
        start = time.perf_counter()
        while time.perf_counter() - start < 1:
            network = ShallowNetwork.from_vector(parameters.detach().numpy())
            parameters.grad = torch.from_numpy(exact_gradient(problem, network).total.ravel())
            optimiser.step()
        network = ShallowNetwork.from_vector(parameters.detach().numpy())
        gaps.append(float(exact_energy(problem, network)) - problem.minimum_energy())
    return statistics.median(gaps)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
    kink_solver()
