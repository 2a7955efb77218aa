"""The integral of an energy density of a user's own model, with the exact gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.breaks import ends
from ...verify.models.seeing.eager import eagerly, may_require_gradients
from ...verify.models.seeing.integrand import value_and_slope
from ...verify.models.seeing.stacked import Parameters, Stacked, stack, straight_pieces
from ...verify.models.space.domains import Domain, as_domain
from ..data.gauss import gauss_on_pieces
from .conforming_quadrature import ConformingQuadrature, with_parameters
from .space import integrate_in_space

# (x, u, u′) or (x, u, u′, parameters by name) → L, elementwise.
Density = Callable[..., Tensor]


@eagerly
def integrate(
    density: Density,
    model: Callable[[Tensor], Tensor],
    domain: Any,
    *,
    order: int | None = None,
    points: int | Tensor | None = None,
    interfaces: Sequence[float] = (),
    quadrature: ConformingQuadrature | None = None,
    parameters: Parameters | None = None,
    lines: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """∫ L(x, u, u′) dx over the domain, exact up to the Gauss order; its gradient by autograd is that of the integral.

    In several inputs the value is a mean over points and the gradient that of the points plus `dirac_term`: both have
    the mean that they should have, and noise.

    A model of nothing but linear layers and piecewise linear activations is evaluated once on each of its linear
    pieces, which is as good as at all nodes; plain autograd then gives exact second derivatives too. Of other models,
    and under torch.func, second derivatives lack a part, the curvature of the motion of the breaks.

    Args:
        density: of x, u and u′, all (n,) or (B, n), elementwise; with a fourth argument, needed or called
            `parameters`, also of the parameters by name. In several inputs see `dirac_term`.
        model: a module or any function of one number, or of points (n, d).
        domain: its two ends; in several inputs see `dirac_term`.
        order: Gauss points a piece; see `ConformingQuadrature`.
        points: about how many in all, instead. In several inputs how many of a scrambled Sobol sequence lie in the
            bounding box, by default 1,024, or your own, (n, d), evenly drawn from the domain.
        interfaces: places where the density itself breaks without that being seen in its operations; what is seen,
            comparisons, absolute values and the like of x, u and u′, is found.
        quadrature: instead of these three.
        parameters: see `ConformingQuadrature`; stacked ones give (B,), in one input.
        lines: in several inputs, see `dirac_term`.
        generator: likewise.

    Raises:
        InputError: what the quadrature refuses; or a density that is not elementwise, or cuts what it is given off from
            the parameters.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> model = torch.nn.Sequential(torch.nn.Linear(1, 9), torch.nn.ReLU(), torch.nn.Linear(9, 1)).double()
        >>> energy = integrate(lambda x, u, du: du**2 / 2 - torch.sin(x) * u, model, (0, 1), order=8)
        >>> energy.backward()   # exact, Dirac terms included
    """
    if not _interval(domain):
        if quadrature is not None or order is not None or len(interfaces):
            raise InputError(
                "quadrature: order, interfaces and quadratures are for one input; points and lines are right in several"
            )
        return integrate_in_space(density, model, as_domain(domain), points, lines, generator, parameters)
    if isinstance(points, Tensor):
        raise InputError("points: in one input they follow the kinks, and their number is asked for; points=100, say")
    if quadrature is None:
        quadrature = ConformingQuadrature(order, points, interfaces, density)
    elif order is not None or points is not None or len(interfaces):
        raise InputError("quadrature: it has an order and interfaces of its own; either it or these would be right")
    whole = with_parameters(density)
    models = stack(model, ends(domain), parameters, whole)
    x, weights, u, slope = _evaluated(models, quadrature, ends(domain))
    if models.batch is None:
        x, weights, u, slope = x[0], weights[0], u[0], slope[0]
    assert whole is not None
    # A density may change in place what it is given.
    values = whole(x, u, slope.clone(), models.named(parameters))
    if not isinstance(values, Tensor) or values.shape != x.shape:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InputError(f"density: for x of shape {tuple(x.shape)} it gives {got}; one number a point would be right")
    if (u.requires_grad or slope.requires_grad) and torch.is_grad_enabled() and not values.requires_grad:
        raise InputError("density: what it returns is cut off from u and u′; no detach() or no_grad() would be right")
    return (weights * values).sum(-1)


def _interval(domain: Any) -> bool:
    """Two numbers? What is neither that nor a domain is refused as an interval."""
    if isinstance(domain, Domain) or hasattr(domain, "inside") or hasattr(domain, "is_inside"):
        return False
    try:
        return bool(np.ndim(domain) < 2)
    except ValueError:
        return True


def _evaluated(
    models: Stacked, quadrature: ConformingQuadrature, domain: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Nodes, weights, u and u′, all (B, n)."""
    if not models.trace.straight or models.along is not None or not may_require_gradients():
        x, weights = quadrature.of(models, domain)
        u, slope = value_and_slope(models.value, x)
        if not u.requires_grad and may_require_gradients():
            raise InputError("model: what it returns is cut off from x; no detach() or no_grad() would be right")
        return x, weights, u, slope
    # Piecewise linear: one evaluation a piece tells what all others would.
    marks, middle, value, rise = straight_pieces(models, domain, lambda breaks: quadrature.still(domain, breaks))
    x, weights = gauss_on_pieces(marks, order := quadrature.per_piece(middle.shape[1]))
    away, slope = x.reshape(*middle.shape, order) - middle[..., None], rise[..., None]
    return x, weights, torch.addcmul(value[..., None], slope, away).flatten(1), slope.expand(away.shape).flatten(1)
