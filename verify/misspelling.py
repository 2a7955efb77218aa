"""Formulas as people write them elsewhere, turned into the formula that was probably meant: sin2x, x^2, 2 pi x."""

from __future__ import annotations

import re
from collections.abc import Collection

from .choices import nearest

# Atomic: of a long row of digits no other division is tried.
_NUMBER = r"(?>\d+(?:\.\d+)?)"


def mended(text: str, names: Collection[str], functions: Collection[str]) -> str:
    """The text with powers, products and arguments written out; only a guess, to be read before it is offered.

    Args:
        text: that could not be read.
        names: of variables and constants.
        functions: that are known.

    Examples:
        >>> mended("sin2x + x^2", ["x", "pi"], ["sin"]), mended("3pi x Cos(x)", ["x", "pi"], ["cos"])
        ('sin(2*x) + x**2', '3*pi*x*cos(x)')
    """
    known, calls = _any_of(names), _any_of(functions)
    text = re.sub(r"\s*\^\s*", "**", text.strip())
    # A call of a function by nearly its name.
    text = re.sub(r"\b[A-Za-z]\w*(?=\()", lambda m: _meant(m[0], functions), text)
    # A function with its argument stuck to it.
    text = re.sub(rf"\b({calls}) ?((?:{_NUMBER}|{known}| )*(?:{known}))(?![\w(])", r"\1(\2)", text)
    text = re.sub(rf"(?<![\w.])({_NUMBER})(?!e[-+]?\d)(?=[A-Za-z])", r"\1*", text)
    # Names stuck together or in other capitals.
    text = re.sub(r"(?<![\w.])[A-Za-z]+(?!\w*\()", lambda m: _apart(m[0], names, functions), text)
    text = re.sub(r"(?<=\d)(?=\()", "*", text)
    # Side by side means a product.
    return re.sub(r"(?<=[\w)]) +(?=[\w(])|(?<=\))(?=[\w(])", "*", text)


def _any_of(words: Collection[str]) -> str:
    """A pattern for any of them, the longest first."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _meant(name: str, functions: Collection[str]) -> str:
    return name if name in functions else nearest(name, functions) or name


def _apart(word: str, names: Collection[str], functions: Collection[str]) -> str:
    if word in names or word in functions:
        return word
    if re.fullmatch(rf"(?:{_any_of(names)})+", word):
        return "*".join(re.findall(_any_of(names), word))
    return next((n for n in names if n.lower() == word.lower()), word)
