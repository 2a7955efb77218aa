"""The statement of a problem in a box of one to three inputs: minimise ∫ ½κ|∇u|² − f u dx over u = D·network."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product
from typing import Any

import mpmath
import numpy as np
import sympy

from ..choices import NamedProblems
from ..errors import InputError
from .expressions import NUMPY_MODULES, X, parse, parse_number

COORDINATES: tuple[sympy.Symbol, ...] = (X, sympy.Symbol("y", real=True), sympy.Symbol("z", real=True))
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

    Expressions are text (parsed, never executed), numbers or SymPy in x, y, z, as many as the box has sides. Where κ
    jumps, that κ ∂u/∂n of a known solution does not is not looked at.

    Args:
        coefficient: κ > 0.
        source: f. If absent, what the solution asks for, −∇·(κ∇u).
        distance: D, 0 on the faces. If absent, the product of 4(x − a)(b − x) ÷ (b − a)² over the sides.
        solution: the known solution; checked against the strong form and the faces.
        domain: the sides of the box, a pair of ends each.
        name: for tables and reports.

    Raises:
        InputError: anything that does not fit together, in one sentence.

    Examples:
        >>> p = BoxProblem(solution="sin(pi*x)*sin(pi*y)", domain=((0, 1), (0, 1)))
        >>> p.source, round(p.minimum_energy(), 12) == round(-float(sympy.pi) ** 2 / 4, 12)
        (2*pi**2*sin(pi*x)*sin(pi*y), True)
    """

    coefficient: Any = "1"
    source: Any = None
    distance: Any = None
    solution: Any = None
    domain: Any = ((0, 1), (0, 1))
    name: str = "problem"

    def __post_init__(self) -> None:
        def put(key: str, value: Any) -> None:
            # Frozen: written once, here.
            object.__setattr__(self, key, value)

        put("domain", _sides(self.domain))
        known = {str(s): s for s in self.coordinates}
        if self.distance is None:
            put(
                "distance",
                sympy.prod(
                    4 * (s - a) * (b - s) / (b - a) ** 2
                    for s, (a, b) in zip(self.coordinates, self.domain, strict=True)
                ),
            )
        for key in ("coefficient", "source", "distance", "solution"):
            value = getattr(self, key)
            if value is not None:
                put(key, parse(value, key, known))
        if self.source is None:
            if self.solution is None:
                raise InputError("source: there is none, and no solution that would give it; one of the two is right")
            put("source", -self._divergence())
        self._check()

    @property
    def inputs(self) -> int:
        """How many, d."""
        return len(self.domain)

    @property
    def coordinates(self) -> tuple[sympy.Symbol, ...]:
        """Their symbols."""
        return COORDINATES[: self.inputs]

    @property
    def volume(self) -> float:
        """Of the box."""
        return float(sympy.prod(b - a for a, b in self.domain))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoxProblem) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, f.name) for f in fields(self) if f.name != "name")

    def statement(self) -> dict[str, Any]:
        """Plain data that `BoxProblem(**…)` takes; numbers stay exact."""
        out: dict[str, Any] = {k: str(getattr(self, k)) for k in ("coefficient", "source", "distance", "name")}
        out["solution"] = None if self.solution is None else str(self.solution)
        return out | {"domain": [[str(a), str(b)] for a, b in self.domain]}

    def minimum_energy(self) -> float:
        """The least value of the energy, −½ ∫ f u dx at the known solution.

        By 48 Gauss points a side in four panels: to rounding where the data are smooth within these.

        Raises:
            InputError: no solution is known.
        """
        if self.solution is None:
            raise InputError(f"{self.name}: no known solution; pass solution= to have a minimum energy")
        nodes, weights = np.polynomial.legendre.leggauss(_GAUSS)
        share = (np.arange(_PANELS)[:, None] + (nodes + 1) / 2).ravel() / _PANELS
        weight = np.tile(weights / 2 / _PANELS, _PANELS)
        places = [float(a) + float(b - a) * share for a, b in self.domain]
        x = np.meshgrid(*places, indexing="ij")
        w = np.prod(np.meshgrid(*[weight] * self.inputs, indexing="ij"), axis=0)
        values = sympy.lambdify(self.coordinates, self.source * self.solution, NUMPY_MODULES)(*x)
        return float(-self.volume * (w * values).sum() / 2)

    def _divergence(self) -> Any:
        return sum(sympy.diff(self.coefficient * sympy.diff(self.solution, s), s) for s in self.coordinates)

    def _check(self) -> None:
        inner = list(product(*([a + (b - a) * sympy.Rational(str(t)) for t in _SHARES] for a, b in self.domain)))
        with mpmath.workdps(CHECK_DIGITS):
            for key in ("coefficient", "source", "distance"):
                function = sympy.lambdify(self.coordinates, getattr(self, key), "mpmath")
                for place in inner:
                    value = function(*map(working_number, place))
                    if not (mpmath.isfinite(value) and mpmath.im(value) == 0):
                        raise InputError(f"{key}: it is {value} at {shown_place(place)}; a finite real value is needed")
                    if key == "coefficient" and not value > 0:
                        raise InputError(
                            f"coefficient: it is {float(value):g} at {shown_place(place)}; it must be positive"
                        )
            for key in ("distance", "solution"):
                if getattr(self, key) is not None:
                    self._check_faces(key, inner)
            if self.solution is not None:
                self._check_solution(inner)

    def _check_faces(self, key: str, inner: list[tuple[Any, ...]]) -> None:
        function = sympy.lambdify(self.coordinates, getattr(self, key), "mpmath")
        for place in inner:
            for k, ends in enumerate(self.domain):
                for end in ends:
                    on_face = (*place[:k], end, *place[k + 1 :])
                    if not abs(value := function(*map(working_number, on_face))) <= CHECK_TOLERANCE:
                        raise InputError(
                            f"{key}: it is {float(value):.3g} at {shown_place(on_face)}; on faces it must be 0"
                        )

    def _check_solution(self, inner: list[tuple[Any, ...]]) -> None:
        terms = sympy.lambdify(self.coordinates, [self._divergence(), self.source], "mpmath")
        for place in inner:
            a, b = terms(*map(working_number, place))
            if not abs(a + b) <= CHECK_TOLERANCE * (1 + abs(a) + abs(b)):
                raise InputError(
                    f"solution: it does not solve ∇·(κ∇u) + f = 0: the residual is {float(abs(a + b)):.3g} at "
                    f"{shown_place(place)}"
                )


def _sides(domain: Any) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
    sides = tuple(domain) if isinstance(domain, tuple | list) else ()
    if not 1 <= len(sides) <= len(COORDINATES) or not all(isinstance(s, tuple | list) and len(s) == 2 for s in sides):
        raise InputError(f"domain: {domain!r} is no box of one to three sides; ((0, 1), (0, 1)), say, would be right")
    out = tuple((parse_number(a, "domain"), parse_number(b, "domain")) for a, b in sides)
    for a, b in out:
        if not a < b:
            raise InputError(f"domain: the side ({a}, {b}) is empty; its first end must be less than its second")
    return out


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
}


#: Name → `BoxProblem`: sines and peaks in one to three inputs, a plate of two materials.
box_problems = NamedProblems("named box problem", BoxProblem, _STATEMENTS)
