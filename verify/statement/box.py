"""The statement of a problem in a box of one to three inputs, or what is left of one: minimise over u = D·network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise, product
from typing import Any

import mpmath
import numpy as np
import sympy

from ..choices import NamedProblems
from ..errors import InputError
from .expressions import NUMPY_MODULES, X, parse, parse_number

COORDINATES: tuple[sympy.Symbol, ...] = (X, sympy.Symbol("y", real=True), sympy.Symbol("z", real=True))
# A pair of ends along each axis.
Sides = tuple[tuple[sympy.Expr, sympy.Expr], ...]
# Where the statement is looked at, as shares of each side: no place that an interface is likely to pass through.
_SHARES = (0.1237, 0.3819, 0.6181, 0.8911)
# A residual is judged against the size of its own terms at this many digits; an identity leaves rounding only.
CHECK_DIGITS = 40
CHECK_TOLERANCE = mpmath.mpf(10) ** -25
# Panels of each side, and Gauss points of each of these: a peak a tenth of the side wide is integrated to rounding.
_PANELS, _GAUSS = 4, 12


@dataclass(frozen=True, eq=False)
class BoxProblem:
    """Minimise ∫ ½κ|∇u|² − f u dx over u = D·network in a box, u = 0 on all of its faces.

    With `lame`, the energy of an elastic body, ∫ ½λ(∇·u)² + μ|ε(u)|² − f·u dx with ε = (∇u + ∇uᵀ)/2; u, f and the
    solution then have a component for each side of the box.

    Expressions are text (parsed, never executed), numbers or SymPy in x, y, z, as many as the box has sides. Where κ
    jumps, that κ ∂u/∂n of a known solution does not is not looked at.

    Args:
        coefficient: κ > 0.
        source: f. If absent, what the solution asks for, −∇·(κ∇u).
        distance: D, 0 on the faces. If absent, the product of 4(x − a)(b − x) ÷ (b − a)² over the sides.
        solution: the known solution; checked against the strong form and the faces.
        domain: the sides of the box, a pair of ends each.
        name: for tables and reports.
        without: smaller boxes that are cut out of it, as an L-shape lacks a quarter; u = 0 on their faces, too.
        lame: λ ≥ 0 and μ > 0, numbers; κ is then 1.

    Raises:
        InputError: anything that does not fit together, in one sentence.

    Examples:
        >>> p = BoxProblem(solution="sin(pi*x)*sin(pi*y)", domain=((0, 1), (0, 1)))
        >>> p.source, round(p.minimum_energy(), 12) == round(-float(sympy.pi) ** 2 / 4, 12)
        (2*pi**2*sin(pi*x)*sin(pi*y), True)
        >>> body = BoxProblem(solution=("sin(pi*x)*sin(pi*y)", "0"), lame=(1, 1))
        >>> body.components, body.source[1]
        (2, -2*pi**2*cos(pi*x)*cos(pi*y))
    """

    coefficient: Any = "1"
    source: Any = None
    distance: Any = None
    solution: Any = None
    domain: Any = ((0, 1), (0, 1))
    name: str = "problem"
    without: Any = ()
    lame: Any = None

    def __post_init__(self) -> None:
        def put(key: str, value: Any) -> None:
            # Frozen: written once, here.
            object.__setattr__(self, key, value)

        put("domain", _sides(self.domain, "domain"))
        put("without", _cuts(self.without, self.domain))
        if self.lame is not None:
            put("lame", _lame(self.lame, self.coefficient))
        known = {str(s): s for s in self.coordinates}
        if self.distance is None:
            if self.without:
                raise InputError("distance: there is none, and of a box that lacks parts none is known; one that is 0 "
                                 "on all faces would be right")  # fmt: skip
            sides = zip(self.coordinates, self.domain, strict=True)
            put("distance", sympy.prod(4 * (s - a) * (b - s) / (b - a) ** 2 for s, (a, b) in sides))
        for key in ("coefficient", "distance"):
            put(key, parse(getattr(self, key), key, known))
        for key in ("source", "solution"):
            if getattr(self, key) is not None:
                put(key, self._parsed(key, known))
        if self.source is None:
            if self.solution is None:
                raise InputError("source: there is none, and no solution that would give it; one of the two is right")
            wanted = tuple(-e for e in self._divergence())
            put("source", wanted[0] if self.lame is None else wanted)
        self._check()

    def _parsed(self, key: str, known: Mapping[str, sympy.Symbol]) -> Any:
        value = getattr(self, key)
        if self.lame is None:
            return parse(value, key, known)
        if not isinstance(value, tuple | list) or len(value) != self.inputs:
            raise InputError(f"{key}: {value!r} is not one expression for each of {self.inputs} displacements")
        return tuple(parse(e, key, known) for e in value)

    @property
    def inputs(self) -> int:
        """How many, d."""
        return len(self.domain)

    @property
    def coordinates(self) -> tuple[sympy.Symbol, ...]:
        """Their symbols."""
        return COORDINATES[: self.inputs]

    @property
    def components(self) -> int:
        """How many numbers u is at a point, m."""
        return 1 if self.lame is None else self.inputs

    @property
    def volume(self) -> float:
        """Of the box, without what is cut out."""
        return float(sum(sympy.prod(b - a for a, b in part) for part in self.parts))

    @property
    def parts(self) -> tuple[Sides, ...]:
        """Boxes that together are the domain and do not overlap: itself, where nothing is cut out."""
        marks = [sorted({e for box in (self.domain, *self.without) for e in box[k]}) for k in range(self.inputs)]
        cells = product(*(tuple(pairwise(m)) for m in marks))
        return tuple(cell for cell in cells if self.inside([float(a + b) / 2 for a, b in cell]))

    def inside(self, place: Sequence[float]) -> bool:
        """Is a point within the box, and in nothing that is cut out of it?"""
        return _within(place, self.domain) and not any(_within(place, box) for box in self.without)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoxProblem) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, f.name) for f in fields(self) if f.name != "name")

    def statement(self) -> dict[str, Any]:
        """Plain data that `BoxProblem(**…)` takes; numbers stay exact."""
        out: dict[str, Any] = {k: str(getattr(self, k)) for k in ("coefficient", "distance", "name")}
        out |= {k: _plain(getattr(self, k)) for k in ("source", "solution", "domain", "without", "lame")}
        return out

    def minimum_energy(self) -> float:
        """The least value of the energy, −½ ∫ f u dx at the known solution.

        By 48 Gauss points a side in four panels: to rounding where the data are smooth within these.

        Raises:
            InputError: no solution is known.
        """
        if self.solution is None:
            raise InputError(f"{self.name}: no known solution; pass solution= to have a minimum energy")
        work = sum(f * u for f, u in zip(_tuple(self.source), _tuple(self.solution), strict=True))
        function = sympy.lambdify(self.coordinates, work, NUMPY_MODULES)
        return -sum(_gauss(function, part) for part in self.parts) / 2

    def _divergence(self) -> tuple[Any, ...]:
        """Of κ∇u, or of the stress, by components."""
        if self.lame is None:
            return (sum(sympy.diff(self.coefficient * sympy.diff(self.solution, s), s) for s in self.coordinates),)
        first, second = self.lame
        slopes = [[sympy.diff(u, s) for s in self.coordinates] for u in self.solution]
        spread = sum(slopes[k][k] for k in range(self.inputs))
        return tuple(
            sympy.diff(first * spread, s)
            + sum(sympy.diff(second * (slopes[k][j] + slopes[j][k]), t) for j, t in enumerate(self.coordinates))
            for k, s in enumerate(self.coordinates)
        )

    def _check(self) -> None:
        shares = [sympy.Rational(str(t)) for t in _SHARES]
        inner = [p for part in self.parts for p in product(*([a + (b - a) * t for t in shares] for a, b in part))]
        with mpmath.workdps(CHECK_DIGITS):
            for key in ("coefficient", "source", "distance"):
                function = self._function(key)
                for place in inner:
                    for value in function(*map(working_number, place)):
                        if not (mpmath.isfinite(value) and mpmath.im(value) == 0):
                            raise InputError(
                                f"{key}: it is {value} at {shown_place(place)}; a finite real value is needed"
                            )
                        if key == "coefficient" and not value > 0:
                            raise InputError(
                                f"coefficient: it is {float(value):g} at {shown_place(place)}; it must be positive"
                            )
            for key in ("distance", "solution"):
                if getattr(self, key) is not None:
                    self._check_faces(key, shares)
            if self.solution is not None:
                self._check_solution(inner)

    def _function(self, key: str) -> Callable[..., Any]:
        """Of coordinates, its components, in mpmath numbers."""
        function: Callable[..., Any] = sympy.lambdify(self.coordinates, _tuple(getattr(self, key)), "mpmath")
        return function

    def _check_faces(self, key: str, shares: Sequence[Any]) -> None:
        function = self._function(key)
        for on_face in self._on_faces(shares):
            for value in function(*map(working_number, on_face)):
                if not abs(value) <= CHECK_TOLERANCE:
                    raise InputError(
                        f"{key}: it is {float(value):.3g} at {shown_place(on_face)}; on faces it must be 0"
                    )

    def _on_faces(self, shares: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        for box in (self.domain, *self.without):
            for place in product(*([a + (b - a) * t for t in shares] for a, b in box)):
                for k, (low, high) in enumerate(box):
                    for end in (low, high):
                        # Of a box that is cut out a face may lie on another box's, or in it.
                        beside = [[*place[:k], end + sign * (high - low) / 1000, *place[k + 1 :]] for sign in (1, -1)]
                        if any(self.inside([float(c) for c in p]) for p in beside):
                            yield (*place[:k], end, *place[k + 1 :])

    def _check_solution(self, inner: Sequence[tuple[Any, ...]]) -> None:
        terms = sympy.lambdify(self.coordinates, [self._divergence(), _tuple(self.source)], "mpmath")
        law = "∇·(κ∇u)" if self.lame is None else "∇·σ"
        for place in inner:
            for a, b in zip(*terms(*map(working_number, place)), strict=True):
                if not abs(a + b) <= CHECK_TOLERANCE * (1 + abs(a) + abs(b)):
                    raise InputError(
                        f"solution: it does not solve {law} + f = 0: the residual is {float(abs(a + b)):.3g} at "
                        f"{shown_place(place)}"
                    )


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _plain(value: Any) -> Any:
    """Text of expressions, in lists where they are in tuples."""
    return None if value is None else [_plain(v) for v in value] if isinstance(value, tuple) else str(value)


def _within(place: Sequence[float], box: Sides) -> bool:
    return all(float(a) < c < float(b) for c, (a, b) in zip(place, box, strict=True))


def _gauss(function: Callable[..., Any], box: Sides) -> float:
    """∫ over a box."""
    nodes, weights = np.polynomial.legendre.leggauss(_GAUSS)
    share = (np.arange(_PANELS)[:, None] + (nodes + 1) / 2).ravel() / _PANELS
    weight = np.tile(weights / 2 / _PANELS, _PANELS)
    x = np.meshgrid(*(float(a) + float(b - a) * share for a, b in box), indexing="ij")
    w = np.prod(np.meshgrid(*[weight] * len(box), indexing="ij"), axis=0)
    return float((w * function(*x)).sum()) * float(sympy.prod(b - a for a, b in box))


def _sides(domain: Any, what: str) -> Sides:
    sides = tuple(domain) if isinstance(domain, tuple | list) else ()
    if not 1 <= len(sides) <= len(COORDINATES) or not all(isinstance(s, tuple | list) and len(s) == 2 for s in sides):
        raise InputError(f"{what}: {domain!r} is no box of one to three sides; ((0, 1), (0, 1)), say, would be right")
    out = tuple((parse_number(a, what), parse_number(b, what)) for a, b in sides)
    for a, b in out:
        if not a < b:
            raise InputError(f"{what}: the side ({a}, {b}) is empty; its first end must be less than its second")
    return out


def _cuts(without: Any, domain: Sides) -> tuple[Sides, ...]:
    if not isinstance(without, tuple | list):
        raise InputError(f"without: {without!r} is no list of boxes; [((1/2, 1), (1/2, 1))], say, would be right")
    cuts = tuple(_sides(box, "without") for box in without)
    for cut in cuts:
        if len(cut) != len(domain) or any(a < c or b > d for (a, b), (c, d) in zip(cut, domain, strict=True)):
            raise InputError(
                f"without: {_plain(cut)} does not lie in the domain {_plain(domain)}; a box within it would be right"
            )
    return cuts


def _lame(lame: Any, coefficient: Any) -> tuple[sympy.Expr, sympy.Expr]:
    if not isinstance(lame, tuple | list) or len(lame) != 2:
        raise InputError(f"lame: {lame!r} is no pair of numbers λ, μ; (1, 1), say, would be right")
    first, second = (parse_number(value, "lame") for value in lame)
    if not (first >= 0 and second > 0):
        raise InputError(f"lame: λ = {first}, μ = {second}; λ must not be negative, and μ must be positive")
    if coefficient not in (1, "1"):
        raise InputError(f"coefficient: {coefficient}, of an elastic body; lame alone would be right")
    return first, second


def working_number(value: Any) -> Any:
    """An exact number at the precision at which statements are checked."""
    return mpmath.mpf(sympy.N(value, CHECK_DIGITS + 5))


def shown_place(place: tuple[Any, ...]) -> str:
    """A place for a message."""
    return f"({', '.join(f'{float(c):.4g}' for c in place)})"


def _sine(inputs: int) -> str:
    return "*".join(f"sin(pi*{s})" for s in COORDINATES[:inputs])


def _peak(inputs: int) -> str:
    """A bump a fifth of the side wide, off the centre, times what brings it to 0 on the faces."""
    centre = ("2/5", "3/5", "1/2")[:inputs]
    squares = " + ".join(f"({s} - {c})**2" for s, c in zip(COORDINATES, centre, strict=False))
    faces = "*".join(f"4*{s}*(1-{s})" for s in COORDINATES[:inputs])
    return f"{faces}*exp(-30*({squares}))"


_UNIT = (0, 1)
# Distance from the origin, and half the angle from x = y < 0.
_R = "sqrt(x**2+y**2)"
_HALF = f"atan((x-y)/(sqrt(2)*{_R}-x-y))"
_STATEMENTS: dict[str, dict[str, Any]] = {
    "sine-line": {"solution": _sine(1), "domain": (_UNIT,)},
    "sine-square": {"solution": _sine(2), "domain": (_UNIT,) * 2},
    "sine-cube": {"solution": _sine(3), "domain": (_UNIT,) * 3},
    "peak-square": {"solution": _peak(2), "domain": (_UNIT,) * 2},
    "peak-cube": {"solution": _peak(3), "domain": (_UNIT,) * 3},
    # u = sin 2πx sin πy ÷ κ is 0 where κ jumps, and κu has no kink there.
    "two-material-plate": {
        "coefficient": "Piecewise((1, x < 1/2), (10, True))",
        "source": "5*pi**2*sin(2*pi*x)*sin(pi*y)",
        "solution": "Piecewise((sin(2*pi*x)*sin(pi*y), x < 1/2), (sin(2*pi*x)*sin(pi*y)/10, True))",
        "domain": (_UNIT,) * 2,
    },
    # D is 0 on the cut's faces as x + |x| is where x ≤ 0; u has the singularity r^(2/3) of a corner of 270 degrees.
    "l-shape": {
        "solution": f"(1-x**2)*(1-y**2)*{_R}**(2/3)*cos(4/3*{_HALF})",
        "source": f"2*(2-x**2-y**2)*{_R}**(2/3)*cos(4/3*{_HALF})"
        f"+4*sqrt(2)/3*{_R}**(-1/3)*(x*(1-y**2)*(sin(2/3*{_HALF})-cos(2/3*{_HALF}))"
        f"-y*(1-x**2)*(sin(2/3*{_HALF})+cos(2/3*{_HALF})))",
        "distance": f"(1-x**2)*(1-y**2)*({_R}-x-y)",
        "domain": ((-1, 1),) * 2,
        "without": [(_UNIT,) * 2],
    },
    "elastic-square": {
        "solution": ("sin(pi*x)*sin(pi*y)", "sin(2*pi*x)*sin(pi*y)/2"),
        "lame": (1, 1),
        "domain": (_UNIT,) * 2,
    },
}


#: Name → `BoxProblem`: sines and peaks in one to three inputs, a plate of two materials, an L-shape, an
#: elastic square.
box_problems = NamedProblems("named box problem", BoxProblem, _STATEMENTS)
