"""The Dirac term of fourth order as SymPy derives it: what the numbers come from, and what LaTeX shows.

(max(0, z)²)″ is a step and its derivative by the bias a delta: what u′ did for ReLU, u″ does for ReLU². For ReLU³
u″ bends at a kink but does not jump, and no delta is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import sympy

from ..statement.expressions import X
from ..values import Value

WEIGHT, BIAS, OUTPUT = sympy.symbols("w_i b_i c_i", real=True)
PARAMETERS = {"hidden_weights": WEIGHT, "hidden_biases": BIAS, "output_weights": OUTPUT}
# The other neurons' sum at the kink, its slope and its curvature, as numbers are put in.
VALUE, SLOPE, BEND = sympy.symbols("r r' r''", real=True)
STIFFNESS, SOURCE, DISTANCE, LIFT = (sympy.Function(n, real=True)(X) for n in ("EI", "f", "D", "ell"))
_OTHERS = sympy.Function("r", real=True)(X)
_Z = WEIGHT * X + BIAS


@dataclass(frozen=True, eq=False)
class BeamDerivation(Value):
    """The derived quantities for one neuron c·max(0, wx + b)ᵖ times D; all SymPy expressions in `X`.

    Attributes:
        power: p.
        curvature: û″, the others' part included.
        mixed_curvatures: ∂û″/∂θ, by block; deltas for p = 2.
        dirac_terms: the integral of the Dirac part of ∂Π/∂θ, by block: at x = ξ, with VALUE, SLOPE and BEND for the
            other neurons.
        density: powers (j, k) of two coefficients of N = Σ pₖ xᵏ, (k,) of one and () of none → factor in the energy
            density of a piece between kinks.
    """

    power: int
    curvature: Any
    mixed_curvatures: Mapping[str, Any]
    dirac_terms: Mapping[str, Any]
    density: Mapping[tuple[int, ...], Any]

    def latex(self) -> str:
        """The sifted Dirac terms as LaTeX, a line for each block."""
        symbol = {"hidden_weights": "w_i", "hidden_biases": "b_i", "output_weights": "c_i"}
        plain = {STIFFNESS: "EI", DISTANCE: "D", LIFT: r"\ell", X: "x"}
        lines = []
        for name, term in self.dirac_terms.items():
            named = {f: sympy.Symbol(n) for f, n in plain.items() if f is not X}
            marks = {sympy.Derivative(f, (X, k)): sympy.Symbol(plain[f] + "'" * k) for f in named for k in (1, 2)}
            text = sympy.latex(term.subs(marks).subs(named))
            lines.append(rf"\left(\partial \Pi / \partial {symbol[name]}\right)_{{Dirac}} = {text}")
        return "\n".join(lines)


@cache
def derive_beam(power: int) -> BeamDerivation:
    """Differentiate the ansatz with SymPy twice by x and once by each parameter, then sift.

    Examples:
        >>> derive_beam(3).dirac_terms["hidden_biases"]
        0
    """
    slope = _reduced(sympy.diff(LIFT + DISTANCE * (_OTHERS + OUTPUT * sympy.Max(0, _Z) ** power), X))
    curvature = _reduced(sympy.diff(slope, X))
    mixed = {n: sympy.diff(curvature, p) for n, p in PARAMETERS.items()}
    coefficients = sympy.symbols(f"p:{power + 1}", real=True)
    network = sum(p * X**k for k, p in enumerate(coefficients))
    field = LIFT + DISTANCE * network
    density = STIFFNESS * sympy.diff(field, X, 2) ** 2 / 2 - SOURCE * field
    polynomial = sympy.Poly(sympy.expand(density), *coefficients)
    powers = [*combinations_with_replacement(range(power + 1), 2), *((k,) for k in range(power + 1)), ()]
    return BeamDerivation(
        power,
        curvature,
        mixed,
        {n: _sifted(STIFFNESS * curvature * m) for n, m in mixed.items()},
        {q: polynomial.coeff_monomial(sympy.prod([coefficients[k] for k in q])) for q in powers},
    )


def _reduced(expression: Any) -> Any:
    """Products of max(0, z), its step and its delta as one of them: H² = H, max(0, z)H = max(0, z)."""
    step, ramp = sympy.Heaviside(_Z), sympy.Max(0, _Z)
    out = sympy.Integer(0)
    for term in sympy.Add.make_args(sympy.expand(expression)):
        powers = term.as_powers_dict()
        steps = powers.get(step, 0)
        if steps and powers.get(ramp, 0):
            term = term / step**steps
        elif steps > 1:
            term = term / step ** (steps - 1)
        out += term
    return out


def _sifted(integrand: Any) -> Any:
    """∫ of the Dirac part over a neighbourhood of the kink: a product δ·Hⁿ integrates to 1/(n + 1), δ carries 1/|w|."""
    integrand = sympy.expand(integrand)
    deltas = integrand.atoms(sympy.DiracDelta)
    if not deltas:
        return sympy.Integer(0)
    (delta,) = deltas
    weight = integrand.coeff(delta).subs(sympy.Max(0, _Z), 0)
    for k, symbol in ((2, BEND), (1, SLOPE)):
        weight = weight.subs(sympy.Derivative(_OTHERS, (X, k)), symbol)
    weight = weight.subs(_OTHERS, VALUE)
    terms = sympy.Poly(weight, sympy.Heaviside(_Z)).terms()
    return sympy.factor(sum(c / (n + 1) for (n,), c in terms)) / sympy.Abs(WEIGHT)
