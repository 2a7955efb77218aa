"""Piecewise linear v on given knots, in hat functions: integrals per element, best nodal values.

û = lift + D·v. With T[φ] = (Dφ)′ the energy gap is ½∫κ(T[v] − (u′ − lift′))² dx, a least-squares fit of one function;
with a reaction ρ it has ½∫ρ(Dv − (u − lift))² dx besides.
The hat basis makes its normal matrix tridiagonal and well conditioned up to the square of the number of knots; the
ReLU basis, whose Gram matrix has the fourth power, is returned to only at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from ...verify.errors import InputError
from ..data.panels import Data
from ..data.polynomials import gauss
from ..data.strong_solution import StrongSolution

Array = NDArray[np.float64]

# On a panel the data are polynomials of degree 20 to rounding and their coefficients fall geometrically, so that
# degree 23, which 12 points integrate, leaves rounding of products too.
GAUSS_POINTS = 12


@dataclass(frozen=True, eq=False)
class ElementNodes:
    """Quadrature nodes that conform to the knots and to the panels of the data; Q rows of G nodes.

    Attributes:
        element: to which element each row belongs, (Q,).
        weights: Gauss weights times κ, (Q, G).
        target: u′ − lift′, (Q, G).
        left, right: T[φ] of the hat functions of the element's two knots, (Q, G).
        zeroth: the same for the reaction's term, or None: Gauss weights times ρ, u − lift, and Dφ of both.
        springs: of the domain's two ends, (2, 2): stiffness and the nodal value at rest.
    """

    element: NDArray[np.intp]
    weights: Array
    target: Array
    left: Array
    right: Array
    zeroth: ElementNodes | None
    springs: Array

    @property
    def terms(self) -> tuple[ElementNodes, ...]:
        """The squares that the gap is a sum of."""
        return (self,) if self.zeroth is None else (self, self.zeroth)

    def sums(self, integrand: Array, elements: int) -> Array:
        """∫ κ·integrand over each element, (elements,)."""
        rows = np.einsum("qg,qg->q", self.weights, integrand)
        return np.bincount(self.element, rows, minlength=elements).astype(np.float64, copy=False)

    def misfit(self, values: Array) -> Array:
        """T[v] less the target for nodal values, (Q, G)."""
        out = self.left * values[self.element][:, None] + self.right * values[self.element + 1][:, None]
        out -= self.target
        return np.asarray(out)


@dataclass(frozen=True, eq=False)
class Fit:
    """The best v on given knots t₀ … t_n; per element, (n,), unless said otherwise.

    Attributes:
        knots, values: t and v(t), (n + 1,).
        slopes: v′.
        stiffness: ∫κT[φₗ]², ∫κT[φₗ]T[φᵣ], ∫κT[φᵣ]², (3, n), a reaction's ∫ρDφDφ added here and below.
        residuals: ∫κ s T[φₗ] and ∫κ s T[φᵣ], s = û′ − u′, (2, n), those at Robin ends with the pull of the end.
        magnitudes: the same with the absolute value of the integrand.
        gaps: ½∫κs², at Robin ends with ½α(û − u)²; their sum is the energy gap.
        rounding: by how much the energy gap may be off for rounding.
        held: nodal values that are not free, (n + 1,) booleans.
    """

    knots: Array
    values: Array
    slopes: Array
    stiffness: Array
    residuals: Array
    magnitudes: Array
    gaps: Array
    rounding: float
    held: NDArray[np.bool_]

    @property
    def energy_gap(self) -> float:
        """½∫κ(û′ − u′)² + ρ(û − u)² dx, and ½α(û − u)² at Robin ends."""
        return float(self.gaps.sum())


def element_nodes(solution: StrongSolution, knots: Array) -> ElementNodes:
    """Gauss nodes between neighbouring knots and panel limits, O(number of both)."""
    nodes, gauss_weights = gauss(GAUSS_POINTS)
    lengths, reacts = np.diff(knots), solution.problem.reaction != 0
    columns = []
    for half in solution.halves:
        distances = half.sign * (knots - half.origin)
        inside = distances[(distances > 0) & (distances < half.length)]
        limits = np.concatenate([half.edges, inside])
        limits.sort(kind="stable")
        width = np.diff(limits)
        middle = limits[:-1] + width / 2
        panel = half.panel(middle)
        if half.sign > 0:
            element = np.searchsorted(distances, middle, side="right") - 1
        else:
            element = len(knots) - 1 - np.searchsorted(distances[::-1], middle, side="right")
        element = np.clip(element, 0, len(lengths) - 1)
        s = middle[:, None] + width[:, None] * nodes / 2
        data = half.evaluate(s, panel)
        # From the knots, in the half's own coordinate: next to a singular end x itself has no digits left.
        length = lengths[element][:, None]
        right = half.sign * (s - distances[element][:, None]) / length
        left = half.sign * (distances[element + 1][:, None] - s) / length
        rise = data.distance / length
        columns.append(
            (
                element,
                data.coefficient * gauss_weights * width[:, None] / 2,
                data.flux / data.coefficient,
                data.distance_slope * left - rise,
                data.distance_slope * right + rise,
                *(_zeroth(data, left, right, gauss_weights * width[:, None] / 2) if reacts else ()),
            )
        )
    element, *rows = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    springs, zeroth = np.array(solution.springs), None
    if reacts:
        weights, target, left, right = rows[4:]
        zeroth = ElementNodes(element, weights, target, left, right, None, 0 * springs)
    weights, target, left, right = rows[:4]
    return ElementNodes(element, weights, target, left, right, zeroth, springs)


def _zeroth(data: Data, left: Array, right: Array, weights: Array) -> tuple[Array, ...]:
    return weights * data.reaction, data.value, data.distance * left, data.distance * right


def fit(solution: StrongSolution, knots: Array) -> Fit:
    """The nodal values of least energy on given knots, essential values kept exactly; a tridiagonal solve.

    Args:
        solution: of the problem.
        knots: strictly ascending, both ends of the domain included, (n + 1,).

    Raises:
        InputError: the hat functions are linearly dependent in the energy.
    """
    nodes = element_nodes(solution, knots)
    stiffness = _stiffness(nodes, len(knots) - 1)
    values, held = np.zeros(len(knots)), np.zeros(len(knots), dtype=bool)
    for end, value in zip((0, -1), solution.held, strict=True):
        if value is not None:
            values[end], held[end] = value, True
    # Three passes: the solve itself, then its own residual, integrated anew, away. What is left is the rounding of s.
    for _ in range(3):
        left, right = _residuals(nodes, values)
        values = values - solve_tridiagonal(stiffness, on_knots(left, right), held)
    return _assessed(nodes, stiffness, knots, values, held)


def assess(solution: StrongSolution, knots: Array, values: Array) -> Fit:
    """The same quantities for nodal values as they are, (n + 1,)."""
    nodes = element_nodes(solution, knots)
    held = np.zeros(len(knots), dtype=bool)
    held[0], held[-1] = (value is not None for value in solution.held)
    return _assessed(nodes, _stiffness(nodes, len(knots) - 1), knots, values, held)


def _assessed(nodes: ElementNodes, stiffness: Array, knots: Array, values: Array, held: NDArray[np.bool_]) -> Fit:
    n = len(knots) - 1
    left, right = _residuals(nodes, values)
    gaps, magnitudes, terms = np.zeros(n), np.zeros((2, n)), 0.0
    for term in nodes.terms:
        misfit = term.misfit(values)
        size = np.abs(term.left * values[term.element][:, None])
        size += np.abs(term.right * values[term.element + 1][:, None])
        absolute = np.abs(misfit)
        magnitudes += np.abs([term.sums(absolute * np.abs(t), n) for t in (term.left, term.right)])
        terms += np.abs(term.sums(absolute * (size + np.abs(term.target)), n)).sum()
        gaps += term.sums(misfit * misfit, n) / 2
    spring, rest = nodes.springs.T
    stretch = values[[0, -1]] - rest
    # A Robin end counts with the element next to it; its value is none of the kinks', so their derivatives see nothing.
    for row, element in enumerate((0, -1)):
        gaps[element] += spring[row] * stretch[row] ** 2 / 2
        magnitudes[row, element] += abs(spring[row] * stretch[row])
    terms += (spring * np.abs(stretch) * (np.abs(values[[0, -1]]) + np.abs(rest))).sum()
    rounding = np.finfo(np.float64).eps * terms
    return Fit(
        knots,
        values,
        np.diff(values) / np.diff(knots),
        stiffness,
        np.stack([left, right]),
        magnitudes,
        gaps,
        float(rounding),
        held,
    )


def _stiffness(nodes: ElementNodes, n: int) -> Array:
    pairs = ((nodes.left, nodes.left), (nodes.left, nodes.right), (nodes.right, nodes.right))
    out = np.stack([nodes.sums(a * b, n) for a, b in pairs])
    if nodes.zeroth is not None:
        out += _stiffness(nodes.zeroth, n)
    out[0, 0] += nodes.springs[0, 0]
    out[2, -1] += nodes.springs[1, 0]
    return out


def _residuals(nodes: ElementNodes, values: Array) -> tuple[Array, Array]:
    n = len(values) - 1
    misfit = nodes.misfit(values)
    left, right = nodes.sums(misfit * nodes.left, n), nodes.sums(misfit * nodes.right, n)
    if nodes.zeroth is not None:
        more = _residuals(nodes.zeroth, values)
        left, right = left + more[0], right + more[1]
    spring, rest = nodes.springs.T
    left[0] += spring[0] * (values[0] - rest[0])
    right[-1] += spring[1] * (values[-1] - rest[1])
    return left, right


def on_knots(left: Array, right: Array) -> Array:
    """What each element (n,) gives to its left and its right knot, summed, (n + 1,)."""
    out = np.append(left, 0.0)
    out[1:] += right
    return out


def solve_tridiagonal(stiffness: Array, load: Array, held: NDArray[np.bool_]) -> Array:
    """Nodal values (n + 1,) whose stiffness gives the loads (n + 1,); 0 where they are held.

    Raises:
        InputError: the hat functions are linearly dependent in the energy.
    """
    diagonal = on_knots(stiffness[0], stiffness[2])
    coupling = np.where(held[:-1] | held[1:], 0.0, stiffness[1])
    # Scaled to ones on the diagonal: next to a singular end the entries differ by many powers of ten.
    scale = 1 / np.sqrt(np.where(held, 1.0, diagonal))
    banded = np.stack([np.where(held, 1.0, diagonal * scale**2), np.append(coupling * scale[:-1] * scale[1:], 0.0)])
    try:
        correction = solveh_banded(banded, np.where(held, 0.0, load * scale), lower=True, check_finite=False)
    except LinAlgError:
        raise InputError(
            "distance: lift + D·v does not change with some nodal value of v; a D without zeros inside would be right"
        ) from None
    return np.asarray(correction * scale)
