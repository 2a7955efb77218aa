"""Networks that grow until their energy gap is below a tolerance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...verify.errors import InputError
from ..data.strong_solution import StrongSolution
from .density import kink_density
from .kink_worth import refined
from .newton import Descent, minimise
from .relocation import relocate
from .starts import on_walls

MOST_KINKS = 200_000
# From so many elements on, twice as many that gain less than a tenth say that the gap does not fall with the width.
_ENOUGH, _GAIN = 1000, 0.9


def grown(solution: StrongSolution, tolerance: float, max_iterations: int) -> Descent:
    """Add kinks where they help most and minimise again, until the energy gap is at most the tolerance.

    The gap falls as the square of the number of elements, which tells how many are missing; at most that many are
    added, and never more than there are, so that the result is at most a few neurons wider than need be. Where the
    gap stops falling, or at `MOST_KINKS` kinks, the last network is returned as not converged.

    Raises:
        InputError: a tolerance that is not positive, or below what float64 or `MOST_KINKS` kinks can reach.
    """
    least = max(float(np.finfo(np.float64).eps) * solution.energy_scale, kink_density(solution).limit(MOST_KINKS + 1))
    if not tolerance > 0:
        raise InputError(f"tolerance: {tolerance} can never be reached; a positive energy would be right")
    if tolerance < least:
        raise InputError(
            f"tolerance: {tolerance:g} is below what rounding and {MOST_KINKS} kinks allow; at least {least:.2g} "
            "would be right"
        )
    found = minimise(solution, np.zeros(0), max_iterations)
    while found.energy.energy_gap > tolerance and len(found.energy.kinks) < MOST_KINKS:
        elements = len(found.energy.kinks) + 1
        wanted = np.ceil(elements * np.sqrt(found.energy.energy_gap / tolerance))
        more = int(np.clip(wanted - elements, 1, min(elements, MOST_KINKS + 1 - elements)))
        start = on_walls(solution, refined(found.energy, more))
        following = relocate(minimise(solution, start, max_iterations), max_iterations)
        idle = elements > _ENOUGH and following.energy.energy_gap > _GAIN * found.energy.energy_gap
        found = following.after(found)
        if idle and more == elements:
            break
    return found if found.energy.energy_gap <= tolerance else replace(found, converged=False)
