"""AD systems under audit, one file each; imported only when asked for.

A backend is a function (problem, parameters, grid, precision) → (energy, gradient): parameters and gradient are
float64 NumPy vectors (3N,) in the order hidden weights, hidden biases, output weights; `precision` names the type in
which the system computes, "float64" or "float32". A function of the first three arguments alone is asked for float64
only. `discovery` finds backends by entry points, `summation` has the energy itself, written for all kinds of arrays.

In the plane it is the same function: of a `PlaneProblem`, parameters (4N,) in the order of `PlaneNetwork.ravel`, and
`PlanePoints`, whose nodes are (n, 2). A `Method` with `inputs=2` says that it takes these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..discrete.plane_points import PlanePoints
from ..discrete.quadrature import DELTAS, Grid
from ..errors import InputError
from ..statement.plane import PlaneProblem
from ..statement.problem import RitzProblem

Array = NDArray[Any]
GradientFunction = Callable[[RitzProblem, Array, Grid, str], tuple[float, Array]]
PlaneGradientFunction = Callable[[PlaneProblem, Array, PlanePoints, str], tuple[float, Array]]

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
        inputs: of the problems that it takes: 1, or 2 for those in the plane.
        cost: about how long it takes beside others, by which several processes share the work.
    """

    name: str
    gradient: GradientFunction | PlaneGradientFunction | None
    conforming: bool = False
    unavailable: str = ""
    delta: str | None = None
    precisions: tuple[str, ...] = PRECISIONS
    system: str = ""
    failed: str = ""
    inputs: int = 1
    cost: float = 1.0

    def __post_init__(self) -> None:
        if self.inputs not in (1, 2):
            raise InputError(f"inputs: {self.inputs!r} is no number of inputs of ours; 1 or 2 would be right")
        for what, given, known in (("precision", self.precisions, PRECISIONS), ("delta", (self.delta,), DELTAS)):
            for value in given:
                if value not in known:
                    raise InputError(f"{what}: {value!r} is unknown; one of {known} would be right")

    @property
    def label(self) -> str:
        """System and name, for messages."""
        return ": ".join(part for part in (self.system, self.name) if part)


def require_inputs(methods: Iterable[Method], inputs: int) -> list[Method]:
    """Refuse methods that take problems of another number of inputs.

    Raises:
        InputError: names the first.
    """
    chosen = list(methods)
    for method in chosen:
        if method.inputs != inputs:
            raise InputError(
                f"methods: {method.label} takes problems of {method.inputs} input{'s' * (method.inputs > 1)}; "
                f"discover(inputs={inputs}) gives those for this one"
            )
    return chosen
