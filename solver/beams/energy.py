"""A beam's energy, ½EI û″² − f û, of batches of networks: summed over points, or integrated between the kinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from ...verify.bending.statement import BeamProblem
from ...verify.choices import Rule, require_known
from ...verify.errors import InputError
from ..data.gauss import gauss_on_pieces
from ..data.statement import data, mesh
from ..networks.architecture import Architecture
from ..networks.energies import Energy
from ..networks.gradients import Objective, autodiff

# Networks whose û″ is a function, and jumps (ReLU²) or bends (ReLU³) at the kinks.
ACTIVATIONS = ("relu2", "relu3")
GRADIENTS = ("autodiff", "exact", "bulk")
# Gauss points a piece: rounding for the named beams.
_ORDER = 16


@dataclass(frozen=True, eq=False)
class BeamDensity:
    """½EI û″² − f û with û = ℓ + D·network, at places."""

    problem: BeamProblem
    architecture: Architecture

    def along(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """At places (n,), or (B, n), as a function of the parameters (B, P) → (B, n)."""
        names = ("stiffness", "source", "distance", "distance_slope", "distance_curvature", "lift", "lift_curvature")
        stiffness, source, d, d_1, d_2, lift, lift_2 = (data(self.problem, n)(x) for n in names)

        def density(theta: Tensor) -> Tensor:
            value, slope = self.architecture.value_and_slope(theta, x)
            bend = lift_2 + d_2 * value + 2 * d_1 * slope + d * self.architecture.curvature(theta, x)
            return stiffness * bend * bend / 2 - source * (lift + d * value)

        return density


def summed_energy(
    problem: BeamProblem, architecture: Architecture, rule: str, points: int, dtype: torch.dtype, device: torch.device
) -> Energy:
    """Over the nodes of a rule, (B, P) → (B,): autodiff of it does not see the kinks of ReLU² move."""
    nodes = mesh(problem, rule, points, dtype, device)
    density = BeamDensity(problem, architecture).along(nodes.nodes)
    return lambda theta: density(theta) @ nodes.weights


def integrated_energy(problem: BeamProblem, architecture: Architecture, *, moving: bool = True) -> Energy:
    """By Gauss points between the kinks, (B, P) → (B,), exact to rounding (MATH 3).

    Args:
        problem: gives EI, f, D and lift.
        architecture: one hidden layer of ReLU² or ReLU³.
        moving: let gradients flow through the kinks; without, autograd gives the bulk alone.
    """
    density = BeamDensity(problem, architecture)
    left, right = (float(e) for e in problem.domain)
    fixed = [float(e) for e in (*problem.domain, *problem.interfaces)]

    def energy(theta: Tensor) -> Tensor:
        w, b, _ = theta.chunk(3, -1)
        flat = w == 0
        kinks = torch.where(flat, right, -b / torch.where(flat, 1.0, w)).clamp(left, right)
        marks = torch.cat([theta.new_tensor(fixed).expand(len(theta), -1), kinks], -1).sort(-1).values
        x, weights = gauss_on_pieces(marks if moving else marks.detach(), _ORDER)
        return (weights * density.along(x)(theta)).sum(-1)

    return energy


def beam_objective(
    problem: BeamProblem,
    architecture: Architecture,
    gradient: str = "autodiff",
    *,
    energy: str = "ritz",
    rule: str = "midpoint",
    points: int = 200,
    difference_step: float | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Objective:
    """The energy of a beam with one of three gradients; as `networks.gradients.objective` for other problems.

    Args:
        problem: gives EI, f, D and lift.
        architecture: one hidden layer of ReLU² or ReLU³.
        gradient: "autodiff": of the sum over the nodes; "exact": of the integral; "bulk": the same without its Dirac
            terms.
        energy: "ritz".
        rule: one with fixed nodes, or "conforming", with which autodiff is exact.
        points: nodes in all; of no account between the kinks.
        difference_step: None.
        dtype: of the numbers.
        device: where; by default the CPU.

    Raises:
        InputError: an unknown name, or what is not made for beams.
    """
    require_known("gradient", gradient, GRADIENTS)
    require_known("rule", rule, (*get_args(Rule), "conforming"))
    if architecture.activation.name not in ACTIVATIONS or not architecture.shallow:
        raise InputError(
            f"activation: a beam is trained with one hidden layer of relu2 or relu3, whose second derivatives are "
            f"functions, not with {len(architecture.widths)} of {architecture.activation.name}; 'relu2' would be right"
        )
    if energy != "ritz":
        raise InputError(f"energy: {energy!r} is not made for beams; 'ritz' would be right")
    if difference_step is not None:
        raise InputError("difference_step: a beam takes no differences; leaving it out would be right")
    if gradient == "autodiff" and rule != "conforming":
        summed = summed_energy(problem, architecture, rule, points, dtype, device or torch.device("cpu"))
        return Objective(gradient, summed, autodiff(summed))
    integrated = integrated_energy(problem, architecture, moving=gradient != "bulk")
    return Objective(gradient, integrated, autodiff(integrated))
