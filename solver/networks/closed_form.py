"""Exact energy and gradient of one hidden piecewise linear layer, by running sums over the sorted kinks (MATH 4).

Written anew for torch, batched, and sharing nothing with `verify`, whose numbers it is tested against.
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
from ..data.statement import EndTerms, end_terms
from .architecture import Architecture
from .centring import moved_biases
from .compiled import Kernel, arranged, kernel

Array = NDArray[Any]

# Rows of the table: the coefficients of a², a·g, g², a, g, 1 in the density on a piece where the network is a·x + g,
# integrated; then κD·ℓ′, κD·D′ and κD² themselves, from which the Dirac terms at a kink are made.
_INTEGRATED = 6


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
    pieces = []
    for piece in problem.pieces:
        pieces.append((float(piece.left), float(piece.right), vectorised(_rows(piece))))
    return table(pieces, _INTEGRATED, problem.name)


@dataclass(frozen=True)
class ClosedForm:
    """Energy and gradient of a batch of one-hidden-layer networks, O(N log N) each, exact to rounding.

    Attributes:
        place: about which all is told; see `centre`.
        left, right: the ends of the domain, less the place.
        leak: slope of the activation left of its kink.
        table: moments and Dirac factors of the problem.
        whole: the six moments over the whole domain, (6, 1, 1).
        ends: flux and penalty terms.
    """

    place: float
    left: float
    right: float
    leak: float
    table: Table
    whole: Tensor
    ends: EndTerms

    def energy(self, theta: Tensor) -> Tensor:
        """(B, 3N) → (B,)."""
        compiled = self.kernel(theta.dtype, theta.device.type)
        if compiled is not None:
            return torch.from_numpy(self.compiled(compiled, theta.detach().contiguous().numpy(), gradient=False)[0])
        return self.energy_and_gradient(theta)[0]

    def energy_and_bulk(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The same without the Dirac terms: where autodiff's gradient tends to on ever finer grids."""
        return self.energy_and_gradient(theta, dirac_terms=False)

    @torch.no_grad()
    def energy_and_gradient(self, theta: Tensor, dirac_terms: bool = True) -> tuple[Tensor, Tensor]:
        """(B, 3N) → energies (B,) and gradients (B, 3N), Dirac terms included.

        Where kinks coincide, lie on an end or an interface, or w = b = 0, the energy has one-sided derivatives only; a
        value between them is returned there, for training must go on.
        """
        compiled = self.kernel(theta.dtype, theta.device.type)
        if compiled is not None:
            parts = self.compiled(compiled, theta.detach().contiguous().numpy(), dirac_terms)
            return torch.from_numpy(parts[0]), torch.from_numpy(parts[1])
        w, b, c = theta.chunk(3, -1)
        b = moved_biases(w, b, self.place)
        flat = w == 0
        sign = 1 - 2 * (w < 0).to(theta.dtype)
        kink = -b / torch.where(flat, torch.ones_like(w), w)
        # Without a kink a neuron is active everywhere or nowhere: as if the kink lay at the left or the right end.
        kink = torch.where(flat, self.right + (self.left - self.right) * (b > 0).to(theta.dtype), kink)
        inside = (kink > self.left) & (kink < self.right)
        kink, order = kink.clamp(self.left, self.right).sort(-1)
        looked_up = self.table(kink)
        moments, factors = looked_up[:_INTEGRATED], looked_up[_INTEGRATED:]
        increments = torch.cat([moments, self.whole.expand(-1, len(theta), -1)], -1)
        increments[..., 1:] -= moments
        # Slope and intercept (2, B, N + 1) of the network on each piece: a rising neuron starts at its kink, a falling
        # one ends there; both change the slope by c|w|.
        both = torch.stack([w, b]) * c
        jumps = (1 - self.leak) * sign * both
        start = (both - (1 - self.leak) * torch.where(sign > 0, both, torch.zeros_like(both))).sum(-1, keepdim=True)
        affine = torch.cat([start, jumps.gather(-1, order.expand(2, -1, -1))], -1).cumsum(-1)
        a, g = affine
        forces = torch.stack(
            [
                2 * increments[0] * a + increments[1] * g + increments[3],
                increments[1] * a + 2 * increments[2] * g + increments[4],
            ]
        )
        # The density is quadratic: ∂L/∂a·a + ∂L/∂g·g counts the quadratic terms twice and the linear ones once.
        energy = ((forces * affine).sum(0) + increments[3] * a + increments[4] * g).sum(-1) / 2 + self.whole[5, 0, 0]
        ahead = forces.cumsum(-1)[..., :-1]
        # From the end at which a neuron is active: a difference from the whole would cancel for short intervals.
        behind = forces.flip(-1).cumsum(-1).flip(-1)[..., 1:]
        sign_sorted = sign.gather(-1, order)
        active = torch.where(sign_sorted > 0, behind, ahead)
        # κD{û′} at each kink, with the mean of the network's slopes on its two sides; the network's value is the same.
        middle = (a[..., 1:] + a[..., :-1]) / 2
        pull = factors[0] + factors[1] * torch.addcmul(g[..., 1:], a[..., 1:], kink) + factors[2] * middle
        back = torch.empty_like(order).scatter_(-1, order, torch.arange(w.shape[-1], device=w.device).expand_as(order))
        gathered = torch.stack([active[0], active[1], pull, kink]).gather(-1, back.expand(4, -1, -1))
        by_slope, by_intercept, pull, place = gathered
        if self.leak:
            total = forces.sum(-1, keepdim=True)
            by_slope, by_intercept = torch.lerp(total.expand(-1, -1, w.shape[-1]), gathered[:2], 1 - self.leak)
        if self.ends:
            at_ends, (end_slope, end_intercept) = self._ends(w, b, c)
            energy, by_slope, by_intercept = energy + at_ends, by_slope + end_slope, by_intercept + end_intercept
        dirac = (1 - self.leak) * pull * sign * c * (inside & dirac_terms)
        by_weight, by_bias = c * by_slope + place * dirac, c * by_intercept + dirac
        if self.place:
            by_weight = by_weight + self.place * by_bias
        gradient = torch.stack([by_weight, by_bias, w * by_slope + b * by_intercept], -2)
        return energy, gradient.flatten(-2)

    def kernel(self, dtype: torch.dtype = torch.float64, device: str = "cpu") -> Kernel | None:
        """The compiled `sweep` for numbers of such a kind, where there is one; far from 0 there is none."""
        return None if self.place or dtype != torch.float64 or device != "cpu" else kernel()

    def compiled(
        self, sweep: Kernel, theta: Array, dirac_terms: bool = True, gradient: bool = True
    ) -> tuple[Array, Array]:
        """The same by a compiled `sweep`, about 0: arrays in, (B, 3N), and arrays out; gradients only if wanted."""
        cells, coefficients, whole, ends = self._arrays
        energies, gradients = np.empty(len(theta)), np.empty((len(theta) * gradient, theta.shape[1]))
        sweep(
            theta, (self.left, self.right), self.leak, dirac_terms, cells, coefficients, whole, ends, energies,
            gradients,
        )  # fmt: skip
        return energies, gradients

    @cached_property
    def _arrays(self) -> tuple[Array, Array, Array, Array]:
        t, e = self.table, self.ends
        coupling = torch.full_like(e.places, e.coupling)
        ends = torch.stack([e.places, e.distance, e.lift, e.pull, e.stiffness, e.wanted, coupling], -1)
        return *arranged(t.inner, t.centre, t.scale, t.coefficients), self.whole.ravel().numpy(), ends.numpy().copy()

    def _ends(self, w: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """What the end terms add to the energy, (B,), and to the forces, (2, B, N)."""
        x = self.ends.places
        # Neurons first, ends last: (B, N, K).
        z = w[..., None] * x + b[..., None]
        gate = self.leak + (1 - self.leak) * (z > 0).to(w.dtype)
        network = (c[..., None] * gate * z).sum(-2)
        pulled = gate * self.ends.force(network)[:, None, :]
        return self.ends.energy(network), torch.stack([(pulled * x).sum(-1), pulled.sum(-1)])


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
    form = _of_relu(problem)
    rows = theta.reshape(-1, theta.shape[-1])
    compiled = form.kernel()
    if compiled is not None:
        energies, gradients = form.compiled(compiled, rows)
    else:
        energies, gradients = (t.numpy() for t in form.energy_and_gradient(torch.from_numpy(rows)))
    return energies.reshape(theta.shape[:-1]), gradients.reshape(theta.shape)


@lru_cache(maxsize=64)
def _of_relu(problem: RitzProblem) -> ClosedForm:
    # The width is not part of it.
    return closed_form(problem, Architecture.of(1, "relu"), torch.float64, torch.device("cpu"))


def closed_form(
    problem: RitzProblem, architecture: Architecture, dtype: torch.dtype, device: torch.device
) -> ClosedForm:
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
    whole = made(torch.tensor([right], dtype=torch.float64))[:_INTEGRATED, None]
    return ClosedForm(
        place, left, right, leak, made.to(dtype, device), whole.to(device, dtype), end_terms(near, dtype, device)
    )
