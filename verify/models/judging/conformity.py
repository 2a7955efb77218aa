"""The second route: Gauss points between kinks that move with the parameters, differentiated whole (MATH 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..seeing.model import Model
from ..seeing.pieces import Pieces, stretched
from .density import Density
from .jump import Ends, end_terms

# More nodes than those of the first route, so that its quadrature is checked as well.
_MORE = 3


def conforming_gradient(
    model: Model, density: Density, pieces: Pieces, places: Tensor, ends: Ends | None = None
) -> tuple[float, Tensor]:
    """Energy and gradient (P,) of the sum over nodes that follow the kinks.

    The sum is differentiated by the parameters and by the marks, and the marks by the parameters: what autograd does
    in one pass, cut so that the points need not all be in memory at once.

    Args:
        model: whose u.
        density: L.
        pieces: the domain, cut at the breaks.
        places: the breaks, (K,), as functions of the parameters.
        ends: u at both ends (2,) → what is added to the integral.
    """
    marks = pieces.marks.clone().requires_grad_()
    by_marks = torch.zeros_like(pieces.marks)
    explicit = torch.zeros_like(model.vector())
    energy = 0.0
    order = pieces.order + _MORE
    for k in pieces.chunks(order):
        x, weights = stretched(marks[k.start : k.stop + 1], order)
        terms = density(model, x.reshape(-1)) * weights.reshape(-1)
        energy += float(terms.detach().sum())
        by_marks += torch.autograd.grad(terms.sum(), marks, retain_graph=True)[0]
        explicit += model.gradient(terms.sum())
    if ends is not None:
        added = end_terms(model, pieces, ends)
        energy += float(added.detach())
        explicit += model.gradient(added)
    own = pieces.owners >= 0
    if not own.any():
        return energy, explicit
    moving = (places[pieces.owners[own]] * by_marks[own]).sum()
    return energy, explicit + model.gradient(moving, keep=True)
