"""The state of a training run on disk, from which it goes on bit for bit."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...verify.bending.statement import BeamProblem
from ...verify.errors import InputError
from ...verify.files import require_writable
from ...verify.statement.problem import RitzProblem
from . import archive
from .observation import Observation
from .runs import History
from .settings import Settings

Array = NDArray[Any]


@dataclass
class TrainingState:
    """Everything that the rest of a run depends on, but for the optimiser's own state.

    Attributes:
        step: how many steps have been made.
        theta: parameters, (B, P).
        previous: the step before's; what a network falls back to when it meets NaN or inf.
        active: which networks still move, (B,) bool.
        diverged: which met NaN or inf, (B,) bool.
        stops: why a network no longer moves.
        best: least recorded energy of each, (B,), and the step at which it was seen, (B,).
        records: what was observed, by the names of `History`.
    """

    step: int
    theta: Tensor
    previous: Tensor
    active: Tensor
    diverged: Tensor
    stops: list[str]
    best: Tensor
    best_step: Tensor
    records: dict[str, list[Any]] = field(default_factory=lambda: {n: [] for n in History.NAMES})

    @classmethod
    def at_start(cls, theta: Tensor) -> TrainingState:
        """No steps made."""
        batch = len(theta)
        no = torch.zeros(batch, dtype=torch.bool, device=theta.device)
        best = torch.full((batch,), float("inf"), dtype=torch.float64)
        return cls(0, theta, theta, ~no, no.clone(), [""] * batch, best, torch.zeros(batch, dtype=torch.int64))

    def keep(self, seen: Observation) -> None:
        """Add to the records."""
        self.records["steps"].append(seen.step)
        for name in History.NAMES[1:]:
            self.records[name].append(getattr(seen, name))

    def history(self) -> History:
        """The records as arrays."""
        return History(*(np.array(self.records[n]) for n in History.NAMES))


class Checkpoint:
    """One file, written anew every so many steps.

    Args:
        path: of the file.
        problem: of the run, and likewise
        settings: which must be the same when it is resumed.
        start: the parameters at step 0, which must be the same too.
    """

    _TENSORS = ("theta", "previous", "active", "diverged", "best", "best_step")

    def __init__(self, path: Path, problem: RitzProblem | BeamProblem, settings: Settings, start: Tensor) -> None:
        self.path = path
        digest = hashlib.sha256(start.detach().cpu().numpy().tobytes()).hexdigest()
        self.identity = {"problem": archive.statement(problem), "settings": settings.as_dict(), "start": digest}

    def refuse_to_overwrite(self) -> None:
        """Raise `InputError` if there is a file already: it may be hours of work."""
        require_writable(self.path)
        if self.path.exists():
            raise InputError(f"{self.path} exists; resume=True goes on from it, and another name starts anew")

    def write(self, state: TrainingState, optimiser_kind: str, optimiser: Mapping[str, Array]) -> None:
        """Write it whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        tensors = {n: getattr(state, n).cpu().numpy() for n in self._TENSORS}
        history = {f"history.{n}": np.array(v) for n, v in state.records.items()}
        header = {**self.identity, "step": state.step, "stops": state.stops, "optimiser": optimiser_kind}
        arrays = {**tensors, **history, **{f"optimiser.{n}": v for n, v in optimiser.items()}}
        archive.write(self.path, "checkpoint", header, arrays)

    def write_or_warn(self, state: TrainingState, optimiser_kind: str, optimiser: Mapping[str, Array]) -> None:
        """The same during a run: a full disk does not cost the run, and the file keeps its last good state."""
        try:
            self.write(state, optimiser_kind, optimiser)
        except InputError as error:
            warnings.warn(
                f"step {state.step}: no checkpoint was written; {error}; training goes on, and what the file held "
                "before is still there",
                RuntimeWarning,
                stacklevel=3,
            )

    def read(self, device: torch.device) -> tuple[TrainingState, str, dict[str, Array]]:
        """State, kind of optimiser and its state.

        Raises:
            InputError: no such file, damaged, foreign, or of another problem, other settings or another version.
        """
        header, arrays = archive.read(self.path, "checkpoint")
        self._compare(header)
        try:
            tensors = {n: torch.tensor(arrays[n], device=device) for n in self._TENSORS}
            for name in ("best", "best_step"):
                tensors[name] = tensors[name].cpu()
            records = {n: list(arrays[f"history.{n}"]) for n in History.NAMES}
            state = TrainingState(step=header["step"], stops=list(header["stops"]), records=records, **tensors)
            optimiser = {n.removeprefix("optimiser."): a for n, a in arrays.items() if n.startswith("optimiser.")}
            return state, header["optimiser"], optimiser
        except (KeyError, TypeError) as error:
            raise InputError(f"{self.path} lacks {error}; a checkpoint as kinkproof writes it is right") from None

    def _compare(self, header: Mapping[str, Any]) -> None:
        here = archive.versions()
        for name in ("kinkproof", "torch"):
            there = header.get("versions", {}).get(name)
            if there != here[name]:
                raise InputError(
                    f"{self.path} was written with {name} {there}, and {here[name]} would not go on bit for bit; "
                    f"{name} {there} would be right"
                )
        for part in ("problem", "settings"):
            mine, theirs = self.identity[part], header.get(part, {})
            assert isinstance(mine, dict)
            for key, value in mine.items():
                if key != "name" and theirs.get(key) != value:
                    raise InputError(
                        f"{self.path} is the checkpoint of another run: its {part.removesuffix('s')} has {key} "
                        f"{theirs.get(key)!r}, this run {value!r}; the same would be right"
                    )
        if header.get("start") != self.identity["start"]:
            raise InputError(
                f"{self.path} is the checkpoint of a run from other starting parameters; the same is right"
            )
