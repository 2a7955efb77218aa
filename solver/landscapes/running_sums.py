"""Ritz energies of one hidden layer by running sums over its sorted kinks (MATH 4): on a grid, and as integrals.

Between two kinks the network is a polynomial Σ pₖ xᵏ, of degree 1 for ReLU and 2 for ReLU². Its energy there is a
quadratic form in the p whose coefficients are moments of the problem alone. Running sums of the moments, over the nodes
of a grid or as antiderivatives, serve all networks: O(N log n) each, whatever the number n of nodes.

`closed_form` has the integral for piecewise linear layers too, with its gradient written out, as training needs it;
here is the energy alone, for ReLU² and grids as well, and in a form of which autograd makes second derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Protocol

import sympy
import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.centring import centre, centred
from ...verify.statement.expressions import X
from ...verify.statement.problem import Piece, RitzProblem
from ..data.antiderivatives import Table, table, vectorised
from ..data.statement import Mesh, PointTerms, data, point_terms
from ..data.strong_solution import refuse_infinite_coefficient
from ..networks.architecture import Architecture
from ..networks.centring import moved_biases

# Powers of z that a neuron is made of where it is active.
_DEGREES = {"relu": 1, "leaky-relu": 1, "relu2": 2}


def degree(architecture: Architecture) -> int | None:
    """Of the polynomials between the kinks: 1 or 2; None where running sums do not help (deep, smooth)."""
    return _DEGREES.get(architecture.activation.name) if architecture.shallow else None


def quadratic_rows(degree: int) -> list[tuple[int, int]]:
    """The products pⱼ pₖ in the order of the moments."""
    return list(combinations_with_replacement(range(degree + 1), 2))


class Sums(Protocol):
    """Where the neurons begin and end, and the running sums there."""

    def marks(self, w: Tensor, b: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """Running sums (B, N, R) in the order of the kinks, and that order (B, N); `moved`: biases about the place."""
        ...

    @property
    def whole(self) -> Tensor:
        """The sums over the whole domain, (R,)."""
        ...


@dataclass(frozen=True)
class NodeSums:
    """Over the nodes of a grid.

    Attributes:
        nodes: ascending, (n,), as they are.
        before: sums over the first k nodes, (n + 1, R).
    """

    nodes: Tensor
    before: Tensor

    def marks(self, w: Tensor, b: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """As in `Sums`; a node is on the side that max(0, wx + b), in the same arithmetic, says."""
        points = len(self.nodes)
        falling = w < 0

        def on_left(index: Tensor) -> Tensor:
            # A rising neuron is silent left of its kink, a falling one active.
            return (w * self.nodes[index] + b > 0) == falling

        # w = 0 gives ∓∞, or NaN where b = 0 too: any place will do, see below.
        count = torch.searchsorted(self.nodes, torch.nan_to_num(-b.detach() / w.detach()))
        # Division and wx + b may round a node that is all but on the kink to different sides: wx + b has the last word.
        count = count + (on_left(count.clamp(max=points - 1)) & (count < points))
        count = count - (~on_left((count - 1).clamp(min=0)) & (count > 0)).long()
        # Without a kink a neuron is active everywhere or nowhere.
        count = torch.where(w == 0, torch.where(b > 0, 0, points), count)
        count, order = count.sort(-1)
        return self.before.index_select(0, count.flatten()).reshape(*count.shape, -1), order

    @property
    def whole(self) -> Tensor:
        """As in `Sums`."""
        return self.before[-1]


@dataclass(frozen=True)
class Antiderivatives:
    """As integrals; autograd moves the kinks too, so that two derivatives of the energy are the exact Hessian.

    Attributes:
        left, right: the ends of the domain, less the place.
        table: of the running integrals.
    """

    left: float
    right: float
    table: Table

    def marks(self, w: Tensor, b: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """As in `Sums`."""
        flat, b = w == 0, moved
        kink = -b / torch.where(flat, torch.ones_like(w), w)
        # Without a kink a neuron is active everywhere or nowhere: as if the kink lay at the left or the right end.
        at_end = torch.where(b > 0, self.left, self.right).to(w.dtype)
        kink, order = torch.where(flat, at_end, kink).clamp(self.left, self.right).sort(-1)
        return self._at(kink), order

    @property
    def whole(self) -> Tensor:
        """As in `Sums`."""
        return self._at(self.table.centre.new_tensor(self.right))

    def _at(self, x: Tensor) -> Tensor:
        """x (...) → (..., R), by Horner's scheme: unlike products of powers it has all its derivatives at t = 0."""
        made = self.table
        cell = torch.searchsorted(made.inner, x.detach(), right=True)
        t = (x - made.centre[cell]) * made.scale[cell]
        value = made.coefficients[-1][:, cell]
        for power in reversed(range(len(made.coefficients) - 1)):
            value = value * t + made.coefficients[power][:, cell]
        return value.movedim(0, -1)


@dataclass(frozen=True)
class RunningSums:
    """Energy of a batch of one-hidden-layer networks, (B, 3N) → (B,), twice differentiable by autograd.

    Attributes:
        degree: of the polynomials between the kinks.
        leak: slope of the activation left of its kink.
        sums: of the moments.
        constant: what does not depend on the network.
        ends: point loads, flux and penalty terms.
        place: about which all is told; see `centre`.
    """

    degree: int
    leak: float
    sums: Sums
    constant: Tensor
    ends: PointTerms
    place: float

    def __call__(self, theta: Tensor) -> Tensor:
        """(B, 3N) → (B,)."""
        w, b, c = theta.chunk(3, -1)
        moved = moved_biases(w, b, self.place)
        marks, order = self.sums.marks(w, b, moved)
        b = moved
        whole = self.sums.whole.expand(len(theta), 1, -1)
        pieces = torch.cat([marks[:, :1], marks[:, 1:] - marks[:, :-1], whole - marks[:, -1:]], 1)
        falling = (w < 0).to(theta.dtype)
        powers = self._powers(w, b, c)
        polynomial = []
        for power in powers:
            # A rising neuron starts at its kink, a falling one ends there.
            start = (power * (self.leak + (1 - self.leak) * falling)).sum(-1, keepdim=True)
            change = (power * ((1 - self.leak) * (1 - 2 * falling))).gather(-1, order)
            polynomial.append(torch.cat([start, change], -1).cumsum(-1))
        # Terms that share a factor are summed before they are multiplied by it.
        density = torch.zeros_like(polynomial[0])
        row, size = 0, len(powers)
        linear = size * (size + 1) // 2
        for j, p in enumerate(polynomial):
            inner = pieces[..., linear + j]
            for q in polynomial[j:]:
                inner = inner + pieces[..., row] * q
                row += 1
            density = density + p * inner
        energy = density.sum(-1) + self.constant
        if self.ends:
            z = w[:, None] * self.ends.places[:, None] + b[:, None]
            active = (self.leak + (1 - self.leak) * (z > 0).to(theta.dtype)) * z**self.degree
            energy = energy + self.ends.energy((active * c[:, None]).sum(-1))
        return energy

    def _powers(self, w: Tensor, b: Tensor, c: Tensor) -> list[Tensor]:
        """Coefficients of 1, x, … in c·(wx + b)^degree."""
        return [c * b, c * w] if self.degree == 1 else [c * b * b, 2 * (c * b) * w, c * w * w]


def grid_sums(problem: RitzProblem, architecture: Architecture, mesh: Mesh) -> RunningSums:
    """What `grid_energy` gives, to rounding, at O(N log n) a network.

    Raises:
        InputError: a network that is no polynomial between its kinks.
    """
    highest = _required_degree(architecture)
    place = float(centre(problem.domain))
    near = centred(problem) if place else problem
    x, weights = mesh.nodes - place, mesh.weights
    names = ("coefficient", "distance", "distance_slope", "lift_slope", "load", "constant", "mass")
    kappa, distance, distance_slope, lift_slope, load, constant, mass = (data(near, n)(x) for n in names)
    # (D xᵏ)′ for every power.
    slopes = [distance_slope * x**k + (distance * k * x ** (k - 1) if k else 0) for k in range(highest + 1)]
    rows = [
        (1.0 if j != k else 0.5) * (kappa * slopes[j] * slopes[k] + 2 * mass * x ** (j + k))
        for j, k in quadratic_rows(highest)
    ]
    rows += [kappa * lift_slope * slope - load * x**k for k, slope in enumerate(slopes)]
    moments = (weights * torch.stack(rows)).T
    before = torch.cat([torch.zeros_like(moments[:1]), moments.cumsum(0)])
    rest = weights @ (kappa * lift_slope**2 / 2 - constant)
    return _assembled(near, architecture, NodeSums(mesh.nodes, before.contiguous()), rest, place)


def exact_sums(problem: RitzProblem, architecture: Architecture) -> RunningSums:
    """The energy as an integral, exact to rounding.

    Raises:
        InputError: a network that is no polynomial between its kinks, or data that oscillate too fast.
    """
    place = float(centre(problem.domain))
    near = centred(problem) if place else problem
    made = _table(near, _required_degree(architecture))
    left, right = (float(e) for e in near.domain)
    whole = Antiderivatives(left, right, made).whole
    kept = Table(made.inner, made.centre, made.scale, made.coefficients[:, :-1].contiguous())
    return _assembled(near, architecture, Antiderivatives(left, right, kept), whole[-1], place)


def _assembled(
    problem: RitzProblem, architecture: Architecture, sums: Sums, constant: Tensor, place: float
) -> RunningSums:
    ends = point_terms(problem, torch.float64, torch.device("cpu"))
    leak = architecture.activation.negative_slope or 0.0
    return RunningSums(_required_degree(architecture), leak, sums, constant, ends, place)


def _required_degree(architecture: Architecture) -> int:
    found = degree(architecture)
    if found is None:
        raise InputError(
            f"activation: {architecture.widths} neurons with {architecture.activation.name} are no polynomials between "
            f"kinks; one hidden layer with one of {', '.join(_DEGREES)} would be right"
        )
    return found


@lru_cache(maxsize=64)
def _table(problem: RitzProblem, highest: int) -> Table:
    """Running integrals of the moments, that of the constant last."""
    refuse_infinite_coefficient(problem)
    pieces = [(float(p.left), float(p.right), vectorised(_rows(p, highest))) for p in problem.pieces]
    rows = len(quadratic_rows(highest)) + highest + 2
    return table(pieces, rows, problem.name)


def _rows(piece: Piece, highest: int) -> list[sympy.Expr]:
    k, r, d, lift = piece.coefficient, piece.reaction, piece.distance, piece.lift
    f, rest = piece.source - r * lift, sympy.diff(lift, X)
    slopes = [sympy.diff(d * X**power, X) for power in range(highest + 1)]
    rows = [
        (k * slopes[i] * slopes[j] + r * d**2 * X ** (i + j)) / (1 if i != j else 2) for i, j in quadratic_rows(highest)
    ]
    rows += [k * rest * slope - f * d * X**power for power, slope in enumerate(slopes)]
    return [*rows, k * rest**2 / 2 + r * lift**2 / 2 - piece.source * lift]
