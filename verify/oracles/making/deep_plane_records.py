"""Cases with networks of two inputs and several hidden layers: every value at 50 digits, cross-checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count
from random import Random
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, NondifferentiableError
from ...plane.deep.crosscheck import line_gradient
from ...plane.deep.degeneracies import clearance, heard_units
from ...plane.deep.energy import (
    PlaneIntegrand,
    affine_outputs,
    deep_plane_energy,
    evaluated,
    integrand_functions,
    line_moment,
    plane_integrand,
)
from ...plane.deep.gradient import Backward, deep_plane_gradient
from ...plane.deep.regions import Region, Unit, plane_regions
from ...plane.rule import rule
from ...statement.deep_network import DeepNetwork
from ...statement.expressions import to_mpf
from ...statement.plane import PlaneProblem
from .agreement import DIFFERENCE_DIGITS, STEP, agreed_digits
from .deep_records import network_record, tensor_tolerances
from .plane_records import place_inside, plane_statement_record
from .records import DIGITS, Record, number, numbers, tolerance_of, with_guard

Array = NDArray[Any]

# Gauss points each way by which data that are no polynomials are integrated to 50 digits, and for the condition.
_POINTS, _FEW_POINTS = 48, 12
# Kink lines of a drawn network keep so far from coinciding with each other and with free edges.
_APART = 1e-2
# From so many parameters on differences are taken of each fifth, which meets every tensor and no pattern of them.
_LARGEST_DIFFERENCES, _STRIDE = 16, 5


def deep_plane_case_record(
    name: str, about: str, problem: PlaneProblem, network: DeepNetwork, density: str | None = None
) -> Record:
    """One case: energy and gradient in its parts; of the problem's integrand, or of a density with its D and lift.

    Raises:
        InputError: independent derivations do not agree, or there is no gradient.
    """
    record = plane_statement_record(name, about, problem)
    if density is not None:
        # As SymPy writes it: what is read back is what was derived from.
        density = record["density"] = str(plane_integrand(problem, density).density)
    record["network"] = network_record(network)
    try:
        gradient = deep_plane_gradient(problem, network, DIGITS, density)
    except NondifferentiableError as error:
        raise InputError(f"oracle: the case {name}: {error}") from None
    sums = _Sums(problem, network, density)
    with mpmath.workdps(DIGITS):
        further = {n: +v for n, v in with_guard(lambda: sums.faults(_POINTS)).items()}
    record["energy"] = number(gradient.energy)
    record["distance"] = gradient.distance if np.isfinite(gradient.distance) else None
    parts = {part: getattr(gradient, part).ravel() for part in ("bulk", "dirac", "total")}
    record["gradient"] = {n: numbers(v) for n, v in (parts | further).items()}
    record["hessian"] = None
    record["agreement"] = _agreement(problem, network, density, gradient.energy, parts["total"])
    record["tolerance"] = {
        "energy": tolerance_of(lambda: sums.values(_FEW_POINTS)[0]),
        "gradient": tensor_tolerances(network, lambda: sums.values(_FEW_POINTS)[1]),
    }
    return record


class _Sums:
    """Of one case, at mpmath's present precision, by one rule whatever that precision is."""

    def __init__(self, problem: PlaneProblem, network: DeepNetwork, density: str | None) -> None:
        self.integrand, self.network = plane_integrand(problem, density), network
        self.own = None if density is not None else _without_load(problem)
        self.regions = plane_regions(network, problem.domain)
        self.heard = heard_units(network, self.regions)
        self.affine = affine_outputs(network, self.regions)

    def values(self, points: int) -> tuple[Any, Array]:
        """Energy and gradient (P,)."""
        by = self._rule(points)
        found, back = evaluated(self.integrand, self.regions, self.affine, by), self._backward()
        return found.energies.sum(), back.bulk(found.forces) + back.dirac(found.kink_moments)

    def faults(self, points: int) -> dict[str, Array]:
        """What programs make of the Dirac terms: those of the first layer alone, with ds for ds/|∇z|, and on one side.

        The last is what the flux on the active side of each line, in place of the mean of both, adds: half of
        ⟦∇u⟧·κ⟦∇u⟧, where ⟦∇u⟧ is D ∂N/∂h ∇z.
        """
        by = self._rule(points)
        found, back = evaluated(self.integrand, self.regions, self.affine, by), self._backward()
        moments = found.kink_moments
        slopes = [by.array(self._slope(r, unit)) for r, _, unit, _ in moments]
        longer = [
            (r, k, unit, moment * mpmath.sqrt(z[0] ** 2 + z[1] ** 2))
            for (r, k, unit, moment), z in zip(moments, slopes, strict=True)
        ]
        out = {
            "dirac_of_first_layer": back.dirac([m for m in moments if m[2][0] == 0]),
            "dirac_without_norm": back.dirac(longer),
        }
        if self.own is not None:
            jumps = [(r, k, u, self._own_moment(self.own, r, u, k, by)) for r, u, k in _active_edges(self.regions)]
            out["own_jump"] = back.dirac(jumps)
        return out

    def _own_moment(self, integrand: PlaneIntegrand, r: int, unit: Unit, edge: int, by: Any) -> Array:
        """½∫ ⟦∇u⟧·κ⟦∇u⟧ (x, y, 1) ds/|∇z|: as the energy has it for a network that is ∂N/∂h·z."""
        region, z = self.regions[r], self._slope(r, unit)
        step = by.array([[self.heard[r][unit[0]][unit[1]] * v for v in z]])
        ends = by.array([region.corners[edge], region.corners[(edge + 1) % len(region.corners)]])
        return line_moment(integrand_functions(integrand, by.numbers), ends, by.array(z), step, by)

    def _slope(self, r: int, unit: Unit) -> tuple[Fraction, Fraction, Fraction]:
        return self.regions[r].preactivations[unit[0]][unit[1]]

    def _backward(self) -> Backward:
        return Backward(self.network, self.regions, self.heard, rule("mpf", 2).array)

    def _rule(self, points: int) -> Any:
        degree = self.integrand.degree
        # One degree more by the fold of a square onto a triangle, or by x and y in a moment.
        return rule("mpf", points if degree is None else (degree + 2) // 2 + 1)


def _without_load(problem: PlaneProblem) -> PlaneIntegrand:
    """½∇u·κ∇u with the problem's D, and nothing else."""
    edges = dict.fromkeys((*problem.fluxes, *problem.essential), 0)
    coefficient, distance, domain = problem.coefficient, problem.distance, problem.domain
    return plane_integrand(
        PlaneProblem(coefficient=coefficient, source=0, distance=distance, fluxes=edges, domain=domain)
    )


def _active_edges(regions: list[Region]) -> Iterator[tuple[int, Unit, int]]:
    """(region, unit, edge) of each kink line inside, from its active side."""
    for r, region in enumerate(regions):
        for k, (units, outer) in enumerate(zip(region.units, region.outer, strict=True)):
            for unit in units if outer < 0 else ():
                if region.active[unit[0]][unit[1]]:
                    yield r, unit, k


def _agreement(problem: PlaneProblem, network: DeepNetwork, density: Any, energy: Any, gradient: Array) -> Record:
    degree = plane_integrand(problem, density).degree
    route = "lines of one slope, split by marching"
    points = _POINTS if degree is None else degree // 2 + 2
    other, vector = line_gradient(problem, network, density, points, DIGITS)
    value, reference = (np.array([e], dtype=object) for e in (energy, other))
    found: Record = {
        "energy": {route: agreed_digits(value, reference, route)},
        "gradient": {route: agreed_digits(gradient, vector, route)},
    }
    if degree is not None:
        # Of other data minutes at 140 digits.
        size = len(gradient)
        sample = range(0, size, 1 if size <= _LARGEST_DIFFERENCES else _STRIDE)
        route = "50-digit differences" + ("" if len(sample) == size else f" of each {_STRIDE}th parameter")
        differences = _differences(problem, network, density, sample)
        found["gradient"][route] = agreed_digits(gradient[sample], differences, route)
    return found


def _differences(problem: PlaneProblem, network: DeepNetwork, density: Any, sample: Sequence[int]) -> Array:
    """Central differences of the exact energy."""
    theta, out = network.rational.ravel(), []
    with mpmath.workdps(DIFFERENCE_DIGITS):
        for k in sample:
            ends = []
            for sign in (1, -1):
                moved = theta.copy()
                moved[k] += sign * STEP
                there = DeepNetwork.from_vector(moved, network.widths, network.output_bias is not None, inputs=2)
                ends.append(deep_plane_energy(problem, there, DIFFERENCE_DIGITS, density))
            out.append((ends[0] - ends[1]) / (2 * to_mpf(STEP)))
    return np.array(out, dtype=object)


def random_deep_plane_network(
    widths: tuple[int, ...], seed: int, problem: PlaneProblem, output_bias: bool = False
) -> DeepNetwork:
    """Decimal parameters of three places; each neuron's pre-activation vanishes near a place inside the polygon.

    Python's own generator: its numbers are the same on every version. The first network is taken in which kink lines
    of every layer are heard and none is nearer than a hundredth to coinciding with another or with a free edge.
    """
    for attempt in count():
        network = _drawn(widths, Random(f"kinkproof deep plane {widths} {seed} {attempt}"), problem, output_bias)
        regions = plane_regions(network, problem.domain)
        heard = heard_units(network, regions)
        layers = {u[0] for r, u, _ in _active_edges(regions) if heard[r][u[0]][u[1]]}
        if len(layers) == len(widths) and clearance(problem, regions, heard) > _APART:
            return network
    raise AssertionError


def _drawn(widths: tuple[int, ...], generator: Random, problem: PlaneProblem, output_bias: bool) -> DeepNetwork:
    def thousandths(least: int, most: int) -> Fraction:
        return Fraction(generator.choice((-1, 1)) * generator.randint(least, most), 1000)

    layers: list[tuple[Array, Array]] = []
    inputs = 2
    for n in widths:
        weights = np.array([[thousandths(300, 1500) for _ in range(inputs)] for _ in range(n)], dtype=object)
        biases = []
        for row in weights:
            h = np.array(place_inside(problem.domain, generator), dtype=object)
            for w, b in layers:
                h = np.array([max(z, Fraction(0)) for z in w @ h + b], dtype=object)
            biases.append(Fraction(round(-(row @ h) * 1000), 1000) + thousandths(0, 20))
        layers.append((weights, np.array(biases, dtype=object)))
        inputs = n
    output = [thousandths(200, 1000) for _ in range(inputs)]
    bias = thousandths(100, 500) if output_bias else None
    return DeepNetwork([w for w, _ in layers], [b for _, b in layers], output, bias)


def deep_plane_records(stated: dict[str, PlaneProblem]) -> Iterator[Record]:
    """The cases of the shipped pack `plane-deep`.

    Args:
        stated: name → problem, of those that the cases below take.
    """
    simple = DeepNetwork([[[1, 1], [2, -1]], [[1, "-1/2"], [-1, 2]]], [["-3/4", "-1/3"], ["-1/8", "1/5"]], [1, -2])
    about = "two layers with simple numbers"
    yield deep_plane_case_record("polynomial-widths-2-2", about, stated["plane-polynomial"], simple)
    rows = [
        ("polynomial", (1, 1), "one neuron after another"),
        ("triangle", (2, 2, 2), "three layers; a triangle"),
        ("l-shape", (3, 2), "two layers; an L, fluxes on four edges"),
        ("penalised", (2, 2), "two layers and an output bias; an essential value on an edge, a lift"),
        ("anisotropic", (4, 3), "two layers; κ is a matrix"),
        ("sine", (1, 1), "two layers; data that are no polynomials"),
    ]
    for name, widths, about in rows:
        problem = stated[f"plane-{name}"]
        network = random_deep_plane_network(widths, 1, problem, name == "penalised")
        yield deep_plane_case_record(f"{name}-widths-{'-'.join(map(str, widths))}", about, problem, network)
    problem = stated["plane-triangle"]
    quartic = "(u_x**2 + 2*u_y**2)/2 + u_x**4/10 + x*u_x*u_y + u**3/3 - y*u"
    about = "a density of fourth degree with two layers; a triangle"
    network = random_deep_plane_network((3, 2), 2, problem)
    yield deep_plane_case_record("quartic-widths-3-2", about, problem, network, quartic)
