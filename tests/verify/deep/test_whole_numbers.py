from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from kinkproof.verify.deep import whole_numbers
from kinkproof.verify.deep.regions import _common
from kinkproof.verify.deep.whole_numbers import product


def numbers(shape: tuple[int, int], bits: int, seed: int) -> np.ndarray:
    generator = random.Random(seed)
    out = np.empty(shape, dtype=object)
    # Of all signs and lengths, powers of two and their neighbours among them: there words are carried over.
    for index in np.ndindex(shape):
        size = generator.getrandbits(generator.randint(1, bits))
        power = 2 ** generator.randint(0, bits) + generator.choice((-1, 0, 1))
        out[index] = generator.choice((size, -size, power, -power, 0))
    return out


@pytest.mark.parametrize("bits", [(1, 1), (15, 16), (17, 31), (65, 200), (1, 700)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (16, 16, 20)])
def test_products_are_those_of_pythons_own_numbers(
    shape: tuple[int, int, int], bits: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    n, m, r = shape
    left, right = numbers((n, m), bits[0], 0), numbers((m, r), bits[1], 1)
    monkeypatch.setattr(whole_numbers, "_MANY", 0)
    monkeypatch.setattr(whole_numbers, "_OFTEN", 0)
    found = product(left, right)
    assert (found == left @ right).all()
    assert all(type(v) is int for v in found.flat)


def test_the_largest_words_are_added_up_without_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    # All words 2¹⁶ − 1, or the most negative number: the sums come nearest to what float64 holds exactly.
    monkeypatch.setattr(whole_numbers, "_MANY", 0)
    for value in (2**159 - 1, -(2**159)):
        left, right = np.full((2, 3000), value, dtype=object), np.full((3000, 9), value, dtype=object)
        assert (product(left, right) == 3000 * value**2).all()


def test_floats_are_taken_for_the_fractions_that_they_are() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=40) * 10.0 ** generator.integers(-300, 300, 40)
    values = np.concatenate([values, [0.0, -0.0, 1.0, 2.0**60, 5e-324, -1.7e308]]).reshape(2, -1)
    numerators, denominator = _common(values)
    for numerator, value in zip(numerators.flat, values.flat, strict=True):
        assert Fraction(numerator, denominator) == Fraction(float(value))
