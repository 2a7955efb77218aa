"""A user's model, copied to float64 and checked before anything is asked of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.model import Model
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from .seeds import seeded

# Two sizes of batch, at fractions of the domain that no grid and no kink of a simple model meets.
_PROBES = 7
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
            shape (n, 1), or (n,) if that fails, and returns one number a point.
        domain: its points are taken from here.
        parameters: name → tensor, for a function.

    Raises:
        InputError: no parameters; not scalar in and out; NaN; it changes from call to call, or with the other points
            of a batch; an in-place operation that breaks its derivative; it takes its parameters or x out of
            autograd's sight.
    """
    if isinstance(model, torch.nn.Module):
        if parameters is not None:
            raise InputError("parameters: a torch.nn.Module has its own; leaving parameters= out would be right")
        # A compiled module hides its operations; what it was compiled from does not.
        whole = getattr(model, "_orig_mod", model)
        dtype = next((p.dtype for p in whole.parameters() if p.is_floating_point()), torch.float64)
        rebuild = partial(_module, whole)
        given: Mapping[str, Tensor] = {n: p for n, p in whole.named_parameters() if p.requires_grad}
    elif callable(model):
        given = _tensors(parameters)
        dtype = next(iter(given.values())).dtype
        rebuild = partial(_function, model)
    else:
        raise InputError(
            f"model: {type(model).__name__} cannot be called; a torch.nn.Module, or a function of (parameters, x) "
            "with parameters=, would be right"
        )
    if not given:
        raise InputError(
            f"model: it has no parameters that require gradients{at(line_of(model))}; a model with some would be right"
        )
    function, leaves = rebuild(given)
    shaped = Model(function, leaves, _takes_columns(function, domain, model), dtype, model, rebuild)
    _check(shaped, domain)
    return shaped


def _module(
    module: torch.nn.Module, parameters: Mapping[str, Tensor]
) -> tuple[Callable[[Tensor], Tensor], dict[str, Tensor]]:
    # Names and hooks survive a deep copy, which a functional call would hide from the search for kinks.
    try:
        own = copy.deepcopy(module)
    except RuntimeError as error:
        raise InputError(f"model: it cannot be copied ({sentence(error)}); a module of leaf tensors is right") from None
    own = own.to(device="cpu", dtype=torch.float64)
    for part in own.modules():
        # The same numbers, and what an in-place activation overwrites is still there to be looked at.
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment, unused-ignore]
    leaves: dict[str, Tensor] = {n: p for n, p in own.named_parameters() if n in parameters}
    with torch.no_grad():
        for name, leaf in leaves.items():
            leaf.copy_(parameters[name])
    return own, leaves


def _function(
    function: Callable[..., Any], parameters: Mapping[str, Tensor]
) -> tuple[Callable[[Tensor], Tensor], dict[str, Tensor]]:
    leaves = {n: p.detach().to("cpu", torch.float64).clone().requires_grad_() for n, p in parameters.items()}
    return partial(function, leaves), leaves


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


def _takes_columns(function: Callable[[Tensor], Tensor], domain: tuple[float, float], model: Any) -> bool:
    """Does it take (n, 1), or else (n,)?"""
    x = probes(domain)
    failures: list[str] = []
    for column in (True, False):
        try:
            with seeded(0):
                found = function(x[:, None].clone() if column else x.clone())
        except InputError:
            raise
        except Exception as error:
            failures.append(f"{sentence(error)}{at(line_of_error(error))}")
            continue
        if isinstance(found, Tensor) and found.shape in ((_PROBES,), (_PROBES, 1)):
            return column
        what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        failures.append(f"it returns {what} for {_PROBES} points{at(line_of(model))}")
    raise InputError(f"model: {failures[0]}; one number in and one number out, (n, 1) to (n, 1), would be right")


def _check(model: Model, domain: tuple[float, float]) -> None:
    x = probes(domain)
    original = model.original
    with seeded(0):
        first, again = model.value(x).detach(), model.value(x).detach()
    if not torch.isfinite(first).all():
        where = x[~torch.isfinite(first)][0].item()
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
    few = model.value(x[:3]).detach()
    if (few - first[:3]).abs().max() > _SAME * first.abs().max():
        raise InputError(
            f"model: its value at a point depends on the other points of the batch{at(line_of(original))}; a model "
            "without batch statistics (model.eval() where there is BatchNorm) would be right"
        )
    try:
        u, du, _ = model.fields(x)
        # A network all of whose neurons are silent is constant, and no fault of autograd's.
        varies = (first.max() - first.min()) > _SAME * first.abs().max()
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
    by_parameters = torch.stack([model.gradient(value, keep=True) @ direction for value in u])
    compared = (
        ("x", du.detach(), (steps[0] - steps[1]) / (2 * _STEP * length)),
        ("its parameters", by_parameters, (moved[0] - moved[1]) / (2 * _STEP)),
    )
    for name, own, difference in compared:
        # What rounding leaves of a difference of two values; a kink may lie between some of them, but not at most.
        rounding = 1e-15 * float(u.detach().abs().max()) / _STEP / (length if name == "x" else 1.0)
        off = (own - difference).abs() > _OFF * float(difference.abs().max()) + 10 * rounding
        if off.sum() > len(x) // 2:
            k = int(off.nonzero()[0])
            raise InputError(
                f"model: at x = {x[k].item():.6g} its derivative in {name} is {own[k].item():.6g} as autograd sees it "
                f"and {difference[k].item():.6g} by differences{at(line_of(model.original))}; a model without detach, "
                "numpy or no_grad between x, its parameters and u would be right"
            )


def _why_random(model: Any) -> str:
    named = model.named_modules() if isinstance(model, torch.nn.Module) else []
    dropping = [n for n, m in named if m.training and isinstance(m, torch.nn.modules.dropout._DropoutNd)]
    if dropping:
        return f"since {dropping[0] or 'it'} is dropout in training mode; model.eval() before the audit would be right"
    return f"for no dropout that is known{at(line_of(model))}; a model that is a function of x would be right"
