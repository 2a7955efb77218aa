"""Densities on parts of a domain of several inputs and of its boundary, and the loss that is a function of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..judging.composition import Composition, Term, checked_function
from ..judging.density import Density, bind, borrow
from ..judging.discretisation import Nodes
from ..telling.model_findings import Route
from .density import check
from .domains import Domain
from .exact import ExactSide, combined, exact_side
from .faces import Face, whole
from .fields import SpaceModel, probes
from .pieces import faces_of

# What differences of a smooth function of numbers may be off by, of the gradient.
_BY_DIFFERENCES = 1e-7


@dataclass(frozen=True, eq=False)
class SpaceTerm(Term):
    """A density and the part of a domain that it is integrated over, or points over which the mean is taken.

    Attributes:
        faces: flat parts that make it up; none for points.
        said: the piece, in words.
    """

    faces: tuple[Face, ...] = ()
    said: str = "over the domain"

    @property
    def piece(self) -> str:
        """In words."""
        return self.said

    @property
    def whole(self) -> bool:
        """Is it all of the domain?"""
        return self.said == "over the domain"

    def nodes(self, rule: Callable[[Domain, int], Nodes], points: int) -> Nodes:
        """So many nodes of a rule on each part, (n, d), and their weights; or the points."""
        if self.points is not None:
            return self.points, torch.full((len(self.points),), 1 / len(self.points), dtype=torch.float64)
        pairs = [(face.at(y), w) for face in self.faces for y, w in [rule(face.domain, points)]]
        x, weights = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        return x, weights


def stated_in_space(
    density: Callable[..., Any] | None,
    terms: Sequence[Any],
    loss_of: Callable[..., Any] | None,
    domain: Domain,
    given: Any,
) -> Composition:
    """Read what a user gave as densities, pieces and function.

    Args:
        density: over the whole domain, or None.
        terms: pairs of a density and a piece, see `faces_of`.
        loss_of: what is made of the integrals.
        domain: as it is understood.
        given: as the user wrote it.

    Raises:
        InputError: no pairs of a density and a piece in the domain's closure, or nothing that is integrated.
    """
    checked_function(loss_of)
    all_of_it = whole(domain)
    found = [] if density is None else [SpaceTerm(bind(density), faces=(all_of_it,))]
    wanted = "pairs of a density and a piece, such as (density, ((0, 1), 0)) for a side of a square, would be right"
    if not isinstance(terms, list | tuple):
        raise InputError(f"terms: {type(terms).__name__} is no list; {wanted}")
    for k, pair in enumerate(terms):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not callable(pair[0]):
            raise InputError(f"terms: number {k} is no density with a piece; {wanted}")
        own = bind(pair[0])
        if pair[1] is None or pair[1] is given:
            found.append(SpaceTerm(own, faces=(all_of_it,)))
            continue
        piece = faces_of(pair[1], domain, k)
        found.append(SpaceTerm(own, None, piece.points, piece.faces, piece.said))
    if all(t.points is not None for t in found):
        raise InputError(
            "terms: nothing is integrated, so that there is nothing to compare with; a density of an integral over the "
            "domain or a part of it would be right"
        )
    return Composition(tuple(found), loss_of)


def looked_at(composed: Composition, model: SpaceModel) -> tuple[Composition, SpaceModel]:
    """The densities looked at where they are integrated, and the model with what they borrow.

    Raises:
        InputError: see `borrow` and `check`.
    """
    places = [_places(t) for t in composed.terms]
    densities, extended = borrow(list(zip([t.density for t in composed.terms], places, strict=True)), model)
    assert isinstance(extended, SpaceModel)
    for density, x in zip(densities, places, strict=True):
        check(density, extended, x)
    terms = tuple(replace(t, density=d) for t, d in zip(composed.terms, densities, strict=True))
    return replace(composed, terms=terms), extended


def _places(term: Term) -> Tensor:
    assert isinstance(term, SpaceTerm)
    return term.points if term.points is not None else term.faces[0].at(probes(term.faces[0].domain))


@dataclass(frozen=True, eq=False)
class ExactTerms:
    """The exact side of a loss of several integrals.

    Attributes:
        whole: of the loss.
        sides: of each term.
        weights: the derivative of the loss by each.
    """

    whole: ExactSide
    sides: tuple[ExactSide, ...]
    weights: tuple[float, ...]


def exact_terms(composed: Composition, model: SpaceModel) -> ExactTerms:
    """Energy and gradient of each term, and of the loss.

    Raises:
        InputError: see `exact_side`; a function of the integrals that autograd does not see.
    """
    several = len(composed.terms) > 1
    sides = [_side(t, model, f" {t.piece}" if several else "") for t in composed.terms]
    values = [torch.tensor(s.energy, dtype=torch.float64) for s in sides]
    if composed.function is None:
        weights = [1.0] * len(sides)
        found = combined(sides, weights, sum(s.energy for s in sides))
        return ExactTerms(found, tuple(sides), tuple(weights))
    weights = composed.weights(values)
    found = combined(sides, weights, float(composed.of(values).detach()))
    # By how much each integral counts is found anew as well.
    other = composed.weights_by_differences(values, [s.magnitude for s in sides])
    off = sum((a - b) * (s.bulk + s.dirac) for a, b, s in zip(weights, other, sides, strict=True))
    assert isinstance(off, Tensor)
    size = float((found.bulk + found.dirac).norm()) or 1.0
    route = Route("derivatives of loss_of", "differences of it", float(off.norm()) / size, _BY_DIFFERENCES)
    return ExactTerms(replace(found, routes=(*found.routes, route)), tuple(sides), tuple(weights))


def _side(term: Term, model: SpaceModel, piece: str) -> ExactSide:
    assert isinstance(term, SpaceTerm)
    if term.points is None:
        sides = [exact_side(model, term.density, face) for face in term.faces]
        return combined(sides, [1.0] * len(sides), sum(s.energy for s in sides), piece)
    mean = term.mean(model, torch.float64)
    row, value = model.gradient(mean), float(mean.detach())
    return ExactSide.still(value, row, len(term.points), model.inputs)


def density_of_all(composed: Composition) -> Density:
    """A density that borrows whatever any of the terms does."""
    first = composed.terms[0].density
    borrowed = {id(place): (place, name) for t in composed.terms for place, name in t.density.borrowed}
    return replace(first, borrowed=tuple(borrowed.values()))
