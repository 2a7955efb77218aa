"""Eqs. (5)–(9) in two inputs as SymPy derives them, the Dirac term on a line: what the numbers come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import sympy
from sympy.printing.latex import LatexPrinter

from ..line.derivation import Equation
from ..statement.plane import PlaneProblem, X, Y

# One neuron (w, b, c) is followed; all others are the function `others`, affine near its kink line.
WEIGHTS = sympy.symbols("w_i1 w_i2", real=True)
BIAS, OUTPUT = sympy.symbols("b_i c_i", real=True)
PARAMETERS = (*WEIGHTS, BIAS, OUTPUT)
# Where all neurons keep their side the network is a₁x + a₂y + g.
AFFINE = sympy.symbols("a_1 a_2 g", real=True)
# Value and slopes of the other neurons' sum on the line, as numbers are put in.
VALUE, *SLOPES = sympy.symbols("phi s_1 s_2", real=True)

# For each of `DATA`: which argument it is, "0" or "1" where it is that number throughout.
Data = tuple[int | str, ...]
# What the numbers are made of: the data, and slopes of D and the lift ℓ.
DATA = ("kappa11", "kappa12", "kappa22", "f", "D", "ell", "D_x", "D_y", "ell_x", "ell_y")
_NAMES = ("kappa11", "kappa12", "kappa22", "f", "D", "ell")
_K11, _K12, _K22, _SOURCE, _DISTANCE, _LIFT = (sympy.Function(n, real=True)(X, Y) for n in _NAMES)
_OTHERS = sympy.Function("r", real=True)(X, Y)
_PREACTIVATION = WEIGHTS[0] * X + WEIGHTS[1] * Y + BIAS


class PlaneEquation(Equation):
    """One derived equation in two inputs."""

    def latex(self) -> str:
        """The equation as LaTeX mathematics, without its number."""
        return f"{self.left} = {_Printer().doprint(self.right)}"


@dataclass(frozen=True)
class PlaneDerivation:
    """The derived quantities for one neuron with parameters w₁, w₂, b, c; SymPy expressions in x and y.

    Attributes:
        problem: whose data stand behind κ, f, D and the lift ℓ.
        field: the ansatz û.
        spatial_gradient: û_x and û_y, Eq. (6).
        parameter_gradients: ∂û/∂θ for w₁, w₂, b, c, Eq. (7).
        mixed_gradients: of û_x and û_y, ∂/∂θ each, Eq. (8).
        activation_derivatives: σ′ and σ″, Eq. (9).
        energy_gradients: the integrand of ∂Π/∂θ, Eq. (5).
        dirac_terms: what its Dirac part is on the line z = 0, per ds.
        second: A_rs, the second derivatives of the density in (a₁, a₂, g), where the network is a₁x + a₂y + g.
        first: its first derivatives where a and g are 0.
        constant: the density there.
        line: of the Dirac term of b over c, where the others are a₁x + a₂y + g: coefficients of w₁ and w₂, each of
            a₁, a₂, g and 1; per dt = ds/|w|.
    """

    problem: PlaneProblem
    field: Any
    spatial_gradient: tuple[Any, Any]
    parameter_gradients: tuple[Any, ...]
    mixed_gradients: tuple[tuple[Any, ...], tuple[Any, ...]]
    activation_derivatives: tuple[Any, Any]
    energy_gradients: tuple[Any, ...]
    dirac_terms: tuple[Any, ...]
    second: Any
    first: tuple[Any, ...]
    constant: Any
    line: Any

    def equations(self) -> tuple[PlaneEquation, ...]:
        """Eqs. (5)–(9) in the paper's order, then the sifted line terms."""
        names = ("w_{i1}", "w_{i2}", "b_i", "c_i")
        out = [
            PlaneEquation("5", rf"\partial \Pi / \partial {n}", _Integral(e))
            for n, e in zip(names, map(sympy.factor_terms, self.energy_gradients), strict=True)
        ]
        out += [
            PlaneEquation("6", rf"\hat{{u}}_{s}", e) for s, e in zip(("x", "y"), self.spatial_gradient, strict=True)
        ]
        pairs = zip(names, self.parameter_gradients, strict=True)
        out += [PlaneEquation("7", rf"\partial \hat{{u}} / \partial {n}", e) for n, e in pairs]
        for s, family in zip(("x", "y"), self.mixed_gradients, strict=True):
            out += [
                PlaneEquation("8", rf"\partial \hat{{u}}_{s} / \partial {n}", e)
                for n, e in zip(names, family, strict=True)
            ]
        first, second = self.activation_derivatives
        out += [PlaneEquation("9", r"\sigma'(z_i)", first), PlaneEquation("9", r"\sigma''(z_i)", second)]
        return (
            *out,
            *(
                PlaneEquation("sifted", rf"\left(\partial \Pi / \partial {n}\right)_{{Dirac}}", _LineIntegral(e))
                for n, e in zip(names, self.dirac_terms, strict=True)
            ),
        )

    def latex(self) -> str:
        """All equations as one LaTeX `align` environment, tagged with their numbers in the paper."""
        equations, lines = self.equations(), []
        for e in equations:
            family = [k for k in equations if k.number == e.number]
            suffix = f"{'' if e.number.isdigit() else ' '}{'abcdefgh'[family.index(e)]}"
            lines.append(rf"{e.latex().replace(' = ', ' &= ', 1)} \tag{{{e.number}{suffix}}}")
        return "\\begin{align}\n" + " \\\\\n".join(lines) + "\n\\end{align}\n"

    def specialise(self, expression: Any) -> Any:
        """Put the problem's κ, f, D and lift into a derived expression."""
        (k11, k12), (_, k22) = self.problem.coefficient
        data = (k11, k12, k22, self.problem.source, self.problem.distance, self.problem.lift)
        names = (_K11, _K12, _K22, _SOURCE, _DISTANCE, _LIFT)
        return sympy.sympify(expression).subs(dict(zip(names, data, strict=True)), simultaneous=True).doit()


@cache
def areal_functions(known: Data) -> Callable[..., Any]:
    """x, y and data → the six A_rs (r ≤ s), three A_r, and twice the constant; of numbers or arrays of any kind."""
    found = _derive()
    six = [found["second"][r][s] for r in range(3) for s in range(r, 3)]
    return _in_data([*six, *found["first"], sympy.expand(2 * found["constant"])], known)


@cache
def line_functions(known: Data) -> Callable[..., Any]:
    """x, y and data → the four of w₁ and the four of w₂, see `PlaneDerivation.line`."""
    return _in_data([e for row in _derive()["line"] for e in row], known)


def _in_data(expressions: list[Any], known: Data) -> Callable[..., Any]:
    heads = (_K11, _K12, _K22, _SOURCE, _DISTANCE, _LIFT)
    slopes = [sympy.Derivative(e, s) for e in (_DISTANCE, _LIFT) for s in (X, Y)]
    count = 1 + max((k for k in known if isinstance(k, int)), default=-1)
    symbols = sympy.symbols(f"d:{count}", real=True)
    values = [symbols[k] if isinstance(k, int) else sympy.Integer(k) for k in known]
    put = dict(zip((*slopes, *heads), (*values[6:], *values[:6]), strict=True))
    # Slopes first: D is in them. Only sums and products are left, which all kinds of numbers have.
    bare = [sympy.sympify(e).xreplace(put) for e in expressions]
    function: Callable[..., Any] = sympy.lambdify((X, Y, *symbols), bare, [], cse=True)
    return function


def derive_plane(problem: PlaneProblem) -> PlaneDerivation:
    """Differentiate the ansatz with SymPy into Eqs. (5)–(9), then sift the Dirac terms: `derive` in two inputs."""
    return PlaneDerivation(problem, **_derive() | {"dirac_terms": _on_the_line()})


@cache
def _on_the_line() -> tuple[Any, ...]:
    """The sifted terms, factored to be read, which takes a third of a second; δ(w₁x + w₂y + b) carries 1/|w|."""
    return tuple(sympy.factor(e) / sympy.sqrt(WEIGHTS[0] ** 2 + WEIGHTS[1] ** 2) for e in _derive()["dirac_terms"])


@cache
def _derive() -> dict[str, Any]:
    """The same for every problem: the data enter as functions of x and y."""
    activation = sympy.Max(0, _PREACTIVATION)
    field = _LIFT + _DISTANCE * (_OTHERS + OUTPUT * activation)
    slopes = (sympy.diff(field, X), sympy.diff(field, Y))
    first = sympy.diff(activation, BIAS)
    energy = tuple(sympy.diff(_density(field), p) for p in PARAMETERS)
    sifted = tuple(_sift(e) for e in energy)
    a1, a2, g = AFFINE
    here = sympy.expand(_density(_LIFT + _DISTANCE * (a1 * X + a2 * Y + g)))
    still = dict.fromkeys(AFFINE, 0)
    on_line = sympy.expand(sympy.expand(sifted[2] / OUTPUT).subs(OUTPUT, 0))
    on_line = sympy.expand(on_line.subs({VALUE: a1 * X + a2 * Y + g, SLOPES[0]: a1, SLOPES[1]: a2}))
    return {
        "field": field,
        "spatial_gradient": slopes,
        "parameter_gradients": tuple(sympy.diff(field, p) for p in PARAMETERS),
        "mixed_gradients": tuple(tuple(sympy.diff(s, p) for p in PARAMETERS) for s in slopes),
        "activation_derivatives": (first, sympy.diff(first, BIAS)),
        "energy_gradients": energy,
        "dirac_terms": sifted,
        "second": tuple(tuple(sympy.diff(here, p, q) for q in AFFINE) for p in AFFINE),
        "first": tuple(sympy.diff(here, p).subs(still) for p in AFFINE),
        "constant": here.subs(still),
        "line": tuple(
            (*tuple(on_line.coeff(w).coeff(p).subs(still) for p in AFFINE), on_line.coeff(w).subs(still))
            for w in WEIGHTS
        ),
    }


def _density(field: Any) -> Any:
    """½∇u·κ∇u − f u."""
    p, q = sympy.diff(field, X), sympy.diff(field, Y)
    return (_K11 * p**2 + 2 * _K12 * p * q + _K22 * q**2) / 2 - _SOURCE * field


def _sift(integrand: Any) -> Any:
    """∫ of the Dirac part across the line times |w|, as a function on it.

    δ·Hⁿ of one argument integrates to 1/(n + 1), by the chain rule for Hⁿ⁺¹; SymPy's own product rule is not used.
    """
    integrand = sympy.expand(integrand)
    (step,) = integrand.atoms(sympy.Heaviside) or {sympy.Symbol("no_step")}
    deltas = integrand.atoms(sympy.DiracDelta)
    if not deltas:
        return sympy.Integer(0)
    (delta,) = deltas
    weight = integrand.coeff(delta).subs(sympy.Max(0, _PREACTIVATION), 0)
    slopes = dict(zip((sympy.Derivative(_OTHERS, X), sympy.Derivative(_OTHERS, Y)), SLOPES, strict=True))
    weight = weight.subs(slopes).subs(_OTHERS, VALUE)
    return sum(c / (n + 1) for (n,), c in sympy.Poly(weight, step).terms())


class _Integral(sympy.Expr):  # type: ignore[misc]  # SymPy has no type information
    """∫ (…) dA for printing only; nothing evaluates it."""


class _LineIntegral(sympy.Expr):  # type: ignore[misc]  # SymPy has no type information
    """∫ (…) ds over the kink line, likewise."""


class _Printer(LatexPrinter):  # type: ignore[misc]  # SymPy has no type information
    """LaTeX as the paper writes it: σ, H and δ of zᵢ, functions without arguments, derivatives as indices."""

    _names: ClassVar = {
        "kappa11": r"\kappa_{11}",
        "kappa12": r"\kappa_{12}",
        "kappa22": r"\kappa_{22}",
        "ell": r"\ell",
        "r": "r_i",
    }
    _symbols: ClassVar = {WEIGHTS[0]: "w_{i1}", WEIGHTS[1]: "w_{i2}", VALUE: "r_i", SLOPES[0]: "r_{i,x}"}

    def _print__Integral(self, expr: Any) -> str:
        return rf"\int_\Omega \left( {self._print(expr.args[0])} \right) dA"

    def _print__LineIntegral(self, expr: Any) -> str:
        return "0" if expr.args[0] == 0 else rf"\int_{{z_i = 0}} {self._print(expr.args[0])} \, ds"

    def _print_AppliedUndef(self, expr: Any, exp: str | None = None) -> str:
        name = self._names.get(str(expr.func.__name__), str(expr.func.__name__))
        return name if exp is None else f"{name}^{{{exp}}}"

    _print_Function = _print_AppliedUndef

    def _print_Derivative(self, expr: Any) -> str:
        name = self._names.get(expr.expr.func.__name__, expr.expr.func.__name__)
        index = "".join(str(s) * int(n) for s, n in expr.variable_count)
        return f"r_{{i,{index}}}" if name == "r_i" else f"{name}_{{,{index}}}"

    def _print_Max(self, expr: Any, exp: str | None = None) -> str:
        return r"\sigma(z_i)" if exp is None else rf"\sigma(z_i)^{{{exp}}}"

    def _print_Heaviside(self, expr: Any, exp: str | None = None) -> str:
        return "H(z_i)" if exp is None else f"H(z_i)^{{{exp}}}"

    def _print_DiracDelta(self, expr: Any, exp: str | None = None) -> str:
        return r"\delta(z_i)" if exp is None else rf"\delta(z_i)^{{{exp}}}"

    def _print_Symbol(self, expr: Any) -> str:
        return self._symbols.get(expr) or ("r_{i,y}" if expr is SLOPES[1] else str(super()._print_Symbol(expr)))
