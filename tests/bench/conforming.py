"""A step on nodes that follow the kinks against one on the fixed grid, at the same number of points."""

from __future__ import annotations

from typing import Any

import torch
from kinkproof.solver import ConformingQuadrature, integrate
from kinkproof.solver.networks.architecture import Architecture
from kinkproof.solver.networks.conforming import conforming_energy, kinks
from kinkproof.solver.networks.gradients import autodiff, objective
from kinkproof.verify import problems

from tests.bench.models import ritz_density, ritz_step, user_model
from tests.bench.timing import compare, heading


def rows() -> None:
    """A user's own model, and `fit`'s."""
    heading("Energy and gradient on the conforming rule ÷ on a fixed grid of as many points, 1 thread")
    for widths, points in (((64, 64, 64), 1000), ((64, 64, 64), 200), ((10, 10), 1000)):
        model = user_model(widths)
        quadrature = ConformingQuadrature(points=points)
        count = len(quadrature(model, (0, 1))[0])
        grid_nodes = (torch.arange(count, dtype=torch.float64) + 0.5) / count
        grid_weights = torch.full_like(grid_nodes, 1 / count)

        def on_grid(m: Any = model, x: Any = grid_nodes, w: Any = grid_weights) -> None:
            ritz_step(m, x.detach().requires_grad_(), w)

        def on_kinks(m: Any = model, q: Any = quadrature) -> None:
            ritz_step(m, *q(m, (0, 1)))

        def integrated(m: Any = model, q: Any = quadrature) -> None:
            integrate(ritz_density, m, (0, 1), quadrature=q).backward()

        title = f"a user's {'-'.join(map(str, widths))}, {count} points"
        compare(f"ConformingQuadrature, {title}", on_kinks, on_grid, "≤ 1.5")
        compare(f"integrate, {title}", integrated, on_grid, "≤ 1.5")
    problem = problems["sine-2"]
    for widths, seeds, points in (((10, 10), 16, 200), ((10, 10), 1, 200), ((64, 64, 64), 1, 1000)):
        architecture = Architecture.of(widths, "relu")
        theta = architecture.initial(range(seeds))
        pieces = kinks(problem, architecture, theta).shape[1] + 1
        rule = autodiff(conforming_energy(problem, architecture, -(-points // pieces)))
        on_fixed = objective(problem, architecture, points=points).gradient
        title = f"fit, {seeds} of {'-'.join(map(str, widths))}, {points} points"
        compare(title, lambda r=rule, t=theta: r(t), lambda f=on_fixed, t=theta: f(t), "≤ 1.5")
