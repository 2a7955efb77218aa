"""Reference values of one problem at given parameters, and how a program's values are held against them.

NumPy only: generated files carry a copy of this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparison import (
    allowance,
    as_array,
    as_vector,
    compare,
    component,
    diagnose_gradient,
    diagnose_hessian,
    diagnose_number,
)
from .closed_form import Gradient, Problem, energy, gradient, kink_jump

Array = NDArray[Any]

# Of the closed forms in float64, relative to the largest component; they leave about a tenth of it.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Reference:
    """What is right at one network.

    Attributes:
        id: its name.
        hidden_weights: (N,), and likewise the next two.
        hidden_biases: see Eq. (3).
        output_weights: see Eq. (3).
        energy: the exact energy.
        gradient: exact, in its parts, (3N,) each.
        own_jump: what û′ on one side of each kink adds to or takes from the gradient, (3N,).
        tolerances: absolute, of the energy, the gradient and the Hessian.
        hessian: (3N, 3N), or None: not stored.
    """

    id: str
    hidden_weights: Array
    hidden_biases: Array
    output_weights: Array
    energy: float
    gradient: Gradient
    own_jump: Array
    tolerances: tuple[float, float, float]
    hessian: Array | None = None


def reference_at(problem: Problem, w: Array, b: Array, c: Array, name: str = "these parameters") -> Reference:
    """The closed forms at any parameters, (N,) each, as something to hold a program's values against."""
    w, b, c = (np.asarray(v, dtype=np.float64) for v in (w, b, c))
    exact, value = gradient(problem, w, b, c), energy(problem, w, b, c)
    tolerances = (ROUNDING * abs(value), ROUNDING * float(np.abs(exact.total).max()), 0.0)
    return Reference(name, w, b, c, value, exact, kink_jump(problem, w, b, c), tolerances)


def check_energy(reference: Reference, found: float, relative_tolerance: float | None = None) -> None:
    """Raise an AssertionError with a report unless the energy is right; see `check_gradient`."""
    __tracebackhide__ = True
    tolerance = float(_tolerance(reference.tolerances[0], reference.energy, relative_tolerance))
    compare(
        f"energy of {reference.id}",
        np.array([float(found)]),
        np.array([reference.energy]),
        np.array([tolerance]),
        lambda _: "energy",
        lambda: diagnose_number(float(found), reference.energy, tolerance),
    )


def check_gradient(reference: Reference, found: Any, relative_tolerance: float | None = None) -> None:
    """Raise an AssertionError with a report, and a diagnosis where one fits, unless the gradient is right.

    Args:
        reference: what is right.
        found: the gradient, (3N,) in the order hidden weights, hidden biases, output weights, or the three blocks.
        relative_tolerance: instead of the reference's own tolerance, this share of the largest component; for programs
            that integrate numerically.

    Raises:
        ValueError: the wrong shape or type.
    """
    __tracebackhide__ = True
    vector, exact = as_vector(found, len(reference.hidden_weights)), reference.gradient
    tolerance = np.broadcast_to(_tolerance(reference.tolerances[1], exact.total, relative_tolerance), vector.shape)
    compare(
        f"gradient of {reference.id}",
        vector,
        exact.total,
        tolerance,
        component(len(reference.hidden_weights)),
        lambda: diagnose_gradient(vector, exact.total, exact.bulk, exact.dirac, reference.own_jump, tolerance),
    )


def check_hessian(reference: Reference, found: Any, relative_tolerance: float | None = None) -> None:
    """Raise an AssertionError with a report unless the Hessian (3N, 3N) is right; see `check_gradient`."""
    __tracebackhide__ = True
    expected, size = reference.hessian, 3 * len(reference.hidden_weights)
    if expected is None:
        raise ValueError(f"{reference.id}: no Hessian is stored here; a case that has one would be right")
    matrix = as_array(found, "Hessian", f"({size}, {size}) would be right")
    if matrix.shape != (size, size):
        raise ValueError(f"Hessian: shape {matrix.shape} does not fit; ({size}, {size}) would be right")
    tolerance = np.broadcast_to(_tolerance(reference.tolerances[2], expected, relative_tolerance), expected.shape)
    compare(
        f"Hessian of {reference.id}",
        matrix.ravel(),
        expected.ravel(),
        tolerance.ravel(),
        lambda k: f"[{k // size}, {k % size}]",
        lambda: diagnose_hessian(matrix, expected, None, tolerance),
    )


def _tolerance(stored: float, expected: Any, relative: float | None) -> Array:
    return allowance(np.array(stored), np.abs(expected).max(), relative)
