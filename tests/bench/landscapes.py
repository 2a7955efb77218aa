"""Nine planes of 101 × 101 networks against a loop over the same points, which is timed on a part of them."""

from __future__ import annotations

import numpy as np
import torch
from kinkproof.solver import eigenplanes, landscape, spectrum
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.gradients import objective
from kinkproof.verify import ShallowNetwork, problems

from tests.bench.timing import compare, heading, peak_memory

PART, SIDE = 2_000, 101


def rows() -> None:
    """On the grid and exactly; memory."""
    problem, network = problems["sine-2"], ShallowNetwork.random(20, seed=0)
    planes = eigenplanes(spectrum(problem, network))
    total = len(planes) * SIDE**2
    side, plane = np.linspace(-1, 1, SIDE), planes[0]
    one = objective(problem, Architecture.of(20, "relu"), points=1000).energy

    def loop() -> None:
        with torch.no_grad():
            for k in range(PART):
                theta = network.ravel() + side[k // SIDE] * plane.first + side[k % SIDE] * plane.second
                float(one(torch.from_numpy(theta)[None])[0])

    heading(f"landscape, 9 planes × 101 × 101, 1,000 points ÷ the plain loop over {PART:,} of {total:,} points")
    share = total / PART
    # Exact with numba, where that is installed: KINKPROOF_FAST=0 measures NumPy.
    for energy, wanted in (("quadrature", f"≤ {share / 20:.2g}"), ("exact", f"≤ {share / 100:.2g}")):
        scan = lambda e=energy: landscape(problem, network, planes, energy=e, points=1000)  # noqa: E731
        compare(f"energy {energy}", scan, loop, wanted, rounds=3)
    peak = peak_memory(
        "from kinkproof.solver import landscape; from kinkproof.verify import ShallowNetwork, problems; "
        "landscape(problems['sine-2'], ShallowNetwork.random(20, seed=0), points=1000)"
    )
    print(f"peak memory, torch and SymPy included: {peak / 2**30:.2f} GiB  wanted < 1")
