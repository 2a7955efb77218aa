"""How results show themselves: as a table in a notebook, and as a picture by `plot`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields
from html import escape
from importlib import metadata
from typing import Any

# `verify` and `solver` draw nothing themselves: whoever does offers it under this group, by the result's class.
GROUP = "kinkproof.plots"


class Shown:
    """Base of results that can be drawn."""

    def plot(self, axes: Any = None, **options: Any) -> Any:
        """Draw the result with matplotlib, which is imported now.

        Args:
            axes: of matplotlib, to draw on; by default those of a new figure.
            options: of the drawing; a landscape takes `plane=`, which of its planes.

        Returns:
            The axes.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the message has the command.
        """
        (entry,) = metadata.entry_points(group=GROUP, name=type(self).__name__)
        try:
            if axes is None:
                from importlib import import_module

                axes = import_module("matplotlib.pyplot").subplots(layout="constrained")[1]
            draw = entry.load()
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"plot: {error.name} is not installed; pip install 'kinkproof[reports]' would be right", name=error.name
            ) from None
        draw(self, axes, **options)
        return axes


def html_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as a notebook shows it; numbers to the right.

    Args:
        caption: above it.
        heads: of its columns.
        rows: a cell for each column, text or numbers.
    """
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def gradient_table(gradient: Any) -> str:
    """Of an exact gradient: the sizes of its parts by blocks of parameters, and what share the Dirac part has."""
    rows = []
    for name, whole in _named(gradient.total).items():
        bulk, dirac, total = (_size(_named(part)[name]) for part in (gradient.bulk, gradient.dirac, gradient.total))
        if whole is not None:
            rows.append((name, bulk, dirac, total, dirac / total if total else None))
    caption = f"{type(gradient).__name__}: Euclidean norms, by {gradient.route}"
    return html_table(caption, ["block", "bulk", "Dirac part", "total", "Dirac part ÷ total"], rows)


def _named(blocks: Any) -> dict[str, Any]:
    return blocks.named() if hasattr(blocks, "named") else {f.name: getattr(blocks, f.name) for f in fields(blocks)}


def _size(array: Any) -> float:
    # Also of numbers of many digits.
    return math.sqrt(float((array * array).sum())) if array is not None else 0.0


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return f'<td style="text-align: left">{escape(value)}</td>'
    text = "–" if value is None or value != value else f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
    return f'<td style="text-align: right">{text}</td>'
