"""The sum over points of several inputs that the user trains, with autodiff's gradient, in the user's own precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ..judging.composition import Composition, Term
from ..judging.discretisation import Discretisation, Nodes, Summed, on_loss, weighted
from ..judging.integral import Integral
from ..judging.seeds import seeded
from ..judging.trained import Trained
from ..seeing.source_lines import at, line_of, line_of_error, sentence
from .domains import Domain, even_points
from .fields import SpaceModel
from .terms import SpaceTerm, density_of_all

Array = NDArray[Any]
# A domain and how many → points (n, d) in it and weights (n,).
Rule = Callable[[Domain, int], Nodes]
RULES = ("midpoint", "random", "sobol")


def discretised(
    model: SpaceModel, composed: Composition, weights: Sequence[float], domain: Domain, stated: Trained
) -> Discretisation:
    """The sum that autodiff differentiates.

    Args:
        model: as prepared.
        composed: its densities, each on its piece, and what is made of the integrals.
        weights: of each in the gradient; by these scatter is added up.
        domain: of the user's points.
        stated: what is trained.

    Raises:
        InputError: it cannot be evaluated, or there is no such rule.
    """
    own = model.in_own_precision()
    assert isinstance(own, SpaceModel)
    if stated.loss is not None:
        # Where its points lie cannot be seen: they are judged by the scatter that uniformly drawn ones would have.
        # The interval is of no meaning here.
        found = on_loss(model, Integral(density_of_all(composed), (0.0, 1.0)), stated.loss, stated.sizes[0])
        return replace(found, scatter=partial(_signed, own, composed, weights, _random))
    if stated.quadrature is not None:
        if len(composed.terms) > 1 or not _whole(composed):
            raise InputError(
                "quadrature: its points lie in the domain, and terms are on pieces of it; loss= with a function of "
                "(model, n) is right"
            )
        rule: Rule = partial(_users, stated.quadrature)
        name = "your quadrature"
        with seeded(0):
            first, second = rule(domain, stated.sizes[0]), rule(domain, stated.sizes[0])
        drawn = len(first[0]) != len(second[0]) or not torch.equal(first[0], second[0])
    else:
        if stated.rule not in RULES:
            raise InputError(
                f"rule: {stated.rule!r} is none in several inputs; one of {', '.join(RULES)} would be right"
            )
        rule = {"midpoint": _midpoint, "random": _random, "sobol": _sobol}[stated.rule]
        name = {"midpoint": "midpoint rule", "random": "random points", "sobol": "Sobol' points"}[stated.rule]
        drawn = stated.rule == "random"
    parts = partial(_parts, own, composed, rule, stated.summed)
    scatter = partial(_signed, own, composed, weights, rule)
    return Discretisation(name, parts, own.tensors, own.precision, True, drawn, scatter)


def _whole(composed: Composition) -> bool:
    return all(isinstance(t, SpaceTerm) and t.whole for t in composed.terms)


def _parts(model: SpaceModel, composed: Composition, rule: Rule, summed: Summed, points: int) -> Iterator[Tensor]:
    """What adds up to the loss; of a function of several integrals all of it."""
    sums = (_sums(model, term, rule, summed, points) for term in composed.terms)
    if composed.function is None:
        for of_term in sums:
            yield from of_term
    else:
        yield composed.of([torch.stack(list(of_term)).sum() for of_term in sums])


def _sums(model: SpaceModel, term: Term, rule: Rule, summed: Summed, points: int) -> Iterable[Tensor]:
    assert isinstance(term, SpaceTerm)
    return summed(model, Integral(term.density, (0.0, 1.0)), partial(term.nodes, rule), points)


def _signed(
    model: SpaceModel, composed: Composition, weights: Sequence[float], rule: Rule, points: int, seed: int
) -> Array:
    """Σ ±weight ∂L/∂θ with random signs, (P,): as large as what points that were drawn at random miss."""
    row = torch.zeros_like(model.vector(), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    for term, factor in zip(composed.terms, weights, strict=True):
        assert isinstance(term, SpaceTerm)
        # Points that are given are not drawn.
        if term.points is not None:
            continue
        with seeded(seed):
            x, own = term.nodes(rule, points)
        signed = factor * own * (2.0 * torch.randint(2, (len(x),), generator=generator) - 1)
        given = partial(_given, (x, signed))
        for part in weighted(model, Integral(term.density, (0.0, 1.0)), given, points):
            row += model.gradient(part).double()
    found: Array = row.numpy()
    return found


def _given(nodes: Nodes, _: int) -> Nodes:
    return nodes


def _random(domain: Domain, points: int) -> Nodes:
    """Points drawn evenly from a domain, and their weights."""
    box = domain.box
    found = torch.zeros(0, len(box), dtype=torch.float64)
    while len(found) < points:
        more = torch.lerp(box[:, 0], box[:, 1], torch.rand(points, len(box), dtype=torch.float64))
        found = torch.cat([found, more[domain.inside(more)]])
    return found[:points], torch.full((points,), domain.volume / points, dtype=torch.float64)


def _midpoint(domain: Domain, points: int) -> Nodes:
    """The middles of equal cells of the bounding box, at least so many, those inside."""
    box = domain.box
    sides = ceil(points ** (1 / len(box)) - 1e-9)
    share = (torch.arange(sides, dtype=torch.float64) + 0.5) / sides
    x = torch.cartesian_prod(*(low + (high - low) * share for low, high in box.tolist())).reshape(-1, len(box))
    x = x[domain.inside(x)]
    return x, torch.full((len(x),), float((box[:, 1] - box[:, 0]).prod()) / sides ** len(box), dtype=torch.float64)


def _sobol(domain: Domain, points: int) -> Nodes:
    """Scrambled Sobol' points of the bounding box, always the same, those inside."""
    x = even_points(domain.box, points, seed=0)
    x = x[domain.inside(x)]
    volume = float((domain.box[:, 1] - domain.box[:, 0]).prod())
    return x, torch.full((len(x),), volume / points, dtype=torch.float64)


def _users(quadrature: Callable[[int], Any], domain: Domain, points: int) -> Nodes:
    d = len(domain.box)
    wanted = f"points (n, {d}) and weights (n,), or one weight for all, would be right"
    try:
        x, weights = (torch.as_tensor(np.asarray(a) if not isinstance(a, Tensor) else a) for a in quadrature(points))
    except Exception as error:
        line = at(line_of_error(error) or line_of(quadrature))
        raise InputError(f"quadrature: for {points} points it raises {sentence(error)}{line}; {wanted}") from None
    where = at(line_of(quadrature))
    if x.requires_grad or weights.requires_grad:
        raise InputError(
            f"quadrature: its points or weights carry gradients{where}; loss= with a function of (model, n) is right"
        )
    if x.ndim != 2 or x.shape[1] != d or not len(x) or weights.numel() not in (1, len(x)):
        shapes = f"{tuple(x.shape)} and {tuple(weights.shape)}"
        raise InputError(f"quadrature: it returns shapes {shapes}{where}; {wanted}")
    x, weights = x.double(), weights.double().reshape(-1)
    within = ((x >= domain.box[:, 0]) & (x <= domain.box[:, 1])).all(1)
    if not bool(within.all()):
        outside = ", ".join(f"{v:g}" for v in x[~within][0].tolist())
        raise InputError(f"quadrature: its point ({outside}) lies outside the domain{where}; {wanted}")
    return x, weights.expand(len(x))
