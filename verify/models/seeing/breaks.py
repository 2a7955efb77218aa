"""Where a user's own model is not smooth in x, and how these places move with its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ...errors import InputError
from .eager import eagerly
from .integrand import Integrand
from .search import zeros
from .slope_jumps import jump_motion, slope_jumps
from .trace import Function, Trace, trace

# The name and operation of a break that no known operation accounts for.
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Breaks:
    """Places strictly inside the domain, ascending, where a model is not smooth in x.

    Some may not show in the output, because nothing that depends on the unit is used there.

    Attributes:
        places: (K,) float64, without graph.
        operations: of each, "relu", "abs", "clamp", "max", "comparison", …; "unknown" where only the output shows it.
        names: of each, the path of the module, "2" or "net.act1", or "relu call 2" for a function called in passing.
        layers: which of the breaking calls, counted in order of evaluation, (K,); −1 for unknown ones.
        neurons: which number of that call's argument, counted flat, (K,).
        branches: which of the operation's breakpoints, (K,): 0, or 1 for the upper one of a clamp.
        exact: zero of a piecewise linear pre-activation, found without iteration, (K,); else bracketed and refined.
        unknown: operations of the model that may break smoothness in ways that are not known; breaks of theirs are
            looked for in the model's slopes.
        settled: two searches agreed on how many there are; else some may be missing.
        trace: how the model is called.
    """

    places: Tensor
    operations: tuple[str, ...]
    names: tuple[str, ...]
    layers: Tensor
    neurons: Tensor
    branches: Tensor
    exact: Tensor
    unknown: tuple[str, ...]
    settled: bool
    trace: Trace = field(repr=False)

    def __len__(self) -> int:
        return len(self.places)


@eagerly
def find_breaks(
    function: Function,
    domain: tuple[float, float],
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Breaks:
    """All places where a model is not smooth in x.

    The breaking operations (relu and its kin, abs, max, min, clamp, comparisons, …) are intercepted while the model is
    evaluated, whether a module, a function or a method calls them. What changes its sign at a break is linear between
    the breaks of earlier calls if everything before is piecewise linear; then its zeros need no iteration. Elsewhere a
    change of sign is bracketed on cells of the domain, which are halved until two searches agree on how many there are,
    and refined to rounding. If the model has operations that are neither smooth nor among the known ones, jumps of its
    value and its slope are looked for as well, to 10⁻⁸ of the largest slope.

    Args:
        function: a module or any function of x; see `trace` for the shapes.
        domain: its two ends.
        dtype: of x; by default that of the parameters.
        device: of x; by default that of the parameters.

    Raises:
        InputError: no scalar function of x, not finite, or not the same from call to call; or an empty domain.

    Examples:
        >>> model = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)).double()
        >>> _ = model[0].weight.data.copy_(torch.tensor([[1.0], [-2.0]]))
        >>> _ = model[0].bias.data.copy_(torch.tensor([-0.25, 1]))
        >>> breaks = find_breaks(model, (0, 1))
        >>> breaks.places.tolist(), breaks.operations, breaks.names, breaks.neurons.tolist()
        ([0.25, 0.5], ('relu', 'relu'), ('1', '1'), [0, 1])
    """
    left, right = ends(domain)
    seen = trace(function, (left, right), dtype, device)
    model: Function = function
    if isinstance(function, Integrand):
        # Jumps of L are looked for where its own operations break, those of u and u′ where the model's do.
        model = function.alone
        own = trace(model, (left, right), dtype, device)
        seen = replace(seen, slopes_from=len(own.calls), unknown=own.unknown)
    found = zeros(
        lambda x, layer: seen.preactivations(function, x[0], layer)[None],
        [c.columns for c in seen.calls],
        (left, right),
        1,
        seen.dtype,
        seen.device,
        seen.straight,
        seen.torn,
    )
    places, columns, exact = (a[0] for a in (found.places, found.columns, found.exact))
    layers = torch.arange(len(seen.calls), device=seen.device)
    layers = layers.repeat_interleave(torch.tensor(found.counts, dtype=torch.long, device=seen.device))
    if seen.unknown:
        more = slope_jumps(lambda x: seen.value(model, x), places.sort().values, (left, right), seen.dtype)
        nothing = torch.zeros_like(more).long()
        places, layers, columns = (torch.cat(p) for p in ((places, more), (layers, nothing - 1), (columns, nothing)))
        exact = torch.cat([exact, nothing.bool()])
    places, order = places.sort(stable=True)
    layers, columns, exact = layers[order], columns[order], exact[order]
    units = torch.tensor([*(c.units for c in seen.calls), 1], device=seen.device)[layers]
    of = [seen.calls[k] if k >= 0 else None for k in layers.tolist()]
    return Breaks(
        places,
        tuple(c.operation if c else UNKNOWN for c in of),
        tuple(c.name if c else UNKNOWN for c in of),
        layers,
        columns % units,
        columns // units,
        exact,
        seen.unknown,
        found.settled,
        seen,
    )


@eagerly
def attach(function: Function, breaks: Breaks) -> Tensor:
    """The same positions, (K,) in the model's own type, with dξ/dθ = −∂z/∂θ ÷ ∂z/∂x (MATH 1).

    z is what changes its sign at the break; one Newton step whose value is nil carries the derivative. For a break that
    only the output shows, z is what the two sides make of the model there, extrapolated; that holds if its value does
    not jump. A break that coincides with one of an earlier call has no slope of its own, and is taken not to move.
    First derivatives only. The graph holds all units of a call at all breaks: 3,000 of 3,000 neurons take 72 MB.

    Args:
        function: the model, at the parameters at which the breaks were found.
        breaks: from `find_breaks`.

    Raises:
        InputError: the model's value jumps at a break of an unknown operation, whose motion is then not known.
    """
    seen = breaks.trace
    places = breaks.places.to(seen.dtype)
    known = breaks.layers >= 0
    moved = places.clone()
    if bool(known.any()):
        # As `own` wants them: call by call.
        order = breaks.layers.argsort(stable=True)[int((~known).sum()) :]
        layers = breaks.layers[order]
        units = torch.tensor([c.units for c in seen.calls], device=seen.device)[layers]
        columns = breaks.branches[order] * units + breaks.neurons[order]
        counts = layers.bincount(minlength=len(seen.calls)).tolist()
        own, slope = own_and_slope(lambda x: seen.own(function, x, columns, counts), places[order])
        moves = slope != 0
        step = torch.where(moves, own - own.detach(), 0) / torch.where(moves, slope, 1)
        moved = moved.index_put((order,), places[order] - step)
    if not bool(known.all()):
        model = function.alone if isinstance(function, Integrand) else function
        step = jump_motion(lambda x: seen.value(model, x), breaks.places, ~known, seen.dtype)
        moved = moved.index_put((~known,), places[~known] - step)
    return moved


def jumping_breaks(model: Function, known: Tensor, domain: tuple[float, float], dtype: torch.dtype) -> Tensor:
    """Breaks that no known operation accounts for, (K,), moving with the parameters.

    Args:
        model: (n,) → (n,).
        known: all other breaks, (K,) float64.
        domain: its two ends.
        dtype: of the model.

    Raises:
        InputError: the value jumps at one.
    """
    more = slope_jumps(model, known, domain, dtype)
    if not len(more):
        return more.to(dtype)
    places, order = torch.cat([known, more]).sort()
    step = jump_motion(model, places, order >= len(known), dtype)
    return more.to(dtype) - step


def own_and_slope(own: Function, places: Tensor) -> tuple[Tensor, Tensor]:
    """Pre-activations at the breaks, with their graph, and their slopes in x, without.

    Each depends on its own place alone, so that one sweep gives all slopes.

    Args:
        own: places (...) → pre-activations (...).
        places: of the breaks, without graph.
    """
    try:
        x = places.detach().clone().requires_grad_()
    except RuntimeError:
        # Inside a transform of torch.func nothing can be made to require gradients, but its own transforms nest.
        value, pull, *_ = torch.func.vjp(own, places)
        return value, pull(torch.ones_like(value))[0].detach()
    with torch.enable_grad():
        value = own(x)
        (slope,) = torch.autograd.grad(value.sum(), x, retain_graph=True, materialize_grads=True)
    return value, slope


def ends(domain: tuple[float, float]) -> tuple[float, float]:
    """The two ends as numbers.

    Raises:
        InputError: they are not two finite numbers in ascending order.
    """
    try:
        left, right = (float(e) for e in domain)
    except (TypeError, ValueError):
        raise InputError(f"domain: {domain!r} is no interval; (0, 1), say, would be right") from None
    if not (abs(left) < float("inf") and abs(right) < float("inf") and left < right):
        raise InputError(f"domain: ({left:g}, {right:g}) is empty or unbounded; (0, 1), say, would be right")
    return left, right
