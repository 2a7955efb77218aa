"""The energy's density L(x, u, u′, …) as the user writes it in torch, checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..seeing.graph import leaves
from ..seeing.holdings import Place, lent, places
from ..seeing.model import Model
from ..seeing.operations import Interception
from ..seeing.source_lines import at, line_of, line_of_error, sentence

_WANTED = "density(x, u, du), and by name ddu and parameters, elementwise in torch, would be right"
_OPTIONAL = ("ddu", "parameters")
_NAMES = ("u", "du", "ddu")
# Step of the differences, the cube root of float64's rounding, and what they may be off by at a point. A derivative
# that is missing altogether is off by all of it.
_STEP, _OFF = 6e-6, 1e-3


@dataclass(frozen=True, eq=False)
class Density:
    """L, and what it is a function of beyond x, (n,), and u and u′, each (n,), or of m outputs (n, m).

    Attributes:
        function: the user's.
        extra: which of "ddu", "parameters" it takes, by name.
        uses_second: it makes use of u″ if it takes it.
        borrowed: where it takes trainable tensors from elsewhere, and the parameter of the model that each of them is.
    """

    function: Callable[..., Any]
    extra: tuple[str, ...]
    uses_second: bool = True
    borrowed: tuple[tuple[Place, str], ...] = ()

    @property
    def second(self) -> bool:
        """Does it depend on u″?"""
        return "ddu" in self.extra and self.uses_second

    def __call__(self, model: Model, x: Tensor) -> Tensor:
        """L at points (n,), with its graph."""
        u, du, ddu = model.fields(x, self.second)
        return self.at(model, x, u, du, ddu)

    def lent(self, model: Model) -> AbstractContextManager[None]:
        """While active, what it takes from elsewhere are the parameters of this model."""
        return lent((place, model.parameters[name]) for place, name in self.borrowed)

    def at(self, model: Model, x: Tensor, u: Tensor, du: Tensor, ddu: Tensor | None = None) -> Tensor:
        """L at points and values that are given.

        Raises:
            InputError: it raises, or is not elementwise.
        """
        named = {"ddu": torch.zeros_like(u) if ddu is None else ddu, "parameters": model.parameters}
        # It may change in place what it is given.
        given = [a.clone() for a in (x, u, du)]
        try:
            with self.lent(model):
                found = self.function(*given, **{n: named[n] for n in self.extra})
        except RuntimeError as error:
            if "modified by an inplace operation" in str(error):
                raise model.backward_failed(error) from None
            raise self._raised(error) from None
        except Exception as error:
            raise self._raised(error) from None
        if not isinstance(found, Tensor) or found.shape != x.shape[:1]:
            what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            of = f" with u and du of shape {tuple(u.shape)}" if u.ndim > 1 else ""
            raise InputError(
                f"density: it returns {what} for {len(x)} points{of}{at(line_of(self.function))}; one number a point, "
                "without mean or sum, would be right"
            )
        return found

    def _raised(self, error: Exception) -> InputError:
        return InputError(
            f"density: it raises {sentence(error)}{at(line_of_error(error) or line_of(self.function))}; {_WANTED}"
        )


def bind(density: Any) -> Density:
    """Read from the names of its arguments what a density wants.

    Raises:
        InputError: not a function of at least x, u and du.
    """
    if not callable(density):
        raise InputError(f"density: {type(density).__name__} cannot be called; {_WANTED}")
    arguments = list(inspect.signature(density).parameters.values())
    kinds = inspect.Parameter
    required = [
        p for p in arguments
        if p.default is p.empty and p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip
    unknown = [p.name for p in required[3:] if p.name not in _OPTIONAL]
    unknown += [
        p.name for p in arguments if p.kind == kinds.KEYWORD_ONLY and p.default is p.empty and p.name not in _OPTIONAL
    ]
    if len(required) < 3 or unknown:
        names = ", ".join(p.name for p in arguments)
        raise InputError(f"density: it is a function of ({names}){at(line_of(density))}; {_WANTED}")
    taken = [p.name for p in arguments if p.kind != kinds.POSITIONAL_ONLY]
    return Density(density, tuple(n for n in _OPTIONAL if n in taken))


def check(density: Density, model: Model, x: Tensor) -> Density:
    """Evaluate a density at a few points of a model, (n,), and its derivatives against differences.

    Returns:
        The density; one that takes u″ and makes no use of it, as one that is given zeros.

    Raises:
        InputError: not finite; it changes from call to call; autograd does not see how it depends on u or u′.
    """
    fields = [f.detach() for f in model.fields(x, density.second) if f is not None]
    size = [float(f.abs().max()) or 1.0 for f in fields]
    if density.second:
        # u″ of a piecewise linear model is nil wherever it is looked at; u and u′ keep to values that the model takes.
        generator = torch.Generator().manual_seed(0)
        fields[2] = fields[2] + 0.1 * size[2] * torch.randn(len(x), generator=generator, dtype=x.dtype)
    arguments = [f.requires_grad_() for f in fields]
    found, again = density.at(model, x, *arguments), density.at(model, x, *arguments)
    where = at(line_of(density.function))
    if not torch.isfinite(found).all():
        k = int((~torch.isfinite(found)).nonzero()[0])
        u, du = (", ".join(f"{v:.6g}" for v in a[k].reshape(-1).tolist()) for a in arguments[:2])
        raise InputError(
            f"density: it is {found[k].item()} at x = {x[k].item():.6g}, u = {u}, du = {du}{where}; finite numbers "
            "would be right"
        )
    if not torch.equal(found, again):
        raise InputError(f"density: its values change from call to call{where}; a function of x, u, du would be right")
    own: tuple[Tensor | None, ...] = (None,) * len(arguments)
    if found.requires_grad:
        own = torch.autograd.grad(found.sum(), arguments, allow_unused=True)
    used: set[int] = set()
    for k, output in product(range(len(arguments)), range(model.outputs)):
        step = _STEP * size[k]
        # One output at a time.
        aside = torch.zeros(model.outputs, dtype=x.dtype)
        aside[output] = step
        by = aside if model.outputs > 1 else aside[0]
        moved = [[a.detach() + s * by if k == j else a.detach() for j, a in enumerate(arguments)] for s in (1, -1)]
        high, low = (density.at(model, x, *values).detach() for values in moved)
        difference = (high - low) / (2 * step)
        slope = torch.zeros_like(x) if (g := own[k]) is None else g.reshape(len(x), -1)[:, output]
        # What rounding leaves of a difference of two large numbers.
        noise = 1e-15 * found.detach().abs() / step
        off = (difference - slope).abs() > _OFF * difference.abs() + 10 * noise
        if difference.any() or slope.any():
            used.add(k)
        # A break of the density may lie between the two points, but not at most places.
        if off.sum() > len(x) // 2:
            j = int(off.nonzero()[0])
            raise InputError(
                f"density: its derivative in {_NAMES[k]} is {slope[j].item():.6g} as autograd sees it and "
                f"{difference[j].item():.6g} by differences{where}; a density without detach, numpy or no_grad would "
                "be right"
            )
    # The last of three is u″.
    return replace(density, uses_second=2 in used) if len(arguments) == 3 else density


def borrow(densities: Sequence[tuple[Density, Tensor]], model: Model) -> tuple[list[Density], Model]:
    """Find trainable tensors that densities take from elsewhere, and make them parameters of the model.

    A stiffness that is a parameter of the user's own model is the same parameter of its copy; a tensor of the script,
    or of another module, becomes one more.

    Args:
        densities: each with some points.
        model: of which they are functions.

    Raises:
        InputError: a tensor of the graph is kept where it cannot be found.
    """
    reached: dict[int, Tensor] = {}
    for density, x in densities:
        u, du, ddu = (f if f is None else f.detach().requires_grad_() for f in model.fields(x, density.second))
        assert u is not None
        assert du is not None
        own = {id(t) for t in (*model.tensors, u, du, ddu)}
        seen: list[Tensor] = []
        # What a comparison with x takes moves an interface, though autograd does not see it.
        with Interception(lambda _, found, seen=seen: seen.extend(found)):  # type: ignore[misc]
            value = density.at(model, x, u, du, ddu)
        # A graph of the density's own making, such as for the slope of a frozen model, has leaves that nobody keeps.
        held = {id(p.tensor) for p in places(density.function)}
        compared = [t for t in leaves(*seen) if id(t) in held] if seen else []
        reached |= {id(t): t for t in (*leaves(value), *compared) if id(t) not in own}
    if not reached:
        return [density for density, _ in densities], model
    original = model.original
    named = dict(original.named_parameters()) if isinstance(original, torch.nn.Module) else {}
    names = {id(p): n for n, p in named.items() if n in model.parameters}
    kept = {id(density): [p for p in places(density.function) if id(p.tensor) in reached] for density, _ in densities}
    found = {id(p.tensor) for of in kept.values() for p in of}
    unknown = [t for key, t in reached.items() if key not in found]
    if unknown:
        function = densities[0][0].function
        raise InputError(
            f"density: it depends on a trainable tensor of shape {tuple(unknown[0].shape)} that is neither a parameter "
            f"of the model nor found among what the density holds{at(line_of(function))}; a parameter of the "
            "model would be right"
        )
    more: dict[str, Tensor] = {}
    out = []
    for density, _ in densities:
        borrowed: list[tuple[Place, str]] = []
        for place in kept[id(density)]:
            name = names.get(id(place.tensor))
            if name is None:
                name = next((n for n, t in more.items() if t is place.tensor), place.name)
                more[name] = place.tensor
            borrowed.append((place, name))
        out.append(replace(density, borrowed=tuple(borrowed)))
    return out, model.extended(more)
