"""Energies of batches of networks on a fixed grid: the Ritz energy, Eq. (2), and the strong form, Eq. (1) squared."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.centring import centred
from ...verify.statement.problem import RitzProblem
from ..data.antiderivatives import Table
from ..data.statement import Mesh, PointTerms, data, mesh, point_terms
from .architecture import Architecture
from .choices import EnergyForm
from .closed_form import INTEGRATED, ClosedForm, closed_form

# Parameters (B, P) → energies (B,).
Energy = Callable[[Tensor], Tensor]
ENERGIES: tuple[str, ...] = get_args(EnergyForm)


@dataclass(frozen=True)
class GridEnergy:
    """Σ weight·(½κû′² + ½ρû² − f û) over fixed nodes, with the terms at the ends.

    With v the network and s its slope, û′ = ℓ′ + D′v + D s. What depends on the nodes alone is multiplied out once:
    the energy is Σ (r + p v + q s)² − Σ load·v − constant, and Σ mass·v² more where there is a reaction.
    """

    architecture: Architecture
    mesh: Mesh
    ends: PointTerms
    lift_part: Tensor
    value_part: Tensor
    slope_part: Tensor
    load: Tensor
    constant: Tensor
    mass: Tensor | None

    def __call__(self, theta: Tensor) -> Tensor:
        """(B, P) → (B,)."""
        total = self.integral(*self.architecture.value_and_slope(theta, self.mesh.nodes))
        if self.ends:
            total = total + self.ends.energy(self.architecture.value_and_slope(theta, self.ends.places)[0])
        return total

    def integral(self, value: Tensor, slope: Tensor) -> Tensor:
        """From the network's values and slopes at the nodes, (..., n) → (...)."""
        root = torch.addcmul(self.lift_part, self.value_part, value).addcmul(self.slope_part, slope)
        total = (root * root).sum(-1) - value @ self.load - self.constant
        return total if self.mass is None else total + (value * value) @ self.mass


def grid_energy(problem: RitzProblem, architecture: Architecture, mesh: Mesh) -> GridEnergy:
    """The Ritz energy as a fixed grid sees it."""
    x, weights = mesh.nodes, mesh.weights
    root = torch.sqrt(weights * data(problem, "coefficient")(x) / 2)
    return GridEnergy(
        architecture,
        mesh,
        point_terms(problem, x.dtype, x.device),
        root * data(problem, "lift_slope")(x),
        root * data(problem, "distance_slope")(x),
        root * data(problem, "distance")(x),
        weights * data(problem, "load")(x),
        weights @ data(problem, "constant")(x),
        None if problem.reaction == 0 else weights * data(problem, "mass")(x),
    )


def node_sums(problem: RitzProblem, architecture: Architecture, rule: str, points: int) -> ClosedForm:
    """The sum over a rule's nodes for one piecewise linear layer, those between two kinks added up beforehand.

    Between kinks the network is a straight line, and all that the sum needs of the nodes there are six running sums: a
    table that is constant from node to node, in place of the moments. `energy_and_bulk` then is the sum's energy and
    autodiff's gradient to rounding, at a cost that hardly grows with the nodes.

    Raises:
        InputError: another architecture, or what `mesh` refuses.
    """
    form = closed_form(problem, architecture)
    near = centred(problem) if form.place else problem
    grid = mesh(near, rule, points, torch.float64, torch.device("cpu"))
    nodes, order = grid.nodes.sort()
    names = ("coefficient", "distance", "distance_slope", "lift_slope", "load", "constant", "mass")
    kappa, distance, by_intercept, rest, load, constant, mass = (data(near, n)(nodes) for n in names)
    # û′ = a·by_slope + g·by_intercept + rest where the network is a·x + g; the order is that of `ClosedForm`.
    by_slope = nodes * by_intercept + distance
    rows = torch.stack(
        [
            kappa * by_slope**2 / 2 + mass * nodes**2,
            kappa * by_slope * by_intercept + 2 * mass * nodes,
            kappa * by_intercept**2 / 2 + mass,
            kappa * by_slope * rest - load * nodes,
            kappa * by_intercept * rest - load,
            kappa * rest**2 / 2 - constant,
        ]
    )
    sums = torch.cat([rows.new_zeros(INTEGRATED, 1), (grid.weights[order] * rows).cumsum(-1)], -1)
    # Nodes at an end of the domain lie on the same side of every kink inside.
    edges = nodes.clamp(form.left, form.right)
    nothing = edges.new_zeros(len(nodes) + 1)
    steps = Table(edges, nothing, nothing, torch.cat([sums, sums.new_zeros(3, len(nodes) + 1)])[None])
    return replace(form, table=steps, whole=sums[:, -1, None, None])


def strong_energy(problem: RitzProblem, architecture: Architecture, mesh: Mesh) -> Energy:
    """Σ weight·((κû′)′ − ρû + f)², plus ½ penalty·(misfit)² at free ends.

    Warns where the activation's second derivative vanishes almost everywhere: the loss then does not see the kinks,
    which carry all of the network's own curvature (the paper's remark after Eq. 3).

    Raises:
        InputError: κ jumps; the strong form does not see what the flux does there.
    """
    jumps = [p.left for q, p in zip(problem.pieces, problem.pieces[1:], strict=False) if q.coefficient != p.coefficient]
    if jumps:
        raise InputError(
            f"energy: the strong form does not see the flux jump at x = {jumps[0]}, an interface of the coefficient; "
            "energy='ritz' would be right"
        )
    if problem.loads:
        raise InputError(
            f"energy: the strong form does not see the point load at x = {next(iter(problem.loads))}; energy='ritz' "
            "would be right"
        )
    if architecture.activation.kinked:
        warnings.warn(
            f"the second derivative of {architecture.activation.name} vanishes almost everywhere: the strong form "
            "cannot see the curvature at the kinks, and its minimum is not the solution; energy='ritz' asks for first "
            "derivatives only",
            UserWarning,
            stacklevel=2,
        )
    x, weights = mesh.nodes, mesh.weights
    kappa, kappa_slope = data(problem, "coefficient")(x), data(problem, "coefficient_slope")(x)
    source, reaction, lift = (data(problem, n)(x) for n in ("source", "reaction", "lift"))
    factors = [data(problem, f"{n}{s}")(x) for n in ("distance", "lift") for s in ("", "_slope", "_curvature")]
    distance, distance_slope, distance_curvature, _, lift_slope, lift_curvature = factors
    ends = point_terms(problem, x.dtype, x.device)
    end_data = [data(problem, n)(ends.places) for n in ("coefficient", "distance_slope", "lift_slope")]
    sign = torch.where(ends.places == float(problem.domain[0]), 1.0, -1.0).to(x.dtype)
    balanced = torch.tensor([float(e not in problem.essential) for f in problem.free_ends for _, e in f.places]).to(
        sign
    )
    penalty = float(problem.penalty)

    def energy(theta: Tensor) -> Tensor:
        value, slope = architecture.value_and_slope(theta, x)
        bend = architecture.curvature(theta, x)
        gradient = lift_slope + distance_slope * value + distance * slope
        second = lift_curvature + distance_curvature * value + 2 * distance_slope * slope + distance * bend
        force = source - reaction * (lift + distance * value)
        total = ((kappa * second + kappa_slope * gradient + force) ** 2) @ weights
        if ends:
            v, s = architecture.value_and_slope(theta, ends.places)
            flux = end_data[0] * (end_data[2] + end_data[1] * v + ends.distance * s)
            u = ends.lift + ends.distance * v
            # What the Ritz energy has at such an end, differentiated by u, is the wanted flux but for its sign.
            wanted = sign * (ends.pull + ends.stiffness * (u - ends.wanted))
            misfit = balanced * (flux - wanted) + (1 - balanced) * (u - ends.wanted)
            if problem.periodic:
                misfit = torch.stack([flux[..., 1] - flux[..., 0], u[..., 1] - u[..., 0]], -1)
            total = total + penalty / 2 * (misfit**2).sum(-1)
        return total

    return energy
