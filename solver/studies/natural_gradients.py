"""Natural gradients for ReLU: why the energy's Gram matrix is infinite, and training with what can stand in its place.

A natural gradient is G⁺∇E with G = ∫ κ ∂û′/∂θ ∂û′/∂θ dx (energy natural gradients: Müller & Zeinhofer 2023, arXiv
2302.13163). For ReLU ∂û/∂b = D c H(wx + b) has a step at the kink, so that its derivative is no function and G is
infinite (MATH 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..data.statement import data, mesh
from ..executors import one_thread
from ..networks.architecture import Architecture
from ..networks.gradients import exact_energy, objective
from ..training.starts import initial_parameters

Array = NDArray[np.float64]

# Nodes of the Gram matrices, whose entries are a preconditioner's: they need not be exact.
_NODES = 400
# The step that lowers the energy most, of these lengths and of these shares of the largest eigenvalue, by which all are
# raised: neurons that share a kink, or have none, make the matrices singular. None if none lowers it.
_STEPS = 2.0 ** -np.arange(20.0)
_DAMPING = (1e-12, 1e-8, 1e-4, 1e-1)


def tangents(problem: RitzProblem, theta: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """∂û/∂θ and its derivative in x between the kinks, as autodiff has it, for one hidden ReLU layer.

    Args:
        problem: gives D.
        theta: parameters (B, 3N).
        x: places (n,).

    Returns:
        two arrays (B, n, 3N).
    """
    distance, slope = (data(problem, n)(x)[:, None] for n in ("distance", "distance_slope"))
    w, b, c = (part[:, None, :] for part in theta.chunk(3, -1))
    z = x[:, None] * w + b
    gate, place = (z > 0).to(z.dtype), x[:, None]
    values = [distance * c * place * gate, distance * c * gate, distance * z * gate]
    slopes = [
        slope * c * place * gate + distance * c * gate,
        slope * c * gate,
        slope * z * gate + distance * w * gate,
    ]
    return torch.cat(values, -1), torch.cat(slopes, -1)


def _bulk(problem: RitzProblem, theta: Tensor) -> Tensor:
    """∫ κ v′v′ + ρ v v between the kinks: the part of the energy's Gram matrix that autodiff sees."""
    nodes = mesh(problem, "midpoint", _NODES, theta.dtype, theta.device)
    values, slopes = tangents(problem, theta, nodes.nodes)
    weighted = (nodes.weights * data(problem, "coefficient")(nodes.nodes))[:, None] * slopes
    if problem.reaction == 0:
        return slopes.mT @ weighted
    return slopes.mT @ weighted + values.mT @ (
        (nodes.weights * data(problem, "reaction")(nodes.nodes))[:, None] * values
    )


def _plain(problem: RitzProblem, theta: Tensor) -> Tensor:
    """∫ v v: steps are functions in L²."""
    nodes = mesh(problem, "midpoint", _NODES, theta.dtype, theta.device)
    values = tangents(problem, theta, nodes.nodes)[0]
    return values.mT @ (nodes.weights[:, None] * values)


def _broken(problem: RitzProblem, theta: Tensor) -> Tensor:
    """The bulk, and κ⟦v⟧⟦v⟧/h at each kink with h = |Ω|/N, as discontinuous Galerkin methods weigh jumps."""
    left, right = (float(e) for e in problem.domain)
    w, b, c = theta.chunk(3, -1)
    kink = -b / torch.where(w == 0, torch.ones_like(w), w)
    inside = (kink > left) & (kink < right) & (w != 0)
    kink = torch.where(inside, kink, torch.full_like(kink, (left + right) / 2))
    jump = torch.where(inside, data(problem, "distance")(kink) * c, torch.zeros_like(c))
    root = torch.sqrt(data(problem, "coefficient")(kink) * w.shape[-1] / (right - left))
    # Of ∂û/∂w and ∂û/∂b of the neuron itself; ∂û/∂c is continuous.
    rows = torch.cat([torch.diag_embed(root * jump * kink), torch.diag_embed(root * jump)], -1)
    rows = torch.cat([rows, torch.zeros_like(rows[..., : w.shape[-1]])], -1)
    return _bulk(problem, theta) + rows.mT @ rows


GRAMS: dict[str, Callable[[RitzProblem, Tensor], Tensor]] = {"bulk": _bulk, "L2": _plain, "broken": _broken}


def descend(
    problem: RitzProblem,
    width: int,
    gram: str,
    gradient: str = "exact",
    *,
    steps: int = 1000,
    seeds: Iterable[int] = range(16),
    initial: str = "paper",
) -> Array:
    """Energy gaps (seeds,) after natural gradient descent, each step as long as lowers the exact energy most.

    Args:
        problem: with a known solution.
        width: neurons of the hidden ReLU layer.
        gram: "bulk": as autodiff builds it, the H¹ Gram matrix of the tangents' continuous parts; "L2"; or "broken":
            the bulk with the jumps at the kinks, weighed as discontinuous Galerkin methods do.
        gradient: "exact", or "bulk", which is autodiff's at n = ∞.
        steps: at most; a network that no step lowers stays.
        seeds: one network each.
        initial: see `initial_parameters`.

    Raises:
        InputError: an unknown name, or what `objective` and `initial_parameters` refuse.
    """
    if gram not in GRAMS:
        raise InputError(f"gram: {gram!r} is unknown; one of {', '.join(GRAMS)} would be right")
    architecture = Architecture.of(width, "relu")
    theta = initial_parameters(problem, architecture, initial, tuple(seeds))
    followed, true = objective(problem, architecture, gradient), exact_energy(problem, architecture)
    lengths, damping = torch.as_tensor(_STEPS), torch.tensor(_DAMPING, dtype=torch.float64)
    with one_thread(), torch.no_grad():
        for _ in range(steps):
            slope = followed.gradient(theta)[1]
            values, vectors = torch.linalg.eigh(GRAMS[gram](problem, theta))
            raised = values.clamp(min=0)[:, None] + damping[:, None] * values[:, None, -1:]
            directions = ((vectors.mT @ slope[..., None]).mT / raised) @ vectors.mT
            tried = (theta[:, None, None] - lengths[:, None, None] * directions[:, None]).flatten(1, 2)
            energies = true.energy(tried.flatten(0, 1)).reshape(tried.shape[:2])
            energies = torch.where(torch.isfinite(energies), energies, torch.full_like(energies, torch.inf))
            best = energies.argmin(-1)
            chosen = tried[torch.arange(len(theta)), best]
            lower = energies.gather(-1, best[:, None])[:, 0] < true.energy(theta)
            if not bool(lower.any()):
                break
            theta = torch.where(lower[:, None], chosen, theta)
        return np.asarray(true.energy(theta).numpy() - problem.minimum_energy())


def growth(
    problem: RitzProblem, slope: float, bias: float, weight: float, steps: Iterable[float]
) -> tuple[Array, float]:
    """How the energy norm of a neuron's difference quotient in its bias grows as the step ε tends to 0.

    ∫ κ ((û′(b + ε) − û′(b)) ÷ ε)² dx, the energy's Gram entry before the limit, tends to κD²c²|w| ÷ ε at the kink.

    Args:
        problem: gives κ and D.
        slope, bias, weight: w, b and c of the neuron, its kink inside the domain.
        steps: the ε.

    Returns:
        the integral for each ε, and κD²c²|w|.
    """
    left, right = (float(e) for e in problem.domain)
    one = torch.tensor([[slope, bias, weight]], dtype=torch.float64)
    network = Architecture.of(1, "relu")
    points, weights = np.polynomial.legendre.leggauss(12)
    out = []
    for step in steps:
        moved = one + torch.tensor([[0.0, step, 0.0]])
        kinks = [-bias / slope, -(bias + step) / slope]
        edges = np.unique(np.clip([left, *kinks, right, *(float(p.right) for p in problem.pieces)], left, right))
        half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
        x = torch.as_tensor((middle[:, None] + half[:, None] * points).ravel())
        kappa, distance, bend = (data(problem, n)(x) for n in ("coefficient", "distance", "distance_slope"))
        slopes = []
        for theta in (moved, one):
            value, inner = network.value_and_slope(theta, x)
            slopes.append(bend * value[0] + distance * inner[0])
        quotient = kappa * ((slopes[0] - slopes[1]) / step) ** 2
        out.append(float(quotient.numpy() @ (half[:, None] * weights).ravel()))
    kink = torch.tensor([-bias / slope], dtype=torch.float64)
    at = float(data(problem, "coefficient")(kink) * data(problem, "distance")(kink) ** 2)
    return np.array(out), at * weight**2 * abs(slope)
