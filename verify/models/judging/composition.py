"""Losses that are a function of several integrals: densities on pieces of the domain, and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.graph import leaves as leaves_of
from ..seeing.model import Model
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from .density import Density, bind

_WANTED = "pairs of a density and a piece, such as (density, (0, 1)) or (density, [0.2, 0.7]), would be right"
# Central differences of fourth order with steps of these shares of each integral's size: the truncation of a smooth
# function is h⁴, its rounding 10⁻¹⁶/h; log(1 + I) of a tiny I wants steps far larger than that.
_STEPS = tuple(10.0 ** (k / 2) for k in range(-7, 9))


@dataclass(frozen=True, eq=False)
class Term:
    """A density and the piece that it is integrated over.

    Attributes:
        density: L.
        span: both ends of a part of the domain; None for all of it.
        points: or points, (K,), over which the mean is taken.
    """

    density: Density
    span: tuple[float, float] | None = None
    points: Tensor | None = None

    @property
    def name(self) -> str:
        """Of the density."""
        return str(getattr(self.density.function, "__name__", "density")).replace("<lambda>", "density")

    @property
    def piece(self) -> str:
        """In words."""
        if self.points is not None:
            return f"at x = {float(self.points):g}" if len(self.points) == 1 else f"mean of {len(self.points)} points"
        return f"over ({self.span[0]:g}, {self.span[1]:g})" if self.span else "over the domain"

    def at(self, model: Model, x: Tensor, u: Tensor, du: Tensor, ddu: Tensor | None) -> Tensor:
        """L at points and values that are given, nil outside its part of the domain."""
        here, inside = _limited(x, self.span)
        found = self.density.at(model, here, u, du, ddu)
        return found if inside is None else torch.where(inside, found, 0.0)

    def summed(self, model: Model, x: Tensor, weights: Tensor, domain: tuple[float, float]) -> Tensor:
        """Σ weight·L with its graph, the nodes of the domain moved to its part of it."""
        x, weights = self.nodes_from(x, weights, domain)
        return (self.density(model, x if x.requires_grad else x.clone().requires_grad_()) * weights).sum()

    def nodes_from(self, x: Tensor, weights: Tensor, domain: tuple[float, float]) -> tuple[Tensor, Tensor]:
        """The nodes of the domain moved to its part of it; or its points, with equal weights."""
        if self.points is not None:
            return self.points, torch.full((len(self.points),), 1 / len(self.points), dtype=weights.dtype)
        if self.span is None:
            return x, weights
        share = (self.span[1] - self.span[0]) / (domain[1] - domain[0])
        return self.span[0] + share * (x - domain[0]), share * weights

    def mean(self, model: Model, dtype: torch.dtype) -> Tensor:
        """Of L at the points, with its graph."""
        assert self.points is not None
        return self.density(model, self.points.to(dtype)).mean()


@dataclass(frozen=True, eq=False)
class Composition:
    """A loss F(I₁, I₂, …) of integrals and means over points.

    Attributes:
        terms: what they are of, in order.
        function: F; None for their sum.
    """

    terms: tuple[Term, ...]
    function: Callable[..., Any] | None

    @property
    def integrated(self) -> list[Term]:
        """The terms that are integrals."""
        return [t for t in self.terms if t.points is None]

    @property
    def points(self) -> list[float]:
        """All points at which the model is looked at."""
        return [float(x) for t in self.terms if t.points is not None for x in t.points]

    def only(self, k: int) -> Composition:
        """The k-th of the integrals alone as the loss."""
        return Composition(self.terms, lambda *values: values[k])

    def weighted(self, weights: Sequence[float]) -> Density:
        """Σ weight·L over the terms that are integrals, each nil outside its part of the domain."""
        how, functions = [], []
        for term, weight in zip(self.terms, weights, strict=True):
            if term.points is None:
                how.append((term.density.extra, term.span, weight))
                functions.append(term.density.function)
        extra = tuple(n for n in ("ddu", "parameters") if any(n in t.density.extra for t in self.integrated))
        second = any(t.density.second for t in self.integrated)
        borrowed = tuple({id(p): (p, n) for t in self.terms for p, n in t.density.borrowed}.values())
        return Density(partial(_sum, tuple(how), *functions), extra, second, borrowed)

    def densities(self, model: Model, x: Tensor, u: Tensor, du: Tensor, ddu: Tensor | None) -> list[Tensor]:
        """L of each term that is an integral, (n,)."""
        return [t.at(model, x, u, du, ddu) for t in self.integrated]

    def values(self, model: Model, integrals: Sequence[Tensor], dtype: torch.dtype = torch.float64) -> list[Tensor]:
        """All terms in order, of which the integrals are known."""
        known = iter(integrals)
        return [next(known) if t.points is None else t.mean(model, dtype) for t in self.terms]

    def of(self, values: Sequence[Tensor]) -> Tensor:
        """F.

        Raises:
            InputError: it raises, or returns something else than a finite number.
        """
        if self.function is None:
            return torch.stack(list(values)).sum()
        wanted = f"one number of {len(values)} would be right"
        try:
            found = self.function(*values)
        except Exception as error:
            line = at(line_of_error(error) or line_of(self.function))
            raise InputError(f"loss_of: it raises {sentence(error)}{line}; {wanted}") from None
        if not isinstance(found, Tensor) or found.numel() != 1:
            what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise InputError(f"loss_of: it returns {what}{at(line_of(self.function))}; {wanted}")
        if not bool(torch.isfinite(found.detach()).all()):
            given = ", ".join(f"{float(v.detach()):.6g}" for v in values)
            raise InputError(
                f"loss_of: of the integrals {given} it makes {float(found.detach())}{at(line_of(self.function))}; a "
                "finite number would be right"
            )
        return found.reshape(())

    def weights(self, values: Sequence[Tensor]) -> list[float]:
        """∂F/∂I by autograd.

        Raises:
            InputError: F does not depend on its integrals as autograd sees it.
        """
        leaves = [v.detach().clone().requires_grad_() for v in values]
        found = self.of(leaves)
        if not found.requires_grad:
            raise InputError(
                f"loss_of: as autograd sees it, it does not depend on its integrals{at(line_of(self.function))}; one "
                "without detach, item or float would be right"
            )
        others = [t for t in leaves_of(found) if not any(t is own for own in leaves)]
        if others:
            raise InputError(
                f"loss_of: it depends on a trainable tensor of shape {tuple(others[0].shape)} of its own"
                f"{at(line_of(self.function))}; as a factor of a density it would be right"
            )
        slopes = torch.autograd.grad(found, leaves, materialize_grads=True)
        return [float(s) for s in slopes]

    def weights_by_differences(self, values: Sequence[Tensor], sizes: Sequence[float]) -> list[float]:
        """∂F/∂I by differences of F alone, of the step whose neighbour agrees best.

        Args:
            values: of all terms.
            sizes: by which the steps are measured, of each.
        """
        numbers = [float(v.detach()) for v in values]

        def at_step(k: int, h: float) -> float:
            def moved(by: float) -> float:
                given = [torch.tensor(n + by * (j == k), dtype=torch.float64) for j, n in enumerate(numbers)]
                return float(self.of(given))

            return (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)

        out = []
        for k, size in enumerate(sizes):
            steps = []
            for share in _STEPS:
                try:
                    steps.append(at_step(k, share * size))
                except InputError:
                    # Beyond where F is defined, of a logarithm for instance.
                    steps.append(math.nan)
            changes = [abs(a - b) for a, b in pairwise(steps)]
            known = [j for j, c in enumerate(changes) if not math.isnan(c)]
            out.append(steps[1 + min(known, key=lambda j: changes[j])] if known else math.nan)
        return out


def _sum(how: Sequence[tuple[Any, ...]], *arguments: Any, **named: Any) -> Tensor:
    """Σ weight·L of densities (first arguments) of x, u, u′ (last three)."""
    functions, (x, u, du) = arguments[: len(how)], arguments[len(how) :]
    total = torch.zeros_like(x)
    for function, (extra, span, weight) in zip(functions, how, strict=True):
        here, inside = _limited(x, span)
        found = weight * function(here.clone(), u.clone(), du.clone(), **{n: named[n] for n in extra})
        total = total + (found if inside is None else torch.where(inside, found, 0.0))
    return total


def _limited(x: Tensor, span: tuple[float, float] | None) -> tuple[Tensor, Tensor | None]:
    """Points, and which of them lie in a part of the domain; outside it a density need not be defined."""
    if span is None:
        return x, None
    inside = (x > span[0]) & (x < span[1])
    return torch.where(inside, x, sum(span) / 2), inside


def stated(
    density: Callable[..., Any] | None,
    terms: Sequence[Any],
    loss_of: Callable[..., Any] | None,
    domain: tuple[float, float],
) -> Composition:
    """Read what a user gave as densities, pieces and function.

    Raises:
        InputError: no pairs of a density and a piece of the domain, or nothing that is integrated.
    """
    checked_function(loss_of)
    found = [] if density is None else [Term(bind(density))]
    if not isinstance(terms, list | tuple):
        raise InputError(f"terms: {type(terms).__name__} is no list; {_WANTED}")
    for k, pair in enumerate(terms):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not callable(pair[0]):
            raise InputError(f"terms: number {k} is no density with a piece; {_WANTED}")
        found.append(_term(pair[0], pair[1], domain, k))
    if all(t.points is not None for t in found):
        raise InputError(
            "terms: nothing is integrated, so that there is nothing to compare with; a density of an integral over the "
            "domain or a part of it would be right"
        )
    return Composition(tuple(found), loss_of)


def checked_function(loss_of: Any) -> None:
    """See that what is made of the integrals can be called.

    Raises:
        InputError: it cannot.
    """
    if loss_of is not None and not callable(loss_of):
        raise InputError(f"loss_of: {type(loss_of).__name__} cannot be called; a function of the integrals is right")


def _term(density: Callable[..., Any], piece: Any, domain: tuple[float, float], k: int) -> Term:
    own = bind(density)
    if piece is None or piece == domain:
        return Term(own)
    try:
        given = torch.as_tensor(piece, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"terms: number {k} has the piece {piece!r}; {_WANTED}") from None
    places = given.reshape(-1)
    outside = ~((places >= domain[0]) & (places <= domain[1]))
    if bool(outside.any()) or not len(places):
        what = f"x = {float(places[outside][0]):g}, outside the domain" if len(places) else "no x, not one of"
        raise InputError(f"terms: the piece of number {k} has {what} {domain}; one inside it would be right")
    # A pair of numbers is an interval, as for the domain; a list of two is two points.
    if isinstance(piece, tuple) and len(places) == 2:
        left, right = places.tolist()
        if left >= right:
            raise InputError(f"terms: the piece {piece} of number {k} is no interval; ascending ends would be right")
        return Term(own, (left, right))
    return Term(own, None, places)
