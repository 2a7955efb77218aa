"""The exact Hessian of the energy of a deep network (MATH 1, differentiated once more).

    H = ∫ ∂²L − Σ ( ⟦∂L⟧ ∂ξᵀ + ∂ξ ⟦∂L⟧ᵀ + ⟦L_x⟧ ∂ξ ∂ξᵀ + ⟦L⟧ ∂²ξ ),   ∂²ξ = −(∂²z + ∂z_x ∂ξᵀ + ∂ξ ∂z_xᵀ) ÷ z_x

With the kinks held still a network is linear in the parameters of each layer, so that second derivatives are those
between two layers.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from ..line.energy import working_digits
from ..line.hessian import HessianParts
from ..statement.deep_network import DeepNetwork
from ..statement.density import Density
from ..statement.problem import RitzProblem
from .degeneracies import refuse_degenerate
from .energy import Swept, sweep
from .gradient import kink_velocities, mean_jump

Array = NDArray[Any]


def deep_hessian_parts(
    problem: RitzProblem | Density, network: DeepNetwork, digits: int | None = None, density: Any = None
) -> HessianParts:
    """`exact_hessian` for a network of any depth, split into bulk and Dirac part; (P, P) each, O(R P²)."""
    if digits is None:
        bulk, dirac = _split(sweep(problem, network, density, order=2))
        return HessianParts(bulk, dirac, bulk + dirac)
    with mpmath.workdps(working_digits(digits)):
        bulk, dirac = _split(sweep(problem, network, density, exact=True, order=2))
        total = bulk + dirac
    with mpmath.workdps(digits):
        return HessianParts(+bulk, +dirac, +total)


def hessian_at_working_precision(problem: RitzProblem | Density, network: DeepNetwork, density: Any = None) -> Array:
    """The Hessian (P, P) at mpmath's present precision."""
    bulk, dirac = _split(sweep(problem, network, density, exact=True, order=2))
    return bulk + dirac


def _split(swept: Swept) -> tuple[Array, Array]:
    """Bulk and Dirac part."""
    refuse_degenerate(swept.integrand, swept.regions, 2)
    expansion, kinks = swept.expansion, swept.expansion.kinks
    slopes, intercepts = (tuple(pair[k] for pair in expansion.inputs) for k in (0, 1))
    by_slope, by_intercept = (expansion.rows(expansion.sensitivities, h) for h in (slopes, intercepts))
    aa, ag, gg = (row[:, None] for row in swept.curvature)
    bulk = by_slope.T @ (aa * by_slope + ag * by_intercept) + by_intercept.T @ (ag * by_slope + gg * by_intercept)
    for spring in swept.springs:
        along = sum(by_g * (x * by_slope[r] + by_intercept[r]) for r, x, by_g in spring.directions)
        bulk = bulk + spring.stiffness * np.outer(along, along)
    masks = [m.T for m in swept.regions.masks]
    pulls = [swept.forces[0][:, None] * a + swept.forces[1][:, None] * b for a, b in expansion.inputs]
    bulk = bulk + _between_layers(swept, masks, pulls, expansion.sensitivities)
    if not len(kinks.left):
        return bulk, 0 * bulk
    left, right = kinks.left, kinks.left + 1
    a, g = expansion.slope, expansion.intercept
    before, after = (swept.integrand.at(kinks.position, a[r], g[r]) for r in (left, right))
    change = swept.integrand.slope_at
    bend_x = change(kinks.position, a[right], g[right]) - change(kinks.position, a[left], g[left])
    jumps = sum(
        sign * (by_a[:, None] * by_slope[r] + by_g[:, None] * by_intercept[r])
        for sign, (_, by_a, by_g), r in ((1, after, right), (-1, before, left))
    )
    moved = kink_velocities(expansion)
    factor = mean_jump(swept) * kinks.ratio
    steeper = expansion.rows(kinks.sensitivities, tuple(s[left] for s in slopes[:-1]))
    crossed = moved.T @ (factor[:, None] * steeper - jumps)
    held = [factor[:, None] * h for h in kinks.inputs]
    own = _between_layers(swept, [m[left] for m in masks], held, kinks.sensitivities)
    return bulk, crossed + crossed.T - moved.T @ (bend_x[:, None] * moved) + own


def _between_layers(swept: Swept, masks: list[Array], pulls: list[Array], sensitivities: tuple[Array, ...]) -> Array:
    """Σ over M places of the second derivatives between layers, weighted: (P, P).

    ∂²/∂W⁽ᵏ⁾ᵢⱼ∂W⁽ᵐ⁾ₚᵩ = hⱼ (∂h_q/∂zᵢ) δₚ for k < m: what layer k takes in, how its pre-activation reaches what layer m
    takes in, and how that layer's reaches the output.

    Args:
        swept: gives the weights.
        masks: by layer, (M, nₖ).
        pulls: by layer, weight of the place times what the layer takes in, (M, nₖ₋₁ + 1).
        sensitivities: by layer, (M, nₖ); of the network, or of a pre-activation without the output layer.
    """
    weights = swept.expansion.weights
    places = _places(weights)
    size = sum(len(p.ravel()) for p in places)
    out = np.zeros((size, size), dtype=weights[0].dtype)
    for k in range(len(sensitivities) - 1):
        n = len(weights[k])
        # ∂h/∂z of the layer itself, then carried on: (M, n of the later layer, n of this one).
        reach = masks[k][:, :, None] * np.eye(n, dtype=int)
        for m in range(k + 1, len(sensitivities)):
            late, taken = sensitivities[m].shape[1], reach.shape[1]
            early = pulls[k][:, :, None] * sensitivities[m][:, None, :]
            product = reach.reshape(len(reach), -1).T @ early.reshape(len(early), -1)
            block = product.reshape(taken, n, -1, late).transpose(1, 2, 3, 0).reshape(-1, late * taken)
            rows, columns = places[k].ravel(), places[m][:, :-1].ravel()
            out[np.ix_(rows, columns)] += block
            out[np.ix_(columns, rows)] += block.T
            if m + 1 < len(sensitivities):
                reach = masks[m][:, :, None] * (weights[m] @ reach)
    return out if swept.expansion.output_bias else out[:-1, :-1]


def _places(weights: tuple[Array, ...]) -> list[Array]:
    """By layer: the index in the vector of parameters of each weight, and of the biases as a last column."""
    out, start = [], 0
    for w in weights:
        n, m = w.shape
        index = np.arange(start, start + n * m).reshape(n, m)
        biases = np.arange(start + n * m, start + n * m + n)[:, None]
        out.append(np.concatenate([index, biases], axis=1))
        start += n * (m + 1)
    return out
