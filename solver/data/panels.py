"""The data of a problem on panels, in the distance to the nearer end of each smooth piece.

On a panel κ, D, D′, lift′, f and ρ are polynomials to rounding. Towards a singular end the panels halve until nothing
of the energy is left, and the distance keeps the digits that x itself has lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import sympy
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from ...verify.statement.expressions import X
from ...verify.statement.problem import Piece
from .polynomials import gauss, integrate, interpolate

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Function = Callable[[Array], Array]

DEGREE = 20
# Bisections towards a singular end: 2⁻⁷⁰⁰ is far below any length that matters and its powers do not overflow.
_DEPTH = 700
# A Chebyshev tail of this share of the values is rounding.
_RESOLVED = 4e-15
# A panel whose unresolved share of the whole is below this cannot be seen in the whole.
_NEGLIGIBLE = 1e-17
_GAUSS_POINTS = 24


@dataclass(frozen=True, eq=False)
class Data:
    """What the energy needs at places x; all arrays of one shape.

    Attributes:
        coefficient: κ.
        distance: D.
        distance_slope: D′.
        flux: κ(u′ − lift′), u the solution.
        reaction: ρ, and 0 where a problem has none.
        value: u − lift, and 0 where a problem has no ρ.
    """

    coefficient: Array
    distance: Array
    distance_slope: Array
    flux: Array
    reaction: Array
    value: Array


@dataclass(frozen=True, eq=False)
class DataSlopes:
    """Derivatives of the data at places x: κ′, D″ and (u′ − lift′)′."""

    coefficient: Array
    distance_slope: Array
    target: Array


@dataclass(frozen=True, eq=False)
class Half:
    """Half a smooth piece, in the distance s to the piece's own end: x = origin + sign·s, 0 ≤ s ≤ length.

    A singular end keeps all digits of the distance to it.

    Attributes:
        data: s → κ, D, D′, lift′, f, (5, ...).
        slopes: s → κ′, D″, lift″, (3, ...).
        edges: limits of the panels on which the data are polynomials to rounding, ascending in s, (M + 1,).
        source_integral: ∫ f − ρu from s to the far end, Chebyshev series on each panel, (degree + 2, M).
        far_flux: κu′ at the far end, s = length.
        rise: ∫ u′ − lift′ from 0 to s, likewise.
        origin_value: u − lift at s = 0.
        reaction: s → ρ, lift, (2, ...), where the problem has a reaction.
    """

    origin: float
    sign: int
    length: float
    data: Function
    slopes: Function
    edges: Array
    source_integral: Array
    far_flux: float = 0.0
    rise: Array | None = None
    origin_value: float = 0.0
    reaction: Function | None = None

    def evaluate(self, s: Array, panel: Indices) -> Data:
        """Data at distances s (M, G), the rows of which lie in the panels (M,)."""
        coefficient, distance, distance_slope, lift_slope, _ = self.data(s)
        flux = self.solution_flux(s, panel) - coefficient * lift_slope
        if self.reaction is None or self.rise is None:
            nothing = np.zeros_like(flux)
            return Data(coefficient, distance, distance_slope, flux, nothing, nothing)
        return Data(coefficient, distance, distance_slope, flux, self.reaction(s)[0], self.value(s, panel))

    def evaluate_slopes(self, s: Array, panel: Indices) -> DataSlopes:
        """Derivatives of the data, like `evaluate`."""
        coefficient, _, _, _, source = self.data(s)
        if self.reaction is not None:
            rho, lift = self.reaction(s)
            source = source - rho * (self.value(s, panel) + lift)
        change, bend, lift_bend = self.slopes(s)
        solution_slope = self.solution_flux(s, panel) / coefficient
        return DataSlopes(change, bend, (-source - change * solution_slope) / coefficient - lift_bend)

    def value(self, s: Array, panel: Indices) -> Array:
        """u − lift, like `evaluate`."""
        assert self.rise is not None
        return np.asarray(self.origin_value + self.sign * self._series(self.rise, s, panel))

    def panel(self, s: Array) -> Indices:
        """Which panel each distance lies in."""
        return np.clip(np.searchsorted(self.edges, s, side="right") - 1, 0, len(self.edges) - 2)

    def solution_flux(self, s: Array, panel: Indices) -> Array:
        """κu′, like `evaluate`."""
        return np.asarray(self.far_flux + self.sign * self._series(self.source_integral, s, panel))

    def _series(self, series: Array, s: Array, panel: Indices) -> Array:
        left, right = self.edges[panel][:, None], self.edges[panel + 1][:, None]
        local = np.clip((2 * s - left - right) / (right - left), -1, 1)
        return np.asarray(chebyshev.chebval(local, series[:, panel][:, :, None], tensor=False), float)

    def integral(self, integrand: Callable[[Array, Indices], Array]) -> float:
        """∫ over the half of a function of (s, panel)."""
        nodes, weights = gauss(_GAUSS_POINTS)
        width = np.diff(self.edges)
        s = self.edges[:-1, None] + width[:, None] * (nodes + 1) / 2
        return float(((integrand(s, np.arange(len(width))) @ weights) * width / 2).sum())


def halves_of(piece: Piece, reacts: bool = False) -> tuple[Half, Half]:
    """Both halves of a smooth piece, their panels and ∫f; the constants of integration are not set.

    Args:
        piece: of a problem's data.
        reacts: the problem has a reaction, if not on this piece.
    """
    data = (piece.coefficient, piece.distance, sympy.diff(piece.distance, X), sympy.diff(piece.lift, X), piece.source)
    slopes = tuple(sympy.diff(data[k], X) for k in (0, 2, 3))
    length = float(piece.right - piece.left) / 2
    out = []
    for end, sign in ((piece.left, 1), (piece.right, -1)):
        evaluate = _compiled(data, end, sign)
        reaction = _compiled((piece.reaction, piece.lift), end, sign) if reacts else None
        edges = _panels(evaluate, length, reaction)
        source, _ = interpolate(lambda s, e=evaluate: e(s)[4], edges[:-1], edges[1:], DEGREE)  # type: ignore[misc]
        # From the far end inwards, so that a growing integral keeps its relative accuracy.
        integral = integrate(source, np.diff(edges), backwards=True)
        half = Half(float(end), sign, length, evaluate, _compiled(slopes, end, sign), edges, integral)
        out.append(replace(half, reaction=reaction))
    return out[0], out[1]


def _compiled(expressions: tuple[sympy.Expr, ...], end: sympy.Expr, sign: int) -> Function:
    """A function of the distance to an end; `subs` lets 1 − (1 − s) become s before a number is put in."""
    placed = [e.subs(X, end + sign * X) for e in expressions]
    function = sympy.lambdify(X, placed, modules=["scipy", "numpy"], cse=True)

    def evaluate(s: Array) -> Array:
        out = np.empty((len(placed), *s.shape))
        # Infinite only at a singular end itself, where nothing is asked but by a kink that has run into it.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for row, value in enumerate(function(s)):
                out[row] = value
        return out

    return evaluate


def _panels(data: Function, length: float, reaction: Function | None) -> Array:
    """Bisect until κ, D, D′, lift′, f, 1/κ, ρ, lift are polynomials to rounding, or the panel does not matter."""

    def with_reciprocal(s: Array) -> Array:
        # u′ = flux/κ: a κ that is a polynomial but nearly vanishes somewhere is not enough.
        values = data(s)
        rows = [values, 1 / values[:1], *([] if reaction is None else [reaction(s)])]
        return np.concatenate(rows)

    left, right = np.array([0.0]), np.array([length])
    edges = [0.0, length]
    whole: Array | None = None
    for _ in range(_DEPTH):
        width = right - left
        series, values = interpolate(with_reciprocal, left, right, DEGREE)
        tail = np.abs(series[-2:]).max(axis=0)
        size = np.abs(values).max(axis=-1)
        unresolved = np.divide(tail, size, out=np.zeros_like(tail), where=size > 0).max(axis=0)
        # Share of the energy, by its orders of magnitude: ∫1, ∫κlift′² and ∫(∫f)²/κ.
        middle = np.median(np.abs(values), axis=-1)
        loads = width * np.stack([np.ones_like(width), middle[3] ** 2, (middle[4] * width) ** 2])
        whole = loads[:, 0] if whole is None else whole
        share = np.divide(loads, whole[:, None], out=np.zeros_like(loads), where=whole[:, None] > 0).max(axis=0)
        split = (unresolved > _RESOLVED) & (unresolved * share > _NEGLIGIBLE)
        if not split.any():
            break
        centre = (left + right)[split] / 2
        edges += list(centre)
        left, right = np.concatenate([left[split], centre]), np.concatenate([centre, right[split]])
    return np.unique(edges)
