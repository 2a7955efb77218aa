"""A training run in a box: settings, what was measured on the way, and the networks at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...verify.errors import InputError
from ...verify.showing import Shown, html_table
from ...verify.statement.box import BoxProblem
from ...verify.values import Value
from ..networks.architecture import Architecture
from ..training import archive
from .energy import field_and_gradient

Array = NDArray[Any]

_ARRAYS = ("steps", "energy", "energy_error", "gradient_error", "angle", "parameters")


@dataclass(frozen=True, eq=False)
class BoxRun(Value, Shown):
    """A batch of networks trained on a `BoxProblem`, R records of B networks.

    Attributes:
        problem: what was minimised.
        settings: plain data, as `fit_box` was called.
        steps: at which it was looked, (R,).
        energy: the integral, (R, B).
        energy_error: its standard error, (R, B).
        gradient_error: ‖∇(û − u)‖ ÷ ‖∇u‖, (R, B); NaN where no solution is known.
        angle: between the gradients without and with the term, in degrees, (R, B).
        parameters: at the end, (B, P).
        stops: why a network ended early, "" if it did not.
    """

    problem: BoxProblem
    settings: Mapping[str, Any]
    steps: Array
    energy: Array
    energy_error: Array
    gradient_error: Array
    angle: Array
    parameters: Array
    stops: tuple[str, ...]

    def __repr__(self) -> str:
        width = ", ".join(map(str, self.settings["width"]))
        return (
            f"<BoxRun of {self.problem.name}: {len(self.stops)} networks of {width} neurons, "
            f"{self.settings['activation']}, {self.settings['gradient']}, {int(self.steps[-1])} steps, median energy "
            f"{np.median(self.energy[-1]):.4g}>"
        )

    def _repr_html_(self) -> str:
        heads = ["network", "energy", "its standard error", "gradient error", "angle", "ended early"]
        last = (self.energy[-1], self.energy_error[-1], self.gradient_error[-1], self.angle[-1], self.stops)
        return html_table(repr(self)[1:-1], heads, zip(range(len(self.stops)), *last, strict=True))

    @property
    def gap_history(self) -> Array:
        """Energy minus the minimum, (R, B).

        Raises:
            InputError: no solution is known.
        """
        return np.asarray(self.energy - self.problem.minimum_energy())

    @property
    def energy_gap(self) -> Array:
        """The same at the end, (B,)."""
        return np.asarray(self.gap_history[-1])

    @property
    def architecture(self) -> Architecture:
        """Of the networks."""
        return Architecture.of(tuple(self.settings["width"]), self.settings["activation"], self.problem.inputs)

    def field(self, x: Any) -> Array:
        """û at points x (n, d), (B, n), or (B, n, m) where it has components."""
        theta, points = (torch.as_tensor(np.asarray(a, dtype=np.float64)) for a in (self.parameters, x))
        return np.asarray(field_and_gradient(self.architecture, self.problem, theta, points)[0])

    def preactivations(self, x: Any, network: int = 0) -> list[Array]:
        """Of one network at points (n, d), (n, N) of each hidden layer: its kinks lie where these are 0."""
        architecture = self.architecture
        theta = torch.as_tensor(np.asarray(self.parameters[network], dtype=np.float64))
        h, out = torch.as_tensor(np.asarray(x, dtype=np.float64)), []
        for layer in architecture.split(theta[: architecture.parameters])[0]:
            z = h @ layer.weights.mT + layer.biases
            out.append(np.asarray(z))
            h = architecture.activation.jet(z)[0]
        return out

    def save(self, path: str | Path) -> Path:
        """Write one `.npz` file.

        Raises:
            InputError: it cannot be written.
        """
        header = {"problem": self.problem.statement(), "settings": dict(self.settings), "stops": list(self.stops)}
        archive.write(Path(path), "box run", header, {n: getattr(self, n) for n in _ARRAYS})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> BoxRun:
        """Read such a file; nothing in it is executed.

        Raises:
            InputError: no such file, or not one of ours.
        """
        header, arrays = archive.read(Path(path), "box run")
        try:
            problem, stops = BoxProblem(**header["problem"]), tuple(header["stops"])
            return cls(problem=problem, settings=header["settings"], stops=stops, **{n: arrays[n] for n in _ARRAYS})
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} lacks {error}; a run as kinkproof saves it would be right") from None
