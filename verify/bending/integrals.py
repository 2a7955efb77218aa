"""The integrals that every energy of a beam is made of: the density's coefficients, from the left end to any place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ..line.integration import antiderivative, end_to_end_integral, trusted
from ..statement.expressions import X, to_mpf
from .derivation import DISTANCE, LIFT, SOURCE, STIFFNESS, derive_beam
from .statement import BeamProblem, Stretch

Array = NDArray[Any]


def specialise(expression: Any, stretch: Stretch) -> Any:
    """Put one smooth stretch's EI, f, D and lift into a derived expression."""
    data = {STIFFNESS: stretch.stiffness, SOURCE: stretch.source, DISTANCE: stretch.distance, LIFT: stretch.lift}
    return expression.subs(data, simultaneous=True).doit()


@dataclass(frozen=True)
class BeamIntegrals:
    """Running integrals of the density's coefficients, in the order of `BeamDerivation.density`, in mpmath's numbers.

    Attributes:
        problem: whose they are.
        densities: of each stretch, (R,) each.
        antiderivatives: SymPy's, or None where it has none that holds: then mpmath integrates.
    """

    problem: BeamProblem
    densities: tuple[tuple[sympy.Expr, ...], ...]
    antiderivatives: tuple[tuple[sympy.Expr | None, ...], ...]

    @property
    def route(self) -> str:
        """ "antiderivative" if SymPy's closed forms serve throughout, else "quadrature"."""
        return "quadrature" if any(None in row for row in self.antiderivatives) else "antiderivative"

    def between(self, marks: Sequence[Any]) -> Array:
        """∫ over the pieces between ascending marks, (R, len(marks) − 1), at mpmath's precision."""
        return np.asarray(np.diff(sum(self._upto(k, marks) for k in range(len(self.densities))), axis=-1))

    def _upto(self, k: int, marks: Sequence[Any]) -> Array:
        """From the left end to each mark, the share of one stretch, (R, len(marks))."""
        stretch = self.problem.stretches[k]
        left, right = to_mpf(stretch.left), to_mpf(stretch.right)
        places = [min(max(m, left), right) for m in marks]
        out = np.full((len(self.densities[k]), len(marks)), mpmath.mpf(0), dtype=object)
        for row, density, integral in zip(out, self.densities[k], self.antiderivatives[k], strict=True):
            if density == 0:
                continue
            function = _of_mpmath(density if integral is None else integral)
            if integral is not None:
                row += np.array([function(p) - function(left) for p in places], dtype=object)
            else:
                parts = [
                    mpmath.quad(function, [a, b]) if a < b else mpmath.mpf(0)
                    for a, b in zip([left, *places], places, strict=False)
                ]
                row += np.cumsum(parts)
        return out


@lru_cache(maxsize=512)
def _of_mpmath(expression: sympy.Expr) -> Callable[[Any], Any]:
    """A function of x in mpmath's numbers; compiled once."""
    return sympy.lambdify(X, expression, "mpmath")  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def beam_integrals(problem: BeamProblem, power: int) -> BeamIntegrals:
    """Integrate the density's coefficients; once per problem and power, then from memory."""
    densities, integrals = [], []
    for stretch in problem.stretches:
        row = tuple(specialise(e, stretch) for e in derive_beam(power).density.values())
        densities.append(row)
        integrals.append(tuple(_antiderivative(e, stretch) for e in row))
    return BeamIntegrals(problem, tuple(densities), tuple(integrals))


def _antiderivative(density: sympy.Expr, stretch: Stretch) -> sympy.Expr | None:
    """SymPy's where it holds: of a polynomial always, else where float64 quadrature says the same."""
    integral = antiderivative(density)
    if density.is_polynomial(X):
        return integral
    reference = end_to_end_integral(density, stretch.left, stretch.right)
    return integral if trusted(integral, density, float(stretch.left), float(stretch.right), reference) else None
