"""The network at the centre of a landscape, from whatever a user has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...verify.errors import InputError
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem, require_problem
from ...verify.values import Value
from ..networks.architecture import Architecture
from ..training.runs import Run

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Centre(Value):
    """One network: its architecture, and θ*, (P,)."""

    architecture: Architecture
    theta: Array

    @property
    def tensor(self) -> Tensor:
        """θ* as torch has it, (P,)."""
        return torch.tensor(self.theta)


def centre_of(
    problem: RitzProblem | None, network: ShallowNetwork | Run | Any, activation: str | None = None
) -> Centre:
    """Read a network.

    Args:
        problem: of the landscape; a run must be of the same. None: of any.
        network: a `ShallowNetwork`, a `Run` of one seed, or the parameters (P,) of one hidden layer.
        activation: None: the run's, else "relu".

    Raises:
        InputError: several networks, none, or another activation or problem than the run's.
    """
    if problem is not None:
        require_problem(problem)
    if isinstance(network, Run):
        return _of_run(problem, network, activation)
    if isinstance(network, ShallowNetwork):
        theta = network.ravel()
    else:
        try:
            theta = np.array(network, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"network: {type(network).__name__} is no network; a ShallowNetwork, a Run or (P,) parameters is right"
            ) from None
    if theta.ndim != 1:
        raise InputError(
            f"network: parameters of shape {theta.shape} are not those of one network; (P,), or member((k,)) of a "
            "batch, would be right"
        )
    if not theta.size or theta.size % 3:
        raise InputError(f"network: {theta.size} parameters are not three blocks of one hidden layer; 3N is right")
    return _checked(Architecture.of(theta.size // 3, "relu" if activation is None else activation), theta)


def _of_run(problem: RitzProblem | None, run: Run, activation: str | None) -> Centre:
    if len(run.parameters) != 1:
        raise InputError(
            f"network: the run has {len(run.parameters)} networks; one of seeds=[k], or parameters[k], would be right"
        )
    if problem is not None and run.problem != problem:
        raise InputError(
            f"network: the run is one of {run.problem.name}, not of {problem.name}; the same problem would be right"
        )
    own = run.settings.architecture
    if activation is not None and Architecture.of(own.widths, activation) != own:
        raise InputError(f"activation: the run's is {own.activation.name}, not {activation}; the same would be right")
    return _checked(own, run.parameters[0].astype(np.float64))


def _checked(architecture: Architecture, theta: Array) -> Centre:
    if not np.isfinite(theta).all():
        raise InputError("network: its parameters are not finite; finite numbers would be right")
    return Centre(architecture, theta)
