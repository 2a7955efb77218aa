"""The energy along random lines through a network, and how far it goes up and down on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...verify.choices import Rule
from ...verify.errors import InputError
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem
from ...verify.values import Value
from ..networks.choices import Activation, EnergyKind
from ..training.runs import Run
from .centres import centre_of
from .roughness import variation
from .scanned_energy import scanned_energy

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LineScan(Value):
    """Energies along straight lines through θ*.

    Attributes:
        axis: places on a line, distances from θ* in parameter space, (n,).
        values: energies, (lines, n).
    """

    axis: Array
    values: Array

    @property
    def variations(self) -> Array:
        """Total variation ÷ range of each line, (lines,); see `variation`."""
        return variation(self.values)

    @property
    def mean(self) -> float:
        """Of the variations: 1 where the energy only falls or rises, up to 2 in a valley, more where it is rough."""
        return float(self.variations.mean())

    @property
    def deviation(self) -> float:
        """Standard deviation of the variations."""
        return float(self.variations.std())


def random_lines(
    problem: RitzProblem,
    network: ShallowNetwork | Run | Array,
    energy: EnergyKind = "quadrature",
    *,
    lines: int = 100,
    radius: float = 0.1,
    resolution: int = 201,
    rule: Rule = "midpoint",
    points: int = 200,
    seed: int = 0,
    activation: Activation | None = None,
) -> LineScan:
    """The energy on lines θ* + s·d, s in [−radius, radius], for directions d that are uniform on the unit sphere.

    Args:
        problem, network, energy, rule, points, activation: as for `landscape`.
        lines: how many.
        radius: half their length.
        resolution: points on each.
        seed: of the directions.

    Raises:
        InputError: no lines, or what `landscape` refuses of the rest.

    Source: Wu, Jian, Du, Chen and Zhou 2021, arXiv 2103.11069, whose roughness index of a loss is made of the mean and
    the variance over random directions of the normalised total variation.
    """
    for name, value, least in (("lines", lines, 1), ("resolution", resolution, 2)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name}: {value!r} are none; a whole number from {least} on would be right")
    if not 0 < radius < float("inf"):
        raise InputError(f"radius: {radius!r} is no length; a positive number such as 0.1 would be right")
    centre = centre_of(problem, network, activation)
    directions = np.random.default_rng(seed).standard_normal((lines, len(centre.theta)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    axis = radius * (2 * np.arange(resolution) - (resolution - 1)) / (resolution - 1)
    theta = centre.theta + axis[:, None] * directions[:, None, :]
    scanned = scanned_energy(problem, centre.architecture, energy, rule, points)
    return LineScan(axis, scanned.evaluate(theta.reshape(-1, theta.shape[-1])).reshape(lines, resolution))
