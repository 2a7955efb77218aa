"""Eqs. (5)–(9) of the paper as SymPy derives them: what the numbers come from, and what LaTeX shows.

Only the ansatz and the energy density are written down here. `Heaviside` and `DiracDelta` appear because SymPy
differentiates max(0, z); no formula below contains them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar

import sympy
from sympy.printing.latex import LatexPrinter

from ..statement.expressions import X
from ..statement.problem import Piece, PointTerm, RitzProblem, require_problem
from ..values import Value

# One neuron (w, b, c) is followed; all others are the function `others`, whose slope is constant near its kink.
WEIGHT, BIAS, OUTPUT = sympy.symbols("w_i b_i c_i", real=True)
PARAMETERS = {"hidden_weights": WEIGHT, "hidden_biases": BIAS, "output_weights": OUTPUT}
# On a piece between two kinks the network is slope·x + intercept.
SLOPE, INTERCEPT = sympy.symbols("a g", real=True)
# Value and slope of the other neurons' sum at the kink, as numbers are put in.
VALUE, OTHER_SLOPE = sympy.symbols("phi s", real=True)
# Powers of (slope, intercept) in the energy density of one piece.
POWERS = ((2, 0), (1, 1), (0, 2), (1, 0), (0, 1), (0, 0))

_KAPPA, _REACTION, _SOURCE, _DISTANCE, _LIFT, OTHERS = (
    sympy.Function(n, real=True)(X) for n in ("kappa", "rho", "f", "D", "ell", "r")
)
_PREACTIVATION = WEIGHT * X + BIAS
# For printing û, û′ and the difference of û between periodic ends as one letter each.
_FIELD, _GRADIENT, _APART = map(sympy.Symbol, (r"\hat{u}", r"\hat{u}'", r"[\hat{u}]"))


@dataclass(frozen=True)
class Equation:
    """One derived equation: its number in the paper, what stands on the left (LaTeX), the SymPy right-hand side."""

    number: str
    left: str
    right: Any

    def latex(self) -> str:
        """The equation as LaTeX mathematics, without its number."""
        return f"{self.left} = {_Printer().doprint(self.right)}"

    def text(self) -> str:
        """The right-hand side as text that SymPy reads: `sympy.sympify` gives it back."""
        return str(self.right)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


@dataclass(frozen=True, eq=False)
class Derivation(Value):
    """The derived quantities for one neuron with parameters w, b, c; all SymPy expressions in `X`.

    Attributes:
        problem: whose data stand behind κ, ρ, f, D and the lift ℓ.
        field: the ansatz û, Eqs. (3), (4).
        spatial_gradient: û′, Eq. (6).
        parameter_gradients: ∂û/∂θ, Eq. (7), by block.
        mixed_gradients: ∂û′/∂θ, Eq. (8), by block.
        activation_derivatives: σ′ and σ″, Eq. (9).
        energy_gradients: the integrand of ∂Π/∂θ, Eq. (5), by block.
        dirac_terms: the integral of its Dirac part, by block: at x = ξ, with VALUE and OTHER_SLOPE for the rest.
        density: powers of (slope, intercept) → coefficient in the energy density of a piece between kinks.
    """

    problem: RitzProblem
    field: Any
    spatial_gradient: Any
    parameter_gradients: Mapping[str, Any]
    mixed_gradients: Mapping[str, Any]
    activation_derivatives: tuple[Any, Any]
    energy_gradients: Mapping[str, Any]
    dirac_terms: Mapping[str, Any]
    density: Mapping[tuple[int, int], Any]

    def equations(self) -> tuple[Equation, ...]:
        """Eqs. (5)–(9) in the paper's order, then the sifted Dirac terms."""
        symbol = {"hidden_weights": "w_i", "hidden_biases": "b_i", "output_weights": "c_i"}
        # Eq. (5) in the paper's form, with what the energy has at free ends and loads; `energy_gradients` holds the
        # integrand multiplied out (a test compares the two).
        pulled = 0 if self.problem.reaction == 0 else _REACTION * _FIELD
        left, right = (self.field.subs(X, e) for e in self.problem.domain)
        out = [
            Equation(
                "5",
                rf"\partial \Pi / \partial {symbol[n]}",
                _Integral(
                    _KAPPA * _GRADIENT * self.mixed_gradients[n]
                    + pulled * self.parameter_gradients[n]
                    - _SOURCE * self.parameter_gradients[n],
                    self.spatial_gradient,
                    self.field,
                    right - left,
                    *(
                        sympy.Tuple(sign * _pull(e) * self.parameter_gradients[n], place)
                        for e in self.problem.point_terms
                        if (e.pull, e.stiffness) != (0, 0)
                        for sign, place in e.places
                    ),
                ),
            )
            for n in PARAMETERS
        ]
        out.append(Equation("6", r"\hat{u}'", self.spatial_gradient))
        for number, head, family in (
            ("7", r"\hat{u}", self.parameter_gradients),
            ("8", r"\hat{u}'", self.mixed_gradients),
        ):
            out += [Equation(number, rf"\partial {head} / \partial {symbol[n]}", e) for n, e in family.items()]
        first, second = self.activation_derivatives
        out += [Equation("9", r"\sigma'(z_i)", first), Equation("9", r"\sigma''(z_i)", second)]
        out += [
            Equation("sifted", rf"\left(\partial \Pi / \partial {symbol[n]}\right)_{{Dirac}}", e)
            for n, e in self.dirac_terms.items()
        ]
        return tuple(out)

    def latex(self) -> str:
        """All equations as one LaTeX `align` environment, tagged with their numbers in the paper."""
        lines = [
            rf"{e.latex().replace(' = ', ' &= ', 1)} \tag{{{e.number}{_suffix(e, self.equations())}}}"
            for e in self.equations()
        ]
        return "\\begin{align}\n" + " \\\\\n".join(lines) + "\n\\end{align}\n"

    def __repr__(self) -> str:
        return f"<Derivation for {self.problem.name}: {len(self.equations())} equations; .latex() has them>"

    def _repr_latex_(self) -> str:
        return self.latex()

    def specialise(self, expression: Any, piece: Piece) -> Any:
        """Put one smooth piece's κ, f, D and lift into a derived expression."""
        data = (piece.coefficient, piece.source, piece.distance, piece.lift, piece.reaction)
        return _specialised(expression, *data)


def derive(problem: RitzProblem) -> Derivation:
    """Differentiate the network ansatz with SymPy into Eqs. (5)–(9), then sift the Dirac terms.

    Examples:
        >>> from kinkproof.verify import problems
        >>> derive(problems["sine-2"]).activation_derivatives
        (Heaviside(b_i + w_i*x), DiracDelta(b_i + w_i*x))
    """
    require_problem(problem)
    return Derivation(problem, **_derive(problem.reaction != 0))


@cache
def _derive(reacts: bool) -> dict[str, Any]:
    """The same for every problem with, or without, a reaction term: the data enter as functions of x."""
    activation = sympy.Max(0, _PREACTIVATION)
    field = _LIFT + _DISTANCE * (OTHERS + OUTPUT * activation)
    gradient = sympy.diff(field, X)
    parameter = {n: sympy.diff(field, p) for n, p in PARAMETERS.items()}
    mixed = {n: sympy.diff(gradient, p) for n, p in PARAMETERS.items()}
    # σ is a function of z alone; differentiating by the bias is differentiating by z.
    first = sympy.diff(activation, BIAS)
    energy = {n: sympy.diff(_density(field, gradient, reacts), p) for n, p in PARAMETERS.items()}
    affine = _LIFT + _DISTANCE * (SLOPE * X + INTERCEPT)
    polynomial = sympy.Poly(sympy.expand(_density(affine, sympy.diff(affine, X), reacts)), SLOPE, INTERCEPT)
    return {
        "field": field,
        "spatial_gradient": gradient,
        "parameter_gradients": parameter,
        "mixed_gradients": mixed,
        "activation_derivatives": (first, sympy.diff(first, BIAS)),
        "energy_gradients": energy,
        "dirac_terms": {n: sift(e) for n, e in energy.items()},
        "density": {p: polynomial.coeff_monomial(SLOPE ** p[0] * INTERCEPT ** p[1]) for p in POWERS},
    }


@lru_cache(maxsize=2048)
def _specialised(expression: Any, *data: Any) -> Any:
    functions = (_KAPPA, _SOURCE, _DISTANCE, _LIFT, _REACTION)
    return expression.subs(dict(zip(functions, data, strict=True)), simultaneous=True).doit()


def _density(field: Any, gradient: Any, reacts: bool) -> Any:
    """½κu′² − f u, the integrand of Eq. (2), with ½ρu² if it `reacts`."""
    density = _KAPPA * gradient**2 / 2 - _SOURCE * field
    return density + _REACTION * field**2 / 2 if reacts else density


def _pull(term: PointTerm) -> Any:
    """The derivative of a term of the energy at a place by û there, or by the difference between periodic ends."""
    return term.pull + term.stiffness * ((_FIELD if term.opposite is None else _APART) - term.wanted)


def sift(integrand: Any) -> Any:
    """∫ of the Dirac part of an integrand over a neighbourhood of the kink, as a function of X = ξ.

    A product δ·Hⁿ of the same argument integrates to 1/(n + 1), by the chain rule for Hⁿ⁺¹; SymPy's own product
    rule is not used, for it is wrong from n = 2 on. δ(wx + b) carries 1/|w|.
    """
    integrand = sympy.expand(integrand)
    (step,) = integrand.atoms(sympy.Heaviside) or {sympy.Symbol("no_step")}
    deltas = integrand.atoms(sympy.DiracDelta)
    if not deltas:
        return sympy.Integer(0)
    (delta,) = deltas
    weight = integrand.coeff(delta).subs(sympy.Max(0, _PREACTIVATION), 0)
    weight = weight.subs({sympy.Derivative(OTHERS, X): OTHER_SLOPE}).subs({OTHERS: VALUE})
    sifted = sum(c / (n + 1) for (n,), c in sympy.Poly(weight, step).terms())
    return sympy.factor(sifted) / sympy.Abs(WEIGHT)


class _Integral(sympy.Expr):  # type: ignore[misc]  # SymPy has no type information
    """∫ (…) dx and terms at places, for printing only, with what û′ and û in them stand for; nothing evaluates it."""

    def _sympystr(self, printer: Any) -> str:
        integrand, gradient, field, apart, *places = self.args
        whole = sympy.Integral(integrand.subs({_GRADIENT: gradient, _FIELD: field}), X)
        at_places = [sympy.Subs(term.subs({_FIELD: field, _APART: apart}), X, place) for term, place in places]
        return str(printer.doprint(sympy.Add(whole, *at_places)))


class _Printer(LatexPrinter):  # type: ignore[misc]  # SymPy has no type information
    """LaTeX as the paper writes it: σ, H and δ of zᵢ, primes for derivatives, functions without their argument."""

    _names: ClassVar = {"kappa": r"\kappa", "rho": r"\rho", "ell": r"\ell", "r": "r_i", "f": "f", "D": "D"}

    def _print__Integral(self, expr: Any) -> str:
        integrand, _, _, _, *places = expr.args
        at_places = [rf" + \left[ {self._print(term)} \right]_{{x = {self._print(place)}}}" for term, place in places]
        return rf"\int \left( {self._print(integrand)} \right) dx" + "".join(at_places)

    def _print_AppliedUndef(self, expr: Any, exp: str | None = None) -> str:
        name = self._names[expr.func.__name__]
        return name if exp is None else f"{name}^{{{exp}}}"

    _print_Function = _print_AppliedUndef

    def _print_Derivative(self, expr: Any) -> str:
        return f"{self._names[expr.expr.func.__name__]}{chr(39) * expr.derivative_count}"

    def _print_Max(self, expr: Any, exp: str | None = None) -> str:
        return r"\sigma(z_i)" if exp is None else rf"\sigma(z_i)^{{{exp}}}"

    def _print_Heaviside(self, expr: Any, exp: str | None = None) -> str:
        return "H(z_i)" if exp is None else f"H(z_i)^{{{exp}}}"

    def _print_DiracDelta(self, expr: Any, exp: str | None = None) -> str:
        return r"\delta(z_i)" if exp is None else rf"\delta(z_i)^{{{exp}}}"

    def _print_Symbol(self, expr: Any) -> str:
        at_kink = {VALUE: r"r_i", OTHER_SLOPE: "r_i'"}
        return at_kink.get(expr) or ("x" if expr is X else str(super()._print_Symbol(expr)))


def _suffix(equation: Equation, equations: tuple[Equation, ...]) -> str:
    """a, b, c where the paper gives one number to several lines; LaTeX refuses a tag given twice."""
    family = [e for e in equations if e.number == equation.number]
    return "" if len(family) == 1 else f"{'' if equation.number.isdigit() else ' '}{'abc'[family.index(equation)]}"
