"""Wrong gradients on purpose: what a checker must reject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from kinkproof.verify import RitzProblem, ShallowNetwork
from kinkproof.verify.line.gradient import Gradient
from kinkproof.verify.statement.blocks import BLOCKS
from kinkproof.verify.statement.expressions import X
from numpy.typing import NDArray

Array = NDArray[Any]
Fault = Callable[[Gradient, RitzProblem, ShallowNetwork], Array]


def _dirac_times(factor: int) -> Fault:
    return lambda g, problem, network: g.bulk.ravel() + factor * g.dirac.ravel()


def _one_sided(g: Gradient, problem: RitzProblem, network: ShallowNetwork) -> Array:
    # û′ on the active side of each kink: half of the neuron's own slope, ½κD²c²|w|, too much; times ξ for the weight.
    out = g.total.ravel().copy()
    w, b, c = (network.rational(n) for n in BLOCKS)
    for i in range(network.width):
        kink = sympy.Rational(*(-b[i] / w[i]).as_integer_ratio())
        if problem.domain[0] < kink < problem.domain[1]:
            half = (problem.coefficient * problem.distance**2 / 2).subs(X, kink)
            extra = float(half) * float(c[i]) ** 2 * abs(float(w[i]))
            out[i] += extra * float(kink)
            out[network.width + i] += extra
    return out


def _weights_positive_only(g: Gradient, problem: RitzProblem, network: ShallowNetwork) -> Array:
    keep = np.tile(network.floats[0] > 0, 3)
    return np.asarray(g.bulk.ravel() + np.where(keep, g.dirac.ravel(), 0 * g.dirac.ravel()))


def _one_neuron_off(g: Gradient, problem: RitzProblem, network: ShallowNetwork) -> Array:
    out = g.total.ravel().copy()
    worst = int(np.argmax(np.abs(g.dirac.hidden_biases.astype(float))))
    out[network.width + worst] -= g.dirac.hidden_biases[worst]
    return out


def _swapped(g: Gradient, problem: RitzProblem, network: ShallowNetwork) -> Array:
    return np.concatenate([g.total.hidden_biases, g.total.hidden_weights, g.total.output_weights])


FAULTS: dict[str, Fault] = {
    "Dirac part dropped": _dirac_times(0),
    "Dirac part doubled": _dirac_times(2),
    "Dirac part with the wrong sign": _dirac_times(-1),
    "Dirac part one-sided": _one_sided,
    "Dirac part only for w > 0": _weights_positive_only,
    "blocks swapped": _swapped,
    "one neuron off": _one_neuron_off,
}
