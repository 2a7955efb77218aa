"""Exact energy and gradient of one hidden piecewise linear layer, by running sums over the sorted kinks (MATH 4).

Written anew, for batches, and sharing nothing with `verify`, whose numbers it is tested against. The sums are those of
`loops`, compiled, where the extra `fast` is installed, else of `sums`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import sympy
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.centring import centre, centred
from ...verify.statement.expressions import X
from ...verify.statement.problem import Piece, RitzProblem
from ..data.antiderivatives import Table, table, vectorised
from ..data.statement import PointTerms, point_terms
from ..data.strong_solution import refuse_infinite_coefficient
from . import sums
from .architecture import Architecture
from .centring import moved_biases
from .compiled import arranged, kernel

Array = NDArray[Any]

# Rows of the table: the coefficients of a², a·g, g², a, g, 1 in the density on a piece where the network is a·x + g,
# integrated; then κD·ℓ′, κD·D′ and κD² themselves, from which the Dirac terms at a kink are made.
INTEGRATED = 6


def _rows(piece: Piece) -> list[sympy.Expr]:
    k, f, d, lift, r = piece.coefficient, piece.source, piece.distance, piece.lift, piece.reaction
    by_slope, by_intercept, rest = X * sympy.diff(d, X) + d, sympy.diff(d, X), sympy.diff(lift, X)
    return [
        k * by_slope**2 / 2 + r * (d * X) ** 2 / 2,
        k * by_slope * by_intercept + r * d**2 * X,
        k * by_intercept**2 / 2 + r * d**2 / 2,
        k * by_slope * rest - (f - r * lift) * d * X,
        k * by_intercept * rest - (f - r * lift) * d,
        k * rest**2 / 2 + r * lift**2 / 2 - f * lift,
        k * d * rest,
        k * d * by_intercept,
        k * d * d,
    ]


@lru_cache(maxsize=64)
def _table(problem: RitzProblem) -> Table:
    refuse_infinite_coefficient(problem)
    pieces = []
    for piece in problem.pieces:
        pieces.append((float(piece.left), float(piece.right), vectorised(_rows(piece))))
    return table(pieces, INTEGRATED, problem.name)


@dataclass(frozen=True)
class ClosedForm:
    """Energy and gradient of a batch of one-hidden-layer networks, O(N log N) each, exact to rounding.

    Attributes:
        place: about which all is told; see `centre`.
        left, right: the ends of the domain, less the place.
        leak: slope of the activation left of its kink.
        table: moments and Dirac factors of the problem; see `node_sums` for those of a grid.
        whole: the six moments over the whole domain, (6, 1, 1).
        ends: point loads, flux and penalty terms.
    """

    place: float
    left: float
    right: float
    leak: float
    table: Table
    whole: Tensor
    ends: PointTerms

    def energy(self, theta: Tensor) -> Tensor:
        """(B, 3N) → (B,)."""
        return torch.from_numpy(self.in_arrays(_numbers(theta), gradient=False)[0]).to(theta)

    def energy_and_bulk(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The same without the Dirac terms: where autodiff's gradient tends to on ever finer grids."""
        return self.energy_and_gradient(theta, dirac_terms=False)

    def energy_and_gradient(self, theta: Tensor, dirac_terms: bool = True) -> tuple[Tensor, Tensor]:
        """(B, 3N) → energies (B,) and gradients (B, 3N), Dirac terms included; of theta's type, on its device.

        Where kinks coincide, lie on an end or an interface, or w = b = 0, the energy has one-sided derivatives only; a
        value between them is returned there, for training must go on.
        """
        energies, gradients = self.in_arrays(_numbers(theta), dirac_terms)
        return torch.from_numpy(energies).to(theta), torch.from_numpy(gradients).to(theta)

    def in_arrays(self, theta: Array, dirac_terms: bool = True, gradient: bool = True) -> tuple[Array, Array]:
        """The same from arrays to arrays; gradients only if wanted, else with no rows."""
        cells, coefficients, whole, ends = self._arrays
        if self.place:
            theta = theta.copy()
            w, b, _ = np.split(theta, 3, axis=-1)
            b[:] = moved_biases(torch.from_numpy(w), torch.from_numpy(b), self.place).numpy()
        energies, gradients = np.empty(len(theta)), np.empty((len(theta) * gradient, theta.shape[1]))
        sweep = kernel() or sums.sweep
        sweep(
            theta, (self.left, self.right), self.leak, dirac_terms, cells, coefficients, whole, ends, energies,
            gradients,
        )  # fmt: skip
        if self.place:
            width = theta.shape[1] // 3
            gradients[:, :width] += self.place * gradients[:, width : 2 * width]
        return energies, gradients

    @cached_property
    def _arrays(self) -> tuple[Array, Array, Array, Array]:
        t, e = self.table, self.ends
        tie = torch.zeros_like(e.places) if e.tie is None else e.tie
        ends = torch.stack([e.places, e.distance, e.lift, e.pull, e.stiffness, e.wanted, tie], -1)
        return *arranged(t.inner, t.centre, t.scale, t.coefficients), self.whole.ravel().numpy(), ends.numpy().copy()


def _numbers(theta: Tensor) -> Array:
    return theta.detach().to("cpu", torch.float64).contiguous().numpy()


def energy_and_gradient(problem: RitzProblem, parameters: ArrayLike) -> tuple[Array, Array]:
    """Exact energies and gradients of ReLU networks with one hidden layer, from arrays to arrays: what a loop needs.

    The numbers are those of `exact_energy` and `exact_gradient`, to rounding, by running sums over tables of the
    problem's moments; compiled where the extra `fast` is installed. Where the energy has one-sided derivatives only, a
    value between them is returned: `exact_gradient` says so instead.

    Args:
        problem: the statement.
        parameters: w, b, c of each network in a row, (..., 3N), float64.

    Returns:
        Energies (...) and gradients (..., 3N).

    Raises:
        InputError: rows that are not three blocks, or data that oscillate too fast for a table.

    Examples:
        >>> from kinkproof.verify import ShallowNetwork, problems
        >>> batch = ShallowNetwork.random(20, seed=0, batch=(1000,)).ravel()
        >>> energies, gradients = energy_and_gradient(problems["sine-2"], batch)
        >>> energies.shape, gradients.shape
        ((1000,), (1000, 60))
    """
    theta = np.ascontiguousarray(parameters, dtype=np.float64)
    if not theta.ndim or not theta.shape[-1] or theta.shape[-1] % 3:
        raise InputError(f"parameters: shape {theta.shape} is not three blocks; (..., 3N) would be right")
    energies, gradients = _of_relu(problem).in_arrays(theta.reshape(-1, theta.shape[-1]))
    return energies.reshape(theta.shape[:-1]), gradients.reshape(theta.shape)


@lru_cache(maxsize=64)
def _of_relu(problem: RitzProblem) -> ClosedForm:
    # The width is not part of it.
    return closed_form(problem, Architecture.of(1, "relu"))


def closed_form(problem: RitzProblem, architecture: Architecture) -> ClosedForm:
    """The closed form of a problem, tabulated once and kept.

    Raises:
        InputError: more than one hidden layer, or an activation that is not piecewise linear.
    """
    leak = architecture.activation.negative_slope
    if leak is None or not architecture.shallow:
        raise InputError(
            f"gradient: the closed form is that of one piecewise linear layer, not of {architecture.widths} neurons "
            f"with {architecture.activation.name}; the conforming rule or autodiff would be right"
        )
    place = float(centre(problem.domain))
    near = centred(problem) if place else problem
    made = _table(near)
    left, right = (float(e) for e in near.domain)
    whole = made(torch.tensor([right], dtype=torch.float64))[:INTEGRATED, None]
    return ClosedForm(place, left, right, leak, made, whole, point_terms(near, torch.float64, torch.device("cpu")))
