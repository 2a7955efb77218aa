"""The part of an energy's gradient that autodiff leaves out, as a summand of a loss, in any number of inputs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.models.seeing.eager import eagerly
from ...verify.models.seeing.stacked import Parameters
from ...verify.models.seeing.trace import ModelChangedError
from ...verify.models.space.domains import as_domain
from ...verify.models.space.faces import flat_part
from .crossings import crossings_of
from .fields import Fields, forget
from .lines import Lines
from .rectifiers import rectified
from .sampling import lines_of, prepared, sampled, some_of, stacked


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
    domain times its volume. First derivatives only.

    Args:
        energy: the density L of x (n, d), u (n,) or (n, m) and du (n, d) or (n, m, d), elementwise in n, in one input
            of x (n,) and du (n,) or (n, m); see `integrate` for `parameters`. With an argument called `ddu` it is
            handed second derivatives too, for models without jumps of the first.
        model: a module or any function of x (n, d).
        domain: (a, b), ((a, b), (c, d), …), `Polygon`, `Region`, or an object with `inside(x)` and `bbox`; for an
            integral over a face or an edge that part, ((a, b), c) with a number where x does not vary, or a `Segment`.
        lines: how many in all, at least one along each axis; by default 4 to 32 along each,
            fewer for models of more units.
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
    return _drawn(energy, model, domain, lines, crossings, generator, parameters).term


@dataclass(frozen=True, eq=False)
class DiracSample:
    """One draw of the term, and what it was made of.

    Attributes:
        term: nil, with the gradient; (B,) for stacked parameters.
        lines: how many parts of lines lay inside the domain.
        crossings: how many places there were where they cross kinks, before any were left out.
        jumps: how many of those that were kept L jumps at.
        reason: why the gradient is nought, or "".
    """

    term: Tensor
    lines: int
    crossings: int
    jumps: int
    reason: str


@eagerly
def dirac_sample(
    energy: Callable[..., Tensor],
    model: Callable[[Tensor], Tensor],
    domain: Any,
    *,
    lines: int | None = None,
    crossings: int | None = None,
    generator: torch.Generator | None = None,
    parameters: Parameters | None = None,
) -> DiracSample:
    """The same as `dirac_term`, with what it was made of.

    Args:
        energy: see `dirac_term`.
        model: see there.
        domain: see there.
        lines: see there.
        crossings: see there.
        generator: see there.
        parameters: see there.

    Raises:
        InputError: see `dirac_term`.

    Examples:
        >>> smooth = torch.nn.Sequential(torch.nn.Linear(2, 9), torch.nn.Tanh(), torch.nn.Linear(9, 1))
        >>> dirac_sample(lambda x, u, du: (du**2).sum(1), smooth, ((0, 1), (0, 1))).reason
        'the model has no operation that breaks smoothness'
    """
    return _drawn(energy, model, domain, lines, crossings, generator, parameters)


def _drawn(
    energy: Callable[..., Tensor],
    model: Callable[[Tensor], Tensor],
    domain: Any,
    lines: int | None,
    crossings: int | None,
    generator: torch.Generator | None,
    parameters: Parameters | None,
) -> DiracSample:
    if crossings is not None and (isinstance(crossings, bool) or not isinstance(crossings, int) or crossings < 1):
        raise InputError(f"crossings: {crossings!r} is no number of places; a whole number from 1 on would be right")
    face = flat_part(domain)
    where = as_domain(domain) if face is None else face.domain
    if parameters is not None and (batch := stacked(model, parameters)):
        rows = [
            _drawn(
                energy, model, domain, lines, crossings, generator,
                {n: t[k] if n in batch else t for n, t in parameters.items()},
            ) for k in range(len(next(parameters[n] for n in batch)))
        ]  # fmt: skip
        met, jumps = sum(r.crossings for r in rows), sum(r.jumps for r in rows)
        reason = "" if jumps else rows[0].reason
        return DiracSample(torch.stack([r.term for r in rows]), sum(r.lines for r in rows), met, jumps, reason)

    box = where.box if face is None else face.box

    def sample() -> DiracSample:
        fields, density = prepared(energy, model, box, parameters)
        drawn = lines_of(fields, where, lines, generator)
        if face is not None:
            drawn = drawn.within(face)
        found = crossings_of(fields, drawn, room=not rectified(fields, density))
        kept, share = some_of(found, crossings, generator)
        weights, term = sampled(fields, density, kept, box, share, None if face is None else face.tangents)
        unproven = int(weights.isnan().sum())
        if fields.layers is not None and 2 * unproven > len(kept):
            raise ModelChangedError(
                f"model: at {unproven} of {len(kept)} places where its layers change their signs its own "
                "pre-activations do not; a model that does not change from call to call would be right"
            )
        met, jumps = len(found), int(weights.count_nonzero()) - unproven
        return DiracSample(term, len(drawn.weight), met, jumps, "" if jumps else _reason(fields, drawn, met))

    with suppress(ModelChangedError):
        return sample()
    # Another model answered than the one that was looked at: of a list, say, whose entry was replaced.
    forget(model)
    return sample()


def _reason(fields: Fields, drawn: Lines, met: int) -> str:
    if not fields.trace.calls:
        return "the model has no operation that breaks smoothness"
    if not met:
        return f"none of {len(drawn.weight)} lines meets a kink: inside the domain the model is smooth, or nearly so"
    return f"at none of {met} crossings of lines with kinks does the density jump"
