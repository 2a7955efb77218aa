"""Everything exact about one model and density: breaks, pieces, the gradient by two routes, and what each kink does."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from .breaks import Breaks, attach, find_breaks
from .conformity import conforming_gradient
from .density import Density
from .jump import (
    MOST_RANKED,
    Ends,
    JumpGradient,
    Sides,
    at_breaks,
    end_terms,
    fields,
    jump_gradient,
    rows_at_once,
    sides,
    speeds,
)
from .model import Model
from .pieces import SAME_PLACE, Pieces, cut

# So far outside the domain, in its lengths, the search goes on for kinks that lie on an end.
_MARGIN = 1e-9
# u′ bends at the end of a domain, or at a place where no break was found, if by more than this share of the largest.
_BENDS = 1e-6
# Breaks at one place have different speeds if these differ by more than this share.
_SAME_SPEED = 1e-8
# Sizes of the parameters' displacement for differences of the energy: the square root of the rounding of an integral
# would suit a smooth function; smaller ones cross fewer places where it is not.
_STEPS = (1e-5, 1e-6)


@dataclass(frozen=True, eq=False)
class Located:
    """The breaks of a model inside the domain.

    Attributes:
        breaks: as they were found, a little beyond the domain too.
        inside: which of them lie inside, (all,).
        places: those inside, (K,).
        on_ends: indices of those on an end.
    """

    breaks: Breaks
    inside: Tensor
    places: Tensor
    on_ends: tuple[int, ...]

    def moving(self, model: Model) -> Tensor:
        """The places (K,) as functions of the model's parameters."""
        if not len(self.places):
            return self.places
        return attach(model.function, self.breaks)[self.inside]

    @property
    def indices(self) -> list[int]:
        """Which of `breaks` those inside are."""
        found: list[int] = self.inside.nonzero()[:, 0].tolist()
        return found

    def label(self, index: int) -> str:
        """Where a break comes from: layer and neuron."""
        b = self.breaks
        if b.layers[index] < 0:
            return "a break of an operation that is not known"
        name = b.names[index]
        where = f"{b.operations[index]} “{name}”" if name[:1].isdigit() or "." in name else name
        return f"{where}, neuron {int(b.neurons[index])}"


@dataclass(frozen=True, eq=False)
class ExactSide:
    """What is exact about a model and a density.

    Attributes:
        located: the breaks.
        pieces: the domain, cut.
        limits: one-sided limits at all marks.
        formula: gradient by the jump formula.
        conforming: energy and gradient by the other route.
        heights: ⟦L⟧ of each break, (K,).
        ranked: breaks whose part in each parameter was worked out.
        parts: the norm of its −⟦L⟧ dξ/dθ over each parameter tensor, (R, T).
    """

    located: Located
    pieces: Pieces
    limits: Sides
    formula: JumpGradient
    conforming: tuple[float, Tensor]
    heights: Tensor
    ranked: Tensor
    parts: Tensor


def locate(model: Model, domain: tuple[float, float]) -> Located:
    """Find the breaks of a model, and see which lie on an end of the domain."""
    left, right = domain
    margin = _MARGIN * (right - left)
    try:
        breaks = find_breaks(model.function, (left - margin, right + margin))
    except InputError:
        # Not every model is defined beyond the domain.
        breaks = find_breaks(model.function, domain)
    tolerance = SAME_PLACE * (right - left)
    places = breaks.places
    inside = (places > left + tolerance) & (places < right - tolerance)
    on_ends = tuple(k for k, p in enumerate(places.tolist()) if min(abs(p - left), abs(p - right)) <= tolerance)
    return Located(breaks, inside, places[inside], on_ends)


def cut_domain(model: Model, density: Density, located: Located, domain: tuple[float, float]) -> Pieces:
    """The domain, cut at the breaks and wherever else the integrand asks for it."""
    return cut(located.places, domain, fields(model, density))


def degenerate(model: Model, located: Located, moving: Tensor, domain: tuple[float, float]) -> str:
    """Why the energy may have only one-sided derivatives here, by name; "" if it has a derivative."""
    left, right = domain
    reasons = []
    ends = [k for k in located.on_ends if _bends_on_end(model, float(located.breaks.places[k]), domain)]
    if ends:
        at_left = [k for k in ends if abs(float(located.breaks.places[k]) - left) < abs(left - right) / 2]
        for group, end in ((at_left, left), ([k for k in ends if k not in at_left], right)):
            if group:
                reasons.append(f"{_names(located, group)} on the end x = {end:g} of the domain")
    if len(located.places) > 1:
        near = located.places.diff() <= SAME_PLACE * (right - left)
        if near.any():
            reasons += _coincidences(model, located, moving, near)
    return "; ".join(reasons)


def _bends_on_end(model: Model, end: float, domain: tuple[float, float]) -> bool:
    margin = _MARGIN * (domain[1] - domain[0])
    try:
        _, du, _ = model.fields(torch.tensor([end - margin, end + margin], dtype=torch.float64))
        _, inside, _ = model.fields(torch.linspace(*domain, 65, dtype=torch.float64)[1:-1])
    except (InputError, RuntimeError):
        return True
    du, inside = du.detach(), inside.detach()
    scale = max(float(inside.abs().max()), float(du.abs().max()))
    return not bool(torch.isfinite(du).all()) or float((du[1] - du[0]).abs()) > _BENDS * scale


def _coincidences(model: Model, located: Located, moving: Tensor, near: Tensor) -> list[str]:
    """Breaks at one place that move apart; the same pre-activation may break twice and harm nothing."""
    first = near.nonzero()[:, 0]
    pairs = torch.stack([first, first + 1], 1)[:MOST_RANKED]
    apart = torch.zeros(0, dtype=torch.bool)
    for some in pairs.split(rows_at_once(model)):
        rows = speeds(model, moving, some.flatten()).reshape(len(some), 2, -1)
        apart = torch.cat([apart, (rows[:, 0] - rows[:, 1]).norm(dim=-1) > _SAME_SPEED * rows.norm(dim=-1).amax(-1)])
    indices = located.indices
    members: dict[str, dict[int, None]] = {}
    for pair in pairs[apart].tolist():
        place = f"{float(located.places[pair[0]]):.6g}"
        members.setdefault(place, {}).update(dict.fromkeys(indices[k] for k in pair))
    return [f"{_names(located, list(group))} together at x = {place}" for place, group in members.items()]


def _names(located: Located, group: list[int]) -> str:
    shown = [located.label(k) for k in group[:3]]
    more = f" and {len(group) - 3} more" if len(group) > 3 else ""
    return f"{'the kinks' if len(group) > 1 else 'the kink'} of {'; '.join(shown)}{more}"


def exact_side(
    model: Model, density: Density, domain: tuple[float, float], located: Located, moving: Tensor, ends: Ends | None
) -> ExactSide:
    """Both routes to the gradient, and each kink's part in it.

    Raises:
        InputError: u jumps, or bends where no break was found.
    """
    pieces = cut_domain(model, density, located, domain)
    limits = sides(model, density, pieces)
    missed = (pieces.owners < 0) & (limits.bend.abs() > _BENDS * limits.steepest)
    if missed.any():
        where = float(pieces.marks[missed][0])
        raise InputError(
            f"model: u′ jumps at x = {where:.6g}, where no operation of the model is known to break; a kink that "
            "cannot be followed leaves no exact gradient to compare with; torch's own operations would be right"
        )
    formula = jump_gradient(model, density, pieces, limits, moving, ends)
    conforming = conforming_gradient(model, density, pieces, moving, ends)
    heights = at_breaks(limits.height, pieces, len(located.places))
    jumping = (heights != 0).nonzero()[:, 0]
    ranked = jumping[heights[jumping].abs().argsort(descending=True)][:MOST_RANKED]
    norms = [torch.zeros(0, len(model.parameters), dtype=torch.float64)]
    for some in ranked.split(rows_at_once(model)) if len(ranked) else ():
        parts = heights[some, None] * speeds(model, moving, some)
        by_tensor = parts.split([p.numel() for p in model.tensors], dim=1)
        norms.append(torch.stack([part.norm(dim=1) for part in by_tensor], dim=1))
    return ExactSide(located, pieces, limits, formula, conforming, heights, ranked, torch.cat(norms))


def directional_difference(
    model: Model, density: Density, domain: tuple[float, float], ends: Ends | None, direction: Tensor, step: float
) -> float:
    """Central difference of the energy, its kinks found and its integral made anew at both displaced models."""
    values = []
    for sign in (1, -1):
        moved = model.at(model.split(model.vector() + sign * step * direction))
        located = locate(moved, domain)
        pieces = cut_domain(moved, density, located, domain)
        x, weights = pieces.nodes()
        total = float((fields(moved, density)(x.reshape(-1))[0] * weights.reshape(-1)).sum())
        values.append(total + (0.0 if ends is None else float(end_terms(moved, pieces, ends).detach())))
    return (values[0] - values[1]) / (2 * step)


def by_differences(
    model: Model, density: Density, domain: tuple[float, float], ends: Ends | None, gradient: Tensor
) -> float:
    """How far a gradient (P,) is from differences of the energy, along a direction with a part of each, relative to it.

    The better of two steps: between the displaced models a kink may cross another, where the slope of the energy jumps.
    """
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(len(gradient), generator=generator, dtype=gradient.dtype)
    direction = random / random.norm() + gradient / (gradient.norm() + torch.finfo(gradient.dtype).tiny)
    direction = direction / direction.norm()
    size = float(model.vector().norm()) or 1.0
    claimed = float(gradient @ direction)
    found = (directional_difference(model, density, domain, ends, direction, s * size) for s in _STEPS)
    return min(abs(f - claimed) for f in found)
