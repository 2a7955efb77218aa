"""The energy on planes through a network: cut into chunks, which any executor may work on in any order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...verify.errors import InputError
from ..networks.architecture import Architecture
from ..training import archive
from .scanned_energy import ScannedEnergy, scanned_energy

Array = NDArray[np.float64]

# A chunk at most, so that progress is seen, a pool is busy to the end, and little is lost with a process: in networks,
# and in tiles, which hold the fewer networks the more work each of them is.
_LARGEST_CHUNK = 4096
_MOST_TILES = 64


@dataclass(frozen=True)
class Recipe:
    """An energy as plain text and numbers, from which every process makes it for itself.

    Attributes:
        problem: its statement as JSON.
        widths, activation: of the architecture.
        energy, rule, points: as for `scanned_energy`.
    """

    problem: str
    widths: tuple[int, ...]
    activation: str
    energy: str
    rule: str
    points: int

    def make(self) -> ScannedEnergy:
        """The energy, made once in a process."""
        return _made(self)


@lru_cache(maxsize=8)
def _made(recipe: Recipe) -> ScannedEnergy:
    problem = archive.problem_from(json.loads(recipe.problem))
    architecture = Architecture.of(recipe.widths, recipe.activation)
    return scanned_energy(problem, architecture, recipe.energy, recipe.rule, recipe.points)


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive points of one plane, as plain data.

    Attributes:
        recipe: of the energy.
        centre: θ*, (P,).
        directions: of the plane, (2, P).
        axes: α and β, (2, resolution).
        plane: its number.
        start, stop: which of the points, row by row: β runs fastest.
    """

    recipe: Recipe
    centre: Array
    directions: Array
    axes: Array
    plane: int
    start: int
    stop: int


def evaluate(chunk: Chunk) -> Array:
    """Energies of the points of a chunk, (stop − start,)."""
    row, column = np.divmod(np.arange(chunk.start, chunk.stop), chunk.axes.shape[1])
    first, second = chunk.axes[0, row, None], chunk.axes[1, column, None]
    # Far out parameters may leave the range of float64; the energy there is infinite or NaN, and shown as such.
    with np.errstate(over="ignore", invalid="ignore"):
        theta = (chunk.centre + first * chunk.directions[0]) + second * chunk.directions[1]
    return chunk.recipe.make().evaluate(theta)


def chunk_size(energy: ScannedEnergy, parameters: int, memory: int) -> int:
    """How many points of a plane a process takes at once: whole tiles, and at least one.

    Args:
        energy: says what a tile takes.
        parameters: P.
        memory: bytes that a process may use for them.

    Raises:
        InputError: not enough for one tile.
    """
    # The parameters, and copies of them while they are made and filled up.
    each = 8 * (3 * parameters + 8)
    least = energy.tile * (energy.bytes_each + each)
    if isinstance(memory, bool) or not isinstance(memory, int | np.integer) or memory < least:
        raise InputError(f"memory: {memory!r} bytes do not hold one tile of networks; at least {least} would be right")
    room = (int(memory) - energy.tile * energy.bytes_each) // each
    return max(1, min(_MOST_TILES, min(_LARGEST_CHUNK, room) // energy.tile)) * energy.tile


def chunks(
    recipe: Recipe, centre: Array, planes: list[Array], axes: Array, size: int, done: NDArray[np.bool_]
) -> Iterator[Chunk]:
    """What is not done yet, (planes, resolution²), in pieces of at most that size.

    Chunks are whole tiles that begin at multiples of a tile. So every point is always computed in the same place among
    the same others, and has the same bits whatever the chunks.
    """
    for plane, directions in enumerate(planes):
        start = 0
        while start < done.shape[1]:
            missing = np.flatnonzero(~done[plane, start:])
            if not len(missing):
                break
            start += int(missing[0])
            present = np.flatnonzero(done[plane, start : start + size])
            stop = min(start + (int(present[0]) if len(present) else size), done.shape[1])
            yield Chunk(recipe, centre, directions, axes, plane, start, stop)
            start = stop
