"""A page, and a report of pages: the same content for PDF and HTML."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from matplotlib.figure import Figure

from ...verify.errors import InputError
from .blocks import Block

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        title: bookmark and headline.
        caption: below everything, in a sentence or some.
        figure: its axes, and text that belongs to them.
        blocks: text, code and tables beside them.
    """

    title: str
    caption: str
    figure: Figure
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Report:
    """Pages with what is said of them all.

    Attributes:
        title: for the metadata.
        subject: likewise.
        pages: in their order.
        about: problem and settings in words, for the foot of every page.
        stamp: what every page says above its headline.
    """

    title: str
    subject: str
    pages: Sequence[Page]
    about: str = ""
    stamp: str = ""

    @property
    def foot(self) -> str:
        """Program with version, problem and settings, and the date if there is one."""
        day = creation_date()
        said = [f"kinkproof {version('kinkproof')}", self.about]
        if day is not None:
            said.append(f"{day.day} {MONTHS[day.month - 1]} {day.year}")
        return "  ·  ".join(part for part in said if part)


def creation_date() -> datetime | None:
    """SOURCE_DATE_EPOCH, seconds since 1970 in UTC; None where it is not set: the same settings, the same bytes.

    Raises:
        InputError: it is no such number.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return None
    try:
        if not (epoch.isascii() and epoch.isdigit()):
            raise ValueError
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise InputError(
            f"SOURCE_DATE_EPOCH: {epoch!r} is no date; whole seconds since 1970 such as 1735689600 would be right"
        ) from None
