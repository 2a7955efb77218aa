"""Tabulated data, from arrays or CSV files, as piecewise polynomials with exact numbers: what sources and κ may be."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sympy

from .choices import unknown
from .errors import InputError
from .statement.expressions import X, parse_number

KINDS = ("linear", "cubic")
# SymPy works on each piece by itself, for about a fifth of a second.
MOST_ROWS = 200


def tabulated(x: Iterable[Any] | str | Path, values: Iterable[Any] | None = None, kind: str = "linear") -> sympy.Expr:
    """A table (x, values) as a `Piecewise` in x, for `RitzProblem(source=…, coefficient=…, lift=…)`.

    Numbers are read as they are written: 0.1 is 1/10, in a file too. The polynomials go through all values exactly.

    Args:
        x: places, ascending; or a CSV file whose first two columns are x and the value, a line of names before them or
            not. Two rows with the same x are a jump (linear only).
        values: one for each place.
        kind: "linear", or "cubic": the natural spline. Its values are exact, its first derivative exactly continuous;
            the slopes at the places, and with them the continuity of the second derivative, are rounded to float64.

    Raises:
        InputError: columns of different length, too few or too many rows, places that do not ascend, what is no number.

    Examples:
        >>> tabulated([0, 0.5, 1], [1, 2, 0])
        Piecewise((2*x + 1, (x >= 0) & (x < 1/2)), (4 - 4*x, (x >= 1/2) & (x <= 1)))
    """
    if isinstance(x, str | Path):
        if values is not None:
            raise InputError(f"table: {str(x)!r} has the values in its second column; no values beside it is right")
        x, values = _columns(Path(x))
    places, heights = (
        [parse_number(_plain(v), "table") for v in column] for column in (x, () if values is None else values)
    )
    if len(places) != len(heights):
        raise InputError(f"table: {len(places)} places and {len(heights)} values; one value for each place is right")
    if not 2 <= len(places) <= MOST_ROWS:
        raise InputError(f"table: {len(places)} rows; from 2 to {MOST_ROWS} would be right")
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    for k, (a, b) in enumerate(pairwise(places)):
        if a > b or (a == b and (kind == "cubic" or k in (0, len(places) - 2) or places[k + 2] == b)):
            raise InputError(f"table: x = {b} in row {k + 2} follows {a}; places that ascend would be right")
    if kind == "linear":
        slopes = [(q - p) / (b - a) if a < b else sympy.Integer(0) for a, b, p, q in _cells(places, heights)]
        pieces = [p + m * (X - a) for (a, _, p, _), m in zip(_cells(places, heights), slopes, strict=True)]
    else:
        ends = pairwise(_natural_slopes(places, heights))
        pieces = [_hermite(*cell, *slopes) for cell, slopes in zip(_cells(places, heights), ends, strict=True)]
    # Outside of the table there is no branch.
    within = [(e, sympy.And(a <= X, b > X)) for e, (a, b) in zip(pieces, pairwise(places), strict=True) if a < b]
    return sympy.Piecewise(*within[:-1], (within[-1][0], sympy.And(places[-2] <= X, places[-1] >= X)))


def _plain(value: Any) -> Any:
    """NumPy's scalars as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _columns(path: Path) -> tuple[list[str], list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(f"table: {path} cannot be read ({error}); a CSV file of x and values would be right") from None
    if rows and not _number(rows[0][0]):
        del rows[0]
    for k, row in enumerate(rows):
        if len(row) < 2 or not (_number(row[0]) and _number(row[1])):
            raise InputError(f"table: row {k + 1} of {path}, {','.join(row)!r}, is no two numbers; x,value is right")
    return [row[0] for row in rows], [row[1] for row in rows]


def _number(cell: str) -> bool:
    try:
        Fraction(cell)
    except (ValueError, ZeroDivisionError):
        return False
    return True


def _cells(places: Sequence[Any], heights: Sequence[Any]) -> list[tuple[Any, Any, Any, Any]]:
    return [(a, b, p, q) for (a, b), (p, q) in zip(pairwise(places), pairwise(heights), strict=True)]


def _hermite(a: Any, b: Any, p: Any, q: Any, m: Any, n: Any) -> sympy.Expr:
    """The cubic on (a, b) with values p, q and slopes m, n at its ends, in powers of x − a."""
    length = b - a
    secant = (q - p) / length
    t = X - a
    return p + t * (m + t * ((3 * secant - 2 * m - n) / length + t * (m + n - 2 * secant) / length**2))


def _natural_slopes(places: Sequence[Any], heights: Sequence[Any]) -> list[sympy.Rational]:
    """Slopes of the natural cubic spline: second derivatives continuous inside, 0 at the ends."""
    lengths = np.array([float(b - a) for a, b in pairwise(places)])
    secants = np.array([float((q - p) / (b - a)) for a, b, p, q in _cells(places, heights)])
    inverse = 1 / lengths
    diagonal = 2 * (np.append(inverse, 0.0) + np.append(0.0, inverse))
    right = 3 * (np.append(secants * inverse, 0.0) + np.append(0.0, secants * inverse))
    matrix = np.diag(diagonal) + np.diag(inverse, 1) + np.diag(inverse, -1)
    return [sympy.Rational(repr(float(m))) for m in np.linalg.solve(matrix, right)]
