"""A problem's data as torch functions of x, and its terms at the ends of the domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
import torch
from torch import Tensor

from ...verify.bending.statement import BeamProblem, Stretch
from ...verify.discrete.quadrature import grid
from ...verify.errors import InputError
from ...verify.statement import piecewise
from ...verify.statement.expressions import X
from ...verify.statement.problem import RitzProblem

# What may be asked for, as functions of (κ, f, ρ, D, ℓ, u).
_DATA: dict[str, Callable[..., Any]] = {
    "coefficient": lambda k, f, r, d, lift, u: k,
    "coefficient_slope": lambda k, f, r, d, lift, u: sympy.diff(k, X),
    "source": lambda k, f, r, d, lift, u: f,
    "distance": lambda k, f, r, d, lift, u: d,
    "distance_slope": lambda k, f, r, d, lift, u: sympy.diff(d, X),
    "distance_curvature": lambda k, f, r, d, lift, u: sympy.diff(d, X, 2),
    "lift": lambda k, f, r, d, lift, u: lift,
    "lift_slope": lambda k, f, r, d, lift, u: sympy.diff(lift, X),
    "lift_curvature": lambda k, f, r, d, lift, u: sympy.diff(lift, X, 2),
    "solution": lambda k, f, r, d, lift, u: u,
    "reaction": lambda k, f, r, d, lift, u: r,
    # f u − ½ρu² of u = ℓ + D v is constant + load·v − mass·v². As products: a source that is infinite at an end is
    # finite, or integrable, times D or ℓ.
    "load": lambda k, f, r, d, lift, u: f * d - r * d * lift,
    "constant": lambda k, f, r, d, lift, u: f * lift - r * lift**2 / 2,
    "mass": lambda k, f, r, d, lift, u: r * d**2 / 2,
}


# The same of a beam, (EI, f, D, ℓ, u).
_BEAM_DATA: dict[str, Callable[..., Any]] = {
    "stiffness": lambda k, f, d, lift, u: k,
    "source": lambda k, f, d, lift, u: f,
    "distance": lambda k, f, d, lift, u: d,
    "distance_slope": lambda k, f, d, lift, u: sympy.diff(d, X),
    "distance_curvature": lambda k, f, d, lift, u: sympy.diff(d, X, 2),
    "lift": lambda k, f, d, lift, u: lift,
    "lift_curvature": lambda k, f, d, lift, u: sympy.diff(lift, X, 2),
    "solution": lambda k, f, d, lift, u: u,
}


@lru_cache(maxsize=512)
def data(problem: RitzProblem | BeamProblem, name: str) -> Callable[[Tensor], Tensor]:
    """One of the problem's functions, x (...) → (...), differentiable by autograd; right-hand branch on an interface.

    Raises:
        InputError: the solution is asked for and none is known.
    """
    if name == "solution" and problem.solution is None:
        raise InputError(f"{problem.name}: no known solution; pass solution= to have something to fit to")
    if isinstance(problem, BeamProblem):
        expressions = [
            _BEAM_DATA[name](s.stiffness, s.source, s.distance, s.lift, _solution(problem, s))
            for s in problem.stretches
        ]
    else:
        expressions = [
            _DATA[name](p.coefficient, p.source, p.reaction, p.distance, p.lift, p.solution) for p in problem.pieces
        ]
    branches = [_torch_function(e) for e in expressions]
    edges = [float(e) for e in (problem.domain[0], *problem.interfaces, problem.domain[1])]
    # The outer branches go on beyond the domain.
    limits = [-float("inf"), *edges[1:-1], float("inf")]

    def evaluate(x: Tensor) -> Tensor:
        if len(branches) == 1:
            return branches[0](x)
        out = torch.zeros_like(x)
        for k, function in enumerate(branches):
            here = (limits[k] <= x) & (x < limits[k + 1])
            # A branch sees only places of its own, or the gradient of `where` would carry its NaNs elsewhere.
            inside = torch.where(here, x, torch.full_like(x, (edges[k] + edges[k + 1]) / 2))
            out = torch.where(here, function(inside), out)
        return out

    return evaluate


def _solution(problem: BeamProblem, stretch: Stretch) -> Any:
    return None if problem.solution is None else piecewise.branch(problem.solution, stretch.left, stretch.right)


def _torch_function(expression: Any) -> Callable[[Tensor], Tensor]:
    for name, instead in (("sec", "cos"), ("csc", "sin"), ("cot", "tan")):
        expression = expression.replace(getattr(sympy, name), lambda a, i=instead: 1 / getattr(sympy, i)(a))
    # As floats: the torch printer would hand torch.pow and torch.sqrt constants such as π², which they refuse.
    function = sympy.lambdify(X, sympy.N(expression, 17), "torch")
    return lambda x: function(x) + torch.zeros_like(x)


@dataclass(frozen=True)
class Mesh:
    """Fixed nodes and weights, both (n,)."""

    nodes: Tensor
    weights: Tensor


def mesh(problem: RitzProblem | BeamProblem, rule: str, points: int, dtype: torch.dtype, device: torch.device) -> Mesh:
    """Nodes and weights of one of `verify`'s rules over the whole domain.

    Raises:
        InputError: an unknown rule, a number of points that it does not have, or a node where the source is infinite.
    """
    found = grid(rule, points, problem.domain)
    nodes, weights = (torch.tensor(a, dtype=dtype, device=device) for a in (found.nodes, found.weights))
    if not torch.isfinite(data(problem, "source")(nodes)).all():
        raise InputError(f"rule: {rule} puts a node where the source is not finite; midpoint would be right")
    return Mesh(nodes, weights)


def fine_mesh(problem: RitzProblem | BeamProblem, points: int, dtype: torch.dtype, device: torch.device) -> Mesh:
    """Gauss points on every smooth piece of the data: what a smooth network is measured with."""
    ends = (problem.domain[0], *problem.interfaces, problem.domain[1])
    grids = [grid("gauss-legendre", points, piece) for piece in pairwise(ends)]
    return Mesh(
        torch.tensor(np.concatenate([g.nodes for g in grids]), dtype=dtype, device=device),
        torch.tensor(np.concatenate([g.weights for g in grids]), dtype=dtype, device=device),
    )


@dataclass(frozen=True)
class PointTerms:
    """What the energy has at free ends and point loads: pull·u + ½ stiffness·(u − wanted)², all (K,).

    Periodic ends, both among the places, have ½(Σ tie·u)² besides, the tie ±√penalty at the ends and 0 elsewhere.
    """

    places: Tensor
    distance: Tensor
    lift: Tensor
    pull: Tensor
    stiffness: Tensor
    wanted: Tensor
    tie: Tensor | None = None

    def __bool__(self) -> bool:
        return len(self.places) > 0

    def energy(self, network: Tensor) -> Tensor:
        """From the network's values at the places (..., K) → (...)."""
        u = self.lift + self.distance * network
        total = (self.pull * u + self.stiffness / 2 * (u - self.wanted) ** 2).sum(-1)
        return total if self.tie is None else total + (u @ self.tie) ** 2 / 2

    def force(self, network: Tensor) -> Tensor:
        """Derivative of the energy in the network's values, (..., K)."""
        u = self.lift + self.distance * network
        pull = self.pull + self.stiffness * (u - self.wanted)
        if self.tie is not None:
            pull = pull + (u @ self.tie)[..., None] * self.tie
        return self.distance * pull


def point_terms(problem: RitzProblem, dtype: torch.dtype, device: torch.device) -> PointTerms:
    """The terms of a problem; with no places where both ends are built in and no load acts at a point."""
    rows = []
    for term in problem.point_terms:
        for sign, place in term.places[::-1]:
            inner = [e.subs(X, place) for e in (problem.distance, problem.lift)]
            terms = (term.pull, term.stiffness, term.wanted, 0)
            if term.opposite is not None:
                terms = (0, 0, 0, sign * sympy.sqrt(term.stiffness))
            rows.append([float(v) for v in (place, *inner, *terms)])
    places, distance, lift, pull, stiffness, wanted, tie = (
        torch.tensor(rows, dtype=dtype, device=device).reshape(-1, 7).T
    )
    return PointTerms(places, distance, lift, pull, stiffness, wanted, tie if problem.periodic else None)
