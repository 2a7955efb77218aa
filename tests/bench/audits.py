"""The whole audit of a user's model against one epoch of training it on 1,000 points."""

from __future__ import annotations

import torch
from kinkproof.verify import audit

from tests.bench.models import ritz_density, ritz_step, user_model
from tests.bench.timing import compare, heading


def rows() -> None:
    """Three layers and one."""
    heading("The audit of a user's model ÷ one epoch on 1,000 points, 1 thread")
    x, weights = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000, torch.full((1000,), 1e-3, dtype=torch.float64)
    for widths, wanted in (((64, 64, 64), "≤ 500"), ((20,), "")):
        model = user_model(widths)
        title = f"{'-'.join(map(str, widths))}, {len(audit(model, ritz_density).kinks)} kinks"
        epoch = lambda m=model: ritz_step(m, x.detach().requires_grad_(), weights)  # noqa: E731
        compare(title, lambda m=model: audit(m, ritz_density), epoch, wanted, rounds=5)
