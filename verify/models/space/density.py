"""A density of several inputs, looked at before anything is asked of it."""

from __future__ import annotations

import torch

from ...errors import InputError
from ..judging.density import Density
from ..seeing.source_lines import at, line_of
from .fields import SpaceModel

# Step of the differences, the cube root of float64's rounding, and what they may be off by, of the largest.
_STEP, _OFF = 6e-6, 1e-3
# A batch and a part of it are summed in different orders.
_SAME = 1e-9


def check(density: Density, model: SpaceModel, x: torch.Tensor) -> None:
    """Evaluate L at a few points (n, d), twice, and its derivative along a direction of u and ∇u against differences.

    Raises:
        InputError: not finite; it changes from call to call, or with the other points; autograd does not see how it
            depends on u or ∇u.
    """
    fields = [f.detach() for f in model.fields(x, density.second) if f is not None]
    arguments = [f.clone().requires_grad_() for f in fields]
    found, again = density.at(model, x, *arguments), density.at(model, x, *arguments)
    where = at(line_of(density.function))
    if not torch.isfinite(found).all():
        k = int((~torch.isfinite(found)).nonzero()[0])
        place = ", ".join(f"{v:.6g}" for v in x[k].tolist())
        raise InputError(f"density: it is {found[k].item()} at x = ({place}){where}; finite numbers would be right")
    if not torch.equal(found, again):
        raise InputError(f"density: its values change from call to call{where}; a function of x, u, du would be right")
    few = density.at(model, x[:3], *(a[:3] for a in arguments)).detach()
    if float((few - found.detach()[:3]).abs().max()) > _SAME * float(found.detach().abs().max()):
        raise InputError(
            f"density: its value at a point depends on the other points{where}; one that is elementwise, without mean "
            "or sum over points, would be right"
        )
    generator = torch.Generator().manual_seed(0)
    aside = [(f.abs().max().clamp(min=1e-9)) * torch.randn(f.shape, generator=generator, dtype=f.dtype) for f in fields]
    high, low = (
        density.at(model, x, *(f + s * _STEP * a for f, a in zip(fields, aside, strict=True))).detach() for s in (1, -1)
    )
    difference = (high - low) / (2 * _STEP)
    own: tuple[torch.Tensor | None, ...] = (None,) * len(fields)
    if found.requires_grad:
        own = torch.autograd.grad(found.sum(), arguments, allow_unused=True)
    pairs = [(g * a).reshape(len(x), -1).sum(1) for g, a in zip(own, aside, strict=True) if g is not None]
    slope = torch.stack(pairs).sum(0) if pairs else torch.zeros_like(difference)
    off = (difference - slope).abs() > _OFF * difference.abs().max() + 1e-14 * found.detach().abs() / _STEP
    if off.sum() > len(x) // 2:
        k = int(off.nonzero()[0])
        raise InputError(
            f"density: its derivative by u and du is {slope[k].item():.6g} as autograd sees it and "
            f"{difference[k].item():.6g} by differences{where}; a density without detach, numpy or no_grad would be "
            "right"
        )
