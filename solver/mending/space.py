"""The integral of an energy density over a domain of several inputs: points for its value, lines for its gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.stacked import Parameters
from ...verify.models.space.domains import Domain, even_points
from .dirac_term import dirac_sample
from .sampling import prepared

# Points in the bounding box without anything said; a power of two, as Sobol's sequence wants it.
POINTS = 1024


def integrate_in_space(
    density: Callable[..., Tensor],
    model: Callable[[Tensor], Tensor],
    domain: Domain,
    points: int | Tensor | None,
    lines: int | None,
    generator: torch.Generator | None,
    parameters: Parameters | None,
) -> Tensor:
    """∫ L dx with a gradient that has the mean of the integral's; see `integrate`.

    Raises:
        InputError: points of another shape or outside of the domain, or see `dirac_term`.
    """
    fields, checked = prepared(density, model, domain.box, parameters)
    fields = fields.within or fields
    box = domain.box
    volume = float((box[:, 1] - box[:, 0]).prod())
    if isinstance(points, Tensor):
        x, count = points.detach(), len(points)
        if x.ndim != 2 or x.shape[1] != fields.inputs or not bool(domain.inside(x).all()):
            raise InputError(
                f"points: of shape {tuple(x.shape)}, they do not all lie in the bounding box of (n, {fields.inputs}) "
                "and in the domain; points drawn evenly from the domain would be right"
            )
        volume = domain.volume
    else:
        count = POINTS if points is None else points
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InputError(f"points: {count!r} is no number of points; a whole number from 1 on would be right")
        where = "cpu" if generator is None else generator.device
        seed = int(torch.randint(2**31 - 1, (), generator=generator, device=where))
        x = even_points(box, count, seed)
        x = x[domain.inside(x)]
    x = x.to(fields.trace.device, fields.trace.dtype).requires_grad_()
    u, du = fields.graph(x)
    bulk = checked.at(fields, x, u, du).sum() * (volume / count)
    term = dirac_sample(density, model, domain, lines=lines, generator=generator, parameters=parameters).term
    return bulk + term
