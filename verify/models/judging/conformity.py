"""The second route: Gauss points between kinks that move with the parameters, differentiated whole (MATH 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..seeing.model import Model
from ..seeing.pieces import Pieces, stretched
from .integral import Integral
from .straight import on_lines

# More nodes than those of the first route, so that its quadrature is checked as well.
_MORE = 3
# Where in a piece a straight line is evaluated.
_ASIDE = 0.3


def conforming_gradient(
    model: Model, integral: Integral, pieces: Pieces, places: Tensor, straight: bool
) -> tuple[float, Tensor]:
    """Energy and gradient (P,) of the sum over nodes that follow the kinks.

    The sum is differentiated by the parameters and by the marks, and the marks by the parameters: what autograd does
    in one pass, cut so that the points need not all be in memory at once.

    Args:
        model: whose u.
        integral: of L, and what its ends add.
        pieces: the domain, cut at the breaks.
        places: the breaks, (K,), as functions of the parameters.
        straight: u is a straight line on each piece.
    """
    marks = pieces.marks.clone().requires_grad_()
    by_marks = torch.zeros_like(pieces.marks)
    explicit = torch.zeros_like(model.vector())
    energy = 0.0
    order = pieces.order + _MORE
    if integral.composed is not None:
        # By how much each integral counts is found anew as well, by differences of the function of them.
        sums, sizes = integral.sums(model, pieces, order)
        energy, integral = integral.energy(model, sums), _weighed(model, integral, sums, sizes)
    for k in pieces.chunks(order):
        own = marks[k.start : k.stop + 1]
        x, weights = stretched(own, order, pieces.crowding[:, k])
        if straight:
            # Not where the first route has it.
            fields = on_lines(model, x, torch.lerp(own[:-1], own[1:], _ASIDE))
            terms = integral.density.at(model, x.reshape(-1), *fields) * weights.reshape(-1)
        else:
            terms = integral.density(model, x.reshape(-1)) * weights.reshape(-1)
        energy += 0.0 if integral.composed else float(terms.detach().sum())
        by_marks += torch.autograd.grad(terms.sum(), marks, retain_graph=True)[0]
        explicit += model.gradient(terms.sum())
    added = integral.at_ends(model)
    if added is not None:
        energy += 0.0 if integral.composed else float(added.detach())
        explicit += model.gradient(added)
    own = pieces.owners >= 0
    if not own.any():
        return energy, explicit
    moving = (places[pieces.owners[own]] * by_marks[own]).sum()
    return energy, explicit + model.gradient(moving, keep=True)


def _weighed(model: Model, integral: Integral, sums: Tensor, sizes: Tensor) -> Integral:
    composed = integral.composed
    assert composed is not None
    values = integral.terms(model, sums)
    known = iter(sizes[-len(composed.integrated) :].tolist())
    pairs = zip(composed.terms, values, strict=True)
    steps = [next(known) if term.points is None else float(value.detach().abs()) for term, value in pairs]
    return integral.weighed(composed.weights_by_differences(values, [step or 1.0 for step in steps]))
