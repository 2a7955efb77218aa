"""The integral of an energy density of a user's own model, with the exact gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.breaks import ends
from ...verify.models.seeing.eager import eagerly, may_require_gradients
from ...verify.models.seeing.stacked import Parameters, Stacked, stack, straight_pieces
from ..data.gauss import gauss_on_pieces
from .conforming_quadrature import ConformingQuadrature
from .density import takes_parameters

# (x, u, u′) or (x, u, u′, parameters by name) → L, elementwise.
Density = Callable[..., Tensor]


@eagerly
def integrate(
    density: Density,
    model: Callable[[Tensor], Tensor],
    domain: tuple[float, float],
    *,
    order: int | None = None,
    points: int | None = None,
    interfaces: Sequence[float] = (),
    quadrature: ConformingQuadrature | None = None,
    parameters: Parameters | None = None,
) -> Tensor:
    """∫ L(x, u, u′) dx over the domain, exact up to the Gauss order; its gradient by autograd is that of the integral.

    A model of nothing but linear layers and piecewise linear activations is evaluated once on each of its linear
    pieces, which is as good as at all nodes; plain autograd then gives exact second derivatives too. Of other models,
    and under torch.func, second derivatives lack a part, the curvature of the motion of the breaks.

    Args:
        density: of x, u and u′, all (n,) or (B, n), elementwise; with a fourth argument, needed or called
            `parameters`, also of the parameters by name.
        model: a module or any function of one number.
        domain: its two ends.
        order: Gauss points a piece; see `ConformingQuadrature`.
        points: about how many in all, instead.
        interfaces: places where the density itself breaks.
        quadrature: instead of these three.
        parameters: see `ConformingQuadrature`; stacked ones give (B,).

    Raises:
        InputError: what the quadrature refuses; or a density that is not elementwise, or cuts what it is given off from
            the parameters.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> model = torch.nn.Sequential(torch.nn.Linear(1, 9), torch.nn.ReLU(), torch.nn.Linear(9, 1)).double()
        >>> energy = integrate(lambda x, u, du: du**2 / 2 - torch.sin(x) * u, model, (0, 1), order=8)
        >>> energy.backward()   # exact, Dirac terms included
    """
    if quadrature is None:
        quadrature = ConformingQuadrature(order, points, interfaces)
    elif order is not None or points is not None or len(interfaces):
        raise InputError("quadrature: it has an order and interfaces of its own; either it or these would be right")
    models = stack(model, ends(domain), parameters)
    x, weights, u, slope = _evaluated(models, quadrature, ends(domain))
    if models.batch is None:
        x, weights, u, slope = x[0], weights[0], u[0], slope[0]
    named = parameters
    if named is None:
        named = dict(model.named_parameters()) if isinstance(model, torch.nn.Module) else {}
    values = density(x, u, slope, named) if takes_parameters(density) else density(x, u, slope)
    if not isinstance(values, Tensor) or values.shape != x.shape:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InputError(f"density: for x of shape {tuple(x.shape)} it gives {got}; one number a point would be right")
    if (u.requires_grad or slope.requires_grad) and torch.is_grad_enabled() and not values.requires_grad:
        raise InputError("density: what it returns is cut off from u and u′; no detach() or no_grad() would be right")
    return (weights * values).sum(-1)


def _evaluated(
    models: Stacked, quadrature: ConformingQuadrature, domain: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Nodes, weights, u and u′, all (B, n)."""
    if not models.trace.straight or not may_require_gradients():
        x, weights = quadrature.of(models, domain)
        return x, weights, *value_and_slope(models.value, x)
    # Piecewise linear: one evaluation a piece tells what all others would.
    marks, middle, value, rise = straight_pieces(models, domain, lambda breaks: quadrature.still(domain, breaks))
    x, weights = gauss_on_pieces(marks, order := quadrature.per_piece(middle.shape[1]))
    away, slope = x.reshape(*middle.shape, order) - middle[..., None], rise[..., None]
    return x, weights, torch.addcmul(value[..., None], slope, away).flatten(1), slope.expand(away.shape).flatten(1)


def value_and_slope(model: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """u and u′ at points, each of the shape of x, to be differentiated once more by the parameters and by x.

    By reverse mode twice; forward mode, which needs no second graph, took half as long again. Inside the transforms of
    torch.func, which do not see through `torch.autograd.grad`, it is forward mode.

    Args:
        model: elementwise in x, such as `lambda x: net(x[:, None])[:, 0]`.
        x: points, with or without graph; it is not cut.
    """
    points = x
    if not x.requires_grad:
        try:
            points = x.detach().requires_grad_()
        except RuntimeError:
            u, slope, *_ = torch.func.jvp(model, (x,), (torch.ones_like(x),))
            return u, slope
    with torch.enable_grad():
        u = model(points)
        if not u.requires_grad:
            raise InputError("model: what it returns is cut off from x; no detach() or no_grad() would be right")
        (slope,) = torch.autograd.grad(u.sum(), points, create_graph=True, materialize_grads=True)
    return u, slope
