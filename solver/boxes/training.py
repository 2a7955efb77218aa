"""Training a batch of networks on a box problem."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...verify.choices import unknown
from ...verify.errors import InputError
from ...verify.statement.box import BoxProblem
from ..networks.architecture import Architecture
from ..networks.choices import Activation as ActivationName
from ..networks.choices import BoxGradient, BoxInitial, Precision, Sampling, ScheduleName
from ..networks.gradients import Objective
from ..training.adam import Adam, Schedule
from ..training.starts import as_torch
from .energy import BoxObjective, sampled_energy
from .measure import Measure, Meter
from .runs import BoxRun

Array = NDArray[np.float64]
INITIALS: tuple[str, ...] = get_args(BoxInitial)
# Seeds of further components' output weights lie so far from one another, and from those of points and lines.
_FURTHER = 2**42
_TYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True, eq=False)
class BoxObservation:
    """One record of a run.

    Attributes:
        step: how many steps have been made.
        measure: of the networks.
        gap: energy minus the minimum, (B,), or None if no solution is known.
    """

    step: int
    measure: Measure
    gap: Array | None


def fit_box(
    problem: BoxProblem,
    width: int | Sequence[int] = 40,
    activation: ActivationName = "relu",
    gradient: BoxGradient = "autodiff",
    *,
    steps: int = 4_000,
    learning_rate: float = 3e-3,
    schedule: ScheduleName | Schedule | None = "cosine",
    points: int = 500,
    sampling: Sampling = "anew",
    lines: int | None = None,
    seeds: Iterable[int] = range(4),
    initial: BoxInitial = "torch",
    record: int = 200,
    callbacks: Iterable[Callable[[BoxObservation], object]] = (),
    dtype: Precision = "float64",
) -> BoxRun:
    """Minimise a box problem's energy by ADAM over a batch of networks times D, one for each seed: Deep Ritz.

    Args:
        problem: of one to three inputs.
        width: neurons of the hidden layer, or of several.
        activation: see `kinkproof.solver.networks.activations.ACTIVATIONS`.
        gradient: "autodiff": of the mean over the points. "exact": with `dirac_term`, right in expectation.
        steps: of ADAM.
        learning_rate: the schedule's largest.
        schedule: as in `fit`.
        points: at each step.
        sampling: "anew": random points, new ones at each step; "fixed": random, drawn once; "grid": midpoints of equal
            cells. The points do not depend on the gradient, nor on the activation.
        lines: at each step, see `dirac_term`.
        seeds: one network each. It starts from the same parameters and sees the same points whatever the gradient and
            its company.
        initial: "torch": all parameters in ±1/√(inputs of their layer), as `torch.nn.Linear` draws them; "paper": the
            biases in (−1, 1).
        record: every how many steps to measure.
        callbacks: called with each `BoxObservation`; one that returns True ends the run.
        dtype: "float64" or "float32".

    Returns:
        networks and what was measured, at other points than those of the training. A network that met NaN or inf keeps
        its last finite parameters; `stops` says so, and a RuntimeWarning too.

    Raises:
        InputError: anything that makes no sense, in one sentence.

    Examples:
        >>> from kinkproof.verify import box_problems
        >>> run = fit_box(box_problems["sine-square"], 10, gradient="exact", steps=20, seeds=range(2))
        >>> run.energy_gap.shape, bool((run.energy_gap < run.gap_history[0]).all())
        ((2,), True)
    """
    if not isinstance(problem, BoxProblem):
        raise InputError(f"problem: {problem!r} is no BoxProblem; one, or fit for a RitzProblem, would be right")
    if dtype not in _TYPES:
        raise unknown("dtype", dtype, _TYPES)
    for name, value in (("steps", steps), ("points", points), ("record", record)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}: {value!r} is too few or no whole number; one from 1 on would be right")
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, int | float) or not 0 < learning_rate < np.inf:
        raise InputError(f"learning_rate: {learning_rate!r} trains nothing; a positive number is right")
    if isinstance(seeds, int):
        raise InputError(f"seeds: {seeds} is a number; several, such as range({max(1, seeds)}), would be right")
    seeds = tuple(int(s) if isinstance(s, np.integer) else s for s in seeds)
    architecture = Architecture.of(width, activation, problem.inputs)
    if initial not in INITIALS:
        raise unknown("initial", initial, INITIALS)
    theta = starts(problem, architecture, initial, seeds).to(_TYPES[dtype])
    settings: dict[str, Any] = {
        "width": list(architecture.widths), "activation": architecture.activation.name, "gradient": gradient,
        "steps": steps, "learning_rate": learning_rate, "schedule": schedule if isinstance(schedule, str) else None,
        "points": points, "sampling": sampling, "lines": lines, "seeds": list(seeds), "record": record, "dtype": dtype,
        "initial": initial,
    }  # fmt: skip
    followed = BoxObjective(problem, architecture, gradient, points, sampling, lines, seeds, _TYPES[dtype])
    meter = Meter(problem, architecture, seeds)
    energy_of = partial(sampled_energy, architecture, problem)
    objective = Objective(gradient, lambda rows: energy_of(rows, followed.points()), followed.gradient)
    optimiser = Adam(objective, theta, learning_rate, schedule, steps)
    active, stops = torch.ones(len(seeds), dtype=torch.bool), [""] * len(seeds)
    records: list[tuple[int, Measure]] = []

    def look(step: int) -> bool:
        """Record, and say whether a callback ends the run."""
        found = meter.measure(theta)
        records.append((step, found))
        seen = BoxObservation(step, found, None if meter.minimum is None else found.energy - meter.minimum)
        # All of them are called, whatever the first says.
        said = [callback(seen) for callback in callbacks]
        return any(answer is True for answer in said)

    callbacks, previous, step = tuple(callbacks), theta, 0
    ended = look(0)
    while step < steps and not ended and bool(active.any()):
        moved, energy, found, _ = optimiser.step(theta, active)
        finite = energy.isfinite() & found.isfinite().all(-1) & moved.isfinite().all(-1)
        if not bool(finite.all()):
            # The energy was NaN or inf where this step began: the place before it was the last good one.
            moved = torch.where(finite[:, None], moved, previous)
            for k in (active & ~finite).nonzero().flatten().tolist():
                stops[k] = f"step {step}: the energy or its gradient was not finite; the last finite parameters stay"
                warnings.warn(f"network {k} diverged at {stops[k]}", RuntimeWarning, stacklevel=2)
            active = active & finite
        previous, theta = theta, moved
        step += 1
        if step % record == 0 or step == steps or not bool(active.any()):
            ended = look(step)
    if ended:
        stops = [s or f"step {step}: a callback ended the run" for s in stops]
    arrays: dict[str, Any] = {f.name: np.stack([getattr(m, f.name) for _, m in records]) for f in fields(Measure)}
    arrays |= {"steps": np.array([s for s, _ in records]), "parameters": theta.detach().numpy().copy()}
    return BoxRun(problem=problem, settings=settings, stops=tuple(stops), **arrays)


def starts(problem: BoxProblem, architecture: Architecture, initial: str, seeds: Sequence[int]) -> Tensor:
    """Starting parameters (B, P) in float64, one row a seed; see `fit_box`."""
    theta = architecture.initial(seeds)
    theta = as_torch(architecture, theta) if initial == "torch" else theta
    width = architecture.widths[-1]
    further = [
        architecture.initial([(s + k * _FURTHER) % 2**63 for s in seeds])[:, -width:]
        for k in range(1, problem.components)
    ]
    return torch.cat([theta, *further], 1)
