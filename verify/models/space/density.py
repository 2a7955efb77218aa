"""A density of several inputs, looked at; what makes an energy infinite: its poles, and models that jump."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...errors import InputError
from ..judging.density import Density
from ..seeing.operations import TEARING
from ..seeing.pieces import at_once
from ..seeing.source_lines import at, line_of
from .cutting.poles import pole
from .faces import Face
from .fields import SpaceModel
from .lines import Lines, Searched, cut, draw

# Step of the differences, the cube root of float64's rounding, and what they may be off by, of the largest.
_STEP, _OFF = 6e-6, 1e-3
# A batch and a part of it are summed in different orders.
_SAME = 1e-9
# Lines along which a model is looked at, and Gauss points a piece.
_LOOKED, _ORDER = 16, 8
# How far from a break, as a share of a line, u is taken on both sides, and what it may jump by, of its largest value
# and slope: far more than another break so near makes of it.
_ASIDE, _JUMPS = 1e-7, 1e-5
# Of the mean |L| the largest is looked at more closely.
_LARGE = 30.0


def check(density: Density, model: SpaceModel, x: Tensor) -> None:
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
    own: tuple[Tensor | None, ...] = (None,) * len(fields)
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


def refuse_jumps(model: SpaceModel, what: Searched, face: Face) -> None:
    """Refuse a model whose u jumps over a surface: ∇u has its weight there, and any energy of it is infinite.

    Raises:
        InputError: it does.
    """
    if not any(call.operation in TEARING for call in what.trace.calls[: what.own]):
        return
    lines = draw(face, _LOOKED, 0)
    pieces = cut(lines, what, 1, _ORDER)
    kinks = pieces.kinks
    row, share = pieces.row[kinks], pieces.low[kinks]
    u, du = (torch.cat(f) for f in zip(*_fields(model, pieces.nodes()[0]), strict=True))
    least = _JUMPS * (float(u.abs().max()) + float(du.abs().max()) * float(lines.length.max()))
    sides = [2 * _at(model, lines, row, share + s * _ASIDE) - _at(model, lines, row, share + 2 * s * _ASIDE)
             for s in (1, -1)]  # fmt: skip
    jumps = (sides[0] - sides[1]).reshape(len(row), -1).abs().amax(1) > least if len(row) else torch.zeros(0).bool()
    if bool(jumps.any()):
        place = ", ".join(f"{v:.6g}" for v in lines.at(row, share)[jumps][0].tolist())
        raise InputError(
            f"model: u itself jumps at x = ({place}), so that ∇u is not a function there and an energy of it is "
            "infinite; a continuous model would be right"
        )


def _fields(model: SpaceModel, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [tuple(f.detach() for f in model.fields(p)[:2]) for p in torch.split(x, at_once(model.widest))]  # type: ignore[misc]


def _at(model: SpaceModel, lines: Lines, row: Tensor, share: Tensor) -> Tensor:
    with torch.no_grad():
        return model.value(lines.at(row, share))


def refuse_poles(model: SpaceModel, density: Density, face: Face, start: Tensor, finite: bool = False) -> None:
    """Refuse a density whose integral is infinite near a place.

    Args:
        model: whose u.
        density: L.
        face: the part of the domain.
        start: near the place, in the face's coordinates, (e,).
        finite: refuse poles with a finite integral as well, which is not had to rounding.

    Raises:
        InputError: it is.
    """

    def sizes(y: Tensor) -> Tensor:
        return _sizes(model, density, face.at(y))

    found = pole(sizes, start, face.domain.box)
    said = replace(found, place=tuple(face.at(torch.tensor([found.place], dtype=torch.float64))[0].tolist()))
    if found.infinite:
        raise InputError(
            f"density: its integral is infinite: {said}; a density whose integral is finite would be right"
        )
    if finite and found.power > 0:
        raise InputError(
            f"density: {said}, so that its integral is finite and cannot be had to rounding; a density that stays "
            "finite would be right"
        )


def refuse_large(model: SpaceModel, density: Density, face: Face, lines: Lines, what: Searched) -> None:
    """Look for a pole where |L| is large along some lines.

    Raises:
        InputError: see `refuse_poles`.
    """
    x, _ = cut(lines, what, _LOOKED, _ORDER).nodes()
    values = _sizes(model, density, x)
    if not float(values.max()) <= _LARGE * float(values.mean()):
        place = x[torch.nan_to_num(values, nan=torch.inf).argmax()]
        refuse_poles(model, density, face, (place - face.origin) @ face.tangents)


def _sizes(model: SpaceModel, density: Density, x: Tensor) -> Tensor:
    parts = torch.split(x, at_once(model.widest))
    return torch.cat([density(model, p.clone().requires_grad_()).detach().abs() for p in parts])
