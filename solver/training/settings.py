"""All that determines a training run besides its problem and its starting parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
import torch

from ...verify.choices import require_known
from ...verify.errors import InputError
from ..networks.architecture import Architecture
from ..networks.choices import OF_THE_INTEGRAL, Optimizer
from ..networks.differences import check_step
from ..networks.drawn import ADAPTIVE, DRAWN
from .adam import Schedule, check_schedule

OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)
_TYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True)
class Settings:
    """The arguments of `fit`, checked; see there for what they mean.

    Raises:
        InputError: a value out of its range or an unknown name.
    """

    width: tuple[int, ...]
    activation: str
    gradient: str
    energy: str
    rule: str
    points: int
    difference_step: float | None
    optimizer: str
    steps: int
    lbfgs_steps: int
    learning_rate: float
    schedule: str | Schedule | None
    seeds: tuple[int, ...]
    record: int
    patience: int | None
    min_decrease: float
    dtype: str
    device: str
    initial: str = "paper"

    def __post_init__(self) -> None:
        require_known("optimizer", self.optimizer, OPTIMIZERS)
        require_known("dtype", self.dtype, _TYPES)
        _whole("steps", self.steps, 1)
        _whole("lbfgs_steps", self.lbfgs_steps, 0)
        _whole("record", self.record, 1)
        if self.patience is not None:
            _whole("patience", self.patience, 1)
        if self.lbfgs_steps > self.steps:
            raise InputError(f"lbfgs_steps: {self.lbfgs_steps} of {self.steps} steps is too many; at most all is right")
        if not _number(self.learning_rate) or not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate: {self.learning_rate!r} trains nothing; a positive number is right")
        if not _number(self.min_decrease) or not 0 <= self.min_decrease < float("inf"):
            raise InputError(f"min_decrease: {self.min_decrease!r} is no decrease; a number from 0 on would be right")
        if self.difference_step is not None:
            check_step(self.difference_step)
            if self.gradient != "finite-difference":
                raise InputError(
                    f"difference_step: {self.gradient!r} takes no differences; gradient='finite-difference' is right"
                )
        own = self.rule in (*DRAWN, ADAPTIVE)
        if own and self.optimizer not in ("adam", "sgd") and self.gradient not in OF_THE_INTEGRAL:
            raise InputError(
                f"rule: {self.rule!r} has other points at each step, and {self.optimizer!r} compares energies; "
                "optimizer='adam' would be right"
            )
        check_schedule(self.schedule)
        try:
            # Not only made but read: a device such as "meta" has no numbers.
            torch.zeros(1, device=self.device).item()
        except (RuntimeError, AssertionError, TypeError):
            raise InputError(f"device: torch has no {self.device!r} here; 'cpu' would be right") from None

    @classmethod
    def of(cls, width: Any, activation: str, seeds: Iterable[int], optimizer: str, **others: Any) -> Settings:
        """From what a user passes: widths and seeds of any iterable kind, ADAM's share of the steps by default."""
        # NumPy's whole numbers are whole numbers.
        width, others = _plain(width), {name: _plain(value) for name, value in others.items()}
        try:
            layers, seeds = width if isinstance(width, int) else tuple(map(_plain, width)), _plain(seeds)
            seeds = seeds if isinstance(seeds, int) else tuple(map(_plain, seeds))
        except TypeError:
            raise InputError(
                f"width {width!r}, seeds {seeds!r}: whole numbers such as 20 and range(4) are right"
            ) from None
        architecture = Architecture.of(layers, activation)
        steps = others["steps"]
        if others.get("lbfgs_steps") is None:
            # Of ADAM-then-L-BFGS a tenth: L-BFGS converges or sticks within some hundred iterations.
            share = {"lbfgs": 1, "adam-lbfgs": 10}.get(optimizer)
            others["lbfgs_steps"] = steps // share if share and isinstance(steps, int) else 0
        elif optimizer != "adam-lbfgs":
            raise InputError(f"lbfgs_steps: {optimizer!r} leaves no choice; optimizer='adam-lbfgs' would be right")
        if isinstance(seeds, int):
            raise InputError(f"seeds: {seeds} is a number; several, such as range({max(1, seeds)}), would be right")
        return cls(
            width=architecture.widths,
            activation=architecture.activation.name,
            seeds=seeds,
            optimizer=optimizer,
            **others,
        )

    @property
    def architecture(self) -> Architecture:
        """Widths and activation."""
        return Architecture.of(self.width, self.activation)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The type as torch has it."""
        return _TYPES[self.dtype]

    def as_dict(self) -> dict[str, Any]:
        """Plain data; a schedule of the user's own by its name."""
        out = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        if callable(self.schedule):
            out["schedule"] = f"function {getattr(self.schedule, '__qualname__', type(self.schedule).__name__)}"
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settings:
        """The inverse, but for a schedule of the user's own, which is forgotten."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        if str(values["schedule"]).startswith("function "):
            values["schedule"] = None
        return cls(**values)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, np.integer) else value


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}: {value!r} is no number of steps; a whole number from {least} on would be right")
