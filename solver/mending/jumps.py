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
def coefficients(
    fields: Fields, density: Density, crossings: Crossings, size: float, tangents: Tensor | None = None
) -> Tensor:
    """weight · ⟦L⟧ |∂z/∂e| ÷ |∇z|² of each crossing, (K,); NaN where z does not show its two signs.

    Both sides are seen at a small distance. In one input, where there is no noise that would hide it, what is seen at
    three such distances is extrapolated to the kink.

    Args:
        fields: the model.
        density: L.
        crossings: where.
        size: of the domain.
        tangents: of a flat part that is integrated over, (d, e), to which ∇z is taken along it; None for all.

    Raises:
        InputError: u itself jumps; or see `Density.at`.
    """
    count, d = crossings.place.shape
    assert crossings.room is not None
    # A step of the power 0.6 leaves z above its rounding and what is smooth about ∇u, which a difference of the two
    # sides holds as well, below what matters; what is extrapolated takes a longer one.
    many, power = (6, 1 / 3) if d == 1 else (2, 0.6)
    most = torch.finfo(crossings.place.dtype).eps ** power * size
    # Neither across another kink nor near to it.
    aside = (crossings.room / many).clamp(max=most)
    step = aside[:, None] * crossings.direction
    # First those after the kink along the line, then those before it, each from near to far.
    x = torch.stack([crossings.place + k * step for k in ((1, 2, 3, -1, -2, -3) if d == 1 else (1, -1))], 1)
    x, columns = x.reshape(-1, d), crossings.column[:, None].expand(-1, many).reshape(-1)
    counts = [many * n for n in crossings.counts]

    def sides(values: Tensor) -> Tensor:
        """At the kink, as it is after and before it along the line, (K, 2, …)."""
        split = values.reshape(count, 2, many // 2, *values.shape[1:])
        if d == 1:
            return 3 * (split[:, :, 0] - split[:, :, 1]) + split[:, :, 2]
        return split[:, :, 0]

    if fields.within is not None:
        # What `model` gives is L itself.
        z, found = (a.detach() for a in fields.asked(x, columns, counts))
        found = sides(found)[..., 0]
        slopes = None
    else:
        z, u, du = fields.first(x, columns, counts)
        values, slopes = sides(u), sides(du)
        if fields.layers is None:
            _continuous(fields, crossings, values, slopes, aside)
        # What is the same on both sides leaves no rounding in the difference.
        given = [crossings.place[:, None].expand(-1, 2, -1), values.mean(1, keepdim=True).expand_as(values), slopes]
        if density.second:
            given.append(sides(fields.second(x)))
        found = density.at(fields, *given)
        elementwise(density, fields, [a.flatten(0, 1) for a in given], found.flatten())
    heights = z.reshape(count, 2, many // 2)
    proven = (heights[:, 0] * heights[:, 1] < 0).all(1)
    jump = (found[:, 0] - found[:, 1]) * crossings.weight
    if slopes is not None and d > 1 and not density.second:
        # u does not jump, so that ∇u jumps along ∇z: of |∂z/∂e|² ÷ |∇z|² nothing else is needed.
        bend = _along(slopes[:, 0] - slopes[:, 1], tangents)
        along = (bend * crossings.direction[:, None]).sum(2).square_().sum(1)
        found = jump * along * (2 * aside) / (bend.square_().sum((1, 2)) * (heights[:, 0, 0] - heights[:, 1, 0]))
    else:
        normal = _along(sides(fields.normals(x, columns, counts)).mean(1), tangents)
        found = jump * (normal * crossings.direction).sum(1) / normal.square().sum(1)
    # Where nothing bends it is nought by nought.
    return torch.where(proven, torch.where(found.isfinite(), found, 0), torch.nan)


def _along(vectors: Tensor, tangents: Tensor | None) -> Tensor:
    """The parts of vectors (…, d) that lie along a face."""
    if tangents is None:
        return vectors
    own = tangents.to(vectors.device, vectors.dtype)
    return vectors @ own @ own.T


def _continuous(
    fields: Fields,
    crossings: Crossings,
    values: Tensor,
    slopes: Tensor,
    aside: Tensor,
) -> None:
    """Refuse a model whose value jumps."""
    allowed = (
        _LEAP * aside[:, None] * slopes.abs().amax() + _ROUNDINGS * torch.finfo(aside.dtype).eps * values.abs().amax()
    )
    leaps = ((values[:, 0] - values[:, 1]).abs() > allowed).any(1)
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
    x, columns, counts = crossings.place, crossings.column, crossings.counts
    with torch.enable_grad():
        if fields.layers is not None:
            z = layered(fields.layers, x, columns, counts)
        else:
            points = x[:, 0] if fields.inputs == 1 else x
            z, _ = fields.trace.asked(fields.model, points, columns, counts, value=False)
        return torch.dot(weights, z - z.detach())
