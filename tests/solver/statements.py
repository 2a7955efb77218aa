"""Problems that the solver's tests share, and the oracle's gradient relative to what it adds up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from kinkproof.verify import RitzProblem, ShallowNetwork, exact_energy, exact_gradient, problems
from kinkproof.verify.statement.expressions import X
from numpy.typing import NDArray

Array = NDArray[np.float64]

SINE = RitzProblem(
    source="pi**2*sin(pi*x)", distance="1", essential={0: 0, 1: 0}, solution="sin(pi*x)", name="half a wave"
)
WAVE = problems["penalised-ends"]
FRONT = RitzProblem(
    source="2000*(x - 1/2)/(1 + 100*(x - 1/2)**2)**2",
    distance="1",
    essential={0: 0},
    fluxes={1: "10/26"},
    solution="atan(10*(x - 1/2)) + atan(5)",
    name="front",
)
ROOT = RitzProblem(source="0.21*x**(-1.3)", distance="x*(1 - x)", lift="x", solution="x**0.7", name="root")
ROOT_RIGHT = RitzProblem(
    source="0.21*(1 - x)**(-1.3)", distance="x*(1 - x)", lift="1 - x", solution="(1 - x)**0.7", name="root on the right"
)
NEARLY_VANISHING = RitzProblem(source="1", coefficient="1/1000 + x**2", name="nearly vanishing coefficient")
FOUR_MATERIALS = RitzProblem(
    source="1",
    coefficient="Piecewise((1, x < 1/4), (100, x < 1/2), (1/100, x < 3/4), (1, True))",
    name="four materials",
)
# Smooth, all kinds of ends, variable coefficients, singular ends on either side, interfaces.
ALL = [*problems.values(), SINE, FRONT, ROOT, ROOT_RIGHT, NEARLY_VANISHING, FOUR_MATERIALS]


def names(problem: RitzProblem) -> str:
    return problem.name


def oracle_gap(problem: RitzProblem, network: ShallowNetwork) -> float:
    """The energy gap as `verify` has it; a difference of energies, so good to 10⁻¹⁶ times their size over the gap."""
    # At exact essential values no penalty is paid: the least energy is that of the solution itself.
    exact = replace(problem, penalty=10**40) if problem.essential or problem.periodic else problem
    # Slopes that grow without bound towards a singular end cancel: float64 has too few digits for their sums.
    digits = 25 if problem in (ROOT, ROOT_RIGHT) else None
    return float(exact_energy(problem, network, digits=digits) - exact.minimum_energy(digits))


def oracle_stationarity(problem: RitzProblem, network: ShallowNetwork) -> float:
    """Largest component of the oracle's gradient, relative to the sizes of the terms that it adds up.

    The terms: stiffness with kinks held still, source, Dirac part. Where essential values are held, the gradient may
    be a combination of the derivatives of those values (Lagrange), which is taken off first.
    """
    digits = 25 if problem in (ROOT, ROOT_RIGHT) else None
    whole = exact_gradient(problem, network, digits)
    without: dict[str, Any] = {"source": 0, "solution": None, "fluxes": dict.fromkeys(problem.fluxes, 0), "loads": {}}
    stiffness = exact_gradient(replace(problem, **without), network, digits)
    bulk, dirac = (np.array(p.ravel(), dtype=float) for p in (stiffness.bulk, whole.dirac))
    total = np.array(whole.total.ravel(), dtype=float)
    load = np.array((whole.bulk.ravel() - stiffness.bulk.ravel()), dtype=float)
    terms = np.abs(bulk) + np.abs(load) + np.abs(dirac)
    # Both terms of one parameter may vanish by symmetry; a neuron's weight and bias see the same integrands.
    w, b, c = np.split(terms, 3)
    terms = np.concatenate([np.maximum(w, b), np.maximum(w, b), c])
    # Between periodic ends `solve` holds the solution's own value at both.
    held = problem.domain if problem.periodic else tuple(problem.essential)
    if held:
        rows = np.array([_end_derivative(problem, network, float(e)) for e in held])
        # Components in units of their terms, so that no large one hides a small one.
        scale = np.where(terms > 0, terms, 1.0)
        multipliers = np.linalg.lstsq((rows / scale).T, total / scale, rcond=None)[0]
        total = total - multipliers @ rows
        terms = terms + np.abs(multipliers) @ np.abs(rows)
    return float(np.divide(np.abs(total), terms, out=np.zeros_like(total), where=terms > 0).max())


def _end_derivative(problem: RitzProblem, network: ShallowNetwork, end: float) -> Array:
    w, b, c = network.floats
    z = w * end + b
    on = np.where(z > 0, float(problem.distance.subs(X, end)), 0.0)
    return np.concatenate([on * c * end, on * c, on * z])
