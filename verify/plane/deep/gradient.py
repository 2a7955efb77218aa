"""The exact gradient of a deep plane network: bulk + Σ ∫ ⟦L⟧ ∂z/∂θ ÷ |∇z| ds over the kink lines of all layers."""

from __future__ import annotations

from collections.abc import Callable
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
from .degeneracies import clearance, degeneracies, heard_units
from .energy import Evaluated, Moment, affine_outputs, plane_integrand, refined_sums
from .regions import Region, plane_regions

Array = NDArray[Any]

# So far beside a place without derivative the one-sided ones are taken: Fractions round nothing.
_BESIDE = Fraction(1, 2**400)
# Parameters that move what coincides, times regions: half a minute.
_MOST_MOTIONS = 5000


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
        distance: to the nearest place where the energy has no derivative: how far two kink lines are from coinciding
            where both are straight, or one from an edge on which D does not vanish, and how far a pre-activation is
            from 0 throughout.
    """

    bulk: Tensors
    dirac: Tensors
    total: Tensors
    energy: Any
    route: str
    error_estimate: float
    distance: float


def deep_plane_gradient(
    problem: PlaneProblem, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> DeepPlaneGradient:
    """`exact_gradient` of a network of two inputs and any depth; see there."""
    regions = plane_regions(network, problem.domain)
    heard = heard_units(network, regions)
    refuse_degenerate(problem, network, regions, heard, density)
    distance = clearance(problem, regions, heard)
    if digits is None:
        return _assembled(problem, network, regions, heard, "float", density, distance)
    with mpmath.workdps(digits + GUARD_DIGITS):
        found = _assembled(problem, network, regions, heard, "mpf", density, distance)
    with mpmath.workdps(digits):
        bulk, dirac, total = (t.map(lambda v: +v) for t in (found.bulk, found.dirac, found.total))
        return DeepPlaneGradient(bulk, dirac, total, +found.energy, found.route, found.error_estimate, distance)


def _assembled(
    problem: PlaneProblem,
    network: DeepNetwork,
    regions: list[Region],
    heard: list[Any],
    numbers: str,
    density: Any,
    distance: float,
) -> DeepPlaneGradient:
    backward = Backward(network, regions, heard, rule(numbers, 2).array)

    def wanted(found: Evaluated) -> Array:
        bulk, dirac = backward.bulk(found.forces), backward.dirac(found.kink_moments)
        return np.concatenate([[found.energies.sum()], bulk, dirac])

    integrand = plane_integrand(problem, density)
    values, route, error = refined_sums(integrand, regions, affine_outputs(network, regions), numbers, wanted)
    bulk, dirac = np.split(values[1:], 2)
    parts = [
        Tensors.from_vector(v, network.widths, network.output_bias is not None, inputs=2)
        for v in (bulk, dirac, bulk + dirac)
    ]
    return DeepPlaneGradient(parts[0], parts[1], parts[2], values[0], route, error, distance)


class Backward:
    """From what regions and kink lines give to derivatives by the parameters.

    Args:
        network: of two inputs.
        regions: its.
        heard: see `heard_units`.
        numbers: exact numbers, in an array, as numbers of the kind that sums are of.
    """

    def __init__(
        self, network: DeepNetwork, regions: list[Region], heard: list[list[Array]], numbers: Callable[[Any], Array]
    ) -> None:
        self.heard, self.tensors = heard, network.rational.map(numbers)
        self.states = [_states(region, numbers) for region in regions]

    def bulk(self, forces: Array) -> Array:
        """(P,) of derivatives by (a₁, a₂, g) on each region, (R, 3)."""
        out = 0 * self.tensors.ravel()
        for state, force in zip(self.states, forces, strict=True):
            out += _pulled_back(self.tensors, *state, force, {})
        return out

    def dirac(self, moments: list[Moment]) -> Array:
        """(P,) of derivatives by pre-activations, (3,) each, of units on regions; of those that are heard.

        Of several units on one edge the first counts: where they move together that is right, and elsewhere there is no
        derivative.
        """
        out, injected, taken = 0 * self.tensors.ravel(), dict[int, dict[int, Array]](), set[tuple[int, int]]()
        for r, edge, (layer, neuron), moment in moments:
            if self.heard[r][layer][neuron] and (r, edge) not in taken:
                taken.add((r, edge))
                z = injected.setdefault(r, {}).setdefault(layer, 0 * self.states[r][0][layer + 1])
                z[neuron] += moment
        for r, of_region in injected.items():
            none = 0 * self.states[r][0][0][0]
            out += _pulled_back(self.tensors, *self.states[r], none, of_region)
        return out


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


def refuse_degenerate(
    problem: PlaneProblem, network: DeepNetwork, regions: list[Region], heard: list[list[Array]], density: Any = None
) -> None:
    """Raise `NondifferentiableError` where kink lines coincide, one lies on a free edge, or z is 0 on a region."""
    found = degeneracies(problem, regions, heard)
    if not found:
        return
    listed = "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
    message = f"the energy has no derivative here ({listed})"
    moved = _moving(network, found)
    if len(moved) * len(regions) > _MOST_MOTIONS:
        raise NondifferentiableError(f"{message}; move what is named apart", found)
    left, right = _one_sided(problem, network, regions, heard, moved, density)
    raise NondifferentiableError(
        f"{message}; the one-sided ones are .left and .right of this error", found, left, right
    )


def _moving(network: DeepNetwork, found: tuple[Degeneracy, ...]) -> list[int]:
    """Places in `ravel` of the parameters that move what coincides: those of its neurons and of all earlier layers."""
    units = {unit for d in found for unit in zip(d.layers, d.neurons, strict=True)}
    last, out, start = max(k for k, _ in units), [], 0
    for name, tensor in network.floats.named().items():
        layer = int(name.rsplit(".", 1)[1]) if "." in name else last + 1
        for k in range(tensor.size):
            row = k // (tensor.size // len(tensor)) if tensor.ndim else 0
            if (layer, row) in units or any(layer < m for m, _ in units):
                out.append(start + k)
        start += tensor.size
    return out


def _one_sided(
    problem: PlaneProblem,
    network: DeepNetwork,
    regions: list[Region],
    heard: list[list[Array]],
    moved: list[int],
    density: Any,
) -> tuple[Tensors, Tensors]:
    """Derivative of the energy in each parameter from below and from above, float64.

    Along a ray the energy is smooth, so each is a component of the gradient beside, at a distance far below rounding:
    regions are cut in Fractions, and what they have as one has its own affine functions there.
    """
    plain = _assembled(problem, network, regions, heard, "float", density, 0.0).total.ravel()
    sides, theta = [plain.copy(), plain.copy()], network.rational.ravel()
    for k in moved:
        for side, step in zip(sides, (-_BESIDE, _BESIDE), strict=True):
            there = theta.copy()
            there[k] += step
            beside = DeepNetwork.from_vector(there, network.widths, network.output_bias is not None, inputs=2)
            parts = plane_regions(beside, problem.domain)
            found = _assembled(problem, beside, parts, heard_units(beside, parts), "float", density, 0.0)
            side[k] = found.total.ravel()[k]
    left, right = (Tensors.from_vector(v, network.widths, network.output_bias is not None, inputs=2) for v in sides)
    return left, right
