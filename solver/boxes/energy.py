"""The Ritz energy of networks times D in a box, and its gradient with and without what autodiff leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from ...verify.choices import unknown
from ...verify.errors import InputError
from ...verify.models.seeing.operations import Interception
from ...verify.models.space.domains import Region
from ...verify.statement.box import BoxProblem
from ..mending.dirac_term import dirac_term
from ..networks.architecture import Architecture
from ..networks.choices import BoxGradient
from .points import generators, points_of
from .statement import box_data, inside

GRADIENTS: tuple[str, ...] = get_args(BoxGradient)


def parameters_of(architecture: Architecture, problem: BoxProblem) -> int:
    """Of one network: of further components of u their output weights come behind."""
    return architecture.parameters + (problem.components - 1) * architecture.widths[-1]


def field_and_gradient(
    architecture: Architecture, problem: BoxProblem, theta: Tensor, x: Tensor
) -> tuple[Tensor, Tensor]:
    """u = D·network (B, n) and ∇u (B, n, d) at points (n, d) or (B, n, d).

    Where u has components (B, n, m) and (B, n, m, d): the network has an output for each.
    """
    given = box_data(problem)
    parts = [architecture.value_and_gradient(p, x) for p in _components(architecture, problem, theta)]
    distance, rise = given.distance(x), given.distance_gradient(x)
    values = [distance * value for value, _ in parts]
    slopes = [distance[..., None] * slope + value[..., None] * rise for value, slope in parts]
    if problem.lame is None:
        return values[0], slopes[0]
    return torch.stack(values, -1), torch.stack(slopes, -2)


def _components(architecture: Architecture, problem: BoxProblem, theta: Tensor) -> list[Tensor]:
    """For each component of u the hidden layers' parameters and its own output weights, (B, P)."""
    width = architecture.widths[-1]
    hidden = architecture.parameters - width
    if problem.components == 1:
        return [theta]
    outputs = theta[..., hidden:].unflatten(-1, (-1, width)).unbind(-2)  # type: ignore[no-untyped-call, unused-ignore]
    return [torch.cat([theta[..., :hidden], o], -1) for o in outputs]


def sampled_energy(architecture: Architecture, problem: BoxProblem, theta: Tensor, x: Tensor) -> Tensor:
    """Volume times the mean of the energy density over points, (B,)."""
    given = box_data(problem)
    u, du = field_and_gradient(architecture, problem, theta, x)
    return problem.volume * (given.stored(x, du) - given.load(x, u)).mean(-1)


class Member(torch.nn.Module):
    """One network of a batch as a module: its parameters are views of that row, and move with it.

    Args:
        architecture: of the batch; piecewise linear.
        problem: whose D multiplies the network.
        row: the parameters, (P,).
    """

    def __init__(self, architecture: Architecture, problem: BoxProblem, row: Tensor) -> None:
        super().__init__()
        width = architecture.widths[-1]
        layers, _ = architecture.split(row[None, : architecture.parameters])
        self.hidden = torch.nn.ModuleList()
        for layer in layers:
            weights, biases = layer.weights[0], layer.biases[0]
            linear = torch.nn.Linear(weights.shape[1], weights.shape[0], device="meta")
            linear.weight, linear.bias = torch.nn.Parameter(weights), torch.nn.Parameter(biases)
            self.hidden.append(linear)
        self.output = torch.nn.Parameter(row[architecture.parameters - width :].reshape(problem.components, width))
        self._slope = float(architecture.activation.negative_slope or 0)
        self._distance = box_data(problem).distance

    def forward(self, x: Tensor) -> Tensor:
        """u at points (n, d), (n, m)."""
        h = x
        for linear in self.hidden:
            z = linear(h)
            h = torch.nn.functional.leaky_relu(z, self._slope) if self._slope else torch.relu(z)
        with Interception.paused():
            # Where D breaks nothing moves.
            distance = self._distance(x)
        return distance[:, None] * torch.nn.functional.linear(h, self.output)


class BoxObjective:
    """Energy and gradient of a batch of networks, at points and along lines of its own.

    Args:
        problem: what is minimised.
        architecture: of the networks.
        gradient: "autodiff", or "exact": with `dirac_term` added.
        points: how many.
        sampling: see `points_of`.
        lines: see `dirac_term`.
        seeds: of the networks.
        dtype: of the numbers.

    Raises:
        InputError: an unknown name, or an activation that leaves nothing to add.
    """

    def __init__(
        self,
        problem: BoxProblem,
        architecture: Architecture,
        gradient: str,
        points: int,
        sampling: str,
        lines: int | None,
        seeds: Sequence[int],
        dtype: torch.dtype,
    ) -> None:
        if gradient not in GRADIENTS:
            raise unknown("gradient", gradient, GRADIENTS)
        if gradient == "exact" and not architecture.activation.kinked:
            raise InputError(
                f"gradient: {architecture.activation.name} has no kinks, and 'exact' nothing to add to autodiff, "
                "which is exact there up to the quadrature; 'autodiff' would be right"
            )
        if gradient == "autodiff" and lines is not None:
            raise InputError("lines: 'autodiff' takes none; gradient='exact' would be right")
        self.name = gradient
        self.problem, self.architecture, self.lines = problem, architecture, lines
        self.points = points_of(problem, sampling, points, seeds, dtype)
        self.generators = generators(seeds, of_lines=True)
        self.rows = torch.zeros(len(seeds), parameters_of(architecture, problem), dtype=dtype)
        self.members = [Member(architecture, problem, row) for row in self.rows] if gradient == "exact" else []

    def gradient(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Energies at this step's points (B,) and gradients (B, P), without a graph."""
        leaf = theta.detach().requires_grad_()
        energy = sampled_energy(self.architecture, self.problem, leaf, self.points())
        (found,) = torch.autograd.grad(energy.sum(), leaf)
        if self.members:
            found = found + self.term(theta, self.lines, self.generators)
        return energy.detach(), found

    def term(self, theta: Tensor, lines: int | None, drawing: Sequence[torch.Generator]) -> Tensor:
        """What autodiff leaves out, sampled along lines, (B, P)."""
        with torch.no_grad():
            self.rows.copy_(theta)
        stored, d, m = box_data(self.problem).stored, self.problem.inputs, self.problem.components
        domain: Any = [[float(e) for e in side] for side in self.problem.domain]
        if self.problem.without:
            domain = Region(lambda x: inside(self.problem, x), domain)

        def density(x: Tensor, u: Tensor, du: Tensor) -> Tensor:
            # f·u does not jump.
            return stored(x.reshape(-1, d), du.reshape((-1, d) if self.problem.lame is None else (-1, m, d)))

        out = []
        for member, generator in zip(self.members, drawing, strict=True):
            found = dirac_term(density, member, domain, lines=lines, generator=generator)
            parts = torch.autograd.grad(found, _in_order(member), allow_unused=True, materialize_grads=True)
            out.append(torch.cat([p.flatten() for p in parts]))
        return torch.stack(out)


def _in_order(member: Member) -> list[Tensor]:
    """The parameters as the vector has them."""
    return [*member.hidden.parameters(), member.output]
