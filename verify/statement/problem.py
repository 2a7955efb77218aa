"""The statement of a problem: minimise ∫ ½κu′² + ½ρu² − f u dx over u = lift + D·network, and what the ends hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import combinations, pairwise
from types import MappingProxyType
from typing import Any

import mpmath
import sympy

from ..errors import InputError
from ..quadratic_form import Cell, Spring, least_eigenvalue, relief
from . import piecewise
from .expressions import NUMPY_MODULES, SOURCE_FUNCTIONS, X, parse, parse_number, to_mpf
from .piecewise import point_loads

# Our own choice: weak enough that ADAM still sees the energy, strong enough that the ends are met to about 1 %.
DEFAULT_PENALTY = 500
# The kinds of ends that are not built in, and how each is given.
_EXAMPLES = {"fluxes": "{1: 0}", "essential": "{1: 0}", "robin": "{1: (1, 0)}"}
_END_KINDS = tuple(_EXAMPLES)
# All that is given place by place.
_PLACED = (*_END_KINDS, "loads")
# The functions of x.
_DATA = ("coefficient", "source", "distance", "lift", "reaction")
# A residual is judged against the size of its own terms at this many digits; an identity leaves rounding only.
_CHECK_DIGITS = 40
_CHECK_TOLERANCE = mpmath.mpf(10) ** -25


@dataclass(frozen=True)
class Piece:
    """One smooth stretch of the problem's data, all expressions in `X`."""

    left: sympy.Expr
    right: sympy.Expr
    coefficient: sympy.Expr
    source: sympy.Expr
    distance: sympy.Expr
    lift: sympy.Expr
    reaction: sympy.Expr
    solution: sympy.Expr | None


@dataclass(frozen=True)
class PointTerm:
    """What the energy has at one place, a free end or that of a load: pull·u + ½ stiffness·(u − wanted)².

    Of periodic ends u is the difference between both ends' values.

    Attributes:
        place: the end, or where a point load acts.
        pull: minus the flux κu′ that enters there, in the direction of the outward normal; minus a load.
        stiffness: α of a Robin end, the penalty of an essential one, 0 at a natural one.
        wanted: g of a Robin end, the Dirichlet value of an essential one.
        opposite: the end whose value is taken off, where ends are periodic.
    """

    place: sympy.Expr
    pull: sympy.Expr
    stiffness: sympy.Expr
    wanted: sympy.Expr
    opposite: sympy.Expr | None = None

    @property
    def places(self) -> tuple[tuple[int, sympy.Expr], ...]:
        """Whose values are taken: (1, the end), and (−1, the opposite one)."""
        return ((1, self.place), *(() if self.opposite is None else ((-1, self.opposite),)))


@dataclass(frozen=True, eq=False)
class RitzProblem:
    """Minimise Π(u) = ∫ ½κu′² + ½ρu² − f u dx − Σ P·u(a) − [flux·u] + ½ Σ s(u − g)² (Eqs. 1, 2), u = lift + D·network.

    Expressions are text (parsed, never executed), numbers or SymPy in x. Each end of the domain is of one kind:
    *built in* (D vanishes there and u = lift), *natural* (named in `fluxes`), *Robin* (named in `robin`) or *essential*
    (named in `essential`). In the energy s is α at a Robin end and the penalty at an essential one.

    Args:
        coefficient: κ(x) > 0. It and the source may grow towards single places, more slowly than 1/distance.
        source: f(x), the paper's b(x). A term ``P*DiracDelta(x - a)`` is a point load, and is kept in `loads`.
        distance: D(x). If absent, the product of the distances to the built-in ends.
        lift: added to D·network; carries inhomogeneous built-in values.
        fluxes: end → κu′ there. No outward normal: the sign is that of κu′ in the direction of x.
        essential: end → Dirichlet value that lift and D do not build in, held by the penalty ½·penalty·(u − g)².
        robin: end → (α, g), α > 0: the outward flux there is α·(g − u), heat exchange or an elastic support. That is
            κu′ = α(g − u) at the right end and −κu′ = α(g − u) at the left one.
        penalty: the factor above.
        domain: its two ends.
        solution: the known solution; checked against the strong form and all ends.
        name: for tables and reports.
        loads: place a inside the domain → P: a point load, across which κu′ falls by P; in the energy it is −P·u(a).
        reaction: ρ(x), a mass, an elastic foundation or, where it is negative, Helmholtz's −k²; the strong form is
            −(κu′)′ + ρu = f. Where ρ is too negative the energy has no minimum; see `least_eigenvalue`.
        periodic: both ends are one place: u and κu′ are the same there. Held by ½·penalty·(u(right) − u(left))².

    Raises:
        InputError: anything that does not fit together, in one sentence.

    Examples:
        >>> p = RitzProblem(source="4*pi**2*sin(2*pi*x)", solution="sin(2*pi*x)")
        >>> p.distance, p.minimum_energy()
        (x*(1 - x), -9.869604401089358)
    """

    coefficient: Any = "1"
    source: Any = "0"
    distance: Any = None
    lift: Any = "0"
    fluxes: Mapping[Any, Any] = field(default_factory=dict)
    essential: Mapping[Any, Any] = field(default_factory=dict)
    penalty: Any = DEFAULT_PENALTY
    domain: tuple[Any, Any] = (0, 1)
    solution: Any = None
    name: str = "problem"
    robin: Mapping[Any, tuple[Any, Any]] = field(default_factory=dict)
    loads: Mapping[Any, Any] = field(default_factory=dict)
    reaction: Any = "0"
    periodic: bool = False

    def __post_init__(self) -> None:
        def put(key: str, value: Any) -> None:
            # Frozen: written once, here.
            object.__setattr__(self, key, value)

        if not isinstance(self.domain, tuple | list) or len(self.domain) != 2:
            raise InputError(f"domain: {self.domain!r} is not an interval; a pair such as (0, 1) would be right")
        left, right = (parse_number(e, "domain") for e in self.domain)
        if not left < right:
            raise InputError(f"domain: ({left}, {right}) is empty; its left end must be less than its right end")
        put("domain", (left, right))
        for kind in _END_KINDS:
            put(kind, self._end_values(kind))
        for one, other in combinations(_END_KINDS, 2):
            both = [e for e in self.domain if e in getattr(self, one) and e in getattr(self, other)]
            if both:
                raise InputError(f"x = {both[0]} is named in {one} and in {other}; one of the two would be right")
        if not isinstance(self.periodic, bool):
            raise InputError(f"periodic: {self.periodic!r} is neither True nor False; True would be right")
        named = [(e, kind) for kind in _END_KINDS for e in getattr(self, kind)]
        if self.periodic and named:
            raise InputError(
                f"periodic: both ends are one place, but {named[0][1]} names x = {named[0][0]}; no end "
                "named would be right"
            )
        put("penalty", parse_number(self.penalty, "penalty"))
        if not self.penalty > 0:
            raise InputError(f"penalty: {self.penalty} does not hold the ends; a positive number would be right")
        if self.distance is None:
            built_in = [e for e in (left, right) if not self._kind_of(e) and not self.periodic]
            put("distance", sympy.prod([X - left if e == left else right - X for e in built_in]))
        put("loads", self._point_loads())
        for key in (*_DATA, "solution"):
            value = getattr(self, key)
            if value is not None:
                put(key, piecewise.canonical(parse(value, key), left, right))
        self._check_data()
        self._check_ends()
        if self.solution is not None:
            self._check_solution()

    @property
    def _key(self) -> tuple[Any, ...]:
        ends = tuple(tuple(sorted(getattr(self, kind).items(), key=str)) for kind in _END_KINDS)
        data = tuple(getattr(self, key) for key in (*_DATA, "solution"))
        return (*data, *ends, self.penalty, *self.domain, *self.loads.items(), self.periodic)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RitzProblem) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __getstate__(self) -> dict[str, Any]:
        # As it was checked; a hash is good for one process only, and a read-only view is not pickled.
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        return state | {kind: dict(state[kind]) for kind in _PLACED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        views = {kind: MappingProxyType(state[kind]) for kind in _PLACED}
        self.__dict__.update(state | views)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The domain in float64."""
        return float(self.domain[0]), float(self.domain[1])

    @cached_property
    def free_ends(self) -> tuple[PointTerm, ...]:
        """What the energy has at its free ends besides the integral, from left to right."""
        zero, out = sympy.Integer(0), []
        if self.periodic:
            return (PointTerm(self.domain[1], zero, self.penalty, zero, self.domain[0]),)
        for end, inward in zip(self.domain, (1, -1), strict=True):
            kind = self._kind_of(end)
            if kind == "fluxes":
                out.append(PointTerm(end, inward * self.fluxes[end], zero, zero))
            elif kind == "robin":
                out.append(PointTerm(end, zero, *self.robin[end]))
            elif kind == "essential":
                out.append(PointTerm(end, zero, self.penalty, self.essential[end]))
        return tuple(out)

    @cached_property
    def point_terms(self) -> tuple[PointTerm, ...]:
        """All that the energy has besides the integral: `free_ends`, then the point loads from left to right."""
        zero = sympy.Integer(0)
        return (*self.free_ends, *(PointTerm(place, -load, zero, zero) for place, load in self.loads.items()))

    def _kind_of(self, end: sympy.Expr) -> str:
        """Where an end is named; nowhere if it is built in."""
        return next((kind for kind in _END_KINDS if end in getattr(self, kind)), "")

    @property
    def stated_source(self) -> sympy.Expr:
        """The source with its point loads, as it may be written: f + Σ P·DiracDelta(x − a)."""
        return sympy.Add(self.source, *(load * sympy.DiracDelta(X - place) for place, load in self.loads.items()))

    @cached_property
    def interfaces(self) -> tuple[sympy.Expr, ...]:
        """Places inside the domain where some part of the data is not smooth, ascending."""
        data = [getattr(self, key) for key in _DATA]
        data += [] if self.solution is None else [self.solution]
        places = {p for e in data for p in piecewise.breakpoints(e, *self.domain)} | set(self.loads)
        ends = (self.domain[0], *sorted(places, key=float), self.domain[1])
        for a, b in pairwise(ends):
            for e in (self.coefficient, self.source):
                # A pole between breakpoints, as that of ((x − 1/2)²)^(−1/6), splits its piece.
                places |= {p for p in piecewise.singular_points(piecewise.branch(e, a, b), a, b) if a < p < b}
        return tuple(sorted(places, key=float))

    @cached_property
    def poles(self) -> tuple[sympy.Expr, ...]:
        """Places, ends included, towards which κ or the source grows beyond all bounds, ascending."""
        found = {
            p
            for piece in self.pieces
            for e in (piece.coefficient, piece.source)
            for p in piecewise.singular_points(e, piece.left, piece.right)
        }
        return tuple(sorted(found, key=float))

    @cached_property
    def smoothing(self) -> Mapping[sympy.Expr, int]:
        """Pole → q: in t, x = pole ± t^q, all data are smooth; 0 if no q does it. See `piecewise.smoothing_power`."""
        out = dict.fromkeys(self.poles, 1)
        for place in self.poles:
            for piece in self.pieces:
                for e in (getattr(piece, n) for n in _DATA if place in (piece.left, piece.right)):
                    out[place] = int(sympy.ilcm(out[place], piecewise.smoothing_power(e, place)))
        return out

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The data between neighbouring interfaces."""
        ends = (self.domain[0], *self.interfaces, self.domain[1])
        names = (*_DATA, "solution")
        return tuple(
            Piece(a, b, *(None if (e := getattr(self, n)) is None else piecewise.branch(e, a, b) for n in names))
            for a, b in pairwise(ends)
        )

    @property
    def places_as_text(self) -> dict[str, dict[str, Any]]:
        """What holds at single places: kind → place → value as text, [α, g] for Robin ends; as arguments are."""

        def text(value: Any) -> Any:
            return [str(v) for v in value] if isinstance(value, tuple) else str(value)

        return {kind: {str(e): text(v) for e, v in getattr(self, kind).items()} for kind in _PLACED}

    def minimum_energy(self, digits: int | None = None) -> Any:
        """The least value of the energy, boundary terms and penalties included, from the known solution.

        Where essential values are held by a penalty, the minimiser of the penalised energy is the solution plus a
        function that solves the equation without source; its energy lies below that of the solution and is computed
        from the solution's fluxes.

        Args:
            digits: None for float, else the number of significant digits of an mpmath number.

        Raises:
            InputError: no solution is known, or there is no least value, see `require_bounded`.
        """
        self.require_bounded()
        if self.solution is None:
            raise InputError(f"{self.name}: no known solution; pass solution= to have a minimum energy")
        with mpmath.workdps((digits or 17) + 15):
            value = self._solution_energy() - self._penalty_relief()
            if digits is None:
                return float(value)
        with mpmath.workdps(digits):
            return +value

    def _solution_energy(self) -> Any:
        total = mpmath.mpf(0)
        for piece in self.pieces:
            u = piece.solution
            quadratic = piece.coefficient * sympy.diff(u, X) ** 2 + piece.reaction * u * u
            density = quadratic / 2 - piece.source * u
            if piece.left in self.poles or piece.right in self.poles:
                # In the distance to either end: (1/3 − x)^(−1/3) is not real where x is rounded beyond 1/3.
                half = to_mpf(piece.right - piece.left) / 2
                for place in (piece.left + X, piece.right - X):
                    total += mpmath.quad(sympy.lambdify(X, density.subs(X, place), "mpmath"), [0, half])
                continue
            total += mpmath.quad(sympy.lambdify(X, density, "mpmath"), [to_mpf(piece.left), to_mpf(piece.right)])
        for free in self.point_terms:
            # At an essential end the solution leaves nothing, nor between periodic ones.
            u = sum(sign * to_mpf(self._at(place, self.solution)) for sign, place in free.places)
            total += to_mpf(free.pull) * u + to_mpf(free.stiffness) * (u - to_mpf(free.wanted)) ** 2 / 2
        return total

    @cached_property
    def least_eigenvalue(self) -> float:
        """min (∫ κv′² + ρv² dx + Σ s v²) ÷ ∫ v² dx over v = D·network: the energy has a minimum where it is positive.

        By Rayleigh–Ritz over D times continuous piecewise polynomials of degree 18, float64: never below the true one.
        """
        return self._least_eigenvalue[0]

    @cached_property
    def _least_eigenvalue(self) -> tuple[float, float]:
        return least_eigenvalue(*self._quadratic_form(float, NUMPY_MODULES))

    def require_bounded(self) -> None:
        """Refuse a reaction so negative that the energy has no minimum.

        Raises:
            InputError: the least eigenvalue is not positive.
        """
        if self.reaction == 0:
            return
        least, uncertain = self._least_eigenvalue
        if least <= uncertain:
            least = 0.0 if least >= -uncertain else least
            raise InputError(
                f"reaction: with ρ = {self.reaction} the energy is not bounded below, for the least eigenvalue of "
                f"∫ κv′² + ρv² dx is {least:.6g}; a ρ that is larger by more than {-least:.6g} would be right"
            )

    def _quadratic_form(self, number: Any, modules: Any) -> tuple[list[Cell], list[Spring]]:
        cells = []
        for p in self.pieces:
            rows = [p.coefficient, p.reaction, p.distance, sympy.diff(p.distance, X)]
            cells.append(Cell(number(p.left), number(p.right), sympy.lambdify(X, rows, modules)))
        springs = []
        for free in (e for e in self.free_ends if e.stiffness != 0):
            along = {-int(e == self.domain[1]): sign * number(self._at(e, self.distance)) for sign, e in free.places}
            springs.append(Spring(number(free.stiffness), along))
        return cells, springs

    def _penalty_relief(self) -> Any:
        """max over v of −(Σ t v + ½∫κv′² + ρv² + ½ Σ s v²), t the outward flux at the essential ends.

        Without ρ the best v is κ-harmonic. Between periodic ends v is the difference, and t the flux κu′.
        """
        if self.periodic:
            flux = self._outward_flux(self.domain[1])
            if self.reaction != 0:
                return relief(*self._quadratic_form(to_mpf, "mpmath"), [flux])
            return flux**2 / (2 * (to_mpf(self.penalty) + 1 / self._resistance()))
        if not self.essential:
            return mpmath.mpf(0)
        free = [e for e in self.free_ends if e.stiffness != 0]
        # At a Robin end the solution is in balance with its spring.
        flux = mpmath.matrix([self._outward_flux(e.place) if e.place in self.essential else 0 for e in free])
        if self.reaction != 0:
            return relief(*self._quadratic_form(to_mpf, "mpmath"), list(flux))
        # v is fixed at a built-in end and flux-free at a natural one, where it is therefore constant.
        stiffness = mpmath.mpf(0)
        if not self.fluxes:
            stiffness = 1 / self._resistance()
        matrix = mpmath.matrix(len(free), len(free))
        for i in range(len(free)):
            for j in range(len(free)):
                matrix[i, j] = (stiffness + to_mpf(free[i].stiffness)) if i == j else -stiffness
        return (flux.T * mpmath.lu_solve(matrix, flux))[0] / 2

    def _resistance(self) -> Any:
        """∫ 1/κ dx."""
        return sum(
            mpmath.quad(sympy.lambdify(X, 1 / p.coefficient, "mpmath"), [to_mpf(p.left), to_mpf(p.right)])
            for p in self.pieces
        )

    def _outward_flux(self, end: sympy.Expr) -> Any:
        piece = self.pieces[0 if end == self.domain[0] else -1]
        sign = -1 if end == self.domain[0] else 1
        return sign * to_mpf(_value(piece.coefficient * sympy.diff(piece.solution, X), end, -sign))

    def _at(self, end: sympy.Expr, expression: sympy.Expr) -> sympy.Expr:
        """The value at an end or an interface, where that of the piece on the left is taken."""
        left = end == self.domain[0]
        inside = next(p for p in self.pieces if end == (p.left if left else p.right))
        return _value(piecewise.branch(expression, inside.left, inside.right), end, 1 if left else -1)

    def _end_values(self, kind: str) -> Mapping[sympy.Expr, Any]:
        given = getattr(self, kind)
        if not isinstance(given, Mapping):
            raise InputError(f"{kind}: {given!r} is not a mapping; something like {_EXAMPLES[kind]} would be right")
        out: dict[sympy.Expr, Any] = {}
        for place, value in given.items():
            end = parse_number(place, kind)
            if end not in self.domain:
                raise InputError(f"{kind}: {place} is not an end of the domain {self.domain}; one of these is right")
            out[end] = self._robin_pair(place, value) if kind == "robin" else parse_number(value, f"{kind} at {place}")
        return MappingProxyType(out)

    def _point_loads(self) -> Mapping[sympy.Expr, sympy.Expr]:
        """Place → load, ascending: those that are named, and those in the source, which is left without them."""
        if not isinstance(self.loads, Mapping):
            raise InputError(f"loads: {self.loads!r} is not a mapping; something like {{'1/2': 3}} would be right")
        source, deltas = point_loads(parse(self.source, "source", functions=SOURCE_FUNCTIONS), *self.domain)
        object.__setattr__(self, "source", source)
        found = [(parse_number(place, "loads"), load) for place, load in self.loads.items()]
        found = [(place, parse_number(load, f"loads at {place}")) for place, load in found]
        total: dict[sympy.Expr, sympy.Expr] = {}
        for place, load in (*found, *deltas):
            if not self.domain[0] < place < self.domain[1]:
                raise InputError(
                    f"loads: x = {place} is not inside the domain {self.domain}; a place inside, or for an end its "
                    "flux in fluxes, would be right"
                )
            total[place] = total.get(place, sympy.Integer(0)) + load
        return MappingProxyType({place: total[place] for place in sorted(total, key=float) if total[place] != 0})

    @staticmethod
    def _robin_pair(place: Any, given: Any) -> tuple[sympy.Expr, sympy.Expr]:
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise InputError(f"robin at {place}: {given!r} is not a pair (α, g); something like (1, 0) would be right")
        alpha, value = (parse_number(v, f"robin at {place}") for v in given)
        if not alpha > 0:
            raise InputError(
                f"robin at {place}: α = {alpha} is not positive, and α(g − u) then drives u away from g; a positive "
                "number would be right"
            )
        return alpha, value

    def _check_data(self) -> None:
        for piece in self.pieces:
            for key in _DATA:
                smooth = getattr(piece, key)
                for pole in piecewise.singular_points(smooth, piece.left, piece.right):
                    self._check_pole(key, smooth, pole, piece)
                for x, value in piecewise.samples(smooth, piece.left, piece.right):
                    if not (abs(value) < float("inf") and value.imag == 0):
                        raise InputError(f"{key}: {smooth} is {value:g} at x = {x:g}; a finite real value is needed")
                    if key == "coefficient" and not value.real > 1e-10:
                        raise InputError(f"coefficient: {smooth} is {value.real:g} at x = {x:.6g}; it must be positive")
            if X in piece.coefficient.free_symbols:
                self._check_positive(piece)
        for before, after in zip(self.pieces, self.pieces[1:], strict=False):
            for key in ("distance", "lift"):
                jump = (getattr(after, key) - getattr(before, key)).subs(X, after.left)
                if not _zero(jump):
                    raise InputError(f"{key}: it jumps by {float(jump):.3g} at x = {after.left}; it must be continuous")

    def _check_positive(self, piece: Piece) -> None:
        """Positive at the samples and nowhere zero is positive throughout, a double zero included."""
        try:
            zeros = piecewise.roots(piece.coefficient, piece.left, piece.right)
        except InputError:
            # Zeros that cannot be listed: the samples, taken before, must do.
            return
        if zeros:
            raise InputError(f"coefficient: {piece.coefficient} is 0 at x = {zeros[0]}; it must be positive")

    def _check_pole(self, key: str, smooth: sympy.Expr, pole: sympy.Expr, piece: Piece) -> None:
        """A source or κ may grow as long as the energy stays integrable: f·D and f·lift, or κ itself.

        At an end with a built-in condition D tames the source.
        """
        if key in ("source", "coefficient") and pole in (piece.left, piece.right):
            inward = 1 if pole == piece.left else -1
            products = [smooth] if key == "coefficient" else [smooth * piece.distance]
            products += [smooth * piece.lift] if key == "source" and piece.lift != 0 else []
            if all(piecewise.growth_exponent(p, pole, inward) > -1 + 1e-9 for p in products):
                return
        right = "a function finite on the domain" + (
            ", or one that grows more slowly than 1/distance," if key in ("source", "coefficient") else ""
        )
        raise InputError(f"{key}: {smooth} has a pole at x = {pole}; {right} would be right")

    def _check_ends(self) -> None:
        for end in self.domain:
            vanishes = _zero(self._at(end, self.distance))
            if self.periodic:
                if vanishes:
                    raise InputError(
                        f"distance: {self.distance} vanishes at x = {end}, which is a periodic end; there it must not"
                    )
            elif kind := self._kind_of(end):
                if vanishes:
                    raise InputError(
                        f"distance: {self.distance} vanishes at x = {end}, which {kind} names; there it must not"
                    )
            elif not vanishes:
                raise InputError(
                    f"distance: {self.distance} is {self._at(end, self.distance)} at x = {end}, a Dirichlet end; it "
                    f"must vanish there, or name {end} in essential, fluxes or robin, or say periodic=True"
                )

    def _check_solution(self) -> None:
        previous = None
        for piece in self.pieces:
            u, flux = piece.solution, piece.coefficient * sympy.diff(piece.solution, X)
            terms = sympy.lambdify(X, [sympy.diff(flux, X), piece.source, -piece.reaction * u], "mpmath")
            with mpmath.workdps(_CHECK_DIGITS):
                for i in range(1, 24):
                    x = to_mpf(piece.left) + (to_mpf(piece.right) - to_mpf(piece.left)) * i / mpmath.mpf("24.1")
                    parts = terms(x)
                    if not abs(sum(parts)) <= _CHECK_TOLERANCE * (1 + sum(map(abs, parts))):
                        equation = "(κu′)′ + f = 0" if self.reaction == 0 else "(κu′)′ − ρu + f = 0"
                        raise InputError(
                            f"solution: {u} does not solve {equation}: the residual is {float(abs(sum(parts))):.3g} at "
                            f"x = {float(x):.4g}"
                        )
            if previous is not None:
                load = self.loads.get(piece.left, sympy.Integer(0))
                for what, before, after in (("u", previous[0], u), ("κu′", previous[1], flux)):
                    jump = _value(after, piece.left, 1) - _value(before, piece.left, -1)
                    if load != 0 and what == "κu′":
                        if not _zero(jump + load):
                            raise InputError(
                                f"solution: κu′ jumps by {float(jump):.3g} at x = {piece.left}, where a point load of "
                                f"{load} acts; it must fall by that"
                            )
                    elif not _zero(jump):
                        raise InputError(
                            f"solution: {what} jumps by {float(jump):.3g} at x = {piece.left}; it must be continuous"
                        )
            previous = (u, flux)
        if self.periodic:
            ends = [
                (self._at(e, self.solution), self._outward_flux(e) * s)
                for e, s in zip(self.domain, (-1, 1), strict=True)
            ]
            for what, before, after in zip(("u", "κu′"), *ends, strict=True):
                if not _zero(sympy.sympify(after) - before):
                    raise InputError(
                        f"solution: {what} is {float(before):g} at x = {self.domain[0]} and {float(after):g} at "
                        f"x = {self.domain[1]}; at periodic ends it must be the same"
                    )
            return
        for end in self.domain:
            value, wanted, what = self._at(end, self.solution), self._at(end, self.lift), "u"
            if end in self.fluxes or end in self.robin:
                sign = -1 if end == self.domain[0] else 1
                if end in self.robin:
                    alpha, outside = self.robin[end]
                    wanted = sign * alpha * (outside - value)
                else:
                    wanted = self.fluxes[end]
                with mpmath.workdps(_CHECK_DIGITS):
                    value, what = sympy.Float(str(sign * self._outward_flux(end)), _CHECK_DIGITS), "κu′"
            elif end in self.essential:
                wanted = self.essential[end]
            if not _zero(value - wanted):
                raise InputError(
                    f"solution: {what} is {float(value):g} at x = {end}, but the problem says {float(wanted):g} there"
                )


def require_problem(problem: object) -> None:
    """Say what a problem is to somebody who passes its name.

    Raises:
        InputError: it is none.
    """
    if getattr(problem, "stiffness", None) is not None:
        raise InputError(
            f"problem: {getattr(problem, 'name', '')} is a beam, which has exact energies and gradients, oracles, "
            "audit_beam and fit, but not this; a RitzProblem would be right"
        )
    if not isinstance(problem, RitzProblem):
        raise InputError(f"problem: {problem!r} is no RitzProblem; problems['sine-2'], say, would be right")


def _zero(number: sympy.Expr) -> bool:
    return bool(abs(sympy.N(number, _CHECK_DIGITS)) < 1e-20)


def _value(expression: sympy.Expr, place: sympy.Expr, side: int) -> sympy.Expr:
    """Value at a place, as a one-sided limit where substitution gives none."""
    value = expression.subs(X, place)
    if value.is_finite is not True or value.has(sympy.nan):
        value = sympy.limit(expression, X, place, "+" if side > 0 else "-")
    return value
