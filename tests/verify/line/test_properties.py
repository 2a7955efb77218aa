"""Properties over inputs that nobody chose."""

from __future__ import annotations

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from kinkproof.verify import InputError, NondifferentiableError, ShallowNetwork, exact_gradient, problems
from kinkproof.verify.line.crosscheck import agreement, pattern_gradient
from kinkproof.verify.statement.expressions import X, parse

# Derandomised: the same examples on every machine. No deadline: SymPy's first call of anything is slow.
SETTINGS = settings(derandomize=True, deadline=None, max_examples=150)
PIECES = st.sampled_from([*"x+-*/()<>=.,: '[]{}_0129", "pi", "sin", "Max", "Piecewise", "True", "**", "eval", "1e9"])


@SETTINGS
@given(st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_an_expression_in_x_or_one_sentence(text: str) -> None:
    try:
        expression = parse(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(expression, sympy.Expr)
        assert expression.free_symbols <= {X}


# Few small fractions, so that kinks meet each other, the ends and the interface often.
FRACTIONS = st.fractions(min_value=-2, max_value=2, max_denominator=4)


@pytest.mark.slow
@SETTINGS
@given(
    st.sampled_from(["sine-2", "two-materials", "natural", "penalised-ends", "foundation", "periodic"]),
    st.lists(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS), min_size=1, max_size=4),
)
def test_a_gradient_is_refused_or_that_of_the_activation_pattern(name: str, neurons: list[tuple[object, ...]]) -> None:
    network = ShallowNetwork(*(list(block) for block in zip(*neurons, strict=True)))
    try:
        found = exact_gradient(problems[name], network, digits=50).total.ravel()
    except NondifferentiableError as error:
        assert error.left is not None
        assert error.degeneracies
        return
    reference = pattern_gradient(problems[name], network)
    assert reference is not None
    assert agreement(found, reference, ("distributions", "activation pattern")).passed
