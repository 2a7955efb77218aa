"""What a training run leaves behind, and the file it is kept in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...verify.bending.statement import BeamProblem, PowerNetwork
from ...verify.errors import InputError
from ...verify.showing import Shown, html_table
from ...verify.statement.network import ShallowNetwork
from ...verify.statement.problem import RitzProblem, require_problem
from ...verify.values import Value
from ..data.statement import data, fine_mesh, mesh
from ..networks.differences import StepAdvice, advise_step
from . import archive
from .settings import Settings

Array = NDArray[Any]

# A network is stuck if it ends this many times higher than the lower quartile of its fellows …
_STUCK_RATIO = 4.0
# … and its energy gap fell by less than this share during the second half of the run.
_STUCK_FALL = 0.1


@dataclass(frozen=True, eq=False)
class History(Value):
    """What was recorded on the way: R times, B networks, P parameters.

    Attributes:
        steps: (R,), from 0 to the last one.
        quadrature: the energy as the grid sees it, (R, B).
        exact: the Ritz energy as an integral, (R, B).
        gradient_norm: of the gradient that the run follows, (R, B).
        angle: degrees between autodiff's gradient on the grid and that of the integral, (R, B); NaN where there is no
            such pair.
        learning_rate: (R,).
        parameters: (R, B, P).
    """

    steps: Array
    quadrature: Array
    exact: Array
    gradient_norm: Array
    angle: Array
    learning_rate: Array
    parameters: Array

    NAMES = ("steps", "quadrature", "exact", "gradient_norm", "angle", "learning_rate", "parameters")


@dataclass(frozen=True, eq=False)
class Run(Value, Shown):
    """A finished run.

    Attributes:
        problem: what was minimised.
        settings: how.
        history: on the way; its last row is the end.
        stops: for every network why it ended early, "" if it did not.
        diverged: which networks met NaN or inf, (B,).
        versions: of the programs.
    """

    problem: RitzProblem | BeamProblem
    settings: Settings
    history: History
    stops: tuple[str, ...]
    diverged: Array
    versions: dict[str, str]

    def __repr__(self) -> str:
        width = ", ".join(map(str, self.settings.width))
        known = self.problem.solution is not None
        what, value = ("energy gap", np.median(self.energy_gap)) if known else ("energy", np.median(self.energy))
        return (
            f"<Run of {self.problem.name}: {len(self.stops)} networks of {width} neurons, {self.settings.activation}, "
            f"{self.settings.gradient}, {int(self.history.steps[-1])} steps, median {what} {value:.4g}>"
        )

    def _repr_html_(self) -> str:
        known = self.problem.solution is not None
        heads = ["seed", "energy", *(["energy gap", "field error"] if known else []), "|gradient|", "ended early"]
        columns: list[Any] = [self.energy, *([self.energy_gap, self.field_error()] if known else [])]
        columns = [self.settings.seeds, *columns, self.history.gradient_norm[-1], self.stops]
        return html_table(repr(self)[1:-1], heads, zip(*columns, strict=True))

    @property
    def ritz_problem(self) -> RitzProblem:
        """The problem, for what is not made for beams.

        Raises:
            InputError: it is a beam.
        """
        require_problem(self.problem)
        assert isinstance(self.problem, RitzProblem)
        return self.problem

    @property
    def parameters(self) -> Array:
        """At the end, (B, P)."""
        return np.asarray(self.history.parameters[-1])

    @property
    def energy(self) -> Array:
        """Exact integral at the end, (B,)."""
        return np.asarray(self.history.exact[-1])

    @cached_property
    def gap_history(self) -> Array:
        """Exact integral minus the minimum, (R, B).

        Raises:
            InputError: no solution is known.
        """
        return np.asarray(self.history.exact - self.problem.minimum_energy())

    @property
    def energy_gap(self) -> Array:
        """The same at the end, (B,)."""
        return np.asarray(self.gap_history[-1])

    @property
    def network(self) -> ShallowNetwork:
        """The networks at the end as `verify` takes them, batched over the seeds.

        Raises:
            InputError: not one hidden ReLU layer.
        """
        if self.settings.activation != "relu" or len(self.settings.width) > 1:
            raise InputError(
                f"network: {self.settings.width} neurons with {self.settings.activation} are no ShallowNetwork; "
                "parameters would be right"
            )
        return ShallowNetwork.from_vector(self.parameters.astype(np.float64))

    @property
    def power_networks(self) -> tuple[PowerNetwork, ...]:
        """The networks at the end as `verify` takes them for a beam, one a seed.

        Raises:
            InputError: not one hidden layer of ReLU² or ReLU³.
        """
        power = {"relu2": 2, "relu3": 3}.get(self.settings.activation)
        if power is None or len(self.settings.width) > 1:
            raise InputError(
                f"power_networks: {self.settings.width} neurons with {self.settings.activation} are no PowerNetwork; "
                "network or parameters would be right"
            )
        vectors = self.parameters.astype(np.float64)
        return tuple(PowerNetwork(power, ShallowNetwork.from_vector(v)) for v in vectors)

    @property
    def stuck(self) -> Array:
        """Networks caught in a local minimum far above their fellows', (B,) bool.

        Their gap is more than 4 times the lower quartile of the batch and fell by less than a tenth during the second
        half of the run.
        """
        if self.problem.solution is None:
            return np.zeros(len(self.stops), dtype=bool)
        gap, half = self.energy_gap, self.gap_history[len(self.history.steps) // 2]
        finite = np.isfinite(gap)
        if not finite.any():
            return finite
        high = gap > _STUCK_RATIO * np.quantile(gap[finite], 0.25)
        return np.asarray(finite & high & (gap > (1 - _STUCK_FALL) * half))

    def field(self, x: Array, record: int = -1) -> Array:
        """û at x (n,) as it was at one of the records, (B, n)."""
        place = torch.as_tensor(np.asarray(x, dtype=np.float64))
        theta = torch.as_tensor(self.history.parameters[record].astype(np.float64))
        value = self.settings.architecture.value_and_slope(theta, place)[0]
        return np.asarray((data(self.problem, "lift")(place) + data(self.problem, "distance")(place) * value).numpy())

    def step_advice(self, record: int = -1) -> StepAdvice:
        """What the adviser says to finite differences on this run's grid at one of the records.

        Raises:
            InputError: the rule of the run has no fixed grid, or it is a beam's.
        """
        if isinstance(self.problem, BeamProblem):
            raise InputError(f"step_advice: {self.problem.name} is a beam, trained without differences; none is right")
        nodes = mesh(self.problem, self.settings.rule, self.settings.points, torch.float64, torch.device("cpu"))
        theta = torch.as_tensor(self.history.parameters[record].astype(np.float64))
        return advise_step(self.problem, self.settings.architecture, theta, nodes)

    def field_error(self) -> Array:
        """√(∫(û − u)² ÷ ∫u²) at the end, (B,).

        Raises:
            InputError: no solution is known.
        """
        fine = fine_mesh(self.problem, 1000, torch.float64, torch.device("cpu"))
        u = data(self.problem, "solution")(fine.nodes).numpy()
        weights = fine.weights.numpy()
        # Of a network that diverged, the last finite parameters may be of any size.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.sqrt(((self.field(fine.nodes.numpy()) - u) ** 2 @ weights) / (u**2 @ weights)))

    def summary(self) -> dict[str, Any]:
        """Settings and figures of the run as plain data; gap and error only where a solution is known."""
        out: dict[str, Any] = {
            "settings": self.settings.as_dict(),
            "steps": int(self.history.steps[-1]),
            "energy": _plain(self.energy),
            "quadrature_energy": _plain(self.history.quadrature[-1]),
            "gradient_norm": _plain(self.history.gradient_norm[-1]),
            "angle": _plain(self.history.angle[-1]),
            "stops": list(self.stops),
            "diverged": self.diverged.tolist(),
        }
        if self.problem.solution is not None:
            gap = self.energy_gap
            out |= {
                "energy_gap": _plain(gap),
                "median_gap": _plain(np.median(gap)),
                "least_gap": _plain(gap.min()),
                "greatest_gap": _plain(gap.max()),
                "median_field_error": _plain(np.median(self.field_error())),
                "stuck": self.stuck.tolist(),
            }
        return out

    def save(self, path: str | Path) -> Path:
        """Write one `.npz` file: parameters, history, settings, statement of the problem, versions.

        Raises:
            InputError: it cannot be written.
        """
        path = Path(path)
        arrays = {n: getattr(self.history, n) for n in History.NAMES} | {"diverged": self.diverged}
        header = {
            "problem": archive.statement(self.problem),
            "settings": self.settings.as_dict(),
            "stops": list(self.stops),
            "made_by": self.versions,
        }
        archive.write(path, "run", header, arrays)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read such a file; nothing in it is executed.

        Raises:
            InputError: no such file, or not one of ours.
        """
        header, arrays = archive.read(Path(path), "run")
        try:
            return cls(
                archive.stated_from(header["problem"]),
                Settings.from_dict(header["settings"]),
                History(*(arrays[n] for n in History.NAMES)),
                tuple(header["stops"]),
                arrays["diverged"],
                header["made_by"],
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} lacks {error}; a run as kinkproof saves it would be right") from None


def _plain(values: Any) -> Any:
    """Numbers as JSON has them: None for NaN and inf, which it does not know."""
    if np.ndim(values):
        return [_plain(v) for v in values]
    return float(values) if np.isfinite(values) else None
