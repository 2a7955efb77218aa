"""Networks at which the energy has no second derivative (MATH 5), and the nearest ones at which it has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...verify.errors import InputError
from ...verify.statement.problem import RitzProblem
from ..data.statement import data
from ..networks.architecture import Architecture
from .running_sums import degree

Array = NDArray[np.float64]

# Kinks closer than this many roundings cannot be told from coincident ones.
_ROUNDINGS = 8
# How far the offered network moves a kink, as a share of the domain: some 10⁹ roundings away from the place without a
# derivative, and nothing that a picture shows.
_CLEAR = 1e-6
# Moving one kink may bring it to another one; so many times it is moved on.
_ATTEMPTS = 20


@dataclass(frozen=True)
class Degeneracy:
    """One reason why a second derivative is missing.

    Attributes:
        kind: "coincident kinks", "kink on an end of the domain", "kink on an interface", "kink on a point load"
            or "no weight and no bias".
        neurons: whose.
        position: x; None for a neuron without weight and bias, which has no kink.
    """

    kind: str
    neurons: tuple[int, ...]
    position: float | None

    def __str__(self) -> str:
        who = f"neuron{'s' if len(self.neurons) > 1 else ''} {' and '.join(map(str, self.neurons))}"
        where = "" if self.position is None else f" at x = {self.position:.12g}"
        return f"{self.kind} ({who}{where})"


class NoSecondDerivativeError(InputError):
    """The exact Hessian does not exist at these parameters.

    Attributes:
        degeneracies: why.
        nearest: parameters (P,) close by at which it exists.
    """

    def __init__(self, message: str, degeneracies: tuple[Degeneracy, ...], nearest: Array) -> None:
        super().__init__(message)
        self.degeneracies = degeneracies
        self.nearest = nearest


def require_second_derivative(problem: RitzProblem, architecture: Architecture, theta: Array) -> None:
    """Pass where the exact Hessian of one hidden layer exists.

    Raises:
        NoSecondDerivativeError: it does not; names the neurons and the biases that would have to move.
    """
    found = degeneracies(problem, architecture, theta)
    if not found:
        return
    nearest = _moved_apart(problem, architecture, theta)
    width = architecture.widths[0]
    biases = slice(width, 2 * width)
    moves = nearest[biases] - theta[biases]
    named = ", ".join(f"hidden_biases[{i}] moved by {moves[i]:+.2g}" for i in np.flatnonzero(moves))
    raise NoSecondDerivativeError(
        f"exact Hessian: there is none here because of {', '.join(map(str, found))}; a network close by that "
        f"has one, with {named}, would be right",
        found,
        nearest,
    )


def degeneracies(problem: RitzProblem, architecture: Architecture, theta: Array) -> tuple[Degeneracy, ...]:
    """All of them, up to rounding; none for a network without breaks.

    Args:
        problem: gives the domain, D and the interfaces.
        architecture: one hidden layer.
        theta: (3N,).
    """
    power = degree(architecture)
    if power is None:
        return ()
    w, b, c = np.split(theta, 3)
    left, right = (float(e) for e in problem.domain)
    close = _ROUNDINGS * float(np.finfo(np.float64).eps) * max(1.0, abs(left), abs(right))
    out = [Degeneracy("no weight and no bias", (int(i),), None) for i in np.flatnonzero((w == 0) & (b == 0))]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        kink = np.where(w != 0, -b / w, np.nan)
    # The second derivatives of ReLU² jump with the slope change at the kink alone, which a silent neuron has not.
    felt = np.ones_like(c, dtype=bool) if power == 1 else c != 0
    for place in (left, right):
        on = np.flatnonzero(felt & (np.abs(kink - place) <= close))
        if len(on) and (power == 1 or _distance(problem, place) != 0):
            out.append(Degeneracy("kink on an end of the domain", tuple(map(int, on)), place))
    for interface in problem.interfaces:
        kind, place = "kink on a point load" if interface in problem.loads else "kink on an interface", float(interface)
        on = np.flatnonzero(felt & (np.abs(kink - place) <= close))
        if len(on):
            out.append(Degeneracy(kind, tuple(map(int, on)), place))
    if power == 1:
        # Two kinks of ReLU² may meet: the energy has three derivatives there.
        out += _coincidences(problem, kink, c, left + close, right - close, close)
    return tuple(out)


def _coincidences(
    problem: RitzProblem, kink: Array, c: Array, left: float, right: float, close: float
) -> list[Degeneracy]:
    inside = np.flatnonzero((kink > left) & (kink < right))
    order = inside[np.argsort(kink[inside], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(kink[order]) > close) + 1)
    out = []
    for group in groups:
        place = float(kink[group[0]]) if len(group) else 0.0
        # Two silent neurons feel nothing of each other, and nobody does where D vanishes.
        if len(group) > 1 and c[group].any() and _distance(problem, place) != 0:
            out.append(Degeneracy("coincident kinks", tuple(sorted(map(int, group))), place))
    return out


def _distance(problem: RitzProblem, place: float) -> float:
    return float(data(problem, "distance")(torch.tensor([place], dtype=torch.float64))[0])


def _moved_apart(problem: RitzProblem, architecture: Architecture, theta: Array) -> Array:
    """The parameters with as few biases changed as it takes."""
    left, right = (float(e) for e in problem.domain)
    width, step = architecture.widths[0], _CLEAR * (right - left)
    out = theta.copy()
    w, b = out[:width], out[width : 2 * width]
    for attempt in range(1, _ATTEMPTS + 1):
        found = degeneracies(problem, architecture, out)
        if not found:
            break
        for one in found:
            # Of coincident kinks the first one may stay, and none is moved out of the domain.
            start = 1 if one.kind == "coincident kinks" else 0
            direction = 1 if one.position is None or one.position < (left + right) / 2 else -1
            for k, i in enumerate(one.neurons[start:], 1):
                b[i] += step if one.position is None else -w[i] * direction * k * attempt * step
    return out
