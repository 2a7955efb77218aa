"""The kink-conforming rule (MATH 3): Gauss points on the pieces between the kinks, nodes and weights with gradients.

Autograd through it gives the exact gradient; the same nodes detached lose the Dirac terms again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.search import Zeros, zeros
from ...verify.statement.problem import RitzProblem
from ..data.gauss import gauss_on_pieces
from ..data.statement import data, point_terms
from .architecture import Architecture
from .energies import Energy

# Gauss points a piece: rounding for the named problems on pieces of the length that 20 neurons leave.
ORDER = 16
# The Gauss point next to a pole lies at (1/190)^q of the piece's length: float64 keeps six digits of it.
_LARGEST_POWER = 4


def conforming_energy(
    problem: RitzProblem, architecture: Architecture, order: int = ORDER, *, moving: bool = True
) -> Energy:
    """The Ritz energy by Gauss points between the kinks, (B, P) → (B,); exact up to the order.

    Args:
        problem: gives κ, ρ, f, D, lift, ends and interfaces, which the pieces respect too.
        architecture: with kinks at the zeros of its pre-activations, each piecewise linear in x.
        order: Gauss points a piece.
        moving: let gradients flow through the kinks; without, autograd gives the bulk alone (MATH 1).

    Raises:
        InputError: an activation without kinks, or a deep network whose pre-activations are not piecewise linear.
    """
    if not architecture.activation.breakpoint:
        raise InputError(
            f"rule: {architecture.activation.name} has no kinks to conform to; 'midpoint' or 'gauss-legendre' is right"
        )
    if not architecture.activation.kinked and not architecture.shallow:
        raise InputError(
            f"rule: behind a first layer of {architecture.activation.name} the breaks of the network do not lie where "
            "straight lines cross zero; one hidden layer, or 'gauss-legendre', would be right"
        )
    poles = _poles(problem)
    names = ("coefficient", "distance", "distance_slope", "lift_slope", "load", "constant", "mass")
    coefficient, distance, distance_slope, lift_slope, load, constant, mass = (data(problem, n) for n in names)

    def energy(theta: Tensor) -> Tensor:
        if theta.dtype == torch.float32 and any(poles):
            raise InputError(
                f"dtype: float32 keeps too few digits of the distance to x = {max(poles)}, where data are infinite; "
                "float64 would be right"
            )
        if architecture.activation.kinked:
            lines = conforming_lines(problem, architecture, theta)
            if not moving:
                lines = replace(lines, marks=lines.marks.detach())
            x, weights, value, slope = on_lines(lines, order, poles)
        else:
            x, weights = gauss_on_pieces(_marks(problem, theta, kinks(problem, architecture, theta)), order, poles)
            value, slope = architecture.value_and_slope(theta, x)
        gradient = lift_slope(x) + distance_slope(x) * value + distance(x) * slope
        density = coefficient(x) * gradient**2 / 2 - load(x) * value - constant(x)
        if problem.reaction != 0:
            density = density + mass(x) * value**2
        ends = point_terms(problem, theta.dtype, theta.device)
        total = (weights * density).sum(-1)
        return total + ends.energy(architecture.value_and_slope(theta, ends.places)[0]) if ends else total

    return energy


@dataclass(frozen=True)
class Lines:
    """Piecewise linear networks as the straight lines that they are.

    Attributes:
        marks: ends of the pieces, ascending, (B, m): of the domain, the interfaces, the kinks, which move with theta.
        middle: a point of each piece, which holds still, (B, m − 1).
        value: there, (B, m − 1).
        slope: there, (B, m − 1).
    """

    marks: Tensor
    middle: Tensor
    value: Tensor
    slope: Tensor


def conforming_lines(problem: RitzProblem, architecture: Architecture, theta: Tensor) -> Lines:
    """The lines of each network of a batch; one evaluation of it at all kinks and at a point of each piece.

    The point need not move with the kinks: the line through it is the same wherever on the piece it is asked for.
    """
    if architecture.shallow:
        marks = _marks(problem, theta, kinks(problem, architecture, theta))
        middle = ((marks[:, 1:] + marks[:, :-1]) / 2).detach()
        return Lines(marks, middle, *architecture.value_and_slope(theta, middle))
    found = _search(architecture, theta.detach(), *(float(e) for e in problem.domain))
    still = _marks(problem, theta, found.places)
    middle = (still[:, 1:] + still[:, :-1]) / 2
    moving, value, slope = _walk(architecture, theta, found, torch.cat([found.places, middle], 1))
    return Lines(_marks(problem, theta, moving), middle, value, slope)


def on_lines(
    lines: Lines, order: int, poles: Mapping[float, int] | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gauss nodes and weights, value and slope of the networks at them, all (B, n): as good as evaluations there."""
    x, weights = gauss_on_pieces(lines.marks, order, poles)
    slope = lines.slope[..., None]
    away = x.reshape(*lines.middle.shape, order) - lines.middle[..., None]
    value = torch.addcmul(lines.value[..., None], slope, away)
    return x, weights, value.flatten(1), slope.expand(away.shape).flatten(1)


def _poles(problem: RitzProblem) -> dict[float, int]:
    """Where the data are infinite, with the q of x = pole ± t^q that smooths them.

    Raises:
        InputError: none does that keeps enough digits of the distance.
    """
    for pole, q in problem.smoothing.items():
        if not 0 < q <= _LARGEST_POWER:
            raise InputError(
                f"rule: no change of variable smooths the data at x = {pole} for the points of 'conforming'; "
                "gradient='exact' without a rule would be right"
            )
    return {float(pole): q for pole, q in problem.smoothing.items()}


def _marks(problem: RitzProblem, theta: Tensor, moving: Tensor) -> Tensor:
    # Between two poles a piece is halved, so that each has one at most.
    between = ((a + b) / 2 for a, b in pairwise(problem.poles))
    fixed = theta.new_tensor([float(e) for e in (*problem.domain, *problem.interfaces, *between)])
    return torch.cat([fixed.expand(len(theta), -1), moving], dim=-1).sort(-1).values


def kinks(problem: RitzProblem, architecture: Architecture, theta: Tensor) -> Tensor:
    """Where the networks bend, (B, K), as differentiable functions of the parameters; padded with the right end.

    One hidden layer has K = N; kinks outside the domain are moved to its end. Deeper networks are searched layer by
    layer: between the kinks found so far a pre-activation is linear, so that its zeros need no iteration.
    """
    left, right = (float(e) for e in problem.domain)
    layers, _ = architecture.split(theta)
    if architecture.shallow:
        w, b = layers[0].weights[..., 0], layers[0].biases
        flat = w == 0
        place = -b / torch.where(flat, torch.ones_like(w), w)
        return torch.where(flat, torch.full_like(w, right), place).clamp(left, right)
    found = _search(architecture, theta.detach(), left, right)
    return _walk(architecture, theta, found, found.places)[0]


def _search(architecture: Architecture, theta: Tensor, left: float, right: float) -> Zeros:
    """Kinks inside the domain, layer by layer: between those found so far a pre-activation is a straight line."""
    layers, _ = architecture.split(theta)

    def preactivations(x: Tensor, depth: int) -> Tensor:
        z = x[..., None]
        for layer in layers[: depth + 1]:
            if layer is not layers[0]:
                z = architecture.activation.jet(z)[0]
            z = z @ layer.weights.mT + layer.biases[..., None, :]
        return z

    found = zeros(
        preactivations, architecture.widths, (left, right), len(theta), theta.dtype, theta.device, straight=True
    )
    return replace(found, places=found.places.to(theta.dtype))


def _walk(architecture: Architecture, theta: Tensor, found: Zeros, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The kinks, moving with theta; value and slope of the networks at the points of x that follow after the kinks.

    The same positions with dξ/dθ = −∂z/∂θ ÷ ∂z/∂x (MATH 1): one Newton step whose value is nil.
    """
    layers, output = architecture.split(theta)
    h, slope = x[..., None], torch.ones_like(x)[..., None]
    own, own_slope, start = [], [], 0
    for layer, count in zip(layers, found.counts, strict=True):
        z, z_slope = h @ layer.weights.mT + layer.biases[..., None, :], slope @ layer.weights.mT
        block = slice(start, start + count)
        which = found.columns[:, block, None]
        own.append(z[:, block].gather(-1, which)[..., 0])
        own_slope.append(z_slope[:, block].detach().gather(-1, which)[..., 0])
        start += count
        h, gate = architecture.activation.jet(z)
        slope = gate * z_slope
    zero, steep = torch.cat(own, 1), torch.cat(own_slope, 1)
    # Where a kink meets one of an earlier layer it may have no slope of its own, and no motion either.
    moves = found.real & (steep != 0)
    step = torch.where(moves, zero - zero.detach(), 0) / torch.where(moves, steep, 1)
    value, rise = (h[:, start:] @ output[..., None])[..., 0], (slope[:, start:] @ output[..., None])[..., 0]
    return found.places - step, value, rise
