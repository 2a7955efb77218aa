"""A model of several inputs or outputs: how it is called, its derivatives, and what changes its sign at a kink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.layers import Layer, layers_of
from ...verify.models.seeing.trace import Trace, held_by, tensors_of
from ...verify.models.space.along import seen_along

Function = Callable[[Tensor], Tensor]
# Points that a model is looked at with.
_FEW = 5


@dataclass(frozen=True, eq=False)
class Fields:
    """A model, and how it is called.

    Attributes:
        model: the function of x itself.
        trace: what one evaluation showed; points go in as (n, d), or in one input as it has it.
        inputs: d.
        outputs: m.
        layers: the stack of layers behind all breaks, if there is one.
        within: the model itself, where `model` is a density along it.
    """

    model: Function
    trace: Trace
    inputs: int
    outputs: int
    layers: tuple[Layer, ...] | None
    within: Fields | None = None

    def asked(self, x: Tensor, columns: Tensor, counts: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Some pre-activations (K,), see `Trace.asked`, and u (n, m) at points (n, d), with graph."""
        z, u = self.trace.asked(self.model, x[:, 0] if self.inputs == 1 else x, columns, counts)
        assert u is not None
        return z, u.reshape(len(x), self.outputs)

    def graph(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """u (n, m) and ∂u/∂x (n, m, d) at points (n, d) that require gradients, with graph.

        Raises:
            InputError: u is cut off from x.
        """
        with torch.enable_grad():
            given = x if self.inputs > 1 or self.trace.column else x[:, 0]
            u = self.model(given).reshape(len(x), self.outputs)
            if not u.requires_grad:
                raise InputError("model: what it returns is cut off from x; no detach() or no_grad() would be right")
            rows = [torch.autograd.grad(c.sum(), x, create_graph=True, materialize_grads=True)[0] for c in u.unbind(1)]
            return u, torch.stack(rows, 1)

    def first(self, x: Tensor, columns: Tensor, counts: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """z (K,), u (n, m) and ∂u/∂x (n, m, d), without graph.

        Raises:
            InputError: u is cut off from x.
        """
        z, u, pull = _pulled(lambda p: self.asked(p, columns, counts), x)
        if self.outputs == 1:
            return z.detach(), u.detach(), pull(1).detach()[:, None]
        return z.detach(), u.detach(), torch.stack([pull(1, k) for k in range(self.outputs)], 1).detach()

    def normals(self, x: Tensor, columns: Tensor, counts: Sequence[int]) -> Tensor:
        """∂z/∂x (K, d), without graph."""
        _, _, pull = _pulled(lambda p: self.asked(p, columns, counts), x)
        return pull(0)[: len(columns)].detach()

    def second(self, x: Tensor) -> Tensor:
        """Second derivatives of u, (n, m, d, d), without graph."""

        def slopes(p: Tensor) -> tuple[Tensor, Tensor]:
            none = p.new_zeros(0)
            _, _, pull = _pulled(lambda q: self.asked(q, none.long(), []), p, graph=True)
            return none, torch.stack([pull(1, k) for k in range(self.outputs)], 1).flatten(1)

        _, flat, pull = _pulled(slopes, x)
        found = torch.stack([pull(1, k) for k in range(flat.shape[1])], 1)
        return found.detach().reshape(len(x), self.outputs, self.inputs, self.inputs)


def _pulled(
    of: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor, graph: bool = False
) -> tuple[Tensor, Tensor, Callable[..., Tensor]]:
    """Two values (K,) and (n, m) of a function of points, and the gradients of the first, or a column of the second."""
    try:
        leaf = x if x.requires_grad else x.detach().requires_grad_()
    except RuntimeError:
        # Inside a transform of torch.func nothing can be made to require gradients, but its own transforms nest.
        first, second = of(x)

        def transformed(which: int, column: int = 0) -> Tensor:
            def total(p: Tensor) -> Tensor:
                found = of(p)[which]
                return found[:, column].sum() if which else found.sum()

            value, pull, *_ = torch.func.vjp(total, x)
            found: Tensor = pull(torch.ones_like(value))[0]
            return found

        return first, second, transformed
    with torch.enable_grad():
        first, second = of(leaf)

    def pull(which: int, column: int = 0) -> Tensor:
        value = second if which else first
        if not value.requires_grad:
            if not which:
                return torch.zeros_like(leaf)
            raise InputError("model: what it returns is cut off from x; no detach() or no_grad() would be right")
        seed = torch.ones_like(value)
        if which and second.shape[1] > 1:
            seed = torch.zeros_like(value)
            seed[:, column] = 1
        (found,) = torch.autograd.grad(
            value, leaf, seed, retain_graph=graph or second.shape[1] > 1, create_graph=graph, materialize_grads=True
        )
        return found

    return first, second, pull


# Looking costs as much as some steps of training, and shows the same every time.
_REMEMBERED: WeakKeyDictionary[Any, tuple[Any, Fields]] = WeakKeyDictionary()


def fields_of(model: Function, box: Tensor, module: torch.nn.Module | None = None) -> Fields:
    """Look at a model once; what was seen is remembered as long as the model lives and holds the same parameters.

    Args:
        model: of points (n, d), in one input also of (n,), with one number a point, (n,) or (n, 1), or several (n, m).
        box: the domain's, (d, 2).
        module: what `model` calls at other parameters than its own.

    Raises:
        InputError: it does not take such points, mixes them, or does not give numbers.
    """
    memory = _memory(model if module is None else module)
    key = (module is None, *box.flatten().tolist(), *_state(model if module is None else module))
    try:
        remembered = _REMEMBERED.get(memory)
    except TypeError:
        # Not everything that can be called can be remembered.
        return _looked(model, box)
    if remembered is None or remembered[0] != key:
        seen = _looked(model, box)
        # What is kept must not hold what it is kept for.
        remembered = key, replace(seen, model=_nothing, layers=seen.layers if module is None else None)
        _REMEMBERED[memory] = remembered
    return replace(remembered[1], model=model)


def forget(model: Any) -> None:
    """What was seen is no longer so."""
    _REMEMBERED.pop(_memory(model), None)


def _memory(model: Any) -> Any:
    """What a model is known again by: a module by itself, a function by its text, however often it is written down."""
    return model if isinstance(model, torch.nn.Module) else getattr(model, "__code__", model)


def _nothing(x: Tensor) -> Tensor:
    raise NotImplementedError


def _state(model: Any) -> tuple[Any, ...]:
    """Whatever makes it another model: a module or parameter replaced, another mode, another type of numbers."""
    out: list[Any] = []
    for one in _held(model):
        if isinstance(one, torch.nn.Module):
            out += [(type(m), m.training) for m in one.modules()]
            out += [(id(p), p.dtype, p.device) for p in one.parameters()]
        else:
            out.append(id(one))
    return tuple(out)


def _held(model: Any) -> list[Any]:
    """A module itself; of a function what it closes over, and the globals that it names."""
    if isinstance(model, torch.nn.Module):
        return [model]
    everywhere = getattr(model, "__globals__", {})
    names = getattr(getattr(model, "__code__", None), "co_names", ())
    return [*held_by(model), *(everywhere[n] for n in names if n in everywhere)]


def _looked(model: Function, box: Tensor) -> Fields:
    d = len(box)
    held = tensors_of(model) or [t for m in _held(model) if isinstance(m, torch.nn.Module) for t in tensors_of(m)]
    device = held[0].device if held else torch.get_default_device()
    failure = ""
    # Irrational fractions: no accident puts one on a break.
    shares = torch.arange(1, _FEW + 1)[:, None] * torch.arange(2, d + 2).double().sqrt() % 1
    for kind in [held[0].dtype] if held else [torch.float64, torch.float32]:
        points = (box[:, 0] + shares * (box[:, 1] - box[:, 0])).to(device=device, dtype=kind)
        for x in (points, points[:, 0])[: 2 if d == 1 else 1]:
            try:
                with torch.no_grad():
                    value = model(x.clone())
            except InputError:
                raise
            except Exception as error:
                failure = failure or f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
                continue
            return _seen(model, box, x, value)
    raise InputError(
        f"model: it does not take x of shape ({_FEW}, {d}), one number a side of the domain ({failure}); a model of "
        f"(n, {d}) and a domain with as many sides as it has inputs would be right"
    )


def _seen(model: Function, box: Tensor, x: Tensor, value: Any) -> Fields:
    d = len(box)
    if not isinstance(value, Tensor) or value.ndim not in (1, 2) or len(value) != len(x):
        what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"model: for x of shape {tuple(x.shape)} it returns {what}; (n,) or (n, m) would be right")
    outputs = value.numel() // len(x)
    seen = seen_along(model, box, x.dtype, x.device, outputs)
    return Fields(model, seen, d, outputs, layers_of(model, x, seen) if d > 1 else None)
