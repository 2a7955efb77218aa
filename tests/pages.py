"""Pages of Markdown as the tests see them: their blocks, run as printed, and their links."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page, by its path from the root."""

    path: str

    @property
    def text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        return [code for name, code in _BLOCK.findall(self.text) if name == language]

    def run(self) -> Told:
        """Run its Python blocks, each after the one before it, in one scope."""
        told = Told()
        scope: dict[str, object] = {"__name__": "page", "print": told}
        for block in _BLOCK.finditer(self.text):
            if block[1] != "python":
                continue
            above = self.text.count("\n", 0, block.start(2))
            # Empty lines above: a traceback, and what is printed, then name lines of the page.
            code = "\n" * above + block[2]
            told.claims |= claims(code)
            exec(compile(code, str(ROOT / self.path), "exec"), scope)
        return told


@dataclass
class Told:
    """In place of `print`: what each line of a page printed, and what the comment at its end says it prints."""

    printed: dict[int, str] = field(default_factory=dict)
    claims: dict[int, str] = field(default_factory=dict)

    def __call__(self, *values: object) -> None:

        self.printed[sys._getframe(1).f_lineno] = " ".join(map(str, values))


def claims(code: str) -> dict[int, str]:
    """By line: what a call of `print` is said to print, in a comment at its end; one without makes no claim."""
    lines = code.split("\n")
    out = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            assert node.end_lineno == node.lineno, f"line {node.lineno}: a print over several lines"
            said = lines[node.lineno - 1].encode()[node.end_col_offset :].decode()
            assert said.startswith("  # "), f"line {node.lineno}: what is printed is not said"
            out[node.lineno] = said.removeprefix("  # ")
    return out


def links(text: str) -> list[str]:
    """The targets of all links and pictures of a page, those in code left out."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL))
