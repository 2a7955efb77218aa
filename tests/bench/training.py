"""Steps of training with different gradients; a batch against single runs; memory over a long run."""

from __future__ import annotations

import os
from unittest.mock import patch

import torch
from kinkproof.solver import fit
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.compiled import SWITCH
from kinkproof.solver.networks.differences import central_differences
from kinkproof.solver.networks.gradients import objective
from kinkproof.solver.training.adam import Adam
from kinkproof.verify import problems

from tests.bench.timing import Call, compare, heading, resident


def rows() -> None:
    """A step, a run, memory."""
    problem = problems["sine-2"]
    heading("One ADAM step on 1,000 points, 1 thread")
    for switch, name, least in (("0", "NumPy", "≤ 0.4"), ("1", "fast", "≤ 0.05")):
        with patch.dict(os.environ, {SWITCH: switch}):
            for width, wanted in ((20, least), (200, "")):
                steps = _step("exact", width), _step("autodiff", width)
                compare(f"exact, {name} ÷ autodiff, width {width}", *steps, wanted)
    architecture = Architecture.of(50, "relu")
    energy = objective(problem, architecture, points=1000).energy
    theta, step = architecture.initial([0]), torch.tensor([1e-3], dtype=torch.float64)
    # Behind a lambda it is not known for a grid energy, and the 2P networks are evaluated whole, in one batch.
    whole = lambda: central_differences(lambda t: energy(t), theta, step)  # noqa: E731
    compare("exact ÷ finite differences of 2P whole networks, width 50", _step("exact", 50), whole, "≤ 0.02", rounds=5)
    compare("exact ÷ finite differences neuron by neuron, width 50", _step("exact", 50), _step("finite-difference", 50))

    def run(*batches: range) -> None:
        for seeds in batches:
            fit(problem, steps=1000, seeds=seeds, record=1000)

    alone = [range(k, k + 1) for k in range(4)]
    compare("four seeds ÷ four runs, 1,000 steps of autodiff", lambda: run(range(4)), lambda: run(*alone), "≤ 0.5", 3)
    used: dict[int, int] = {}
    fit(problem, gradient="exact", callbacks=[lambda seen: used.update({seen.step: resident()})])
    print(f"memory: {used[1000] / 2**20:.1f} MiB after 1,000 epochs, {used[10_000] / 2**20:.1f} MiB after 10,000")


def _step(gradient: str, width: int) -> Call:
    architecture = Architecture.of(width, "relu")
    followed = objective(problems["sine-2"], architecture, gradient, points=1000)
    theta, active = architecture.initial([0]), torch.ones(1, dtype=torch.bool)
    optimiser = Adam(followed, theta, 1e-3, None, 1)
    return lambda: optimiser.step(theta, active)
