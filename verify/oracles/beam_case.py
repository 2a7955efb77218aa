"""One oracle case of a beam: ½EI u″² − f u, and a network of powers of ReLU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statement.blocks import BLOCKS, Blocks
from . import comparison
from .case import Case, floats
from .formulas import evaluate

Array = NDArray[Any]
BEAM_DATA = (
    "stiffness", "source", "distance", "distance_slope", "distance_bend", "lift", "lift_slope", "lift_bend",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class BeamCase(Case):
    """A beam, a network Σ c max(0, wx + b)ᵖ and trusted values; as a `Case`, but for `power` and the data."""

    @property
    def power(self) -> int:
        """p, 2 or 3."""
        return int(self.record["power"])

    @property
    def density(self) -> str:
        """The integrand as text in x, u and ddu (for u″)."""
        return f"({self.problem['stiffness']})*ddu**2/2 - ({self.problem['source']})*u"

    def data(self, x: Any, namespace: Any = np) -> dict[str, Any]:
        """EI, f, D, lift and the first two derivatives of these at x: keys as in `BEAM_DATA`; see `Case.data`."""
        return {name: evaluate(self.problem[name], x, namespace) for name in BEAM_DATA}

    # It bends where the others have a slope.
    def energy_density(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Any, u: Any, ddu: Any, namespace: Any = np
    ) -> Any:
        """`density` at x where the field and its second derivative are u and ddu, arrays of the library."""
        return evaluate(self.density, x, namespace, {"u": u, "ddu": ddu})

    def _diagnosis(self, found: Array, tolerance: Array) -> str:
        parts, stored = self.gradient, self.record["gradient"]["own_jump"]
        jump = Blocks(*(floats(stored[n]["decimal"]) for n in BLOCKS)).ravel()
        total, bulk, dirac = (p.ravel() for p in (parts.total, parts.bulk, parts.dirac))
        return comparison.diagnose_gradient(found, total, bulk, dirac, jump, tolerance, jumps="û″")
