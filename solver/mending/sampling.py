"""One draw of what autodiff leaves out: lines, some of their crossings with kinks, and the weights of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ...verify.errors import InputError
from ...verify.models.seeing.eager import may_require_gradients
from ...verify.models.seeing.stacked import Parameters
from ...verify.models.space.domains import Domain
from .crossings import Crossings
from .density import Density, density_of
from .fields import Fields, fields_of
from .integrand import with_jumps
from .jumps import coefficients, moving
from .lines import Lines, axis_lines
from .rectifiers import bends

# Without anything said, so many lines a step along each axis: each meets about a third of a model's units.
_MOST_LINES, _FEWEST_LINES, _UNITS = 32, 4, 480
# Crossings whose sides are looked at at a time.
_HELD = 2**15
# Lines along each axis that have to miss a domain until it is taken for empty.
_TRIED = 1000


def stacked(model: Any, parameters: Parameters) -> set[str]:
    """Names of those parameters that have one dimension more than the model's own.

    Raises:
        InputError: the model is no module; or names or shapes do not fit it.
    """
    if not isinstance(model, torch.nn.Module):
        raise InputError("parameters: the model is no torch.nn.Module, and its parameters have no names; one is right")
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    found = set()
    for name, tensor in parameters.items():
        if name not in own:
            raise InputError(f"parameters: the model has none called {name!r}; one of {', '.join(own)} would be right")
        more = tensor.ndim - own[name].ndim
        if more not in (0, 1) or tensor.shape[more:] != own[name].shape:
            raise InputError(
                f"parameters: {name} has shape {tuple(tensor.shape)}; {tuple(own[name].shape)}, or stacked with one "
                "dimension in front, would be right"
            )
        if more:
            found.add(name)
    if len(sizes := {len(parameters[n]) for n in found}) > 1:
        raise InputError(f"parameters: they are stacked {sorted(sizes)} times; one number is right")
    return found


def prepared(
    energy: Callable[..., Tensor],
    model: Callable[[Tensor], Tensor],
    box: Tensor,
    parameters: Parameters | None,
) -> tuple[Fields, Density]:
    """The model as it is called, and the density with what it takes; `box` (d, 2) is the domain's."""
    module: Any = model
    if parameters is None:
        named = dict(model.named_parameters()) if isinstance(model, torch.nn.Module) else {}
        fields, density = fields_of(model, box), density_of(energy, named)
    else:
        given = dict(parameters)
        fields = fields_of(lambda x: torch.func.functional_call(module, given, (x,)), box, module)
        density = density_of(energy, parameters)
    if not may_require_gradients():
        # Within a transform of torch.func tensors do not tell their numbers.
        fields = replace(fields, layers=None)
    return with_jumps(fields, density, box), density


def lines_of(fields: Fields, domain: Domain, lines: int | None, generator: torch.Generator | None) -> Lines:
    """Lines drawn for a model, or in one input the domain itself.

    Raises:
        InputError: fewer lines than axes, or none of them meets the domain.
    """
    d = len(domain.box)
    if d == 1:
        low, one = domain.box[:, :1], domain.box.new_ones(1)
        return Lines(low, one[None], domain.box[0, 1:] - low[0], one).inside(domain)
    if lines is None:
        units = sum(c.columns for c in fields.trace.calls)
        lines = d * max(_FEWEST_LINES, min(_MOST_LINES, _UNITS // max(units, 1)))
    if isinstance(lines, bool) or not isinstance(lines, int) or lines < d:
        raise InputError(f"lines: {lines!r} is not one along each of {d} axes; a whole number from {d} on is right")
    counts = tuple(lines // d + (k < lines % d) for k in range(d))
    drawn = axis_lines(domain, counts, generator)
    if not len(drawn.weight) and not meets(domain):
        raise InputError(
            f"domain: none of {_TRIED} lines along each axis of its bounding box meets it; a domain that fills a part "
            "of its box is right"
        )
    return drawn


def meets(domain: Domain) -> bool:
    """Does any of many lines meet a domain?"""
    d = len(domain.box)
    return len(axis_lines(domain, (_TRIED,) * d, torch.Generator().manual_seed(0)).weight) > 0


def some_of(found: Crossings, most: int | None, generator: torch.Generator | None) -> tuple[Crossings, float]:
    """At most so many of them, and what each then stands for."""
    if most is None or len(found) <= most:
        return found, 1.0
    # Equally spaced in their order along the lines, so that each line keeps its share.
    where = "cpu" if generator is None else generator.device
    move = torch.rand((), generator=generator, device=where, dtype=torch.float64).cpu()
    share = len(found) / most
    places = ((torch.arange(most, dtype=torch.float64) + move) * share).long().clamp(max=len(found) - 1)
    return found.chosen(places.to(found.place.device)), share


def sampled(
    fields: Fields, density: Density, found: Crossings, box: Tensor, share: float, tangents: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The weights of ∂z/∂θ, (K,), NaN where z does not show its two signs, and share · Σ weight (z − its value).

    As many at a time as memory holds.

    Args:
        fields: the model.
        density: L.
        found: crossings.
        box: of what is integrated over, (d, 2).
        share: what each crossing stands for.
        tangents: of a flat part that is integrated over, (d, e); None for all of a domain.
    """
    size = max(max(abs(low), abs(high), high - low) for low, high in box.tolist())
    if not len(found):
        # Nil as well, with a gradient of nought.
        middle = box.mean(1).to(fields.trace.device, fields.trace.dtype)[None]
        return found.weight, 0 * fields.asked(middle, found.column, [])[1].sum()
    parts = [slice(k, k + _HELD) for k in range(0, len(found), _HELD)]
    some = [found] if len(parts) == 1 else [found.chosen(part) for part in parts]
    if found.room is None:
        rows, terms = [], []
        for each in some:
            bent = bends(fields, each)
            own = bent.weights(density, each, size, tangents)
            rows.append(torch.from_numpy(own))
            terms.append(bent.moving(share * np.nan_to_num(own)))
        return torch.cat(rows), terms[0] if len(terms) == 1 else torch.stack(terms).sum()
    weights = torch.cat([coefficients(fields, density, each, size, tangents) for each in some])
    factors = share * weights.nan_to_num()
    if len(some) == 1:
        return weights, moving(fields, found, factors)
    # What is more than memory holds is evaluated once more when the gradient is asked for.
    again: Any = partial(checkpoint, moving, fields, use_reentrant=False, preserve_rng_state=False)
    terms = [again(each, factors[part]) for each, part in zip(some, parts, strict=True)]
    return weights, torch.stack(terms).sum()
