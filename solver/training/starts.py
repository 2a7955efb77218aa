"""Where training starts: the paper's random parameters, torch's own, or kinks spread over the domain."""

from __future__ import annotations

import math
from typing import get_args

import torch
from torch import Tensor

from ...verify.bending.statement import BeamProblem
from ...verify.choices import require_known
from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..data.strong_solution import strong_solution
from ..free_knots.density import kink_density
from ..networks.architecture import Architecture
from ..networks.choices import Initial

# What `fit` draws itself; a start that is handed over is "given".
INITIALS: tuple[str, ...] = get_args(Initial)
GIVEN = "given"
DESCRIPTIONS = {
    "paper": "w, b uniform in (−1, 1)",
    "torch": "torch's own start",
    "even": "kinks spread evenly, facing both ways",
    "density": "kinks spread by the theory's density, facing both ways",
    "regression": "kinks spread at random, output weights by least squares",
    GIVEN: "a given start",
}


def initial_parameters(
    problem: RitzProblem | BeamProblem, architecture: Architecture, initial: str, seeds: tuple[int, ...]
) -> Tensor:
    """Starting parameters (B, P) in float64, one row a seed.

    "paper": first-layer weights and all biases uniform in (−1, 1), the others in ±1/√(inputs). "torch": as
    `torch.nn.Linear` draws them, all in ±1/√(inputs); for one hidden layer the same. "even": one hidden layer's kinks
    at random places of equal cells of the domain, facing right and left in turn, all |w| of one over the domain's
    length. "density": the same of cells that hold equal parts of (κ(D(u/D)″)²)^⅓ (MATH 8).

    Raises:
        InputError: an unknown start, kinks to be spread of several layers or none, or the density of a beam.
    """
    require_known("initial", initial, INITIALS)
    theta = architecture.initial(seeds)
    if initial == "paper":
        return theta
    if initial == "torch":
        return as_torch(architecture, theta)
    # ReLU³ bends at its kinks too, which only a beam feels.
    bending = isinstance(problem, BeamProblem)
    if not (architecture.shallow and (architecture.activation.breakpoint or bending)):
        raise InputError(
            f"initial: {initial!r} spreads the kinks of one hidden layer, not of {architecture.widths} neurons with "
            f"{architecture.activation.name}; 'paper' or 'torch' would be right"
        )
    left, right = (float(e) for e in problem.domain)
    _, b, c = theta.chunk(3, -1)
    width = b.shape[-1]
    # b is uniform in (−1, 1): a place within the cell.
    shares = (torch.arange(width, dtype=torch.float64) + (1 + b) / 2) / width
    if initial == "density":
        if isinstance(problem, BeamProblem):
            raise InputError("initial: 'density' is worked out for energies in u′, not in u″; 'even' would be right")
        place = torch.as_tensor(kink_density(strong_solution(problem)).place(shares.numpy()))
    else:
        place = left + (right - left) * shares
    facing = 1.0 - 2.0 * (torch.arange(width, dtype=torch.float64) % 2)
    slope = (facing / (right - left)).expand_as(b)
    return torch.cat([slope, -slope * place, c], -1)


def as_torch(architecture: Architecture, theta: Tensor) -> Tensor:
    """Parameters (B, P) as `Architecture.initial` draws them, with biases in ±1/√(inputs) instead of (−1, 1)."""
    layers, output = architecture.split(theta)
    inputs = (architecture.inputs, *architecture.widths[:-1])
    parts = [
        p
        for layer, n in zip(layers, inputs, strict=True)
        for p in (layer.weights.flatten(1), layer.biases / math.sqrt(n))
    ]
    return torch.cat([*parts, output], -1)
