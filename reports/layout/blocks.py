"""What stands on a page beside its figure: text, code and tables, placed on paper and told in HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import Any, Protocol

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from .style import BLACK, FONTS, GREY, PAGE, QUIET, ink

# Lines of text are so many times their size apart.
LEADING = 1.3
_MONO = "DejaVu Sans Mono"
_PAPER = "#F4F4F4"
# Padding of a box of code, in shares of the page.
_PAD = (0.009, 0.012)


class Block(Protocol):
    """Something placed on a page."""

    @property
    def bottom(self) -> float:
        """Where it ends, in shares of the page's height."""
        ...

    def draw(self, figure: Figure) -> list[Any]:
        """Put it on the page; returns the artists."""
        ...

    def html(self) -> str:
        """The same for a browser."""
        ...


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: broken into lines where it has line ends and where the width asks for it.
        x: left edge, in shares of the page's width; of the right edge where `right`.
        y: upper edge, in shares of the page's height.
        width: in shares of the page's width.
        size: of the letters, points.
        bold: heavy letters.
        colour: darkened until it can be read on white.
        right: flush right.
        role: class of the paragraph in HTML.
    """

    text: str
    x: float
    y: float
    width: float
    size: float = 12.0
    bold: bool = False
    colour: str = BLACK
    right: bool = False
    role: str = "text"

    @property
    def lines(self) -> list[str]:
        """As they are set."""
        room = self.width * PAGE[0] * 72
        return [line for part in self.text.split("\n") for line in wrapped(part, room, self.size, self.bold)]

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.y - len(self.lines) * line_height(self.size)

    def draw(self, figure: Figure) -> list[Any]:
        """Line by line, so that the distance between lines is the same whatever is in them."""
        align = "right" if self.right else "left"
        drawn = []
        for k, line in enumerate(self.lines):
            y = self.y - (k + 0.78) * line_height(self.size)
            drawn.append(
                figure.text(
                    self.x, y, line, fontsize=self.size, weight="bold" if self.bold else "normal",
                    color=ink(self.colour), ha=align, va="baseline", parse_math=False,
                )
            )  # fmt: skip
        return drawn

    def html(self) -> str:
        """A paragraph."""
        style = f"color:{ink(self.colour)}" + (";font-weight:bold" if self.bold else "")
        return f'<p class="{self.role}" style="{style}">{escape(self.text).replace(chr(10), "<br>")}</p>'


@dataclass(frozen=True)
class Code:
    """Lines to paste, in a box; see `Text` for the attributes."""

    text: str
    x: float
    y: float
    width: float
    size: float = 9.5

    @property
    def lines(self) -> list[str]:
        """As they are set: what is too long goes on in the next line, two letters further in."""
        # Letters of one width: 0.602 of the size in DejaVu Sans Mono.
        most = int((self.width - 2 * _PAD[0]) * PAGE[0] * 72 / (0.602 * self.size))
        out = []
        for line in self.text.splitlines():
            indent = " " * (len(line) - len(line.lstrip()))
            while len(line) > most:
                cut = line.rfind(" ", len(indent) + 1, most + 1)
                cut = cut if cut > len(indent) else most
                out.append(line[:cut])
                # A comment goes on as one; all else of this length stands within brackets.
                further = "# " if "#" in line[:cut] else "    "
                line = f"{indent}{further}{line[cut:].lstrip()}"
            out.append(line)
        return out

    @property
    def bottom(self) -> float:
        """Where the box ends."""
        return self.y - len(self.lines) * line_height(self.size) - 2 * _PAD[1]

    def draw(self, figure: Figure) -> list[Any]:
        """The box, and the lines in it."""
        box = Rectangle(
            (self.x, self.bottom), self.width, self.y - self.bottom, transform=figure.transFigure, facecolor=_PAPER,
            edgecolor="#CCCCCC", linewidth=0.8,
        )  # fmt: skip
        figure.add_artist(box)
        drawn: list[Any] = [box]
        for k, line in enumerate(self.lines):
            y = self.y - _PAD[1] - (k + 0.78) * line_height(self.size)
            drawn.append(
                figure.text(
                    self.x + _PAD[0], y, line, fontsize=self.size, family=_MONO, va="baseline", parse_math=False
                )
            )
        return drawn

    def html(self) -> str:
        """A box of code, as it was given."""
        return f"<pre><code>{escape(self.text)}</code></pre>"


@dataclass(frozen=True)
class Table:
    """Columns under their heads, numbers flush right with the heads above them.

    Attributes:
        heads: of the columns; may have line ends.
        rows: cells of each row.
        x: left edge, in shares of the page's width.
        y: upper edge.
        widths: of the columns, in shares of the page's width.
        align: a letter for each column, "l" or "r".
        size: of the letters, points.
        step: from row to row, in shares of the page's height.
        colours: (row, column) → colour of a cell.
        bold: cells (row, column) in heavy letters.
        ruled: a line under each row.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    x: float
    y: float
    widths: Sequence[float]
    align: str
    size: float = 11.0
    step: float = 0.034
    colours: Mapping[tuple[int, int], str] = field(default_factory=dict)
    bold: frozenset[tuple[int, int]] = frozenset()
    ruled: bool = True

    @property
    def _head(self) -> float:
        deepest = max((head.count("\n") + 1 for head in self.heads), default=0)
        return deepest * line_height(self.size) + 0.4 * self.step if any(self.heads) else 0.0

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.y - self._head - len(self.rows) * self.step

    def draw(self, figure: Figure) -> list[Any]:
        """Heads, rows and rules."""
        drawn: list[Any] = []
        # Between columns there is room, whichever way they are flush.
        gap = 0.006
        left = [self.x + sum(self.widths[:k]) for k in range(len(self.widths))]
        edges = [
            (x + gap, "left") if a == "l" else (x + w - gap, "right")
            for x, w, a in zip(left, self.widths, self.align, strict=True)
        ]

        def write(x: float, y: float, side: str, text: str, colour: str, heavy: bool) -> None:
            weight = "bold" if heavy else "normal"
            drawn.append(
                figure.text(x, y, text, fontsize=self.size, weight=weight, color=ink(colour), ha=side, va="baseline",
                            parse_math=False)
            )  # fmt: skip

        def rule(y: float, colour: str) -> None:
            line = Line2D([self.x, self.x + sum(self.widths)], [y, y], color=colour, linewidth=0.7,
                          transform=figure.transFigure)  # fmt: skip
            figure.add_artist(line)
            drawn.append(line)

        for (x, side), head in zip(edges, self.heads, strict=True):
            parts = head.split("\n")
            for k, part in enumerate(reversed(parts)):
                y = self.y - self._head + 0.5 * self.step + k * line_height(self.size)
                write(x, y, side, part, BLACK, heavy=True)
        top = self.y - self._head
        if any(self.heads):
            rule(top + 0.12 * self.step, GREY)
        for r, row in enumerate(self.rows):
            y = top - (r + 0.66) * self.step
            for c, ((x, side), cell) in enumerate(zip(edges, row, strict=True)):
                write(x, y, side, cell, self.colours.get((r, c), BLACK), (r, c) in self.bold)
            if self.ruled:
                rule(top - (r + 0.95) * self.step, "#CCCCCC")
        return drawn

    def html(self) -> str:
        """A table."""
        sides = ["left" if a == "l" else "right" for a in self.align]
        out = ["<table>"]
        if any(self.heads):
            cells = "".join(
                f'<th style="text-align:{s}">{escape(h).replace(chr(10), "<br>")}</th>'
                for h, s in zip(self.heads, sides, strict=True)
            )
            out.append(f"<thead><tr>{cells}</tr></thead>")
        out.append("<tbody>")
        for r, row in enumerate(self.rows):
            cells = ""
            for c, (cell, side) in enumerate(zip(row, sides, strict=True)):
                heavy = ";font-weight:bold" if (r, c) in self.bold else ""
                cells += (
                    f'<td style="text-align:{side};color:{ink(self.colours.get((r, c), BLACK))}{heavy}">'
                    f"{escape(cell)}</td>"
                )
            out.append(f"<tr>{cells}</tr>")
        return "\n".join([*out, "</tbody>", "</table>"])


def line_height(size: float) -> float:
    """Of a line of that many points, in shares of the page's height."""
    return size * LEADING / 72 / PAGE[1]


def wrapped(text: str, room: float, size: float, bold: bool = False) -> list[str]:
    """Lines of at most `room` points, broken between words, and within those that alone are longer; at least one."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and text_width(longer, size, bold) > room:
            lines.append(line)
            line = word
        else:
            line = longer
        while len(line) > 1 and text_width(line, size, bold) > room:
            fitting = max((k for k in range(1, len(line)) if text_width(line[:k], size, bold) <= room), default=1)
            lines.append(line[:fitting])
            line = line[fitting:]
    return [*lines, line]


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Of a line in the pages' face, points."""
    return size / 100 * sum(_width(letter, bold) for letter in text)


@lru_cache(maxsize=2_000)
def _width(letter: str, bold: bool) -> float:
    """How far a letter of 100 points takes the pen, points."""
    weight = "bold" if bold else "normal"
    fonts = [get_font(findfont(FontProperties(family=family, weight=weight))) for family in FONTS]
    font = next((f for f in fonts if f.get_char_index(ord(letter))), fonts[-1])
    font.set_size(100, 72)
    return float(font.load_char(ord(letter)).linearHoriAdvance) / 65536


class Column:
    """Blocks one below the other: keeps where the next one begins.

    Attributes:
        x: left edge of all.
        y: where the next block begins.
        width: of all.
        blocks: so far.
    """

    def __init__(self, x: float, y: float, width: float) -> None:
        self.x, self.y, self.width = x, y, width
        self.blocks: list[Block] = []

    def add(self, block: Block, gap: float = 0.012) -> None:
        """Take a block that begins at `y`; the next begins a gap below it."""
        self.blocks.append(block)
        self.y = block.bottom - gap

    def text(self, text: str, size: float = 12.0, gap: float = 0.012, **said: Any) -> None:
        """A paragraph; further arguments as those of `Text`."""
        self.add(Text(text, self.x, self.y, self.width, size, **said), gap)

    def code(self, text: str, size: float = 9.5, gap: float = 0.018) -> None:
        """Lines to paste."""
        self.add(Code(text, self.x, self.y, self.width, size), gap)

    def quiet(self, text: str, size: float = 11.0, gap: float = 0.012) -> None:
        """A paragraph beside the matter."""
        self.text(text, size, gap, colour=QUIET, role="quiet")
