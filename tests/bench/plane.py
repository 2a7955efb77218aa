"""Exact energy and gradient in the plane against torch's autograd on 100 × 100 points, growth and memory."""

from __future__ import annotations

from typing import Any

import torch
from kinkproof.verify import PlaneNetwork, exact_gradient, plane_problems

from tests.bench.timing import Call, compare, heading, peak_memory

_POINTS = 100


def rows() -> None:
    """Polynomial data; the cells of N = 200, which nobody needs to make, would be some 10⁴."""
    problem = plane_problems["plane-polynomial"]
    networks = {n: PlaneNetwork.random(n, seed=1) for n in (20, 200, 400)}
    exact: dict[int, Call] = {n: lambda k=k: exact_gradient(problem, k) for n, k in networks.items()}  # type: ignore[misc]
    heading("exact energy and gradient in the plane")
    for n, wanted in ((20, "≤ 3"), (200, "≤ 1")):
        compare(f"N = {n} ÷ torch autograd on 100 × 100 points", exact[n], _autograd(networks[n]), wanted)
    compare("N = 400 ÷ N = 200", exact[400], exact[200], "≤ 4.5: N² log N", rounds=5)
    peak = peak_memory(
        "from kinkproof.verify import PlaneNetwork as P, exact_gradient as g, plane_problems as p; "
        "g(p['plane-polynomial'], P.random(200, 1))"
    )
    print(f"peak memory at N = 200: {peak / 2**30:.2f} GiB  wanted ≤ 1")


def _autograd(network: PlaneNetwork) -> Call:
    """∇u by a second pass of autograd, as Deep Ritz codes have it."""
    width, vector = network.width, torch.tensor(network.ravel())
    middle = (torch.arange(_POINTS, dtype=torch.float64) + 0.5) / _POINTS
    points = torch.cartesian_prod(middle, middle)
    source = 32 * (points * (1 - points)).sum(1)

    def ask() -> Any:
        x, theta = points.clone().requires_grad_(), vector.clone().requires_grad_()
        w, b, c = theta[: 2 * width].reshape(width, 2), theta[2 * width : 3 * width], theta[3 * width :]
        u = 16 * (x * (1 - x)).prod(1) * (torch.relu(x @ w.T + b) @ c)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        energy = ((slope**2).sum(1) / 2 - source * u).mean()
        return float(energy.detach()), torch.autograd.grad(energy, theta)[0].numpy()

    return ask
