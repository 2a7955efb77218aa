"""Exact comparison of a rational number with a number that SymPy knows exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy


def compare(value: Fraction, other: Any) -> int:
    """Sign of value − other for a Fraction and an exact number (Fraction, int or SymPy, also irrational)."""
    if isinstance(other, sympy.Basic):
        if not isinstance(other, sympy.Rational):
            return int(sympy.sign(sympy.N(sympy.Rational(value.numerator, value.denominator) - other, 60)))
        other = Fraction(int(other.p), int(other.q))
    return int(value > other) - int(value < other)
