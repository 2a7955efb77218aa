from __future__ import annotations

import numpy as np
import pytest
import torch
from kinkproof.solver.data.antiderivatives import Rows, table
from kinkproof.verify import InputError
from numpy.typing import NDArray

Array = NDArray[np.float64]


def test_integrals_and_values_are_exact_to_rounding() -> None:
    made = table([(0.0, 2.0, Rows(lambda x: np.stack([np.cos(9 * x), x**3, np.exp(x)])))], 2)
    x = torch.linspace(0, 2, 1001, dtype=torch.float64)
    expected = torch.stack([torch.sin(9 * x) / 9, x**4 / 4, torch.exp(x)])
    torch.testing.assert_close(made(x), expected, rtol=1e-14, atol=1e-14)


def test_a_coarser_tail_would_have_been_noticed() -> None:
    # The same with a function that needs more than one cell: without halving the error is far above rounding.
    made = table([(0.0, 1.0, Rows(lambda x: np.sin(40 * x)[None]))], 1)
    assert len(made.centre) > 30


def test_pieces_join_and_a_singular_end_keeps_its_digits() -> None:
    pieces = [(0.0, 0.5, Rows(lambda x: x[None] ** -0.3)), (0.5, 1.0, Rows(lambda x: 10 + 0 * x[None]))]
    made = table(pieces, 1)
    x = torch.tensor([0.0, 1e-12, 1e-3, 0.5, 0.75, 1.0], dtype=torch.float64)
    expected = torch.where(x < 0.5, x**0.7 / 0.7, 0.5**0.7 / 0.7 + 10 * (x - 0.5))
    # Next to a singular end the innermost cell leaves 2⁻⁵⁶ of the integral.
    torch.testing.assert_close(made(x)[0], expected, rtol=1e-13, atol=1e-14)


def test_what_oscillates_too_fast_is_refused() -> None:
    with pytest.raises(InputError, match="oscillate too fast"):
        table([(0.0, 1.0, Rows(lambda x: np.sin(1e7 * x)[None]))], 1, "wild")


def test_terms_of_a_polynomial_that_cancel_are_no_oscillation() -> None:
    # A row of a steep table: rounding of 1e6·x is never below that of what is left, however short the cell.
    def steep(x: Array) -> Array:
        return np.asarray((1e6 * x - 500000.0)[None])

    left, right = 0.5, 0.5001
    made = table([(left, right, Rows(steep, polynomial=True))], 0)
    assert len(made.centre) == 1
    x = torch.linspace(left, right, 11, dtype=torch.float64)
    # Some roundings of 5e5.
    torch.testing.assert_close(made(x)[0], torch.from_numpy(steep(x.numpy())[0]), rtol=0, atol=1e-9)
    with pytest.raises(InputError, match="oscillate too fast"):
        table([(left, right, Rows(steep))], 0)
