"""The sum that the user trains, in the user's own precision: its value and autodiff's gradient on n points."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...discrete.quadrature import grid
from ...errors import InputError
from ..seeing.graph import leaves
from ..seeing.holdings import lent, places
from ..seeing.model import Model
from ..seeing.pieces import at_once
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from .integral import Integral
from .seeds import seeded

Array = NDArray[Any]
# Nodes and weights, both (n,).
Nodes = tuple[Tensor, Tensor]
# Model, integral, n → nodes and weights, n → parts of the sum.
Summed = Callable[[Model, Integral, Callable[[int], Nodes], int], Iterable[Tensor]]

# What √n times the discrepancy of points is at least if they were drawn: 0.87 in the mean, and below 0.44 once in a
# hundred. Of 1,000 evenly spread ones it is 0.02.
_UNEVEN = 0.3


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
        scatter: n, seed → Σ ±weight ∂L/∂θ with random signs, (P,): by how much points that were drawn once miss the
            integral; None for grids, whose points lie evenly. Of a loss, what uniformly drawn points would have.
    """

    name: str
    parts: Callable[[int], Iterable[Tensor]]
    tensors: list[Tensor]
    precision: str
    fixed: bool | None
    random: bool = False
    scatter: Callable[[int, int], Array] | None = None

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


def on_rule(model: Model, integral: Integral, rule: str, summed: Summed) -> Discretisation:
    """A named rule's sum of the density, in the user's precision."""
    own = model.in_own_precision()
    grid(rule, 10, integral.domain)

    def nodes(points: int) -> Nodes:
        mesh = grid(rule, points, integral.domain)
        return torch.from_numpy(mesh.nodes), torch.from_numpy(mesh.weights)

    return Discretisation(f"{rule} rule", partial(summed, own, integral, nodes), own.tensors, own.precision, True)


def on_quadrature(
    model: Model, integral: Integral, quadrature: Callable[[int], Any], sizes: tuple[int, ...], summed: Summed
) -> Discretisation:
    """The user's own nodes and weights."""
    own = model.in_own_precision()
    domain = integral.domain

    def nodes(count: int) -> Nodes:
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
        first, second = nodes(sizes[0]), nodes(sizes[0])
    drawn = len(first[0]) != len(second[0]) or not torch.equal(first[0], second[0])
    if any(a.requires_grad for a in first):
        raise InputError(
            f"quadrature: its nodes or weights carry gradients{at(line_of(quadrature))}, of parameters that are not "
            "those of the copy that is judged; loss= with a function of (model, n) would be right"
        )
    with seeded(0):
        uneven = not drawn and _scattered(*nodes(sizes[-1]), domain)
    return Discretisation(
        "your quadrature", partial(summed, own, integral, nodes), own.tensors, own.precision, True, drawn,
        partial(_signed, own, integral, nodes) if uneven else None,
    )  # fmt: skip


def _scattered(x: Tensor, weights: Tensor, domain: tuple[float, float]) -> bool:
    """Do points lie as if they had been drawn? Then their discrepancy is some n^-½, and some 1/n otherwise."""
    order = x.argsort()
    share = (x[order] - domain[0]) / (domain[1] - domain[0])
    own = weights[order] / weights.sum()
    counted = own.cumsum(0)
    discrepancy = torch.maximum((counted - share).abs(), (counted - own - share).abs()).max()
    return bool(float(discrepancy) * math.sqrt(len(x)) > _UNEVEN)


def _signed(model: Model, integral: Integral, nodes: Callable[[int], Nodes], points: int, seed: int) -> Array:
    signs = 2.0 * torch.randint(2, (points,), generator=torch.Generator().manual_seed(seed)) - 1

    def flipped(count: int) -> Nodes:
        x, weights = nodes(count)
        return x, weights * signs[: len(weights)]

    row = torch.zeros_like(model.vector(), dtype=torch.float64)
    for part in weighted(model, replace(integral, ends=None, composed=None), flipped, points):
        row += model.gradient(part).double()
    return row.numpy()


def on_loss(model: Model, integral: Integral, loss: Callable[[Any, int], Any], points: int) -> Discretisation:
    """The user's whole loss of (model, n), with their own model in their own precision."""
    # What is coarser than float32 has no sums worth judging.
    own = model.in_own_precision()
    dtype = torch.float64 if own.precision == "float64" else torch.float32
    # What the density borrows the loss may take from the same places.
    borrowed = integral.density.borrowed
    lendable = [(place, own.parameters[name]) for place, name in borrowed]
    kept = {id(place.tensor): name for place, name in borrowed}
    lendable += [(p, own.parameters[kept[id(p.tensor)]]) for p in places(loss) if id(p.tensor) in kept]
    wanted = "a function of (model, n) that returns one number with its graph would be right"

    def total(count: int) -> list[Tensor]:
        try:
            with _default_type(dtype), lent(lendable):
                found = loss(own.function, count)
        except InputError:
            raise
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
        first, second = total(points)[0], total(points)[0]
    _require_argument(first, own, model.original, loss)
    drawn = float(first.detach()) != float(second.detach())
    scatter = partial(_signed, own, integral, partial(_drawn, integral.domain))
    return Discretisation("your loss", total, own.tensors, model.precision, None, drawn, scatter)


def _drawn(domain: tuple[float, float], points: int) -> Nodes:
    """Points as they would be drawn uniformly, the same each time, and their weights."""
    x = torch.rand(points, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    length = domain[1] - domain[0]
    return domain[0] + length * x, torch.full_like(x, length / points)


def _require_argument(value: Tensor, own: Model, original: Any, loss: Callable[[Any, int], Any]) -> None:
    """Refuse a loss of the script's own model, to whose parameters no gradient of the copy's leads.

    Raises:
        InputError: it does not use the model that it is given.
    """
    reached = leaves(value)
    held = original.parameters() if isinstance(original, torch.nn.Module) else [p.tensor for p in places(original)]
    others = {id(p) for p in held} - {id(t) for t in own.tensors}
    if any(id(t) in others for t in reached):
        raise InputError(
            f"loss: it uses the script's own model and not the one that it is given{at(line_of(loss))}; "
            "its first argument in the place of the global name would be right"
        )


def weighted(model: Model, integral: Integral, nodes: Callable[[int], Nodes], points: int) -> Iterator[Tensor]:
    """Parts of Σ weight·L(x, u, u′), u′ by autograd, and of what the ends add."""
    dtype = torch.float64 if model.precision == "float64" else torch.float32
    x, weights = (a.to(dtype) for a in nodes(points))
    if integral.composed is not None:
        composed = integral.composed
        sums = [term.summed(model, x, weights, integral.domain) for term in composed.integrated]
        yield composed.of(composed.values(model, sums, dtype))
        added = integral.of_ends(model, dtype)
        if added is not None:
            yield added
        return
    size = at_once(model.widest)
    for part, weight in zip(torch.split(x, size), torch.split(weights, size), strict=True):
        yield (integral.density(model, part if part.requires_grad else part.clone().requires_grad_()) * weight).sum()
    added = integral.at_ends(model, dtype)
    if added is not None:
        yield added


@contextmanager
def _default_type(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
