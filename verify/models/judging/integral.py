"""What is integrated: a density over an interval, and what its two ends add."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.integrand import Integrand
from ..seeing.model import Model
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from ..seeing.trace import Function, trace
from .density import Density

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
    """

    density: Density
    domain: tuple[float, float]
    ends: Ends | None = None
    breaking: bool = False

    @property
    def length(self) -> float:
        """Of the domain."""
        return self.domain[1] - self.domain[0]

    def searched(self, model: Model) -> Function:
        """What is searched for breaks: the model, or L along it where that breaks by itself."""
        if not self.breaking:
            return model.alone
        held = model.function if isinstance(model.function, torch.nn.Module) else None
        return Integrand(model.value, lambda x, u, du: self.density.at(model, x, u, du), held, model.outputs)

    def fields(self, model: Model) -> Callable[[Tensor], Tensor]:
        """Points (n,) → L, u, u′ (and u″ if L depends on it), (1 + 2 m or 3 m, n), without graphs."""

        def rows(x: Tensor) -> Tensor:
            x = x.detach().requires_grad_()
            u, du, ddu = model.fields(x, self.density.second)
            found = [self.density.at(model, x, u, du, ddu), u, du, *([] if ddu is None else [ddu])]
            return torch.cat([f.detach().reshape(len(x), -1).T for f in found])

        return rows

    def at_ends(self, model: Model, dtype: torch.dtype = torch.float64) -> Tensor | None:
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


def state(density: Density, model: Model, domain: tuple[float, float], ends: Ends | None) -> Integral:
    """Look along the model whether the density breaks by itself.

    Raises:
        InputError: L is not a function of each point alone.
    """
    plain = Integral(density, domain, ends)
    if density.second:
        # u″ of a model with kinks is no function there; what breaks in it is not followed.
        return plain
    own = trace(model.alone, domain, torch.float64)
    along: Any = Integral(density, domain, ends, True)
    try:
        seen = trace(along.searched(model), domain, torch.float64)
    except InputError as error:
        raise InputError(str(error).replace("model:", "density:", 1) + at(line_of(density.function))) from None
    return along if len(seen.calls) > len(own.calls) else plain


def takes_slopes(ends: Ends) -> bool:
    """Is it a function of u and u′ at the ends, as Nitsche's method needs, and not of u alone?"""
    try:
        named = inspect.signature(ends).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in named if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 and (positional[1].default is inspect.Parameter.empty or positional[1].name == "du")
