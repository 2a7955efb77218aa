"""AD systems under audit, one file each; imported only when asked for.

A backend is a function (problem, parameters, grid, precision) → (energy, gradient): parameters and gradient are
float64 NumPy vectors (3N,) in the order hidden weights, hidden biases, output weights; `precision` names the type in
which the system computes, "float64" or "float32". A function of the first three arguments alone is asked for float64
only. `discovery` finds backends by entry points, `summation` has the energy itself, written for all kinds of arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..discrete.quadrature import DELTAS, Grid
from ..errors import InputError
from ..statement.problem import RitzProblem

Array = NDArray[Any]
GradientFunction = Callable[[RitzProblem, Array, Grid, str], tuple[float, Array]]

PRECISIONS = ("float64", "float32")


class Unavailable(RuntimeError):
    """Raised by a method that turns out not to run on this machine; the message says why."""


@dataclass(frozen=True)
class Method:
    """One way of asking one AD system for the gradient of the energy.

    Attributes:
        name: shown in the table.
        gradient: see the module's docstring; `None` if it cannot be run here.
        conforming: does the quadrature follow the kinks, so that autodiff sees them move (MATH 3)?
        unavailable: why it cannot be run here, else "".
        delta: the discrete delta that stands for the Dirac terms, as in `quadrature_gradient`.
        precisions: the types in which it can compute.
        system: the AD system, under the name that chooses it; discovery fills it in.
        failed: what went wrong in loading it, else "".
    """

    name: str
    gradient: GradientFunction | None
    conforming: bool = False
    unavailable: str = ""
    delta: str | None = None
    precisions: tuple[str, ...] = PRECISIONS
    system: str = ""
    failed: str = ""

    def __post_init__(self) -> None:
        for what, given, known in (("precision", self.precisions, PRECISIONS), ("delta", (self.delta,), DELTAS)):
            for value in given:
                if value not in known:
                    raise InputError(f"{what}: {value!r} is unknown; one of {known} would be right")

    @property
    def label(self) -> str:
        """System and name, for messages."""
        return ": ".join(part for part in (self.system, self.name) if part)
