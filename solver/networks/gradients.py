"""Gradients of an energy as interchangeable strategies: parameters (B, P) → energies (B,) and gradients (B, P)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from ...verify.choices import require_known
from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..data.statement import Mesh, data, fine_mesh, mesh
from .architecture import Architecture
from .choices import OF_THE_INTEGRAL, Gradient
from .closed_form import closed_form
from .conforming import conforming_energy
from .differences import advise_step, central_differences
from .drawn import ADAPTIVE, DRAWN, AdaptiveEnergy, DrawnEnergy
from .energies import ENERGIES, Energy, grid_energy, node_sums, strong_energy
from .smoothing import smoothed_energy

GRADIENTS: tuple[str, ...] = get_args(Gradient)
# Of networks with kinks on fixed nodes.
_OF_A_GRID = ("autodiff-summed", "smoothed")
# Nodes on each smooth piece of the data for what has no kinks: rounding up to weights of some hundreds.
FINE_POINTS = 1000


@dataclass(frozen=True)
class Objective:
    """What a training run minimises, and the gradient that it follows.

    Attributes:
        name: of the gradient.
        energy: the energy to which the gradient belongs, (B, P) → (B,).
        gradient: (B, P) → (energy (B,), gradient (B, P)), without a graph.
    """

    name: str
    energy: Energy
    gradient: Callable[[Tensor], tuple[Tensor, Tensor]]


def objective(
    problem: RitzProblem,
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
    """The energy of a problem on a quadrature, with one of eight gradients.

    Args:
        problem: gives κ, ρ, f, D, lift and ends.
        architecture: of the networks.
        gradient: "autodiff": of the sum over the nodes. "finite-difference": central, all 2P evaluations at once.
            "dirac-nearest", "dirac-mean": autodiff plus the derived Dirac terms, taken at the node nearest to each
            kink (Eq. 10) or at the kink with the mean of the one-sided limits. "exact": of the integral; in closed
            form for one hidden layer, else by autograd through the kink-conforming rule. It needs no nodes. "bulk": the
            same without its Dirac terms, which is autodiff on an infinitely fine grid. "autodiff-summed": autodiff's to
            rounding, the nodes between two kinks added up beforehand, for grids of very many. "smoothed": autodiff of
            the same sum with every kink rounded off over two cells to each side.
        energy: "ritz" or "strong".
        rule: "midpoint", "endpoint-mean", "trapezoid", "gauss-legendre"; "conforming": Gauss points between the kinks,
            with which autodiff is exact; "adaptive": midpoints of cells halved where the integrand asks for it; or
            points drawn anew at each step, "uniform", "stratified" or "quasi-random".
        points: nodes in all; for "conforming" about as many.
        difference_step: ε; None: the adviser's, from the present weights.
        dtype: of the numbers.
        device: where; by default the CPU.

    Raises:
        InputError: an unknown name, or a gradient that the activation or the energy does not have.
    """
    device = device or torch.device("cpu")
    require_known("gradient", gradient, GRADIENTS)
    require_known("energy", energy, ENERGIES)
    strategic = gradient in (*OF_THE_INTEGRAL, *_OF_A_GRID) or gradient.startswith("dirac")
    if strategic and not architecture.activation.kinked:
        raise InputError(
            f"gradient: {architecture.activation.name} has no kinks, and {gradient!r} nothing to add to autodiff, "
            "which is exact there up to the quadrature; 'autodiff' would be right"
        )
    if strategic and energy == "strong":
        raise InputError(f"gradient: {gradient!r} is that of the Ritz energy; energy='ritz' or 'autodiff' is right")
    if gradient == "exact":
        return _exact(problem, architecture)
    if gradient == "bulk":
        return _bulk(problem, architecture)
    if rule == "conforming":
        if energy == "strong":
            raise InputError("rule: 'conforming' follows the kinks of the Ritz energy; 'midpoint' would be right")
        pieces = sum(architecture.widths) + 1 + len(problem.interfaces)
        # Three Gauss points integrate the quadratic part exactly for κ = 1, D = x(1 − x).
        discrete: Energy = conforming_energy(problem, architecture, max(3, -(-points // pieces)))
        nodes = None
    elif rule in (*DRAWN, ADAPTIVE):
        if gradient != "autodiff" or energy == "strong":
            raise InputError(
                f"rule: points of {rule!r} are other ones at each step, for autodiff of the Ritz energy; 'midpoint' "
                "would be right"
            )
        own = AdaptiveEnergy if rule == ADAPTIVE else DrawnEnergy
        discrete, nodes = own(problem, architecture, rule, points), None
    else:
        nodes = mesh(problem, rule, points, dtype, device)
        discrete = (grid_energy if energy == "ritz" else strong_energy)(problem, architecture, nodes)
    if gradient == "autodiff":
        return Objective(gradient, discrete, autodiff(discrete))
    if nodes is None:
        raise InputError(
            f"rule: with 'conforming' autodiff is exact, and {gradient!r} is not needed; 'autodiff' is right"
        )
    if gradient == "smoothed":
        smoothed = smoothed_energy(problem, architecture, nodes)
        return Objective(gradient, smoothed, autodiff(smoothed))
    if gradient == "autodiff-summed":
        summed = node_sums(problem, architecture, rule, points)
        return Objective(gradient, summed.energy, summed.energy_and_bulk)
    if gradient == "finite-difference":
        return _finite_difference(problem, architecture, discrete, nodes, difference_step)
    if not architecture.shallow:
        raise InputError(
            f"gradient: {gradient!r} is derived for one hidden layer, not for {len(architecture.widths)}; 'exact' or "
            "'autodiff' would be right"
        )
    return _with_dirac_terms(problem, architecture, gradient, discrete, nodes)


def exact_energy(
    problem: RitzProblem,
    architecture: Architecture,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Objective:
    """The Ritz energy as an integral, not as a sum over a grid, with its gradient.

    In closed form, or between the kinks, where there are any; for smooth networks by 1,000 Gauss points on every
    smooth piece of the data.
    """
    device = device or torch.device("cpu")
    if architecture.activation.kinked:
        return _exact(problem, architecture)
    if architecture.activation.breakpoint and architecture.shallow:
        energy: Energy = conforming_energy(problem, architecture)
    else:
        energy = grid_energy(problem, architecture, fine_mesh(problem, FINE_POINTS, dtype, device))
    return Objective("exact", energy, autodiff(energy))


def autodiff(energy: Energy) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Reverse mode over a batch: networks do not interact, so the gradient of the sum holds all gradients."""

    def gradient(theta: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = theta.detach().requires_grad_()
            values = energy(leaf)
            (found,) = torch.autograd.grad(values.sum(), leaf)
        return values.detach(), found

    return gradient


def _exact(problem: RitzProblem, architecture: Architecture) -> Objective:
    if architecture.shallow:
        closed = closed_form(problem, architecture)
        return Objective("exact", closed.energy, closed.energy_and_gradient)
    energy = conforming_energy(problem, architecture)
    return Objective("exact", energy, autodiff(energy))


def _bulk(problem: RitzProblem, architecture: Architecture) -> Objective:
    if architecture.shallow:
        closed = closed_form(problem, architecture)
        return Objective("bulk", closed.energy, closed.energy_and_bulk)
    energy = conforming_energy(problem, architecture, moving=False)
    return Objective("bulk", energy, autodiff(energy))


def _finite_difference(
    problem: RitzProblem, architecture: Architecture, energy: Energy, nodes: Mesh, given: float | None
) -> Objective:
    @torch.no_grad()
    def gradient(theta: Tensor) -> tuple[Tensor, Tensor]:
        if given is None:
            step = advise_step(problem, architecture, theta, nodes).step
        else:
            step = theta.new_full((len(theta),), given)
        return energy(theta), central_differences(energy, theta, step)

    return Objective("finite-difference", energy, gradient)


def _with_dirac_terms(
    problem: RitzProblem, architecture: Architecture, name: str, energy: Energy, nodes: Mesh
) -> Objective:
    bulk = autodiff(energy)

    def gradient(theta: Tensor) -> tuple[Tensor, Tensor]:
        value, found = bulk(theta)
        return value, found + dirac_terms(problem, architecture, theta, nodes if name == "dirac-nearest" else None)

    return Objective(name, energy, gradient)


@torch.no_grad()
def dirac_terms(problem: RitzProblem, architecture: Architecture, theta: Tensor, nodes: Mesh | None) -> Tensor:
    """What autodiff leaves out for one hidden piecewise linear layer (MATH 1), (B, 3N); O(N²).

    Args:
        problem: gives κ, D, lift and the domain.
        architecture: one hidden layer with kinks.
        theta: parameters, (B, 3N).
        nodes: take everything at the node nearest to each kink (Eq. 10); None: at the kink, with the mean of the
            one-sided limits of û′.
    """
    leak = architecture.activation.negative_slope
    assert leak is not None
    left, right = (float(e) for e in problem.domain)
    w, b, c = theta.chunk(3, -1)
    kink = -b / torch.where(w == 0, torch.ones_like(w), w)
    inside = (kink > left) & (kink < right) & (w != 0)
    # Where nothing lies inside the term is nil; the place only has to be finite.
    kink = torch.where(inside, kink, torch.full_like(kink, (left + right) / 2))
    place = kink if nodes is None else _nearest(nodes.nodes, kink)
    # Row i: all neurons at the place of neuron i.
    z = w[:, None, :] * place[..., None] + b[:, None, :]
    gate = leak + (1 - leak) * (z > 0).to(w.dtype)
    value = (gate * z * c[:, None, :]).sum(-1)
    if nodes is None:
        gate.diagonal(dim1=-2, dim2=-1).fill_((1 + leak) / 2)
    slope = (gate * (c * w)[:, None, :]).sum(-1)
    kappa, distance, distance_slope, lift_slope = (
        data(problem, n)(place) for n in ("coefficient", "distance", "distance_slope", "lift_slope")
    )
    gradient = lift_slope + distance_slope * value + distance * slope
    term = torch.where(inside, kappa * distance * (1 - leak) * c * w.sign() * gradient, torch.zeros_like(c))
    return torch.cat([place * term, term, torch.zeros_like(term)], -1)


def _nearest(nodes: Tensor, x: Tensor) -> Tensor:
    if len(nodes) == 1:
        return nodes.expand(x.shape)
    after = torch.searchsorted(nodes, x).clamp(1, len(nodes) - 1)
    low, high = nodes[after - 1], nodes[after]
    return torch.where(x - low <= high - x, low, high)
