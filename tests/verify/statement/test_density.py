from __future__ import annotations

from typing import Any

import pytest
import sympy
from kinkproof.verify import Density, InputError
from kinkproof.verify.statement.expressions import X


def test_text_and_sympy_say_the_same() -> None:
    u, du, x = sympy.symbols("u du x")
    assert Density("du**2/2 - sin(3*x)*u") == Density(du**2 / 2 - sympy.sin(3 * x) * u)
    assert Density("0.1*u").expression.coeff(sympy.Symbol("u", real=True)) == sympy.Rational(1, 10)
    assert Density("Piecewise((u, x < 1/2), (du, True))").interfaces == (sympy.Rational(1, 2),)
    assert Density("u", distance="abs(x - 1/4)").interfaces == (sympy.Rational(1, 4),)
    assert Density("x").expression == X


@pytest.mark.parametrize(
    ("density", "said"),
    [
        ("v + u", "unknown symbol v; x, u, du, pi and E are known"),
        (sympy.Symbol("w"), "unknown symbol w; x, u, du are known"),
        ("ddu**2", "ddu is a second derivative of u, which is 0 between the kinks"),
        ("d2u_dx2**2", "second derivative"),
        ("u_xx**2 + u", "u_xx is a second derivative"),
        (sympy.Derivative(sympy.Function("u")(X), X, X), "Derivative is a second derivative"),
        ("Max(u, 0)", "not smooth in u or du"),
        ("Piecewise((u, u < 1), (1, True))", "not smooth in u or du"),
        ("__import__('os').system('true')", "is not allowed"),
        ("u.real", "is not allowed"),
        ("du**", "not an expression"),
        (float("nan"), "not a finite number"),
        ([1], "a list; text, a number or SymPy"),
    ],
)
def test_what_is_no_density_is_said_in_one_sentence(density: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        Density(density)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("domain", "said"), [((1, 0), "empty"), (3, "not an interval"), ((0, 1, 2), "not an interval"), ((0, "y"), "y")]
)
def test_what_is_no_domain_is_said(domain: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Density("u", domain=domain)


@pytest.mark.parametrize("name", ["distance", "lift"])
def test_a_field_that_would_jump_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: it jumps by 1 at x = 1/2; it must be continuous"):
        Density("u", **{name: "Piecewise((1, x < 1/2), (2, True))"})
    assert Density("u", **{name: "Piecewise((x, x < 1/2), (1 - x, True))"}).interfaces
