"""One way of asking, run over families of grids, and the row that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..bending.statement import BeamProblem
from ..discrete.plane_points import PlanePoints
from ..discrete.quadrature import Grid
from ..errors import InputError
from ..line.gradient import Gradient
from ..plane.gradient import PlaneGradient
from ..statement.blocks import BLOCKS
from ..statement.plane import PlaneProblem
from ..statement.problem import RitzProblem
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


@dataclass(frozen=True)
class Answers:
    """What a method gave on all grids, or why it gave nothing.

    Attributes:
        found: for each size the gradients (K,) on its family of grids; None where there are none.
        unavailable: why it cannot be run here, else "".
        failed: what went wrong, else "".
    """

    found: list[list[Array]] | None
    unavailable: str = ""
    failed: str = ""


def examined(
    blank: Row,
    given: Answers,
    exact: Gradient | PlaneGradient,
    sizes: list[int],
    bound: Bound = ON_A_LINE,
    *,
    by_the_whole: bool = False,
) -> Row:
    """A row with the studies of what a method gave.

    Args:
        blank: the row before.
        given: what the method answered.
        exact: the gradient to which they should tend.
        sizes: the numbers of points of the grids.
        bound: see `study`.
        by_the_whole: errors of blocks are measured by the whole gradient, since a block's own may be nil.
    """
    found = given.found
    if found is None:
        return replace(blank, unavailable=given.unavailable, failed=given.failed)
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


def answers(
    method: Method,
    precision: str,
    problem: RitzProblem | PlaneProblem | BeamProblem,
    vector: Array,
    grids: Sequence[Sequence[Grid | PlanePoints]],
) -> Answers:
    """Ask a method on families of grids.

    Args:
        method: to be run.
        precision: in which it computes.
        problem: whose energy is differentiated.
        vector: the parameters (K,) at which.
        grids: a family of neighbouring ones for each size; a conforming rule makes its own nodes, and one grid of each
            family says it all.

    Raises:
        InputError: our own quadrature refuses the request.
    """
    if method.gradient is None:
        return Answers(None, method.unavailable, method.failed)
    try:
        return Answers([
            [answer(method, problem, vector, g, precision) for g in (of_n[:1] if method.conforming else of_n)]
            for of_n in grids
        ])  # fmt: skip
    except Unavailable as why:
        return Answers(None, unavailable=str(why))
    except Exception as error:
        if method.system == OWN:
            raise
        # Whatever another's program raises is its row's finding, and no reason to withhold the other rows.
        return Answers(None, failed=str(error) if isinstance(error, InputError) else describe(error))


def answer(
    method: Method,
    problem: RitzProblem | PlaneProblem | BeamProblem,
    parameters: Array,
    grid: Grid | PlanePoints,
    precision: str,
) -> Array:
    """The gradient (3N,), in the plane (4N,), that a method gives on one grid, as float64.

    Raises:
        InputError: it gives no pair of a finite number and a finite real vector of the right shape; the message says
            what it gave, and leaves it to the caller to name the method.
    """
    assert method.gradient is not None
    # A copy: a program that changes its parameters in place must not change those of the next grid.
    ask: Any = method.gradient
    pair = ask(problem, parameters.copy(), grid, precision)
    on = f"on {len(grid.nodes)} points"
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        what = f"{len(pair)} values" if isinstance(pair, tuple | list) else type(pair).__name__
        raise InputError(f"it returned {what} {on}; a pair (energy, gradient) would be right")
    try:
        energy, gradient = (np.asarray(part) for part in pair)
    except (TypeError, ValueError, RuntimeError):
        energy = gradient = np.empty(0, dtype=object)
    if not all(part.dtype.kind in "iuf" for part in (energy, gradient)):
        kinds = " and ".join(type(part).__name__ for part in pair)
        raise InputError(f"it returned {kinds} {on} that hold no real numbers; a number and a vector would be right")
    if energy.size != 1:
        raise InputError(f"it returned an energy of shape {energy.shape} {on}; a number would be right")
    if gradient.shape != parameters.shape:
        raise InputError(f"it returned a gradient of shape {gradient.shape} {on}; {parameters.shape} would be right")
    if not np.isfinite(energy).all():
        raise InputError(f"it returned the energy {energy} {on}; a finite number would be right")
    for index in np.flatnonzero(~np.isfinite(gradient)):
        raise InputError(f"it returned {gradient[index]} for parameter {index} {on}; a finite number would be right")
    return gradient.astype(np.float64)
