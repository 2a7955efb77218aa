"""The statement of a beam: minimise ∫ ½EI u″² − f u dx over u = lift + D·network; and a network of powers of ReLU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import mpmath
import sympy

from ..choices import NamedProblems
from ..errors import InputError
from ..statement import piecewise
from ..statement.expressions import X, parse, parse_number, to_mpf
from ..statement.network import ShallowNetwork

POWERS = (2, 3)
_DATA = ("stiffness", "source", "distance", "lift")
# A residual is judged against the size of its own terms at this many digits; an identity leaves rounding only.
_CHECK_DIGITS = 40
_CHECK_TOLERANCE = mpmath.mpf(10) ** -25


@dataclass(frozen=True)
class Stretch:
    """One smooth stretch of a beam's data, all expressions in `X`."""

    left: sympy.Expr
    right: sympy.Expr
    stiffness: sympy.Expr
    source: sympy.Expr
    distance: sympy.Expr
    lift: sympy.Expr


@dataclass(frozen=True)
class BeamProblem:
    """Minimise Π(u) = ∫ ½EI u″² − f u dx over u = lift + D·network; the strong form is (EI u″)″ = f.

    What D leaves free at an end the energy makes natural: D with a double zero is a clamped end (u and u′ are lift's),
    with a simple zero a supported one (EI u″ = 0), without a zero a free one (EI u″ = 0 and (EI u″)′ = 0).

    Args:
        stiffness: EI(x) > 0.
        source: f(x), the load per length.
        distance: D(x); with a continuous derivative.
        lift: added to D·network, likewise.
        domain: its two ends.
        solution: the known solution; checked against the strong form and all ends.
        name: for tables.

    Raises:
        InputError: anything that does not fit together, in one sentence.

    Examples:
        >>> beam = BeamProblem(source="24", distance="x**2*(1-x)**2", solution="x**2*(1-x)**2")
        >>> beam.minimum_energy()
        -0.4
    """

    stiffness: Any = "1"
    source: Any = "0"
    distance: Any = "1"
    lift: Any = "0"
    domain: tuple[Any, Any] = (0, 1)
    solution: Any = None
    name: str = "beam"

    def __post_init__(self) -> None:
        if not isinstance(self.domain, tuple | list) or len(self.domain) != 2:
            raise InputError(f"domain: {self.domain!r} is not an interval; a pair such as (0, 1) would be right")
        left, right = (parse_number(e, "domain") for e in self.domain)
        if not left < right:
            raise InputError(f"domain: ({left}, {right}) is empty; its left end must be less than its right end")
        # Frozen: written once, here.
        object.__setattr__(self, "domain", (left, right))
        for key in (*_DATA, "solution"):
            value = getattr(self, key)
            if value is not None:
                object.__setattr__(self, key, piecewise.canonical(parse(value, key), left, right))
        self._check_data()
        if self.solution is not None:
            self._check_solution()

    @cached_property
    def interfaces(self) -> tuple[sympy.Expr, ...]:
        """Places inside the domain where some part of the data is not smooth, ascending."""
        places = {p for n in _DATA for p in piecewise.breakpoints(getattr(self, n), *self.domain)}
        return tuple(sorted(places, key=float))

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """The data between neighbouring interfaces."""
        ends = (self.domain[0], *self.interfaces, self.domain[1])
        return tuple(
            Stretch(a, b, *(piecewise.branch(getattr(self, n), a, b) for n in _DATA)) for a, b in pairwise(ends)
        )

    def minimum_energy(self, digits: int | None = None) -> Any:
        """The least value of the energy, from the known solution; float, or an mpmath number of so many digits.

        Raises:
            InputError: no solution is known.
        """
        if self.solution is None:
            raise InputError(f"{self.name}: no known solution; pass solution= to have a minimum energy")
        with mpmath.workdps((digits or 17) + 15):
            value = mpmath.mpf(0)
            for s in self.stretches:
                u = piecewise.branch(self.solution, s.left, s.right)
                density = s.stiffness * sympy.diff(u, X, 2) ** 2 / 2 - s.source * u
                value += mpmath.quad(sympy.lambdify(X, density, "mpmath"), [to_mpf(s.left), to_mpf(s.right)])
            if digits is None:
                return float(value)
        with mpmath.workdps(digits):
            return +value

    def _check_data(self) -> None:
        for s in self.stretches:
            for key in _DATA:
                smooth = getattr(s, key)
                for pole in piecewise.singular_points(smooth, s.left, s.right):
                    raise InputError(f"{key}: {smooth} has a pole at x = {pole}; a finite function would be right")
                for x, value in piecewise.samples(smooth, s.left, s.right):
                    if not (abs(value) < float("inf") and value.imag == 0):
                        raise InputError(f"{key}: {smooth} is {value:g} at x = {x:g}; a finite real value is needed")
                    if key == "stiffness" and not value.real > 1e-10:
                        raise InputError(f"stiffness: {smooth} is {value.real:g} at x = {x:.6g}; it must be positive")
        for before, after in pairwise(self.stretches):
            for key in ("distance", "lift"):
                for order, what in enumerate(("it", "its slope")):
                    difference = getattr(after, key) - getattr(before, key)
                    jump = sympy.N(sympy.diff(difference, X, order).subs(X, after.left), _CHECK_DIGITS)
                    if not abs(jump) < 1e-20:
                        raise InputError(
                            f"{key}: {what} jumps by {float(jump):.3g} at x = {after.left}, where u″ would be no "
                            "function; it must be continuous"
                        )

    def _check_solution(self) -> None:
        for s in self.stretches:
            u = piecewise.branch(self.solution, s.left, s.right)
            terms = sympy.lambdify(X, [sympy.diff(s.stiffness * sympy.diff(u, X, 2), X, 2), s.source], "mpmath")
            with mpmath.workdps(_CHECK_DIGITS):
                for i in range(1, 24):
                    x = to_mpf(s.left) + (to_mpf(s.right) - to_mpf(s.left)) * i / mpmath.mpf("24.1")
                    a, b = terms(x)
                    if not abs(a - b) <= _CHECK_TOLERANCE * (1 + abs(a) + abs(b)):
                        raise InputError(
                            f"solution: {u} does not solve (EI u″)″ = f: the residual is {float(abs(a - b)):.3g} at "
                            f"x = {float(x):.4g}"
                        )
        before: list[sympy.Expr] | None = None
        for s in self.stretches:
            now = _quantities(s, piecewise.branch(self.solution, s.left, s.right))
            for what, earlier, later in zip(_NAMES, before or [], now, strict=False):
                self._require_equal(what, later - earlier, s.left, "must be continuous")
            before = now
        for end, s in zip(self.domain, (self.stretches[0], self.stretches[-1]), strict=True):
            u = piecewise.branch(self.solution, s.left, s.right)
            held = self.zeros_of_distance(end)
            for k, (what, value) in enumerate(zip(_NAMES, _quantities(s, u), strict=True)):
                if k < min(held, 2):
                    lift = _quantities(s, s.lift)[k]
                    self._require_equal(what, value - lift, end, "must be that of lift, which D builds in")
                elif k >= 4 - (2 - min(held, 2)):
                    self._require_equal(what, value, end, "must vanish where D leaves it free")

    def zeros_of_distance(self, end: sympy.Expr) -> int:
        """0, 1 or 2: D(end) ≠ 0, a simple zero, or a double one."""
        s = self.stretches[0 if end == self.domain[0] else -1]
        for order in (0, 1):
            if abs(sympy.N(sympy.diff(s.distance, X, order).subs(X, end), _CHECK_DIGITS)) > 1e-20:
                return order
        return 2

    def _require_equal(self, what: str, difference: sympy.Expr, place: sympy.Expr, rule: str) -> None:
        found = sympy.N(difference.subs(X, place), _CHECK_DIGITS)
        if not abs(found) < 1e-20:
            raise InputError(f"solution: {what} is off by {float(found):.3g} at x = {place}; it {rule}")


_NAMES = ("u", "u′", "(EI u″)′", "EI u″")


def _quantities(s: Stretch, u: sympy.Expr) -> list[sympy.Expr]:
    """u and u′, then what is natural where they are free: (EI u″)′ where u is, EI u″ where u′ is."""
    moment = s.stiffness * sympy.diff(u, X, 2)
    return [u, sympy.diff(u, X), sympy.diff(moment, X), moment]


@dataclass(frozen=True)
class PowerNetwork:
    """Σ cᵢ max(0, wᵢ x + bᵢ)ᵖ with p = 2 or 3, whose parameters are exact numbers.

    Attributes:
        power: p.
        neurons: w, b and c, of one network.

    Raises:
        InputError: another power, or a batch.

    Examples:
        >>> PowerNetwork.of(2, [1, -2], ["-1/4", 1], [1, "1/3"]).neurons.width
        2
    """

    power: int
    neurons: ShallowNetwork

    def __post_init__(self) -> None:
        if isinstance(self.power, bool) or self.power not in POWERS:
            raise InputError(
                f"power: {self.power!r} is no power whose second derivative is a function and whose energy is derived "
                "here; 2 or 3 would be right"
            )
        if not isinstance(self.neurons, ShallowNetwork) or self.neurons.batch:
            raise InputError("neurons: a beam takes one network, not a batch; a ShallowNetwork without batch is right")

    def ravel(self) -> Any:
        """(3N,) float64: hidden weights, hidden biases, output weights."""
        return self.neurons.ravel()

    @classmethod
    def of(cls, power: int, hidden_weights: Any, hidden_biases: Any, output_weights: Any) -> PowerNetwork:
        """From the three blocks."""
        return cls(power, ShallowNetwork(hidden_weights, hidden_biases, output_weights))


def require_power(network: Any) -> PowerNetwork:
    """A network that a beam takes.

    Raises:
        InputError: another one.
    """
    if not isinstance(network, PowerNetwork):
        raise InputError(
            f"network: the second derivative of a {type(network).__name__} is no function; a PowerNetwork, of ReLU² or "
            "ReLU³, would be right"
        )
    return network


_STATEMENTS: dict[str, dict[str, Any]] = {
    "beam-clamped": {"source": "24", "distance": "x**2*(1-x)**2", "solution": "x**2*(1-x)**2"},
    "beam-supported": {"source": "pi**4*sin(pi*x)", "distance": "x*(1-x)", "solution": "sin(pi*x)"},
    "beam-cantilever": {"source": "24", "distance": "x**2", "solution": "x**4 - 4*x**3 + 6*x**2"},
    "beam-variable": {
        "stiffness": "1 + x",
        "source": "72*x",
        "distance": "x**2*(1-x)**2",
        "solution": "x**2*(1-x)**2",
    },
}
#: Name → `BeamProblem`: clamped, supported, a cantilever, a stiffness that varies.
beams: NamedProblems[BeamProblem] = NamedProblems("named beam", BeamProblem, _STATEMENTS)
