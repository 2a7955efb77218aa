"""Plane problems and networks that the tests of the room share, and differences of the exact energy."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from kinkproof.verify import PlaneNetwork, PlaneProblem, exact_energy
from kinkproof.verify.statement.blocks import BLOCKS
from kinkproof.verify.statement.network import rational_array

# A box, a triangle, an L, and a polygon of five corners one of which points inwards; off 0, with odd fractions.
DOMAINS: dict[str, Any] = {
    "box": ((0, 1), ("1/3", "4/3")),
    "triangle": ((0, 0), (1, "1/4"), ("1/3", 1)),
    "L": ((0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)),
    "dart": (("-1/2", 0), ("1/2", "1/3"), ("3/2", 0), ("2/3", "4/3"), ("1/7", 1)),
}
# κ, f, D and lift; all edges natural, or held by a penalty.
DATA: dict[str, dict[str, Any]] = {
    "plain": {"source": 1},
    "matrix": {"coefficient": ((2, "1/2"), ("1/2", 1)), "source": "x*y", "lift": "y"},
    "varying": {"coefficient": "3 + x - y/2", "source": "x**2 - y", "distance": "1 + x/3 + y**2/5"},
    "penalised": {"coefficient": "2 + y", "source": "x + 1", "distance": "2 - x/4", "essential": "x - y", "penalty": 7},
    "waves": {"source": "sin(3*x)*exp(y)", "distance": "1 + x*y/4", "lift": "cos(y)"},
    "exponential": {"coefficient": "exp(x/2)", "source": "cos(2*y)", "distance": "3/2 + sin(x)/2"},
}


def problem(domain: str, data: str) -> PlaneProblem:
    """One of the domains with one of the data sets."""
    given = {"distance": 1, **DATA[data]}
    count = 4 if domain == "box" else len(DOMAINS[domain])
    essential = given.pop("essential", None)
    kind = "fluxes" if essential is None else "essential"
    edges = dict.fromkeys(range(count), "x/2 - 1/5" if essential is None else essential)
    return PlaneProblem(**given, **{kind: edges}, domain=DOMAINS[domain], name=f"{data} on a {domain}")


def rational_network(width: int, seed: int) -> PlaneNetwork:
    """Whose parameters are small fractions, and whose lines mostly cross the domains."""
    draw = np.random.default_rng(seed)
    pairs = zip(draw.integers(-9, 10, 3 * width), draw.integers(3, 12, 3 * width), strict=True)
    rows = np.array([Fraction(int(p), int(q)) for p, q in pairs], dtype=object).reshape(width, 3)
    # Through a point near the middle of all domains.
    at = [Fraction(int(v), 20) for v in draw.integers(2, 19, 2 * width)]
    # No nil weights or output weights: they are looked at by themselves.
    rows = np.where(rows == 0, Fraction(1, 2), rows)
    bias = [-(r[0] * x + r[1] * y) for r, x, y in zip(rows, at[::2], at[1::2], strict=True)]
    return PlaneNetwork(rows[:, :2], bias, rows[:, 2])


def exact_vector(network: PlaneNetwork) -> Any:
    """(4N,) Fractions."""
    return np.concatenate([rational_array(getattr(network, n)).ravel() for n in BLOCKS])


def energy_differences(problem: PlaneProblem, network: PlaneNetwork, side: int = 0, digits: int = 40) -> Any:
    """(4N,) float64: differences of the exact energy, central, or one-sided up (1) or down (−1)."""
    vector, step = exact_vector(network), Fraction(1, 10 ** (digits // 3))
    out = []
    for k in range(len(vector)):
        ends = []
        for sign in (-1, 1) if side == 0 else sorted((0, side)):
            moved = vector.copy()
            moved[k] += sign * step
            ends.append(exact_energy(problem, PlaneNetwork.from_vector(moved), digits=digits))
        with mpmath.workdps(digits):
            out.append(float((ends[1] - ends[0]) / (2 - abs(side)) * 10 ** (digits // 3)))
    return np.array(out)


def directional_difference(problem: PlaneProblem, network: PlaneNetwork, digits: int = 30) -> tuple[Any, float]:
    """A direction (4N,) of small whole numbers, and the energy's central difference along it, to half the digits.

    Where a line runs through a corner, as lines of small fractions do, the error is the step and not its square.
    """
    vector, step = exact_vector(network), Fraction(1, 10 ** (digits // 2))
    # No two parameters are moved alike: no component can hide behind another.
    direction = np.array([(7 * k * k + 3 * k + 5) % 11 - 5 or 6 for k in range(len(vector))], dtype=object)
    ends = [
        exact_energy(problem, PlaneNetwork.from_vector(vector + sign * step * direction), digits=digits)
        for sign in (1, -1)
    ]
    with mpmath.workdps(digits):
        return direction.astype(float), float((ends[0] - ends[1]) / 2 * 10 ** (digits // 2))
