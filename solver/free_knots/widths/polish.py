"""Newton on the kinks of neurons whose facings are given: exact Hessian, the two conditions kept at every step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ..curvature import least_shift, positive_factors, shifted, smallest_curvature
from ..newton import Descent, Step, bent_step, descend
from ..reduced_energy import ReducedEnergy
from .facing import FacedEnergy, carries

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# Up to so many kinks the Hessian under the conditions is made whole; beyond, that of the Lagrangian, which is banded,
# is positive definite wherever the conditions cost little.
MOST_DENSE = 200
# Eigenvalues below this share of the largest are raised to it: the step along them is then long, not endless.
_FLATTEST = 1e-12


def polished(start: FacedEnergy, max_iterations: int) -> Descent | None:
    """The minimum that Newton reaches from faced neurons; None where these neurons cannot carry what they should."""
    if not carries(start):
        return None
    found = descend(start, max_iterations, faced_steps)
    assert isinstance(found.energy, FacedEnergy)
    return found if carries(found.energy) else None


def faced_steps(state: Descent) -> list[Step]:
    """Newton's step under the conditions; where the Hessian is not positive definite, also one along what it bends."""
    energy, pinned = state.energy, state.pinned
    assert isinstance(energy, FacedEnergy)
    gradient = np.where(pinned, 0.0, energy.gradient())
    if len(pinned) > MOST_DENSE:
        return _banded_steps(energy, gradient, pinned)
    free = ~pinned
    scale = 1 / np.sqrt(energy.natural_curvature[free])
    values, vectors = np.linalg.eigh(dense_hessian(energy, pinned) * np.outer(scale, scale))
    sizes = np.maximum(np.abs(values), _FLATTEST * np.abs(values).max(initial=1.0))
    displacement = np.zeros(len(pinned))
    displacement[free] = -scale * (vectors @ ((vectors.T @ (scale * gradient[free])) / sizes))
    step = Step(displacement, float(gradient @ displacement))
    if not free.any() or values[0] > 0:
        return [step]
    direction = np.zeros(len(pinned))
    direction[free] = scale * vectors[:, 0]
    return [step, bent_step(energy, gradient, direction, float(values[0]))]


def _banded_steps(energy: FacedEnergy, gradient: Array, pinned: Booleans) -> list[Step]:
    hessian = energy.hessian(pinned)
    factors = positive_factors(hessian)
    minimum = factors is not None
    if factors is None:
        damping = np.where(pinned, 0.0, energy.natural_curvature)
        factors = positive_factors(shifted(hessian, 2 * least_shift(hessian, damping) * damping))
    if factors is None:
        displacement = -gradient / energy.natural_curvature
    else:
        load = np.zeros(hessian.shape[1])
        load[2:-2:2] = -gradient
        rows = _free_rows(energy, pinned)
        answers = np.stack([factors.solve(row) for row in rows])
        whole = factors.solve(load)
        whole = whole - np.linalg.pinv(rows @ answers.T, rcond=1e-12, hermitian=True) @ (rows @ whole) @ answers
        displacement = whole[2:-2:2]
    step = Step(displacement, float(gradient @ displacement))
    return [step] if minimum else [step, Step(-gradient / energy.natural_curvature, float("-inf"))]


def dense_hessian(energy: FacedEnergy, pinned: Booleans) -> Array:
    """Second derivatives in the kinks that are free, (F, F), nodal values following under the conditions."""
    banded = energy.hessian(pinned)
    whole = np.diag(banded[0])
    for k in range(1, len(banded)):
        whole += np.diag(banded[k, :-k], -k) + np.diag(banded[k, :-k], k)
    rows = _free_rows(energy, pinned)
    kinks = 2 * (1 + np.flatnonzero(~pinned))
    values = 1 + 2 * np.flatnonzero(~energy.fit.held)
    size = np.sqrt(np.diag(whole)[values])
    bordered = np.block(
        [[whole[np.ix_(values, values)] / np.outer(size, size), (rows[:, values] / size).T],
         [rows[:, values] / size, np.zeros((len(rows), len(rows)))]]
    )  # fmt: skip
    border = np.concatenate([whole[np.ix_(values, kinks)] / size[:, None], rows[:, kinks]])
    # A condition that no free value changes leaves a row of zeros: least squares takes the part that there is.
    following = np.linalg.lstsq(bordered, border, rcond=1e-14)[0]
    out = whole[np.ix_(kinks, kinks)] - border.T @ following
    return np.asarray((out + out.T) / 2)


def least_curvature(energy: ReducedEnergy, pinned: Booleans) -> tuple[float, bool]:
    """Least eigenvalue of the Hessian in the kinks, and is it positive definite up to rounding?

    Under conditions exactly for up to `MOST_DENSE` kinks; beyond, that of the Lagrangian without them, which is less.
    """
    if not isinstance(energy, FacedEnergy) or len(pinned) > MOST_DENSE or pinned.all():
        return smallest_curvature(energy, pinned)
    hessian = dense_hessian(energy, pinned)
    scale = 1 / np.sqrt(energy.natural_curvature[~pinned])
    # As without conditions: what is rounding beside the natural curvature is no negative curvature.
    flattest = eigh(hessian * np.outer(scale, scale), eigvals_only=True, subset_by_index=(0, 0))[0]
    least = float(eigh(hessian, eigvals_only=True, subset_by_index=(0, 0))[0])
    return least, bool(flattest > -1e-9)


def _free_rows(energy: FacedEnergy, pinned: Booleans) -> Array:
    rows = energy.conditions.copy()
    rows[:, 2:-2:2][:, pinned] = 0.0
    rows[:, 1::2][:, energy.fit.held] = 0.0
    return rows
