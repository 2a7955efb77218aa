"""The named plane problems: one for each feature that a plane problem can have, all with known solutions."""

from __future__ import annotations

from typing import Any

from ..choices import NamedProblems
from .plane import PlaneProblem

_L_SHAPE = ((0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2))
_STATEMENTS: dict[str, dict[str, Any]] = {
    "plane-polynomial": {"solution": "16*x*(1-x)*y*(1-y)"},
    "plane-sine": {"solution": "sin(pi*x)*sin(pi*y)"},
    "plane-triangle": {"solution": "x*y*(1 - x - y)", "domain": ((0, 0), (1, 0), (0, 1))},
    "plane-anisotropic": {"coefficient": ((2, "1/2"), ("1/2", 1)), "solution": "16*x*(1-x)*y*(1-y)"},
    # u = 0 on x = 0 and y = 0 alone; the fluxes of the solution on the four other edges.
    "plane-l-shape": {
        "solution": "x*y*(3 - x - y)",
        "distance": "x*y",
        "fluxes": {1: "-y - y**2", 2: "x - x**2", 3: "y - y**2", 4: "-x - x**2"},
        "domain": _L_SHAPE,
    },
    "plane-penalised": {
        "solution": "x*y*(1 - y) + 1/3",
        "distance": "x*y*(1 - y)",
        "lift": "1/3",
        "essential": {1: "x*y*(1 - y) + 1/3"},
        "domain": ((0, 0), (2, 0), (1, 1), (0, 1)),
    },
    "plane-exponential": {"coefficient": "exp(x*y)", "solution": "sin(pi*x)*y*(1-y)"},
}


#: Name → `PlaneProblem`: polynomials, sines, a matrix and a function for κ, a triangle, an L with fluxes, a penalty.
plane_problems = NamedProblems("named plane problem", PlaneProblem, _STATEMENTS)
