"""The sum that the user trains, in the user's own precision: its value and autodiff's gradient on n points."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...discrete.quadrature import grid
from ...errors import InputError
from ..seeing.model import Model
from ..seeing.pieces import at_once
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from .density import Density
from .jump import Ends
from .seeds import seeded

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Discretisation:
    """What is trained.

    Attributes:
        name: for reports.
        parts: n → scalars that add up to what autodiff differentiates, so that they need not be in memory at once.
        tensors: the parameters it depends on, in the order of the model's.
        precision: "float64" or "float32".
        fixed: its nodes do not move with the parameters; None if that cannot be seen from outside.
        random: it draws anew at each call.
    """

    name: str
    parts: Callable[[int], Iterable[Tensor]]
    tensors: list[Tensor]
    precision: str
    fixed: bool | None
    random: bool = field(default=False)

    def gradient(self, points: int, seed: int | None = None) -> tuple[float, Array]:
        """Value and autodiff's gradient (P,) on so many points, drawn from a seed where they are drawn.

        Raises:
            InputError: the user's sum raises, is no finite number, or has no gradient.
        """
        if seed is None:
            return self._gradient(points)
        with seeded(seed):
            return self._gradient(points)

    def value(self, points: int) -> Tensor:
        """The whole sum with its graph."""
        return torch.stack(list(self.parts(points))).sum()

    def _gradient(self, points: int) -> tuple[float, Array]:
        value, row = 0.0, torch.zeros(sum(p.numel() for p in self.tensors), dtype=torch.float64)
        for part in self.parts(points):
            if not part.requires_grad:
                raise InputError(
                    f"{self.name}: as autograd sees it, it does not depend on the parameters; a loss without detach, "
                    "item or no_grad would be right"
                )
            try:
                found = torch.autograd.grad(part, self.tensors, allow_unused=True)
            except RuntimeError as error:
                raise InputError(
                    f"{self.name}: autograd's gradient of it fails ({sentence(error)}); a loss of which "
                    "loss.backward() works would be right"
                ) from None
            pairs = zip(self.tensors, found, strict=True)
            row += torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1).double().cpu() for p, g in pairs])
            value += float(part.detach())
        if not np.isfinite(value) or not torch.isfinite(row).all():
            what = f"its value on {points} points is {value:g}"
            if np.isfinite(value):
                what = f"its gradient on {points} points is not finite"
            raise InputError(f"{self.name}: {what}; finite numbers would be right")
        return value, row.numpy()


def on_rule(
    model: Model, density: Density, domain: tuple[float, float], rule: str, ends: Ends | None
) -> Discretisation:
    """A named rule's sum of the density, u′ by autograd, in the user's precision."""
    own = in_own_precision(model)
    grid(rule, 10, domain)

    def nodes(points: int) -> tuple[Tensor, Tensor]:
        mesh = grid(rule, points, domain)
        return torch.from_numpy(mesh.nodes), torch.from_numpy(mesh.weights)

    return Discretisation(
        f"{rule} rule", partial(_weighted, own, density, ends, domain, nodes), own.tensors, own.precision, True
    )


def on_quadrature(
    model: Model,
    density: Density,
    domain: tuple[float, float],
    quadrature: Callable[[int], Any],
    ends: Ends | None,
    points: int,
) -> Discretisation:
    """The user's own nodes and weights."""
    own = in_own_precision(model)

    def nodes(count: int) -> tuple[Tensor, Tensor]:
        wanted = "nodes and weights, each (n,), would be right"
        where = at(line_of(quadrature))
        try:
            pair = quadrature(count)
            x, weights = (torch.as_tensor(a).reshape(-1).double() for a in pair)
        except Exception as error:
            line = at(line_of_error(error) or line_of(quadrature))
            raise InputError(f"quadrature: for {count} points it raises {sentence(error)}{line}; {wanted}") from None
        if len(x) == 0 or weights.shape not in (x.shape, (1,)):
            raise InputError(f"quadrature: it returns {len(x)} nodes and {len(weights)} weights{where}; {wanted}")
        outside = (x < domain[0]) | (x > domain[1]) | ~torch.isfinite(x)
        if outside.any():
            value = float(x[outside][0].detach())
            raise InputError(f"quadrature: its node {value:g} lies outside the domain {domain}{where}; {wanted}")
        return x, weights.expand(x.shape)

    with seeded(0):
        first, second = nodes(points), nodes(points)
    drawn = len(first[0]) != len(second[0]) or not torch.equal(first[0], second[0])
    if any(a.requires_grad for a in first):
        raise InputError(
            f"quadrature: its nodes or weights carry gradients{at(line_of(quadrature))}, of parameters that are not "
            "those of the copy that is judged; loss= with a function of (model, n) would be right"
        )
    summed = partial(_weighted, own, density, ends, domain, nodes)
    return Discretisation("your quadrature", summed, own.tensors, own.precision, True, drawn)


def on_loss(model: Model, loss: Callable[[Any, int], Any], points: int) -> Discretisation:
    """The user's whole loss of (model, n), with their own model in their own precision."""
    original = model.original
    # What is coarser than float32 has no sums worth judging.
    dtype = model.dtype if model.precision == "float64" else torch.float32
    if isinstance(original, torch.nn.Module):
        own: Any = copy.deepcopy(original).to(dtype)
        named = dict(own.named_parameters())
        # A compiled module's names have a prefix.
        tensors = [named[n] if n in named else named[f"_orig_mod.{n}"] for n in model.parameters]
        with torch.no_grad():
            for tensor, value in zip(tensors, model.tensors, strict=True):
                tensor.copy_(value)
    else:
        leaves = {n: p.detach().to(dtype).requires_grad_() for n, p in model.parameters.items()}
        own, tensors = partial(original, leaves), list(leaves.values())
    wanted = "a function of (model, n) that returns one number with its graph would be right"

    def total(count: int) -> list[Tensor]:
        try:
            with _default_type(dtype):
                found = loss(own, count)
        except Exception as error:
            line = at(line_of_error(error) or line_of(loss))
            raise InputError(f"loss: for {count} points it raises {sentence(error)}{line}; {wanted}") from None
        if not isinstance(found, Tensor) or found.numel() != 1:
            what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise InputError(f"loss: it returns {what}{at(line_of(loss))}; {wanted}")
        return [found.reshape(())]

    if len(inspect.signature(loss).parameters) < 2:
        raise InputError(f"loss: it takes fewer than two arguments{at(line_of(loss))}; {wanted}")
    with seeded(0):
        first, second = float(total(points)[0].detach()), float(total(points)[0].detach())
    return Discretisation("your loss", total, tensors, model.precision, None, first != second)


def in_own_precision(model: Model) -> Model:
    """The model in the user's type again, on this machine's processor."""
    if model.dtype == torch.float64:
        return model
    # float16 and bfloat16 have no sums worth judging on processors: float32 stands for what is coarser than double.
    if isinstance(model.function, torch.nn.Module):
        function: Any = copy.deepcopy(model.function).to(torch.float32)
        named = dict(function.named_parameters())
        leaves = {n: named[n] for n in model.parameters}
    else:
        leaves = {n: p.detach().float().requires_grad_() for n, p in model.parameters.items()}
        function = partial(model.original, leaves)
    return Model(function, leaves, model.column, torch.float32, model.original, model.rebuild)


def _weighted(
    model: Model,
    density: Density,
    ends: Ends | None,
    domain: tuple[float, float],
    nodes: Callable[[int], tuple[Tensor, Tensor]],
    points: int,
) -> Iterator[Tensor]:
    dtype = torch.float64 if model.precision == "float64" else torch.float32
    x, weights = (a.to(dtype) for a in nodes(points))
    size = at_once(model.widest)
    for part, weight in zip(torch.split(x, size), torch.split(weights, size), strict=True):
        yield (density(model, part if part.requires_grad else part.clone().requires_grad_()) * weight).sum()
    if ends is not None:
        yield ends(model.value(torch.tensor(domain, dtype=dtype))).reshape(())


@contextmanager
def _default_type(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
