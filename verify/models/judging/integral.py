"""What is integrated: a density over an interval, and what its two ends add."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.integrand import Integrand
from ..seeing.model import Model
from ..seeing.pieces import Pieces
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from ..seeing.trace import Function, trace
from .composition import Composition
from .density import Density, borrow, check
from .preparation import probes

# u, or u and u′, at both ends, each (2,), or (2, m) → a number.
Ends = Callable[..., Tensor]

_WANTED = "one number from u, or from u and u′, at both ends, each (2,), would be right"


@dataclass(frozen=True, eq=False)
class Integral:
    """∫ L(x, u, u′) dx over a domain, and what is added at its ends.

    Attributes:
        density: L.
        domain: the two ends of the interval.
        ends: u, or u and u′, at both ends → a number that is added; None if nothing is.
        breaking: L breaks by itself somewhere, not only where u or u′ do.
        composed: of what the loss is a function, if it is more than one integral; L then is Σ weight·Lₖ, whose gradient
            is the loss's where the weights are its derivatives by the integrals.
        weights: of all terms.
        poles: where L grows without bound, ascending, see `cut`.
        straight: the model is known to be linear between its breaks, and L does not ask for more than u′.
    """

    density: Density
    domain: tuple[float, float]
    ends: Ends | None = None
    breaking: bool = False
    composed: Composition | None = None
    weights: tuple[float, ...] = ()
    straight: bool = False
    poles: tuple[tuple[float, int, float], ...] = ()

    @property
    def length(self) -> float:
        """Of the domain."""
        return self.domain[1] - self.domain[0]

    @property
    def fixed(self) -> tuple[float, ...]:
        """Where the model is looked at whatever its parameters are: the ends and the points of terms."""
        return (*self.domain, *(self.composed.points if self.composed else ()))

    def searched(self, model: Model) -> Function:
        """What is searched for breaks: the model, or L along it where that breaks by itself."""
        if not self.breaking:
            return model.alone
        held = model.function if isinstance(model.function, torch.nn.Module) else None
        return Integrand(model.value, lambda x, u, du: self.density.at(model, x, u, du), held, model.outputs)

    def fields(self, model: Model) -> Callable[[Tensor], Tensor]:
        """Points (n,) → L, u, u′ (and u″ if L depends on it), (1 + 2 m or 3 m, n), without graphs.

        Of several integrals each Lₖ is a further row.
        """

        def rows(x: Tensor) -> Tensor:
            x = x.detach().requires_grad_()
            u, du, ddu = model.fields(x, self.density.second)
            found = [self.density.at(model, x, u, du, ddu), u, du, *([] if ddu is None else [ddu])]
            found += [] if self.composed is None else self.composed.densities(model, x, u, du, ddu)
            return torch.cat([f.detach().reshape(len(x), -1).T for f in found])

        return rows

    def sums(self, model: Model, pieces: Pieces, order: int | None = None) -> tuple[Tensor, Tensor]:
        """∫ of the rows of `fields`, and of their sizes, by so many Gauss points a piece."""
        x, weights = pieces.nodes(order)
        parts = []
        rows = self.fields(model)
        for k in pieces.chunks(order):
            found = rows(x[k].reshape(-1)) * weights[k].reshape(-1)
            parts.append(torch.stack([found.sum(1), found.abs().sum(1)]))
        total = torch.stack(parts).sum(0)
        return total[0], total[1]

    def energy(self, model: Model, sums: Tensor) -> float:
        """The loss, of which the integrals of the rows of `fields` are known."""
        value = sums[0] if self.composed is None else self.composed.of(self.terms(model, sums))
        added = self.of_ends(model)
        return float(value.detach()) + (0.0 if added is None else float(added.detach()))

    def terms(self, model: Model, sums: Tensor) -> list[Tensor]:
        """What a composed loss is a function of, from the integrals of the rows of `fields`."""
        assert self.composed is not None
        return self.composed.values(model, list(sums[-len(self.composed.integrated) :]))

    def weighed(self, weights: Sequence[float]) -> Integral:
        """With other weights."""
        assert self.composed is not None
        return replace(self, density=self.composed.weighted(weights), weights=tuple(weights))

    def at_ends(self, model: Model, dtype: torch.dtype = torch.float64) -> Tensor | None:
        """What ends and points add to Σ weight·Lₖ, a number with its graph; None if they add nothing.

        Raises:
            InputError: see `of_ends`.
        """
        added = self.of_ends(model, dtype)
        pairs = zip(self.composed.terms, self.weights, strict=True) if self.composed else ()
        parts = [weight * term.mean(model, dtype) for term, weight in pairs if term.points is not None]
        parts += [] if added is None else [added]
        return torch.stack(parts).sum() if parts else None

    def of_ends(self, model: Model, dtype: torch.dtype = torch.float64) -> Tensor | None:
        """What the ends add, a number with its graph; None if they add nothing.

        Raises:
            InputError: `ends` raises, or returns something else.
        """
        if self.ends is None:
            return None
        x = torch.tensor(self.domain, dtype=dtype)
        given = model.fields(x)[:2] if takes_slopes(self.ends) else (model.value(x),)
        try:
            with self.density.lent(model):
                found = self.ends(*given)
        except Exception as error:
            line = at(line_of_error(error) or line_of(self.ends))
            raise InputError(f"ends: it raises {sentence(error)}{line}; {_WANTED}") from None
        if not isinstance(found, Tensor) or found.numel() != 1:
            what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise InputError(f"ends: it returns {what}{at(line_of(self.ends))}; {_WANTED}")
        return found.reshape(())


def state(
    density: Density, model: Model, domain: tuple[float, float], ends: Ends | None,
    composed: Composition | None = None,
) -> Integral:  # fmt: skip
    """Look along the model whether the density breaks by itself.

    Raises:
        InputError: L is not a function of each point alone.
    """
    weights = (1.0,) * len(composed.terms) if composed else ()
    plain = Integral(density, domain, ends, False, composed, weights)
    if density.second:
        # u″ of a model with kinks is no function there; what breaks in it is not followed.
        return plain
    own = trace(model.alone, domain, torch.float64)
    plain = replace(plain, straight=own.straight)
    along = replace(plain, breaking=True)
    try:
        seen = trace(along.searched(model), domain, torch.float64)
    except InputError as error:
        raise InputError(str(error).replace("model:", "density:", 1) + at(line_of(density.function))) from None
    return along if len(seen.calls) > len(own.calls) else plain


def compose(
    composed: Composition, model: Model, domain: tuple[float, float], ends: Ends | None
) -> tuple[Integral, Model]:
    """The integrals that a loss is a function of, looked at, with equal weights, and the model with what they borrow.

    Raises:
        InputError: see `borrow`, `check` and `state`.
    """
    places = [probes(t.span or domain) if t.points is None else t.points for t in composed.terms]
    densities = [t.density for t in composed.terms]
    densities, model = borrow(list(zip(densities, places, strict=True)), model)
    checked = [check(d, model, x) for d, x in zip(densities, places, strict=True)]
    terms = tuple(replace(t, density=d) for t, d in zip(composed.terms, checked, strict=True))
    whole = replace(composed, terms=terms)
    return state(whole.weighted((1.0,) * len(terms)), model, domain, ends, whole), model


def takes_slopes(ends: Ends) -> bool:
    """Is it a function of u and u′ at the ends, as Nitsche's method needs, and not of u alone?"""
    try:
        named = inspect.signature(ends).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in named if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 and (positional[1].default is inspect.Parameter.empty or positional[1].name == "du")
