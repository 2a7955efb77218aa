"""The energy on planes through a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...verify.choices import Rule
from ...verify.errors import InputError
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem
from ..executors import work_off
from ..networks.choices import Activation as ActivationName
from ..networks.choices import EnergyKind
from ..training import archive
from ..training.progress import counting_bar
from ..training.runs import Run
from .centres import Centre, centre_of
from .planes import Plane as Plane
from .scan_checkpoint import ScanCheckpoint
from .scans import Chunk, Recipe, chunk_size, chunks, evaluate
from .spectra import PAIRS, eigenplanes, spectrum
from .surfaces import Landscape as Landscape

Array = NDArray[np.float64]
Progress = bool | Callable[[int, int], object]

# Bytes that each process may use for the networks that it evaluates at once.
MEMORY = 2**28
_SUCH_AS = {"energy": "quadrature", "rule": "midpoint"}


def landscape(
    problem: RitzProblem,
    network: ShallowNetwork | Run | Any,
    planes: Iterable[Plane | tuple[int, int]] | Plane | None = None,
    radius: float = 1.0,
    resolution: int = 101,
    energy: EnergyKind = "quadrature",
    rule: Rule = "midpoint",
    points: int = 200,
    activation: ActivationName | None = None,
    *,
    memory: int = MEMORY,
    executor: Executor | None = None,
    progress: Progress = False,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> Landscape:
    """The energy on planes through a network, z(α, β) = Π(θ* + αv₁ + βv₂) for α, β in [−radius, radius].

    Args:
        problem: whose energy.
        network: θ*: a `ShallowNetwork`, a `Run` of one seed (`regress` gives one), or parameters (P,).
        planes: from `eigenplanes`, `chosen_plane`, `random_plane` and `path_plane`; pairs (i, j) are planes of
            eigenvectors of the exact Hessian, counted from 0. None: the nine of the figures.
        radius: of the square, in units of the directions.
        resolution: points along each side; an odd number has θ* among them.
        energy: "quadrature": as a fixed grid sees it. "exact": the integral.
        rule: of the grid.
        points: of the grid.
        activation: None: the run's, else "relu".
        memory: bytes that each process may use for the networks that it evaluates at once; the chunks are as large.
        executor: any `concurrent.futures.Executor`, which works on the chunks; None: this process.
        progress: show a bar on stderr, or a function of (points done, points in all).
        checkpoint: file that keeps what is done, written at the start, every second, at the end and upon Ctrl-C.
        resume: go on from that file.

    Returns:
        the energies; the same bits whatever the memory, the executor and the interruptions.

    Raises:
        NoSecondDerivativeError: (an InputError) the exact Hessian, whose eigenvectors were asked for, does not exist.
        InputError: anything else that makes no sense, in one sentence.

    Source: the paper's figures 7 and 8.

    Examples:
        >>> from kinkproof.verify import ShallowNetwork, problems
        >>> network = ShallowNetwork.random(5, seed=1)
        >>> grid, exact = (landscape(problems["sine-2"], network, energy=e) for e in ("quadrature", "exact"))
        >>> grid.values.shape, grid.rule, exact.rule
        ((9, 101, 101), 'midpoint', 'closed form')
    """
    centre = centre_of(problem, network, activation)
    side = _axis(radius, resolution)
    for name, value in (("energy", energy), ("rule", rule)):
        if not isinstance(value, str):
            raise InputError(f"{name}: {value!r} is no name; such as {_SUCH_AS[name]!r} would be right")
    if not isinstance(points, int | np.integer):
        raise InputError(f"points: {points!r} is no number of nodes; a whole number such as 200 would be right")
    recipe = Recipe(
        json.dumps(archive.statement(problem)),
        centre.architecture.widths,
        centre.architecture.activation.name,
        energy,
        rule,
        points,
    )
    made = recipe.make()
    chosen = _planes(problem, network, centre, planes)
    size = chunk_size(made, len(centre.theta), memory)
    try:
        values = np.zeros((len(chosen), resolution, resolution))
        done = np.zeros(values.shape, dtype=bool)
    except MemoryError as error:
        raise InputError(f"resolution: {resolution} is too fine ({error}); such as 101 would be right") from None
    settings = {"width": list(centre.architecture.widths), "radius": float(radius), "resolution": int(resolution)}
    out = Landscape(
        problem,
        centre.architecture.activation.name,
        energy,
        made.rule,
        int(made.points),
        centre.theta,
        chosen,
        side,
        side.copy(),
        values,
        settings,
        archive.versions(),
    )
    directions = [np.stack([p.first, p.second]) for p in chosen]
    file = None
    if checkpoint is not None:
        identity = {n: getattr(out, n) for n in ("activation", "energy", "rule", "points")} | settings
        # The statement piece by piece, without the name: what differs is then said in a few words.
        identity |= {k: v for k, v in archive.statement(problem).items() if k != "name"}
        file = ScanCheckpoint(
            Path(checkpoint), identity, {"centre": centre.theta, "directions": np.array(directions), "axis": side}
        )
        if resume:
            values[:], done[:] = file.read(values.shape)
        else:
            file.refuse_to_overwrite()
        # A path that cannot be written is found out before the work.
        file.write(values, done)
    elif resume:
        raise InputError("resume: there is no checkpoint to go on from; checkpoint='landscape.ckpt.npz' is right")
    flat, flat_done = values.reshape(len(chosen), -1), done.reshape(len(chosen), -1)
    with ExitStack() as stack:
        show = _shown(stack, progress, done)

        def keep(chunk: Chunk, found: Array) -> None:
            flat[chunk.plane, chunk.start : chunk.stop] = found
            flat_done[chunk.plane, chunk.start : chunk.stop] = True
            if file is not None:
                file.keep(values, done)
            show(int(done.sum()), done.size)

        try:
            work = chunks(recipe, centre.theta, directions, np.stack([side, side]), size, flat_done.copy())
            work_off(work, evaluate, executor, keep)
        finally:
            # Also when Ctrl-C was pressed or a worker died: what was computed is not lost.
            if file is not None:
                file.keep(values, done, now=True)
    return out


def _axis(radius: Any, resolution: Any) -> Array:
    """−radius … radius, symmetric to the last bit."""
    if isinstance(resolution, bool) or not isinstance(resolution, int | np.integer) or resolution < 2:
        raise InputError(f"resolution: {resolution!r} points make no line; a whole number from 2 on would be right")
    number = isinstance(radius, int | float | np.integer | np.floating) and not isinstance(radius, bool)
    if not number or not 0 < radius < float("inf"):
        raise InputError(f"radius: {radius!r} is no size of a plane; a positive number such as 1.0 would be right")
    return np.asarray(float(radius) * (2 * np.arange(resolution) - (resolution - 1)) / (resolution - 1))


def _planes(problem: RitzProblem, network: Any, centre: Centre, planes: Any) -> tuple[Plane, ...]:
    if planes is not None and not isinstance(planes, Plane | Iterable):
        raise InputError(f"planes: {planes!r} are none; what eigenplanes(spectrum(…)) gives, say, would be right")
    asked = [planes] if isinstance(planes, Plane) else None if planes is None else list(planes)
    if asked == []:
        raise InputError("planes: there are none; None, which takes nine pairs of eigenvectors, would be right")
    name = centre.architecture.activation.name
    if asked is None:
        highest = max(max(pair) for pair in PAIRS)
        if len(centre.theta) <= highest:
            raise InputError(
                f"planes: the nine of the figures take {highest + 1} eigenvectors, and the network has "
                f"{len(centre.theta)} parameters; pairs of your own such as [(0, 1)] would be right"
            )
        return eigenplanes(spectrum(problem, network, "exact", name))
    pairs = [p for p in asked if not isinstance(p, Plane)]
    found = iter(eigenplanes(spectrum(problem, network, "exact", name), pairs) if pairs else ())
    out = tuple(p if isinstance(p, Plane) else next(found) for p in asked)
    for plane in out:
        if plane.first.shape != centre.theta.shape:
            raise InputError(
                f"plane {plane.label}: its directions have {len(plane.first)} numbers, the network {len(centre.theta)} "
                f"parameters; directions of shape ({len(centre.theta)},) would be right"
            )
    return out


def _shown(stack: ExitStack, progress: Progress, done: NDArray[np.bool_]) -> Callable[[int, int], object]:
    if callable(progress):
        return progress
    if not progress:
        return lambda count, total: None
    return stack.enter_context(counting_bar(done.size, "landscape"))
