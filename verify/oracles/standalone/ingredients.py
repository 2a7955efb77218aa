"""What every generated source file is made of, whatever its language: a problem's formulas, places and stored cases."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ...errors import InputError
from ...line.degeneracies import fixed_places
from ...line.derivation import OTHER_SLOPE, OUTPUT, VALUE, WEIGHT, derive
from ...line.integration import Function, vectorised
from ...line.moments import moments
from ...statement.blocks import BLOCKS
from ...statement.centring import centre
from ...statement.expressions import X
from ...statement.named import problems
from ...statement.problem import RitzProblem
from ..case import floats
from ..making.records import Record, statement_text
from .closed_form import gauss

Array = NDArray[Any]

# Of the lines of generated files; formulas and words without a blank may be longer.
WIDTH = 110
# 16 Gauss points on a panel must leave less than this share of the whole integral.
_PANEL_ERROR = 1e-16
# A source that is singular at an end needs panels that shrink towards it; more than these would be a file of edges.
_MOST_PANELS = 200

# Arguments of the generated functions: of x alone, and of the Dirac terms.
POSITION = {X: "x"}
NEURON = {X: "x", WEIGHT: "w", OUTPUT: "c", VALUE: "value", OTHER_SLOPE: "other_slope"}


@dataclass(frozen=True)
class Formulas:
    """One smooth piece of a problem in formulas.

    Attributes:
        left: its left end.
        right: its right end.
        densities: the six functions of x in the energy density.
        slopes: their derivatives.
        dirac: the Dirac terms of ∂E/∂w and ∂E/∂b, in the arguments of `NEURON`.
        antiderivatives: of the densities, or None: then Gauss points on the panels between `edges` integrate them.
        edges: ascending, from left to right.
    """

    left: float
    right: float
    densities: tuple[sympy.Expr, ...]
    slopes: tuple[sympy.Expr, ...]
    dirac: tuple[sympy.Expr, ...]
    antiderivatives: tuple[sympy.Expr, ...] | None
    edges: Array


def formulas(problem: RitzProblem) -> list[Formulas]:
    """The pieces from left to right.

    Raises:
        InputError: without a closed form, and too many panels would be needed; or the domain is so far from 0 that
            closed forms in x lose digits.
    """
    if place := centre(problem.domain):
        raise InputError(
            f"generated code: about x = {float(place):g} closed forms in x lose digits; the same problem in the "
            "distance from there, whose first biases are b + w·x, would be right"
        )
    table, derivation = moments(problem), derive(problem)
    out = []
    for piece, densities, integrals in zip(problem.pieces, table.densities, table.antiderivatives, strict=True):
        left, right = float(piece.left), float(piece.right)
        closed = tuple(i for i in integrals if i is not None)
        complete = len(closed) == len(integrals)
        out.append(
            Formulas(
                left,
                right,
                densities,
                tuple(sympy.diff(d, X) for d in densities),
                tuple(derivation.specialise(derivation.dirac_terms[n], piece) for n in BLOCKS[:2]),
                closed if complete else None,
                np.empty(0) if complete else panels(vectorised(list(densities)), left, right),
            )
        )
    return out


def point_terms(problem: RitzProblem) -> list[tuple[float, ...]]:
    """(x, D, lift, flux with its sign in the energy or minus a load, penalty, wanted value) of ends and point loads.

    Of periodic ends u is the difference: x, D and lift of the opposite one follow.
    """
    out = []
    for term in problem.point_terms:
        seen = [(p, *(e.subs(X, p) for e in (problem.distance, problem.lift))) for _, p in term.places]
        row = (*seen[0], term.pull, term.stiffness, term.wanted, *(seen[1] if len(seen) > 1 else ()))
        out.append(tuple(float(v) for v in row))
    return out


def marks(problem: RitzProblem) -> list[tuple[str, Fraction, int]]:
    """(what, where, lowest order of derivative missing) of the rational places at which a kink is degenerate.

    A kink of float64 parameters is rational: it never lies on an irrational place.
    """
    first = [place for _, place in fixed_places(problem, 1)]
    names = {
        "kink on the end of the domain": "an end of the domain",
        "kink on an interface": "an interface",
        "kink on a point load": "a point load",
    }
    return [
        (names[kind], Fraction(int(p.p), int(p.q)), 1 if p in first else 2)
        for kind, p in fixed_places(problem, 2)
        if isinstance(p, sympy.Rational)
    ]


def panels(densities: Function, left: float, right: float) -> Array:
    """Edges of panels on which 16 Gauss points integrate to rounding, shrinking towards singular ends.

    Raises:
        InputError: too many would be needed.
    """
    scale = np.zeros(6)
    done, stack = [], [(left, right)]
    while stack:
        a, b = stack.pop()
        with np.errstate(all="ignore"):
            whole = gauss(densities, np.array([a]), np.array([b]))[:, 0]
            middle = (a + b) / 2
            halves = gauss(densities, np.array([a, middle]), np.array([middle, b])).sum(axis=1)
        scale = np.maximum(scale, np.abs(halves))
        if (np.abs(whole - halves) <= _PANEL_ERROR * scale + 4e-16 * np.abs(halves)).all():
            done.append((a, b))
            continue
        stack += [(a, middle), (middle, b)]
        if len(done) + len(stack) > _MOST_PANELS:
            raise InputError(
                f"generated code: the integrals have no closed form and need more than {_MOST_PANELS} panels; "
                "a pack (--pack) would be right"
            )
    return np.array([left, *sorted(b for _, b in done)])


@dataclass(frozen=True, eq=False)
class StoredCase:
    """A record's numbers in float64.

    Attributes:
        id: its name.
        parameters: hidden weights, hidden biases, output weights, (N,) each.
        energy: the exact one.
        parts: the gradient's bulk, dirac and total, (3N,) each.
        own_jump: what û′ on one side of each kink adds to or takes from the gradient, (3N,).
        tolerances: absolute, of the energy, the gradient and the Hessian.
        hessian: (3N, 3N), or None: not stored whole.
    """

    id: str
    parameters: tuple[Array, ...]
    energy: float
    parts: tuple[Array, ...]
    own_jump: Array
    tolerances: tuple[float, float, float]
    hessian: Array | None


def stored_case(record: Record) -> StoredCase:
    """What a source file stores of a record."""
    numbers, tolerance, stored = record["gradient"], record["tolerance"], record["hessian"]
    size = 3 * len(record["parameters"][BLOCKS[0]]["exact"])
    hessian = None
    if stored is not None and "total" in stored:
        hessian = np.zeros((size, size))
        hessian[np.triu_indices(size)] = floats(stored["total"]["decimal"])
        hessian += np.triu(hessian, 1).T
    return StoredCase(
        record["id"],
        tuple(floats(record["parameters"][n]["exact"]) for n in BLOCKS),
        float(record["energy"]["decimal"]),
        tuple(_vector(numbers[part]) for part in ("bulk", "dirac", "total")),
        _vector(numbers["own_jump"]),
        (tolerance["energy"], max(tolerance["gradient"].values()), tolerance["hessian"]),
        hessian,
    )


def _vector(blocks: Record) -> Array:
    return np.concatenate([floats(blocks[n]["decimal"]) for n in BLOCKS])


def statement_lines(problem: RitzProblem) -> str:
    """The problem in a header: each part of its statement begins a line."""
    lines = [f"{k}: {v}" for k, v in statement_text(problem).items() if v not in ({}, "0")]
    return "\n".join(textwrap.indent(textwrap.fill(line, WIDTH, subsequent_indent="    "), "    ") for line in lines)


def command_lines(problem: RitzProblem, name: str) -> str:
    """The command in a header, in lines that end in a backslash: the shell joins them again."""
    lines: list[str] = []
    for word in command(problem, name):
        # A word stays whole: inside quotes the shell would keep the backslash.
        if lines and len(lines[-1]) + len(word) < WIDTH - 10:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return " \\\n        ".join(lines)


def command(problem: RitzProblem, name: str) -> list[str]:
    """The words of the command line that generates this problem's file, quoted for a shell."""
    if problem.name in problems and problems[problem.name] == problem:
        stated = ["--problem", problem.name]
    else:
        text = statement_text(problem)
        names = ("source", "coefficient", "reaction", "distance", "lift", "solution")
        single = (*names, *(("penalty",) if problem.essential or problem.periodic else ()))
        stated = [word for n in single if n in text for word in (f"--{n}", text[n])]
        stated += ["--domain", *text["domain"]] if text["domain"] != ("0", "1") else []
        stated += ["--periodic"] if problem.periodic else []
        for option, key in (("--flux", "fluxes"), ("--essential", "essential")):
            stated += [word for end, value in text[key].items() for word in (option, f"{end}={value}")]
        stated += [word for place, load in text.get("loads", {}).items() for word in ("--load", f"{place}={load}")]
        stated += [
            word for end, pair in text.get("robin", {}).items() for word in ("--robin", f"{end}={','.join(pair)}")
        ]
    return ["kinkproof", "oracles", "generate", *map(shlex.quote, stated), "--standalone", shlex.quote(name)]
