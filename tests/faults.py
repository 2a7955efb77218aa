"""Wrong gradients on purpose: what a checker must reject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from kinkproof.verify.gradient import Gradient
from numpy.typing import NDArray

Array = NDArray[Any]


def _weights_positive_only(g: Gradient, weights: Array) -> Array:
    keep = np.tile(weights > 0, 3)
    return g.bulk.ravel() + np.where(keep, g.dirac.ravel(), 0 * g.dirac.ravel())


def _one_neuron_off(g: Gradient, weights: Array) -> Array:
    out = g.total.ravel().copy()
    worst = int(np.argmax(np.abs(g.dirac.hidden_biases.astype(float))))
    out[len(weights) + worst] -= g.dirac.hidden_biases[worst]
    return out


def _swapped(g: Gradient, weights: Array) -> Array:
    return np.concatenate([g.total.hidden_biases, g.total.hidden_weights, g.total.output_weights])


# One-sided: as if û′ were taken on one side of the kink, half of the neuron's own slope too much; a tenth of the
# Dirac part is smaller still and must not pass either.
FAULTS: dict[str, Callable[[Gradient, Array], Array]] = {
    "Dirac part dropped": lambda g, w: g.bulk.ravel(),
    "Dirac part doubled": lambda g, w: g.bulk.ravel() + 2 * g.dirac.ravel(),
    "Dirac part with the wrong sign": lambda g, w: g.bulk.ravel() - g.dirac.ravel(),
    "Dirac part one-sided": lambda g, w: g.bulk.ravel() + g.dirac.ravel() * 11 / 10,
    "Dirac part only for w > 0": _weights_positive_only,
    "blocks swapped": _swapped,
    "one neuron off": _one_neuron_off,
}
