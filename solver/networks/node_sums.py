"""Autodiff's gradient on a fixed grid, its nodes added up between the kinks: a cost that does not grow with the nodes.

Between two kinks the network is a straight line, so all that a sum over nodes needs of them are six running sums. In
the closed form these stand where the moments stand, and the gradient without Dirac terms is autodiff's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...verify.statement.centring import centred
from ...verify.statement.problem import RitzProblem
from ..data.statement import data, mesh
from .architecture import Architecture
from .closed_form import INTEGRATED, ClosedForm, closed_form


@dataclass(frozen=True)
class RunningSums:
    """The moments of a grid, as `ClosedForm` asks for those of the integral.

    Attributes:
        nodes: ascending, (n,).
        sums: of each moment over the nodes up to each of them, with 0 in front, (6, n + 1).
        right: end of the domain: what lies there or beyond has all nodes before it.
    """

    nodes: Tensor
    sums: Tensor
    right: float

    def __call__(self, x: Tensor) -> Tensor:
        """Moments before each place (...), and no Dirac factors: (9, ...)."""
        before = torch.searchsorted(self.nodes, x.contiguous())
        before = torch.where(x >= self.right, torch.full_like(before, len(self.nodes)), before)
        return torch.cat([self.sums[:, before], x.new_zeros(3, *x.shape)])


def node_sums(
    problem: RitzProblem,
    architecture: Architecture,
    rule: str,
    points: int,
    dtype: torch.dtype,
    device: torch.device,
) -> ClosedForm:
    """The sum over the nodes of a rule, for one piecewise linear layer: O(N log N + N log n) a network.

    Its `energy_and_bulk` is the sum's energy and autodiff's gradient.

    Raises:
        InputError: another architecture, or what `mesh` refuses.
    """
    form = closed_form(problem, architecture, dtype, device)
    near = centred(problem) if form.place else problem
    grid = mesh(near, rule, points, dtype, device)
    nodes, order = grid.nodes.sort()
    weights = grid.weights[order]
    names = ("coefficient", "distance", "distance_slope", "lift_slope", "source_distance", "source_lift")
    kappa, distance, by_intercept, rest, load, constant = (data(near, n)(nodes) for n in names)
    # û′ = a·by_slope + g·by_intercept + rest where the network is a·x + g; the order is that of `ClosedForm`.
    by_slope = nodes * by_intercept + distance
    rows = torch.stack(
        [
            kappa * by_slope**2 / 2,
            kappa * by_slope * by_intercept,
            kappa * by_intercept**2 / 2,
            kappa * by_slope * rest - load * nodes,
            kappa * by_intercept * rest - load,
            kappa * rest**2 / 2 - constant,
        ]
    )
    sums = torch.cat([rows.new_zeros(INTEGRATED, 1), (weights * rows).cumsum(-1)], -1)
    return replace(form, table=RunningSums(nodes, sums, form.right), whole=sums[:, -1, None, None])
