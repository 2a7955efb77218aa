"""A program's gradient of a plane energy, held against the reference at the same parameters.

NumPy only: generated files carry a copy of this module.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparison import compare
from ..plane_comparison import as_plane_vector, diagnose_plane_gradient, plane_component
from .plane_form import PlaneForm, plane_parts

Array = NDArray[Any]

# Of sums over cells in float64, relative to the largest component; they leave about a tenth of it.
ROUNDING = 1e-12


def check_plane_gradient(
    form: PlaneForm, w: Array, b: Array, c: Array, found: Any, relative_tolerance: float = ROUNDING
) -> None:
    """Raise an AssertionError with a report, and a diagnosis where one fits, unless the gradient is right.

    Args:
        form: of the problem.
        w: hidden weights, (N, 2).
        b: hidden biases, (N,).
        c: output weights, (N,).
        found: the gradient, (4N,) or its three blocks.
        relative_tolerance: share of the largest component.

    Raises:
        ValueError: the wrong shape or type, or the energy has no derivative here.
    """
    __tracebackhide__ = True
    weights = np.asarray(w, dtype=np.float64)
    vector, exact = as_plane_vector(found, len(weights)), plane_parts(form, w, b, c)
    if not relative_tolerance > 0:
        raise ValueError(f"relative_tolerance: {relative_tolerance} allows nothing; a number such as 1e-6 is right")
    tolerance = np.full(vector.shape, relative_tolerance * float(np.abs(exact.total).max()))
    # On one side of its line a neuron's own slope is there, on the other not.
    own_jump = exact.dirac - plane_parts(form, w, b, c, own_share=0.0).dirac
    compare(
        "gradient",
        vector,
        exact.total,
        tolerance,
        plane_component(len(weights)),
        lambda: diagnose_plane_gradient(vector, exact.bulk, exact.dirac, own_jump, weights, tolerance),
    )
