"""The energy of very many networks of one architecture: the quickest way there is, in tiles of bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from ...verify.choices import unknown
from ...verify.statement.problem import RitzProblem
from ..data.statement import mesh
from ..executors import one_thread
from ..networks.architecture import Architecture
from ..networks.choices import EnergyKind
from ..networks.closed_form import closed_form
from ..networks.conforming import ORDER
from ..networks.energies import Energy, grid_energy
from ..networks.gradients import FINE_POINTS, exact_energy
from .running_sums import degree, exact_sums, grid_sums, quadratic_rows

Array = NDArray[np.float64]

ENERGIES: tuple[str, ...] = get_args(EnergyKind)
# What the intermediate values of one tile take at most, if one network takes no more: they stay near the processor,
# and torch is called for some hundred networks at a time.
_TILE = 2**23
_MOST = 512


@dataclass(frozen=True)
class ScannedEnergy:
    """An energy with what has to be known to call it for very many networks.

    Attributes:
        energy: (B, P) → (B,).
        rule: what integrates: a rule of the grid, "closed form", "conforming" or "gauss-legendre".
        points: its nodes; 0 for the closed form, those on a piece between two kinks for "conforming".
        bytes_each: an upper bound of what the intermediate values of one network take.
    """

    energy: Energy
    rule: str
    points: int
    bytes_each: int

    @property
    def tile(self) -> int:
        """Networks evaluated at once."""
        return max(1, min(_MOST, _TILE // self.bytes_each))

    def evaluate(self, theta: Array) -> Array:
        """Energies (B,) of parameters (B, P), tile by tile from the first.

        A tile is always a tensor of the same shape, the last one filled up, on one thread: how BLAS, vector units and
        threads share the work shows in the last bit, so that a network's depends on its place within its tile, but on
        nothing outside it.
        """
        out = np.empty(len(theta))
        with one_thread(), torch.no_grad():
            for start in range(0, len(theta), self.tile):
                part = theta[start : start + self.tile]
                full = np.concatenate([part, np.repeat(part[-1:], self.tile - len(part), axis=0)])
                # A copy, in memory aligned as torch aligns it, which BLAS looks at.
                out[start : start + len(part)] = self.energy(torch.tensor(full)).numpy()[: len(part)]
        return out


def scanned_energy(
    problem: RitzProblem, architecture: Architecture, energy: str, rule: str, points: int
) -> ScannedEnergy:
    """An energy by its name.

    Args:
        problem: whose energy.
        architecture: of the networks.
        energy: "quadrature": the sum over a fixed grid, by running sums where there is one hidden layer with breaks.
            "exact": the integral; by running sums too, else as `exact_energy` has it.
        rule: of the grid.
        points: of the grid.

    Raises:
        InputError: an unknown name, or a grid that the rule does not have.
    """
    if energy not in ENERGIES:
        raise unknown("energy", energy, ENERGIES)
    power, widest = degree(architecture), max(architecture.widths)
    # For every node and neuron an activation, its derivative and what they are made of; in deep networks slopes too.
    dense = 8 * (8 if architecture.shallow else 12) * widest
    if power is not None:
        # Twenty rows of (N + 1) besides the moments; the table's polynomials are gathered power by power.
        rows = len(quadratic_rows(power)) + power + 1
        bytes_each = 8 * (widest + 1) * (20 + 5 * rows)
        if energy == "exact":
            quickest = closed_form(problem, architecture).energy if power == 1 else exact_sums(problem, architecture)
            return ScannedEnergy(quickest, "closed form", 0, bytes_each)
        nodes = mesh(problem, rule, points, torch.float64, torch.device("cpu"))
        return ScannedEnergy(grid_sums(problem, architecture, nodes), rule, points, bytes_each)
    if energy == "quadrature":
        nodes = mesh(problem, rule, points, torch.float64, torch.device("cpu"))
        return ScannedEnergy(grid_energy(problem, architecture, nodes), rule, points, dense * points)
    function = exact_energy(problem, architecture).energy
    if architecture.activation.breakpoint:
        # A layer breaks each piece that it meets in at most one place a neuron; most of them do not.
        pieces = 1 + len(problem.interfaces) + 4 * sum(architecture.widths)
        return ScannedEnergy(function, "conforming", ORDER, dense * ORDER * pieces)
    total = FINE_POINTS * len(problem.pieces)
    return ScannedEnergy(function, "gauss-legendre", total, dense * total)
