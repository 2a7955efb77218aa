"""The Ritz energy on points of each network's own: drawn anew at each step, or where the integrand asks for them."""

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
ADAPTIVE = "adaptive"
# The golden ratio's fractional part: of all steps the one whose multiples fill an interval most evenly.
_GOLDEN = (5**0.5 - 1) / 2
# Adaptive cells: half of them are there from the start, the others come in so many rounds, the worst cells halved.
_ROUNDS = 5


@dataclass(frozen=True)
class _PointEnergy:
    """Σ weight·(½κû′² + ½ρû² − f û) over points that a network's own parameters decide.

    Attributes:
        problem: gives κ, ρ, f, D, lift and ends.
        architecture: of the networks.
        rule: see the subclasses.
        points: n.
    """

    problem: RitzProblem
    architecture: Architecture
    rule: str
    points: int

    def __post_init__(self) -> None:
        if isinstance(self.points, bool) or not isinstance(self.points, int) or self.points < 1:
            raise InputError(f"points: {self.points!r} are none; a whole number from 1 on would be right")

    def rule_for(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Points and weights of each network, (B, P) → (B, n) twice; no gradient flows through them."""
        raise NotImplementedError

    def density(self, theta: Tensor, x: Tensor) -> Tensor:
        """½κû′² + ½ρû² − f û at each network's own points, (B, n)."""
        kappa, distance, distance_slope, lift_slope, load, constant = (
            data(self.problem, n)(x)
            for n in ("coefficient", "distance", "distance_slope", "lift_slope", "load", "constant")
        )
        value, slope = self.architecture.value_and_slope(theta, x)
        gradient = lift_slope + distance_slope * value + distance * slope
        density = kappa * gradient * gradient / 2 - load * value - constant
        return density if self.problem.reaction == 0 else density + data(self.problem, "mass")(x) * value * value

    def __call__(self, theta: Tensor) -> Tensor:
        """(B, P) → (B,)."""
        x, weights = self.rule_for(theta.detach())
        total = (weights * self.density(theta, x)).sum(-1)
        ends = point_terms(self.problem, x.dtype, x.device)
        if ends:
            total = total + ends.energy(self.architecture.value_and_slope(theta, ends.places)[0])
        return total


@dataclass(frozen=True)
class DrawnEnergy(_PointEnergy):
    """Every network of a batch has random points of its own, all of one weight.

    Its parameters' bytes seed them: other parameters, other points, and still the same run, bit for bit, after an
    interruption and whatever the batch. The rule is "uniform"; "stratified": one in each of n equal cells; or
    "quasi-random": multiples of the golden ratio, shifted at random.
    """

    def rule_for(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """See `_PointEnergy`."""
        left, right = (float(e) for e in self.problem.domain)
        x = self.draw(theta)
        return x, torch.full_like(x, (right - left) / self.points)

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


@dataclass(frozen=True)
class AdaptiveEnergy(_PointEnergy):
    """Midpoints of cells that are halved where the integrand's integral is least certain, anew at each step.

    A cell's indicator is the change that halving it makes to its share of the energy; adaptive quadrature for Deep Ritz
    (Liu and Cai, arXiv 2305.15257) goes by residuals instead. Cells gather at the kinks, and the energy comes out
    several times better than on as many equal cells; the cells do not move with the parameters.
    """

    @torch.no_grad()
    def rule_for(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """See `_PointEnergy`."""
        left, right = (float(e) for e in self.problem.domain)
        first = max(1, self.points // 2)
        length = theta.new_full((len(theta), first), (right - left) / first)
        start = left + (right - left) / first * torch.arange(first, dtype=theta.dtype, device=theta.device)
        start = start.expand_as(length)
        missing = self.points - first
        for k in range(_ROUNDS):
            share = min(length.shape[1], -(-missing // (_ROUNDS - k)))
            missing -= share
            if not share:
                break
            middle = start + length / 2
            halves = torch.cat([middle - length / 4, middle + length / 4, middle], -1)
            low, high, whole = self.density(theta, halves).chunk(3, -1)
            worst = (length * (whole - (low + high) / 2)).abs().topk(share, -1).indices
            half = length.gather(-1, worst) / 2
            added = start.gather(-1, worst) + half
            length = torch.cat([length.scatter(-1, worst, half), half], -1)
            start = torch.cat([start, added], -1)
        return start + length / 2, length
