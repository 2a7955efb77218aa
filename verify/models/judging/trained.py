"""What the user trains: a named rule, nodes and weights, or a whole loss, on which numbers of points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...discrete.quadrature import grid
from ...errors import InputError
from ...systems.study import family_sizes
from ..seeing.model import Model
from .discretisation import Discretisation, Summed, on_loss, on_quadrature, on_rule, weighted
from .integral import Integral


@dataclass(frozen=True, eq=False)
class Trained:
    """What is under audit.

    Attributes:
        rule: a named rule, see `quadrature.grid`; of no meaning if there is one of the others.
        quadrature: n → nodes and weights.
        loss: of (model, n), the whole of it.
        sizes: numbers of points, ascending.
        summed: how a sum over nodes is made, with its gradient.
    """

    rule: str
    quadrature: Callable[[int], Any] | None
    loss: Callable[[Any, int], Any] | None
    sizes: tuple[int, ...]
    summed: Summed = weighted

    def of(self, model: Model, integral: Integral) -> Discretisation:
        """The sum that autodiff differentiates.

        Raises:
            InputError: it cannot be evaluated.
        """
        if self.loss is not None:
            return on_loss(model, integral, self.loss, self.sizes[0])
        if self.quadrature is not None:
            return on_quadrature(model, integral, self.quadrature, self.sizes, self.summed)
        for n in {k for size in self.sizes for k in family_sizes(size)}:
            grid(self.rule, n, integral.domain)
        return on_rule(model, integral, self.rule, self.summed)


def trained(
    rule: str,
    quadrature: Callable[[int], Any] | None,
    loss: Callable[[Any, int], Any] | None,
    points: int | tuple[int, ...],
) -> Trained:
    """State what is trained.

    Args:
        rule: see `Trained`.
        quadrature: see `Trained`.
        loss: see `Trained`.
        points: that it is trained on, continued by ten and a hundred times as many (of a sum of the user's, and one
            more if the first is odd, as Simpson's rule wants them); or all numbers.

    Raises:
        InputError: two sums, or numbers of points that do not refine.
    """
    if quadrature is not None and loss is not None:
        raise InputError("quadrature, loss: both say what is trained; one of the two would be right")
    sizes: tuple[Any, ...] = ()
    if isinstance(points, int) and not isinstance(points, bool):
        odd = points % 2 if quadrature or loss else 0
        sizes = (points, 10 * points + odd, 100 * points + odd)
    if isinstance(points, Sequence):
        sizes = tuple(points)
    whole = all(isinstance(n, int) for n in sizes)
    if len(sizes) < 3 or not whole or sizes[0] < 5 or any(a >= b for a, b in pairwise(sizes)):
        raise InputError(f"points: {points!r} does not refine; a number from 5 on, or three ascending ones, is right")
    return Trained(rule, quadrature, loss, sizes)
