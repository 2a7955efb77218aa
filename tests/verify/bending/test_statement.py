from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kinkproof.verify import BeamProblem, InputError, beams
from kinkproof.verify.bending.derivation import derive_beam


def test_the_minima_of_the_named_beams_are_those_worked_out_by_hand() -> None:
    # At the minimum the energy is −½∫ f u: −½·24/30, −½·π⁴/2, −½·24·(1/5 − 1 + 2).
    assert beams["beam-clamped"].minimum_energy() == pytest.approx(-0.4, rel=1e-15)
    assert beams["beam-supported"].minimum_energy() == pytest.approx(-(np.pi**4) / 4, rel=1e-15)
    assert beams["beam-cantilever"].minimum_energy() == pytest.approx(-14.4, rel=1e-15)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"source": "23"}, "does not solve"),
        ({"distance": "x*(1-x)"}, "EI u″ is off by 2 at x = 0; it must vanish"),
        ({"solution": "x**2*(1-x)**2 + x**3"}, "u is off by 1 at x = 1"),
        ({"solution": "x**2*(1-x)**2 + x - x**2"}, "u′ is off by 1 at x = 0"),
        ({"stiffness": "x - 1/2"}, "it must be positive"),
        ({"distance": "Abs(x - 1/2)"}, "its slope jumps by 2 at x = 1/2"),
        ({"lift": "Piecewise((0, x < 1/2), (1, True))"}, "it jumps by 1"),
        ({"source": "1/x"}, "a pole"),
        ({"domain": (1, 0)}, "is empty"),
        ({"domain": 1}, "no interval|is not an interval"),
    ],
)
def test_bad_statements_are_refused_in_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    good: dict[str, Any] = {"source": "24", "distance": "x**2*(1-x)**2", "solution": "x**2*(1-x)**2"}
    with pytest.raises(InputError, match=sentence):
        BeamProblem(**good | changed)


def test_the_third_derivative_of_relu_squared_is_twice_a_delta() -> None:
    squared, cubed = derive_beam(2), derive_beam(3)
    assert "2*c_i*w_i**2" in str(squared.dirac_terms["hidden_biases"])
    assert squared.dirac_terms["output_weights"] == 0
    assert set(cubed.dirac_terms.values()) == {0}
    text = squared.latex()
    assert text.count("{") == text.count("}")
    assert "D EI" in text
