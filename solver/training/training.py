"""Training a batch of networks on a Ritz energy, with the gradient of your choice."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...verify.bending.statement import BeamProblem
from ...verify.errors import InputError
from ...verify.statement.box import BoxProblem
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem, require_problem
from ..beams.energy import beam_objective
from ..networks.choices import (
    OF_THE_INTEGRAL,
    EnergyForm,
    FitRule,
    Gradient,
    Initial,
    Optimizer,
    Precision,
    ScheduleName,
)
from ..networks.choices import Activation as ActivationName
from ..networks.gradients import Objective, objective
from .adam import Adam, GradientDescent, Schedule
from .archive import versions
from .checkpoints import Checkpoint, TrainingState
from .mesh import MeshAdam
from .newton import BlockNewton, SaddleFreeNewton, twice_differentiable
from .observation import Observation, Observer
from .progress import progress_bar
from .projection import VariableProjection
from .quasi_newton import QuasiNewton
from .runs import Run
from .settings import Settings
from .starts import GIVEN, initial_parameters

Callback = Callable[[Observation], object]
Optimiser = Adam | QuasiNewton | VariableProjection | MeshAdam
# Optimisers that move kinks.
_OF_KINKS = ("block-newton", "r-adaptive")
# Those that a beam takes: they ask for energies and gradients alone.
_OF_BEAMS = ("adam", "sgd", "lbfgs", "adam-lbfgs", "varpro")
# Optimisers that have one phase, by their names.
_ALONE = ("varpro", "newton", "block-newton", "r-adaptive", "sgd")


def fit(
    problem: RitzProblem | BeamProblem,
    width: int | Sequence[int] = 20,
    activation: ActivationName = "relu",
    gradient: Gradient = "autodiff",
    *,
    steps: int = 10_000,
    learning_rate: float = 1e-3,
    points: int = 200,
    seeds: Iterable[int] = range(4),
    rule: FitRule = "midpoint",
    energy: EnergyForm = "ritz",
    difference_step: float | None = None,
    optimizer: Optimizer = "adam",
    lbfgs_steps: int | None = None,
    schedule: ScheduleName | Schedule | None = None,
    start: Run | ShallowNetwork | Any = None,
    initial: Initial | Run = "paper",
    record: int = 100,
    patience: int | None = None,
    min_decrease: float = 1e-6,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
    resume: bool = False,
    dtype: Precision = "float64",
    device: str = "cpu",
) -> Run:
    """Minimise the energy of a problem over the parameters of a batch of networks, one for each seed.

    All networks are trained together, in one set of tensors with a leading dimension; they do not influence each other.

    Args:
        problem: gives κ, f, D, lift and ends. Essential values are held by its penalty. In boxes of up to three inputs,
            and for points drawn anew at each step, see `fit_box`. A `BeamProblem` takes one layer of "relu2" or
            "relu3", the gradients "autodiff", "exact" and "bulk", and optimisers that need no second derivatives.
        width: neurons of the hidden layer, or of several.
        activation: see `kinkproof.solver.networks.activations.ACTIVATIONS`.
        gradient: "autodiff", "finite-difference", "dirac-nearest", "dirac-mean", "exact", "bulk", "autodiff-summed" or
            "smoothed"; see `objective`.
        steps: of the optimiser (epochs; every step sees all nodes).
        learning_rate: of ADAM, on whatever, and of gradient descent.
        points: quadrature nodes.
        seeds: one network each; the same seed always starts from the same parameters, whatever the gradient.
        rule: of the quadrature; "conforming" follows the kinks; "adaptive" halves cells where the integrand asks for
            it; "uniform", "stratified" and "quasi-random" draw points anew at each step. "exact" and "bulk" integrate,
            and see no points.
        energy: "ritz" (Eq. 2) or "strong" (Eq. 1, squared).
        difference_step: ε of central differences; None: the adviser's.
        optimizer: "adam"; "sgd": gradient descent; "lbfgs"; "adam-lbfgs": first one, then the other; "varpro": variable
            projection, the outer weights by a linear solve at every step of L-BFGS over all others; "newton":
            saddle-free Newton on the whole Hessian; "block-newton": the outer weights by a linear solve and one Newton
            step on the kinks, in turn; or "r-adaptive": the outer weights by a linear solve, the kinks as the nodes of
            a mesh that ADAM moves.
        lbfgs_steps: of "adam-lbfgs", how many of the steps are the latter's; by default a tenth.
        schedule: of ADAM's learning rate: "cosine", "exponential", "step", "one-cycle", or a function that makes a
            torch schedule for an optimiser.
        start: what to start from instead of the seeds' own parameters: a `Run`, which `regress` returns too, a
            `ShallowNetwork`, or parameters (B, P).
        initial: how the seeds' own parameters are drawn: "paper" (w, b uniform in (−1, 1): a quarter of the kinks lies
            in (0, 1)), "torch", or kinks spread over the domain and facing both ways, "even" or by the theory's
            "density"; see `initial_parameters`. A `Run` is the same as start=run.
        record: every how many steps to look; see `History`.
        patience: a network stops once its energy has not fallen by `min_decrease` for this many steps.
        min_decrease: relative to the energy.
        callbacks: called with each `Observation`; one that returns True ends the run.
        progress: show a bar with the median energy gap, on stderr.
        checkpoint: file that keeps the state, written at the start, every `checkpoint_every` steps and at the end.
        checkpoint_every: see there.
        resume: go on from that file; the end is the same bit for bit as without the interruption.
        dtype: "float64" or "float32".
        device: of torch, "cpu" or "cuda".

    Returns:
        parameters and history of all networks. One that met NaN or inf keeps its last good parameters; `stops` says
        what happened, and a RuntimeWarning too.

    Raises:
        InputError: anything that makes no sense, in one sentence.

    Examples:
        >>> from kinkproof.verify import problems
        >>> run = fit(problems["sine-2"], gradient="exact", steps=200, seeds=range(2))
        >>> run.energy_gap.shape, bool((run.energy < run.history.exact[0]).all())
        ((2,), True)
    """
    if isinstance(problem, BoxProblem):
        raise InputError(
            f"problem: {problem.name or 'a BoxProblem'} is stated in a box of {problem.inputs} inputs, where points "
            "are drawn and no rule of one input holds; fit_box(problem, …) would be right"
        )
    if not isinstance(problem, BeamProblem):
        require_problem(problem)
        problem.require_bounded()
    drawn: str = "a run" if isinstance(initial, Run) else initial
    if isinstance(initial, Run) and start is None:
        start, drawn = initial, "paper"
    if start is not None and drawn != "paper":
        raise InputError(f"initial: {drawn!r} would be ignored beside a start; leaving one of the two out is right")
    own_seeds = _seeds_of(start, seeds)
    settings = Settings.of(
        width,
        activation,
        own_seeds,
        optimizer,
        gradient=gradient,
        energy=energy,
        rule=rule,
        points=points,
        difference_step=difference_step,
        steps=steps,
        lbfgs_steps=lbfgs_steps,
        learning_rate=learning_rate,
        schedule=schedule,
        record=record,
        patience=patience,
        min_decrease=min_decrease,
        dtype=dtype,
        device=device,
        initial=initial if start is None else GIVEN,
    )
    theta = _start(problem, settings, start)
    given: Any = {"energy": energy, "rule": rule, "points": points, "difference_step": difference_step}
    given |= {"dtype": settings.torch_dtype, "device": theta.device}
    if isinstance(problem, BeamProblem):
        followed = beam_objective(problem, settings.architecture, gradient, **given)
    else:
        followed = objective(problem, settings.architecture, gradient, **given)
    return train(problem, settings, theta, followed, callbacks, progress, checkpoint, checkpoint_every, resume)


def train(
    problem: RitzProblem | BeamProblem,
    settings: Settings,
    theta: Tensor,
    followed: Objective,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
    resume: bool = False,
) -> Run:
    """Minimise any objective of a problem's networks from parameters (B, P) on; the rest as in `fit`."""
    if isinstance(checkpoint_every, bool) or not isinstance(checkpoint_every, int) or checkpoint_every < 1:
        raise InputError(f"checkpoint_every: {checkpoint_every!r} is no number of steps; one from 1 on would be right")
    if resume and checkpoint is None:
        raise InputError("resume: there is no checkpoint to go on from; checkpoint= with its file would be right")
    kept = None if checkpoint is None else Checkpoint(Path(checkpoint), problem, settings, theta)
    observer = Observer(problem, settings, followed)
    with ExitStack() as stack:
        listeners = list(callbacks)
        if progress:
            label = f"{settings.activation}, {followed.name}"
            listeners.append(stack.enter_context(progress_bar(settings.steps, label)))
        state = _loop(problem, settings, theta, followed, observer, listeners, kept, checkpoint_every, resume)
    return Run(problem, settings, state.history(), tuple(state.stops), state.diverged.cpu().numpy(), versions())


def _seeds_of(start: Any, seeds: Iterable[int]) -> Iterable[int]:
    """A start brings as many networks as it has; they keep the seeds that made them where these are known."""
    if start is None:
        return seeds
    known = getattr(getattr(start, "settings", None), "seeds", None)
    if known is not None:
        return tuple(known)
    vectors = start.ravel() if isinstance(start, ShallowNetwork) else np.asarray(start)
    return range(int(np.prod(vectors.shape[:-1])))


def _start(problem: RitzProblem | BeamProblem, settings: Settings, start: Any) -> Tensor:
    architecture = settings.architecture
    device = torch.device(settings.device)
    if start is None:
        drawn = initial_parameters(problem, architecture, settings.initial, settings.seeds)
        return drawn.to(device, settings.torch_dtype)
    theirs = getattr(start, "settings", None)
    if theirs is not None and (theirs.width, theirs.activation) != (settings.width, settings.activation):
        raise InputError(
            f"start: its networks have {theirs.width} neurons with {theirs.activation}, this run has {settings.width} "
            f"with {settings.activation}; the same would be right"
        )
    if isinstance(start, ShallowNetwork):
        vectors = start.ravel()
    else:
        vectors = np.asarray(getattr(start, "parameters", start), dtype=np.float64)
    if not vectors.ndim or vectors.shape[-1] != architecture.parameters:
        raise InputError(
            f"start: shape {vectors.shape} is not (B, {architecture.parameters}), the parameters of {settings.width} "
            "neurons; such an array would be right"
        )
    if not np.isfinite(vectors).all():
        raise InputError("start: some of its parameters are not finite; finite ones would be right")
    flat = vectors.reshape(-1, architecture.parameters)
    return torch.tensor(flat, dtype=settings.torch_dtype, device=device)


def _loop(
    problem: RitzProblem | BeamProblem,
    settings: Settings,
    theta: Tensor,
    followed: Objective,
    observer: Observer,
    callbacks: Sequence[Callback],
    kept: Checkpoint | None,
    checkpoint_every: int,
    resume: bool,
) -> TrainingState:
    """The loop: step, look every so often, stop what has ended."""
    switch = settings.steps - settings.lbfgs_steps
    if resume and kept is not None:
        state, kind, saved = kept.read(theta.device)
        optimiser = _optimiser(kind, problem, settings, followed, state.theta)
        optimiser.restore(saved)
    else:
        if kept is not None:
            kept.refuse_to_overwrite()
        state = TrainingState.at_start(theta)
        first = settings.optimizer if settings.optimizer in _ALONE else "adam" if switch else "lbfgs"
        optimiser = _optimiser(first, problem, settings, followed, theta)
        _look(state, settings, observer, optimiser, callbacks)
        if kept is not None:
            # At once: a path that cannot be written is said now, not after hours.
            kept.write(state, optimiser.kind, optimiser.state())
    while state.step < settings.steps and bool(state.active.any()):
        if state.step == switch and optimiser.kind == "adam":
            optimiser = _optimiser("lbfgs", problem, settings, followed, state.theta)
        _step(state, optimiser)
        if state.step % settings.record == 0 or state.step == settings.steps or not bool(state.active.any()):
            _look(state, settings, observer, optimiser, callbacks)
        if kept is not None and (state.step % checkpoint_every == 0 or state.step == settings.steps):
            kept.write_or_warn(state, optimiser.kind, optimiser.state())
    if kept is not None and state.step < settings.steps:
        kept.write_or_warn(state, optimiser.kind, optimiser.state())
    return state


def _optimiser(
    kind: str, problem: RitzProblem | BeamProblem, settings: Settings, followed: Objective, theta: Tensor
) -> Optimiser:
    if kind == "lbfgs":
        return QuasiNewton(followed, theta)
    if kind == "varpro":
        return VariableProjection(followed, theta, settings.architecture)
    if isinstance(problem, BeamProblem):
        if kind not in _OF_BEAMS:
            raise InputError(f"optimizer: {kind!r} is not made for beams; one of {', '.join(_OF_BEAMS)} would be right")
    elif kind in _OF_KINKS:
        if not settings.architecture.shallow or not settings.architecture.activation.kinked:
            raise InputError(
                f"optimizer: {kind!r} moves the kinks of one layer, which {settings.width} neurons with "
                f"{settings.activation} do not have; 'varpro' would be right"
            )
        if kind == "block-newton":
            energy = twice_differentiable(problem, settings, followed)
            return BlockNewton(followed, theta, settings.architecture, energy)
        left, right = (float(e) for e in problem.domain)
        return MeshAdam(
            followed, theta, settings.architecture, (left, right), settings.learning_rate, settings.schedule,
            settings.steps,
        )  # fmt: skip
    elif kind == "newton":
        return SaddleFreeNewton(followed, theta, twice_differentiable(problem, settings, followed))
    steps = settings.steps - settings.lbfgs_steps
    stepping = GradientDescent if kind == "sgd" else Adam
    return stepping(followed, theta, settings.learning_rate, settings.schedule, steps)


def _step(state: TrainingState, optimiser: Optimiser) -> None:
    theta, energy, gradient, ended = optimiser.step(state.theta, state.active)
    # One check a step for the whole batch; which network and where is asked only if it fails.
    if not bool(torch.isfinite(gradient).all() & torch.isfinite(energy).all()):
        bad = state.active & ~(torch.isfinite(gradient).all(-1) & torch.isfinite(energy))
        # The energy was NaN or inf where this step began: the place before it was the last good one.
        theta = torch.where(bad[:, None], state.previous, theta)
        for k in torch.nonzero(bad).flatten().tolist():
            _diverge(state, k, f"the energy was {float(energy[k]):g}", state.step)
    for k, why in ended.items():
        _stop(state, k, f"step {state.step}: {why}")
    state.previous, state.theta = state.theta, theta
    state.step += 1


def _look(
    state: TrainingState,
    settings: Settings,
    observer: Observer,
    optimiser: Optimiser,
    callbacks: Sequence[Callback],
) -> None:
    seen = observer.look(state.step, state.theta, optimiser.learning_rate)
    broken = [k for k in np.flatnonzero(~np.isfinite(seen.quadrature)).tolist() if state.active[k]]
    if broken:
        for k in broken:
            state.theta[k] = state.previous[k]
            _diverge(state, k, f"the energy was {seen.quadrature[k]:g}", state.step)
        seen = observer.look(state.step, state.theta, optimiser.learning_rate)
    state.keep(seen)
    energy = torch.as_tensor(seen.exact if settings.gradient in OF_THE_INTEGRAL else seen.quadrature)
    better = energy < state.best - settings.min_decrease * torch.where(
        torch.isfinite(state.best), state.best.abs(), torch.zeros_like(state.best)
    )
    state.best = torch.where(better, energy, state.best)
    state.best_step = torch.where(better, torch.full_like(state.best_step, state.step), state.best_step)
    if settings.patience is not None:
        for k in torch.nonzero(state.step - state.best_step >= settings.patience).flatten().tolist():
            _stop(state, k, f"step {state.step}: the energy has not fallen for {settings.patience} steps")
    for callback in callbacks:
        if callback(seen) is True:
            for k in range(len(state.stops)):
                _stop(state, k, f"step {state.step}: a callback ended the run")


def _stop(state: TrainingState, network: int, why: str) -> None:
    if state.active[network]:
        state.active = state.active.clone()
        state.active[network] = False
        state.stops[network] = why


def _diverge(state: TrainingState, network: int, what: str, step: int) -> None:
    sentence = f"step {step}: {what}; the last finite parameters are kept"
    _stop(state, network, sentence)
    state.diverged[network] = True
    warnings.warn(f"network {network} diverged at {sentence}", RuntimeWarning, stacklevel=4)
