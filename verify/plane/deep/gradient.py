"""The exact gradient of a deep plane network: bulk + Σ ∫ ⟦L⟧ ∂z/∂θ ÷ |∇z| ds over the kink lines of all layers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ...errors import Degeneracy, NondifferentiableError
from ...statement.deep_network import DeepNetwork
from ...statement.plane import PlaneProblem
from ...statement.tensors import Tensors
from ...values import Value
from ..energy import GUARD_DIGITS
from ..rule import rule
from .energy import Evaluated, affine_outputs, plane_integrand, refined_sums
from .regions import Region, Unit, plane_regions

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class DeepPlaneGradient(Value):
    """Exact gradient of a deep network's energy on a polygon, total = bulk + dirac (MATH 10).

    Attributes:
        bulk: the integral of ∂L/∂θ with the kink lines held still; what autodiff on points tends to.
        dirac: what the motion of the lines adds.
        total: the derivative of the energy.
        energy: the energy itself.
        route: "polynomial": exact but for rounding, or "quadrature".
        error_estimate: absolute error of the integrals; 0 for polynomials.
    """

    bulk: Tensors
    dirac: Tensors
    total: Tensors
    energy: Any
    route: str
    error_estimate: float


def deep_plane_gradient(
    problem: PlaneProblem, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> DeepPlaneGradient:
    """`exact_gradient` of a network of two inputs and any depth; see there."""
    regions = plane_regions(network, problem.domain)
    heard = [_heard(network, region) for region in regions]
    _refuse_degenerate(problem, regions, heard)
    if digits is None:
        return _assembled(problem, network, regions, heard, "float", density)
    with mpmath.workdps(digits + GUARD_DIGITS):
        found = _assembled(problem, network, regions, heard, "mpf", density)
    with mpmath.workdps(digits):
        bulk, dirac, total = (t.map(lambda v: +v) for t in (found.bulk, found.dirac, found.total))
        return DeepPlaneGradient(bulk, dirac, total, +found.energy, found.route, found.error_estimate)


def _assembled(
    problem: PlaneProblem, network: DeepNetwork, regions: list[Region], heard: list[Any], numbers: str, density: Any
) -> DeepPlaneGradient:
    kind = rule(numbers, 2)
    tensors = network.rational.map(kind.array)
    states = [_states(region, kind.array) for region in regions]

    def wanted(found: Evaluated) -> Array:
        none = 0 * tensors.ravel()
        bulk, dirac = none.copy(), none.copy()
        injected: list[dict[int, Array]] = [{} for _ in regions]
        for r, (layer, neuron), moment in found.kink_moments:
            if heard[r][layer][neuron]:
                z = injected[r].setdefault(layer, 0 * states[r][0][layer + 1])
                z[neuron] += moment
        for r, state in enumerate(states):
            bulk += _pulled_back(tensors, *state, found.forces[r], {})
            if injected[r]:
                dirac += _pulled_back(tensors, *state, 0 * found.forces[r], injected[r])
        return np.concatenate([[found.energies.sum()], bulk, dirac])

    integrand = plane_integrand(problem, density)
    values, route, error = refined_sums(integrand, regions, affine_outputs(network, regions), numbers, wanted)
    bulk, dirac = np.split(values[1:], 2)
    parts = [
        Tensors.from_vector(v, network.widths, network.output_bias is not None, inputs=2)
        for v in (bulk, dirac, bulk + dirac)
    ]
    return DeepPlaneGradient(parts[0], parts[1], parts[2], values[0], route, error)


def _states(region: Region, numbers: Any) -> tuple[list[Array], list[Array]]:
    """Affine inputs (n, 3) of each layer and of the output, and which neurons are active (n, 1)."""
    inputs, masks = [numbers([[1, 0, 0], [0, 1, 0]])], []
    for on, z in zip(region.active, region.preactivations, strict=True):
        masks.append(numbers([[int(v)] for v in on]))
        inputs.append(numbers(z) * masks[-1])
    return inputs, masks


def _pulled_back(
    tensors: Tensors, inputs: list[Array], masks: list[Array], force: Array, injected: dict[int, Array]
) -> Array:
    """(P,) of a derivative by the network's (a₁, a₂, g), and of those by pre-activations of a layer (n, 3)."""
    out = [inputs[-1] @ force]
    by_input = np.outer(tensors.output_weights, force)
    for k in reversed(range(len(masks))):
        by_z = masks[k] * by_input + injected.get(k, 0)
        out = [(by_z @ inputs[k].T).ravel(), by_z[:, 2], *out]
        by_input = tensors.hidden_weights[k].T @ by_z
    return np.concatenate(out if tensors.output_bias is None else [*out, force[2:]])


def _heard(network: DeepNetwork, region: Region) -> list[Array]:
    """Layer by layer, ∂ output/∂h of each neuron on a region, exactly: 0 where nothing comes of it."""
    exact = network.rational
    out = [exact.output_weights]
    for k in reversed(range(1, network.depth)):
        mask = np.array([Fraction(int(v)) for v in region.active[k]], dtype=object)
        out.insert(0, exact.hidden_weights[k].T @ (mask * out[0]))
    return out


def _refuse_degenerate(problem: PlaneProblem, regions: list[Region], heard: list[list[Array]]) -> None:
    """Raise `NondifferentiableError` where kink lines coincide, one lies on a free edge, or z is 0 on a region."""
    found: dict[Any, Degeneracy] = {}

    def add(kind: str, region: Region, units: tuple[Unit, ...], corner: int) -> None:
        x, y = region.corners[corner]
        layers, neurons = zip(*units, strict=True)
        found.setdefault((kind, units), Degeneracy(kind, neurons, (float(x), float(y)), 0.0, layers=layers))

    for region, ears in zip(regions, heard, strict=True):
        for unit in region.flat:
            if ears[unit[0]][unit[1]]:
                add("pre-activation 0 on a region", region, (unit,), 0)
        for k, (units, outer) in enumerate(zip(region.units, region.outer, strict=True)):
            loud = tuple(u for u in units if ears[u[0]][u[1]])
            if len(loud) > 1:
                add("coincident kink lines", region, loud, k)
            elif loud and outer >= 0 and outer not in problem.dirichlet:
                add("kink line on an edge", region, loud, k)
    if found:
        listed = "; ".join(map(str, list(found.values())[:3]))
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        message = f"the energy has no derivative here ({listed}{more}); move what is named apart"
        raise NondifferentiableError(message, tuple(found.values()))
