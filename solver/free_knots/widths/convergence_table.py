"""How the energy gap falls with the width, and at which observed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ....verify.errors import InputError
from ....verify.showing import html_table
from ....verify.statement.problem import RitzProblem
from ....verify.values import Value, brief
from .optimum import BestNetwork, solve


@dataclass(frozen=True, eq=False)
class Convergence(Value):
    """The best networks of several widths.

    Attributes:
        networks: what `solve` found, by ascending width.
    """

    networks: tuple[BestNetwork, ...]

    def __repr__(self) -> str:
        widths = ", ".join(str(n.network.width) for n in self.networks)
        return f"<Convergence over {len(self.networks)} widths, {widths}: order {brief(self.order)}>"

    def _repr_html_(self) -> str:
        rows = [
            (n.network.width, n.certificate.kinks, n.energy_gap, order, n.relative_error, brief(n.certificate.holds))
            for n, order in zip(self.networks, self.orders, strict=True)
        ]
        heads = ["width", "kinks", "energy gap", "order", "relative error", "certificate holds"]
        return html_table(repr(self)[1:-1], heads, rows)

    @property
    def orders(self) -> tuple[float | None, ...]:
        """Observed order p of the gap ∝ n⁻ᵖ between each width and the one before, n the elements; None for none."""
        out: list[float | None] = [None]
        for before, after in pairwise(self.networks):
            gaps = before.energy_gap, after.energy_gap
            elements = before.certificate.kinks + 1, after.certificate.kinks + 1
            falls = gaps[1] > 0 and elements[1] > elements[0]
            out.append(float(np.log(gaps[0] / gaps[1]) / np.log(elements[1] / elements[0])) if falls else None)
        return tuple(out)

    @property
    def order(self) -> float | None:
        """Least-squares slope over all widths, None for fewer than two."""
        points = [(n.certificate.kinks + 1, n.energy_gap) for n in self.networks if n.energy_gap > 0]
        if len(points) < 2:
            return None
        elements, gaps = np.log(np.array(points)).T
        return float(-np.polyfit(elements, gaps, 1)[0])


def convergence(problem: RitzProblem, widths: Sequence[int]) -> Convergence:
    """Solve for each width.

    Args:
        problem: the statement.
        widths: ascending.

    Raises:
        InputError: fewer than two widths, or widths that do not ascend.

    Examples:
        >>> from kinkproof.verify import problems
        >>> [None if p is None else round(p, 2) for p in convergence(problems["natural"], (8, 16, 32)).orders]
        [None, 1.82, 1.92]
    """
    if len(widths) < 2 or any(b <= a for a, b in pairwise(widths)):
        raise InputError(f"widths: {list(widths)} do not ascend; at least two such as 16 32 64 would be right")
    return Convergence(tuple(solve(problem, width) for width in widths))
