"""Where the kinks start: by density, uniform, at random around the density; on interfaces; distinct."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...verify.errors import InputError
from ..data.strong_solution import StrongSolution
from .density import kink_density
from .kink_worth import refined
from .reduced_energy import reduced_energy

Array = NDArray[np.float64]

# Beyond so many kinks one start is enough: the equidistributing one is then as good as the minimum.
MULTISTART_KINKS = 200


def starts(solution: StrongSolution, count: int, random: int, seed: int) -> Iterator[Array]:
    """The equidistributing start; for moderate sizes also the uniform one and some random ones, each (count,)."""
    density = kink_density(solution)
    yield on_walls(solution, distinct(solution, density.equidistributed(count), count))
    if not 0 < count <= MULTISTART_KINKS:
        return
    left, right = solution.domain
    yield on_walls(solution, np.linspace(left, right, count + 2)[1:-1])
    # Each kink anywhere in the stretch that the density gives it.
    shares = np.arange(1, count + 1) + np.random.default_rng(seed).uniform(-0.5, 0.5, (random, count))
    for row in shares / (count + 1):
        yield on_walls(solution, distinct(solution, density.place(row), count))


def given(solution: StrongSolution, kinks: ArrayLike, count: int) -> Array:
    """A user's own start, (count,): kinks outside the domain and coincident ones are put where they help most.

    Raises:
        InputError: too many numbers, or some that are not finite.
    """
    own = np.asarray(kinks, dtype=np.float64).ravel()
    if len(own) > count or not np.isfinite(own).all():
        raise InputError(f"start: {own} is not a list of at most {count} finite kinks; one such would be right")
    return distinct(solution, own, count)


def distinct(solution: StrongSolution, kinks: Array, count: int) -> Array:
    """As many kinks as asked for, ascending: those that are distinct and inside, and others where they help most."""
    left, right = solution.domain
    inside = np.unique(kinks[(kinks > left) & (kinks < right)])
    # Neighbours that only rounding tells apart are one.
    inside = inside[np.diff(inside, prepend=-np.inf) > 1e-14 * np.abs(inside)]
    return refined(reduced_energy(solution, inside), count - len(inside)) if len(inside) < count else inside


def on_walls(solution: StrongSolution, kinks: Array) -> Array:
    """Move the nearest kink onto each wall: where κ jumps the solution has a kink of its own."""
    kinks = kinks.copy()
    for wall in solution.walls:
        away = np.where(np.isin(kinks, solution.walls), np.inf, np.abs(kinks - wall))
        if not (kinks == wall).any() and np.isfinite(away).any():
            kinks[np.argmin(away)] = wall
    return np.sort(kinks)
