"""What a backend answers, checked before it is judged."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..bending.statement import BeamProblem
from ..discrete.plane_points import PlanePoints
from ..discrete.quadrature import Grid
from ..errors import InputError
from ..statement.plane import PlaneProblem
from ..statement.problem import RitzProblem
from .method import Array, Method


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
