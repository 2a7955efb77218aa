"""The statement of a problem on a polygon: minimise ∫ ½∇u·κ∇u − f u over u = lift + D·network, with what edges hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np
import sympy

from ..errors import InputError
from .box import CHECK_DIGITS, CHECK_TOLERANCE, COORDINATES, shown_place, working_number
from .expressions import NUMPY_MODULES, parse, parse_number
from .polygon import Point, RationalPolygon
from .problem import DEFAULT_PENALTY

X, Y = COORDINATES[:2]
_KNOWN = {"x": X, "y": Y}
# Where an edge is looked at, as shares of it.
_SHARES = tuple(map(Fraction, ("0.0713", "0.2371", "0.3819", "0.5531", "0.7213", "0.9127")))
# Points each way at which data are looked at, and zooms into the least of these by which a pole is found.
_LOOKS, _ZOOMS = 41, 24
# Of its values elsewhere: a denominator so small is nil.
_NIL = 1e-9
_ROUGH = (sympy.Piecewise, sympy.Abs, sympy.Max, sympy.Min, sympy.sign)


@dataclass(frozen=True, eq=False)
class PlaneProblem:
    """Minimise ∫ ½∇u·κ∇u − f u over u = lift + D·network on a polygon, with flux and penalty terms on named edges.

    Expressions are text (parsed, never executed), numbers or SymPy in x and y, smooth on the closed polygon; data that
    jump are stated polygon by polygon. Edge k runs from corner k of the domain to the next.

    Args:
        coefficient: κ, positive: a number, a function, or a symmetric matrix ((κ₁₁, κ₁₂), (κ₁₂, κ₂₂)).
        source: f. If absent, what the solution asks for, −∇·(κ∇u).
        distance: D, 0 on all edges that are not named below. If absent, and the polygon is convex, the product of 4
            times an affine function over these edges, each from 0 to 1 on the polygon.
        lift: what u is on these edges.
        fluxes: edge → outward flux n·κ∇u, natural: the energy has −∫ flux·u ds.
        essential: edge → value g that lift and D do not build in, held by ½·penalty·∫ (u − g)² ds.
        penalty: the factor above.
        domain: a `RationalPolygon`, its corners, or the two sides of a box.
        solution: the known solution; checked against the strong form and all edges.
        name: for tables and reports.

    Raises:
        InputError: anything that does not fit together, in one sentence.

    Examples:
        >>> p = PlaneProblem(solution="x*y*(1 - x - y)", domain=((0, 0), (1, 0), (0, 1)))
        >>> p.source
        2*x + 2*y
    """

    coefficient: Any = "1"
    source: Any = None
    distance: Any = None
    lift: Any = "0"
    fluxes: Mapping[int, Any] = field(default_factory=dict)
    essential: Mapping[int, Any] = field(default_factory=dict)
    penalty: Any = DEFAULT_PENALTY
    domain: Any = ((0, 1), (0, 1))
    solution: Any = None
    name: str = "problem"

    def __post_init__(self) -> None:
        def put(key: str, value: Any) -> None:
            # Frozen: written once, here.
            object.__setattr__(self, key, value)

        put("domain", self.domain if isinstance(self.domain, RationalPolygon) else RationalPolygon(self.domain))
        for kind in ("fluxes", "essential"):
            put(kind, self._edge_values(kind))
        if both := set(self.fluxes) & set(self.essential):
            raise InputError(f"edge {min(both)} is named in fluxes and in essential; one of the two would be right")
        put("penalty", parse_number(self.penalty, "penalty"))
        if not self.penalty > 0:
            raise InputError(f"penalty: {self.penalty} does not hold the edges; a positive number would be right")
        put("coefficient", _matrix(self.coefficient))
        for key in ("source", "lift", "solution", "distance"):
            if getattr(self, key) is not None:
                put(key, _smooth(getattr(self, key), key))
        if self.distance is None:
            put("distance", self._default_distance())
        if self.source is None:
            if self.solution is None:
                raise InputError("source: there is none, and no solution that would give it; one of the two is right")
            put("source", sympy.simplify(-self._divergence()))
        self._check_data()
        self._check_edges()
        if self.solution is not None:
            self._check_solution()

    @property
    def coordinates(self) -> tuple[sympy.Symbol, ...]:
        """x and y."""
        return COORDINATES[:2]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlaneProblem) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        named = tuple(tuple(sorted(d.items())) for d in (self.fluxes, self.essential))
        data = (self.source, self.distance, self.lift, self.solution, self.penalty)
        return (sympy.ImmutableMatrix(self.coefficient), *data, *named, self.domain)

    @cached_property
    def _hash(self) -> int:
        return hash((type(self).__name__, str(self._key)))

    def __reduce__(self) -> tuple[Any, ...]:
        # A hash is good for one process only, and a read-only view is not pickled.
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        return _restored, ({k: dict(v) if isinstance(v, Mapping) else v for k, v in state.items()},)

    @property
    def dirichlet(self) -> tuple[int, ...]:
        """The edges on which lift and D build the values in."""
        return tuple(k for k in range(len(self.domain.edges)) if k not in self.fluxes and k not in self.essential)

    @property
    def polynomial(self) -> bool:
        """Are all data polynomials in x and y with rational coefficients?"""
        data = [e for row in self.coefficient for e in row] + [self.source, self.distance, self.lift]
        data += [*self.fluxes.values(), *self.essential.values()]
        return all(e.is_polynomial(X, Y) and sympy.Poly(e, X, Y).domain.is_QQ | _whole(e) for e in data)

    def vanishes(self, expression: sympy.Expr, start: Point, end: Point) -> bool:
        """Is an expression 0 all along the segment between two points?"""
        function = sympy.lambdify((X, Y), expression, "mpmath")
        with mpmath.workdps(CHECK_DIGITS):
            return all(abs(function(*map(working_number, p))) <= CHECK_TOLERANCE for p in _along(start, end))

    def statement(self) -> dict[str, Any]:
        """Plain data that `PlaneProblem(**…)` takes; numbers stay exact."""
        out: dict[str, Any] = {k: str(getattr(self, k)) for k in ("source", "distance", "lift", "penalty", "name")}
        out["coefficient"] = [[str(e) for e in row] for row in self.coefficient]
        out["solution"] = None if self.solution is None else str(self.solution)
        out |= {kind: {k: str(v) for k, v in getattr(self, kind).items()} for kind in ("fluxes", "essential")}
        return out | {"domain": [[str(x), str(y)] for x, y in self.domain.corners]}

    def flux(self, u: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
        """κ∇u."""
        slopes = (sympy.diff(u, X), sympy.diff(u, Y))
        first, second = (row[0] * slopes[0] + row[1] * slopes[1] for row in self.coefficient)
        return first, second

    def _divergence(self) -> Any:
        first, second = self.flux(self.solution)
        return sympy.diff(first, X) + sympy.diff(second, Y)

    def _edge_values(self, kind: str) -> Mapping[int, sympy.Expr]:
        given, count = getattr(self, kind), len(self.domain.edges)
        if not isinstance(given, Mapping):
            raise InputError(f"{kind}: {given!r} is not a mapping; something like {{1: 0}} would be right")
        out = {}
        for edge, value in given.items():
            if isinstance(edge, bool) or not isinstance(edge, int) or not 0 <= edge < count:
                raise InputError(f"{kind}: {edge!r} is no edge; a number from 0 to {count - 1} would be right")
            out[edge] = _smooth(value, f"{kind} on edge {edge}")
        return MappingProxyType(out)

    def _default_distance(self) -> sympy.Expr:
        if not self.domain.convex:
            raise InputError("distance: on a polygon that is not convex there is none by default; one that is 0 on all"
                             " edges not named in fluxes or essential would be right")  # fmt: skip
        out = sympy.Integer(1)
        for k in self.dirichlet:
            (x0, y0), (x1, y1) = self.domain.edges[k]
            height = [(x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for x, y in self.domain.corners]
            most = max(height, key=abs)
            out *= 4 * ((_exact((x1 - x0) / most)) * (Y - _exact(y0)) - _exact((y1 - y0) / most) * (X - _exact(x0)))
        # A box has four such factors, and each pair of them a greatest value of a quarter, as in `BoxProblem`.
        return out / sympy.Integer(4) ** (len(self.dirichlet) // 2)

    def _check_data(self) -> None:
        named = {"source": self.source, "distance": self.distance, "lift": self.lift}
        named |= {f"coefficient {i + 1}{j + 1}": self.coefficient[i][j] for i in range(2) for j in range(i, 2)}
        points = self._looked_at()
        for key, expression in named.items():
            self._refuse_poles(key, expression, points)
            value = _values(expression, points)
            if (bad := ~np.isfinite(value)).any():
                place = shown_place(tuple(points[bad][0]))
                raise InputError(f"{key}: it is {value[bad][0]} at {place}; a finite real value is needed")
        (a, b), (_, c) = ([_values(e, points) for e in row] for row in self.coefficient)
        least = (a + c) / 2 - np.hypot((a - c) / 2, b)
        if not (least > 1e-10 * np.abs(least).max()).all():
            k = int(np.argmin(least))
            raise InputError(
                f"coefficient: its smaller eigenvalue is {least[k]:g} at {shown_place(tuple(points[k]))}; it must be "
                "positive definite on the whole polygon"
            )

    def _refuse_poles(self, key: str, expression: sympy.Expr, points: Any) -> None:
        """Denominators that are nil somewhere, found by looking ever closer where they are least."""
        for power in expression.atoms(sympy.Pow):
            if power.exp.is_number and power.exp.is_negative and power.base.free_symbols:
                near, value = points, np.abs(_values(power.base, points))
                scale, (low, high) = np.nanmax(value), np.array([[float(e) for e in s] for s in self.domain.box]).T
                radius = (high - low) / _LOOKS
                for _ in range(_ZOOMS):
                    best = near[np.argsort(value)[:5]]
                    shifts = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 2), -1).reshape(-1, 2) * radius
                    near = np.clip((best[:, None] + shifts).reshape(-1, 2), low, high)
                    value, radius = np.abs(_values(power.base, near)), radius / 3
                    # The polygon's own points stay, whatever was found beside it.
                    keep = self.domain.inside(near)
                    near, value = (
                        np.concatenate([near[keep], best]),
                        np.concatenate([value[keep], np.abs(_values(power.base, best))]),
                    )
                if not value.min() > _NIL * scale:
                    place = shown_place(tuple(near[np.argmin(value)]))
                    raise InputError(f"{key}: it has a pole at {place}; a function finite on the polygon is needed")

    def _looked_at(self) -> Any:
        """Points of the closed polygon (n, 2): of its inside, its edges and its corners."""
        sides = [np.linspace(float(a), float(b), _LOOKS + 2)[1:-1] for a, b in self.domain.box]
        grid = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2)
        on = [[float(x), float(y)] for a, b in self.domain.edges for x, y in (a, *_along(a, b))]
        return np.concatenate([grid[self.domain.inside(grid)], np.array(on)])

    def _check_edges(self) -> None:
        for k, (start, end) in enumerate(self.domain.edges):
            vanishes = self.vanishes(self.distance, start, end)
            if k in self.dirichlet and not vanishes:
                raise InputError(
                    f"distance: {self.distance} is not 0 on edge {k}; it must vanish there, or name {k} in essential "
                    "or fluxes"
                )
            if k not in self.dirichlet and vanishes:
                kind = "fluxes" if k in self.fluxes else "essential"
                raise InputError(
                    f"distance: {self.distance} vanishes on edge {k}, which {kind} names; there it must not"
                )

    def _check_solution(self) -> None:
        points = self._looked_at()
        function = sympy.lambdify((X, Y), [self._divergence(), self.source], "mpmath")
        with mpmath.workdps(CHECK_DIGITS):
            for place in points[:: max(1, len(points) // 24)]:
                a, b = function(*map(mpmath.mpf, place))
                if not abs(a + b) <= CHECK_TOLERANCE * (1 + abs(a) + abs(b)):
                    raise InputError(
                        f"solution: it does not solve ∇·(κ∇u) + f = 0: the residual is {float(abs(a + b)):.3g} at "
                        f"{shown_place(tuple(place))}"
                    )
        for k, (start, end) in enumerate(self.domain.edges):
            what, wanted = "u", self.lift
            value = self.solution
            if k in self.fluxes:
                (first, second), length = self.flux(self.solution), _length(start, end)
                normal = (_exact(end[1] - start[1]) / length, -_exact(end[0] - start[0]) / length)
                value = self.domain.turning * (first * normal[0] + second * normal[1])
                what, wanted = "its outward flux", self.fluxes[k]
            elif k in self.essential:
                wanted = self.essential[k]
            if not self.vanishes(value - wanted, start, end):
                raise InputError(f"solution: {what} on edge {k} is not {wanted}, which the problem says")


def require_network(network: object, problem: PlaneProblem) -> None:
    """Say what fits a plane problem to somebody who hands over something else.

    Raises:
        InputError: it is no `PlaneNetwork`.
    """
    from .plane_network import PlaneNetwork

    if not isinstance(network, PlaneNetwork):
        raise InputError(
            f"network: {type(network).__name__} does not fit {problem.name}, which has two inputs; a PlaneNetwork would"
        )


def _restored(state: dict[str, Any]) -> PlaneProblem:
    return PlaneProblem(**state)


def _matrix(value: Any) -> tuple[tuple[sympy.Expr, ...], ...]:
    rows = value.tolist() if isinstance(value, sympy.MatrixBase | np.ndarray) else value
    if not isinstance(rows, tuple | list):
        single = _smooth(rows, "coefficient")
        return (single, sympy.Integer(0)), (sympy.Integer(0), single)
    if len(rows) != 2 or not all(isinstance(r, tuple | list) and len(r) == 2 for r in rows):
        raise InputError(f"coefficient: {value!r} is no 2 × 2 matrix; ((2, 1), (1, 3)), say, would be right")
    (a, b), (c, d) = ([_smooth(e, "coefficient") for e in row] for row in rows)
    if sympy.simplify(b - c) != 0:
        raise InputError(f"coefficient: {b} and {c} off the diagonal differ; a symmetric matrix would be right")
    return (a, b), (b, d)


def _smooth(value: Any, key: str) -> sympy.Expr:
    out = parse(value, key, _KNOWN)
    if out.has(*_ROUGH):
        raise InputError(f"{key}: {out} is not smooth; a problem for each polygon on which it is would be right")
    return out


def _values(expression: sympy.Expr, points: Any) -> Any:
    """At float64 points (n, 2); what is not real is NaN."""
    with np.errstate(all="ignore"):
        value = sympy.lambdify((X, Y), expression, NUMPY_MODULES)(points[:, 0], points[:, 1])
    out = np.broadcast_to(np.asarray(value), len(points))
    return np.where(np.abs(np.imag(out)) > 0, np.nan, np.real(out)) if np.iscomplexobj(out) else out.astype(float)


def _along(start: Point, end: Point) -> list[Point]:
    return [(start[0] + s * (end[0] - start[0]), start[1] + s * (end[1] - start[1])) for s in _SHARES]


def _length(start: Point, end: Point) -> sympy.Expr:
    return sympy.sqrt(_exact((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2))


def _exact(value: Fraction) -> sympy.Rational:
    return sympy.Rational(value.numerator, value.denominator)


def _whole(expression: sympy.Expr) -> bool:
    return bool(sympy.Poly(expression, X, Y).domain.is_ZZ)
