"""A refinement study: gradients on finer and finer grids against the exact one, and the verdict they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..discrete.quadrature import Grid, grid

Array = NDArray[Any]

# What rounding may leave of an exact gradient. float64: sums of 10⁵ terms lose three to four digits of sixteen, the
# rest is margin. float32: the same of seven and a half.
ROUNDING = {"float64": 1e-10, "float32": 1e-4}
# A kink lies luckily in its cell on one grid and unluckily on the next. The largest error over four neighbouring
# grids takes that luck out, so that one neuron suffices for a verdict.
_FAMILY = (1.0, 1.1, 1.2, 1.3)
# Error × n^p keeps its size where the error has order p (1 on a line: kinks anywhere in their cells) and grows by 10^p
# from decade to decade where it stands still: the geometric mean of the two decides.
_MOST_GROWTH = 10**0.5


@dataclass(frozen=True)
class Bound:
    """How slowly errors may fall that vanish.

    Attributes:
        order: p in n, of the slowest.
        since: the grid since which the last error has to have fallen by n^(−p/4): what stands still does so steadily,
            what falls does so with luck. None for any grid, a decade apart, and n^(−p/2).
    """

    order: float
    since: int | None = None


ON_A_LINE = Bound(1.0)


@dataclass(frozen=True)
class Study:
    """Relative errors for one block of parameters (or all), the fitted order, and the verdict.

    Attributes:
        errors: for each n, the largest over the grids of n to 1.3 n points.
        order: slope of the fit through those above rounding, None with fewer than two.
        verdict: "exact", "consistent" or "inconsistent"; see `study`.
    """

    errors: tuple[float, ...]
    order: float | None
    verdict: str


def family(rule: str, points: int, domain: tuple[Any, Any]) -> list[Grid]:
    """Neighbouring grids of `points` to 1.3 `points` nodes, the first with exactly `points`."""
    return [grid(rule, n, domain) for n in family_sizes(points)]


def family_sizes(points: int) -> list[int]:
    """How many nodes they have; odd numbers if the first is odd."""
    # Multiples of five suit every rule.
    fives = [max(1, round(points * f / 5)) for f in _FAMILY[1:]]
    return list(dict.fromkeys([points, *(5 * (k + 1 - k % 2 if points % 2 else k) for k in fives)]))


def study(
    found: list[list[Array]],
    target: Array,
    sizes: list[int],
    precision: str,
    scale: float | None = None,
    bound: Bound = ON_A_LINE,
) -> Study:
    """Relative errors over the grids → order and verdict.

    `exact`: rounding only, on every grid. `consistent`: the error vanishes under refinement. `inconsistent`: it does
    not.

    Args:
        found: for each n the gradients (K,) on its family of grids.
        target: the exact gradient, (K,).
        sizes: n, ascending.
        precision: in which the gradients were computed.
        scale: what errors are measured by, by default the norm of the target.
        bound: for the verdict.
    """
    scale = scale or float(np.linalg.norm(target)) or 1.0
    errors = [max(float(np.linalg.norm(f - target)) for f in of_n) / scale for of_n in found]
    if not np.isfinite(np.concatenate([f for of_n in found for f in of_n])).all():
        return Study(tuple(errors), None, "inconsistent")
    return judged(errors, sizes, precision, bound)


def judged(errors: list[float], sizes: list[int], precision: str, bound: Bound) -> Study:
    """Order and verdict of errors at sizes; see `study`."""
    rounding = ROUNDING[precision]
    if max(errors) <= rounding:
        return Study(tuple(errors), None, "exact")
    # Errors that have reached rounding fall no further and would bend the fit.
    above = [(n, e) for n, e in zip(sizes, errors, strict=True) if e > rounding]
    order = None
    if len(above) > 1:
        logarithms = np.log(np.array(above))
        order = float(-np.polyfit(logarithms[:, 0], logarithms[:, 1], 1)[0])
    vanishes = errors[-1] <= rounding or growth(errors, sizes, bound) <= 1
    return Study(tuple(errors), order, "consistent" if vanishes else "inconsistent")


def growth(errors: list[float], sizes: list[int], bound: Bound) -> float:
    """By how much error × n^p has grown at last, in units of the most that it may grow where the error vanishes."""
    scaled = [float(n**bound.order * e) for n, e in zip(sizes, errors, strict=True)]
    before, most = max(scaled[:-1]), _MOST_GROWTH**bound.order
    if bound.since is not None:
        before, most = scaled[bound.since], (sizes[-1] / sizes[bound.since]) ** (0.75 * bound.order)
    return scaled[-1] / before / most if before else float("inf")
