"""The kink-conforming rule (MATH 3): Gauss points on the pieces between the kinks, nodes and weights with gradients.

Autograd through it gives the exact gradient; the same nodes detached lose the Dirac terms again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..verify.errors import InputError
from ..verify.problem import RitzProblem
from .architecture import Architecture
from .energies import Energy
from .gauss import gauss_on_pieces
from .statement import data, end_terms

# Gauss points a piece: rounding for the named problems on pieces of the length that 20 neurons leave.
ORDER = 16


def conforming_energy(problem: RitzProblem, architecture: Architecture, order: int = ORDER) -> Energy:
    """The Ritz energy by Gauss points between the kinks, (B, P) → (B,); exact up to the order.

    Args:
        problem: gives κ, f, D, lift, ends and interfaces, which the pieces respect too.
        architecture: with kinks at the zeros of its pre-activations, each piecewise linear in x.
        order: Gauss points a piece.

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
    names = ("coefficient", "distance", "distance_slope", "lift_slope", "source_distance", "source_lift")
    coefficient, distance, distance_slope, lift_slope, load, constant = (data(problem, n) for n in names)

    linear = architecture.activation.kinked

    def energy(theta: Tensor) -> Tensor:
        marks = conforming_marks(problem, architecture, theta)
        x, weights = gauss_on_pieces(marks, order)
        value, slope = on_pieces(architecture, theta, marks, x) if linear else architecture.value_and_slope(theta, x)
        gradient = lift_slope(x) + distance_slope(x) * value + distance(x) * slope
        density = coefficient(x) * gradient**2 / 2 - load(x) * value - constant(x)
        ends = end_terms(problem, theta.dtype, theta.device)
        total = (weights * density).sum(-1)
        return total + ends.energy(architecture.value_and_slope(theta, ends.places)[0]) if ends else total

    return energy


def conforming_marks(problem: RitzProblem, architecture: Architecture, theta: Tensor) -> Tensor:
    """Ends of the smooth pieces, ascending, (B, m): of the domain, the interfaces, and the kinks."""
    fixed = torch.tensor(
        [float(e) for e in (*problem.domain, *problem.interfaces)], dtype=theta.dtype, device=theta.device
    )
    moving = kinks(problem, architecture, theta)
    return torch.cat([fixed.expand(len(theta), -1), moving], dim=-1).sort(-1).values


def on_pieces(architecture: Architecture, theta: Tensor, marks: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Value and slope (B, n) of a piecewise linear network at n nodes, equally many on each piece.

    On a piece the network is a straight line, which its value and slope at one point tell: one evaluation a piece, and
    at a point that need not move with the kinks.
    """
    middle = ((marks[:, 1:] + marks[:, :-1]) / 2).detach()
    value, slope = architecture.value_and_slope(theta, middle)
    shape = (*middle.shape, x.shape[-1] // middle.shape[-1])
    away = x.unflatten(-1, shape[1:]) - middle[..., None]
    slope = slope[..., None]
    return torch.addcmul(value[..., None], slope, away).flatten(1), slope.expand(shape).flatten(1)


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
    place, layer, neuron = _search(architecture, theta.detach(), left, right)
    return _attached(architecture, theta, place, layer, neuron)


def _preactivations(architecture: Architecture, theta: Tensor, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(z, dz/dx) of every layer at x (B, K), each (B, K, N_l)."""
    layers, _ = architecture.split(theta)
    h, slope = x[..., None], torch.ones_like(x)[..., None]
    out = []
    for layer in layers:
        z, z_slope = h @ layer.weights.mT + layer.biases[..., None, :], slope @ layer.weights.mT
        out.append((z, z_slope))
        h, gate = architecture.activation.jet(z)
        slope = gate * z_slope
    return out


def _search(architecture: Architecture, theta: Tensor, left: float, right: float) -> tuple[Tensor, Tensor, Tensor]:
    """Positions, layers (−1 for padding) and neurons of all kinks inside the domain, each (B, K)."""
    batch = len(theta)
    edges = theta.new_tensor([left, right]).expand(batch, 2)
    places, owners, neurons = [theta.new_zeros(batch, 0)], [], []
    for depth, width in enumerate(architecture.widths):
        z = _preactivations(architecture, theta, edges)[depth][0]
        before, after = z[:, :-1], z[:, 1:]
        crossing = (before * after < 0).flatten(1)
        start, length = edges[:, :-1, None], (edges[:, 1:] - edges[:, :-1])[..., None]
        # Where nothing crosses, the difference may be nil; what is divided there is not used.
        drop = torch.where(before * after < 0, before - after, torch.ones_like(before))
        found = (start + length * before / drop).flatten(1)
        count = int(crossing.sum(1).max())
        # Crossings first, the rest is cut off or pads with the right end.
        order = torch.argsort(crossing.to(torch.int8), dim=1, descending=True, stable=True)[:, :count]
        real = crossing.gather(1, order)
        places.append(torch.where(real, found.gather(1, order), theta.new_full(order.shape, right)))
        owners.append(torch.where(real, depth, -1))
        neurons.append(order % width)
        edges = torch.cat([edges, places[-1]], dim=1).sort(1).values
    return torch.cat(places, 1), torch.cat(owners, 1), torch.cat(neurons, 1)


def _attached(architecture: Architecture, theta: Tensor, place: Tensor, layer: Tensor, neuron: Tensor) -> Tensor:
    """The same positions with dξ/dθ = −∂z/∂θ ÷ ∂z/∂x (MATH 1): one Newton step whose value is nil."""
    for depth, (z, z_slope) in enumerate(_preactivations(architecture, theta, place.detach())):
        mine = layer == depth
        own = z.gather(-1, neuron.clamp(max=z.shape[-1] - 1)[..., None])[..., 0]
        own_slope = z_slope.expand(z.shape).gather(-1, neuron.clamp(max=z.shape[-1] - 1)[..., None])[..., 0].detach()
        step = (own - own.detach()) / torch.where(mine, own_slope, torch.ones_like(own_slope))
        place = torch.where(mine, place - step, place)
    return place
