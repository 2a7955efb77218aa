"""How noisy the sampled term is, next to the points that the rest of a loss is sampled at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.space.domains import Domain, as_domain
from .dirac_term import dirac_sample
from .fields import Fields
from .sampling import prepared

# Draws that a standard deviation is taken from: it is then known to about an eighth.
DRAWS = 32
# So many times the lines are doubled until the term's noise is small.
_DOUBLINGS = 8


@dataclass(frozen=True)
class TermNoise:
    """Standard deviations of gradients from draw to draw, as norms over all parameters.

    Attributes:
        points: of the bulk, sampled at so many random points.
        term: of the term, with `lines`.
        size: norm of the term's mean.
        lines: in all.
        enough: lines at which the term's noise was seen to be at most a tenth of the points'; None if even the most
            that were tried were too few.
        at_enough: the term's noise with these.
    """

    points: float
    term: float
    size: float
    lines: int
    enough: int | None
    at_enough: float

    def __str__(self) -> str:
        found = f"noise of the points {self.points:.3g}, of the term {self.term:.3g} with {self.lines} lines"
        if self.enough is None:
            return f"{found}; no number of lines that was tried makes it a tenth of the points'"
        return f"{found}; with {self.enough} lines {self.at_enough:.3g}, at most a tenth of the points'"


def term_noise(
    energy: Callable[..., Tensor],
    model: torch.nn.Module,
    domain: Any,
    *,
    points: int = 1000,
    lines: int | None = None,
    parameters: Any = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> TermNoise:
    """Measure the noise of `dirac_term` and of random points, and how many lines make the first a tenth of the second.

    Args:
        energy: see `dirac_term`.
        model: see `dirac_term`.
        domain: see `dirac_term`.
        points: how many random points a step the rest of the loss takes.
        lines: see `dirac_term`.
        parameters: tensors whose gradients are looked at; by default those of the module.
        draws: how many gradients each number is taken from.
        seed: of all of them.

    Raises:
        InputError: see `dirac_term`; or a model of one input, where there is no noise; or nothing to differentiate by.
    """
    tensors = list(model.parameters() if parameters is None else parameters) if callable(model) else []
    if not tensors:
        raise InputError("parameters: there is none to differentiate by; a module with some, or a list, would be right")
    where = as_domain(domain)
    fields, density = prepared(energy, model, where.box, None)
    if fields.inputs == 1:
        raise InputError("domain: in one input the term is exact, without noise; two inputs or more would be right")
    fields = fields.within or fields
    generator = torch.Generator().manual_seed(seed)

    def flat(value: Tensor) -> Tensor:
        found = torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True)
        return torch.cat([g.flatten() for g in found])

    def of(count: int | None) -> tuple[float, float, int]:
        drawn = [dirac_sample(energy, model, where, lines=count, generator=generator) for _ in range(draws)]
        rows = torch.stack([flat(d.term) for d in drawn])
        return spread(rows), float(rows.mean(0).norm()), max(d.lines for d in drawn)

    bulk = torch.stack([flat(_sum(fields, density, where, points, generator)) for _ in range(draws)])
    at_points = spread(bulk)
    first, size, count = of(lines)
    enough, small, tried = count, first, 0
    while small > at_points / 10 and tried < _DOUBLINGS:
        enough, tried = 2 * enough, tried + 1
        small, _, _ = of(enough)
    return TermNoise(at_points, first, size, count, enough if small <= at_points / 10 else None, small)


def spread(rows: Tensor) -> float:
    """Standard deviation of vectors (n, P), as a norm."""
    return float(rows.var(0).sum().sqrt())


def _sum(fields: Fields, density: Any, domain: Domain, points: int, generator: torch.Generator) -> Tensor:
    """∫ L dx, by random points, with its graph."""
    box = domain.box
    x = box[:, 0] + torch.rand(points, len(box), generator=generator, dtype=box.dtype) * (box[:, 1] - box[:, 0])
    x = x[domain.inside(x)].to(fields.trace.device, fields.trace.dtype).requires_grad_()
    u, du = fields.graph(x)
    found: Tensor = density.at(fields, x, u, du).sum() * float((box[:, 1] - box[:, 0]).prod()) / points
    return found
