"""A user's model of several inputs as the audit sees it: u and ∇u at points, in float64, with graphs; and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..judging.preparation import copied
from ..judging.seeds import seeded
from ..seeing.model import Model
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from .domains import Domain, even_points

# Points that a model is looked at with.
_PROBES = 7
# A batch and a part of it are summed in different orders.
_SAME = 1e-6
# Step of differences, the cube root of float64's rounding, and what they may be off by, of the largest.
_STEP, _OFF = 6e-6, 1e-3


@dataclass(frozen=True, eq=False)
class SpaceModel(Model):
    """A function of x (n, d) whose parameters carry gradients.

    Attributes:
        inputs: d; of m > 1 outputs u is (n, m).
    """

    inputs: int = 0

    def value(self, x: Tensor) -> Tensor:
        """U at points (n, d), (n,) or (n, m)."""
        found = self.function(x)
        return found.reshape(len(x)) if self.outputs == 1 else found

    def fields(self, x: Tensor, second: bool = False) -> tuple[Tensor, Tensor, Tensor | None]:
        """U (n,) or (n, m), ∇u (n, d) or (n, m, d) and second derivatives (n, d, d) or (n, m, d, d), if asked for."""
        x = x if x.requires_grad else x.detach().requires_grad_()
        u = self.value(x)
        du = _slopes(u, x)
        return u, du, _slopes(du, x) if second else None


def _slopes(values: Tensor, x: Tensor) -> Tensor:
    """Derivatives by x, with their graph: an axis of d after those of the values."""
    if not values.requires_grad:
        return values.new_zeros(*values.shape, x.shape[1])
    columns = values.reshape(len(x), -1).unbind(1)
    found = [torch.autograd.grad(c.sum(), x, create_graph=True, materialize_grads=True)[0] for c in columns]
    return torch.stack(found, 1).reshape(*values.shape, x.shape[1])


def probes(domain: Domain, count: int = _PROBES) -> Tensor:
    """A few points inside a domain, (count, d), the same each time.

    Raises:
        InputError: none was found.
    """
    for tried in (64, 4096, 2**18):
        x = even_points(domain.box, tried, seed=0)
        x = x[domain.inside(x)]
        if len(x) >= count:
            return x[:count]
    raise InputError("domain: hardly any point of its bounding box lies inside; a tighter box would be right")


def prepare(model: Callable[..., Any], domain: Domain, parameters: Mapping[str, Any] | None) -> SpaceModel:
    """Copy a user's model of several inputs to float64 and check that it is what it should be.

    Args:
        model: a module or a function of x (n, d), or with `parameters` one of (parameters, x).
        domain: its points are taken from here.
        parameters: name → tensor, for a function.

    Raises:
        InputError: as for models of one input; or shapes that do not fit the domain.
    """
    rebuild, given, dtype = copied(model, parameters)
    function, leaves = rebuild(given, torch.float64)
    x = probes(domain)
    inputs = x.shape[1]
    try:
        with seeded(0):
            found = function(x.clone())
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"model: for x of shape ({len(x)}, {inputs}), one number a side of the domain, it raises {sentence(error)}"
            f"{at(line_of_error(error) or line_of(model))}; (n, {inputs}) to (n,), (n, 1) or (n, m) would be right"
        ) from None
    if not isinstance(found, Tensor) or found.ndim not in (1, 2) or len(found) != len(x) or not found.numel():
        what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            f"model: for x of shape ({len(x)}, {inputs}) it returns {what}{at(line_of(model))}; (n,), (n, 1) or (n, m) "
            "would be right"
        )
    outputs = found.numel() // len(x)
    shaped = SpaceModel(function, leaves, False, dtype, model, rebuild, outputs, inputs)
    _check(shaped, x, domain)
    return shaped


def _check(model: SpaceModel, x: Tensor, domain: Domain) -> None:
    where = at(line_of(model.original))
    with seeded(0):
        first, again = model.value(x).detach(), model.value(x).detach()
    if not torch.isfinite(first).all():
        k = int((~torch.isfinite(first.reshape(len(x), -1))).any(1).nonzero()[0])
        raise InputError(
            f"model: it is not finite at x = {_place(x[k])}{where}; finite numbers in the whole domain would be right"
        )
    if first.dtype != torch.float64:
        name = str(first.dtype).removeprefix("torch.")
        raise InputError(
            f"model: with float64 parameters and points it returns {name}{where}; a model that does not cast to a type "
            "of its own would be right"
        )
    if not torch.equal(first, again):
        raise InputError(f"model: its values change from call to call{where}; a function of x would be right")
    few = model.value(x[:3]).detach()
    if (few - first[:3]).abs().max() > _SAME * first.abs().max():
        raise InputError(
            f"model: its value at a point depends on the other points of the batch{where}; a model without batch "
            "statistics (model.eval() where there is BatchNorm) would be right"
        )
    u, du, _ = model.fields(x)
    gradient = [None] if not u.requires_grad else torch.autograd.grad(u.sum(), model.tensors, allow_unused=True)
    if all(g is None for g in gradient):
        raise InputError(
            f"model: u does not depend on its parameters as autograd sees it{where}; a model without detach, numpy or "
            "no_grad between parameters and u would be right"
        )
    # Autograd's derivatives against differences of the values, along one direction of x and one of the parameters.
    generator = torch.Generator().manual_seed(1)
    sides = domain.box[:, 1] - domain.box[:, 0]
    aside = sides * torch.randn(model.inputs, generator=generator, dtype=torch.float64)
    vector = model.vector()
    direction = torch.randn(len(vector), generator=generator, dtype=vector.dtype)
    direction *= (float(vector.norm()) or 1.0) / direction.norm()
    weights = torch.randn(u[0].numel(), generator=generator, dtype=torch.float64)

    def summed(one: Model, points: Tensor) -> Tensor:
        return one.value(points).reshape(len(points), -1) @ weights

    moved = [[summed(m, p).detach() for m, p in pair] for pair in (
        [(model, x + s * _STEP * aside) for s in (1, -1)],
        [(model.at(model.split(vector + s * _STEP * direction)), x) for s in (1, -1)],
    )]  # fmt: skip
    by_x = (du.reshape(len(x), -1, model.inputs) * weights[:, None]).sum(1) @ aside
    by_parameters = torch.stack([model.gradient(v, keep=True) @ direction for v in summed(model, x)])
    for name, own, (high, low) in zip(("x", "its parameters"), (by_x, by_parameters), moved, strict=True):
        difference = (high - low) / (2 * _STEP)
        rounding = 1e-15 * float(first.abs().max()) / _STEP
        off = (own.detach() - difference).abs() > _OFF * float(difference.abs().max()) + 10 * rounding
        # A kink may lie between some of the values, but not at most.
        if off.sum() > len(x) // 2:
            k = int(off.nonzero()[0])
            raise InputError(
                f"model: at x = {_place(x[k])} its derivative in {name} is {own[k].item():.6g} as autograd sees it and "
                f"{difference[k].item():.6g} by differences{where}; a model without detach, numpy or no_grad between "
                "x, its parameters and u would be right"
            )


def _place(x: Tensor) -> str:
    return "(" + ", ".join(f"{v:.6g}" for v in x.tolist()) + ")"
