"""Which ways of summing a beam's energy over points give its gradient: three discrete deltas, and torch's autograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from .bending.crosscheck import difference_gradient
from .bending.gradient import beam_gradient
from .bending.quadrature import beam_sum
from .bending.statement import BeamProblem, PowerNetwork
from .choices import Delta, Rule
from .discrete.quadrature import Grid
from .errors import InputError
from .line.crosscheck import agreement
from .line.gradient import Gradient
from .statement.blocks import BLOCKS
from .statement.network import ShallowNetwork
from .systems.examination import answers, blank_row, examined
from .systems.method import Array, Method
from .systems.row import OWN, Row
from .systems.study import ROUNDING, family

_ROUTES = ("the exact gradient", "differences of the energy")
# Of the largest component; both are rounded to float64, and sums of terms that cancel lose two or three digits.
_REQUIRED_DIGITS = 11


def audit_beam(
    problem: BeamProblem, network: PowerNetwork, rule: Rule = "midpoint", points: Sequence[int] = (50, 500, 5000)
) -> tuple[Row, ...]:
    """A row for each way of asking: the errors on each grid, and whether they vanish.

    The exact gradient is held against differences of the energy at 120 digits first; were they apart, no row would be
    judged, and each would say so as its failure.

    Args:
        problem: whose energy is differentiated.
        network: with a gradient.
        rule: see `discrete.quadrature.grid`.
        points: of each grid, ascending.

    Raises:
        NondifferentiableError: there is no gradient.

    Examples:
        >>> from kinkproof.verify import PowerNetwork, beams
        >>> rows = audit_beam(beams["beam-clamped"], PowerNetwork.of(2, [1, -2], ["-1/3", 1], [1, 2]))
        >>> [row.total.verdict for row in rows[:3]]
        ['inconsistent', 'inconsistent', 'consistent']
    """
    exact = beam_gradient(problem, network)
    if len(points) < 2 or sorted(points) != list(points):
        raise InputError(f"points: {points!r} shows no trend; two or more numbers, ascending, would be right")
    agreed = agreement(exact.total.ravel(), difference_gradient(problem, network), _ROUTES, _REQUIRED_DIGITS)
    if not agreed.passed:
        apart = f"nobody is judged: {' and '.join(_ROUTES)} agree to {agreed.digits:.1f} digits of the gradient only"
        return tuple(replace(blank_row(m, "float64"), failed=apart) for m in beam_methods(problem, network.power))
    grids = [family(rule, n, tuple(float(e) for e in problem.domain)) for n in points]  # type: ignore[arg-type]
    rows = []
    for method in beam_methods(problem, network.power):
        expected, blocks, reason = _expectation(exact, method)
        blank = replace(blank_row(method, "float64"), expected=expected, expected_blocks=blocks, reason=reason)
        given = answers(method, blank.precision, problem, network.ravel(), grids)
        rows.append(examined(blank, given, exact, list(points)))
    return tuple(rows)


def beam_methods(problem: BeamProblem, power: int) -> tuple[Method, ...]:
    """The three deltas, and torch's autograd, where there is torch."""

    def own(delta: Delta | None, name: str) -> Method:
        def gradient(_: object, parameters: Array, mesh: Grid, precision: str) -> tuple[float, Array]:
            network = PowerNetwork(power, ShallowNetwork.from_vector(parameters))
            found = beam_sum(problem, network, mesh.nodes, mesh.weights, delta)
            return float(found.energy), found.total.ravel()

        return Method(name, gradient, delta=delta, precisions=("float64",), system=OWN)

    found = [own(None, "no delta"), own("nearest", "nearest-node delta, Eq. (10)"), own("mean", "mean delta")]
    name = "autograd, u″ by autograd"
    if find_spec("torch") is None:
        found.append(Method(name, None, unavailable="torch is not installed", system="torch"))
    else:
        from .systems.pytorch import bending

        found.append(Method(name, bending(problem, power), precisions=("float64",), system="torch"))
    return tuple(found)


def _expectation(exact: Gradient, method: Method) -> tuple[str, dict[str, str], str]:
    """As in one input of second order, with u″ for u′."""
    if method.delta == "mean":
        why = "the Dirac terms, with the mean of the one-sided limits of û″, are added"
        return "consistent", dict.fromkeys(BLOCKS, "consistent"), why

    def verdict(dirac: Array, total: Array) -> str:
        share = float(np.linalg.norm(dirac) / (np.linalg.norm(total) or 1.0))
        return "inconsistent" if share > ROUNDING["float64"] else "consistent"

    blocks = {n: verdict(getattr(exact.dirac, n), getattr(exact.total, n)) for n in BLOCKS}
    whole = verdict(exact.dirac.ravel(), exact.total.ravel())
    if whole == "consistent":
        return whole, blocks, "û″ does not jump, and there is no Dirac term to miss"
    if method.delta == "nearest":
        return whole, blocks, "û″ at the nearest node is one-sided; the mean is needed"
    return whole, blocks, "right for the discrete sum; the limit of its derivative lacks the Dirac terms"
