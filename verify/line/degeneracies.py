"""Places where the energy of one hidden layer has no derivative, and how far away the nearest is (MATH 5)."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ..errors import Degeneracy
from ..statement.comparison import compare
from ..statement.expressions import X
from ..statement.network import ShallowNetwork
from ..statement.problem import RitzProblem

Array = NDArray[Any]

# Two float64 quotients closer than this many roundings may be equal or swapped: exact arithmetic decides.
SUSPICIOUS = 8 * float(np.finfo(np.float64).eps)


def clearance(
    problem: RitzProblem, network: ShallowNetwork, inside: Array, order: int = 1, placed: Array | None = None
) -> Array:
    """Distance to the nearest place where the energy lacks a derivative of the given order, (...); inf if none.

    In units of x, except for dead neurons, for which it is √(w² + b²). Zero to rounding is settled by `degeneracies`.

    Args:
        problem: gives the domain and the places that do not move.
        network: of any batch shape (...).
        inside: is each neuron's kink strictly inside the domain? (..., N).
        order: of the derivative.
        placed: neurons by ascending kink (..., N), where that is known: a sort less.
    """
    w, b, c = network.floats
    heard = c != 0 if order == 1 else np.ones_like(c, dtype=bool)
    kinked = heard & (w != 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        kinks = np.where(kinked, -b / w, np.nan)
        seen = np.where(inside, kinks, np.nan)
        if placed is None or placed.ndim > 1 or (inside & ~kinked).any():
            # One sort serves all gaps: silent neurons are nan, and nan sorts last.
            ascending = np.sort(seen, axis=-1)
        else:
            ascending = seen[placed]
        gaps = ascending[..., 1:] - ascending[..., :-1]
        out = np.fmin.reduce(gaps, axis=-1, initial=np.inf)
        for place in fixed_places(problem, order):
            out = np.fmin(out, np.fmin.reduce(np.abs(kinks - float(place[1])), axis=-1, initial=np.inf))
        dead = np.where(heard, np.hypot(w, b), np.inf).min(axis=-1)
    return np.asarray(np.fmin(out, dead))


def degeneracies(
    problem: RitzProblem, network: ShallowNetwork, distance: Array, order: int = 1
) -> tuple[Degeneracy, ...]:
    """All exact degeneracies of a batch; `distance` is its `clearance`, by which the harmless ones are passed over."""
    scale = max(1.0, *map(abs, problem.ends))
    if not (distance <= SUSPICIOUS * scale).any():
        return ()
    out: list[Degeneracy] = []
    for index in np.ndindex(*network.batch):
        if distance[index] <= SUSPICIOUS * scale:
            out += _degeneracies_of_one(problem, network.member(index), order, index)
    return tuple(dict.fromkeys(out))


def _degeneracies_of_one(
    problem: RitzProblem, network: ShallowNetwork, order: int, index: tuple[int, ...]
) -> list[Degeneracy]:
    w, b, c = (network.rational(n) for n in ("hidden_weights", "hidden_biases", "output_weights"))
    out = []
    at: dict[Fraction, list[int]] = {}
    for i in range(network.width):
        if w[i] == 0 and b[i] == 0 and (c[i] != 0 or order == 2):
            out.append(Degeneracy("dead neuron", (i,), None, 0.0, index))
        elif w[i] != 0:
            at.setdefault(Fraction(-b[i]) / Fraction(w[i]), []).append(i)
    for kink, neurons in at.items():
        if any(compare(kink, end) * sign > 0 for end, sign in zip(problem.domain, (-1, 1), strict=True)):
            continue
        heard = tuple(i for i in neurons if c[i] != 0)
        inner = all(compare(kink, end) for end in problem.domain)
        involved = heard if order == 1 else tuple(neurons)
        if len(involved) > 1 and heard and inner and not distance_vanishes(problem.distance, kink):
            out.append(Degeneracy("coincident kinks", involved, float(kink), 0.0, index))
        for kind, place in fixed_places(problem, order):
            if involved and compare(kink, place) == 0:
                out.append(Degeneracy(kind, involved, float(place), 0.0, index))
    return out


def distance_vanishes(distance: sympy.Expr, kink: Fraction) -> bool:
    """Is D zero at the kink, so that it cannot be seen there?"""
    return _zero_at(distance, sympy.Rational(kink.numerator, kink.denominator))


def _zero_at(distance: sympy.Expr, place: sympy.Expr) -> bool:
    return bool(distance.subs(X, place).is_zero)


@lru_cache(maxsize=256)
def fixed_places(problem: RitzProblem, order: int) -> tuple[tuple[str, sympy.Expr], ...]:
    """Positions at which a kink has no derivative of that order: (kind, x)."""
    ends = problem.domain if order == 2 else [e for free in problem.free_ends for _, e in free.places]
    out = [("kink on the end of the domain", e) for e in ends]
    # u(a) itself has a kink as a kink of the network passes the load, and no second derivative even where D is 0.
    out += [("kink on a point load", a) for a in problem.loads if order == 2 or not _zero_at(problem.distance, a)]
    for before, after in zip(problem.pieces, problem.pieces[1:], strict=False):
        # The gradient reads κ, D′ and lift′ at the kink (MATH 1); a jump of the source is felt by the Hessian only.
        felt = [
            (before.coefficient, after.coefficient),
            (sympy.diff(before.distance, X), sympy.diff(after.distance, X)),
            (sympy.diff(before.lift, X), sympy.diff(after.lift, X)),
        ]
        named = any(place == after.left for _, place in out)
        if not named and (order == 2 or any(sympy.N((p - q).subs(X, after.left)) != 0 for p, q in felt)):
            out.append(("kink on an interface", after.left))
    return tuple(out)
