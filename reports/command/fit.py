"""`kinkproof fit`: train networks on a problem, or make the paper's runs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ...solver.networks.choices import (
    OF_THE_INTEGRAL,
    Activation,
    EnergyForm,
    FitRule,
    Gradient,
    Initial,
    Optimizer,
    Precision,
    ScheduleName,
)
from ...verify.choices import nearest
from .options import closed, given, going_on, refuse_idle, refuse_quick, with_problem
from .terminal import speaking

if TYPE_CHECKING:
    from ...solver.training.runs import Run
    from ...verify.statement.problem import RitzProblem

# A quick run shows that everything works; it has not converged.
_QUICK_STEPS, _QUICK_SEEDS = 500, 4
_EXPERIMENT_SEEDS = 16
_SEEDS, _STEPS = 4, 10_000
# What a preset leaves open.
_OF_A_PRESET = {"preset", "quick", "width", "steps", "learning_rate", "points", "seeds", "save", "threads", "as_json"}
_OF_A_PRESET |= {"quiet"}

Figure = Literal["figure-1", "figure-2", "figure-4", "figure-5", "figure-6"]
Preset = Annotated[str | None, closed(Figure, "Instead of one run the paper's:")]
# What `--start` takes besides a file.
_REGRESSION = "regression"


@with_problem
def fit(
    problem: RitzProblem,
    context: typer.Context,
    preset: Preset = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few steps and seeds, for a first look.")] = False,
    width: Annotated[str, typer.Option(help="Neurons of the hidden layer; 20,20 for two.")] = "20",
    activation: Annotated[str, closed(Activation, "Of the neurons:")] = "relu",
    gradient: Annotated[str, closed(Gradient, "That training follows:")] = "autodiff",
    energy: Annotated[str, closed(EnergyForm, "Ritz's, or the squared residual:")] = "ritz",
    steps: Annotated[int | None, typer.Option(help=f"Epochs; by default {_STEPS}.", show_default=False)] = None,
    learning_rate: Annotated[float, typer.Option(help="ADAM's.")] = 1e-3,
    schedule: Annotated[str | None, closed(ScheduleName, "Of the learning rate:")] = None,
    optimizer: Annotated[str, closed(Optimizer, "What makes the steps:")] = "adam",
    lbfgs_steps: Annotated[int | None, typer.Option(help="Of adam-lbfgs; by default a tenth.")] = None,
    rule: Annotated[str, closed(FitRule, "Of the quadrature:")] = "midpoint",
    points: Annotated[int, typer.Option(help="Quadrature points.")] = 200,
    difference_step: Annotated[
        float | None, typer.Option(help="ε of finite differences; by default the adviser's.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help=f"How many networks, from seed 0 on; by default {_SEEDS}.", show_default=False)
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="regression, or a file written by --save, instead of random parameters.")
    ] = None,
    initial: Annotated[str, closed(Initial, "How random parameters are drawn:")] = "paper",
    patience: Annotated[int | None, typer.Option(help="Stop a network that has not improved for so long.")] = None,
    record: Annotated[int, typer.Option(help="Look every so many steps.")] = 100,
    checkpoint: Annotated[Path | None, typer.Option(help="File that keeps the state on the way.")] = None,
    checkpoint_every: Annotated[int, typer.Option(help="Write it every so many steps.")] = 1000,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(help="File for the run, .npz; for a preset a folder, by default build/experiments."),
    ] = None,
    dtype: Annotated[str, closed(Precision, "Of the numbers:")] = "float64",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Of torch; for tensors this small one is fastest.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")] = False,
) -> None:
    """Train networks on the energy with the gradient of your choice, right or wrong, from the same start.

    Exits with 1 if a network diverged, with 130 if interrupted; with --checkpoint it can go on from there.
    """
    from ...verify.errors import InputError
    from ...verify.files import require_writable

    if threads < 1:
        raise InputError(f"threads: {threads} compute nothing; at least one would be right")
    if seeds is not None and seeds < 1:
        raise InputError(f"seeds: {seeds} networks are none; at least one would be right")
    _refuse_idle(context, preset, gradient, optimizer, checkpoint, start)
    widths = _widths(width)
    if start not in (None, _REGRESSION) and not Path(start).is_file():
        if nearest(start, [_REGRESSION]):
            raise InputError(f"start: there is no file {start}; did you mean {_REGRESSION!r}?")
        raise InputError(f"start: there is no file {start}; {_REGRESSION}, or a run that --save wrote, would be right")
    # From here on what needs torch, whose import alone takes longer than saying what was wrong.
    import torch

    from ...solver.training.training import fit as train
    from .training_tables import experiment_tables, run_as_dict, run_table

    torch.set_num_threads(threads)
    steps = steps if steps is not None else _QUICK_STEPS if quick else _STEPS
    count = seeds if seeds is not None else _QUICK_SEEDS if quick else _EXPERIMENT_SEEDS if preset else _SEEDS
    with _warnings_as_sentences():
        if preset is not None:
            if not width.isdecimal():
                raise InputError(f"width: the paper's runs have one hidden layer, not {width!r}; 20 would be right")
            from ...solver.studies.experiments import CONVERGED, run_experiment

            if quick and steps >= CONVERGED:
                raise InputError(f"quick: {steps} epochs are no first look; leaving --quick out would be right")

            folder = save or Path("build/experiments")
            require_writable(folder / preset / "outcome.json")
            outcome = run_experiment(
                preset,
                steps=steps,
                seeds=range(count),
                width=int(width),
                points=points,
                learning_rate=learning_rate,
                progress=speaking(),
                folder=folder,
            )
            runs = list(outcome.runs.values())
            if as_json:
                typer.echo(json.dumps(outcome.as_dict(), indent=2, ensure_ascii=False))
            else:
                experiment_tables(outcome, folder / preset)
        else:
            if save is not None:
                require_writable(save)
            settings: dict[str, Any] = {
                "width": widths, "activation": activation, "gradient": gradient, "energy": energy,
                "steps": steps, "learning_rate": learning_rate, "schedule": schedule, "optimizer": optimizer,
                "lbfgs_steps": lbfgs_steps, "rule": rule, "points": points, "difference_step": difference_step,
                "seeds": range(count), "patience": patience, "record": record, "dtype": dtype, "device": device,
                "initial": initial,
            }  # fmt: skip
            settings["start"] = _start(problem, start, settings)
            with going_on(f"the same command with --resume goes on from {checkpoint}", checkpoint):
                run = train(
                    problem,
                    **settings,
                    progress=speaking(),
                    checkpoint=checkpoint,
                    checkpoint_every=checkpoint_every,
                    resume=resume,
                )
            runs = [run]
            # Printed first: a disk that is full by now costs the file, not the figures.
            if as_json:
                typer.echo(json.dumps(run_as_dict(run), indent=2, ensure_ascii=False))
            else:
                run_table(run)
            if save is not None:
                run.save(save)
                if speaking():
                    typer.echo(f"Written: {save}", err=as_json)
    if any(r.diverged.any() for r in runs):
        raise typer.Exit(1)


def _refuse_idle(
    context: typer.Context,
    preset: str | None,
    gradient: str,
    optimizer: str,
    checkpoint: Path | None,
    start: str | None,
) -> None:
    """What would do nothing is refused, not passed over in silence."""
    refuse_quick(context)
    if preset is not None:
        # It states problem and networks itself.
        others = [name for name in given(context) if name not in _OF_A_PRESET]
        refuse_idle(context, others, f"beside --preset {preset}, which states its own; one of the two would be right")
        return
    if checkpoint is None:
        refuse_idle(context, ["checkpoint_every"], "without a checkpoint; --checkpoint FILE beside it would be right")
    if optimizer in ("lbfgs", "varpro", "newton", "block-newton"):
        refuse_idle(context, ["learning_rate", "schedule"], f"with --optimizer {optimizer}, which finds its own steps; "
                    "adam or adam-lbfgs would be right")  # fmt: skip
    if start is not None:
        refuse_idle(context, ["initial"], f"beside --start {start}, which draws none; one of the two would be right")
    if start not in (None, _REGRESSION):
        refuse_idle(context, ["seeds"], f"beside --start {start}, which has its own networks; one of the two is right")
        if "steps" in given(context):
            refuse_idle(context, ["quick"], f"beside --steps and --start {start}, which leave it no choice; one of "
                        "them is right")  # fmt: skip
    if gradient in OF_THE_INTEGRAL:
        refuse_idle(context, ["rule", "points"], f"with --gradient {gradient}, which needs no nodes; autodiff would be "
                    "right")  # fmt: skip


def _widths(text: str) -> int | tuple[int, ...]:
    from ...verify.errors import InputError

    try:
        widths = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"width: {text!r} is no number of neurons; 20, or 20,20 for two layers, is right") from None
    return widths[0] if len(widths) == 1 else widths


def _start(problem: RitzProblem, start: str | None, settings: dict[str, Any]) -> Run | None:
    if start is None:
        return None
    from ...solver.training.regression import regress
    from ...solver.training.runs import Run

    if start != _REGRESSION:
        return Run.load(start)
    same = {n: settings[n] for n in ("width", "activation", "seeds", "dtype", "device")}
    return regress(problem, **same, progress=speaking())


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Warnings of the solver (divergence, a full disk, the strong form with ReLU) without file and line, on stderr."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        typer.echo(f"kinkproof: {message}", err=True)

    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning):
            warnings.filterwarnings("always", category=kind)
        warnings.showwarning = show
        yield
