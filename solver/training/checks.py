"""A claim taken apart: what was compared, with its numbers, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One part of a claim, as found: a sentence with its numbers, and whether it holds.

    Attributes:
        sentence: what was compared.
        holds: with what outcome.
        papers: is it part of the paper's claim, or what this project adds?
    """

    sentence: str
    holds: bool
    papers: bool = True


def verdict(checks: Iterable[Check]) -> str:
    """ "borne out", "borne out in part" or "not borne out": by the paper's own checks."""
    held = [c.holds for c in checks if c.papers]
    # Without a check nothing has been borne out.
    return "borne out" if held and all(held) else "borne out in part" if any(held) else "not borne out"
