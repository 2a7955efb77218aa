"""`solve` against a second of training, its iterations against its width, memory of the largest."""

from __future__ import annotations

import statistics
import time

import torch
from kinkproof.solver import solve
from kinkproof.verify import ShallowNetwork, exact_energy, exact_gradient, problems

from tests.bench.timing import compare, heading, peak_memory


def rows() -> None:
    """Gap after a second, cost by width, memory."""
    problem = problems["sine-2"]
    heading("solve")
    iterations = {width: solve(problem, width).iterations for width in (1_000, 10_000)}
    share = iterations[10_000] / iterations[1_000]
    compare(
        f"width 10,000 ÷ 1,000 ({share:.2g} times the iterations)", lambda: solve(problem, 10_000),
        lambda: solve(problem, 1_000), "≤ 15", rounds=3,
    )  # fmt: skip
    compare("width 20 ÷ one exact gradient", lambda: solve(problem, 20), _gradient, rounds=5)
    compare(
        "width 20 ÷ the thorough search", lambda: solve(problem, 20), lambda: solve(problem, 20, thorough=True),
        "first ≤ 60 ms", rounds=5,
    )  # fmt: skip
    solved, trained = after_a_second_of_solving(), after_a_second_of_training()
    print(f"gap after a second ÷ ADAM's with the exact gradient, median of 5 seeds: {solved / trained:.3f}  ≤ 0.25")
    peak = peak_memory(
        "from kinkproof.solver import solve; from kinkproof.verify import problems; solve(problems['sine-2'], 100_000)"
    )
    print(f"peak memory at width 100,000: {peak / 2**30:.2f} GiB  wanted ≤ 2")


def _gradient() -> None:
    exact_gradient(problems["sine-2"], ShallowNetwork.random(20, seed=0))


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
