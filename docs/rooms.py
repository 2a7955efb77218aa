"""The house as the code has it: writes the tables of `house.md` and the picture `pictures/house.svg`.

`python docs/rooms.py`; a test holds the page against the modules.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).parent / "house.md"
PICTURE = Path(__file__).parent / "pictures" / "house.svg"
WINGS = ("verify", "solver", "reports")
BEGIN, END = "<!-- the tables: python docs/rooms.py writes them -->", "<!-- end of the tables -->"


@dataclass(frozen=True)
class Room:
    """A folder with modules.

    Attributes:
        path: from the root, such as "verify/line".
        duty: the first line of its `__init__`.
        modules: file names with the first lines of their docstrings, by name.
    """

    path: str
    duty: str
    modules: dict[str, str]


def first_line(file: Path) -> str:
    """The summary of a module; what is not there is an empty string."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.split("\n", 1)[0]


def rooms() -> list[Room]:
    """All of them, wing by wing, each before its sub-rooms."""
    found = []
    for wing in WINGS:
        for marker in sorted((ROOT / wing).rglob("__init__.py"), key=lambda file: file.parent.parts):
            folder = marker.parent
            modules = {file.name: first_line(file) for file in sorted(folder.glob("*.py")) if file != marker}
            found.append(Room(folder.relative_to(ROOT).as_posix(), first_line(marker), modules))
    return found


def in_order(wing: str) -> list[Room]:
    """The rooms of a wing in the order in which data flow: each after those that it imports."""
    inner = {room.path: room for room in rooms() if room.path.count("/") == 1 and room.path.startswith(f"{wing}/")}
    before = {path: imports(path) & inner.keys() for path in inner}
    out: list[Room] = []
    while len(out) < len(inner):
        done = {room.path for room in out}
        out.append(inner[min(path for path in inner if path not in done and before[path] <= done)])
    return out


def tables() -> str:
    """Markdown: a heading a wing, a table a room."""
    lines: list[str] = []
    everything = rooms()
    ordered = [
        room
        for wing in WINGS
        for head in [next(r for r in everything if r.path == wing), *in_order(wing)]
        for room in [head, *(r for r in everything if r.path.startswith(f"{head.path}/") and head.path != wing)]
    ]
    for room in ordered:
        depth = room.path.count("/")
        lines += [f"{'##' if depth == 0 else '###'} `{room.path}/`", "", room.duty, ""]
        if depth == 1 and (stands_on := sorted(imports(room.path))):
            lines += ["Imports from " + ", ".join(f"`{other}/`" for other in stands_on) + ".", ""]
        if room.modules:
            lines += ["| module | duty |", "|---|---|"]
            lines += [f"| `{name}` | {duty.replace('|', chr(92) + '|')} |" for name, duty in room.modules.items()]
            lines.append("")
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with the tables as they are now."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n\n{tables()}\n{END}", page)


def imports(room: str) -> set[str]:
    """The rooms that a room's modules import, such as "verify/line"; sub-rooms belong to their room."""
    out = set()
    for file in (ROOT / room).rglob("*.py"):
        package = file.relative_to(ROOT).parent.parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                parts = (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
                if len(parts) > 2:
                    out.add("/".join(parts[:2]))
    return out - {room}


def draw() -> bytes:
    """The picture: wings as columns, rooms as boxes."""
    import matplotlib as mpl
    from kinkproof.reports.layout.style import BLUE, GREEN, ORANGE, look
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    columns = {wing: in_order(wing) for wing in WINGS}
    tallest = max(len(column) for column in columns.values())
    buffer = io.BytesIO()
    # Text as text: it can be searched, and is small.
    with look(), mpl.rc_context({"svg.fonttype": "none"}):
        figure = Figure((11, 1.0 + 0.95 * tallest))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, 3)
        axes.set_ylim(-tallest - 0.1, 0.5)
        axes.axis("off")
        for place, (wing, colour) in enumerate(zip(WINGS, (BLUE, GREEN, ORANGE), strict=True)):
            left = place + 0.04
            axes.text(left, 0.2, f"{wing}/", fontsize=17, weight="bold", color=colour, va="center")
            if place:
                axes.annotate("", (left - 0.13, 0.2), (left - 0.02, 0.2), arrowprops={"arrowstyle": "->", "lw": 1.6})
            for row, room in enumerate(columns[wing]):
                box = FancyBboxPatch((left, -row - 0.92), 0.86, 0.8, boxstyle="round,pad=0,rounding_size=0.03",
                                     facecolor=colour, alpha=0.1, edgecolor=colour, mutation_aspect=3)  # fmt: skip
                axes.add_patch(box)
                name = f"{room.path.split('/')[1]}/"
                axes.text(left + 0.03, -row - 0.27, name, fontsize=13, weight="bold", va="center")
                duty = "\n".join(textwrap.wrap(room.duty.replace("`", ""), 46)[:3])
                axes.text(left + 0.03, -row - 0.42, duty, fontsize=8.3, va="top", linespacing=1.25)
        axes.text(1.0, 0.38, "imports run this way", fontsize=9, ha="center", va="center")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_bytes(draw())
