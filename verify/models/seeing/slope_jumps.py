"""Breaks that no known operation accounts for: jumps of a model's value and slope, by halving the cells they lie in."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...errors import InputError

Values = Callable[[Tensor], Tensor]

# Cells of the whole domain; their marks are at irrational places, so that no round number hides a break on one.
CELLS = 1024
# A jump below this part of the largest slope (or value) is taken for rounding.
LEAST_JUMP = 1e-8
# Searches of the rest after some are found: two breaks in one cell, three, …
_ROUNDS = 8
# Halvings from a cell to neighbouring floating-point numbers.
_HALVINGS = 60
# From where one-sided values are extrapolated, in domains: an error of the square of it times the curvature remains.
_ASIDE = 1e-6


def slope_jumps(model: Values, known: Tensor, domain: tuple[float, float], dtype: torch.dtype) -> Tensor:
    """Places where value or slope jump, other than the known breaks, (K,) float64 ascending.

    In a cell where both are smooth their differences halve with the cell; where one jumps its difference stays.

    Args:
        model: (n,) → (n,).
        known: breaks that are known, (K,) float64.
        domain: its two ends.
        dtype: of the model.
    """
    left, right = domain
    span = right - left
    # A slope is exact only if its point is off the break by more than the rounding of the break's place.
    guard = 64 * torch.finfo(dtype).eps * max(abs(left), abs(right), span)
    found = known.new_zeros(0)
    for turn in range(_ROUNDS):
        walls = torch.cat([known.new_tensor([left]), known, found, known.new_tensor([right])]).sort().values
        offset = (turn + 1) * (5**0.5 - 1) / 2 % 1
        marks = left + span * (torch.arange(CELLS, dtype=torch.float64, device=known.device) + offset) / CELLS
        marks = torch.cat([walls[:-1] + guard, marks, walls[1:] - guard]).sort().values.to(dtype).double()
        marks = marks[(marks > left) & (marks < right)]
        low, high = marks[:-1], marks[1:]
        # Neither across a break that is known, nor within its rounding.
        after_low = torch.searchsorted(walls, low)
        free = (after_low == torch.searchsorted(walls, high)) & (high > low)
        free &= (low - walls[after_low - 1] >= guard / 2) & (walls[after_low] - high >= guard / 2)
        more = _halved(model, low[free], high[free], dtype)
        if not len(more):
            break
        found = torch.cat([found, more])
    return found.sort().values


def _halved(model: Values, low: Tensor, high: Tensor, dtype: torch.dtype) -> Tensor:
    """One jump in each cell that has any."""
    least = max(LEAST_JUMP, 2**10 * torch.finfo(dtype).eps)
    at_low, at_high = _jet(model, low, dtype), _jet(model, high, dtype)
    # Value and slope in units of their largest.
    scale = torch.cat([at_low, at_high]).abs().amax(0).clamp(min=torch.finfo(dtype).tiny)
    done: list[Tensor] = []
    for _ in range(_HALVINGS):
        middle = ((low + high) / 2).to(dtype).double()
        ready = (middle <= low) | (middle >= high)
        jumps = ((at_high - at_low).abs() / scale).amax(1) > least
        done.append(((low + high) / 2)[ready & jumps])
        go_on = ~ready & jumps
        low, middle, high, at_low, at_high = (a[go_on] for a in (low, middle, high, at_low, at_high))
        if not len(low):
            break
        at_middle = _jet(model, middle, dtype)
        left_half, right_half = (
            ((b - a).abs() / scale).amax(1) for a, b in ((at_low, at_middle), (at_middle, at_high))
        )
        mine = left_half > right_half
        low, high = torch.where(mine, low, middle), torch.where(mine, middle, high)
        at_low, at_high = (
            torch.where(mine[:, None], at_low, at_middle), torch.where(mine[:, None], at_middle, at_high)
        )  # fmt: skip
    return torch.cat(done)


def _jet(model: Values, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Value and slope, (n, 2) float64."""
    with torch.enable_grad():
        points = x.to(dtype).detach().requires_grad_()
        value = model(points)
        slope = torch.zeros_like(points)
        if value.requires_grad:
            (found,) = torch.autograd.grad(value.sum(), points, allow_unused=True)
            slope = slope if found is None else found
    # Exactly on a break a slope may be 0/0.
    return torch.stack([value.detach(), slope], 1).double().nan_to_num(nan=0.0)


def jump_motion(model: Values, places: Tensor, which: Tensor, dtype: torch.dtype) -> Tensor:
    """A Newton step of nil value for some of the breaks, from the two sides of the model there, (K of these,).

    Where the value does not jump, u⁺ = u⁻ holds at the break whatever the parameters are: dξ/dθ = −⟦∂u/∂θ⟧ ÷ ⟦u′⟧.

    Args:
        model: (n,) → (n,).
        places: of all breaks, (K,) float64, ascending.
        which: of them, (K,).
        dtype: of the model.

    Raises:
        InputError: the value jumps.
    """
    padded = torch.cat([places[:1] - 1, places, places[-1:] + 1])
    # No further than halfway to the next break.
    room = torch.minimum(padded[1:-1] - padded[:-2], padded[2:] - padded[1:-1]) / 2
    span = float(places.abs().max().clamp(min=1))
    aside = room.clamp(max=max(_ASIDE, torch.finfo(dtype).eps ** 0.5) * span)[which].to(dtype)
    at = places[which].to(dtype)
    with torch.enable_grad():
        sides = []
        for sign in (-1, 1):
            x = (at + sign * aside).requires_grad_()
            value = model(x)
            (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
            sides.append((value - sign * aside * slope, slope))
    jump, bend = sides[1][0] - sides[0][0], (sides[1][1] - sides[0][1]).detach()
    size = float(torch.cat([s.detach() for pair in sides for s in pair]).abs().max())
    torn = jump.detach().abs() > LEAST_JUMP * size + 10 * (aside**2) * size
    if bool(torn.any()):
        raise InputError(
            f"model: its value jumps at x = {float(at[torn][0]):.9g}, by an operation whose breakpoints are not known; "
            "how the jump moves with the parameters cannot be told; a model whose value is continuous, or interfaces= "
            "with the place if it does not move, would be right"
        )
    return (jump - jump.detach()) / bend
