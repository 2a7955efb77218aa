"""What `kinkproof sweep` prints: a line for each combination of settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.markup import escape

from ...solver.studies.sweeps import SweepTable
from .terminal import Column, show_table, terminal


def sweep_table(table: SweepTable) -> None:
    """What differs between the runs, and medians over their seeds."""
    screen = terminal()
    groups = table.groups()
    told = [n for n in table.settings if len({repr(row[n]) for row in table.rows}) > 1]
    title = f"{len(table.rows)} networks, {len(groups)} combinations of settings; medians over the seeds"
    # On a narrow terminal those go that a reader misses least: the range before the kinks, these before the seeds.
    figures = [
        Column("seeds", dispensable=1),
        Column("energy\ngap"),
        Column("least", dispensable=3),
        Column("greatest", dispensable=4),
        Column("kinks\ninside", dispensable=2),
        Column("effective\nkinks"),
        Column("diverged"),
    ]
    columns = [*(Column(escape(name), "left") for name in told), *figures]
    shown = []
    for rows in groups:
        gaps = np.array([row["energy_gap"] for row in rows])
        cells = ["–" if rows[0][n] in (None, "") else escape(str(rows[0][n])) for n in told]
        energy_gaps = [f"{f(gaps):.4g}" for f in (np.median, np.min, np.max)]
        kinks = [_median([row[n] for row in rows]) for n in ("kinks_inside", "effective_kinks")]
        diverged = sum(row["diverged"] for row in rows)
        shown.append([*cells, str(len(rows)), *energy_gaps, *kinks, str(diverged) if diverged else "–"])
    show_table(screen, columns, shown, title)
    screen.print(
        "effective kinks: clusters of kinks at which û′ jumps, by 1 % of its largest jump at least. Where they sit is "
        "in the table's column kink_places."
    )


def _median(values: list[Any]) -> str:
    return "–" if None in values else f"{np.median(values):g}"
