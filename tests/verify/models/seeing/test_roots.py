from __future__ import annotations

import torch
from kinkproof.verify.models.seeing.roots import bracketed_roots


def test_roots_of_many_functions_at_once_to_rounding() -> None:
    # Smooth, a cubic with a triple root, a pole-like front, one that is linear, a root at an end of the bracket.
    roots = torch.tensor([0.3, 0.7, 0.1234, 0.9, 1.0], dtype=torch.float64)
    calls = 0

    def function(x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        away = x - roots
        shapes = [torch.exp(away[0]) - 1, away[1] ** 3, torch.tanh(1e6 * away[2]), away[3], away[4]]
        return torch.stack(shapes)

    low, high = torch.zeros_like(roots), torch.full_like(roots, 1.5)
    found = bracketed_roots(function, low, high, function(low), function(high), torch.finfo(torch.float64).eps)
    # A triple root is known to the cube root of the smallest number only; the bracket closes all the same.
    torch.testing.assert_close(found, roots, rtol=0, atol=1e-15)
    assert calls < 80


def test_nothing_to_do() -> None:
    nothing = torch.zeros(0, dtype=torch.float64)
    assert len(bracketed_roots(lambda x: x, nothing, nothing, nothing, nothing, 1e-16)) == 0
