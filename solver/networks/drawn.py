"""The Ritz energy on points drawn anew at each step: uniform, one in each cell, or quasi-random."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..data.statement import data, point_terms
from .architecture import Architecture
from .choices import DrawnRule

# As rules of `fit`, beside those of `verify` that have fixed nodes.
DRAWN: tuple[str, ...] = get_args(DrawnRule)
# The golden ratio's fractional part: of all steps the one whose multiples fill an interval most evenly.
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class DrawnEnergy:
    """|Ω|/n Σ ½κû′² + ½ρû² − f û over n points that are drawn from the network's own parameters.

    Every network of a batch has points of its own. Its parameters' bytes seed them: other parameters, other points, and
    still the same run, bit for bit, after an interruption and whatever the batch.

    Attributes:
        problem: gives κ, ρ, f, D, lift and ends.
        architecture: of the networks.
        rule: "uniform"; "stratified": one in each of n equal cells; "quasi-random": multiples of the golden ratio,
            shifted at random.
        points: n.
    """

    problem: RitzProblem
    architecture: Architecture
    rule: str
    points: int

    def __post_init__(self) -> None:
        if isinstance(self.points, bool) or not isinstance(self.points, int) or self.points < 1:
            raise InputError(f"points: {self.points!r} are none; a whole number from 1 on would be right")

    def draw(self, theta: Tensor) -> Tensor:
        """Points for each of the networks (B, P), (B, n)."""
        shares = np.stack([self._shares(row) for row in theta.detach().cpu().numpy()])
        left, right = (float(e) for e in self.problem.domain)
        return torch.tensor(left + (right - left) * shares, dtype=theta.dtype, device=theta.device)

    def _shares(self, parameters: np.ndarray) -> np.ndarray:
        digest = hashlib.blake2b(np.ascontiguousarray(parameters).tobytes(), digest_size=16).digest()
        random = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
        if self.rule == "quasi-random":
            return np.asarray((random.random() + _GOLDEN * np.arange(self.points)) % 1)
        within = random.random(self.points)
        return within if self.rule == "uniform" else (np.arange(self.points) + within) / self.points

    def __call__(self, theta: Tensor) -> Tensor:
        """(B, P) → (B,)."""
        x = self.draw(theta)
        kappa, distance, distance_slope, lift_slope, load, constant = (
            data(self.problem, n)(x)
            for n in ("coefficient", "distance", "distance_slope", "lift_slope", "load", "constant")
        )
        value, slope = self.architecture.value_and_slope(theta, x)
        gradient = lift_slope + distance_slope * value + distance * slope
        left, right = (float(e) for e in self.problem.domain)
        density = kappa * gradient * gradient / 2 - load * value - constant
        if self.problem.reaction != 0:
            density = density + data(self.problem, "mass")(x) * value * value
        total = (right - left) * density.mean(-1)
        ends = point_terms(self.problem, x.dtype, x.device)
        if ends:
            total = total + ends.energy(self.architecture.value_and_slope(theta, ends.places)[0])
        return total
