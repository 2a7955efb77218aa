"""One way of asking, run over families of grids, and the row that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..bending.statement import BeamProblem, PowerNetwork
from ..discrete.plane_points import PlanePoints
from ..discrete.quadrature import Grid
from ..errors import InputError
from ..line.gradient import Gradient
from ..plane.gradient import PlaneGradient
from ..statement.blocks import BLOCKS
from ..statement.network import ShallowNetwork
from ..statement.plane import PlaneProblem
from ..statement.plane_network import PlaneNetwork
from ..statement.problem import RitzProblem
from .answer import answer
from .discovery import describe
from .method import Array, Method, Unavailable
from .row import OWN, Row
from .study import ON_A_LINE, Bound, study


def blank_row(method: Method, precision: str) -> Row:
    """What is known before anything is run."""
    return Row(
        method.system, method.name, precision, None, {}, "", {}, "", None, method.unavailable, method.failed,
        method.conforming, method.delta,
    )  # fmt: skip


def examined(
    blank: Row,
    method: Method,
    problem: RitzProblem | PlaneProblem | BeamProblem,
    network: ShallowNetwork | PlaneNetwork | PowerNetwork,
    exact: Gradient | PlaneGradient,
    grids: Sequence[Sequence[Grid | PlanePoints]],
    sizes: list[int],
    bound: Bound = ON_A_LINE,
    *,
    by_the_whole: bool = False,
) -> Row:
    """A row with the studies of what a method gives.

    Args:
        blank: the row before.
        method: to be run.
        problem: whose energy is differentiated.
        network: at whose parameters.
        exact: the gradient there.
        grids: a family of neighbouring ones for each size.
        sizes: their numbers of points.
        bound: see `study`.
        by_the_whole: errors of blocks are measured by the whole gradient, since a block's own may be nil.

    Raises:
        InputError: see `judge`.
    """
    if method.gradient is None:
        return blank
    try:
        found = _gradients(method, problem, network.ravel(), grids, blank.precision)
    except Unavailable as why:
        return replace(blank, unavailable=str(why))
    except Exception as error:
        if method.system == OWN:
            raise
        if isinstance(error, InputError):
            return replace(blank, failed=str(error))
        # Whatever another's program raises is its row's finding, and no reason to withhold the other rows.
        return replace(blank, failed=describe(error))
    target, start = exact.total.ravel(), 0
    whole = float(np.linalg.norm(target)) if by_the_whole else None
    blocks = {}
    for name in BLOCKS:
        part = slice(start, start := start + np.size(getattr(exact.total, name)))
        blocks[name] = study([[f[part] for f in of_n] for of_n in found], target[part], sizes, blank.precision, whole,
                             bound)  # fmt: skip
    total = study(found, target, sizes, blank.precision, bound=bound)
    attribution = None
    dirac = exact.dirac.ravel()
    if total.verdict == "inconsistent" and np.any(dirac):
        attribution = float(np.linalg.norm(target - found[-1][0] - dirac) / np.linalg.norm(dirac))
    return replace(blank, total=total, blocks=blocks, attribution=attribution)


def _gradients(
    method: Method,
    problem: RitzProblem | PlaneProblem | BeamProblem,
    vector: Array,
    grids: Sequence[Sequence[Grid | PlanePoints]],
    precision: str,
) -> list[list[Array]]:
    """Those on each family of grids; a conforming rule makes its own nodes, and one grid of each family says it all.

    Raises:
        InputError: see `answer`.
    """
    return [
        [answer(method, problem, vector, g, precision) for g in (of_n[:1] if method.conforming else of_n)]
        for of_n in grids
    ]
