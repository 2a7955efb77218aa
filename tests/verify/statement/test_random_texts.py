"""Whatever is typed as an expression is read or refused in one sentence; nothing is run, nothing hangs."""

from __future__ import annotations

import builtins
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import sympy
from kinkproof.verify import InputError
from kinkproof.verify.statement.expressions import parse

NAMES = "sin cos tan sec csc cot asin acos atan sinh cosh tanh asinh acosh atanh exp log ln sqrt sign erf Abs abs"
# `tripwire` is called by whatever runs a text.
ATOMS = [
    *["x", "y", "pi", "E", "0", "1", "2", "7", "1/2", "0.1", "1e3", "1e-3", "1e999", "0x10", "0b1", "1_0", "1j"],
    *["True", "False", "None", "nan", "oo", "I", "sin", "Piecewise", "9" * 40, "''", "'tripwire()'", "tripwire"],
    *["tripwire()", "x.tripwire()", "f'{tripwire()}'", "__import__('os')", "()", "[x]", "{}", "...", "*x", "x:=1"],
]
OPERATORS = ["+", "-", "*", "/", "**", "**", "//", "%", "@", "&"]
# No hang: a text takes about a millisecond, this is seconds of the processor, whatever else the machine does.
PATIENCE = 20


def random_text(draw: random.Random, depth: int = 4) -> str:
    """Mostly well-formed, with every kind of thing in every kind of place."""

    def inner() -> str:
        return random_text(draw, depth - 1)

    if depth == 0 or draw.random() < 0.15:
        return draw.choice(ATOMS if draw.random() < 0.5 else ATOMS[:10])
    kind = draw.randrange(10)
    if kind < 3:
        return f"({inner()}){draw.choice(OPERATORS[: draw.choice([6, 6, 10])])}({inner()})"
    if kind < 5:
        return f"{draw.choice(NAMES.split())}({inner()})"
    if kind == 5:
        return f"{draw.choice(['Max', 'Min', *NAMES.split()])}({', '.join(inner() for _ in range(draw.randrange(4)))})"
    if kind == 6:
        signs = ["<", "<=", ">", ">=", "==", "!=", " in ", " and "][: draw.choice([4, 8])]
        return f"({inner()}{draw.choice(signs)}{inner()})"
    if kind == 7:
        branches = [f"({inner()}, {draw.choice([inner(), 'x < 1/2', 'True'])})" for _ in range(draw.randrange(3))]
        return f"Piecewise({', '.join(branches)})"
    if kind == 8:
        return f"{draw.choice(['-', '+', '~', 'not '])}{inner()}"
    # Damage: a character goes, comes or changes.
    text = inner()
    k = draw.randrange(len(text) + 1)
    return text[:k] + draw.choice(["", "(", ")", ",", "\0", "\n", " ", "é", "\ud800", ".", "e9", "**"]) + text[k + 1 :]


class Hung(Exception):
    pass


@contextmanager
def tripwire() -> Iterator[list[object]]:
    """Calls of the builtin `tripwire`; and the end of a text that takes the processor for too long."""
    calls: list[object] = []

    def stop(*_: object) -> None:
        raise Hung

    builtins.tripwire = lambda *a: calls.append(a)  # type: ignore[attr-defined]
    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        yield calls
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        del builtins.tripwire  # type: ignore[attr-defined]


def check(texts: int, seed: int, read: Callable[[str], object] = parse) -> tuple[int, int]:
    """How many were read and refused; fails at the first that is neither."""
    draw, done, refused = random.Random(seed), 0, 0
    with tripwire() as calls:
        for _ in range(texts):
            text = random_text(draw)
            signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
            try:
                found = read(text)
            except Exception as error:
                found = error
            assert not calls, text
            if isinstance(found, InputError):
                message = str(found)
                assert message.startswith("expression: "), text
                assert "\n" not in message, text
                refused += 1
            else:
                assert isinstance(found, sympy.Expr), f"{type(found).__name__} for {text!r}: {found}"
                done += 1
    return done, refused


def test_three_thousand_texts_are_read_or_refused_in_one_sentence() -> None:
    # A generator whose texts are all refused would test nothing.
    done, refused = check(3000, seed=0)
    assert done > 300
    assert refused > 300


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_a_hundred_thousand_texts_are_read_or_refused_in_one_sentence(part: int) -> None:
    check(10_000, seed=100 + part)


def test_a_reader_that_runs_the_text_is_caught() -> None:
    def runs(text: str) -> object:
        with suppress(Exception):
            eval(text, {"x": sympy.Symbol("x")})
        return parse(text)

    with pytest.raises(AssertionError, match="tripwire"):
        check(3000, seed=0, read=runs)


def test_a_reader_that_stumbles_is_caught() -> None:
    with pytest.raises(AssertionError, match="Error for"):
        check(3000, seed=0, read=lambda text: sympy.Rational(text) if "0x" in text else parse(text))
