"""Random models of two and three inputs, of one output and two: no wrong verdict, and routes that agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kinkproof.verify import audit
from kinkproof.verify.models.telling.model_findings import ModelAudit
from torch import Tensor, nn

from .test_audit import Field, bar, stretched

pytestmark = pytest.mark.long


class Largest(nn.Module):
    """The larger one of two halves."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.maximum(*z.chunk(2, -1)).repeat(1, 2) if z.shape[-1] % 2 == 0 else z.relu()


class Absolute(nn.Module):
    """Its absolute value."""

    def forward(self, z: Tensor) -> Tensor:
        return z.abs()


KINKED: tuple[Any, ...] = (nn.ReLU, nn.LeakyReLU, Absolute, Largest)
SMOOTH: tuple[Any, ...] = (nn.Tanh, nn.SiLU, nn.GELU, nn.Softplus)


def drawn(seed: int, inputs: int, outputs: int, kinds: tuple[Any, ...]) -> Field:
    """One to three layers of 2 to 64, the wider the rarer, with kinks all over the domain."""
    generator = np.random.default_rng(seed)
    widths = np.exp(generator.uniform(np.log(2), np.log(64.9), int(generator.integers(1, 4)))).astype(int).tolist()
    model = Field(inputs, *widths, outputs=outputs, activation=kinds[seed % len(kinds)], seed=seed)
    first = model.net[0]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        # Its kinks pass through places of the domain, as they do not at torch's start.
        place = torch.rand(first.weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        first.bias.copy_(-(first.weight * place).sum(1))
    return model


def judged(seed: int, inputs: int, outputs: int, kinds: tuple[Any, ...], rule: str) -> ModelAudit:
    model = drawn(seed, inputs, outputs, kinds)
    return audit(model, bar if outputs == 1 else stretched, ((0.0, 1.0),) * inputs, rule=rule, points=300)


@pytest.mark.parametrize(
    ("inputs", "outputs", "seeds"), [(2, 1, range(100)), (3, 1, range(50)), (2, 2, range(100, 150))]
)
def test_no_kinked_model_is_taken_for_right(inputs: int, outputs: int, seeds: range) -> None:
    wrong, undecided = [], []
    for seed in seeds:
        found = judged(seed, inputs, outputs, KINKED, "random")
        if inputs == 2 and "cells" in found.settings["exact side"]:
            # To rounding, or where lines were drawn within their standard errors.
            assert all(r.passed for r in found.routes), (seed, [str(r) for r in found.routes])
        if found.verdict == "none":
            undecided.append((seed, found.reason))
        elif found.verdict != "inconsistent" and found.dirac.any():
            wrong.append((seed, found.reason))
    assert not wrong
    # What cannot be told is said, and is rare.
    assert len(undecided) <= len(seeds) // 10, undecided


@pytest.mark.parametrize("inputs", [2, 3])
def test_no_smooth_model_is_taken_for_wrong(inputs: int) -> None:
    for seed in range(100):
        found = judged(seed, inputs, 1, SMOOTH, ("random", "sobol")[seed % 2])
        assert found.verdict == "consistent", (seed, found)
