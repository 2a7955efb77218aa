"""The part of an energy's gradient that autodiff leaves out, as a summand of a loss, in any number of inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.eager import eagerly
from ...verify.models.seeing.stacked import Parameters
from .crossings import Crossings, crossings_of
from .density import Density, density_of
from .domains import Domain, as_domain
from .fields import Fields, fields_of
from .jumps import coefficients, moving
from .lines import Lines, axis_lines

# Lines a step along each axis without anything said.
LINES = 4
# Crossings whose graphs are held at a time.
_HELD = 2**15


@eagerly
def dirac_term(
    energy: Callable[..., Tensor],
    model: Callable[[Tensor], Tensor],
    domain: Any,
    *,
    lines: int | None = None,
    crossings: int | None = None,
    generator: torch.Generator | None = None,
    parameters: Parameters | None = None,
) -> Tensor:
    """Nil, with a gradient whose mean is what autodiff leaves out of that of ∫ L(x, u, ∇u) dx: add it to the loss.

        Σ_units ∫_{z=0} ⟦L⟧ ∂z/∂θ ÷ |∇z| dS,  ⟦L⟧ = L where z > 0 less L where z < 0        (MATH 10)

    sampled along lines parallel to the axes, drawn anew at each call. In one input it is exact and draws nothing. How
    the rest of the loss chooses its points does not matter, but it must be an integral: a mean over points of the
    domain times its volume.

    Args:
        energy: the density L of x (n, d), u (n,) or (n, m) and du (n, d) or (n, m, d), elementwise in n, in one input
            of x (n,) and du (n,) or (n, m); see `integrate` for `parameters`. With an argument called `ddu` it is
            handed second derivatives too, for models without jumps of the first.
        model: a module or any function of x (n, d).
        domain: (a, b), ((a, b), (c, d), …), `Polygon`, `Region`, or an object with `inside(x)` and `bbox`.
        lines: how many in all, at least one along each axis; by default four along each.
        crossings: of the places where lines cross kinks take no more than so many, at random, with a weight that keeps
            the mean.
        generator: of random numbers; by default torch's own.
        parameters: to evaluate a module at instead of its own, by name, as for `torch.func.functional_call`.

    Raises:
        InputError: a density that is not elementwise, shapes that do not fit, a model that mixes points or jumps, or a
            domain that no line meets.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 9), torch.nn.ReLU(), torch.nn.Linear(9, 1)).double()
        >>> def energy(x, u, du):
        ...     return (du**2).sum(1) / 2 - x[:, 0] * u
        >>> x = torch.rand(1000, 2, dtype=torch.float64, requires_grad=True)
        >>> u = model(x)[:, 0]
        >>> (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        >>> loss = energy(x, u, du).mean() + dirac_term(energy, model, ((0, 1), (0, 1)), lines=20)
        >>> loss.backward()
    """
    where = as_domain(domain)
    fields, density = prepared(energy, model, where, parameters)
    found, weights = sampled(fields, density, where, lines, crossings, generator)
    if not len(found):
        # Nil as well, with a gradient of nought.
        some = where.box.mean(1).to(fields.trace.device, fields.trace.dtype)[None]
        return 0 * fields.asked(some, [], [])[1].sum()
    return moving(fields, found, weights)


def prepared(
    energy: Callable[..., Tensor],
    model: Callable[[Tensor], Tensor],
    domain: Domain,
    parameters: Parameters | None,
) -> tuple[Fields, Density]:
    """The model as it is called, and the density with what it takes."""
    module: Any = model
    if parameters is None:
        named = dict(model.named_parameters()) if isinstance(model, torch.nn.Module) else {}
        return fields_of(model, domain.box), density_of(energy, named)
    if not isinstance(model, torch.nn.Module):
        raise InputError("parameters: the model is no torch.nn.Module, and its parameters have no names; one is right")
    given = dict(parameters)
    called = fields_of(lambda x: torch.func.functional_call(module, given, (x,)), domain.box, module)
    return called, density_of(energy, parameters)


def sampled(
    fields: Fields,
    density: Density,
    domain: Domain,
    lines: int | None,
    most: int | None,
    generator: torch.Generator | None,
) -> tuple[Crossings, Tensor]:
    """Crossings of lines drawn at random with kinks where L jumps, and the weights of their ∂z/∂θ, (K,)."""
    drawn = _drawn(domain, fields.inputs, lines, generator)
    found = crossings_of(fields, drawn)
    scale = 1.0
    if most is not None and len(found) > most:
        # Equally spaced in their order along the lines, so that each line keeps its share.
        where = "cpu" if generator is None else generator.device
        move = torch.rand((), generator=generator, device=where, dtype=torch.float64)
        scale = len(found) / most
        chosen = ((torch.arange(most, dtype=torch.float64) + move.cpu()) * scale).long().clamp(max=len(found) - 1)
        found = found[chosen.to(found.place.device)]
    size = float((domain.box[:, 1] - domain.box[:, 0]).max().maximum(domain.box.abs().max()))
    parts = [found[slice(k, k + _HELD)] for k in range(0, len(found), _HELD)]
    weights = torch.cat([coefficients(fields, density, part, size) for part in parts]) if parts else found.weight
    jumping = weights != 0
    return found[jumping], weights[jumping] * scale


def _drawn(domain: Domain, d: int, lines: int | None, generator: torch.Generator | None) -> Lines:
    if d == 1:
        row, low, high = domain.clipped(domain.box[:, 0][None], domain.box[:, 1][None])
        whole = Lines(domain.box[:, 0][None], domain.box[:, 1][None], domain.box.new_ones(1))
        return Lines(whole.at(row, low), whole.at(row, high), whole.weight[row])
    many = LINES * d if lines is None else lines
    if isinstance(many, bool) or not isinstance(many, int) or many < d:
        raise InputError(f"lines: {many!r} is not one along each of {d} axes; a whole number from {d} on is right")
    return axis_lines(domain, tuple(many // d + (k < many % d) for k in range(d)), generator)
