"""Cases of beams: every value at 50 digits, cross-checked, with a tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from ...bending.crosscheck import difference_gradient, integrated_energy
from ...bending.gradient import beam_energy, beam_gradient, own_jump
from ...bending.quadrature import values_between_kinks
from ...bending.statement import BeamProblem, PowerNetwork
from ...errors import InputError, NondifferentiableError
from ...statement.blocks import BLOCKS, Blocks
from ...statement.expressions import X, to_mpf
from ...statement.network import ShallowNetwork
from .agreement import agreed_digits
from .records import DIGITS, Record, condition_of, decimal, number, numbers, rounded_up, with_guard

Array = NDArray[Any]
# Gauss points of a piece, for the condition: the same at every precision.
_POINTS = 16
_DATA = ("stiffness", "source", "distance", "lift")


def beam_case_record(name: str, about: str, problem: BeamProblem, network: PowerNetwork) -> Record:
    """One case: energy and gradient in its parts.

    Raises:
        InputError: independent derivations do not agree, there is no gradient, or the beam cannot be written as text.
    """
    domain = [float(e) for e in problem.domain]
    record: Record = {"id": name, "about": about, "problem": _statement(problem), "domain": domain}
    record["power"] = network.power
    record["parameters"] = {n: {"exact": [decimal(v) for v in network.neurons.rational(n)]} for n in BLOCKS}
    try:
        gradient = beam_gradient(problem, network, DIGITS)
    except NondifferentiableError as error:
        raise InputError(f"oracle: the case {name}: {error}") from None
    energy = beam_energy(problem, network, DIGITS)
    record["energy"] = number(energy)
    record["distance"] = gradient.distance if np.isfinite(gradient.distance) else None
    own = with_guard(lambda: own_jump(problem, network))
    parts = {n: getattr(gradient, n) for n in ("bulk", "dirac", "total")} | {"own_jump": own}
    with mpmath.workdps(DIGITS):
        record["gradient"] = {n: {m: numbers(getattr(b, m)) for m in BLOCKS} for n, b in parts.items()}
    record["hessian"] = None
    record["agreement"] = _agreement(problem, network, energy, gradient.total)
    record["tolerance"] = _tolerances(problem, network)
    return record


def _statement(problem: BeamProblem) -> Record:
    text: Record = {n: str(getattr(problem, n)) for n in _DATA}
    if problem.solution is not None:
        text["solution"] = str(problem.solution)
    text["domain"] = [str(e) for e in problem.domain]
    again = BeamProblem(**text)
    if any(getattr(again, n) != getattr(problem, n) for n in (*_DATA, "domain", "solution")):
        raise InputError(f"oracle: the problem {problem.name} does not survive being written as text")
    for name in ("distance", "lift"):
        for order, what in ((1, "slope"), (2, "bend")):
            text[f"{name}_{what}"] = str(sympy.diff(getattr(problem, name), X, order))
    return text


def _agreement(problem: BeamProblem, network: PowerNetwork, energy: Any, total: Blocks) -> Record:
    with mpmath.workdps(DIGITS + 20):
        given = [to_mpf(v) for n in BLOCKS for v in network.neurons.rational(n)]
        other = integrated_energy(problem, network.power, given)
    value, reference = (np.array([e], dtype=object) for e in (energy, other))
    gauss, differences = "Gauss points on the pieces", "50-digit differences"
    return {
        "energy": {gauss: agreed_digits(value, reference, gauss)},
        "gradient": {differences: agreed_digits(total.ravel(), difference_gradient(problem, network), differences)},
    }


def _tolerances(problem: BeamProblem, network: PowerNetwork) -> Record:
    condition, size = condition_of(lambda: values_between_kinks(problem, network, _POINTS))
    by_block, largest = condition[1:].reshape(3, -1).max(axis=1), float(size[1:].max())
    return {
        "energy": rounded_up(float(condition[0]), float(size[0])),
        "gradient": {n: rounded_up(float(e), largest) for n, e in zip(BLOCKS, by_block, strict=True)},
    }


def beam_records(stated: dict[str, BeamProblem], networks: dict[int, ShallowNetwork]) -> Iterator[Record]:
    """The cases of the shipped pack `beams`.

    Args:
        stated: name → beam, of those that the cases below take.
        networks: width → network.
    """
    simple = PowerNetwork.of(2, [1, -2, 3], ["-1/4", "9/8", "-5/2"], [1, "1/3", -2])
    yield beam_case_record("clamped-width-3", "three neurons with simple numbers", stated["beam-clamped"], simple)
    rows = [
        ("supported", 1, 2, "one random neuron of ReLU²; both ends supported"),
        ("cantilever", 3, 2, "three random neurons of ReLU²; one end clamped, one free"),
        ("variable", 2, 2, "two random neurons of ReLU²; a stiffness that varies"),
        ("clamped", 2, 3, "two random neurons of ReLU³: no Dirac term"),
    ]
    for name, width, power, about in rows:
        network = PowerNetwork(power, networks[width])
        case = f"{name}-width-{width}" + ("-cubed" if power == 3 else "")
        yield beam_case_record(case, about, stated[f"beam-{name}"], network)
    two = BeamProblem(
        stiffness="Piecewise((1, x < 1/3), (exp(x), True))", source="cos(3*x)", distance="x*(2 - x)", lift="x**3",
        domain=(0, 2), name="two-stretches",
    )  # fmt: skip
    about = "two random neurons of ReLU²; a stiffness that jumps, a lift, a domain of its own"
    yield beam_case_record("two-stretches-width-2", about, two, PowerNetwork(2, networks[2]))
