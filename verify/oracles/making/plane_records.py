"""Cases with networks of two inputs: every value at 50 digits, cross-checked, with a tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import count
from random import Random
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ...errors import InputError, NondifferentiableError
from ...plane.corners import corner_gradient
from ...plane.degeneracies import clearance
from ...plane.energy import energy_of
from ...plane.functions import plane_functions
from ...plane.gradient import local_parameters, parts, plane_gradient
from ...plane.pairs import pair_integrals
from ...plane.rule import rule
from ...plane.scanlines import scanline_gradient
from ...statement.blocks import BLOCKS, PlaneBlocks
from ...statement.plane import PlaneProblem, X, Y
from ...statement.plane_network import PlaneNetwork
from ...statement.polygon import RationalPolygon
from .agreement import agreed_digits
from .records import DIGITS, Record, condition_of, decimal, number, numbers, rounded_up

Array = NDArray[Any]

# Gauss points each way by which data that are no polynomials are integrated to 50 digits: smooth, on a unit or two.
_POINTS = 48
# For the condition, where both sides have the same rule, few tell as much.
_FEW_POINTS = 12
# Lines of a drawn network keep so far from coinciding with each other and with free edges.
_APART = 1e-2


def plane_case_record(name: str, about: str, problem: PlaneProblem, network: PlaneNetwork) -> Record:
    """One case: energy and gradient in its parts.

    Raises:
        InputError: independent derivations do not agree, or there is no gradient.
    """
    record = plane_statement_record(name, about, problem) | {"parameters": _parameters(network)}
    try:
        gradient = plane_gradient(problem, network, DIGITS)
    except NondifferentiableError as error:
        raise InputError(f"oracle: the case {name}: {error}") from None
    record["energy"] = number(gradient.energy)
    record["distance"] = gradient.distance if np.isfinite(gradient.distance) else None
    stored = {part: getattr(gradient, part) for part in ("bulk", "dirac", "total")}
    with mpmath.workdps(DIGITS):
        own = PlaneBlocks.from_vector(_evaluated(problem, network, _POINTS)[2])
    record["gradient"] = {n: _blocks(b) for n, b in (stored | {"own_jump": own}).items()}
    record["hessian"] = None
    record["agreement"] = _agreement(problem, network, gradient.energy, gradient.total.ravel())
    record["tolerance"] = _tolerances(problem, network)
    return record


def plane_statement_record(name: str, about: str, problem: PlaneProblem) -> Record:
    """The part of a case that its network has nothing to do with.

    Raises:
        InputError: the problem cannot be written as text.
    """
    text = problem.statement()
    del text["name"]
    if text["solution"] is None:
        del text["solution"]
    if PlaneProblem(**text) != problem:
        raise InputError(f"oracle: the problem {problem.name} does not survive being written as text")
    for key in ("distance", "lift"):
        text[f"{key}_slopes"] = [str(sympy.diff(getattr(problem, key), v)) for v in (X, Y)]
    for key in ("fluxes", "essential"):
        text[key] = {str(k): v for k, v in text[key].items()}
    corners = [[float(v) for v in corner] for corner in problem.domain.corners]
    return {"id": name, "about": about, "problem": text, "polygon": corners}


def _parameters(network: PlaneNetwork) -> Record:
    rows = network.rationals
    weights = {"exact": [[decimal(v) for v in row[:2]] for row in rows]}
    others = {n: [row[k] for row in rows] for k, n in enumerate(BLOCKS[1:], 2)}
    return {BLOCKS[0]: weights} | {n: {"exact": list(map(decimal, v))} for n, v in others.items()}


def _blocks(blocks: PlaneBlocks) -> Record:
    rows = [numbers(row) for row in blocks.hidden_weights]
    weights = {"decimal": [row["decimal"] for row in rows]}
    return {BLOCKS[0]: weights} | {n: numbers(getattr(blocks, n)) for n in BLOCKS[1:]}


def _evaluated(problem: PlaneProblem, network: PlaneNetwork, points: int) -> tuple[Any, Array, Array]:
    """Energy, gradient and own jump at mpmath's present precision, by one rule whatever that precision is.

    A neuron's own jump is half of what its own slope adds to the Dirac terms: on one side of the line it is there, on
    the other not.
    """
    functions = plane_functions(problem)
    degree = functions.degree
    along = rule("mpf", points if degree is None else degree + 1)
    across = rule("mpf", points if degree is None else degree // 2 + 1)
    pairs = pair_integrals(functions, network, along, across)
    lines, outer = local_parameters(network, functions, "mpf")
    bulk, dirac = parts(functions, pairs, lines, outer, "mpf")
    own = np.arange(len(outer))
    without = pairs.line.copy()
    without[own, own] = 0 * without[own, own]
    _, others = parts(functions, replace(pairs, line=without), lines, outer, "mpf")
    return energy_of(pairs), bulk + dirac, dirac - others


def _agreement(problem: PlaneProblem, network: PlaneNetwork, energy: Any, gradient: Array) -> Record:
    degree = plane_functions(problem).degree
    points = _POINTS if degree is None else degree // 2 + 2
    found: Record = {"energy": {}, "gradient": {}}
    for route, derive in (("corners of the cells", corner_gradient), ("lines along one axis", scanline_gradient)):
        other, blocks = derive(problem, network, DIGITS, points)
        value, reference = (np.array([e], dtype=object) for e in (energy, other))
        found["energy"][route] = agreed_digits(value, reference, route)
        found["gradient"][route] = agreed_digits(gradient, blocks.ravel(), route)
    return found


def _tolerances(problem: PlaneProblem, network: PlaneNetwork) -> Record:
    def evaluate() -> Array:
        energy, gradient, _ = _evaluated(problem, network, _FEW_POINTS)
        return np.concatenate([[energy], gradient])

    condition, size = condition_of(evaluate)
    largest = float(size[1:].max())
    ends = np.cumsum([0, 2 * network.width, network.width])
    worst = np.maximum.reduceat(condition[1:], ends)
    return {
        "energy": rounded_up(float(condition[0]), float(size[0])),
        "gradient": {n: rounded_up(float(e), largest) for n, e in zip(BLOCKS, worst, strict=True)},
    }


def random_plane_network(width: int, seed: int, problem: PlaneProblem) -> PlaneNetwork:
    """Decimal parameters; four of five lines through a point of the polygon, the fifth neuron on throughout.

    Python's own generator: its numbers are the same on every version.
    """
    for attempt in count():
        network = _drawn(width, Random(f"kinkproof plane {width} {seed} {attempt}"), problem.domain)
        if clearance(problem, network) > _APART:
            return network
    raise AssertionError


def _drawn(width: int, generator: Random, polygon: RationalPolygon) -> PlaneNetwork:
    def thousandths(least: int, most: int) -> Fraction:
        return Fraction(generator.choice((-1, 1)) * generator.randint(least, most), 1000)

    corners = polygon.corners
    rows = []
    for i in range(width):
        w = (thousandths(300, 1500), thousandths(300, 1500))
        x, y = place_inside(polygon, generator)
        b = -(w[0] * x + w[1] * y)
        if i % 5 == 4:
            b = 1 - min(w[0] * p + w[1] * q for p, q in corners)
        rows.append((w, b, thousandths(200, 1000)))
    return PlaneNetwork([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


def place_inside(polygon: RationalPolygon, generator: Random) -> tuple[Fraction, Fraction]:
    """Thousandths of the box around it."""
    while True:
        x, y = (a + (b - a) * Fraction(generator.randint(50, 950), 1000) for a, b in polygon.box)
        if polygon.inside(np.array([[float(x), float(y)]])).all():
            return x, y


def plane_records(stated: dict[str, PlaneProblem]) -> Iterator[Record]:
    """The cases of the shipped pack `plane`.

    Args:
        stated: name → problem, of those that the cases below take.
    """
    through = PlaneNetwork([[1, 1], [2, -1], ["-1/2", "3/2"]], ["-5/6", "-2/3", "-1/4"], [1, "-1/2", "3/4"])
    about = "three lines through one point, where the energy has a gradient all the same"
    yield plane_case_record("polynomial-three-lines-in-a-point", about, stated["plane-polynomial"], through)
    rows = [
        ("polynomial", (1, 3, 8, 12), "a square"),
        ("triangle", (2, 5), "a triangle"),
        ("anisotropic", (2, 6), "κ is a matrix"),
        ("l-shape", (3, 7), "an L, fluxes on four edges"),
        ("penalised", (3, 5), "four corners, an essential value on an edge, a lift"),
        ("sine", (2,), "data that are no polynomials"),
        ("exponential", (1,), "κ is a function and no polynomial"),
    ]
    for name, widths, feature in rows:
        problem = stated[f"plane-{name}"]
        for width in widths:
            noun = "neuron" if width == 1 else "neurons"
            about = f"{width} random {noun}; {feature}"
            yield plane_case_record(f"{name}-width-{width}", about, problem, random_plane_network(width, 50, problem))
