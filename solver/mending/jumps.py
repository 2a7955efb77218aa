"""⟦L⟧ across a model's kinks, taken where the pre-activation provably has its two signs, and how the kinks move."""

from __future__ import annotations

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.layers import layered
from .crossings import Crossings
from .density import Density, elementwise
from .fields import Fields

# Where u differs by more than this many times what its slopes explain, it jumps.
_LEAP = 8
# Roundings of u that two evaluations may differ by.
_ROUNDINGS = 2**12


@torch.no_grad()
def coefficients(fields: Fields, density: Density, crossings: Crossings, size: float) -> Tensor:
    """weight · ⟦L⟧ |∂z/∂e| ÷ |∇z|² of each crossing, (K,); nil where z does not show its two signs.

    Both sides are seen at a small distance. In one input, where there is no noise that would hide it, what is seen at
    three such distances is extrapolated to the kink.

    Args:
        fields: the model.
        density: L.
        crossings: where.
        size: of the domain.

    Raises:
        InputError: u itself jumps; or see `Density.at`.
    """
    epsilon = torch.finfo(crossings.place.dtype).eps
    steps, share = ((1, 2, 3), epsilon ** (1 / 3)) if fields.inputs == 1 else ((1,), epsilon**0.5)
    # Neither across another kink nor near to it.
    aside = (crossings.room / (2 * len(steps))).clamp(max=share * size)
    offsets = torch.stack([side * k * aside for side in (1, -1) for k in steps])
    many = len(offsets)
    x = crossings.place + offsets[..., None] * crossings.direction
    layers = len(fields.trace.calls)
    order = crossings.rows(layers)
    count = len(crossings)
    rows = [torch.cat([r + k * count for k in range(many)]) for r in order]
    columns = [crossings.column[r].repeat(many) for r in order]
    u, du, ddu, z, normal = fields.jets(x.reshape(-1, fields.inputs), rows, columns, density.second)
    back = torch.cat(rows).argsort()
    z, normal = z[back].reshape(many, count), normal[back].reshape(many, count, -1)
    half = len(steps)
    proven = ((z[:half] * z[0] > 0) & (z[half:] * z[0] < 0)).all(0)
    combine = x.new_tensor({1: [1.0], 3: [3.0, -3.0, 1.0]}[half])

    def sides(values: Tensor) -> Tensor:
        """At the kink from both sides, (2, K, …)."""
        split = values.reshape(2, half, count, *values.shape[1:]).movedim(1, -1)
        return split @ combine

    values, slopes = sides(u), sides(du)
    _continuous(fields, crossings, values, slopes, aside, half)
    place = crossings.place.expand(2, -1, -1)
    common = values.mean(0).expand(2, -1, -1)
    given = [place, common, slopes, *([] if ddu is None else [sides(ddu)])]
    both = density.at(fields, *given)
    elementwise(density, fields, [a.flatten(0, 1) for a in given], both.flatten())
    high, low = both
    gradient = sides(normal.reshape(many * count, -1)).mean(0)
    along = (gradient * crossings.direction).sum(1).abs()
    steep = (gradient**2).sum(1)
    usable = proven & (steep > 0)
    found = crossings.weight * (high - low) * z[0].sign() * along / torch.where(usable, steep, 1)
    return torch.where(usable, found, 0)


def _continuous(fields: Fields, crossings: Crossings, values: Tensor, slopes: Tensor, aside: Tensor, half: int) -> None:
    """Refuse a model whose value jumps."""
    if not len(crossings):
        return
    steep = (slopes * crossings.direction[:, None]).sum(-1).abs().sum(0)
    largest = values.abs().amax((0, 1))
    allowed = _LEAP * aside[:, None] * (steep + slopes.abs().amax()) * (1 if half == 1 else 1e-3)
    allowed = allowed + _ROUNDINGS * torch.finfo(values.dtype).eps * largest
    leaps = ((values[0] - values[1]).abs() > allowed).any(1)
    if bool(leaps.any()):
        k = int(leaps.nonzero()[0, 0])
        where = ", ".join(f"{c:.6g}" for c in crossings.place[k].tolist())
        call = fields.trace.calls[int(crossings.layer[k])]
        raise InputError(
            f"model: u itself jumps at x = ({where}), where “{call.name}” breaks, so that it has no energy; a "
            "continuous model would be right"
        )


def moving(fields: Fields, crossings: Crossings, weights: Tensor) -> Tensor:
    """Σ weight · (z − its value) at crossings that hold still: nil, with the gradient Σ weight ∂z/∂θ."""
    order = crossings.layer.argsort(stable=True)
    x, columns = crossings.place[order], crossings.column[order]
    counts = torch.bincount(crossings.layer, minlength=len(fields.trace.calls)).tolist()
    with torch.enable_grad():
        if fields.layers is not None:
            z = layered(fields.layers, x, columns, counts)
        else:
            rows = list(torch.split(torch.arange(len(x), device=x.device), counts))
            points = x[:, 0] if fields.inputs == 1 else x
            z, _ = fields.trace.asked(fields.model, points, rows, list(torch.split(columns, counts)), value=False)
        return (weights[order] * (z - z.detach())).sum()
