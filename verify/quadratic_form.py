"""The quadratic form ∫ κv′² + ρv² dx + Σ s v² of an energy: its least eigenvalue, and how it gives way to forces.

By Rayleigh–Ritz over D times continuous piecewise polynomials: sums of Legendre polynomials' integrals on each cell
and hats between cells. What is found lies above the least over all functions, and falls to it as the degree rises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
from mpmath.calculus.quadrature import GaussLegendre
from numpy.typing import NDArray

Array = NDArray[Any]

# Cells to a smooth piece, and the degrees of two Ritz spaces, of which the larger answers and the other says how well.
_CELLS, _DEGREES = 4, (12, 18)
# A spring so many times as stiff as a hat function is rigid.
_RIGID = 1e6
# Degrees in mpmath's numbers, the next while the last two disagree.
_EXACT_DEGREES = (8, 16, 32, 64, 128)
# Digits that rounding may take on the way.
_LOST = 10


@dataclass(frozen=True)
class Cell:
    """A stretch on which the data are smooth.

    Attributes:
        left, right: its ends.
        data: x → κ, ρ, D, D′, of arrays in float64 or of one mpmath number.
    """

    left: Any
    right: Any
    data: Callable[[Any], Sequence[Any]]


@dataclass(frozen=True)
class Spring:
    """½ stiffness·(Σ d φ)² over ends of the domain: `along` has d at the left end, 0, and at the right one, −1.

    At one end d is D; between periodic ends the difference of D·φ is taken.
    """

    stiffness: Any
    along: Mapping[int, Any]


def least_eigenvalue(cells: Sequence[Cell], springs: Sequence[Spring]) -> tuple[float, float]:
    """min (∫ κv′² + ρv² dx + Σ s v²) ÷ ∫ v² dx over v = D·φ, and how far two Ritz spaces are apart.

    Args:
        cells: adjoining, ascending.
        springs: at ends that are not built in.
    """
    pieces = []
    for cell in cells:
        marks = np.linspace(float(cell.left), float(cell.right), _CELLS + 1)
        pieces += [Cell(a, b, cell.data) for a, b in pairwise(marks)]
    coarse, fine = (_least(pieces, springs, degree) for degree in _DEGREES)
    return fine, abs(coarse - fine)


def _least(cells: Sequence[Cell], springs: Sequence[Spring], degree: int) -> float:
    size = len(cells) * degree + 1
    form, mass = np.zeros((size, size)), np.zeros((size, size))
    nodes, weights = np.polynomial.legendre.leggauss(2 * degree)
    for k, cell in enumerate(cells):
        half = (cell.right - cell.left) / 2
        shapes, slopes = _shapes(nodes, degree)
        kappa, rho, distance, change = (
            np.broadcast_to(np.asarray(v, dtype=float), nodes.shape) for v in cell.data(cell.left + half * (nodes + 1))
        )
        value, slope = distance * shapes, change * shapes + distance * slopes / half
        own = slice(k * degree, (k + 1) * degree + 1)
        form[own, own] += half * ((weights * kappa * slope) @ slope.T + (weights * rho * value) @ value.T)
        mass[own, own] += half * ((weights * value) @ value.T)
    stiff = []
    largest = np.abs(np.diag(form)).max()
    for spring in springs:
        along = np.zeros(size)
        for i, d in spring.along.items():
            along[i] = float(d)
        if float(spring.stiffness) * (along @ along) > _RIGID * largest:
            stiff.append(along)
        else:
            form += float(spring.stiffness) * np.outer(along, along)
    if stiff:
        # What is as good as rigid would drown the rest in rounding: no v that strains it.
        free = np.linalg.svd(np.array(stiff))[2][len(stiff) :]
        form, mass = free @ form @ free.T, free @ mass @ free.T
    # Scaled to ones on the diagonal; D·φ next to a zero of D is small.
    scale = 1 / np.sqrt(np.diag(mass))
    lower = np.linalg.cholesky(mass * np.outer(scale, scale))
    inverse = np.linalg.solve(lower, np.diag(scale))
    return float(np.linalg.eigvalsh(inverse @ form @ inverse.T)[0])


def relief(cells: Sequence[Cell], springs: Sequence[Spring], forces: Sequence[Any]) -> Any:
    """max over v = D·φ of −(Σ t v + ½∫ κv′² + ρv² dx + ½ Σ s v²), t a force at each spring; an mpmath number.

    Args:
        cells: adjoining, ascending.
        springs: at least one.
        forces: t at each.
    """
    found = None
    for degree in _EXACT_DEGREES:
        previous, (found, size) = found, _relief(cells, springs, forces, degree)
        # Convergence is geometric or better: where two agree to half of the digits, the latter has nearly all of them.
        # Springs that are as good as rigid leave less than rounding of what soft ones would give.
        least = mpmath.mpf(10) ** (-mpmath.mp.dps // 2) * abs(found) + mpmath.mpf(10) ** (_LOST - mpmath.mp.dps) * size
        if previous is not None and abs(found - previous) <= least:
            break
    return found


def _relief(cells: Sequence[Cell], springs: Sequence[Spring], forces: Sequence[Any], degree: int) -> tuple[Any, Any]:
    """The relief within one Ritz space, and how much a hat function alone would give without springs."""
    size, extra = len(cells) * degree + 1, len(springs)
    # v and the springs' own forces f: Kv + Σ f d = −Σ t d and d·v = f/s, well scaled however stiff the springs are.
    form, load = mpmath.matrix(size + extra, size + extra), mpmath.matrix(size + extra, 1)
    # Of this level mpmath has 3·2^(level − 1) Gauss points: three times the degree.
    level = (2 * degree).bit_length() - 1
    rule = GaussLegendre(mpmath.mp).calc_nodes(level, mpmath.mp.prec)
    nodes, weights = (np.array(column, dtype=object) for column in zip(*rule, strict=True))
    shapes, slopes = _shapes(nodes, degree)
    for k, cell in enumerate(cells):
        half = (cell.right - cell.left) / 2
        rows = [cell.data(cell.left + half * (t + 1)) for t in nodes]
        columns = zip(*rows, strict=True)
        kappa, rho, distance, change = (np.array([mpmath.mpf(v) for v in c], dtype=object) for c in columns)
        value, slope = distance * shapes, change * shapes + distance * slopes / half
        block = half * ((weights * kappa * slope) @ slope.T + (weights * rho * value) @ value.T)
        for (i, j), entry in np.ndenumerate(block):
            form[k * degree + i, k * degree + j] += entry
    alone = mpmath.mpf(0)
    for k, (spring, force) in enumerate(zip(springs, forces, strict=True), start=size):
        form[k, k] = -1 / spring.stiffness
        alone += sum((force * d) ** 2 / abs(form[i % size, i % size]) for i, d in spring.along.items() if d)
        for i, d in spring.along.items():
            form[i % size, k] = form[k, i % size] = d
            load[i % size] -= force * d
    stretched = mpmath.lu_solve(form, load)
    return (load.T * stretched)[0] / 2, alone


def _legendre(x: Any, degree: int) -> list[Any]:
    """P₀ … of degree at x, a number or an array."""
    out = [1 + 0 * x, x]
    for n in range(1, degree):
        out.append(((2 * n + 1) * x * out[n] - n * out[n - 1]) / (n + 1))
    return out


def _shapes(nodes: Array, degree: int) -> tuple[Array, Array]:
    """Shape functions and their slopes on (−1, 1): left hat, ∫P₁, ∫P₂, …, right hat; (degree + 1, n) each."""
    p = _legendre(nodes, degree)
    one = 1 + 0 * nodes
    # (2n + 1) ∫ Pₙ = Pₙ₊₁ − Pₙ₋₁ vanishes at both ends.
    inner = [(p[n + 1] - p[n - 1]) / (2 * n + 1) for n in range(1, degree)]
    shapes = np.stack([(1 - nodes) / 2, *inner, (1 + nodes) / 2])
    return shapes, np.stack([-one / 2, *p[1:degree], one / 2])
