"""The gradient by the jump formula (MATH 1): bulk with the kinks held still, less Σ ⟦L⟧ dξ/dθ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.model import Model
from ..seeing.pieces import Pieces, to_ends
from .integral import Integral
from .straight import on_lines

# u as extrapolated from both sides of a break differs by rounding times the conditioning of the extrapolation.
_CONTINUOUS = 1e-8
# A jump of L below this share of L is what the extrapolation of u′ leaves of none.
_LEAST_JUMP = 1e-12
# The same of L as extrapolated from both sides, where it is its own break.
_LEAST_LEAP = 1e-9
# Where u′ bends by less than this share of the largest slope, its bend says nothing about the kink's speed.
_BENDS = 1e-6


@dataclass(frozen=True, eq=False)
class Sides:
    """One-sided limits at the marks of a cut domain, each (M,), nil at the two ends.

    Attributes:
        height: ⟦L⟧ = L(ξ⁺) − L(ξ⁻).
        bend: ⟦u′⟧, of several outputs that of the one which bends most there, as a share of its steepest slope.
        output: which one that is.
        curved: ∫|u″| as autograd has it, over ∫|u″| + Σ|⟦u′⟧|; None if L does not depend on u″.
        steepest: the largest |u′| of that output.
    """

    height: Tensor
    bend: Tensor
    output: Tensor
    curved: float | None
    steepest: Tensor


@dataclass(frozen=True, eq=False)
class JumpGradient:
    """The exact gradient in two parts, rows (P,).

    Attributes:
        energy: ∫ L dx and what the ends add.
        bulk: the integral of ∂L/∂θ with the kinks held still.
        jump: −Σ ⟦L⟧ dξ/dθ.
        continued: the same from the continuity of u, which has ⟦∂u/∂θ⟧ = −⟦u′⟧ dξ/dθ at a kink that moves.
        comparable: those terms of `jump` that `continued` has too: where u′ bends.
        magnitude: ∫ |L| dx, or if that is nil what the ends add; to compare energies with, never nil.
        terms: the size of what the gradient sums up, √Q times the norm of Σ ±weight ∂L/∂θ over the Q nodes with random
            signs, which is about that of ∫ |∂L/∂θ| dx. Where terms cancel, the gradient has roundings of this size.
    """

    energy: float
    bulk: Tensor
    jump: Tensor
    continued: Tensor
    comparable: Tensor
    magnitude: float
    terms: float

    @property
    def total(self) -> Tensor:
        """Bulk and jump, (P,)."""
        return self.bulk + self.jump


def sides(model: Model, integral: Integral, pieces: Pieces, torn: Tensor) -> Sides:
    """The limits at all marks from both sides, each by the polynomial through the Gauss nodes of its piece.

    Args:
        model: whose u.
        integral: of L.
        pieces: the domain, cut at the breaks.
        torn: which of the breaks are the density's own, (K,): there L may jump though u and u′ do not.

    Raises:
        InputError: u itself jumps.
    """
    density, m = integral.density, model.outputs
    x, weights = pieces.nodes()
    rows = [integral.fields(model)(x[k].reshape(-1)) for k in pieces.chunks()]
    values = torch.cat([v.reshape(len(v), -1, pieces.order) for v in rows], dim=1)
    to_left, to_right = to_ends(pieces.order)
    after, before = values @ to_left, values @ to_right
    jumps = torch.zeros(len(values), len(pieces.marks), dtype=x.dtype)
    jumps[:, 1:-1] = after[:, 1:] - before[:, :-1]
    # L in the first row, then u, u′ and u″, each of all outputs.
    size, steepest = (values[k : k + m].abs().amax((1, 2)) for k in (1, 1 + m))
    length = float(pieces.marks[-1] - pieces.marks[0])
    leaps = (jumps[1 : 1 + m].abs() > (_CONTINUOUS * (size + steepest * length))[:, None]).any(0)
    if leaps.any():
        where = float(pieces.marks[leaps][0])
        raise InputError(
            f"model: u itself jumps at x = {where:.6g}, so that u′ is not a function there; a continuous model would "
            "be right"
        )
    curved = None
    if density.second:
        smooth = float((values[1 + 2 * m : 1 + 3 * m].abs() * weights).sum())
        whole = smooth + float(jumps[1 + m : 1 + 2 * m].abs().sum())
        curved = smooth / whole if whole else 1.0
    # With x and u the same on both sides, what L has in common there cancels exactly.
    x = pieces.marks[1:-1]
    u = model.value(x).detach()
    # u′, and u″ if L depends on it, in the shapes of the model's.
    taken = slice(1 + m, 1 + (3 if density.second else 2) * m)
    given = [[f.reshape(u.shape) for f in torch.split(s[taken].T, m, 1)] for s in (after[:, 1:], before[:, :-1])]
    high, low = (density.at(model, x, u, *side).detach() for side in given)
    height = torch.zeros_like(jumps[0])
    height[1:-1] = high - low
    least = _LEAST_JUMP * torch.maximum(high.abs(), low.abs())
    height[1:-1][(high - low).abs() <= least] = 0
    # Where L grows without bound nothing moves.
    height[pieces.singular] = 0
    own, held = torch.zeros_like(pieces.owners, dtype=torch.bool), pieces.owners >= 0
    own[held] = torn[pieces.owners[held]]
    leap = torch.where(jumps[0].abs() > _LEAST_LEAP * values[0].abs().max(), jumps[0], 0.0)
    height = torch.where(own, leap, height)
    bends = jumps[1 + m : 1 + 2 * m]
    # An output that is constant bends nowhere.
    output = (bends.abs() / steepest.clamp(min=torch.finfo(x.dtype).tiny)[:, None]).argmax(0)
    return Sides(height, bends.gather(0, output[None])[0], output, curved, steepest[output])


def jump_gradient(
    model: Model, integral: Integral, pieces: Pieces, limits: Sides, places: Tensor, straight: bool
) -> JumpGradient:
    """Energy and gradient by the jump formula.

    Args:
        model: whose u.
        integral: of L, and what its ends add.
        pieces: the domain, cut at the breaks.
        limits: what `sides` found there.
        places: the breaks, (K,), as functions of the parameters.
        straight: u is a straight line on each piece.
    """
    density = integral.density
    x, weights = pieces.nodes()
    height = at_breaks(limits.height, pieces, len(places))
    bends = limits.bend.abs() > _BENDS * limits.steepest
    comparable = at_breaks(limits.height * bends, pieces, len(places))
    # ⟦L⟧/⟦u′⟧ at each mark, which ⟦∂u/∂θ⟧ is to be multiplied by.
    ratio = torch.where(bends, limits.height / torch.where(bends, limits.bend, torch.ones_like(limits.bend)), 0.0)
    ratio = torch.where(pieces.owners >= 0, ratio, torch.zeros_like(ratio))
    ends = to_ends(pieces.order)
    chosen = torch.nn.functional.one_hot(limits.output, model.outputs) * ratio[:, None]
    to_left, to_right = (e[:, None] * side[:, None] for e, side in zip(ends, (chosen[:-1], chosen[1:]), strict=True))
    continuity = (to_left - to_right).flatten(0, 1)
    size = len(model.vector())
    energy, magnitude = 0.0, 0.0
    bulk, continued, signed = (torch.zeros(size, dtype=x.dtype) for _ in range(3))
    signs = 2.0 * torch.randint(2, x.shape, generator=torch.Generator().manual_seed(0)) - 1
    for k in pieces.chunks():
        points = x[k].reshape(-1).requires_grad_()
        if straight:
            middle = (pieces.marks[1:] + pieces.marks[:-1])[k] / 2
            u, du = on_lines(model, x[k], middle)
            ddu = None
        else:
            u, du, ddu = model.fields(points, density.second)
        density_values = density.at(model, points, u, du, ddu)
        terms = density_values * weights[k].reshape(-1)
        energy += float(terms.detach().sum())
        magnitude += float(terms.detach().abs().sum())
        bulk += model.gradient(terms.sum(), keep=True)
        signed += model.gradient((terms * signs[k].reshape(-1)).sum(), keep=True)
        if ratio.any():
            rows = slice(k.start * pieces.order, k.stop * pieces.order)
            continued += model.gradient((u.reshape(-1, model.outputs) * continuity[rows]).sum())
    added = integral.at_ends(model)
    if added is not None:
        energy += float(added.detach())
        bulk += model.gradient(added)
    if integral.composed is not None:
        energy = integral.energy(model, integral.sums(model, pieces)[0])
    # Where L vanishes throughout, for u = 0 at the start for instance, there is nothing else to compare with.
    magnitude = magnitude or abs(energy) or float(torch.finfo(x.dtype).tiny)
    return JumpGradient(
        energy, bulk, -pulled(model, places, height), continued, -pulled(model, places, comparable), magnitude,
        float(signed.norm()) * x.numel() ** 0.5,
    )  # fmt: skip


def at_breaks(values: Tensor, pieces: Pieces, breaks: int) -> Tensor:
    """Values at marks (M,) as values at breaks (K,): each belongs to the first of the breaks that share a mark."""
    out = torch.zeros(breaks, dtype=values.dtype)
    own = pieces.owners >= 0
    out[pieces.owners[own]] = values[own]
    return out


def pulled(model: Model, places: Tensor, weights: Tensor) -> Tensor:
    """Σ weights dξ/dθ, (P,)."""
    if not len(places) or not weights.any():
        return torch.zeros_like(model.vector())
    return model.gradient((places * weights).sum(), keep=True)
