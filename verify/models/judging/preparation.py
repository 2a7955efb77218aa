"""A user's model, copied to float64 and checked before anything is asked of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.holdings import modules
from ..seeing.model import Model, Rebuild
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from .copies import of_closure, of_function, of_module, require_visible, trainable
from .seeds import seeded

# Two sizes of batch, at fractions of the domain that no grid and no kink of a simple model meets.
_PROBES, _FEWER = 7, 3
# A batch and a part of it are summed in different orders.
_SAME = 1e-6
# Step of differences, the cube root of float64's rounding, and what they may be off by, of the largest.
_STEP, _OFF = 6e-6, 1e-3


def prepare(
    model: Callable[..., Any],
    domain: tuple[float, float],
    parameters: Mapping[str, Any] | None = None,
) -> Model:
    """Copy a user's model to float64 and check that it is what it should be.

    Args:
        model: a `torch.nn.Module` of x, or with `parameters` a function of (parameters, x). It is called with x of
            shape (n, 1), or (n,) if that fails, and returns one number a point, or several, (n, m).
        domain: its points are taken from here.
        parameters: name → tensor, for a function.

    Raises:
        InputError: no parameters; it takes no numbers x, or returns none; NaN; it changes from call to call, or with
            the other points of a batch; an in-place operation that breaks its derivative; it takes its parameters or x
            out of autograd's sight.
    """
    rebuild, given, dtype = copied(model, parameters)
    function, leaves = rebuild(given, torch.float64)
    column, outputs = _shapes(function, domain, model)
    shaped = Model(function, leaves, column, dtype, model, rebuild, outputs)
    _check(shaped, domain)
    return shaped


def copied(
    model: Callable[..., Any], parameters: Mapping[str, Any] | None
) -> tuple[Rebuild, Mapping[str, Tensor], torch.dtype]:
    """How a user's model is made anew, its trainable parameters, and their type.

    Raises:
        InputError: it cannot be called, has no parameters, or hides them.
    """
    if isinstance(model, torch.nn.Module):
        if parameters is not None:
            raise InputError("parameters: a torch.nn.Module has its own; leaving parameters= out would be right")
        # A compiled module hides its operations; what it was compiled from does not.
        whole = getattr(model, "_orig_mod", model)
        require_visible(whole)
        dtype = next((p.dtype for p in whole.parameters() if p.is_floating_point()), torch.float64)
        rebuild: Rebuild = partial(of_module, whole)
        given: Mapping[str, Tensor] = {n: p for n, p in whole.named_parameters() if p.requires_grad}
    elif callable(model) and parameters is None and (held := trainable(model)):
        for module in modules(model):
            require_visible(module)
        rebuild = partial(of_closure, model)
        given = {p.name: p.tensor for p in held}
        dtype = held[0].tensor.dtype
    elif callable(model):
        given = _tensors(parameters)
        dtype = next(iter(given.values())).dtype
        rebuild = partial(of_function, model)
    else:
        raise InputError(
            f"model: {type(model).__name__} cannot be called; a torch.nn.Module, or a function of (parameters, x) "
            "with parameters=, would be right"
        )
    if not given:
        raise InputError(
            f"model: it has no parameters that require gradients{at(line_of(model))}; a model with some would be right"
        )
    return rebuild, given, dtype


def _tensors(parameters: Mapping[str, Any] | None) -> dict[str, Tensor]:
    wanted = "a dict such as {'w': tensor, 'b': tensor} would be right"
    if not isinstance(parameters, Mapping) or not parameters:
        got = "missing or empty" if not parameters else f"a {type(parameters).__name__}"
        raise InputError(f"parameters: for a function of (parameters, x) they are {got}; {wanted}")
    found = {}
    for name, value in parameters.items():
        tensor = torch.as_tensor(value) if isinstance(value, Tensor | np.ndarray | float | list) else None
        if tensor is None or not tensor.is_floating_point():
            raise InputError(f"parameters: {name} is no tensor of floating-point numbers; {wanted}")
        found[str(name)] = tensor
    return found


def probes(domain: tuple[float, float]) -> Tensor:
    """A few points inside the domain, (7,)."""
    fractions = torch.arange(1, _PROBES + 1, dtype=torch.float64) * (math.sqrt(5) - 1) / 2 % 1
    return domain[0] + (domain[1] - domain[0]) * fractions


def _shapes(function: Callable[[Tensor], Tensor], domain: tuple[float, float], model: Any) -> tuple[bool, int]:
    """Does it take (n, 1), or else (n,)? And how many numbers does it return a point?"""
    x = probes(domain)
    failures: list[str] = []
    errors: list[Exception] = []
    for column in (True, False):
        try:
            with seeded(0):
                found, few = (function(p[:, None].clone() if column else p.clone()) for p in (x, x[:_FEWER]))
        except InputError:
            raise
        except Exception as error:
            failures.append(f"{sentence(error)}{at(line_of_error(error))}")
            errors.append(error)
            continue
        if isinstance(found, Tensor) and found.shape in ((_PROBES,), (_PROBES, 1)):
            return column, 1
        # (n, 1) times (n,) is (n, n) by accident, and no n outputs.
        if isinstance(found, Tensor) and found.ndim == 2 and few.shape == (_FEWER, found.shape[1]):
            return column, found.shape[1]
        what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        failures.append(f"it returns {what} for {_PROBES} points{at(line_of(model))}")
    if any("same dtype" in str(e) for e in errors):
        raise InputError(
            f"model: in float64 it mixes types of numbers ({failures[0]}); x.to(weight.dtype) in place of "
            "x.float(), and no type that is written down elsewhere, would be right"
        )
    keys = _keys(function, x)
    if keys:
        into, out = keys
        raise InputError(
            f"model: it takes a dict and returns one{at(line_of(model))}; wrapped as "
            f'lambda x: model({{"{into}": x}})["{out}"] it would be right'
        )
    raise InputError(f"model: {failures[0]}; one number in and one or m out, (n, 1) to (n, m), would be right")


class _Asked(dict[str, Tensor]):
    """A dict that has everything it is asked for, and remembers what that was."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self._x = x

    def __missing__(self, key: str) -> Tensor:
        self[key] = self._x
        return self._x


def _keys(function: Callable[..., Any], x: Tensor) -> tuple[str, str] | None:
    """The one key that a model of dicts asks for, and the one under which it answers with a number a point."""
    asked = _Asked(x[:, None].clone())
    try:
        found = function(asked)
        # Advice is what worked.
        (into,) = asked
        (out,) = [k for k, v in found.items() if isinstance(v, Tensor) and v.numel() == len(x)]
        again = function({into: x[:, None].clone()})[out]
    except Exception:
        return None
    return (str(into), str(out)) if isinstance(again, Tensor) and again.numel() == len(x) else None


def _check(model: Model, domain: tuple[float, float]) -> None:
    x = probes(domain)
    original = model.original
    with seeded(0):
        first, again = model.value(x).detach(), model.value(x).detach()
    if not torch.isfinite(first).all():
        where = x[~torch.isfinite(first.reshape(_PROBES, -1)).all(1)][0].item()
        raise InputError(
            f"model: it is {first[~torch.isfinite(first)][0].item()} at x = {where:.6g}{at(line_of(original))}; "
            "finite numbers in the whole domain would be right"
        )
    if first.dtype != torch.float64:
        name = str(first.dtype).removeprefix("torch.")
        raise InputError(
            f"model: with float64 parameters and points it returns {name}{at(line_of(original))}; a model that does "
            "not cast to a type of its own would be right"
        )
    if not torch.equal(first, again):
        raise InputError(f"model: its values change from call to call, {_why_random(original)}")
    few = model.value(x[:_FEWER]).detach()
    if (few - first[:_FEWER]).abs().max() > _SAME * first.abs().max():
        raise InputError(
            f"model: its value at a point depends on the other points of the batch{at(line_of(original))}; a model "
            "without batch statistics (model.eval() where there is BatchNorm) would be right"
        )
    try:
        u, du, _ = model.fields(x)
        # A network all of whose neurons are silent or saturated is constant about a point, and no fault of autograd's.
        aside = _STEP * (domain[1] - domain[0])
        varies = (
            model.value(x + aside) - model.value(x - aside)
        ).detach().abs().max() > _SAME * first.abs().max() * _STEP
        if not u.requires_grad or (varies and not du.abs().any()):
            what = "u does not depend on parameters or x" if not u.requires_grad else "u′ is zero everywhere"
            raise InputError(
                f"model: {what} as autograd sees it{at(line_of(original))}; a model without detach, numpy or no_grad "
                "between x, its parameters and u would be right"
            )
        gradient = torch.autograd.grad((u + du).sum(), model.tensors, allow_unused=True)
    except RuntimeError as error:
        raise model.backward_failed(error) from None
    if all(g is None for g in gradient):
        raise InputError(
            f"model: u does not depend on its parameters as autograd sees it{at(line_of(original))}; a model without "
            "detach, numpy or no_grad between parameters and u would be right"
        )
    _check_differences(model, domain)


def _check_differences(model: Model, domain: tuple[float, float]) -> None:
    """Autograd's derivatives in x, and in the parameters along a direction, against differences of the values."""
    x = probes(domain).requires_grad_()
    u, du, _ = model.fields(x)
    length = domain[1] - domain[0]
    generator = torch.Generator().manual_seed(1)
    vector = model.vector()
    direction = torch.randn(len(vector), generator=generator, dtype=vector.dtype)
    direction *= (float(vector.norm()) or 1.0) / direction.norm()
    steps = [(model.value(x.detach() + s * _STEP * length)).detach() for s in (1, -1)]
    moved = [model.at(model.split(vector + s * _STEP * direction)).value(x.detach()).detach() for s in (1, -1)]
    by_parameters = torch.stack([model.gradient(value, keep=True) @ direction for value in u.flatten()])
    compared = (
        ("x", du.detach(), (steps[0] - steps[1]) / (2 * _STEP * length)),
        ("its parameters", by_parameters.reshape(u.shape), (moved[0] - moved[1]) / (2 * _STEP)),
    )
    for name, own, difference in compared:
        # What rounding leaves of a difference of two values; a kink may lie between some of them, but not at most.
        rounding = 1e-15 * float(u.detach().abs().max()) / _STEP / (length if name == "x" else 1.0)
        off = (own - difference).abs() > _OFF * float(difference.abs().max()) + 10 * rounding
        many = off.reshape(len(x), -1).sum(0)
        if many.max() > len(x) // 2:
            column = int(many.argmax())
            k = int(off.reshape(len(x), -1)[:, column].nonzero()[0])
            seen, right = (a.reshape(len(x), -1)[k, column].item() for a in (own, difference))
            raise InputError(
                f"model: at x = {x[k].item():.6g} its derivative in {name} is {seen:.6g} as autograd sees it "
                f"and {right:.6g} by differences{at(line_of(model.original))}; a model without detach, "
                "numpy or no_grad between x, its parameters and u would be right"
            )


def _why_random(model: Any) -> str:
    named = model.named_modules() if isinstance(model, torch.nn.Module) else []
    dropping = [n for n, m in named if m.training and isinstance(m, torch.nn.modules.dropout._DropoutNd)]
    if dropping:
        return f"since {dropping[0] or 'it'} is dropout in training mode; model.eval() before the audit would be right"
    return f"for no dropout that is known{at(line_of(model))}; a model that is a function of x would be right"
