"""Cases with networks of several hidden layers: every value at 50 digits, cross-checked, with a tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count
from random import Random
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ...deep.crosscheck import difference_gradient, marched_energy, shallow_gradient
from ...deep.degeneracies import clearance
from ...deep.energy import energy_at_working_precision
from ...deep.gradient import deep_gradient, gradient_at_working_precision
from ...deep.hessian import deep_hessian_parts, hessian_at_working_precision
from ...deep.integrands import integrand_of
from ...deep.regions import linear_regions
from ...errors import InputError, NondifferentiableError
from ...statement.deep_network import DeepNetwork
from ...statement.density import Density
from ...statement.expressions import to_mpf
from ...statement.problem import RitzProblem
from .agreement import DIFFERENCE_DIGITS, STEP, agreed_digits
from .records import (
    DIGITS,
    Record,
    condition_of,
    decimal,
    hessian_record,
    number,
    numbers,
    rounded_up,
    statement_record,
    tolerance_of,
    with_guard,
)

Array = NDArray[Any]

# Up to so many parameters the Hessian is stored whole; beyond, its products with two directions; beyond the second
# number, nothing: minutes at 50 digits.
_LARGEST_HESSIAN = 16
_LARGEST_PRODUCTS = 150
# From so many parameters on differences are taken of each seventh, which meets every tensor and no pattern of them.
_LARGEST_DIFFERENCES = 200
_STRIDE = 7


def deep_case_record(
    name: str, about: str, problem: RitzProblem, network: DeepNetwork, density: str | None = None
) -> Record:
    """One case: energy, gradient and Hessian; of the problem's integrand, or of a density with its D, lift and ends.

    Raises:
        InputError: independent derivations do not agree, or there is no gradient.
    """
    record = statement_record(name, about, problem)
    if density is not None:
        # As SymPy writes it: what is read back is what was derived from.
        density = str(Density(density, problem.distance, problem.lift, problem.domain).expression)
        record["density"] = density
    record["network"] = network_record(network)
    try:
        gradient = deep_gradient(problem, network, DIGITS, density)
        record["hessian"], agreed, tolerance = _hessian(problem, network, density)
    except NondifferentiableError as error:
        raise InputError(f"oracle: the case {name}: {error}") from None
    with mpmath.workdps(DIGITS):
        energy = +with_guard(lambda: energy_at_working_precision(problem, network, density))
    record["energy"] = number(energy)
    record["distance"] = gradient.distance if np.isfinite(gradient.distance) else None
    record["gradient"] = {part: numbers(getattr(gradient, part).ravel()) for part in ("bulk", "dirac", "total")}
    record["gradient"]["dirac_of_first_layer"] = numbers(gradient.dirac_by_layer[0].ravel())
    record["agreement"] = {
        "energy": _energy_agreement(problem, network, density, energy),
        "hessian": agreed,
        "gradient": _gradient_agreement(problem, network, density, gradient.total.ravel()),
    }
    record["tolerance"] = {
        "energy": tolerance_of(lambda: energy_at_working_precision(problem, network, density)),
        "hessian": tolerance,
        "gradient": tensor_tolerances(network, lambda: gradient_at_working_precision(problem, network, density)),
    }
    return record


def _hessian(problem: RitzProblem, network: DeepNetwork, density: Any) -> tuple[Record | None, Record, float]:
    size = len(network.ravel())
    if size > _LARGEST_PRODUCTS:
        return None, {}, 0.0
    return hessian_record(
        # Ten digits more than stored: products lose some to cancellation.
        deep_hessian_parts(problem, network, DIGITS + 10, density),
        size <= _LARGEST_HESSIAN,
        lambda: hessian_at_working_precision(problem, network, density),
        lambda directions, products: _product_agreement(problem, network, density, directions, products),
    )


def network_record(network: DeepNetwork) -> Record:
    """Its parameters, as they were given."""
    exact = network.rational
    layers = [
        {
            "weights": {"exact": [[decimal(v) for v in row] for row in w]},
            "biases": {"exact": [decimal(v) for v in b]},
        }
        for w, b in zip(exact.hidden_weights, exact.hidden_biases, strict=True)
    ]
    stored: Record = {"layers": layers, "output_weights": {"exact": [decimal(v) for v in exact.output_weights]}}
    if exact.output_bias is not None:
        stored["output_bias"] = {"exact": decimal(exact.output_bias.item())}
    return stored


def _energy_agreement(problem: RitzProblem, network: DeepNetwork, density: Any, energy: Any) -> dict[str, int]:
    route = "Gauss points between marched breakpoints"
    other = marched_energy(problem, network, density)
    return {route: agreed_digits(np.array([energy], dtype=object), np.array([other], dtype=object), route)}


def _gradient_agreement(problem: RitzProblem, network: DeepNetwork, density: Any, gradient: Array) -> dict[str, int]:
    if len(gradient) > _LARGEST_DIFFERENCES:
        sample = range(0, len(gradient), _STRIDE)
        route = f"50-digit differences of each {_STRIDE}th parameter"
        return {route: agreed_digits(gradient[sample], difference_gradient(problem, network, density, sample), route)}
    found = {"50-digit differences": difference_gradient(problem, network, density)}
    closed = shallow_gradient(problem, network, density)
    if closed is not None:
        found["one layer in closed form"] = closed
    return {route: agreed_digits(gradient, other, route) for route, other in found.items()}


def _product_agreement(
    problem: RitzProblem, network: DeepNetwork, density: Any, directions: list[list[int]], products: Array
) -> dict[str, int]:
    """The Hessian times directions (K, P) against central differences of the gradient."""
    theta = network.rational.ravel()
    with mpmath.workdps(DIFFERENCE_DIGITS):
        others = []
        for direction in directions:
            step = np.array([d * STEP for d in direction], dtype=object)
            ahead, behind = (
                gradient_at_working_precision(problem, _with(network, theta + sign * step), density) for sign in (1, -1)
            )
            others.append((ahead - behind) / (2 * to_mpf(STEP)))
    route = "differences of the gradient"
    return {route: agreed_digits(products.ravel(), np.concatenate(others), route)}


def _with(network: DeepNetwork, vector: Array) -> DeepNetwork:
    return DeepNetwork.from_vector(vector, network.widths, network.output_bias is not None)


def tensor_tolerances(network: DeepNetwork, evaluate: Callable[[], Array]) -> dict[str, float]:
    """Of a gradient (P,) at mpmath's present precision: tensor → `rounded_up`."""
    condition, size = condition_of(evaluate)
    sizes = {n: t.size for n, t in network.floats.named().items()}
    starts = np.cumsum([0, *list(sizes.values())[:-1]])
    worst = np.maximum.reduceat(condition, starts)
    return {n: rounded_up(float(e), float(size.max())) for n, e in zip(sizes, worst, strict=True)}


def random_deep_network(
    widths: tuple[int, ...], seed: int, problem: RitzProblem, output_bias: bool = False
) -> DeepNetwork:
    """Decimal parameters of three places; each neuron's pre-activation vanishes near a place inside the domain.

    Python's own generator: its numbers are the same on every version. The first network is taken in which kinks of
    every layer are heard and none is nearer than a thousandth to another, to an end or to an interface.
    """
    for attempt in count():
        network = _drawn(widths, Random(f"kinkproof deep {widths} {seed} {attempt}"), problem.domain, output_bias)
        regions = linear_regions(network, problem.domain, order=2)
        layers = {k.layer for k in regions.moving}
        if len(layers) == len(widths) and clearance(integrand_of(problem), regions, order=2) > 1e-3:
            return network
    raise AssertionError


def _drawn(widths: tuple[int, ...], generator: Random, domain: tuple[Any, Any], output_bias: bool) -> DeepNetwork:
    left, right = (Fraction(round(float(e) * 1000), 1000) for e in domain)

    def thousandths(least: int, most: int) -> Fraction:
        return Fraction(generator.choice((-1, 1)) * generator.randint(least, most), 1000)

    def outputs(layers: list[tuple[Array, Array]], x: Fraction) -> Array:
        h = np.array([x], dtype=object)
        for w, b in layers:
            h = np.array([max(z, Fraction(0)) for z in w @ h + b], dtype=object)
        return h

    layers: list[tuple[Array, Array]] = []
    inputs = 1
    for n in widths:
        weights = np.array([[thousandths(300, 1500) for _ in range(inputs)] for _ in range(n)], dtype=object)
        biases = []
        for row in weights:
            x = left + (right - left) * Fraction(generator.randint(50, 950), 1000)
            biases.append(Fraction(round(-(row @ outputs(layers, x)) * 1000), 1000) + thousandths(0, 20))
        layers.append((weights, np.array(biases, dtype=object)))
        inputs = n
    output = [thousandths(200, 1000) for _ in range(inputs)]
    bias = thousandths(100, 500) if output_bias else None
    return DeepNetwork([w for w, _ in layers], [b for _, b in layers], output, bias)


def deep_records(stated: dict[str, RitzProblem]) -> Iterator[Record]:
    """The cases of the shipped pack `deep`.

    Args:
        stated: name → problem, of those that the cases below take.
    """
    sine, free = stated["sine-2"], stated["free"]
    simple = DeepNetwork(
        [[1, -2, 3], [[1, "-1/2", "1/3"], [-1, 2, "1/4"]]], [["-1/4", 1, -2], ["1/8", "-1/3"]], [1, -2]
    )
    yield deep_case_record("sine-2-widths-3-2", "two layers with simple numbers", sine, simple)
    rows: list[tuple[str, RitzProblem, tuple[int, ...], str]] = [
        ("sine-2", sine, (1, 1), "one neuron after another"),
        ("sine-2", sine, (4, 4), "two layers"),
        ("sine-2", sine, (3, 3, 3), "three layers"),
        ("sine-2", sine, (2, 2, 2, 2), "four layers"),
        ("sine-2", sine, (16, 16), "two layers of sixteen neurons"),
        ("sine-2-sine-distance", stated["sine-2-sine-distance"], (1, 5, 2), "three layers, the first a single neuron"),
        ("variable-coefficient", stated["variable-coefficient"], (5, 4, 3), "three layers; a coefficient that varies"),
        ("two-materials", stated["two-materials"], (4, 3), "two layers; a coefficient that jumps"),
        ("natural", stated["natural"], (3, 3), "two layers; a flux at an end, and a lift"),
        ("penalised-ends", stated["penalised-ends"], (3, 2), "two layers and an output bias; penalised ends"),
    ]
    for name, problem, widths, about in rows:
        bias = name == "penalised-ends"
        network = random_deep_network(widths, 1, problem, bias)
        yield deep_case_record(f"{name}-widths-{'-'.join(map(str, widths))}", about, problem, network)
    quartic, surface = "du**2/2 + 0.1*du**4 + 0.3*u**3 - sin(3*x)*u", "sqrt(1 + du**2) - x*u"
    dense = [
        ("quartic", quartic, free, (4, 3), "a density of fourth degree, of the network itself"),
        ("quartic", quartic, free, (3, 3, 3), "the same with three layers"),
        ("surface", surface, sine, (3, 2), "a density that is no polynomial, of D times the network"),
    ]
    for name, density, problem, widths, about in dense:
        network = random_deep_network(widths, 2, problem)
        yield deep_case_record(f"{name}-widths-{'-'.join(map(str, widths))}", about, problem, network, density)
