"""The exact gradient of the energy of a deep network: bulk − Σ ⟦L⟧ dξ/dθ over the kinks of all layers (MATH 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ..line.energy import working_digits
from ..showing import gradient_table
from ..statement.deep_network import DeepNetwork
from ..statement.density import Density
from ..statement.problem import RitzProblem
from ..statement.tensors import Tensors
from ..values import Value
from .degeneracies import clearance, refuse_degenerate
from .energy import Swept, sweep
from .expansion import Expansion, expand
from .integrands import jump
from .regions import Kink, linear_regions

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class DeepGradient(Value):
    """Exact gradient of the energy, total = bulk + dirac.

    Attributes:
        bulk: the integral of ∂L/∂θ with the kinks held still; what autodiff on a fixed grid tends to.
        dirac: what the motion of the kinks adds.
        total: the derivative of the energy.
        dirac_by_layer: what the kinks of each layer add; their sum is `dirac`.
        energy: the energy itself.
        kinks: those inside the domain that the network feels.
        jumps: ⟦L⟧ at each of them, (K,).
        route: "antiderivative", "quadrature" or "Gauss points": how the integrals were found.
        error_estimate: absolute error of those integrals; 0 for closed forms.
        distance: `|Δx|` to the nearest place where the energy has no derivative.
    """

    bulk: Tensors
    dirac: Tensors
    total: Tensors
    dirac_by_layer: tuple[Tensors, ...]
    energy: Any
    kinks: tuple[Kink, ...]
    jumps: Array
    route: str
    error_estimate: float
    distance: float

    def _repr_html_(self) -> str:
        return gradient_table(self)

    def map(self, function: Callable[[Any], Any]) -> DeepGradient:
        """Apply a function to all numbers of the gradient and the energy."""
        bulk, dirac, total = (t.map(function) for t in (self.bulk, self.dirac, self.total))
        by_layer = tuple(t.map(function) for t in self.dirac_by_layer)
        rest = (self.kinks, function(self.jumps), self.route, self.error_estimate, self.distance)
        return DeepGradient(bulk, dirac, total, by_layer, function(self.energy), *rest)


def deep_gradient(
    problem: RitzProblem | Density, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> DeepGradient:
    """`exact_gradient` for a network of any depth; see there."""
    if digits is None:
        return _assemble(sweep(problem, network, density))
    with mpmath.workdps(working_digits(digits)):
        found = _assemble(sweep(problem, network, density, exact=True))
    with mpmath.workdps(digits):
        return found.map(lambda v: +v)


def gradient_at_working_precision(problem: RitzProblem | Density, network: DeepNetwork, density: Any = None) -> Array:
    """The whole gradient (P,) at mpmath's present precision."""
    return _assemble(sweep(problem, network, density, exact=True)).total.ravel()


def _assemble(swept: Swept) -> DeepGradient:
    refuse_degenerate(swept.integrand, swept.regions)
    expansion = swept.expansion
    bulk = expansion.tensors(expansion.sum(*swept.forces))
    kinks = expansion.kinks
    # −⟦L⟧ dξ/dθ = (⟦L⟧ ÷ ∂z/∂x) ∂z/∂θ, and ⟦L⟧ is the jump of the slope times a mean.
    mean = mean_jump(swept)
    factor = mean * kinks.ratio
    layers = range(swept.regions.network.depth)
    by_layer = tuple(expansion.tensors(kinks.sum(np.where(kinks.layer == k, factor, 0 * factor))) for k in layers)
    dirac = expansion.tensors(kinks.sum(factor))
    total = Tensors.from_vector(
        bulk.ravel() + dirac.ravel(), swept.regions.network.widths, swept.regions.network.output_bias is not None
    )
    distance = clearance(swept.integrand, swept.regions)
    rest = (swept.regions.moving, mean * kinks.bend, swept.integrand.route, swept.error_estimate, distance)
    return DeepGradient(bulk, dirac, total, by_layer, swept.energy, *rest)


def mean_jump(swept: Swept) -> Array:
    """⟦L⟧ ÷ ⟦a⟧ at the moving kinks, (K,)."""
    kinks = swept.expansion.kinks
    a, g = (v[kinks.left] for v in (swept.expansion.slope, swept.expansion.intercept))
    return jump(swept.integrand, kinks.position, a, g, kinks.bend)


def kink_motion(
    network: DeepNetwork, domain: tuple[Any, Any] = (0, 1), digits: int | None = None
) -> tuple[tuple[Kink, ...], Array]:
    """The kinks inside a domain that the network feels, and dξ/dθ = −∂z/∂θ ÷ ∂z/∂x of each.

    Args:
        network: one network.
        domain: the interval.
        digits: None for float64, else the number of digits of mpmath numbers.

    Returns:
        The K kinks, ascending, and (K, P) in the order of `DeepNetwork.ravel`.

    Examples:
        >>> kinks, motion = kink_motion(DeepNetwork([[2]], [[-1]], [1]))
        >>> float(kinks[0].position), motion[:, :2].tolist()
        (0.5, [[-0.25, -0.5]])
    """
    regions = linear_regions(network, domain)
    ends = (regions.marks[0], regions.marks[-1])
    if digits is None:
        return regions.moving, kink_velocities(expand(regions, ends, False))
    with mpmath.workdps(working_digits(digits)):
        found = kink_velocities(expand(regions, ends, True))
    with mpmath.workdps(digits):
        return regions.moving, +found


def kink_velocities(expansion: Expansion) -> Array:
    """dξ/dθ of the moving kinks, (K, P)."""
    kinks = expansion.kinks
    return np.asarray(expansion.rows(kinks.sensitivities, kinks.inputs) / -kinks.slope[:, None])
