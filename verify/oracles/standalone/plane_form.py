"""Energy and gradient of a plane network by the cells that its kink lines cut convex pieces into; float64.

NumPy only: generated files carry a copy of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Of the size of what is added up in a pre-activation: so near to 0 it is 0 but for rounding.
_NIL = 2.0**-50


class PlaneEdge(NamedTuple):
    """An edge on which D does not vanish, with its density square·u²/2 + linear·u + constant per length."""

    start: Array
    end: Array
    terms: Callable[[Array, Array], Array]


class PlaneForm(NamedTuple):
    """A problem in numbers.

    `pieces` are convex and together the polygon, corners anticlockwise, from the lower left one on. `data` makes of x
    and y (n,) each the values (10, n) of κ₁₁, κ₁₂, κ₂₂, f, D, D_x, D_y, ℓ, ℓ_x and ℓ_y; `points` Gauss points each way
    are enough for them.
    """

    pieces: tuple[Array, ...]
    edges: tuple[PlaneEdge, ...]
    data: Callable[[Array, Array], Array]
    points: int


class PlaneParts(NamedTuple):
    """total = bulk + dirac, each (4N,): hidden weights row by row, hidden biases, output weights."""

    bulk: Array
    dirac: Array
    total: Array


def plane_energy(form: PlaneForm, w: Array, b: Array, c: Array) -> float:
    """The energy of the network with hidden weights (N, 2), hidden biases (N,) and output weights (N,).

    Raises:
        ValueError: shapes that do not fit, or a parameter that is not finite.
    """
    return _with_lines_still(form, *_checked(w, b, c))[0]


def plane_parts(form: PlaneForm, w: Array, b: Array, c: Array, own_share: float = 0.5) -> PlaneParts:
    """Its gradient.

    Args:
        form: of the problem.
        w: hidden weights, and likewise the next two.
        b: hidden biases.
        c: output weights.
        own_share: of a neuron's own slope on its own line. On the line half of it counts.

    Raises:
        ValueError: as `plane_energy`, or the energy has no derivative here.
    """
    w, b, c = _checked(w, b, c)
    _refuse_degenerate(form, w, b, c)
    _, force, by_outer = _with_lines_still(form, w, b, c)
    dirac = np.zeros((len(b), 3))
    for i in np.flatnonzero(c != 0):
        for x, y, dt in _along_line(form, w, b, int(i)):
            on = np.where(x[:, None] * w[:, 0] + y[:, None] * w[:, 1] + b > 0, 1.0, 0.0)
            on[:, i] = own_share
            d = form.data(x, y)
            _, u_x, u_y = _field(d, x, y, on, w, b, c)
            jump = dt * c[i] * d[4] * _pull(d, u_x, u_y, w[i])
            dirac[i] += (jump @ x, jump @ y, jump.sum())
    bulk = np.concatenate([(c[:, None] * force[:, :2]).ravel(), c * force[:, 2], by_outer])
    moved = np.concatenate([dirac[:, :2].ravel(), dirac[:, 2], 0 * c])
    return PlaneParts(bulk, moved, bulk + moved)


def _checked(w: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
    w, b, c = (np.asarray(v, dtype=np.float64) for v in (w, b, c))
    if b.ndim != 1 or not len(b) or w.shape != (len(b), 2) or c.shape != b.shape:
        raise ValueError(f"network: shapes {w.shape}, {b.shape}, {c.shape} do not fit; (N, 2), (N,), (N,) are right")
    if not (np.isfinite(w).all() and np.isfinite(b).all() and np.isfinite(c).all()):
        raise ValueError("network: a parameter is not finite; finite numbers would be right")
    return w, b, c


def gauss_points(points: int) -> tuple[Array, Array]:
    """Nodes and weights on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return (nodes + 1) / 2, weights / 2


def _with_lines_still(form: PlaneForm, w: Array, b: Array, c: Array) -> tuple[float, Array, Array]:
    """The energy, its derivatives by (a₁, a₂, g) where each neuron is active, (N, 3), and those by c."""
    energy, force = _in_cells(form, w, b, c)
    for edge in form.edges:
        of_edge = _on_edge(edge, form, w, b, c)
        energy, force = energy + of_edge[0], force + of_edge[1]
    return float(energy), force, w[:, 0] * force[:, 0] + w[:, 1] * force[:, 1] + b * force[:, 2]


def _in_cells(form: PlaneForm, w: Array, b: Array, c: Array) -> tuple[float, Array]:
    """Of the integral of the density."""
    s, q = gauss_points(form.points)
    corners = np.array([(k[0], k[m], k[m + 1]) for k in _cells(form, w, b) for m in range(1, len(k) - 1)])
    # Rows of a square folded onto each triangle.
    second, third = (v.ravel() for v in np.meshgrid(s, s, indexing="ij"))
    shares = np.stack([(1 - second) * (1 - third), second, (1 - second) * third])
    place = np.einsum("tmk,mn->ktn", corners, shares)
    sides = corners[:, 1:] - corners[:, :1]
    area = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]
    weight = area[:, None] * np.outer(q * (1 - s), q).ravel()
    x, y = place
    d = np.reshape(form.data(x.ravel(), y.ravel()), (10, *x.shape))
    middle = corners.mean(axis=1)
    on = np.where(middle @ w.T + b > 0, 1.0, 0.0)
    u, u_x, u_y = _field(d, x, y, on[:, None], w, b, c)
    f_x, f_y = d[0] * u_x + d[1] * u_y, d[1] * u_x + d[2] * u_y
    energy = (weight * ((f_x * u_x + f_y * u_y) / 2 - d[3] * u)).sum()
    by_value = weight * (f_x * d[5] + f_y * d[6] - d[3] * d[4])
    by_a = np.stack([by_value * x + weight * f_x * d[4], by_value * y + weight * f_y * d[4], by_value]).sum(axis=2)
    return float(energy), on.T @ by_a.T


def _cells(form: PlaneForm, w: Array, b: Array) -> list[list[Any]]:
    """Corners of the cells that the kink lines cut the pieces into, by one line after the other."""
    out = []
    for piece in form.pieces:
        cells = [[tuple(p) for p in piece.tolist()]]
        for (p, q), r in zip(w.tolist(), b.tolist(), strict=True):
            cells = [part for cell in cells for part in _cut(cell, [p * x + q * y + r for x, y in cell])]
        out += cells
    return out


def _cut(cell: list[Any], height: list[float]) -> list[list[Any]]:
    if min(height) >= 0 or max(height) <= 0:
        return [cell]
    above, below = [], []
    for k, (p, h) in enumerate(zip(cell, height, strict=True)):
        q, g = cell[k + 1 - len(cell)], height[k + 1 - len(cell)]
        if h >= 0:
            above.append(p)
        if h <= 0:
            below.append(p)
        if h * g < 0:
            share = h / (h - g)
            crossing = (p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1]))
            above.append(crossing)
            below.append(crossing)
    return [above, below]


def _along_line(form: PlaneForm, w: Array, b: Array, i: int) -> Iterator[tuple[Array, Array, Array]]:
    """Gauss points (n,) of a kink line in each piece, split at the other lines, with weights of dt = ds/|w|."""
    s, q = gauss_points(form.points)
    square = w[i] @ w[i]
    if square == 0:
        return
    base, along = -b[i] / square * w[i], np.array([-w[i, 1], w[i, 0]])
    slope = w @ along
    cross = np.divide(-(w @ base + b), slope, out=np.full(len(b), np.nan), where=slope != 0)
    cross[i] = np.nan
    for piece in form.pieces:
        low, high = -np.inf, np.inf
        for k, (start, end) in enumerate(zip(piece, np.roll(piece, -1, axis=0), strict=True)):
            normal = np.array([start[1] - end[1], end[0] - start[0]])
            rate, value = normal @ along, normal @ (base - start)
            if rate > 0:
                low = max(low, -value / rate)
            elif rate < 0:
                high = min(high, -value / rate)
            elif normal.any() and (value < 0 or (value == 0 and k in (1, 2))):
                # Along the side between two pieces it is in one of them.
                high = -np.inf
        if low < high:
            marks = np.sort(np.concatenate([[low, high], cross[(cross > low) & (cross < high)]]))
            step = np.diff(marks)[:, None]
            t, dt = (marks[:-1, None] + step * s).ravel(), (step * q).ravel()
            yield base[0] + t * along[0], base[1] + t * along[1], dt


def _on_edge(edge: PlaneEdge, form: PlaneForm, w: Array, b: Array, c: Array) -> tuple[float, Array]:
    """Of the term of an edge."""
    s, q = gauss_points(form.points)
    along = edge.end - edge.start
    height, slope = w @ edge.start + b, w @ along
    cut = np.divide(-height, slope, out=np.zeros(len(b)), where=slope != 0)
    marks = np.sort(np.concatenate([[0.0, 1.0], cut[(cut > 0) & (cut < 1)]]))
    step = np.diff(marks)[:, None]
    share, ds = (marks[:-1, None] + step * s).ravel(), (step * q).ravel() * np.hypot(*along)
    x, y = edge.start[:, None] + share * along[:, None]
    on = np.where(x[:, None] * w[:, 0] + y[:, None] * w[:, 1] + b > 0, 1.0, 0.0)
    d = form.data(x, y)
    u, (square, linear, constant) = _field(d, x, y, on, w, b, c)[0], edge.terms(x, y)
    by_value = ds * (square * u + linear) * d[4]
    force = np.stack([(by_value * x) @ on, (by_value * y) @ on, by_value @ on], axis=1)
    return float(ds @ (square * u * u / 2 + linear * u + constant)), force


def _field(d: Array, x: Array, y: Array, on: Array, w: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
    """u and its slopes where each neuron counts as much as `on` (..., N) says."""
    a_1, a_2, g = on @ (c * w[:, 0]), on @ (c * w[:, 1]), on @ (c * b)
    value = a_1 * x + a_2 * y + g
    return d[7] + d[4] * value, d[8] + d[5] * value + d[4] * a_1, d[9] + d[6] * value + d[4] * a_2


def _pull(d: Array, u_x: Array, u_y: Array, w: Array) -> Array:
    """w·κ∇u."""
    return np.asarray(w[0] * (d[0] * u_x + d[1] * u_y) + w[1] * (d[1] * u_x + d[2] * u_y))


def _refuse_degenerate(form: PlaneForm, w: Array, b: Array, c: Array) -> None:
    """Raise where two lines coincide in the polygon, one lies on an edge where D does not vanish, or w = b = 0."""
    for i in np.flatnonzero(c != 0):
        if not (w[i].any() or b[i]):
            raise ValueError(f"the energy has no derivative here: neuron {i} has w = b = 0; any other would be right")
        for edge in form.edges:
            if w[i].any() and all(_on_line(w[i], b[i], p) for p in (edge.start, edge.end)):
                raise ValueError(f"the energy has no derivative here: the line of neuron {i} lies on an edge")
        inside = any((p @ w[i] + b[i]).min() < 0 < (p @ w[i] + b[i]).max() for p in form.pieces)
        for j in range(int(i)) if inside else ():
            cross = w[i, 0] * w[j, 1] - w[i, 1] * w[j, 0]
            size = np.abs(w[i, 0] * w[j, 1]) + np.abs(w[i, 1] * w[j, 0])
            point = -b[i] / (w[i] @ w[i]) * w[i]
            if c[j] and w[j].any() and np.abs(cross) <= _NIL * size and _on_line(w[j], b[j], point):
                raise ValueError(f"the energy has no derivative here: the lines of neurons {j} and {i} coincide")


def _on_line(w: Array, b: float, point: Array) -> bool:
    return bool(abs(w @ point + b) <= _NIL * (np.abs(w * point).sum() + abs(b)))
