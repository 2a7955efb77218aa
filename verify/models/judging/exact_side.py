"""Everything exact about one model and density: breaks, pieces, the gradient by two routes, and what each kink does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...errors import InputError
from ...ranking import largest_first
from ..seeing.breaks import Breaks, attach, find_breaks
from ..seeing.model import Model
from ..seeing.operations import TEARING
from ..seeing.pieces import SAME_PLACE, Pieces, at_once, cut
from ..seeing.source_lines import at, line_of, sentence
from .conformity import conforming_gradient
from .integral import Integral
from .jump import JumpGradient, Sides, at_breaks, jump_gradient, sides
from .straight import as_lines

# So far outside the domain, in its lengths, the search goes on for kinks that lie on an end.
_MARGIN = 2e-9
# u′ bends at the end of a domain, or at a place where no break was found, if by more than this share of the largest.
_BENDS = 1e-6
# Breaks nearer to each other than this share of the domain are together: no step that one could take keeps them apart,
# and the energy has two slopes as far as numbers go.
_TOGETHER = 1e-9
# Breaks at one place have different speeds if these differ by more than this share.
_SAME_SPEED = 1e-8
# Kinks whose part in every parameter is worked out one by one, and the numbers in all; those with the largest jumps.
MOST_RANKED, _RANKED_NUMBERS, _LEAST_RANKED = 2_000, 6 * 10**6, 100
# Rows of the Jacobian of the positions that are had at once, and the numbers in them.
_ROWS, _NUMBERS = 32, 10**7
# Sizes of the parameters' displacement for differences of the energy: the square root of the rounding of an integral
# would suit a smooth function; smaller ones cross fewer places where it is not.
_STEPS = (1e-5, 1e-6, 1e-8, 1e-10)


@dataclass(frozen=True, eq=False)
class Located:
    """The breaks of a model, and of the density along it, inside the domain.

    Attributes:
        integral: what is integrated.
        breaks: as they were found, a little beyond the domain too.
        inside: which of them lie inside, (all,).
        places: those inside, (K,).
        on_ends: indices of those on an end, or on a point of a term, or so near that it makes no difference.
    """

    integral: Integral
    breaks: Breaks
    inside: Tensor
    places: Tensor
    on_ends: tuple[int, ...]

    def moving(self, model: Model) -> Tensor:
        """The places (K,) as functions of the model's parameters."""
        if self.integral.poles:
            # At a pole L is not even looked at: nil times its derivative is no number.
            return self._attached(model, self._only(torch.tensor(self.indices, dtype=torch.long)))
        return self._attached(model, self.breaks)[self.inside] if len(self.places) else self.places

    def speeds(self, model: Model, chosen: Tensor) -> Iterator[Tensor]:
        """dξ/dθ of some of the breaks inside, one row of P numbers each, a few rows at a time."""
        indices = torch.tensor(self.indices, dtype=torch.long)[chosen]
        rows = max(1, min(_ROWS, _NUMBERS // len(model.vector())))
        for some in torch.split(indices, rows) if len(indices) else ():
            # Attached anew, so that a row costs as many points as there are rows, not as there are breaks.
            places = self._attached(model, self._only(some))
            try:
                found = torch.autograd.grad(
                    places, model.tensors, torch.eye(len(some), dtype=places.dtype), retain_graph=True,
                    allow_unused=True, is_grads_batched=True,
                )  # fmt: skip
            except RuntimeError:
                # Not every backward of a user's own can be vectorised.
                yield torch.stack([model.gradient(place, keep=True) for place in places])
                continue
            blank = [torch.zeros(len(some), *p.shape, dtype=p.dtype) for p in model.tensors]
            pairs = zip(blank, found, strict=True)
            yield torch.cat([(b if g is None else g).detach().reshape(len(some), -1) for b, g in pairs], dim=1)

    def with_poles(self, integral: Integral) -> Located:
        """The same of an integral whose poles are known: the density's own breaks there are cuts that do not move."""
        poles = torch.tensor([place for place, *_ in integral.poles], dtype=self.places.dtype)
        near = (self.breaks.places[:, None] - poles).abs() <= SAME_PLACE * integral.length
        own = torch.tensor([self.of_density(k) for k in range(len(self.inside))], dtype=torch.bool)
        inside = self.inside & ~(near.any(1) & own)
        return replace(self, integral=integral, inside=inside, places=self.breaks.places[inside])

    def moves(self, model: Model, index: int) -> bool:
        """Does one of all breaks move with the parameters? Those of clamp(x, 0, 1) or without biases may not."""
        place = self._attached(model, self._only(torch.tensor([index]))).sum()
        if not place.requires_grad:
            return False
        return float(model.gradient(place).norm()) > still(model, self.integral.length)

    def _attached(self, model: Model, breaks: Breaks) -> Tensor:
        """Positions of breaks as functions of the parameters.

        Raises:
            InputError: autograd does not see how they move.
        """
        try:
            return attach(self.integral.searched(model), breaks)
        except RuntimeError as error:
            if "inplace" in str(error):
                raise model.backward_failed(error) from None
            raise InputError(
                f"model: how its kinks move cannot be had by autograd ({sentence(error)}){at(line_of(model.original))}"
                "; a model without detach, numpy or no_grad between x, its parameters and u would be right"
            ) from None

    def _only(self, chosen: Tensor) -> Breaks:
        """Some of all breaks."""
        b, listed = self.breaks, chosen.tolist()
        return replace(
            b,
            places=b.places[chosen],
            operations=tuple(b.operations[k] for k in listed),
            names=tuple(b.names[k] for k in listed),
            **{n: getattr(b, n)[chosen] for n in ("layers", "neurons", "branches", "exact")},
        )

    @property
    def indices(self) -> list[int]:
        """Which of `breaks` those inside are."""
        found: list[int] = self.inside.nonzero()[:, 0].tolist()
        return found

    @property
    def torn(self) -> Tensor:
        """Which of those inside are the density's own, (K,)."""
        first = self.breaks.trace.slopes_from
        layers = self.breaks.layers[self.inside]
        return layers >= first if first is not None else torch.zeros_like(layers, dtype=torch.bool)

    def of_density(self, index: int) -> bool:
        """Is one of all breaks the density's own?"""
        first = self.breaks.trace.slopes_from
        return first is not None and int(self.breaks.layers[index]) >= first

    def label(self, index: int) -> str:
        """Where a break comes from: layer and neuron."""
        b = self.breaks
        if b.layers[index] < 0:
            return "a break of an operation that is not known"
        name = b.names[index]
        if self.of_density(index):
            return f"{b.operations[index]} in the density"
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
        ranked: breaks whose part in each parameter was worked out, those with the largest jumps if not all.
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


def locate(model: Model, integral: Integral) -> Located:
    """Find the breaks of a model and of the density along it, and see which lie on an end of the domain."""
    left, right = integral.domain
    margin = _MARGIN * (right - left)
    beyond = (left - margin, right + margin)
    # Not every model is defined beyond the domain.
    defined = model.defined_at(torch.tensor(beyond, dtype=torch.float64))
    breaks = find_breaks(integral.searched(model), beyond if defined else integral.domain, torch.float64)
    tolerance = SAME_PLACE * (right - left)
    places = breaks.places
    inside = (places > left + tolerance) & (places < right - tolerance)
    near = _TOGETHER * (right - left)
    fixed = places.new_tensor(integral.fixed)
    on_ends = tuple(((places[:, None] - fixed).abs() <= near).any(1).nonzero()[:, 0].tolist())
    found = Located(integral, breaks, inside, places[inside], on_ends)
    return found.with_poles(integral) if integral.poles else found


def told_by_lines(model: Model, located: Located) -> Model:
    """The model, or if it is piecewise linear its lines, which are cheap to evaluate; without graphs."""
    integral = located.integral
    return as_lines(model, located.places, integral.domain) if integral.straight else model


def weighed(model: Model, located: Located) -> Located:
    """Of a loss that is a function of several integrals, with the derivatives by each of them as its weight."""
    integral = located.integral
    if integral.composed is None:
        return located
    told = told_by_lines(model, located)
    sums, _ = integral.sums(told, cut_domain(told, located))
    weights = integral.composed.weights(integral.terms(model, sums))
    return replace(located, integral=integral.weighed(weights))


def cut_domain(model: Model, located: Located) -> Pieces:
    """The domain, cut at the breaks and wherever else the integrand asks for it."""
    integral = located.integral
    return cut(located.places, integral.domain, integral.fields(model), at_once(model.widest), integral.poles)


def degenerate(model: Model, located: Located) -> str:
    """Why the energy may have only one-sided derivatives here, by name; "" if it has a derivative."""
    left, right = domain = located.integral.domain
    reasons = []
    groups: dict[float, list[int]] = {}
    for k in located.on_ends:
        place = float(located.breaks.places[k])
        # Of the density's own breaks only some leave a jump: an interface does.
        interface = located.of_density(k) and located.breaks.operations[k] in TEARING
        if (interface or _bends_on_end(model, place, domain)) and located.moves(model, k):
            groups.setdefault(min(located.integral.fixed, key=lambda end: abs(end - place)), []).append(k)
    for end, group in sorted(groups.items()):
        what = "end" if end in domain else "point"
        of = "the domain" if end in domain else "a term"
        reasons.append(f"{_names(located, group)} on the {what} x = {end:g} of {of}")
    if len(located.places) > 1:
        near = located.places.diff() <= _TOGETHER * (right - left)
        if near.any():
            reasons += _coincidences(model, located, near, still(model, right - left))
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
    return not bool(torch.isfinite(du).all()) or float((du[1] - du[0]).abs().max()) > _BENDS * scale


def still(model: Model, length: float) -> float:
    """A speed of a break, |dξ/dθ|, below which it stays: parameters ten times as large would move it by rounding."""
    return _SAME_SPEED * length / (float(model.vector().norm()) or 1.0)


def _coincidences(model: Model, located: Located, near: Tensor, rounding: float) -> list[str]:
    """Breaks at one place that move apart; the same pre-activation may break twice and harm nothing."""
    first = near.nonzero()[:, 0]
    pairs = torch.stack([first, first + 1], 1)[:MOST_RANKED]
    apart = []
    # Both of a pair at a time, so that no rows are kept.
    for pair in pairs:
        rows = torch.cat(list(located.speeds(model, pair)))
        same = max(_SAME_SPEED * float(rows.norm(dim=1).max()), rounding)
        apart.append(float((rows[0] - rows[1]).norm()) > same)
    indices = located.indices
    members: dict[str, dict[int, None]] = {}
    for pair in pairs[torch.tensor(apart)].tolist():
        place = f"{float(located.places[pair[0]]):.6g}"
        members.setdefault(place, {}).update(dict.fromkeys(indices[k] for k in pair))
    return [f"{_names(located, list(group))} together at x = {place}" for place, group in members.items()]


def _names(located: Located, group: list[int]) -> str:
    shown = [located.label(k) for k in group[:3]]
    more = f" and {len(group) - 3} more" if len(group) > 3 else ""
    return f"{'the kinks' if len(group) > 1 else 'the kink'} of {'; '.join(shown)}{more}"


def exact_side(model: Model, located: Located, moving: Tensor) -> ExactSide:
    """Both routes to the gradient, and each kink's part in it.

    Raises:
        InputError: u jumps, or bends where no break was found.
    """
    integral = located.integral
    told = told_by_lines(model, located)
    straight = told is not model
    pieces = cut_domain(told, located)
    limits = sides(told, integral, pieces, located.torn)
    missed = (pieces.owners < 0) & (limits.bend.abs() > _BENDS * limits.steepest)
    if missed.any():
        where = float(pieces.marks[missed][0])
        raise InputError(
            f"model: u′ jumps at x = {where:.6g}, where no operation of the model is known to break; a kink that "
            "cannot be followed leaves no exact gradient to compare with; torch's own operations would be right"
        )
    formula = jump_gradient(model, integral, pieces, limits, moving, straight)
    conforming = conforming_gradient(model, integral, pieces, moving, straight)
    heights = at_breaks(limits.height, pieces, len(located.places))
    jumping = (heights != 0).nonzero()[:, 0]
    ranked = jumping[torch.from_numpy(largest_first(heights[jumping].abs().numpy()))]
    ranked = ranked[: min(MOST_RANKED, max(_LEAST_RANKED, _RANKED_NUMBERS // len(model.vector())))]
    sizes = [p.numel() for p in model.tensors]
    norms = [torch.zeros(0, len(sizes), dtype=torch.float64)]
    for rows in located.speeds(model, ranked):
        norms.append(torch.stack([part.norm(dim=1) for part in torch.split(rows, sizes, dim=1)], dim=1))
    parts = heights[ranked, None].abs() * torch.cat(norms)
    return ExactSide(located, pieces, limits, formula, conforming, heights, ranked, parts)


def directional_difference(model: Model, integral: Integral, direction: Tensor, step: float) -> float:
    """Central difference of the energy, its kinks found and its integral made anew at both displaced models."""
    values = []
    for sign in (1, -1):
        moved = model.at(model.split(model.vector() + sign * step * direction))
        located = locate(moved, integral)
        told = told_by_lines(moved, located)
        values.append(integral.energy(moved, integral.sums(told, cut_domain(told, located))[0]))
    return (values[0] - values[1]) / (2 * step)


def by_differences(model: Model, integral: Integral, gradient: Tensor, good: float) -> float:
    """How far a gradient (P,) is from differences of the energy, along a direction with a part of each parameter.

    A smaller step is taken if one is off by more than `good`: between the displaced models a kink may cross another,
    where the slope of the energy jumps.
    """
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(len(gradient), generator=generator, dtype=gradient.dtype)
    direction = random / random.norm() + gradient / (gradient.norm() + torch.finfo(gradient.dtype).tiny)
    direction = direction / direction.norm()
    size = float(model.vector().norm()) or 1.0
    claimed = float(gradient @ direction)
    best = math.inf
    for step in _STEPS:
        found = directional_difference(model, integral, direction, step * size)
        best = min(best, abs(found - claimed))
        if best <= good:
            break
    return best
