"""Central differences of a batch of energies in all parameters at once, and the step they need on a fixed grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..data.statement import Mesh
from .architecture import Architecture
from .energies import Energy, GridEnergy

# Numbers held at once by one layer of all perturbed networks: 16 Mi float64 are 128 MiB.
_CEILING = 2**24
# Noise of the jump terms that the adviser aims at: below it, truncation takes over (MATH 6).
_NOISE = 0.15
# A kink should not be moved over its neighbours: at most this share of the mean distance between kinks.
_REACH = 0.5


@dataclass(frozen=True)
class StepAdvice:
    """What the adviser says, and why.

    Attributes:
        step: ε for every network, (B,).
        shift: ε′ = ε/|w|, how far a typical kink moves, (B,).
        spacing: h, the distance between neighbouring nodes.
        noise: h/(2ε′), the expected relative error of the jump terms from nodes that a kink jumps over, (B,).
    """

    step: Tensor
    shift: Tensor
    spacing: float
    noise: Tensor

    def __str__(self) -> str:
        step, shift, noise = (float(t.median()) for t in (self.step, self.shift, self.noise))
        return (
            f"step {step:.2g}: a typical kink moves by {shift:.2g}, {shift / self.spacing:.2g} times the grid spacing; "
            f"noise of the jump terms about {noise:.0%}"
        )


def advise_step(problem: RitzProblem, architecture: Architecture, theta: Tensor, mesh: Mesh) -> StepAdvice:
    """The step ε at which central differences on a fixed grid see the kinks move (MATH 6).

    With ε′ = ε/|w| ≪ h a kink crosses a node hardly ever, and the quotient is autodiff's gradient with rare wild
    values; the relative noise h/(2ε′) falls with ε′, the truncation error grows. The advice moves a kink of median
    weight by 3.3 h, and by no more than half the mean distance between kinks.

    Args:
        problem: gives the domain.
        architecture: of the networks.
        theta: parameters, (B, P).
        mesh: the fixed grid.
    """
    left, right = (float(e) for e in problem.domain)
    spacing = (right - left) / len(mesh.nodes)
    weights = architecture.split(theta)[0][0].weights.abs().flatten(1).median(1).values
    shift = min(spacing / (2 * _NOISE), _REACH * (right - left) / architecture.widths[0])
    # All weights of a network may be 0; the step must not be.
    step = (shift * weights).clamp(min=torch.finfo(theta.dtype).eps ** (1 / 3))
    moved = step / weights.clamp(min=torch.finfo(theta.dtype).tiny)
    return StepAdvice(step, moved, spacing, spacing / (2 * moved))


def check_step(step: object) -> float:
    """A positive finite number.

    Raises:
        InputError: anything else.
    """
    if isinstance(step, bool) or not isinstance(step, int | float) or not 0 < step < float("inf"):
        raise InputError(f"step: {step!r} is no step for finite differences; a positive number such as 0.01 is right")
    return float(step)


@torch.no_grad()
def central_differences(energy: Energy, theta: Tensor, step: Tensor) -> Tensor:
    """(E(θ + ε eₖ) − E(θ − ε eₖ)) / 2ε for all k, (B, P).

    Args:
        energy: (B, P) → (B,).
        theta: (B, P).
        step: ε for every network, (B,).
    """
    if isinstance(energy, GridEnergy) and energy.architecture.shallow:
        return _neuron_by_neuron(energy, theta, step)
    batch, parameters = theta.shape
    size = 1
    if isinstance(energy, GridEnergy):
        size = len(energy.mesh.nodes) * max(energy.architecture.widths)
    chunk = max(1, _CEILING // (2 * batch * size))
    out = torch.empty_like(theta)
    for start in range(0, parameters, chunk):
        stop = min(start + chunk, parameters)
        move = torch.zeros(stop - start, parameters, dtype=theta.dtype, device=theta.device)
        move[:, start:stop].fill_diagonal_(1.0)
        moves = step[:, None, None] * torch.stack([move, -move]).flatten(0, 1)
        values = energy((theta[:, None] + moves).flatten(0, 1)).reshape(batch, 2, stop - start)
        out[:, start:stop] = (values[:, 0] - values[:, 1]) / (2 * step[:, None])
    return out


def _neuron_by_neuron(energy: GridEnergy, theta: Tensor, step: Tensor) -> Tensor:
    """The same for one hidden layer, where a parameter moves one neuron only: O(n) for each of the 2P energies."""
    nodes = len(energy.mesh.nodes)
    x = torch.cat([energy.mesh.nodes, energy.ends.places])
    w, b, c = (p[..., None] for p in theta.chunk(3, -1))
    jet = energy.architecture.activation.jet
    h, gate = jet(w * x + b)
    value, slope = (c * h).sum(1)[:, None], (c * w * gate).sum(1)[:, None]
    size = step[:, None, None]
    energies = []
    for e in (size, -size):
        h_weight, gate_weight = jet((w + e) * x + b)
        h_bias, gate_bias = jet(w * x + (b + e))
        # Change of the network, (B, 3N, n), by hidden weights, hidden biases and output weights.
        values = torch.cat([c * (h_weight - h), c * (h_bias - h), e * h], 1) + value
        slopes = (
            torch.cat([c * ((w + e) * gate_weight - w * gate), c * w * (gate_bias - gate), e * w * gate], 1) + slope
        )
        total = energy.integral(values[..., :nodes], slopes[..., :nodes])
        energies.append(total + energy.ends.energy(values[..., nodes:]) if energy.ends else total)
    return (energies[0] - energies[1]) / (2 * step[:, None])
