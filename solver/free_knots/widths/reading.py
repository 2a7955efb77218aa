"""From a network back to what it minimises: its function, its facings, and what its neurons leave undetermined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....verify.statement.network import ShallowNetwork
from ...data.strong_solution import StrongSolution
from ..hat_functions import Fit, assess, on_knots
from ..neurons import function_of
from ..reduced_energy import ReducedEnergy
from .facing import FacedEnergy

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# Lines that the neurons can vary are independent beyond this share.
_INDEPENDENT = 1e-12


def energy_of(solution: StrongSolution, network: ShallowNetwork) -> ReducedEnergy:
    """The energy at a network's kinks and values as they are, under the conditions that its neurons impose.

    A neuron that is active throughout and has a weight varies any line: no condition then. Without one, the facings
    impose two (`FacedEnergy`); one is left where two neurons share a kink and face each other, or where a neuron
    without weight is active throughout. The multipliers are those that leave least of the gradient.
    """
    function = function_of(network, solution.domain)
    fit = assess(solution, function.knots, function.values)
    falling, lines = _facings(network, function.knots)
    _, sizes, directions = np.linalg.svd(lines, full_matrices=True)
    rank = int((sizes > _INDEPENDENT * sizes.max(initial=0.0)).sum())
    kept = directions[rank:]
    if not len(kept):
        return ReducedEnergy(solution, fit)
    energy = FacedEnergy(solution, fit, falling, np.zeros(len(kept)), kept)
    return FacedEnergy(solution, fit, falling, _multipliers(energy, fit), kept)


def _facings(network: ShallowNetwork, knots: Array) -> tuple[Booleans, Array]:
    """Kinks that face left, (K,), and the lines that the neurons vary beside them, at the domain's ends, (M, 2)."""
    w, b, c = network.floats
    ends = knots[[0, -1]]
    at_ends = np.outer(w, ends) + b[:, None]
    active = (at_ends >= 0).all(axis=1) & (at_ends > 0).any(axis=1)
    inside = (at_ends.min(axis=1) < 0) & (at_ends.max(axis=1) > 0)
    place = np.clip(np.searchsorted(knots, -b[inside] / w[inside]) - 1, 0, len(knots) - 3)
    left, right = (np.bincount(place[s * w[inside] > 0], minlength=len(knots) - 2) > 0 for s in (-1, 1))
    weighted = np.eye(2)[: 2 * bool((active & (c != 0)).any())]
    opposed = ends - knots[1:-1][left & right][:, None]
    return left, np.concatenate([np.zeros((1, 2)), weighted, at_ends[active], opposed])


def _multipliers(energy: FacedEnergy, fit: Fit) -> Array:
    """Least squares over all derivatives, each in units of the terms that it adds up."""
    rows, values = energy.conditions, ~fit.held
    derivatives = np.concatenate([energy.gradient(), on_knots(*fit.residuals)[values]])
    size = np.concatenate([energy.gradient_terms, on_knots(*fit.magnitudes)[values]])
    normals = np.concatenate([rows[:, 2:-2:2], rows[:, 1::2][:, values]], axis=1)
    free = np.concatenate([~np.isin(energy.kinks, energy.solution.walls), np.ones(values.sum(), dtype=bool)])
    free &= size > 0
    scaled = (normals[:, free] / size[free]).T
    return np.asarray(-np.linalg.lstsq(scaled, derivatives[free] / size[free], rcond=None)[0], float)
