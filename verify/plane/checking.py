"""What the two further derivations compute with: numbers, Gauss points, functions, and the terms on named edges.

The terms on edges they share: u does not jump there, so that nothing but a sum along each edge is to be done. That sum
is held against differences of the exact energy.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath.calculus.quadrature import GaussLegendre
from numpy.typing import NDArray

from ..statement.expressions import NUMPY_MODULES, to_mpf
from ..statement.plane import PlaneProblem, X, Y
from ..statement.plane_network import PlaneNetwork

Array = NDArray[Any]


def number(value: Any, exact: bool) -> Any:
    """An exact number as float or mpmath number."""
    return to_mpf(value) if exact else float(value)


def array(values: Any, exact: bool) -> Array:
    """Likewise, many."""
    nested = np.asarray(values, dtype=object)
    return np.array([number(v, exact) for v in nested.ravel()], dtype=object if exact else float).reshape(nested.shape)


def nodes_and_weights(points: int, exact: bool) -> tuple[Array, Array]:
    """Gauss–Legendre on (0, 1); at mpmath's precision 3·2ᵏ points, as many at least."""
    if not exact:
        t, w = np.polynomial.legendre.leggauss(points)
        return (t + 1) / 2, w / 2
    degree = 1
    while 3 * 2 ** (degree - 1) < points:
        degree += 1
    rule = GaussLegendre(mpmath.mp).get_nodes(mpmath.mpf(-1), mpmath.mpf(1), degree, mpmath.mp.prec)
    t, w = (np.array(v, dtype=object) for v in zip(*rule, strict=True))
    return (t + 1) / 2, w / 2


def functions(expressions: list[Any], exact: bool, arguments: tuple[Any, ...] = (X, Y)) -> Any:
    """SymPy expressions → a function of arrays of one shape, x and y unless said otherwise, to a list of arrays."""
    found = sympy.lambdify(arguments, expressions, "mpmath" if exact else NUMPY_MODULES, cse=True)

    def evaluate(*given: Array) -> list[Array]:
        shape = given[0].shape
        if not exact:
            return [np.broadcast_to(v, shape) for v in found(*given)]
        # Also of no points at all, as on a line that does not cross the polygon.
        out = np.empty((given[0].size, len(expressions)), dtype=object)
        for row, values in zip(out, zip(*(v.ravel() for v in given), strict=True), strict=True):
            row[:] = found(*values)
        return [column.reshape(shape) for column in out.T]

    return evaluate


def edge_terms(problem: PlaneProblem, network: PlaneNetwork, exact: bool, points: int) -> tuple[Any, Array]:
    """Flux and penalty terms: u has no jump there, so that kinks may move as they like."""
    width, rows = network.width, network.rationals
    w, b, c = (array(v, exact) for v in ([r[:2] for r in rows], [r[2] for r in rows], [r[3] for r in rows]))
    energy, gradient = number(sympy.Integer(0), exact), array([0] * (4 * width), exact)
    s, weight = nodes_and_weights(points, exact)
    for k, (start, end) in enumerate(problem.domain.edges):
        if k in problem.dirichlet:
            continue
        along = (end[0] - start[0], end[1] - start[1])
        marks = {0 * start[0], 0 * start[0] + 1}
        for p, q, r, _ in rows:
            here, slope = p * start[0] + q * start[1] + r, p * along[0] + q * along[1]
            if slope and 0 < -here / slope < 1:
                marks.add(-here / slope)
        places = array(sorted(marks), exact)
        share = (places[:-1, None] + (places[1:] - places[:-1])[:, None] * s).ravel()
        length = to_mpf(along[0] ** 2 + along[1] ** 2) ** 0.5
        ds = ((places[1:] - places[:-1])[:, None] * weight).ravel() * (length if exact else float(length))
        x, y = (number(start[m], exact) + share * number(along[m], exact) for m in range(2))
        wanted = problem.fluxes[k] if k in problem.fluxes else problem.essential[k]
        d, lift, value = functions([problem.distance, problem.lift, wanted], exact)(x, y)
        z = x[:, None] * w[:, 0] + y[:, None] * w[:, 1] + b
        on = np.where(z > 0, 1 + 0 * z, 0 * z)
        u = lift + d * ((on * z) @ c)
        if k in problem.fluxes:
            energy, pull = energy - (ds * value * u).sum(), -value
        else:
            penalty = number(problem.penalty, exact)
            energy, pull = energy + penalty * (ds * (u - value) ** 2).sum() / 2, penalty * (u - value)
        force = (ds * pull * d)[:, None] * on
        by_z = np.stack([c * (force * x[:, None]).sum(0), c * (force * y[:, None]).sum(0)], axis=-1)
        gradient += np.concatenate([by_z.ravel(), c * force.sum(0), (force * z).sum(0)])
    return energy, gradient
