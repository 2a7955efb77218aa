from __future__ import annotations

import pytest
from kinkproof.verify import InputError, RitzProblem
from kinkproof.verify.statement.expressions import parse


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sin2x", "sin(2*x)"),
        ("x^2", "x**2"),
        ("sinx + 1", "sin(x) + 1"),
        ("2x", "2*x"),
        ("4*pi^2*sin(2pix)", "4*pi**2*sin(2*pi*x)"),
        ("sin 2 pi x", "sin(2*pi*x)"),
        ("3(x+1)(x-1)", "3*(x+1)*(x-1)"),
        ("Cos(X)", "cos(x)"),
        ("e^x", "E**x"),
        ("1e-3x", "1e-3*x"),
    ],
)
def test_a_formula_as_written_elsewhere_is_refused_with_the_one_that_is_meant(written: str, meant: str) -> None:
    with pytest.raises(InputError, match="did you mean ") as refused:
        parse(written, "source")
    assert str(refused.value).endswith(f"; did you mean {meant!r}?")
    assert RitzProblem(source=meant).source == parse(meant, "source")


@pytest.mark.parametrize(
    "written", ["y", "__import__('os')", "1/0", "x**2 +", "sin^2(x)", "x" * 150 + "!", "sin" + "1" * 190]
)
def test_no_guess_is_offered_that_cannot_be_read(written: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(written, "source")
    assert "did you mean" not in str(refused.value)
