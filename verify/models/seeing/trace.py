"""A model as the search for its breaks sees it: what it takes and gives, and its breaking calls in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor

from ...errors import InputError
from .graph import leaves
from .operations import TEARING, Interception, called, linear, understood

Function = Callable[[Tensor], Tensor]
# Two sizes of a batch of points, so that the axis that holds the points is the one that changes.
_FEW, _MORE = 5, 7
# Values at the same points may differ by the order of sums, which changes with the size of the batch.
_SAME_ROUNDINGS = 2**10


@dataclass(frozen=True)
class Call:
    """One call of a breaking operation.

    Attributes:
        event: its number among all calls that were intercepted.
        operation: "relu", "clamp", …
        name: path of the module that made it, or "relu call 2".
        axis: which axis of its argument runs over the points, counted from the end.
        shape: of the argument without that axis.
        branches: number of breakpoints.
    """

    event: int
    operation: str
    name: str
    axis: int
    shape: tuple[int, ...]
    branches: int

    @property
    def units(self) -> int:
        """Numbers a point."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    @property
    def columns(self) -> int:
        """Numbers a point, all breakpoints together."""
        return self.units * self.branches


@dataclass(frozen=True, eq=False)
class Trace:
    """What one evaluation of a model showed.

    Attributes:
        calls: those of breaking operations whose argument changes with x.
        column: points go in as (n, 1), or else as (n,).
        dtype: of the points.
        device: of the points.
        unknown: operations that may break smoothness unseen.
        straight: nothing but operations that keep what is piecewise linear in x so; the converse need not hold.
        slopes_from: from which call on u′ is made use of, which jumps at the breaks of the calls before; None if never.
    """

    calls: tuple[Call, ...]
    column: bool
    dtype: torch.dtype
    device: torch.device
    unknown: tuple[str, ...]
    straight: bool
    slopes_from: int | None = None

    @property
    def torn(self) -> tuple[bool, ...]:
        """For each call, may its pre-activations jump at the breaks of earlier ones?"""
        out, torn = [], False
        for layer, call in enumerate(self.calls):
            torn = torn or layer == self.slopes_from
            out.append(torn)
            torn = torn or call.operation in TEARING
        return tuple(out)

    def value(self, function: Function, x: Tensor) -> Tensor:
        """The model at points (n,) → (n,)."""
        return function((x[:, None] if self.column else x).clone()).reshape(x.shape)

    def preactivations(self, function: Function, x: Tensor, layer: int) -> Tensor:
        """What changes its sign in one call, at points (n,) → (n, branches · units); stops there."""
        kept: list[Tensor] = []
        call = self.calls[layer]

        def take(found: list[Tensor], event: int) -> None:
            if event == call.event:
                kept.append(_by_point(found, call))
                raise _Reached

        with suppress(_Reached):
            self._watch(function, x, take)
        if not kept:
            raise ModelChangedError(_CHANGES)
        return kept[0]

    def own(self, function: Function, x: Tensor, columns: Tensor, counts: Sequence[int]) -> Tensor:
        """At the first points the one pre-activation that is asked for, at the rest the value; with graph, (n,).

        Works under `torch.vmap`: which units are asked for may differ from model to model, how many in a call may not.

        Args:
            function: the model.
            x: points, (n,): those of the first call, those of the second, …, those where the model's value is wanted.
            columns: which branch and unit of the call, branch · units + unit, (K,), K ≤ n.
            counts: how many of the K points belong to each call.
        """
        own, value = self.asked(function, x, columns, counts)
        assert value is not None
        return torch.cat([own, value.reshape(x.shape)[sum(counts) :]])

    def asked(
        self, function: Function, x: Tensor, columns: Tensor, counts: Sequence[int], value: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """The same pre-activations, (K,), and apart from them what the model returns at all points.

        Points (n,) go in as the model takes one input, points (n, d) as they are. Without `value` the evaluation ends
        at the last call that is asked for.
        """
        at = {call.event: layer for layer, call in enumerate(self.calls)}
        last = len(counts) if value else max((k for k, n in enumerate(counts) if n), default=-1)
        rows = torch.arange(len(x), device=x.device)
        stops = [0, *accumulate(counts)]
        out: list[Tensor] = []

        def take(found: list[Tensor], event: int) -> None:
            if event not in at or at[event] >= len(counts):
                return
            mine = slice(stops[at[event]], stops[at[event] + 1])
            # Taken out at once: the operation may overwrite it in place (and `gather` would keep all of it).
            every = _by_point(found, self.calls[at[event]])
            if every.shape[1] != self.calls[at[event]].columns and every.ndim == 2:
                raise ModelChangedError(_CHANGES)
            own = every[rows[mine], columns[mine]]
            in_density = self.slopes_from is not None and at[event] >= self.slopes_from
            if in_density and x.requires_grad and not {id(t) for t in leaves(x)} & {id(t) for t in leaves(own)}:
                # A graph of the density's own making, which it may have used up, and in which nothing moves.
                own = own.detach()
            out.append(own)
            if at[event] == last:
                raise _Reached

        known: Tensor | None = None
        with suppress(_Reached):
            known = self._watch(function, x, take)
        if len(out) != min(last + 1, len(counts)):
            raise ModelChangedError(_CHANGES)
        return torch.cat(out) if out else x.new_zeros(0), known

    def _watch(self, function: Function, x: Tensor, take: Callable[[list[Tensor], int], None]) -> Tensor:
        event = -1

        def count(_: str, found: list[Tensor]) -> None:
            nonlocal event
            event += 1
            take(found, event)

        with Interception(count):
            # A model may work on its argument in place.
            return function((x[:, None] if self.column else x).clone())


class ModelChangedError(InputError):
    """A model makes other operations than when it was looked at."""


_CHANGES = (
    "model: it does not make the same operations every time it is called; one that does (no branches that depend on x, "
    "model.eval() where there is dropout) would be right"
)


class _Reached(BaseException):
    """What is wanted has been seen. Not an Exception, which a model might catch."""


def _by_point(found: list[Tensor], call: Call) -> Tensor:
    """(points, branches · units)."""
    rows = [z.movedim(call.axis, 0).reshape(z.shape[call.axis], -1) for z in found]
    return rows[0] if len(rows) == 1 else torch.cat(rows, 1)


def trace(
    function: Function,
    domain: tuple[float, float],
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Trace:
    """Evaluate a model twice, find out which shapes it takes, and check that it is a function of each point alone.

    Args:
        function: a module or any function of x, from (n, 1) to (n, 1) or (n,), or from (n,) to (n,) or (n, 1); the
            first of these that works is taken.
        domain: its points are taken from here.
        dtype: of the points; by default that of the parameters, or else the first of float64, float32 that works.
        device: of the points; by default that of the parameters.

    Raises:
        InputError: it takes none of these shapes, is not one number a point, has NaN or inf, mixes points, or changes
            from call to call.
    """
    found = tensors_of(function)
    dtypes = [dtype] if dtype is not None else [next((t.dtype for t in found), torch.float64)]
    if dtype is None and not found:
        dtypes.append(torch.float32)
    device = device or next((t.device for t in found), torch.get_default_device())
    failures: list[str] = []
    for column in (True, False):
        for kind in dtypes:
            # Irrational fractions: no accident puts one on a break.
            steps = (torch.arange(1, _MORE + 1, dtype=torch.float64) * (5**0.5 - 1) / 2 % 1).sort().values
            points = (domain[0] + (domain[1] - domain[0]) * steps).to(device=device, dtype=kind)
            try:
                # Neither the least nor the greatest point is among the few.
                many, few = (_look(function, p, column) for p in (points, points[1 : 1 + _FEW]))
            except InputError:
                raise
            except Exception as error:
                failures.append(f"x of shape ({_MORE}{', 1' if column else ','}): {type(error).__name__}: {error}")
                continue
            return _judged(function, points, column, many, few)
    raise InputError(
        f"model: it takes x neither as (n, 1) nor as (n,) ({failures[0].splitlines()[0]}; "
        f"{failures[-1].splitlines()[0]}); one number in, one number out would be right"
    )


@dataclass(frozen=True)
class _Look:
    value: Tensor
    seen: list[tuple[str, str, tuple[int, ...], int]]
    unknown: list[tuple[str, tuple[tuple[int, ...], ...] | None]]
    straight: bool
    largest: float


def _size(values: Iterable[Any]) -> float:
    """The largest modulus among the tensors of numbers whose entries can be seen."""
    numbers = (v for v in values if isinstance(v, Tensor) and v.is_floating_point() and v.numel())
    seen = (v for v in numbers if not is_batchedtensor(v))
    return max((float(v.detach().abs().nan_to_num(0, 0, 0).max()) for v in seen), default=0.0)


def _look(function: Function, points: Tensor, column: bool) -> _Look:
    seen: list[tuple[str, str, tuple[int, ...], int]] = []
    unknown: list[tuple[str, tuple[tuple[int, ...], ...] | None]] = []
    straight, anything, largest = True, False, 0.0
    with torch.no_grad(), _paths(function) as path:
        counts: dict[str, int] = {}

        def take(name: str, found: list[Tensor]) -> None:
            operation = called(name)
            label = _name(path, operation, counts)
            seen.append((operation, label, tuple(found[0].shape), len(found)))
            if is_batchedtensor(found[0]):
                # The axis that holds the points is out of sight.
                unknown.append(("torch.vmap", None))

        def judge(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal straight, anything, largest
            anything = True
            largest = max(largest, _size(arguments))
            straight = straight and linear(name, arguments)
            if not understood(name, arguments):
                unknown.append((name, tuple(tuple(a.shape) for a in arguments if isinstance(a, Tensor))))

        with Interception(take, judge):
            value = function((points[:, None] if column else points).clone())
    if not isinstance(value, Tensor):
        raise InputError(f"model: it returns {type(value).__name__}; a tensor with one number a point would be right")
    scripted = any(isinstance(m, torch.jit.ScriptModule) for _, held in _modules(function) for m in held.modules())
    if scripted or not anything:
        unknown.append(("an operation that torch does not show", None))
    return _Look(value.detach(), seen, unknown, straight and not unknown, max(largest, _size([value])))


def _judged(function: Function, points: Tensor, column: bool, many: _Look, few: _Look) -> Trace:
    if many.value.numel() != _MORE or few.value.numel() != _FEW:
        raise InputError(
            f"model: for {_MORE} points it returns shape {tuple(many.value.shape)}; one number a point would be right"
        )
    if not torch.isfinite(many.value).all():
        where = points[~torch.isfinite(many.value.reshape(-1))][0].item()
        raise InputError(f"model: it is not finite at x = {where:.6g}; a model with numbers there would be right")
    again = _look(function, points, column)
    if [s[:2] for s in again.seen] != [s[:2] for s in many.seen] or not torch.equal(again.value, many.value):
        raise InputError(
            "model: called twice at the same points it returns different numbers; a model that does not change from "
            "call to call (model.eval() where there is dropout) would be right"
        )
    first, alone = many.value.reshape(-1)[1 : 1 + _FEW], few.value.reshape(-1)
    # Of what is added up, not of what comes out: terms that cancel leave their rounding.
    tolerance = _SAME_ROUNDINGS * torch.finfo(first.dtype).eps * many.largest
    if len(few.seen) != len(many.seen) or float((first - alone).abs().max()) > tolerance:
        raise InputError(
            "model: its value at a point depends on which other points are asked for with it; a function of each point "
            "alone (model.eval() where there is batch normalisation) would be right"
        )
    calls = []
    for event, (one, other) in enumerate(zip(many.seen, few.seen, strict=True)):
        changed = [k for k, (a, b) in enumerate(zip(one[2], other[2], strict=True)) if a != b]
        if changed:
            rest = tuple(n for k, n in enumerate(one[2]) if k != changed[0])
            calls.append(Call(event, one[0], one[1], changed[0] - len(one[2]), rest, one[3]))
    # What has the same shapes whatever the number of points is done to parameters, and does not matter in x.
    on_points = [
        one[0] for one, other in zip_longest(many.unknown, few.unknown) if one and (one[1] is None or one != other)
    ]
    return Trace(tuple(calls), column, points.dtype, points.device, tuple(dict.fromkeys(on_points)), many.straight)


def tensors_of(function: Function) -> list[Tensor]:
    """The floating-point tensors that a model holds, or that a function closes over, as far as they can be seen."""
    held: list[Any] = []
    for _, module in _modules(function):
        held += [*module.parameters(), *module.buffers()]
    for value in held_by(function):
        held += value.values() if isinstance(value, Mapping) else [value]
    return [t for t in held if isinstance(t, Tensor) and t.is_floating_point()]


def _modules(function: Function) -> list[tuple[str, torch.nn.Module]]:
    """The model if it is a module, or those that a function closes over; with the names that go before their paths."""
    if isinstance(function, torch.nn.Module):
        return [("", function)]
    inner = [m for m in held_by(function) if isinstance(m, torch.nn.Module)]
    return [("" if len(inner) == 1 else f"{type(m).__name__} {k + 1}", m) for k, m in enumerate(inner)]


def held_by(function: Function) -> list[Any]:
    """What a function closes over, what a partial one was given, what a method belongs to."""
    if isinstance(function, torch.nn.Module):
        return []
    held = [*getattr(function, "args", ()), getattr(function, "func", None), getattr(function, "__self__", None)]
    further = getattr(function, "held", ())
    held += further if isinstance(further, tuple) else [further]
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):
            # An empty cell raises.
            held.append(cell.cell_contents)
    return held


@contextmanager
def _paths(function: Function) -> Iterator[list[tuple[str, bool]]]:
    """The path of the module that is being evaluated, as a stack; is it an activation and nothing else?"""
    stack: list[tuple[str, bool]] = []
    handles: list[Any] = []
    for prefix, held in _modules(function):
        for path, module in held.named_modules(prefix=prefix):
            only = not any(True for _ in module.children()) and type(module).__module__.startswith("torch.nn.")
            entry = (path, only)
            handles.append(module.register_forward_pre_hook(lambda _m, _a, e=entry: stack.append(e)))
            handles.append(module.register_forward_hook(lambda _m, _a, _r: stack.pop() and None))
    try:
        yield stack
    finally:
        for handle in handles:
            handle.remove()


def _name(path: list[tuple[str, bool]], operation: str, counts: dict[str, int]) -> str:
    """The module's path if it is an activation and nothing else; what is used again is counted."""
    inside, activation = path[-1] if path else ("", False)
    label = inside if inside and activation else f"{inside}, {operation}" if inside else operation
    counts[label] = counts.get(label, 0) + 1
    if label == inside:
        return label if counts[label] == 1 else f"{label}, call {counts[label]}"
    return f"{label} call {counts[label]}"
