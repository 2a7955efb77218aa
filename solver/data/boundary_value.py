"""The solution of (κu′)′ − ρu + f = 0 with what holds at the ends, by collocation on panels.

u′ = q/κ and q′ = ρu − f are integrated over each panel for any u and q at its near edge; the panels are then tied
together, and those on which u or q is not yet a polynomial are halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.linalg import solve_banded

from ...verify.errors import InputError
from ...verify.statement.expressions import X
from ...verify.statement.problem import RitzProblem
from .panels import DEGREE, Half
from .polynomials import integrate, interpolate

Array = NDArray[np.float64]

# A Chebyshev tail of this share of the largest u or q anywhere is rounding.
_RESOLVED = 1e-14
# Halvings of a panel that boundary layers may ask for: √(ρ/κ) up to some 10⁹ lengths of the domain.
_DEPTH = 40


def with_solution(problem: RitzProblem, halves: Sequence[Half]) -> list[Half]:
    """The halves with edges, source, flux and end value of the solution: `source_integral` is then that of f − ρu.

    Args:
        problem: with a reaction.
        halves: from left to right.

    Raises:
        InputError: the solution varies too fast for the panels.
    """
    edges = [half.edges for half in halves]
    for _ in range(_DEPTH):
        values, states = _solved(problem, halves, edges)
        sizes = [max(float(np.abs(v[:, k]).max()) for v in values) for k in (0, 1)]
        rough = [_rough(v, sizes) for v in values]
        if not any(r.any() for r in rough):
            return _placed(halves, edges, values, states)
        edges = [np.sort(np.concatenate([e, (e[:-1] + e[1:])[r] / 2])) for e, r in zip(edges, rough, strict=True)]
    raise InputError(f"reaction: with ρ = {problem.reaction} the solution varies too fast to be computed")


def _rough(values: Array, sizes: Sequence[float]) -> NDArray[np.bool_]:
    """Panels (M,) whose u or q has a tail."""
    series, _ = interpolate(lambda _: np.swapaxes(values, 0, 1), np.zeros(len(values)), np.ones(len(values)), DEGREE)
    tails = np.abs(series[-2:]).max(axis=0)
    return np.asarray((tails > _RESOLVED * np.array(sizes)[:, None]).any(axis=0))


@lru_cache(maxsize=1)
def _integration() -> tuple[Array, Array]:
    """From values at Chebyshev's points of (−1, 1) to the integral from −1 to these points, and to 1."""
    unit, (zero, one) = np.eye(DEGREE + 1), np.array([[-1.0], [1.0]])
    # One panel for each unit vector.
    series, _ = interpolate(lambda _: unit, np.repeat(zero, DEGREE + 1), np.repeat(one, DEGREE + 1), DEGREE)
    integrals = chebyshev.chebint(series, lbnd=-1)
    points = interpolate(lambda x: x, zero, one, DEGREE)[1][0]
    inner, whole = (np.asarray(chebyshev.chebval(x, integrals), dtype=np.float64) for x in (points, 1.0))
    return inner.T, whole


def _solved(problem: RitzProblem, halves: Sequence[Half], edges: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """u and q at Chebyshev's points of each half's panels, (M, 2, points), and at their edges, (M + 1, 2)."""
    local = [_on_panels(half, e) for half, e in zip(halves, edges, strict=True)]
    count = sum(len(e) - 1 for e in edges)
    # Unknowns: u and q at the edges from left to right. Rows: the left end, two for each panel, the right end. A second
    # right-hand side: no source, and 1 at both ends.
    banded, load = np.zeros((5, 2 * count + 2)), np.zeros((2 * count + 2, 2))

    def put(row: int, column: int, value: float) -> None:
        banded[2 + row - column, column] = value

    for which, row, column in ((0, 0, 0), (-1, 2 * count + 1, 2 * count)):
        by_value, by_flux, wanted = _end(problem, which)
        put(row, column, by_value)
        put(row, column + 1, by_flux)
        load[row] = wanted, 1.0
    panel = 0
    # Across a point load q falls by it: what the half on its right starts with.
    falls = [np.array([0.0, _load(problem, half)]) for half in halves]
    for half, (_, far), fall in zip(halves, local, falls, strict=True):
        fallen = fall
        for transfer in far[:: half.sign]:
            near, other = (0, 2) if half.sign > 0 else (2, 0)
            for i in range(2):
                row, column = 1 + 2 * panel + i, 2 * panel
                put(row, column + other + i, 1.0)
                for j in range(2):
                    put(row, column + near + j, -transfer[i, j])
                load[row, 0] = transfer[i, 2] - transfer[i, :2] @ fallen
            panel, fallen = panel + 1, 0 * fall
    states, raised = np.moveaxis(solve_banded((2, 2), banded, load).reshape(-1, 2, 2), -1, 0)
    if problem.periodic:
        # With any value at both ends u is the same there; with this one q is too.
        states = states - raised * (states[-1, 1] - states[0, 1]) / (raised[-1, 1] - raised[0, 1])
    values, at_edges, start = [], [], 0
    for half, (inner, _), fall in zip(halves, local, falls, strict=True):
        own = states[start : start + len(inner) + 1][:: half.sign].copy()
        own[0] -= fall
        start += len(inner)
        at_edges.append(own)
        values.append(np.einsum("mkpj,mj->mkp", inner, np.concatenate([own[:-1], np.ones((len(inner), 1))], axis=1)))
    return values, at_edges


def _on_panels(half: Half, edges: Array) -> tuple[Array, Array]:
    """u and q at the points, (M, 2, points, 3), and at the far edge, (M, 2, 3), by u and q at the near one and f."""
    assert half.reaction is not None
    running, whole = _integration()
    points, scale = len(running), half.sign * np.diff(edges)[:, None, None] / 2
    _, places = interpolate(lambda s: s, edges[:-1], edges[1:], DEGREE)
    kappa, source, rho = half.data(places)[0], half.data(places)[4], half.reaction(places)[0]
    matrix = np.zeros((len(places), 2 * points, 2 * points))
    matrix[:, :points, points:] = -scale * running / kappa[:, None]
    matrix[:, points:, :points] = -scale * running * rho[:, None]
    matrix += np.eye(2 * points)
    right = np.zeros((len(places), 2 * points, 3))
    right[:, :points, 0] = right[:, points:, 1] = 1.0
    right[:, points:, 2] = -(scale * running @ source[..., None])[..., 0]
    inner: Array = np.asarray(np.linalg.solve(matrix, right), dtype=np.float64).reshape(len(places), 2, points, 3)
    far = np.zeros((len(places), 2, 3))
    far[:, 0, 0] = far[:, 1, 1] = 1.0
    far[:, 0] += scale[:, 0] * np.einsum("p,mpj->mj", whole, inner[:, 1] / kappa[..., None])
    far[:, 1] += scale[:, 0] * np.einsum("p,mpj->mj", whole, inner[:, 0] * rho[..., None])
    far[:, 1, 2] -= scale[:, 0, 0] * (source @ whole)
    return inner, far


def _load(problem: RitzProblem, half: Half) -> float:
    """The point load at the left end of a half; only where a piece begins can there be one."""
    return sum(float(p) for a, p in problem.loads.items() if half.sign > 0 and float(a) == half.origin)


def _end(problem: RitzProblem, which: int) -> tuple[float, float, float]:
    """α, β and γ of αu + βq = γ at an end."""
    end = problem.domain[which]
    if problem.periodic:
        return 1.0, 0.0, 0.0
    if end in problem.fluxes:
        return 0.0, 1.0, float(problem.fluxes[end])
    if end in problem.robin:
        alpha, outside = map(float, problem.robin[end])
        # −q leaves on the left, q on the right; α(g − u) enters.
        return alpha, -1.0 if which == 0 else 1.0, alpha * outside
    return 1.0, 0.0, float(problem.essential[end] if end in problem.essential else problem.lift.subs(X, end))


def _placed(halves: Sequence[Half], edges: Sequence[Array], values: list[Array], states: list[Array]) -> list[Half]:
    out = []
    for half, e, (u, at_edges) in zip(halves, edges, zip(values, states, strict=True), strict=True):
        assert half.reaction is not None

        def force(s: Array, half: Half = half, u: Array = u) -> Array:
            assert half.reaction is not None
            return np.asarray(half.data(s)[4] - half.reaction(s)[0] * u[:, 0])

        series, _ = interpolate(force, e[:-1], e[1:], DEGREE)
        lift = float(half.reaction(np.zeros(1))[1, 0])
        out.append(
            replace(
                half,
                edges=e,
                source_integral=integrate(series, np.diff(e), backwards=True),
                far_flux=float(at_edges[-1, 1]),
                origin_value=float(at_edges[0, 0]) - lift,
            )
        )
    return out
