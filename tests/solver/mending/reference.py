"""Energies of ReLU networks in several inputs by other means: cells cut out of a square, lines cut at every kink.

NumPy only, nothing of the package. u = D·N with D = Π 4x(1 − x), or u = N, and N the network, in one output or two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# x (n, d), u (n, m), ∇u (n, m, d) → (n,)
Density = Callable[[Array, Array, Array], Array]
# Weights (N, M) and biases (N,) of all layers, the last one linear.
Parameters = list[tuple[Array, Array]]


def distance(x: Array) -> tuple[Array, Array]:
    """D (n,) and its gradient (n, d)."""
    factors = 4 * x * (1 - x)
    slopes = 4 - 8 * x
    gradient = np.stack([slopes[:, k] * np.delete(factors, k, axis=1).prod(1) for k in range(x.shape[1])], axis=1)
    return factors.prod(1), gradient


def affine(parameters: Parameters, x: Array) -> list[tuple[Array, Array]]:
    """Every layer's pre-activations near points (n, d), as z = A x + c: A (n, N, d) and c (n, N) of each."""
    slope = np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1]))
    shift = np.zeros((len(x), x.shape[1]))
    out = []
    for k, (weight, bias) in enumerate(parameters):
        slope, shift = weight @ slope, shift @ weight.T + bias
        out.append((slope, shift))
        if k < len(parameters) - 1:
            on = np.einsum("nij,nj->ni", slope, x) + shift > 0
            slope, shift = slope * on[..., None], shift * on
    return out


def values(parameters: Parameters, inside: Array, x: Array, density: Density, plain: bool) -> Array:
    """L at points (n, q, d) of cells, each with the network as it is at a point inside, (n, d); (n, q)."""
    slope, shift = affine(parameters, inside)[-1]
    flat = x.reshape(-1, x.shape[-1])
    network = (np.einsum("nmd,nqd->nqm", slope, x) + shift[:, None]).reshape(len(flat), -1)
    slopes = np.repeat(slope, x.shape[1], axis=0)
    d, gradient = (np.ones(len(flat)), np.zeros_like(flat)) if plain else distance(flat)
    du = d[:, None, None] * slopes + network[:, :, None] * gradient[:, None]
    return density(flat, d[:, None] * network, du).reshape(x.shape[:2])


@dataclass
class Nodes:
    """Points of cells, with weights: of x (n, q, d) each row lies in one cell, with `inside` (n, d) in it."""

    inside: Array
    x: Array
    weights: Array
    plain: bool = False

    def energy(self, parameters: Parameters, density: Density) -> float:
        return float((values(parameters, self.inside, self.x, density, self.plain) * self.weights).sum())


SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


def cells(
    parameters: Parameters, order: int, start: tuple[Array, ...] = (SQUARE,), level: float | None = None
) -> Nodes:
    """Convex polygons cut along every kink, and Gauss points on triangles of the cells.

    With a level u = N, and they are cut where it passes the level too.
    """
    polygons = list(start)
    for layer, (weight, _) in enumerate(parameters if level is not None else parameters[:-1]):
        for unit in range(len(weight)):
            slopes, shifts = affine(parameters, np.array([p.mean(0) for p in polygons]))[layer]
            if layer == len(parameters) - 1 and level is not None:
                shifts = shifts - level
            cut = []
            for polygon, a, c in zip(polygons, slopes[:, unit], shifts[:, unit], strict=True):
                z = polygon @ a + c
                cut += [polygon] if (z >= 0).all() or (z <= 0).all() else [_half(polygon, z), _half(polygon, -z)]
            polygons = [p for p in cut if len(p) > 2 and abs(_area(p)) > 1e-18]
    node, weight = np.polynomial.legendre.leggauss(order)
    s, t = ((g + 1) / 2 for g in np.meshgrid(node, node, indexing="ij"))
    share = (np.outer(weight, weight) / 4 * s).ravel()
    s, t = s.ravel()[:, None], t.ravel()[:, None]
    inside, points, weights = [], [], []
    for p in polygons:
        middle = p.mean(0)
        for a, b in zip(p, np.roll(p, -1, axis=0), strict=True):
            inside.append(middle)
            points.append(middle + s * ((a - middle) + t * (b - a)))
            weights.append(share * abs((a - middle)[0] * (b - a)[1] - (a - middle)[1] * (b - a)[0]))
    return Nodes(np.array(inside), np.array(points), np.array(weights), level is not None)


def _half(polygon: Array, z: Array) -> Array:
    """Where z ≥ 0."""
    out = []
    for a, b, u, v in zip(polygon, np.roll(polygon, -1, axis=0), z, np.roll(z, -1), strict=True):
        if u >= 0:
            out.append(a)
        if u * v < 0:
            out.append(a + u / (u - v) * (b - a))
    return np.array(out)


def _area(p: Array) -> float:
    q = np.roll(p, -1, axis=0)
    return float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / 2)


@dataclass
class Grid:
    """Lines along the first axis: where on the other axes, (n, d − 1), and weights (n,)."""

    others: Array = field(default_factory=lambda: np.zeros((1, 0)))
    weights: Array = field(default_factory=lambda: np.ones(1))


def lattice(count: int, seed: int) -> Grid:
    """Lines of the unit cube at Fibonacci's lattice, moved, and denser at its faces: the integrand becomes periodic."""
    index = np.arange(count)
    move = np.random.default_rng(seed).random(2)
    even = (np.stack([index / count, index * (5**0.5 - 1) / 2], axis=1) + move) % 1
    return Grid(even**2 * (3 - 2 * even), (6 * even * (1 - even)).prod(1) / count)


def along(parameters: Parameters, grid: Grid, order: int) -> Nodes:
    """Every line cut at the kinks it meets, and Gauss points on the pieces."""
    node, weight = np.polynomial.legendre.leggauss(order)
    inside, points, weights = [], [], []
    for other, share in zip(grid.others, grid.weights, strict=True):
        marks = np.array([0.0, 1.0])
        for layer in range(len(parameters) - 1):
            middle = (marks[1:] + marks[:-1]) / 2
            x = np.column_stack([middle, np.tile(other, (len(middle), 1))])
            slope, shift = affine(parameters, x)[layer]
            rest = np.einsum("nij,nj->ni", slope[..., 1:], x[:, 1:]) + shift
            with np.errstate(divide="ignore", invalid="ignore"):
                zero = -rest / slope[..., 0]
            found = zero[(zero > marks[:-1, None]) & (zero < marks[1:, None])]
            marks = np.sort(np.concatenate([marks, found]))
        half, middle = np.diff(marks) / 2, (marks[1:] + marks[:-1]) / 2
        rest = np.tile(other, (len(middle), 1))
        inside.append(np.column_stack([middle, rest]))
        first = middle[:, None] + half[:, None] * node
        rest = np.broadcast_to(rest[:, None], (*first.shape, rest.shape[1]))
        points.append(np.concatenate([first[..., None], rest], axis=2))
        weights.append(half[:, None] * weight * share)
    return Nodes(np.concatenate(inside), np.concatenate(points), np.concatenate(weights))
